"""What `make watch` says of the service's health, from given lines of the Poller's log."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import health
from infra.health import TICK_SECONDS, Finding, Log, alarms, copies, key, poller
from tests.unit.conftest import NOW

PARAMETER = "/cometapi/api-key"


def log(*lines: tuple[float, object]) -> Log:
    """Return a log of lines that are so many seconds old; what is no text is said as JSON."""

    def events() -> Iterator[tuple[float, str]]:
        for age, line in lines:
            yield NOW - age, line if isinstance(line, str) else json.dumps(line)

    return Log.read(events())


def done(message: str = "round done", **counts: int) -> dict[str, Any]:
    return {"level": "INFO", "message": message, "counts": counts}


REJECTED = {"level": "ERROR", "message": "CometAPI rejects the API key; …", "answer": "Invalid token"}
NOT_SET = {"level": "ERROR", "message": "nothing was polled and no task was changed: there is no key"}
POLLER = {
    "just now": (log((8, done("tick done"))), True, "The last round was 0:08 ago"),
    "none": (log(), False, "The Poller has not run for 10 minutes"),
    "long ago": (log((TICK_SECONDS + 1, done())), False, "The last round was 3:01 ago, so nothing is asked."),
    "not configured": (log((90, done()), (30, NOT_SET)), False, "nothing was polled and no task was changed: there is"),
    "configured since": (log((90, NOT_SET), (30, done())), True, "The last round was 0:30 ago"),
    "it crashes": (log((30, {"level": "ERROR", "message": "no module"})), False, "The Poller fails, so nothing is ask"),
    "other lines": (log((8, done()), (3, "REPORT"), (2, "[1]"), (1, {"message": 7})), True, "The last round was 0:08"),
}
KEY = {
    "it is taken": (log((8, done(AnswersReport=3, AnswersUnknownTask=1))), True, "CometAPI takes the key"),
    "it is rejected": (
        log((8, REJECTED), (8, done(AnswersKeyRejected=1))),
        False,
        "rejects the API key (Invalid token)",
    ),
    "it was rejected": (log((60, done(AnswersKeyRejected=1)), (8, done(AnswersReport=1))), True, "takes the key"),
    "it was rejected, and nothing asked since": (
        log((60, done(AnswersReport=1)), (30, done(AnswersKeyRejected=1)), (8, done("tick done", PendingTasks=1))),
        False,
        "--name /cometapi/api-key --value YOUR_KEY",
    ),
    "it is another's": (log((8, done(AnswersUnknownTask=4))), False, "CometAPI knows no task under this key"),
    "it is another's since": (
        log((500, done(AnswersReport=9)), (8, done(AnswersUnknownTask=4))),
        False,
        "knows no task",
    ),
    "an id is wrong": (log((200, done(AnswersReport=9)), (8, done(AnswersUnknownTask=1))), True, "takes the key"),
    "all has ended long ago": (log((500, done(AnswersReport=9)), (8, done("tick done"))), True, "takes the key"),
    "there is silence": (log((8, done(AnswersUnavailable=4, AnswersReport=0))), False, "(4 Unavailable)"),
    "nothing was asked": (log((8, done("tick done", PendingTasks=0))), None, "the key is unproven"),
}


@pytest.mark.parametrize(("read", "is_good", "said"), POLLER.values(), ids=POLLER.keys())
def test_the_poller(read: Log, is_good: bool, said: str) -> None:  # noqa: FBT001 - a parameter
    finding = poller(read, NOW)
    assert finding.is_good is is_good
    assert finding.text.startswith(said)


def test_a_new_stack_needs_a_while() -> None:
    assert poller(log(), NOW, NOW - 60) == Finding(
        None, "no round yet, the first one comes within minutes of the deploy"
    )
    assert poller(log(), NOW, NOW - 3600).is_good is False


@pytest.mark.parametrize(("read", "is_good", "said"), KEY.values(), ids=KEY.keys())
def test_the_key(read: Log, is_good: bool | None, said: str) -> None:  # noqa: FBT001 - a parameter
    finding = key(read, PARAMETER, NOW)
    assert finding.is_good is is_good
    assert said in finding.text


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        (done("round done"), True),
        (done("tick done"), True),
        (NOT_SET, True),
        ({"level": "ERROR", "message": "no module"}, True),
        ({"level": "INFO", "message": "stored"}, False),
        ({"level": "WARNING", "message": "round undone"}, False),
    ],
)
def test_of_the_log_rounds_and_errors_are_read(line: dict[str, Any], is_read: bool) -> None:  # noqa: FBT001 - a parameter
    (rules,) = re.findall(r"^{ (.*) }$", health._FILTER)  # noqa: SLF001 - CloudWatch is told what to leave out
    found = [re.findall(r'^\(\$\.(\w+) = "(.*)"\)$', rule) for rule in rules.split(" || ")]
    assert any(line[name] == value for ((name, value),) in found) is is_read


def test_copies_and_alarms() -> None:
    assert copies(3, 2).text == "copies: 3 wait, 2 at work"
    assert [finding.text for finding in alarms([])] == ["no alarm"]
    assert alarms([("KeyRejected", "CometAPI rejects the key.\x1b[2J")])[0].text.startswith("Alarm KeyRejected: Comet")
    assert "\x1b" not in alarms([("KeyRejected", "\x1b[2J")])[0].text
