"""The simulation's table and bucket behave as moto's do, in all that the functions count on."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from copier.video_bucket import VideoBucket
from tests.simulation.conformance import (
    BUCKET,
    BUCKET_SCENARIOS,
    FORGOTTEN_UPLOAD_SCENARIOS,
    TABLE,
    TABLE_SCENARIOS,
    Tables,
)
from tests.simulation.dynamodb import DynamoDB, Store
from tests.simulation.s3 import S3, Objects
from tests.template import table_schema


@pytest.fixture(params=["simulated", "moto"])
def clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    if request.param == "simulated":
        yield DynamoDB(Store()), S3(Objects())
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(TableName=TABLE, **table_schema())
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        events: Any = s3.meta.events
        events.register("provide-client-params.s3.*", _with_bytes)
        yield dynamodb, s3


def _with_bytes(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Moto takes no bytearray, which S3 does."""
    return {**params, "Body": bytes(params["Body"])} if "Body" in params else params


@pytest.mark.parametrize("scenario", TABLE_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_table(clients: tuple[Any, Any], scenario: Callable[[Tables], None]) -> None:
    scenario(Tables(clients[0]))


@pytest.mark.parametrize("scenario", BUCKET_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_bucket(clients: tuple[Any, Any], scenario: Callable[[VideoBucket], None]) -> None:
    scenario(VideoBucket(clients[1], BUCKET))


@pytest.mark.parametrize("scenario", FORGOTTEN_UPLOAD_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_forgotten_uploads(scenario: Callable[[VideoBucket], None]) -> None:
    scenario(VideoBucket(cast("Any", S3(Objects())), BUCKET))
