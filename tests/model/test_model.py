"""Every order of events, explored whole: nothing is broken in any, every task ends, and planted bugs show."""

from collections.abc import Callable

import pytest

from shared import lifecycle
from shared.errors import CopyInterrupted, VideoRefused
from shared.task import Change, Task
from tests.model.__main__ import story, summary
from tests.model.actions import ANSWERS, MISHAP, OURS, OWNER, TIME, settled, steps
from tests.model.bugs import BUGS
from tests.model.explore import ATTEMPTS, Exploration, explore
from tests.model.world import HELD, IN_TIME, ITS_WORD, LIMITS, NOW, State, thaw

ALL = {OWNER, OURS, TIME, MISHAP, *ANSWERS}

FOUND = {
    "lease not conditional": "who was cancelled changes nothing",
    "attempt counted at sending": "nobody is given up whose copies were not begun",
    "close without the generation": "who was cancelled changes nothing",
    "COPYING as SUCCESS": "SUCCESS means that the video is stored",
    "RETRY keeps ended_at": "a task is pending or has ended, and never both",
    "RETRY keeps copy_attempts": "nobody is given up whose copies were not begun",
    "an interruption without the generation": "who was cancelled changes nothing",
    "a lease kept whose message was not sent": "a lease whose message was not sent is taken back",
    "a lease taken back from anybody": "the Poller takes back its own lease alone",
    "a hand-off without a condition": "the Poller writes only while all is as it was read",
}

SITUATIONS: dict[str, Callable[[State], bool]] = {
    "two messages of one word": lambda state: state.messages == 2,
    "two Pollers that sent a message": lambda state: state.pollers == (IN_TIME, IN_TIME),
    "two Copiers that read the same lease": lambda state: [c.stage for c in state.copiers] == ["reads", "reads"],
    "a Copier at work for a deleted task": lambda state: state.item is None and state.is_stray,
    "a Copier at work beside one of a cancelled task": lambda state: state.is_stray and bool(state.copiers),
    "a last attempt at work": lambda state: any(c.is_at_work and c.attempts == ATTEMPTS for c in state.copiers),
    "RETRY of a task that is being copied": lambda state: state.record is not None and bool(state.copiers),
    "a video that is stored, and its task is not closed": lambda state: state.is_stored and not state.has_ended,
}


@pytest.fixture(scope="module")
def model() -> Exploration:
    return explore()


def test_nothing_is_broken_in_any_order_of_events(model: Exploration, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{summary(model)}")  # noqa: T201 - told also where all is well
    assert not model.violation, story(model)


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_task_ends_whatever_cometapi_keeps_saying(model: Exploration, answer: str) -> None:
    # From every state that mishaps and owners may bring about. So an ending can be reached from each, and our own
    # actions alone go round in no circle.
    actors = {OURS, TIME, answer}
    endless = (model.circle(actors), model.dead_end(actors))
    assert endless == (None, None), [model.story(number) for number in endless if number is not None]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_interesting_can_happen(model: Exploration, situation: str) -> None:
    assert any(map(SITUATIONS[situation], model.states))


def test_every_ending_can_happen(model: Exploration) -> None:
    happened = {what for what, _ in model.kinds}
    endings = {what.partition("the task ends ")[2] for what in happened if "the task ends" in what}
    assert endings == {"FAILED", "NOT_FOUND", "EXPIRED", "COPY_FAILED", "COPY_FAILED, since all copies were in vain"}
    assert {
        *("the Copier closes the task", "the copy is refused", "the Copier dies", "the lease passes"),
        *("the Copier finds the video stored", "the Copier of the cancelled task stores the video"),
        "the Copier begins, but gets no answer, and repeats its write",
    } <= happened


def test_a_lease_waits_without_a_message_only_in_known_ways(model: Exploration) -> None:
    in_vain = [_waits_in_vain(state) for state in model.states]
    ways = {
        what
        for number, is_so in enumerate(in_vain)
        for target, what in model.following(number, ALL)
        if in_vain[target] and not is_so
    }
    assert ways == {
        "a message is lost",
        "the Poller dies before it sends the message once more",  # 12 h
        "the Copier dies",  # its time-out and a pause
        "the copy is interrupted",  # a pause
        "the copy finds no content yet",
    }


def _waits_in_vain(state: State) -> bool:
    is_served = state.messages or state.sends_again or any(copier.has_lease for copier in state.copiers)
    return state.item is not None and ("lease_until", HELD) in state.item and not is_served


def test_retry_after_success_closes_without_a_second_object() -> None:
    state = State()
    copied = (
        *("Intake reads the record", "CometAPI answers: success; the Poller sends a message"),
        *("the Poller writes the lease", "a Copier reads message and item", "the Copier begins"),
    )
    for what in (
        *("the owner puts the id", *copied, "the Copier stores the video", "the Copier closes the task"),
        *("the owner sets RETRY", *copied, "the Copier finds the video stored", "the Copier closes the task"),
    ):
        state = settled(next(step.after for step in steps(state) if step.what == what))
    assert state.item
    assert thaw(state.item)["status"] == "SUCCESS"


def test_what_a_copier_writes_rests_on_lease_and_attempts_alone(model: Exploration) -> None:
    for item in {state.item for state in model.states if state.item and ("lease", ITS_WORD) in state.item}:
        task = Task.from_item(thaw(item))
        kept = task.item.keys() & {"task_id", "lease", "copy_attempts"}
        assert _writes(task) == _writes(Task.from_item({name: task.item[name] for name in kept}))


def _writes(task: Task) -> list[Change]:
    return [
        lifecycle.begin_copy(task, "word", "own", NOW, 900),
        lifecycle.interrupt_copy(task, CopyInterrupted("slow", "slow"), NOW),
        lifecycle.refuse_copy(task, VideoRefused("bad", "bad"), NOW, LIMITS),
        lifecycle.close(task, {"s3_uri": "s3://videos/1"}, NOW, LIMITS),
    ]


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    with BUGS[bug]():
        found = explore()
    assert found.violation == FOUND[bug], story(found)
