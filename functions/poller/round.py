"""One round: ask about every due task at once, write what changed, hand finished videos off."""

from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from poller.lambdas import Lambdas
from poller.pace import SUSPICIOUS_TASKS, Gauge, Pace, is_doubtful
from poller.remarks import remark
from shared.aws import cause
from shared.comet_api import Answer, CometApi, Report, UnknownTask
from shared.errors import CopyInterrupted
from shared.lifecycle import Limits, decide, miss_handoff
from shared.task import Change, HandOff, Task
from shared.task_table import TaskTable

logger = Logger(child=True)


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> float:
        """Return the time in epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What rounds work with."""

    api: CometApi
    table: TaskTable
    lambdas: Lambdas
    executor: Executor
    clock: Clock
    limits: Limits


class Round:
    """One round over the due tasks; `gauge` and `counts` (by metric name) tell how it went."""

    def __init__(self, tools: Tools, pace: Pace, stop_at: float) -> None:
        """Ask at `pace`, and nothing more after `stop_at` (epoch seconds)."""
        self.gauge = Gauge()
        self.counts: Counter[str] = Counter()
        self._tools = tools
        self._pace = pace
        self._stop_at = stop_at
        self._unknown: list[tuple[Task, UnknownTask]] = []
        self._lock = Lock()

    def run(self, due: list[Task], pending: int) -> None:
        """Ask about all `due` tasks, of so many `pending` ones in all.

        Raises ConfigurationError where there is no API key.
        """
        queue = list(reversed(due))
        if self._pace.probe:
            self.gauge.tolerance = 1
            self._work(queue[-1:])
            queue = queue[:-1]
        self.gauge.tolerance = Gauge().tolerance
        workers = [
            self._tools.executor.submit(self._work, queue) for _ in range(min(self._pace.concurrency, len(queue)))
        ]
        for worker in workers:
            worker.result()
        self._settle_unknown(pending)

    def _work(self, queue: list[Task]) -> None:
        """Take tasks off the queue until it is empty, the round is stopped, or the time is up."""
        while not self.gauge.stopped and self._tools.clock.now() < self._stop_at:
            try:
                task = queue.pop()  # atomic, so that any number of workers share one queue
            except IndexError:
                return
            answer = self._tools.api.ask(task.task_id)
            self.gauge.note(answer)
            self._count("Polls")
            remark(task.task_id, answer)
            if isinstance(answer, Report) and answer.status is None:
                self._count("UnknownStatusWords")
            if isinstance(answer, UnknownTask):
                self._unknown.append((task, answer))
            else:
                self._settle(task, answer)

    def _settle_unknown(self, pending: int) -> None:
        """Judge all unknown tasks together: where they are most of the round, the key is wrong and not their ids."""
        unknown = len(self._unknown)
        if is_doubtful(unknown, self.gauge.answers[Report.__name__], pending):
            if unknown >= SUSPICIOUS_TASKS:
                self._count("SuspiciousRounds")
                logger.error(
                    "CometAPI knows hardly any of the tasks: the API key is probably of another account. No task is "
                    "changed; store the right key in the SSM parameter that CometApiKeyParameter names.",
                    unknown_tasks=unknown,
                )
            return
        for task, answer in self._unknown:
            self._settle(task, answer)

    def _settle(self, task: Task, answer: Answer) -> None:
        """Write what the answer changes; what fails here is found again by the next round."""
        now = int(self._tools.clock.now())
        change = decide(task, answer, now, self._tools.limits)
        if change is None:
            return
        try:
            if self._tools.table.write(change):
                self._follow_up(task.after(change), change, now)
        except (BotoCoreError, ClientError) as error:
            self._count("TableErrors")
            logger.warning("change not written; the next round tries again", task_id=task.task_id, cause=cause(error))

    def _follow_up(self, task: Task, change: Change, now: int) -> None:
        if task.pending_since is None:
            self._count(f"Tasks{(task.status or '').title().replace('_', '')}")
            logger.info("task ended", task_id=task.task_id, status=task.status, error=task.error)
        if isinstance(change, HandOff):
            self._hand_off(task, change.video_url, now)

    def _hand_off(self, task: Task, video_url: str, now: int) -> None:
        try:
            self._tools.lambdas.copy(task.task_id, video_url)
        except (BotoCoreError, ClientError) as error:
            reason = CopyInterrupted("handoff_not_sent", f"The Copier could not be invoked ({cause(error)}).")
            logger.warning("hand-off not sent; another one follows", task_id=task.task_id, cause=cause(error))
            self._tools.table.write(miss_handoff(task, reason, now))
        else:
            self._count("HandOffs")
            logger.info("handed off", task_id=task.task_id, handoffs=task.handoffs)

    def _count(self, name: str) -> None:
        with self._lock:
            self.counts[name] += 1
