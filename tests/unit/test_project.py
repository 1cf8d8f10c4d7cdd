"""Guards the traps of the build and the contract of the template."""

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.template import FUNCTIONS, RESOURCES, ROOT, TEMPLATE

BUILD = (ROOT / "functions/Makefile").read_text()
SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
ACTIONS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "get_item": "dynamodb:GetItem",
    "head_object": "s3:GetObject",
    "invoke": "lambda:InvokeFunction",
    "publish": "sns:Publish",
    "put_object": "s3:PutObject",
    "update_item": "dynamodb:UpdateItem",
    "upload_part": "s3:PutObject",
    "scan": "dynamodb:Scan",
}


@pytest.mark.parametrize("environment", ["default", "prod", "local"])
def test_every_environment_is_complete(environment: str) -> None:
    deploy = SAMCONFIG[environment]["deploy"]["parameters"]
    assert {"stack_name", "resolve_s3", "capabilities"} <= deploy.keys()
    # SAM would take a manifest for the functions' Makefile, and a cached build does not see requirements.txt.
    assert not {"manifest", "cached"} & SAMCONFIG[environment]["build"]["parameters"].keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_built_with_bytecode(function: str) -> None:
    assert RESOURCES[function]["Metadata"] == {"BuildMethod": "makefile"}
    assert f"build-{function}" in re.findall(r"^(build-.*):$", BUILD, re.MULTILINE)[0].split()


def test_the_build_keeps_exactly_the_services_that_are_called() -> None:
    code = "".join(path.read_text() for path in Path(ROOT, "functions").rglob("*.py"))
    # SSM is called by Powertools' SSMProvider.
    called = {*re.findall(r'boto3\.client\("(\w+)"', code), *(["ssm"] if "SSMProvider(" in code else [])}
    assert re.findall(r"^SERVICES := (.*)$", BUILD, re.MULTILINE)[0].split() == sorted(called)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_handler_imports(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "SeedancePoller")
    module, _, name = FUNCTIONS[function]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def statements(policies: list[dict[str, Any]]) -> set[str]:
    actions = [s["Action"] for policy in policies for s in policy["Statement"]]
    return {action for entry in actions for action in (entry if isinstance(entry, list) else [entry])}


def test_the_policies_allow_exactly_what_the_code_calls() -> None:
    code = "".join(path.read_text() for path in Path(ROOT, "functions").rglob("*.py"))
    called = {ACTIONS[name] for name in re.findall(r"client\.(\w+)\(", code) if name in ACTIONS}
    called |= {ACTIONS[name] for name in re.findall(r'get_paginator\("(\w+)"\)', code)}
    allowed = {action for function in FUNCTIONS.values() for action in statements(function["Policies"])}
    # SSM is read by Powertools; ListBucket turns S3's 403 for a missing object into 404.
    assert allowed == called | {"ssm:GetParameter", "s3:ListBucket"}


def test_intake_needs_neither_key_nor_bucket() -> None:
    assert statements(FUNCTIONS["IntakeFunction"]["Policies"]) == {"dynamodb:UpdateItem"}


def test_nothing_that_holds_data_is_deleted_with_the_stack() -> None:
    for name in ("TasksTable", "VideosBucket"):
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_the_contract_of_the_template() -> None:
    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    assert defaults == {
        "CometApiBaseUrl": "https://api.cometapi.com",
        "CometApiKeyParameter": "/cometapi/api-key",
        "PollIntervalSeconds": 15,
        "MaxConcurrentPolls": 16,
        "TasksPerWorker": 2000,
        "TaskDeadlineHours": 24,
        "RetentionDays": 30,
        "MaxVideoBytes": str(5 * 1024**3),
        "AllowInsecureVideoUrls": "false",
        "AlarmEmail": "",
    }
    assert set(TEMPLATE["Outputs"]) == {
        "TasksTableName",
        "VideosBucketName",
        "VideoStoredTopicArn",
        "TaskEndedTopicArn",
        "IntakeFunctionName",
        "PollerFunctionName",
        "CopierFunctionName",
        "AnnouncerFunctionName",
        "AlarmTopicArn",
        "DashboardUrl",
    }


def test_the_lease_is_longer_than_a_copy_may_take() -> None:
    from shared.lifecycle import LEASE_SECONDS  # noqa: PLC0415

    copier = FUNCTIONS["CopierFunction"]
    assert copier["Timeout"] + copier["EventInvokeConfig"]["MaximumEventAgeInSeconds"] < LEASE_SECONDS


def delivered(record: dict[str, Any], pattern: dict[str, Any]) -> bool:
    """Match as AWS documents it: leaves only, and a missing leaf does not exist wherever its parent ends."""
    for name, wanted in pattern.items():
        value = record.get(name) if isinstance(record, dict) else None
        if isinstance(wanted, dict):
            if not delivered(value or {}, wanted):
                return False
        elif not any(
            (value is not None) == rule["exists"] if isinstance(rule, dict) else value == rule for rule in wanted
        ):
            return False
    return True


def test_the_filters_deliver_what_intake_must_see() -> None:
    filters = FUNCTIONS["IntakeFunction"]["Events"]["Inserted"]["Properties"]["FilterCriteria"]["Filters"]
    # AWS documents that only the `dynamodb` key is filtered on: what counts must be delivered without the others.
    patterns = [p for f in filters if set(p := json.loads(f["Pattern"])) == {"dynamodb"}]
    records = json.loads((ROOT / "events/stream.json").read_text())["Records"]
    seen = {r["dynamodb"]["Keys"]["task_id"]["S"] for r in records if any(delivered(r, p) for p in patterns)}
    assert seen >= {"task_bare", "task_body", "task_put_again", "task_retried", "task_invalid"}
    assert "task_pending" not in seen


def test_the_filter_delivers_every_ending_to_the_announcer() -> None:
    (only,) = FUNCTIONS["AnnouncerFunction"]["Events"]["Ended"]["Properties"]["FilterCriteria"]["Filters"]
    records = json.loads((ROOT / "events/ended.json").read_text())["Records"]
    seen = {r["dynamodb"]["Keys"]["task_id"]["S"] for r in records if delivered(r, json.loads(only["Pattern"]))}
    assert seen >= {"task_stored", "task_failed", "task_invalid", "task_invalid_again"}
    assert not seen & {"task_moving", "task_deleted"}
