"""Services and hosts that accept a connection and say nothing: each is given up, and told as what it is."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from copier import handler as copier
from intake import handler as intake
from shared.api_key import ApiKey
from shared.comet_api import CometApi, Unavailable
from shared.comet_api.connection import CONNECT_SECONDS
from tests.integration.copying import CopyShop
from tests.integration.test_copier_handler import Office, office  # noqa: F401 - a fixture
from tests.integration.test_intake import CONTEXT, EVENT


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Whose connections are opened by the kernel, and never accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def no_answer(**_: object) -> None:
    raise EndpointConnectionError(endpoint_url="https://s3.invalid/?X-Amz-Signature=secret")


def client_of_the_table() -> Any:
    return copier._tools().table._client  # noqa: SLF001 - the one that is asked


def test_a_gateway_that_is_silent_in_tls(listener: socket.socket) -> None:
    """At its real time-out: what a test shortens proves nothing about it."""
    api = CometApi(f"https://127.0.0.1:{listener.getsockname()[1]}", ApiKey(lambda: "sk-x"), connections=1)
    started = time.monotonic()
    assert isinstance(api.ask("task_x"), Unavailable)
    assert time.monotonic() - started < CONNECT_SECONDS + 2


def test_a_bucket_without_an_answer_costs_no_more_than_the_last_frame(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    shop.before = {"PutObject": no_answer}
    assert shop.copy_last_frame(task_id, shop.comet_api.last_frame_url(task_id)) == "s3_error"


def test_a_table_without_an_answer_is_counted_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TASKS_TABLE"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("RETENTION_DAYS", "30")
    monkeypatch.setattr(intake, "CLIENT_CONFIG", None)
    intake._tools.cache_clear()  # noqa: SLF001
    assert intake.handler({"Records": EVENT["Records"][:1]}, CONTEXT)["batchItemFailures"]
    intake._tools.cache_clear()  # noqa: SLF001
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert metrics["TableErrors"] == metrics["IntakeFailures"] == [1]


@pytest.mark.parametrize("call", ["GetItem", "UpdateItem"])
def test_a_table_without_an_answer_gives_the_message_back(office: Office, call: str) -> None:  # noqa: F811
    task_id = office.pending()
    before = office.item(task_id)
    events = client_of_the_table().meta.events  # a client for all tests
    events.register(f"before-call.dynamodb.{call}", no_answer)
    assert office.deliver(office.message(task_id)) == ["m-1"]
    events.unregister(f"before-call.dynamodb.{call}", no_answer)
    assert office.metric("TableErrors") == 1
    assert office.item(task_id) == before


def test_a_bucket_without_an_answer_interrupts_the_copy(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("copier.video_bucket.VideoBucket.put", lambda *_: no_answer())
    item = office.copy(office.pending())
    assert item["error"]["code"] == "s3_error"
    assert "EndpointConnectionError" in item["error"]["message"]
    assert item["pending_since"]


def test_an_item_is_read_as_it_is_now(office: Office) -> None:  # noqa: F811
    """An older one would have another lease, or none, and the message would be gone for nothing."""
    asked: list[bool] = []

    def note(params: Any, **_: object) -> None:
        asked.append(params.get("ConsistentRead", False))

    events = client_of_the_table().meta.events
    events.register("provide-client-params.dynamodb.GetItem", note)
    office.copy(office.pending())
    events.unregister("provide-client-params.dynamodb.GetItem", note)
    assert asked == [True] * len(asked)
    assert asked
