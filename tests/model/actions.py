"""Everything that can happen next: by the owner's hand, by CometAPI, by time, by mishap, and by our own functions.

Bounds: two Pollers that are to write a lease, two Copiers that can still write, two messages of a word. How often the
owner acts, and how often anything is lost, late, doubled or dies, is not bounded.

What is left out, since it leads nowhere else:
* Who writes only while all that he has read is still so might as well have read just before he wrote. So a Poller
  reads, and is answered, when it writes (`_poll` checks the condition of each such write), and one whose write would
  fail is gone: if the item is so again later, it is as one that comes later.
* A message with a word that its item has lost is read and dropped, so it is left out at once. To lose or to double a
  message before its lease is written comes to the same as to do so after.
* Whoever can write only under a condition that can no longer be met is gone (`_is_harmless` looks at the conditions);
  but he may still store a video.
* A stream record on which Intake would change nothing, as the item is, is gone: for the item to be so again its owner
  must act again, which brings another record.
* 401, 403, 429, unreadable answers and redirects are decided as a 502 is.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from intake import admission
from shared import lifecycle
from shared.comet_api import Answer, Report, Unavailable, Unclear, UnknownTask
from shared.errors import CopyInterrupted, VideoRefused
from shared.task import RETRY, Change, HandOff, Status, Task
from tests.model.world import (
    DEADLINE_SECONDS,
    HELD,
    IN_TIME,
    ITS_WORD,
    LATE,
    LIMITS,
    LOST_WORD,
    NEW_WORD,
    NOW,
    OVER,
    TASK_ID,
    Attributes,
    Copier,
    State,
    Written,
    follow,
    freeze,
    has_ended,
    thaw,
    write,
)

OWNER, OURS, TIME, MISHAP = "owner", "ours", "time", "mishap"
"""Who acts; where CometAPI does, it is the name of its answer."""

ANSWERS: dict[str, Answer] = {
    "it renders": Report(status=Status.IN_PROGRESS, word="running"),
    "a word that nobody knows": Report(status=None, word="odd"),
    "success": Report(status=Status.SUCCESS, word="success", video_url="https://cdn.example.com/video"),
    "success without a URL": Report(status=Status.SUCCESS, word="success"),
    "it failed": Report(status=Status.FAILED, word="failed", code="bad", reason="bad"),
    "a denial": UnknownTask(message="unknown"),
    "a denial by a key that told of another task before": UnknownTask(
        message="unknown", key_reported_at=NOW - lifecycle.DENIED_SECONDS - 1
    ),
    "a denial by a key that told of another task": UnknownTask(message="unknown", key_reported_at=NOW + 1),
    "an unclear refusal": Unclear(code="odd", message="odd"),
    "502": Unavailable(reason="HTTP 502"),
}

_MOST = 2
_PASSING = (
    ("denied_since", NOW, NOW - lifecycle.DENIED_SECONDS, "ten minutes of denials pass"),
    ("no_url_since", NOW, NOW - lifecycle.NO_URL_SECONDS, "an hour without a URL passes"),
    ("pending_since", NOW, NOW - DEADLINE_SECONDS, "the deadline passes"),
    ("pending_since", NOW - DEADLINE_SECONDS, NOW - lifecycle.SILENCE_SECONDS, "a week passes"),
)
_LOOKED_AT = frozenset({"task_id", "status", "pending_since", "ended_at", "metadata"})
"""Those attributes of a stream record whose values Intake compares."""
_BARE = freeze({"task_id": TASK_ID})
_INVALID = freeze({"task_id": TASK_ID, "metadata": "no map"})


class Step(NamedTuple):
    """What happens, by whom, and the state after it."""

    what: str
    who: str
    after: State
    wrong: str = ""
    """What must not happen so."""


def steps(state: State) -> Iterator[Step]:
    """Yield every step that can follow."""
    if state.is_stray:
        yield Step("the Copier of the cancelled task stores the video", OURS, state._replace(is_stored=True))
        yield Step("the Copier of the cancelled task gives up", MISHAP, state._replace(is_stray=False))
    yield from _owner(state)
    if state.item is None:
        return
    yield from _time(state, state.item)
    yield from _intake(state, state.item)
    yield from _poll(state, state.item)
    yield from _pollers(state)
    yield from _queue(state, state.item)
    for copier in dict.fromkeys(state.copiers):
        yield from _copier(state._replace(copiers=_without(state.copiers, copier)), state.item, copier)


def settled(state: State) -> State:
    """Leave out what leads nowhere, and forget in whose turn things came."""
    item, record = state.item, state.record
    if record and (item is None or _admit(record, item).item == item):
        record = None
    at_large = [copier for copier in state.copiers if copier.has_lease or not _is_harmless(copier)]
    is_stray = state.is_stray or any(c.stage == "copies" and c not in at_large for c in state.copiers)
    return state._replace(
        item=item and _what_counts(item),
        record=record,
        pollers=tuple(sorted(state.pollers)) if item and _is_handed_off(item) else (),
        copiers=tuple(sorted(at_large)),
        is_stray=is_stray and not state.is_stored,
        begun=0 if item is None or state.has_ended else state.begun,
    )


@cache
def _is_handed_off(item: Attributes) -> bool:
    """Tell whether some answer lets the video be handed off."""
    return any(decision.is_hand_off for decision in _decisions(item))


@cache
def _what_counts(item: Attributes) -> Attributes:
    """Forget of a task that has ended how, once it was looked at."""
    values = thaw(item)
    if not has_ended(values):
        return item
    status = "SUCCESS" if values["status"] == "SUCCESS" else "FAILED"
    return freeze({**values, "status": status, "error": {"code": "any", "message": "any"}})


def _owner(state: State) -> Iterator[Step]:
    yield Step("the owner puts the id", OWNER, follow(state, _BARE)._replace(record=_BARE))
    yield Step("the owner puts an invalid item", OWNER, follow(state, _INVALID)._replace(record=_INVALID))
    if state.item is None:
        return
    yield Step("the owner deletes the item", OWNER, follow(state, None))
    if ("status", RETRY) not in state.item:
        retried = freeze({**thaw(state.item), "status": RETRY})
        yield Step("the owner sets RETRY", OWNER, follow(state, retried)._replace(record=_image(retried)))


@cache
def _image(item: Attributes) -> Attributes:
    """Keep of a stream record what Intake looks at: of most attributes, whether they are there."""
    return frozenset((name, value if name in _LOOKED_AT else "there") for name, value in item)


def _time(state: State, item: Attributes) -> Iterator[Step]:
    for name, before, after, what in _PASSING:
        if (name, before) in item:
            yield Step(what, TIME, state._replace(item=item - {(name, before)} | {(name, after)}))
    holders = {copier.stage for copier in state.copiers if copier.has_lease}
    if ("lease_until", HELD) in item and holders <= {"reads"}:  # it outlasts the time-out of a Copier at work
        over = state._replace(item=item - {("lease_until", HELD)} | {("lease_until", OVER)})
        if state.messages or state.sends_again or holders:
            yield Step("the lease passes before its message is served", MISHAP, over)
        else:
            yield Step("the lease passes", TIME, over)


def _intake(state: State, item: Attributes) -> Iterator[Step]:
    if not state.record:
        return
    written = _admit(state.record, item)
    admitted = state if written.item == item else follow(state, written.item)._replace(begun=0)
    yield Step("Intake reads the record", OURS, admitted._replace(record=None))
    yield Step("Intake reads the record, writes and dies; the record comes again", MISHAP, admitted)


@cache
def _admit(record: Attributes, item: Attributes) -> Written:
    change = admission.admit(thaw(record), NOW, LIMITS)
    return write(item, change) if change else Written(item, is_made=False)


class _Decision(NamedTuple):
    """What is written on an answer of CometAPI."""

    what: str
    said: str
    is_hand_off: bool
    written: Written
    wrong: str
    """What must not be written so."""


@cache
def _decisions(item: Attributes) -> tuple[_Decision, ...]:
    """Decide about every answer, and write what is decided, if anything is."""
    task = Task.from_item(thaw(item))
    return tuple(
        _decided(task, item, what, change)
        for what, answer in ANSWERS.items()
        if (change := lifecycle.decide(task, answer, NOW, LIMITS))
    )


def _decided(task: Task, item: Attributes, what: str, change: Change) -> _Decision:
    wrong = "" if change.expected == task.seen else "the Poller writes only while all is as it was read"
    said = f"CometAPI answers: {what}"
    if isinstance(change, HandOff):
        said += "; the Poller sends a message"
        return _Decision(what, said, is_hand_off=True, written=write(item, change.under(NEW_WORD)), wrong=wrong)
    written = write(item, change)
    values = thaw(written.item)
    said += f"; the task ends {values['status']}" if has_ended(values) else "; it is noted"
    if values.get("error", {}).get("code") == "copies_exhausted":
        said += ", since all copies were in vain"
    return _Decision(what, said, is_hand_off=False, written=written, wrong=wrong)


def _poll(state: State, item: Attributes) -> Iterator[Step]:
    for what, said, is_hand_off, written, wrong in _decisions(item):
        after = follow(state, written.item, has_new_word=written.has_new_word)
        if not is_hand_off:
            yield Step(said, what, after, wrong)
            continue
        if len(state.pollers) < _MOST:
            yield Step(said, what, state._replace(pollers=(*state.pollers, IN_TIME)))
        for poller in dict.fromkeys(state.pollers):
            leased = after._replace(pollers=_without(state.pollers, poller), messages=int(poller == IN_TIME))
            if poller == IN_TIME:
                yield Step("the Poller writes the lease", what, leased, wrong)
            again = leased._replace(sends_again=True)
            yield Step("the Poller writes the lease late, or without an answer", what, again, wrong)


def _pollers(state: State) -> Iterator[Step]:
    for poller in dict.fromkeys(state.pollers):
        rest = _without(state.pollers, poller)
        yield Step("the Poller dies before it writes the lease", MISHAP, state._replace(pollers=rest))
        if poller == IN_TIME:
            late = state._replace(pollers=(*rest, LATE))
            yield Step("a Copier drops a message whose lease is not written", OURS, late)
    if state.sends_again:
        rest_of = state._replace(sends_again=False)
        sent = rest_of._replace(messages=min(state.messages + 1, _MOST))
        yield Step("the Poller sends the message once more", OURS, sent)
        yield Step("the Poller dies before it sends the message once more", MISHAP, rest_of)
        yield from _taken_back(rest_of)


def _taken_back(state: State) -> Iterator[Step]:
    """Let the lease pass whose second sending failed; it may have got there all the same."""
    change = lifecycle.take_back(TASK_ID, ITS_WORD, NOW)
    wrong = "" if change.expected == {"lease": ITS_WORD} else "the Poller takes back its own lease alone"
    if state.item and ("lease", ITS_WORD) in state.item:
        state = follow(state, write(state.item, change).item)
        if state.item and ("lease_until", HELD) in state.item:
            wrong = "a lease whose message was not sent is taken back"
    twice = state._replace(messages=min(state.messages + 1, _MOST))
    yield Step("the Poller cannot send the message once more, and takes the lease back", MISHAP, state, wrong)
    yield Step("the Poller sends it once more without an answer, and takes the lease back", MISHAP, twice, wrong)


def _without[T](workers: tuple[T, ...], one: T) -> tuple[T, ...]:
    place = workers.index(one)
    return workers[:place] + workers[place + 1 :]


def _queue(state: State, item: Attributes) -> Iterator[Step]:
    if not state.messages:
        return
    less = state._replace(messages=state.messages - 1)
    yield Step("a message is lost", MISHAP, less)
    if state.messages < _MOST:
        yield Step("a message is doubled", MISHAP, state._replace(messages=state.messages + 1))
    task = Task.from_item(thaw(item))
    if task.pending_since is None:
        yield Step("a Copier reads that the task has ended", OURS, less)
    elif len(state.copiers) < _MOST:
        reads = (*state.copiers, Copier("reads", task.copy_attempts))
        yield Step("a Copier reads message and item", OURS, less._replace(copiers=reads))


def _copier(state: State, item: Attributes, copier: Copier) -> Iterator[Step]:
    if copier.stage == "reads" and copier.has_lease:
        again = state._replace(messages=min(state.messages + 1, _MOST))
        yield Step("the Copier dies before it begins; its message comes again", MISHAP, again)
    else:
        yield Step("the Copier dies", MISHAP, state)
    if copier.stage == "copies":
        stored = copier._replace(stage="stored")
        what = "the Copier finds the video stored" if state.is_stored else "the Copier stores the video"
        yield Step(what, OURS, state._replace(copiers=(*state.copiers, stored), is_stored=True))
        if state.is_stored:
            return
    for what, written in _outcomes(item, copier).items():
        after = follow(state, written.item, has_new_word=written.has_new_word)
        wrong = "who was cancelled changes nothing" if copier.is_cancelled and written.item != item else ""
        if copier.stage in {"copies", "stored"}:
            yield Step(what, OURS, after, wrong)
        elif written.is_made:
            yield from _begin(after, copier, wrong, is_first=written.item != item)


def _begin(state: State, copier: Copier, wrong: str, *, is_first: bool) -> Iterator[Step]:
    begun = state._replace(begun=min(state.begun + is_first, lifecycle.MAX_COPY_ATTEMPTS))
    copies = (*state.copiers, Copier("copies", copier.attempts + 1))
    yield Step("the Copier begins", OURS, begun._replace(copiers=copies), wrong)
    if copier.stage == "reads":
        repeats = (*state.copiers, Copier("repeats", copier.attempts))
        lost = "the Copier begins, but gets no answer, and repeats its write"
        yield Step(lost, MISHAP, begun._replace(copiers=repeats), wrong)


@cache
def _outcomes(item: Attributes, copier: Copier) -> dict[str, Written]:
    return {what: write(item, change) for what, change in writes(copier).items()}


@cache
def _is_harmless(copier: Copier) -> bool:
    """Tell whether a Copier that lost the lease can write nothing any more."""
    later = writes(copier._replace(stage="stored")) if copier.stage == "copies" else {}
    return all(c.expected.get("lease") == LOST_WORD for c in (*writes(copier).values(), *later.values()))


def writes(copier: Copier) -> dict[str, Change]:
    """Return what a Copier may write next, by what happened."""
    word = ITS_WORD if copier.has_lease else LOST_WORD
    task = Task.from_item({"task_id": TASK_ID, "lease": word, "copy_attempts": copier.attempts})
    match copier.stage:
        case "reads":
            return {"it begins": lifecycle.begin_copy(task, word, NEW_WORD, NOW, 900)}
        case "repeats":
            own = ITS_WORD if copier.has_lease else NEW_WORD
            return {"it begins": lifecycle.begin_copy(task, LOST_WORD, own, NOW, 900)}
        case "copies":
            slow, early = CopyInterrupted("slow", "slow"), CopyInterrupted("content_not_ready", "early")
            refused = VideoRefused("bad", "bad")
            return {
                "the copy is interrupted": lifecycle.interrupt_copy(task, slow, NOW),
                "the copy finds no content yet": lifecycle.interrupt_copy(task, early, NOW),
                "the copy is refused": lifecycle.refuse_copy(task, refused, NOW, LIMITS),
            }
    stored = {"s3_uri": "s3://videos/1", "size": 1, "etag": "e"}
    return {"the Copier closes the task": lifecycle.close(task, stored, NOW, LIMITS)}


def forget() -> None:
    """Forget what was decided, since the functions are others now."""
    for memory in (_admit, _decisions, _is_handed_off, _outcomes, _is_harmless):
        memory.cache_clear()
