"""`make smoke` on a local stack whose functions AWS refuses: each fault is found, and nothing of it is left."""

from typing import Any

import pytest

from infra.local.stack import LocalStack
from tests.e2e.proxy import COPIER, INTAKE, Proxy, by
from tests.e2e.smoked import bad, made_by_smoke, smoked

THROTTLED = {"status": 400, "code": "ProvisionedThroughputExceededException"}


@pytest.mark.parametrize(
    ("rules", "name", "said"),
    [
        (
            {"throttled": {**by(INTAKE), "service": "dynamodb", "error": THROTTLED}},
            "intake",
            "ProvisionedThroughputExceededException",
        ),
        (
            {
                "denied": {
                    **by(COPIER),
                    "service": "s3",
                    "operation": "PutObject",
                    "error": {"code": "AccessDenied", "status": 403},
                }
            },
            "copy",
            "AccessDenied",
        ),
    ],
)
def test_a_fault_between_functions_and_aws_is_found(
    stack_in_trouble: LocalStack, proxy: Proxy, rules: dict[str, dict[str, Any]], name: str, said: str
) -> None:
    proxy.set(rules)
    try:
        found = smoked(stack_in_trouble)
    finally:
        proxy.set({})
    assert name in bad(found)
    assert said in found[name].text
    assert found[name].cure
    assert made_by_smoke(stack_in_trouble) == []
