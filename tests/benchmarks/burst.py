"""Many videos at once in a small account: the simulation, and a model where days of thousands would take it too long.

The model has the Poller's hand-offs, the queue, its mapping and the Copiers: leases, attempts and endings are the
lifecycle's own decisions, the rest are AWS's rules for queues and concurrency. What both were asked, they answered
alike.
"""

import statistics
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import ceil, inf
from random import Random
from typing import Self

from shared.comet_api import Report
from shared.lifecycle import QUEUE_SECONDS, Limits, begin_copy, close, decide
from shared.queues import COPY_DELAY_SECONDS
from shared.task import HandOff, Status, Task
from tests.benchmarks.report import Finding, Goal, Row
from tests.simulation import burst as simulation
from tests.simulation.burst import ACCOUNT_LIMIT
from tests.template import default

OTHERS_RUNNING = 2
"""Intake and the Announcer, as if they always ran."""
COPIER_SECONDS = 900
URL_SECONDS = 86400
LOAD, DAY_SECONDS = 0.8, 86400
POISONED, POISON_SPACING = 20, 60.0
FIRST_SECONDS = 8 * 3600
"""So long those that kill Copiers keep all of them busy; their pauses grow."""

_LIMITS = Limits(deadline_seconds=86400, retention_seconds=0)
_HANDOFFS_A_SECOND = 20.0
"""Of one worker under its share: each sends a message and writes an item."""
_ROUND_SECONDS = 0.5
_NEARLY_IN_ORDER = 100
"""A standard queue gives one of its oldest messages."""
_READY = Report(status=Status.SUCCESS, word="SUCCESS", video_url="https://host.example/video.mp4")
_START = 1_800_000_000.0
_IDEAL = "an unbounded queue with as many Copiers"


@dataclass(slots=True)
class Video:
    """One finished render; `seconds` is what its copy takes."""

    done_at: float
    seconds: float
    task: Task
    begun_at: float | None = None
    stored_at: float | None = None
    is_lost: bool = False

    @classmethod
    def ready(cls, at: float, seconds: float) -> Self:
        """Return one whose render ends so many seconds after the start."""
        item = {
            "task_id": "task",
            "status": "IN_PROGRESS",
            "pending_since": int(_START - 300),
            "reported_at": int(_START),
        }
        return cls(_START + at, seconds, Task.from_item(item))

    @property
    def is_over(self) -> bool:
        """Whether its task has ended."""
        return self.task.pending_since is None


@dataclass(slots=True)
class Message:
    """One message to the Copier."""

    video: Video
    lease: str
    sent_at: float


@dataclass(slots=True)
class Model:
    """Everything at once; times in epoch seconds."""

    videos: list[Video]
    copiers: int
    now: float = _START
    running: int = OTHERS_RUNNING
    copying: int = 0
    throttled: int = 0
    visible: deque[Message] = field(default_factory=deque)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _eligible: list[tuple[float, int, Video]] = field(default_factory=list)
    _random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - not for secrets
    _done: list[float] = field(default_factory=list)
    _left: int = 0
    """Videos that have not ended."""

    def run(self) -> None:
        """Let it go on until every video has ended or is lost."""
        self._left = len(self.videos)
        self._done = sorted(video.done_at for video in self.videos)
        for video in self.videos:
            self._wait_until(video.done_at, video)
        self._at(_START, self._round)
        while self._left:
            self.now, _, event = heappop(self._events)
            event()

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heappush(self._events, (when, next(self._numbers), event))

    def _wait_until(self, when: float, video: Video) -> None:
        heappush(self._eligible, (when, next(self._numbers), video))

    def _round(self) -> None:
        """Hand off what is ready, one worker for each TasksPerWorker tasks; those that find no place run no more."""
        interval = default("PollIntervalSeconds")
        self._at(self.now + interval, self._round)
        pending = bisect_right(self._done, self.now) - len(self.videos) + self._left
        wanted = min(max(1, ceil(pending / default("TasksPerWorker"))), default("MaxWorkers"))
        workers = min(wanted, ACCOUNT_LIMIT - self.running)
        self.throttled += wanted - workers
        if workers <= 0:
            return
        self.running += workers
        most, handed = int(workers * _HANDOFFS_A_SECOND * interval), 0
        while self._eligible and self._eligible[0][0] <= self.now and handed < most:
            video = heappop(self._eligible)[2]
            if not video.is_over and not video.is_lost:
                handed += 1
                self._hand_off(video, handed / workers / _HANDOFFS_A_SECOND)
        self._at(self.now + _ROUND_SECONDS + handed / workers / _HANDOFFS_A_SECOND, lambda: self._release(workers))

    def _release(self, executions: int) -> None:
        self.running -= executions
        self._look()

    def _hand_off(self, video: Video, delay: float) -> None:
        change = decide(video.task, _READY, int(self.now), _LIMITS)
        if change is None:
            self._wait_until(video.task.lease_until, video)
            return
        lease = f"word-{next(self._numbers)}"
        if isinstance(change, HandOff):
            change = change.under(lease)
        video.task = video.task.after(change)
        if video.is_over:
            self._left -= 1
            return
        self._wait_until(video.task.lease_until, video)
        message = Message(video, lease, self.now + delay)
        self._at(self.now + delay + COPY_DELAY_SECONDS, lambda: self._show(message))

    def _show(self, message: Message) -> None:
        self.visible.append(message)
        self._look()

    def _look(self) -> None:
        """Start Copiers, as Lambda's mapping does: up to its MaximumConcurrency, and as the account allows."""
        while self.visible and self.copying < self.copiers:
            number = self._random.randrange(min(_NEARLY_IN_ORDER, len(self.visible)))
            message = self.visible[number]
            del self.visible[number]
            if self.now - message.sent_at > QUEUE_SECONDS:
                continue
            if self.running >= ACCOUNT_LIMIT:
                self.throttled += 1
                self._at(self.now + COPIER_SECONDS, lambda message=message: self._show(message))  # type: ignore[misc]
                return
            self._copy(message)

    def _copy(self, message: Message) -> None:
        video = message.video
        if video.is_over or video.is_lost or video.task.lease != message.lease:
            return
        own = f"own-{next(self._numbers)}"
        begun = begin_copy(video.task, message.lease, own, int(self.now), COPIER_SECONDS)
        video.task = video.task.after(begun)
        video.begun_at = video.begun_at or self.now
        self._wait_until(video.task.lease_until, video)
        self.copying += 1
        self.running += 1
        is_dead = self.now - video.done_at > URL_SECONDS
        taken = 1.0 if is_dead else video.seconds
        self._at(self.now + taken, lambda: self._end(video, own, is_dead=is_dead))

    def _end(self, video: Video, own: str, *, is_dead: bool) -> None:
        self.copying -= 1
        self.running -= 1
        if video.task.lease == own:
            if is_dead:
                video.is_lost = True
                self._left -= 1
            else:
                video.task = video.task.after(close(video.task, {"size": 1}, int(self.now), _LIMITS))
                video.stored_at = self.now
                self._left -= 1
        self._look()


def run() -> dict[str, Finding]:
    """Run all cases."""
    copiers = default("MaxCopiers")
    rows, goals = [], []
    for number, seconds in ((1000, 10), (1000, 60), (2000, 30)):
        videos = _simulated([simulation.Video(0.0, seconds) for _ in range(number)])
        ideal, taken = number * seconds / copiers, max(video.stored_at for video in videos)
        name = f"{number:,} videos of {seconds} s at once"
        rows += [Row(name, taken / 60, taken / 60, taken / 60, taken / ideal)]
        rows += [Row(f"{name}: {_IDEAL}", ideal / 60, ideal / 60, ideal / 60, 1.0)]
        goals.append(Goal(f"{name}: not stored", sum(video.stored_at == inf for video in videos), at_most=0))
        goals.append(Goal(f"{name}: time / that of {_IDEAL}", taken / ideal, at_most=1.3))
    question = f"Minutes until all are stored, {ACCOUNT_LIMIT} concurrent executions"
    return {
        "burst": Finding(question, "min", _IDEAL, _simulation(copiers), rows, goals),
        "burst_waits": _waits(copiers),
    }


def _waits(copiers: int) -> Finding:
    rows, goals = [], []
    for waiting in (2000, 4000):
        for seconds in (10, 30):
            model = _ran([*_at_once(waiting, seconds), *_flow(LOAD, seconds, copiers)], copiers)
            name = f"{waiting:,} waiting, new ones of {seconds} s at {LOAD:.0%}"
            rows.append(_wait_row(name, [(video.begun_at or inf) - video.done_at for video in model.videos]))
            goals.append(Goal(f"{name}: lost to the URL's 24 h", _failed(model), at_most=0))
    for share in (0.05, 0.2):
        poisoned = [simulation.Video(number * POISON_SPACING, inf) for number in range(POISONED)]
        others = [simulation.Video(at, 30) for at in _times(share, 30, copiers)]
        _simulated([*poisoned, *others])
        name = f"{POISONED} that kill each Copier, others of 30 s at {share:.0%}"
        rows.append(_wait_row(name, [video.begun_at - video.done_at for video in others]))
        goals.append(Goal(f"{name}: others' p50 wait in minutes", rows[-1].median, at_most=5))
        early = [video.begun_at - video.done_at for video in others if video.done_at < FIRST_SECONDS]
        rows.append(_wait_row(f"{name}, the first {FIRST_SECONDS // 3600} h", early))
    reference = Row("no wait but for the next round", 7.5 / 60, 7.5 / 60, 7.5 / 60, 1.0)
    told = (
        f"Of those that wait for hours: {_model(copiers)} Of those that kill Copiers: {_simulation(copiers)} New ones "
        "keep coming for a day. From CometAPI's SUCCESS until a copy begins; the range goes up to the longest."
    )
    return Finding("Waiting for a Copier", "min", reference.name, told, [*rows, reference], goals)


def _wait_row(name: str, seconds: Iterable[float]) -> Row:
    waits = sorted(each / 60 for each in seconds)
    median = statistics.median(waits)
    return Row(f"{name}, p50", median, waits[0], waits[-1], median / (7.5 / 60))


def _simulation(copiers: int) -> str:
    return (
        f"tests/simulation: the real functions over a simulated AWS in simulated time, {copiers} Copiers (MaxCopiers), "
        f"an account of {ACCOUNT_LIMIT} executions that all four functions share, a prompt tick each minute, no "
        "trouble; every invariant of the simulation holds."
    )


def _model(copiers: int) -> str:
    return (
        f"a model, hand-offs, leases, attempts and endings by the lifecycle's own functions, {copiers} Copiers, "
        f"{ACCOUNT_LIMIT} executions of which Intake and Announcer have {OTHERS_RUNNING} and each worker of a round "
        f"one; a message that finds no place comes back after {COPIER_SECONDS} s, and is gone after "
        f"{QUEUE_SECONDS // 3600} h."
    )


def _simulated(videos: list[simulation.Video]) -> list[simulation.Video]:
    """Run them through the real functions; raises RuntimeError where an invariant does not hold."""
    burst = simulation.Burst(videos)
    burst.run()
    if burst.world.invariants.violation:
        raise RuntimeError(burst.world.invariants.violation)
    return videos


def _ran(videos: list[Video], copiers: int) -> Model:
    model = Model(videos, copiers)
    model.run()
    return model


def _at_once(number: int, seconds: float) -> list[Video]:
    return [Video.ready(0.0, seconds) for _ in range(number)]


def _flow(load: float, seconds: float, copiers: int) -> list[Video]:
    return [Video.ready(at, seconds) for at in _times(load, seconds, copiers)]


def _times(load: float, seconds: float, copiers: int) -> list[float]:
    """Return when the videos of a day are done that keep so much of the Copiers busy."""
    step = seconds / (load * copiers)
    return [number * step for number in range(int(DAY_SECONDS / step))]


def _failed(model: Model) -> int:
    return sum(video.stored_at is None for video in model.videos)
