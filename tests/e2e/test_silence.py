"""Silence ends no task for a week and leaves a word; a key that is refused stops the round; settings that are wrong."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from shared.lifecycle import QUIET_SECONDS
from tests.e2e.ground import DAY, Ground, code_of, codes, statuses
from tests.e2e.tasks import Item

if TYPE_CHECKING:
    from infra.local.cometapi.script import Step
    from infra.local.stack import LocalStack


POLLER = "PollerFunctionName"
SILENCES: dict[str, tuple["Step", str]] = {
    "throttled": ({"name": "throttled_retry_after_seconds", "retry_after": 0}, "The last question got HTTP 429"),
    "unavailable": ("http_502", "The last question got HTTP 502."),
    "key_rejected": ("unauthorized", "CometAPI rejects the API key: Invalid token"),
}
"""What CometAPI answers to every question, by the code that an item has of it, and what the item says."""
YOUNG = [f"two days {number}" for number in range(2)]


@dataclass
class Outage:
    """What was seen, by the kind of silence, and how the tasks went on."""

    ground: Ground
    noted: dict[str, list[Item]] = field(default_factory=dict)
    old: dict[str, Item] = field(default_factory=dict)
    unchanged: dict[str, tuple[list[Item], list[Item]]] = field(default_factory=dict)
    polls: list[int] = field(default_factory=list)
    histories: dict[str, list[Item]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def outage(stack: "LocalStack") -> Iterator[Outage]:
    outage = Outage(Ground(stack))
    ground = outage.ground
    ground.clear()  # a round that stops at its first question asks those first that have no trouble yet
    try:
        for case in YOUNG:
            ground.put(case, age=2 * DAY)
        for kind, (answer, _) in SILENCES.items():
            stack.cometapi.fault(answer)
            silence(outage, kind)
        stack.cometapi.clear()
        ground.until(lambda: ground.ended(*YOUNG), "stored after the outage")
        outage.histories = ground.histories()
        yield outage
    finally:
        stack.cometapi.clear()
        ground.cancel(*ground.ids)


def silence(outage: Outage, kind: str) -> None:
    """Let nobody be told anything, in one way, until every task has heard it; then for a little longer."""
    ground, code = outage.ground, f"silence_{kind}"
    for case in YOUNG:
        ground.change(case, updated_at=int(time.time()) - DAY)
    ground.put(f"eight days, {kind}", age=8 * DAY)
    ground.until(lambda: ground.ended(f"eight days, {kind}"), "expired after a week")
    ground.until(lambda: all(ground.code(case) == code for case in YOUNG), "a word on each")
    outage.noted[kind] = [ground.item(case) for case in YOUNG]
    outage.old[kind] = ground.item(f"eight days, {kind}")
    for case in YOUNG:
        ground.change(case, updated_at=int(time.time()) - QUIET_SECONDS - 1)
    before, since = [ground.item(case) for case in YOUNG], time.time()
    ground.until(lambda: len(ground.questions(YOUNG, since)) > 3, "asked again")
    outage.unchanged[kind] = before, [ground.item(case) for case in YOUNG]


@pytest.mark.parametrize("kind", SILENCES)
def test_silence_ends_nothing_that_is_younger_than_a_week(outage: Outage, kind: str) -> None:
    assert all("pending_since" in item for item in outage.noted[kind])
    assert (outage.old[kind]["status"], code_of(outage.old[kind])) == ("EXPIRED", "deadline")


@pytest.mark.parametrize("kind", SILENCES)
def test_silence_is_noted_in_true_words_and_only_once(outage: Outage, kind: str) -> None:
    assert all(item["error"]["message"].startswith(SILENCES[kind][1]) for item in outage.noted[kind])
    before, after = outage.unchanged[kind]
    assert after == before


@pytest.mark.parametrize("case", YOUNG)
def test_what_was_ready_meanwhile_is_stored_when_the_silence_is_over(outage: Outage, case: str) -> None:
    assert codes(outage.histories[case]) == [None, *(f"silence_{kind}" for kind in SILENCES), None]
    assert statuses(outage.histories[case]) == ["SUBMITTED", "COPYING", "SUCCESS"]


@pytest.mark.parametrize(("kind", "counted"), [("HTTP 429", "AnswersThrottled"), ("HTTP 502", "AnswersUnavailable")])
def test_a_kind_of_silence_is_counted_and_logged_once_an_environment(outage: Outage, kind: str, counted: str) -> None:
    stack = outage.ground.stack
    lines = [line for line in stack.logs(POLLER) if '"level":"WARNING"' in line and kind in line]
    environments = [*stack.folder.glob(f"tmpdir/ministack-lambda-{stack.outputs[POLLER]}-*")]
    assert 1 <= len(lines) <= len(environments)
    assert outage.ground.counted(counted) > len(lines)


def test_a_rejected_key_stops_the_round(outage: Outage) -> None:
    rounds = [entry["counts"] for entry in outage.ground.log() if "AnswersKeyRejected" in entry.get("counts", {})]
    assert [counts["Polls"] for counts in rounds[-3:]] == [1, 1, 1]
    assert {counts["AnswersReport"] for counts in rounds[-3:]} == {0}


@dataclass
class Settings:
    """A task under settings that are wrong or odd."""

    ground: Ground
    before: Item = field(default_factory=dict)
    under_http: Item = field(default_factory=dict)
    asked_under_http: int = -1
    said: list[str] = field(default_factory=list)
    without_quota: Item = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def settings(stack: "LocalStack", outage: Outage) -> Iterator[Settings]:  # noqa: ARG001 - it has all processes start anew
    ground = Ground(stack)
    settings = Settings(ground)
    try:
        with ground.setting(POLLER, ALLOW_INSECURE_VIDEO_URLS="false"):
            under_plain_http(settings)
            stack.cometapi.fault("quota_exhausted")
        with ground.setting(POLLER, COMETAPI_BASE_URL=f"{stack.cometapi.base_url}/v1/"):
            under_a_base_with_its_version(settings)
        yield settings
    finally:
        stack.cometapi.clear()
        ground.cancel(*ground.ids)


def under_plain_http(settings: Settings) -> None:
    ground = settings.ground

    def refusals() -> int:
        return sum("plain http" in str(entry.get("message")) for entry in ground.log())

    ground.until(lambda: refusals() > 1, "the refusal of plain http")  # who worked until then would ask
    ground.put("waits")
    settings.before = ground.item("waits")
    since, so_far = time.time(), refusals()
    ground.until(lambda: refusals() > so_far + 2, "the refusal of plain http, again")
    settings.asked_under_http = len(ground.questions(["waits"], since))
    settings.under_http = ground.item("waits")


def under_a_base_with_its_version(settings: Settings) -> None:
    """First without quota, told to a key that got no report; then as it should be."""
    ground, since = settings.ground, time.time()
    ground.until(lambda: len(ground.questions(["waits"], since, "quota_exhausted")) > 2, "refused")
    settings.without_quota = ground.item("waits")
    ground.stack.cometapi.clear()
    ground.until(lambda: ground.ended("waits"), "stored")
    settings.paths = {request.path for request in ground.stack.cometapi.requests if request.at > since}
    ground.until(lambda: "user quota" in str(rejections(ground)), "logged")
    settings.said = rejections(ground)


def rejections(ground: Ground) -> list[str]:
    return [entry["answer"] for entry in ground.log() if "rejects the API key" in str(entry.get("message"))]


def test_plain_http_is_refused_where_it_is_not_allowed(settings: Settings) -> None:
    assert settings.asked_under_http == 0
    assert settings.under_http == settings.before


def test_a_refusal_of_a_key_without_a_report_is_told_in_cometapis_words_and_changes_no_task(settings: Settings) -> None:
    assert settings.without_quota == settings.before
    assert "user quota is not enough" in settings.said


def test_a_base_url_with_its_version_is_asked_as_the_one_without(settings: Settings) -> None:
    assert settings.ground.item("waits")["status"] == "SUCCESS"
    task_id = settings.ground.ids["waits"]
    assert {path for path in settings.paths if path.startswith("/v1")} == {f"/v1/videos/{task_id}"}
