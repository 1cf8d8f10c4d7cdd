"""What a warm environment does, a tick or a round at a time, and what it keeps between them: its pace."""

from dataclasses import dataclass
from itertools import islice
from math import ceil

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from poller.pace import Pace
from poller.plan import due, plan
from poller.round import Round, Tools
from shared.api_key import ApiKey
from shared.aws import cause
from shared.queues import RoundMessage
from shared.task import Task
from shared.task_table import Segment

logger = Logger(child=True)

type Done = dict[str, float]
"""What was done, by metric name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How often to ask, in seconds; with how many requests at once; how many tasks a worker, how many workers."""

    interval: int
    most_concurrent: int
    tasks_per_worker: int
    most_workers: int


class Worker:
    """One environment of the Poller; all errors but ConfigurationError are logged and counted where they occur."""

    def __init__(self, tools: Tools, polling: Polling, key: ApiKey) -> None:
        """Start at full pace; nothing is asked yet."""
        self._tools = tools
        self._polling = polling
        self._key = key
        self._pace = Pace(polling.most_concurrent)
        self._doubts_key = False

    def tick(self, event: object, stop_at: float) -> Done:
        """Plan rounds where anything is pending, and run the one that has begun; returns what was done.

        It asks nothing after `stop_at` (epoch seconds). Only a tick plans: Lambda stops chains of invocations.
        """
        now = self._tools.now()
        try:
            pending, tasks, segments = self._look()
        except (BotoCoreError, ClientError) as error:
            return self._no_table(error)
        age = _oldest(tasks, now)
        done: Done = {"PendingTasks": pending, "OldestPendingSeconds": age}
        if not pending:
            return done
        planned = plan(event, now - age, now, self._polling.interval, segments)
        mine = next((asked for asked in planned if asked.until <= now), None)
        done |= self._send([asked for asked in planned if asked is not mine])
        if mine is None and "QueueErrors" in done:
            mine = planned[0]  # better too early than not at all
        for name, count in (self._run(mine, tasks, stop_at) if mine else {}).items():
            done[name] = done.get(name, 0) + count  # queues may fail a tick at both
        return done

    def round(self, asked: RoundMessage, stop_at: float) -> Done:
        """Run one round, asking nothing after `stop_at` (epoch seconds); returns what was done."""
        try:
            tasks = list(self._tools.table.pending(asked.share))
        except (BotoCoreError, ClientError) as error:
            return self._no_table(error)
        return {"OldestPendingSeconds": _oldest(tasks, self._tools.now()), **self._run(asked, tasks, stop_at)}

    def _look(self) -> tuple[int, list[Task], int]:
        """Return how many tasks are pending, those of the first segment, and how many segments they take.

        One worker never holds what it takes many to hold: it reads one task too many, then only counts.
        """
        table, most = self._tools.table, self._polling.tasks_per_worker
        tasks = list(islice(table.pending(Segment()), most + 1))
        if len(tasks) <= most:
            return len(tasks), tasks, 1
        pending = max(table.count_pending(), len(tasks))
        segments = min(ceil(pending / most), self._polling.most_workers)
        return pending, list(table.pending(Segment(0, segments))), segments

    def _send(self, later: list[RoundMessage]) -> Done:
        try:
            refused = self._tools.queues.send_rounds(later, self._tools.now())
        except (BotoCoreError, ClientError) as error:
            logger.warning("rounds not planned; the next tick plans again", cause=cause(error))
            return {"QueueErrors": 1}
        return {"RoundsPlanned": len(later) - refused, **({"QueueErrors": refused} if refused else {})}

    def _run(self, asked: RoundMessage, tasks: list[Task], stop_at: float) -> Done:
        now = self._tools.now()
        chosen = due(tasks, asked, now, self._polling.interval)
        if not chosen or self._pace.is_quiet(now):
            return {}
        # One that comes late has an end, too: none may ask for as long as it likes beside those that are on time.
        ends_at = asked.ends_at if now < asked.ends_at else now + self._polling.interval
        if self._doubts_key:
            self._key.expire()
        asking = Round(self._tools, self._pace, min(ends_at, stop_at))
        asking.run(chosen)
        now_after = self._tools.now()
        self._pace = self._pace.after(asking.gauge, self._polling.most_concurrent, now_after)
        self._doubts_key = asking.gauge.has_only_denials
        answers = {f"Answers{name}": count for name, count in asking.gauge.answers.items()}
        answers.setdefault("AnswersReport", 0)  # alarms ask for its absence, and cannot see what was never sent
        return {"RoundSeconds": round(now_after - now, 3), **asking.counts, **answers}

    def _no_table(self, error: BotoCoreError | ClientError) -> Done:
        logger.error("the pending tasks cannot be read; the next round tries again (%s)", cause(error))
        return {"TableErrors": 1}


def _oldest(tasks: list[Task], now: float) -> int:
    """Return the age of the task that has waited longest, in seconds."""
    return max((int(now - task.pending_since) for task in tasks if task.pending_since is not None), default=0)
