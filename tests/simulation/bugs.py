"""Bugs to put into the functions, one at a time, to see that the simulation finds each of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from math import inf
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

from announcer import handler as announcer
from copier import copy, video_url
from copier.answer import Answer as HostAnswer
from copier.video_bucket import StoredVideo
from intake import admission
from poller import plan, worker
from poller.round import Round
from shared import lifecycle, task_table
from shared.api_key import ApiKey
from shared.comet_api import Answer, CometApi, Report, Unavailable, UnknownTask, content_url
from shared.lifecycle import Limits
from shared.queues import CopyMessage, RoundMessage
from shared.task import Change, HandOff, Status, Task
from tests.simulation.s3 import S3
from tests.simulation.weather import Trouble, Weather, draw

type Patch = AbstractContextManager[object]

_request = task_table.update_request
_decide, _end, _is_certain, _begin = lifecycle.decide, lifecycle._end, lifecycle._is_certain, lifecycle.begin_copy  # noqa: SLF001 - to break
_put, _complete = S3.put_object, S3.complete_multipart_upload
_own, _hand_off, _redirected = copy._own, Round._hand_off, video_url.redirected  # noqa: SLF001 - see above
_plan, _announce = plan.plan, announcer._announce  # noqa: SLF001 - see above
_HOUR = 3600
_OFTEN = 0.1
_admit = admission.admit
_OF_THE_LAST_RUN = admission._OF_THE_LAST_RUN  # noqa: SLF001 - see above


def _constant(name: str, value: object) -> Callable[[], Patch]:
    return lambda: patch(name, value)


def _changed(how: Callable[[HandOff], Change]) -> Callable[[], Patch]:
    """Change what the Poller writes when it hands a video off."""

    def decide(*arguments: Any) -> Change | None:
        change = _decide(*arguments)
        return how(change) if isinstance(change, HandOff) else change

    return lambda: patch("poller.round.decide", decide)


def _certain(is_certain: Callable[[Task, UnknownTask, int], bool]) -> Callable[[], Patch]:
    return lambda: patch("shared.lifecycle._is_certain", is_certain)


def _conditions_removed() -> Patch:
    return patch("shared.task_table.update_request", lambda name, change: _request(name, replace(change, expected={})))


def _existence_not_checked() -> Patch:
    def request(name: str, change: Change) -> dict[str, Any]:
        built = _request(name, change)
        built["ConditionExpression"] = built["ConditionExpression"].removeprefix("attribute_exists(task_id)")
        return {**built, "ConditionExpression": built["ConditionExpression"].removeprefix(" AND ")}

    return patch("shared.task_table.update_request", request)


@contextmanager
def _if_none_match_removed() -> Iterator[None]:
    def put(client: S3, **request: Any) -> Any:
        return _put(client, **{**request, "IfNoneMatch": ""})

    def complete(client: S3, **request: Any) -> Any:
        return _complete(client, **{**request, "IfNoneMatch": ""})

    with patch.multiple(S3, put_object=put, complete_multipart_upload=complete):
        yield


def _closed_before_copied() -> Patch:
    def outcome(tools: Any, task: Task, *_: Any) -> Change:
        from copier.handler import _now  # noqa: PLC0415 - it is the simulation's meanwhile

        said = {"s3_uri": f"s3://videos/{task.s3_key}", "size": 1, "etag": "0"}
        return lifecycle.close(task, said, _now(), tools.limits)

    return patch("copier.handler._outcome", outcome)


def _sent_after_recorded() -> Patch:
    def hand_off(self: Any, change: HandOff) -> None:
        word = f"{change.task_id} at {self._tools.now()}"
        url = change.video_url or content_url(self._tools.api.base, change.task_id)
        if self._tools.table.write(change.under(word)):
            self._send(CopyMessage(change.task_id, word, url))

    return patch.object(Round, "_hand_off", hand_off)


def _begin_not_conditional() -> Patch:
    def begin(*arguments: Any) -> Change:
        return replace(_begin(*arguments), expected={})

    return patch("copier.handler.begin_copy", begin)


def _lease_of_a_copier_too_short() -> Patch:
    def begin(task: Task, word: str, own: str, now: int, seconds: float) -> Change:
        return _begin(task, word, own, now, seconds / 10)

    return patch("copier.handler.begin_copy", begin)


def _admitted_by_kind_of_event() -> Patch:
    def passes(role: str, record: dict[str, Any]) -> bool:
        return role == "announcer" or bool(record["eventName"] == "INSERT")

    return patch("tests.simulation.stream.passes", passes)


def _admitted_as_it_was() -> Patch:
    """As if what is to be removed were looked up in the stream's image, which is older than the item."""

    def admit(item: Any, *rest: Any) -> Change | None:
        change = _admit(item, *rest)
        return change and replace(change, remove=change.remove & item.keys())

    return patch("intake.handler.admit", admit)


def _key_known_by_name() -> Patch:
    class Reported(dict[str, float]):
        def get(self, _key: str, _default: Any = None) -> Any:
            return max(self.values(), default=None)

    made = CometApi.__init__

    def make(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self._reported_at = Reported()

    return patch.object(CometApi, "__init__", make)


def _key_kept_for_ever() -> Patch:
    def value(self: Any) -> str:
        self._value = self._value or self._read()
        return str(self._value)

    return patch.object(ApiKey, "value", value)


def _ended_tasks_changeable() -> Patch:
    def end(task: Task, expected: Any, *rest: Any) -> Change:
        return _end(task, {} if "lease" in expected and len(expected) == 1 else expected, *rest)

    return patch("shared.lifecycle._end", end)


def _generation_not_guarded() -> Patch:
    def decide(*arguments: Any) -> Change | None:
        change = _decide(*arguments)
        unguarded = {"pending_since", "status", "lease", "lease_until", "reported_at", "progress"}
        return change and replace(change, expected={n: v for n, v in change.expected.items() if n not in unguarded})

    return patch("poller.round.decide", decide)


def _progress_not_guarded() -> Patch:
    def advance(task: Task, report: Report, now: int) -> Change | None:
        values = {"status": (report.status or Status.SUBMITTED).value, "progress": report.progress or 0}
        return lifecycle._change(task, values, set(), now)  # noqa: SLF001 - the place of the bug

    return patch("shared.lifecycle._advance", advance)


def _own_object_not_known() -> Patch:
    def own(stored: StoredVideo | None, task: Task) -> StoredVideo:
        return _own(replace(stored, task_id=None) if stored else None, task)

    return patch("copier.copy._own", own)


def _others_object_accepted() -> Patch:
    def own(stored: StoredVideo | None, task: Task) -> StoredVideo:
        return _own(replace(stored, task_id=task.task_id) if stored else None, task)

    return patch("copier.copy._own", own)


def _trouble_ends_tasks() -> Patch:
    def decide(task: Task, answer: Answer, now: int, limits: Limits) -> Change | None:
        if isinstance(answer, Unavailable):
            return lifecycle.end(task, Status.ERROR, {"code": "unavailable", "message": answer.reason}, now, limits)
        return _decide(task, answer, now, limits)

    return patch("poller.round.decide", decide)


def _url_logged() -> Patch:
    def hand_off(self: Any, change: HandOff) -> None:
        from poller.round import logger  # noqa: PLC0415 - see _closed_before_copied

        logger.info("handing off", task_id=change.task_id, video_url=change.video_url)
        _hand_off(self, change)

    return patch.object(Round, "_hand_off", hand_off)


def _key_to_strangers() -> Patch:
    def redirected(url: Any, location: str, **how: Any) -> Any:
        return replace(_redirected(url, location, **how), takes_key=url.takes_key)

    return patch("copier.video_host.redirected", redirected)


def _announcements_dropped() -> Patch:
    def announce(record: dict[str, Any]) -> bool:
        _announce(record)
        return True

    return patch("announcer.handler._announce", announce)


def _windows_at_the_ticks_own_time() -> Patch:
    """As if each tick planned the minute that begins with it: a later one leaves a gap."""

    def planned(_event: object, _oldest: float, now: float, interval: int, segments: int) -> list[RoundMessage]:
        return plan.rounds(int(now), interval, segments)

    return patch.object(worker, "plan", planned)


def _next_minute_only() -> Patch:
    """As if the tick before always had planned: whoever comes to an idle stack waits for a minute more."""

    def planned(_event: object, _oldest: float, now: float, interval: int, segments: int) -> list[RoundMessage]:
        return plan.rounds(int(now) // plan.MINUTE * plan.MINUTE + plan.MINUTE, interval, segments)

    return patch.object(worker, "plan", planned)


def _only_the_first_segment() -> Patch:
    def planned(event: object, oldest: float, now: float, interval: int, segments: int) -> list[RoundMessage]:
        return [asked for asked in _plan(event, oldest, now, interval, segments) if asked.segment == 0]

    return patch.object(worker, "plan", planned)


class Bug(NamedTuple):
    """A bug, and the worlds in which it may show."""

    put_in: Callable[[], Patch]
    shows_in: Callable[[Weather], bool] = lambda _: True


def worlds_of(bug: Bug, seeds: Iterable[int]) -> Iterator[int]:
    """Yield the seeds of worlds in which a bug may show."""
    return (seed for seed in seeds if bug.shows_in(draw(Random(seed))))  # noqa: S311 - as the worlds are drawn


def _comes_twice(weather: Weather) -> bool:
    return bool(weather.message_twice)


def _owner_is_busy(weather: Weather) -> bool:
    return weather.user_is_busy == 1


def _repeats_beside_its_owner(weather: Weather) -> bool:
    return weather.user_is_busy == 1 and weather.repeated > 0


def _refuses_and_is_slow(weather: Weather) -> bool:
    return weather.refused >= _OFTEN and weather.slow > 0 and weather.tasks > 1


def _knows_denials(weather: Weather) -> bool:
    return any(spell.trouble in {Trouble.FOREIGN_KEY, Trouble.FORGETFUL} for spell in weather.spells)


def _key_comes_back(weather: Weather) -> bool:
    return sum(spell.trouble is Trouble.FOREIGN_KEY for spell in weather.spells) > 1


def _forgets_for_long(weather: Weather) -> bool:
    return any(
        spell.trouble is Trouble.FORGETFUL and spell.ends - spell.begins > 2 * lifecycle.DENIED_SECONDS
        for spell in weather.spells
    )


def _lasts(weather: Weather) -> bool:
    return any(spell.ends - spell.begins > _HOUR for spell in weather.spells)


def _ticks_late(weather: Weather) -> bool:
    return bool(weather.tick_jitter) and weather.is_prompt and not weather.stale


BUGS: dict[str, Bug] = {
    "lease-dropped": Bug(_constant("shared.lifecycle._LEASE_SECONDS", 0)),
    "lease-too-short": Bug(_constant("shared.lifecycle._LEASE_SECONDS", 600)),
    "lease-of-a-copier-too-short": Bug(_lease_of_a_copier_too_short),
    "begin-not-conditional": Bug(_begin_not_conditional, _comes_twice),
    "attempt-counted-at-sending": Bug(_changed(lambda made: replace(made, set={**made.set, "copy_attempts": 1}))),
    "copying-called-success": Bug(_changed(lambda made: replace(made, set={**made.set, "status": "SUCCESS"}))),
    "sent-after-recorded": Bug(_sent_after_recorded),
    "not-sent-again": Bug(_constant("poller.round._IN_TIME_SECONDS", inf), lambda weather: weather.slow > 0),
    "not-taken-back": Bug(lambda: patch.object(Round, "_take_back", lambda *_: None), _refuses_and_is_slow),
    "hand-off-not-guarded": Bug(
        _changed(lambda made: replace(made, expected={"pending_since": made.expected["pending_since"]}))
    ),
    "conditions-removed": Bug(_conditions_removed),
    "existence-not-checked": Bug(_existence_not_checked, _owner_is_busy),
    "generation-not-guarded": Bug(_generation_not_guarded),
    "progress-not-guarded": Bug(_progress_not_guarded),
    "ended-tasks-changeable": Bug(_ended_tasks_changeable),
    "if-none-match-removed": Bug(_if_none_match_removed),
    "closed-before-copied": Bug(_closed_before_copied),
    "own-object-not-known": Bug(_own_object_not_known),
    "others-object-accepted": Bug(_others_object_accepted),
    "short-video-accepted": Bug(
        lambda: patch.object(HostAnswer, "is_delimited", True),  # noqa: FBT003 - patch's
        lambda weather: weather.host_trouble > 0,
    ),
    "admitted-by-kind-of-event": Bug(_admitted_by_kind_of_event),
    "admitted-as-it-was": Bug(_admitted_as_it_was, _repeats_beside_its_owner),
    "ended-at-kept": Bug(_constant("intake.admission._OF_THE_LAST_RUN", _OF_THE_LAST_RUN - {"ended_at"})),
    "not-found-at-once": Bug(_constant("shared.lifecycle.DENIED_SECONDS", 0)),
    "not-found-without-proof": Bug(
        _certain(lambda task, _, now: now - (task.denied_since or now) >= lifecycle.DENIED_SECONDS), _knows_denials
    ),
    "not-found-though-reported": Bug(
        _certain(lambda task, *rest: _is_certain(replace(task, reported_at=None), *rest)), _forgets_for_long
    ),
    "key-known-by-name": Bug(_key_known_by_name, _key_comes_back),
    "key-kept-for-ever": Bug(_key_kept_for_ever, _knows_denials),
    "trouble-ends-tasks": Bug(_trouble_ends_tasks),
    "silence-ends-tasks": Bug(_constant("shared.lifecycle.SILENCE_SECONDS", 0), _lasts),
    "silence-without-a-word": Bug(_constant("shared.lifecycle.QUIET_SECONDS", inf), _lasts),
    "period-too-long": Bug(_constant("poller.plan._LONGEST_PERIOD_SECONDS", 960)),
    "windows-at-the-ticks-own-time": Bug(_windows_at_the_ticks_own_time, _ticks_late),
    "next-minute-only": Bug(_next_minute_only, _ticks_late),
    "only-the-first-segment": Bug(_only_the_first_segment),
    "announcements-dropped": Bug(_announcements_dropped, lambda weather: weather.refused > 0),
    "url-logged": Bug(_url_logged),
    "key-to-strangers": Bug(_key_to_strangers),
}
