"""One round: ask about every due task at once, write what changed, hand finished videos off."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from secrets import choice
from threading import Lock

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from poller.pace import FAILURES_IN_A_ROW, Gauge, Pace
from poller.remarks import remark
from shared.aws import cause
from shared.comet_api import Answer, CometApi, Report, content_url
from shared.endings import is_in_vain
from shared.lifecycle import Limits, decide, take_back
from shared.queues import COPY_DELAY_SECONDS, CopyMessage, Queues, draw_lease
from shared.task import HandOff, Task
from shared.task_table import TaskTable, is_too_large

logger = Logger(child=True)

_IN_TIME_SECONDS = COPY_DELAY_SECONDS / 2
"""A lease that is written later than this after its message may find that it was read already."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What rounds work with."""

    api: CometApi
    table: TaskTable
    queues: Queues
    executor: Executor
    limits: Limits
    now: Callable[[], float] = time.time


class Round:
    """One round over the due tasks; `gauge` and `counts` (by metric name) tell how it went."""

    def __init__(self, tools: Tools, pace: Pace, stop_at: float) -> None:
        """Ask at `pace`, and nothing more after `stop_at` (epoch seconds)."""
        self.gauge = Gauge()
        self.counts: Counter[str] = Counter()
        self._tools = tools
        self._pace = pace
        self._stop_at = stop_at
        self._lock = Lock()

    def run(self, due: Sequence[Task]) -> None:
        """Ask about all `due` tasks, in their order but for a probe; raises ConfigurationError without an API key."""
        queue = list(reversed(due))
        if queue and self._pace.probes(self._tools.now()):
            self.gauge.tolerance = 1
            # Any of those that were not asked in vain: a few that always are would stop each round for all.
            probe = choice([task for task in queue if not is_in_vain(task)] or queue)
            queue.remove(probe)
            self._work([probe])
            self.gauge.tolerance = FAILURES_IN_A_ROW
        workers = [
            self._tools.executor.submit(self._work, queue) for _ in range(min(self._pace.concurrency, len(queue)))
        ]
        wait(workers)  # all of them, though one should fail: Lambda freezes what is still under way
        for worker in workers:
            worker.result()

    def _work(self, queue: list[Task]) -> None:
        """Take tasks off the queue until it is empty, the round is stopped, or the time is up."""
        while not self.gauge.stopped and self._tools.now() < self._stop_at:
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
            self._settle(task, answer)

    def _settle(self, task: Task, answer: Answer) -> None:
        """Write what the answer changes; what fails here is found again by a later round."""
        change = decide(task, answer, int(self._tools.now()), self._tools.limits)
        try:
            if isinstance(change, HandOff):
                self._hand_off(change)
            elif change and self._tools.table.write(change):
                self._report(task.after(change))
        except (BotoCoreError, ClientError) as error:
            self._count("TableErrors")
            if is_too_large(error):
                self._count("ItemsTooLarge")
            logger.warning("change not written; a later round tries again", task_id=task.task_id, cause=cause(error))

    def _hand_off(self, change: HandOff) -> None:
        """Send the message, then write the lease that it carries: who dies in between leaves no lease without one."""
        lease = draw_lease()
        url = change.video_url or content_url(self._tools.api.base, change.task_id)
        message = CopyMessage(change.task_id, lease, url, change.last_frame_url)
        sent_at = self._tools.now()
        if not self._send(message):
            return
        is_served = False
        try:
            is_written = self._tools.table.write(change.under(lease))
            is_served = not is_written or self._tools.now() - sent_at <= _IN_TIME_SECONDS
        finally:
            # Late, or without an answer, the lease may be there and its message be gone.
            if not is_served:
                is_served = self._send(message)
            if not is_served:
                self._take_back(message)
        if is_written and is_served:
            self._count("HandOffs")
            logger.info("handed off", task_id=change.task_id)

    def _take_back(self, message: CopyMessage) -> None:
        self._tools.table.write(take_back(message.task_id, message.lease, int(self._tools.now())))

    def _send(self, message: CopyMessage) -> bool:
        try:
            self._tools.queues.send_copy(message)
        except (BotoCoreError, ClientError) as error:
            self._count("QueueErrors")
            logger.warning("hand-off not sent; a later round tries again", task_id=message.task_id, cause=cause(error))
            return False
        return True

    def _report(self, task: Task) -> None:
        if task.pending_since is None:
            self._count(f"Tasks{(task.status or '').title().replace('_', '')}")
            logger.info("task ended", task_id=task.task_id, status=task.status, error=task.error)

    def _count(self, name: str) -> None:
        with self._lock:
            self.counts[name] += 1
