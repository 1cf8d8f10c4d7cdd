"""How long nobody asks about a task, and how long one waits without a word."""

from bisect import bisect
from math import inf
from typing import TYPE_CHECKING

from shared.task import Task

if TYPE_CHECKING:
    from tests.simulation.invariants import Invariants
    from tests.simulation.world import World

_LONGEST_PERIOD_SECONDS = 240
_SHARE_OF_AGE = 0.1
_MINUTE = 60
_ROUND_SECONDS = 5
"""A message is late by this at the most where nothing goes wrong, and a round takes no longer."""
_WORDLESS_SECONDS = 3600


class Silence:
    """Watches the questions, and the answers that say nothing."""

    def __init__(self, world: "World", invariants: "Invariants") -> None:
        self._world = world
        self._invariants = invariants
        self._ticks: list[float] = []
        self._asked_at: dict[str, float] = {}
        self._useless_since: dict[str, float] = {}
        self._useless_at: dict[str, float] = {}

    def on_tick(self) -> None:
        """Take note of a tick, which finds whoever is new."""
        self._ticks.append(self._world.scheduler.now)

    def on_admission(self, pending_since: float) -> None:
        """Allow for a write that came late: a tick takes the task for one that the tick before had found."""
        if self._world.scheduler.now - pending_since > _ROUND_SECONDS:
            self._world.excuse("admitted late")

    def on_ask(self, task_id: str) -> None:
        """Check that a question comes soon enough, and that what was answered before left a word."""
        item = self._world.store.items.get(task_id)
        now = self._world.scheduler.now
        if item and "pending_since" in item:
            task = self._world.reading.task_in(item)
            self._check_period(task, now)
            self._check_word(task, now)
        self._asked_at[task_id] = now

    def on_copy(self, task_id: str) -> None:
        """Take note of what a Copier writes: until then it had the task."""
        self._asked_at[task_id] = self._world.scheduler.now

    def on_answer(self, task_id: str, *, is_report: bool) -> None:
        if is_report:
            self.forget(task_id)
            return
        self._useless_since.setdefault(task_id, self._world.scheduler.now)
        self._useless_at[task_id] = self._world.scheduler.now

    def forget(self, task_id: str) -> None:
        """Begin anew: there was a report, its owner changed it, or a word could not be written."""
        self._useless_since.pop(task_id, None)

    def _check_period(self, task: Task, now: float) -> None:
        world = self._world
        weather = world.weather
        if not weather.is_prompt or task.pending_since is None:
            return
        asked_at = self._asked_at.get(task.task_id, 0)
        since = max(asked_at, task.pending_since, task.lease_until, world.excused_until)
        stale_seconds = weather.stale_seconds if weather.stale else 0.0
        # A copy that failed, or a success without a URL, makes a task young again; here the later bound will do.
        period = max(weather.interval, min(_LONGEST_PERIOD_SECONDS, (now - task.pending_since) * _SHARE_OF_AGE))
        due_at = since + period + _MINUTE
        if asked_at < task.pending_since:
            # A tick that finds nothing plans nothing, and the next one may come 119 s later
            # (scheduler/latest/UserGuide/schedule-types.html: somewhere within its minute). That one plans what is left
            # of its own minute, too; and a render younger than an interval has nothing to tell.
            due_at = max(due_at, since + weather.interval + 2 * _MINUTE)
            due_at = min(due_at, self._tick_after(since + 1 + stale_seconds) + period + weather.interval)
        late = now - due_at - (_ROUND_SECONDS + 2 * weather.answer_seconds + weather.slowness + stale_seconds)
        if late > 0:
            what = f"{task.task_id}, {now - task.pending_since:.0f} s old: {late:.0f} s late"
            self._invariants.fail("nobody is forgotten for longer than the period and a minute", what)

    def _tick_after(self, time: float) -> float:
        """Return when the first tick after a time came, inf where none has."""
        number = bisect(self._ticks, time)
        return self._ticks[number] if number < len(self._ticks) else inf

    def _check_word(self, task: Task, now: float) -> None:
        since = self._useless_since.get(task.task_id)
        if since is None or task.error or task.lease_until >= now:
            return
        # Who is admitted anew has lost the word from before, and gets the next one in its own time.
        waited = self._useless_at[task.task_id] - max(since, task.pending_since or 0)
        if waited > _WORDLESS_SECONDS:
            self._invariants.fail("nothing waits for an hour without a word", f"{task.task_id}: {waited:.0f} s")
