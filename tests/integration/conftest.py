"""The real functions over moto's AWS and, by real HTTP, the simulated CometAPI."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import LimitedSizeDict
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor

from infra.local.cometapi import SimulatedCometApi
from shared.task_table import TaskTable
from tests.integration.copying import CopyShop
from tests.template import table_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "tasks"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    execute = UpdateExpressionExecutor.execute

    def all_or_nothing(executor: UpdateExpressionExecutor, *node: Any) -> None:
        """Leave an item as it was that would be too large: moto keeps what it had set before it found out."""
        before = LimitedSizeDict(executor.item.attrs)
        try:
            execute(executor, *node)
        except ItemSizeTooLarge:
            executor.item.attrs = before
            raise

    monkeypatch.setattr(UpdateExpressionExecutor, "execute", all_or_nothing)
    # A session that stays has read the descriptions of AWS's services already.
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        yield


@pytest.fixture
def hang() -> Iterator[Callable[..., None]]:
    """A call to AWS that hangs until the test is over. It fails then: the next test's AWS is not to get it."""
    over = Event()

    def hang(**_: object) -> None:
        over.wait(60)
        raise EndpointConnectionError(endpoint_url="https://s3.invalid")

    yield hang
    over.set()


@pytest.fixture
def dynamodb(aws: None) -> "DynamoDBClient":  # noqa: ARG001
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(TableName=TABLE, **table_schema())
    return client


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> TaskTable:
    return TaskTable(dynamodb, TABLE)


@pytest.fixture
def comet_api() -> Iterator[SimulatedCometApi]:
    with SimulatedCometApi(render_seconds=0) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def lasting_comet_api() -> Iterator[SimulatedCometApi]:
    with SimulatedCometApi(render_seconds=0) as simulated:
        yield simulated


@pytest.fixture
def shop(aws: None, lasting_comet_api: SimulatedCometApi) -> Iterator[CopyShop]:  # noqa: ARG001
    with CopyShop(lasting_comet_api) as shop:
        yield shop


def gives_up_as(planned: Config, client: Any) -> bool:
    """Tell whether a client has the time-outs and the tries of a config; botocore's own outlive an invocation."""
    names = ("connect_timeout", "read_timeout", "retries")
    return [getattr(client.meta.config, name) for name in names] == [vars(planned)[name] for name in names]
