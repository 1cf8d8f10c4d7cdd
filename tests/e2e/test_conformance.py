"""MiniStack's table and bucket behave as the simulation's do, in all that the functions count on."""

from collections.abc import Callable, Iterator

import pytest

from copier.video_bucket import VideoBucket
from infra.local.stack import LocalStack
from tests.simulation.conformance import (
    BUCKET,
    BUCKET_SCENARIOS,
    FORGOTTEN_UPLOAD_SCENARIOS,
    TABLE,
    TABLE_SCENARIOS,
    Tables,
)
from tests.template import table_schema


@pytest.fixture
def tables(stack: LocalStack) -> Iterator[Tables]:
    stack.aws.dynamodb.create_table(TableName=TABLE, **table_schema())
    yield Tables(stack.aws.dynamodb)
    stack.aws.dynamodb.delete_table(TableName=TABLE)


@pytest.fixture
def bucket(stack: LocalStack) -> Iterator[VideoBucket]:
    stack.aws.s3.create_bucket(Bucket=BUCKET)
    yield VideoBucket(stack.aws.s3, BUCKET)
    for found in stack.aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        stack.aws.s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    stack.aws.s3.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("scenario", TABLE_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_table(tables: Tables, scenario: Callable[[Tables], None]) -> None:
    scenario(tables)


@pytest.mark.parametrize(
    "scenario", [*BUCKET_SCENARIOS, *FORGOTTEN_UPLOAD_SCENARIOS], ids=lambda scenario: scenario.__name__
)
def test_bucket(bucket: VideoBucket, scenario: Callable[[VideoBucket], None]) -> None:
    scenario(bucket)
