"""What travels in the queues: whatever is no message of ours is told from one that is."""

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage
from shared.queues import CopyMessage, Queues, RoundMessage, round_entry, sqs_messages
from shared.task import TASK_ID
from shared.task_table import Segment
from tests.template import ROOT
from tests.unit.conftest import NOW

ROUND = RoundMessage(segment=1, segments=4, after=NOW - 15, until=NOW, ends_at=NOW + 15)
COPY = CopyMessage("task_x", "word", "https://v.volces.com/a.mp4?X-Tos-Signature=secret")
FRAME = "https://v.volces.com/a.png?X-Tos-Signature=secret"
JUNK = [
    "", " ", "null", "true", "7", '"text"', "[]", "[1]", "{}", "{", "\ud800", "NaN", "x" * 100_000, "[" * 100_000,
    '{"a":' * 100_000, "9" * 5000, "<html>",
]  # fmt: skip


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / name).read_text())
    return event


def with_(message: RoundMessage | CopyMessage, **fields: object) -> str:
    return json.dumps({**json.loads(message.body()), **fields})


def without(message: RoundMessage | CopyMessage, name: str) -> str:
    return json.dumps({field: value for field, value in json.loads(message.body()).items() if field != name})


names = st.text(min_size=1, max_size=30)


@given(st.from_regex(TASK_ID, fullmatch=True), names, names, st.none() | names)
def test_a_copy_arrives_as_it_was_sent(task_id: str, lease: str, url: str, frame: str | None) -> None:
    message = CopyMessage(task_id, lease, url, frame)
    assert CopyMessage.read(message.body()) == message


@given(st.integers(0, 99), st.integers(1, 100), *[st.integers(-800, 800)] * 2)
def test_a_round_arrives_as_it_was_sent(segment: int, more: int, until: int, ends: int) -> None:
    message = RoundMessage(segment, segment + more, NOW + until - 60, NOW + until, NOW + ends)
    assert RoundMessage.read(message.body(), NOW) == message
    assert message.share == Segment(segment, segment + more)


def test_the_samples_are_messages() -> None:
    (copy,) = sqs_messages(sample("copy.json"))
    assert CopyMessage.read(copy["body"]).task_id.startswith("task_")
    (asked,) = sqs_messages(sample("round.json"))
    sent_at = int(asked["attributes"]["SentTimestamp"]) / 1000
    assert RoundMessage.read(asked["body"], sent_at).until


def test_neither_url_is_ever_shown() -> None:
    message = CopyMessage("task_x", "word", COPY.video_url, FRAME)
    assert "secret" not in repr(message)
    assert "volces" not in repr(message)


@pytest.mark.parametrize("body", JUNK, ids=lambda body: ascii(body[:12]).replace("\\", ""))
def test_what_is_no_message_at_all(body: str) -> None:
    said = r"^The message is no JSON object\.$" if body != "{}" else "^The message is no (copy|round) as"
    with pytest.raises(BadMessage, match=said):
        CopyMessage.read(body)
    with pytest.raises(BadMessage, match=said):
        RoundMessage.read(body, NOW)


@pytest.mark.parametrize(
    "body",
    [
        *(without(ROUND, name) for name in ("segment", "segments", "after", "until", "ends_at")),
        *(with_(ROUND, segment=value) for value in (1.0, "1", None, True, [1])),
        with_(ROUND, segments=False), with_(ROUND, segment=0, segments=True),
        with_(ROUND, ends_at=f"{NOW + 22}"), with_(ROUND, more=1), COPY.body(),
    ],
)  # fmt: skip
def test_what_is_no_round(body: str) -> None:
    with pytest.raises(BadMessage, match=r"^The message is no round as events/round\.json has one\.$"):
        RoundMessage.read(body, NOW)


@pytest.mark.parametrize(
    "body",
    [
        *(with_(ROUND, segment=value) for value in (-1, 4, 99)),
        *(with_(ROUND, segments=value) for value in (0, 1, -4, 1_000_001)),
        with_(ROUND, after=NOW), with_(ROUND, after=NOW + 1), with_(ROUND, until=0),
    ],
)  # fmt: skip
def test_a_round_of_no_tasks_is_none(body: str) -> None:
    with pytest.raises(BadMessage, match=r"^The message is a round of no segment, or of no time\.$"):
        RoundMessage.read(body, NOW)


@pytest.mark.parametrize(
    ("body", "now"),
    [
        *((ROUND.body(), NOW + shift) for shift in (-86400, -3600, -1000, 1000, 86400)),
        (with_(ROUND, until=10**300), NOW), (with_(ROUND, ends_at=0), NOW), (with_(ROUND, ends_at=10**300), NOW),
        (with_(ROUND, after=-(10**300)), NOW), (with_(ROUND, after=NOW - 900), NOW),
        (with_(ROUND, ends_at=NOW + 900), NOW),
    ],
)  # fmt: skip
def test_a_round_of_another_time_is_none(body: str, now: float) -> None:
    with pytest.raises(BadMessage, match=r"^The message is a round of another time\.$"):
        RoundMessage.read(body, now)


@pytest.mark.parametrize(
    "message",
    [
        ROUND,
        replace(ROUND, segment=0, segments=1),
        replace(ROUND, segment=999_999, segments=1_000_000),
        replace(ROUND, after=NOW - 899, ends_at=NOW + 899),
    ],
)
def test_a_round_that_is_one(message: RoundMessage) -> None:
    assert RoundMessage.read(message.body(), NOW) == message


@pytest.mark.parametrize(
    "body",
    [
        *(without(COPY, name) for name in ("task_id", "lease", "video_url")),
        *(with_(COPY, **{name: value}) for name in ("task_id", "lease", "video_url") for value in ("", None, 7, ["x"])),
        *(with_(COPY, task_id=name) for name in ("x" * 257, "with space", "\ud800")),
        with_(COPY, more=1), ROUND.body(),
    ],
)  # fmt: skip
def test_what_is_no_copy(body: str) -> None:
    with pytest.raises(BadMessage, match=r"^The message is no copy as events/copy\.json has one\.$"):
        CopyMessage.read(body)


@pytest.mark.parametrize(
    "message",
    [COPY, replace(COPY, last_frame_url=FRAME), replace(COPY, video_url="https://v/\ud800\ufffe")],
    ids=["video", "last frame", "no XML"],
)
def test_a_copy_that_is_one(message: CopyMessage) -> None:
    assert CopyMessage.read(message.body()) == message
    assert message.body().isascii(), "SQS refuses a body with what XML cannot hold"
    assert message.body().count("last_frame_url") == (message.last_frame_url is not None)


@pytest.mark.parametrize("frame", [None, 7, ["x"], {}])
def test_a_last_frame_that_is_no_url_costs_no_video(frame: object) -> None:
    assert CopyMessage.read(with_(COPY, last_frame_url=frame)) == COPY


@pytest.mark.parametrize(
    ("now", "delay"),
    [(NOW - 7, 7), (NOW - 6.6, 7), (NOW - 0.6, 1), (NOW, 0), (NOW + 99, 0), (NOW - 900, 900), (NOW - 9999, 900)],
)
def test_a_round_is_delayed_until_it_starts(now: float, delay: int) -> None:
    assert round_entry("3", ROUND, now) == {"Id": "3", "MessageBody": ROUND.body(), "DelaySeconds": delay}


@pytest.mark.parametrize(
    "event",
    [None, 7, "x", [], {}, {"Records": None}, {"Records": {}}, {"Records": "aws:sqs"}, {"Records": [None, 7, "x", {}]},
     {"Records": [{"eventSource": "aws:dynamodb"}]}, {"scheduled_time": "x"}],
)  # fmt: skip
def test_an_event_that_no_queue_sent_has_no_messages(event: object) -> None:
    assert sqs_messages(event) == []


def test_what_sqs_did_not_take_is_counted_over_all_batches() -> None:
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    failed = {"Id": "0", "SenderFault": False, "Code": "InternalError"}
    with Stubber(client) as stubber:
        for _ in range(2):
            stubber.add_response("send_message_batch", {"Successful": [], "Failed": [failed]})
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": []})
        assert Queues(client, "https://rounds", "https://copies").send_rounds([ROUND] * 30, NOW) == 2
        stubber.assert_no_pending_responses()
