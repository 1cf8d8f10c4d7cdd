"""One tick: rounds at every interval until the next tick is due, or until nothing is left to ask."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, inf
from zlib import crc32

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from poller.cadence import next_poll_at
from poller.pace import Pace
from poller.round import Round, Tools
from shared.aws import cause
from shared.task import Status, Task
from shared.task_table import Segment

logger = Logger()

TICK_SECONDS = 60
"""EventBridge's shortest period."""

_OVERLAP_SECONDS = 5
"""Looks so far further back than one interval at the start: schedules are not punctual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often to ask, in seconds, and about how many tasks, or with how many requests at once, at the most."""

    interval: int
    most_concurrent: int
    tasks_per_worker: int


@dataclass(slots=True)
class Tick:
    """One tick of one worker; `pace` is what the next one should start with."""

    tools: Tools
    cadence: Cadence
    pace: Pace
    counts: Counter[str]
    oldest_seconds: int = 0
    round_seconds: list[float] = field(default_factory=list)

    def run(self, share: Segment, seconds_left: float) -> None:
        """Run the rounds, stopping before `seconds_left` are used up.

        Raises ConfigurationError where there is no API key.
        """
        started = self.tools.clock.now()
        ends = started + min(TICK_SECONDS, seconds_left)
        before = started - self.cadence.interval - _OVERLAP_SECONDS
        while True:
            now = self.tools.clock.now()
            # The first worker must not hold what it takes many to hold: it reads one task too many, then only counts.
            too_many = self.cadence.tasks_per_worker + 1 if share.segments == 1 else None
            pending = list(islice(self.tools.table.pending(share), too_many))
            if len(pending) == too_many:
                share = self._fan_out(max(self.tools.table.count_pending(), len(pending)))
                pending = list(self.tools.table.pending(share))
            self._look_at(pending, now)
            self._round([task for task in pending if self._due(task, before) <= now], pending, ends)
            before = now
            following = self._next_round_at(pending, started, now)
            if following >= ends:
                return
            self.tools.clock.sleep(max(0.0, following - self.tools.clock.now()))

    def _round(self, due: list[Task], pending: list[Task], ends: float) -> None:
        now = self.tools.clock.now()
        if not due or now < self.pace.resume_at:
            return
        # Another order each time, so that no task starves behind others that are slow or stop the round.
        due.sort(key=lambda task: crc32(f"{int(now)} {task.task_id}".encode("utf-8", "replace")))
        asked = Round(self.tools, self.pace, ends)
        asked.run(due, len(pending))
        self.counts += asked.counts
        self.counts.update({f"Answers{name}": count for name, count in asked.gauge.answers.items()})
        self.round_seconds.append(self.tools.clock.now() - now)
        self.pace = self.pace.after(asked.gauge, self.cadence.most_concurrent, self.tools.clock.now())

    def _due(self, task: Task, after: float) -> float:
        """Return when to ask about a task: while the Copier works not at all, then at once."""
        if task.lease_until:
            return float(task.lease_until)
        if task.status == Status.SUCCESS:
            return after  # it only lacks its URL
        return next_poll_at(task.task_id, task.pending_since or 0, after, self.cadence.interval)

    def _next_round_at(self, pending: list[Task], started: float, now: float) -> float:
        """Return the start of the first round to come in which a task is due; infinity where there is none."""
        if not pending:
            return inf
        interval = self.cadence.interval
        first_due = max(min(self._due(task, now) for task in pending), self.pace.resume_at)
        following = int((now - started) // interval) + 1
        return started + interval * max(ceil((first_due - started) / interval), following)

    def _fan_out(self, pending: int) -> Segment:
        """Start a worker for every other share of the tasks; keep the first."""
        segments = ceil(pending / self.cadence.tasks_per_worker)
        for segment in range(1, segments):
            try:
                self.tools.lambdas.poll(Segment(segment, segments))
            except (BotoCoreError, ClientError) as error:
                logger.warning("worker not started; the next tick starts it", segment=segment, cause=cause(error))
            else:
                self.counts["WorkersStarted"] += 1
        return Segment(0, segments)

    def _look_at(self, pending: list[Task], now: float) -> None:
        self.counts["PendingTasks"] = max(self.counts["PendingTasks"], len(pending))
        oldest = min((task.pending_since for task in pending if task.pending_since is not None), default=now)
        self.oldest_seconds = max(self.oldest_seconds, int(now - oldest))
