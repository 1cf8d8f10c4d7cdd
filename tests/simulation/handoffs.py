"""What must hold between the Poller that hands a video off, the message that travels, and the Copier that begins."""

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.task import Task

if TYPE_CHECKING:
    from tests.simulation.invariants import Invariants
    from tests.simulation.scheduler import Process
    from tests.simulation.world import World

LONGEST_COPY_SECONDS = 900

type Generation = tuple[str, int | None]
"""A task's id, and since when it waits: putting it again begins another one."""


class HandOffs:
    """Watches leases and their messages."""

    def __init__(self, world: "World", invariants: "Invariants") -> None:
        self._world = world
        self._invariants = invariants
        self._sent: dict[str, float] = {}
        """When a message with each word was last sent."""
        self._unsent: set[str] = set()
        """Words whose message somebody tried to send in vain."""
        self._received: dict[str, float] = {}
        self._written: dict[Process, dict[str, tuple[str, float]]] = {}
        """The word that a Poller wrote last to each task, and when."""
        self._refused: set[tuple[Process, str]] = set()
        """Tasks whose last write, by whom, came to nothing."""
        self._begun: Counter[Generation] = Counter()
        self._copiers: dict[Generation, Process] = {}

    def begun(self, task: Task) -> int:
        """Return how many copies of a task were begun."""
        return self._begun[_generation(task)]

    def on_send(self, queue: str, body: str) -> None:
        if queue == "copies":
            self._sent[json.loads(body)["lease"]] = self._world.scheduler.now

    def on_unsent(self, body: str) -> None:
        self._unsent.add(json.loads(body)["lease"])

    def on_trouble(self, process: "Process", task_id: str) -> None:
        self._refused.add((process, task_id))

    def on_receive(self, queue: str, body: str) -> None:
        if queue != "copies":
            return
        with suppress(ValueError, TypeError, KeyError):  # it may be anything
            self._received[json.loads(body)["lease"]] = self._world.scheduler.now

    def on_write(self, process: "Process", was: Task, now: Task) -> None:
        """Check a write of the Poller or of the Copier."""
        self._refused.discard((process, now.task_id))
        if now.pending_since is None:
            return
        if process.role == "poller" and now.lease != was.lease and now.lease is not None:
            self._check_lease(process, was, now)
        if process.role == "copier" and now.copy_attempts > was.copy_attempts:
            self._check_beginning(process, was, now)
        elif process.role == "copier":
            self._copiers.pop(_generation(now), None)  # it gave the lease back
        if process.role != "copier" and now.copy_attempts != was.copy_attempts:
            self._invariants.fail("a message that waits is no attempt", now.task_id)

    def on_end(self, process: "Process") -> None:
        """Check that a Poller which lives to its end leaves no lease without a message."""
        for task_id, (word, written_at) in self._written.pop(process, {}).items():
            is_there = self._sent[word] >= written_at or self._received.get(word, written_at) >= written_at
            if is_there or process.is_dead or (process, task_id) in self._refused:
                continue
            if word not in self._unsent or self._is_held(task_id, word):
                self._invariants.fail("no lease is without a message", f"{word}, read before it was written")

    def _is_held(self, task_id: str, word: str) -> bool:
        item = self._world.store.items.get(task_id)
        if item is None:
            return False
        task = self._world.reading.task_in(item)
        return task.lease == word and task.lease_until > self._world.scheduler.now

    def _check_lease(self, process: "Process", was: Task, now: Task) -> None:
        clock = self._world.scheduler.now
        if was.lease_until > clock or now.lease_until < clock + LONGEST_COPY_SECONDS:
            what = f"{now.task_id}: leased until {was.lease_until}, then {now.lease_until}"
            self._invariants.fail("one hand-off per lease", what)
        if now.lease not in self._sent:
            self._invariants.fail("no lease is without a message", f"{now.task_id}: {now.lease} was not sent")
        self._written.setdefault(process, {})[now.task_id] = now.lease or "", clock

    def _check_beginning(self, process: "Process", was: Task, now: Task) -> None:
        if was.lease not in self._sent:
            self._invariants.fail("one Copier per video", f"{now.task_id}: {was.lease} is the word of no message")
        generation = _generation(now)
        self._begun[generation] += 1
        other = self._copiers.get(generation)
        if other is not None and other is not process and not other.is_over and not other.is_dead:
            self._invariants.fail("one Copier per video", f"{now.task_id}: {process.name} beside {other.name}")
        self._copiers[generation] = process
        if now.copy_attempts != was.copy_attempts + 1 or now.lease_until < process.ends_at - 1:
            self._invariants.fail("one Copier per video", f"{now.task_id}: leased until {now.lease_until}")


def _generation(task: Task) -> Generation:
    return task.task_id, task.pending_since
