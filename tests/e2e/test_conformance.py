"""MiniStack's table and bucket behave as the simulation's do, in all that the functions count on."""

from collections.abc import Callable, Iterator

import pytest

from copier.video_bucket import VideoBucket
from infra.local.stack import LocalStack
from tests.simulation.conformance import (
    BUCKET,
    BUCKET_SCENARIOS,
    TABLE,
    TABLE_SCENARIOS,
    Tables,
    an_aborted_upload_takes_no_parts,
)
from tests.template import table_schema


@pytest.fixture
def tables(stack_without_key: LocalStack) -> Iterator[Tables]:
    dynamodb = stack_without_key.aws.dynamodb
    dynamodb.create_table(TableName=TABLE, **table_schema())
    yield Tables(dynamodb)
    dynamodb.delete_table(TableName=TABLE)


@pytest.fixture
def bucket(stack_without_key: LocalStack) -> Iterator[VideoBucket]:
    s3 = stack_without_key.aws.s3
    s3.create_bucket(Bucket=BUCKET)
    yield VideoBucket(s3, BUCKET)
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("scenario", TABLE_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_table(tables: Tables, scenario: Callable[[Tables], None]) -> None:
    scenario(tables)


# MiniStack answers the second completion of an upload like the first, which does no harm: the object is the same.
@pytest.mark.parametrize(
    "scenario", [*BUCKET_SCENARIOS, an_aborted_upload_takes_no_parts], ids=lambda scenario: scenario.__name__
)
def test_bucket(bucket: VideoBucket, scenario: Callable[[VideoBucket], None]) -> None:
    scenario(bucket)
