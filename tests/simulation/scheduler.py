"""Many flows of control, one at a time: at every call to the world outside, a seed decides which one goes on.

Each flow has a real thread, so that the real, blocking functions run unchanged; but only the thread that holds
the baton runs, and the time is a number that moves on when nobody can. What AWS does by itself (a message becomes
visible, a tick is due) needs no thread: it happens, whoever holds the baton.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from threading import Lock, Thread
from typing import Any


class Killed(BaseException):
    """The process of this flow is dead: it unwinds, and has no effect on anything any more."""


class Process:
    """One invocation of a function: it dies as a whole, at its time-out at the latest."""

    def __init__(self, name: str, ends_at: float = inf, *, is_safe: bool = False) -> None:
        self.name = name
        self.role = name.partition("-")[0]
        self.ends_at = ends_at
        self.is_safe = is_safe
        self.is_dead = False
        self.is_over = False
        self.tools: Any = None
        """What its environment keeps."""
        self.cpu_is_free_at = 0.0
        self.event: dict[str, Any] = {}
        """What it was invoked with."""

    @cached_property
    def segment(self) -> int:
        """Of the pending tasks, where it is a round."""
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # it may be anything
            return int(json.loads(self.event["Records"][0]["body"])["segment"])
        return 0


class Fiber:
    """One flow of control in a process."""

    def __init__(self, process: Process, function: Callable[[], Any], wake_at: float) -> None:
        self.process = process
        self.wake_at = wake_at
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.joiners: list[Fiber] = []
        self.runner: _Runner | None = None
        self._function = function

    def run(self) -> None:
        try:
            if not self.process.is_dead:
                self.value = self._function()
        except BaseException as error:  # noqa: BLE001 - whoever joins it gets it
            self.error = error
        self.is_done = True


class Scheduler:
    """Holds the clock and the baton."""

    def __init__(self, random: Random, now: float) -> None:
        self.now = now
        self.fibers: list[Fiber] = []
        self._random = random
        self._until = now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._main = Lock()
        self._main.acquire()
        self._current: Fiber | None = None

    @property
    def current(self) -> Fiber:
        assert self._current
        return self._current

    @property
    def process(self) -> Process:
        """The process that acts; the world where none does."""
        return self._current.process if self._current else _WORLD

    @property
    def is_idle(self) -> bool:
        """Nobody runs, and nothing happens by itself any more."""
        return not self.fibers and not self._events

    @property
    def next_event_at(self) -> float:
        """When something happens by itself; infinity where nothing does."""
        return self._events[0][0] if self._events else inf

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Let something happen by itself; `event` must not wait."""
        heappush(self._events, (max(when, self.now), next(self._numbers), event))

    def spawn(self, process: Process, function: Callable[[], Any], delay: float = 0.0) -> Fiber:
        fiber = Fiber(process, function, self.now + delay)
        self.fibers.append(fiber)
        return fiber

    def run(self, until: float) -> None:
        """Let everybody run whose time comes before `until`; only the main thread calls this."""
        self._until = until
        following = self._next()
        if following:
            self._pass_to(following)
            self._main.acquire()
        self._current = None
        self.now = max(self.now, until) if self._until == until else self.now

    def pause(self, seconds: float = 0.0) -> None:
        """Let others go on for so long, or wait for one's turn; raises Killed."""
        fiber = self.current
        fiber.wake_at = min(self.now + seconds, max(fiber.process.ends_at, self.now))
        self._wait(fiber)

    def join(self, other: Fiber) -> Any:
        """Wait for another flow of the same process, and return its value or raise its error."""
        fiber = self.current
        while not other.is_done:
            fiber.wake_at = fiber.process.ends_at
            other.joiners.append(fiber)
            self._wait(fiber)
        if other.error:
            raise other.error
        return other.value

    def kill(self, process: Process) -> None:
        process.is_dead = True
        for fiber in self.fibers:
            if fiber.process is process:
                fiber.wake_at = self.now

    def stop(self) -> None:
        """Give the baton back to the main thread at the next opportunity."""
        self._until = -inf

    def end(self) -> None:
        """Kill whoever still runs, and wait until they have unwound; nothing happens by itself any more."""
        self._events.clear()
        for fiber in list(self.fibers):
            fiber.process.is_dead = True
            fiber.wake_at = self.now
        self.run(self.now)

    def check(self, process: Process) -> None:
        if not process.is_dead and self.now >= process.ends_at:
            self.kill(process)
        if process.is_dead:
            raise Killed

    def follow(self, fiber: Fiber) -> Fiber | None:
        """Take note that `fiber` has run to its end, and say who is next."""
        self.fibers.remove(fiber)
        for joiner in fiber.joiners:
            joiner.wake_at = min(joiner.wake_at, self.now)
        return self._next()

    def _wait(self, fiber: Fiber) -> None:
        following = self._next()
        if following is fiber:
            self._current = fiber
        else:
            assert fiber.runner
            self._pass_to(following)
            fiber.runner.gate.acquire()
        self.check(fiber.process)

    def _next(self) -> Fiber | None:
        while self._until != -inf:
            self._current = None
            while self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
            now = self.now
            ready = [fiber for fiber in self.fibers if fiber.wake_at <= now]
            if ready:
                return ready[int(self._random.random() * len(ready))] if len(ready) > 1 else ready[0]
            soonest = min([fiber.wake_at for fiber in self.fibers], default=inf)
            soonest = min(soonest, self._events[0][0]) if self._events else soonest
            if soonest > self._until or soonest == inf:
                return None
            self.now = soonest
        return None

    def _pass_to(self, following: Fiber | None) -> None:
        self._current = following
        if following is None:
            self._main.release()
            return
        if following.runner is None:
            following.runner = _IDLE.pop() if _IDLE else _Runner()
            following.runner.work = (self, following)
        following.runner.gate.release()

    def take(self, following: Fiber | None, runner: "_Runner") -> bool:
        """Let `runner` itself go on with a flow that has not begun; threads are costly to change."""
        if following is None or following.runner is not None:
            _IDLE.append(runner)
            self._pass_to(following)
            return False
        following.runner = runner
        self._current = following
        return True


class _Runner:
    """A thread that runs one flow after another; threads are costly to start."""

    def __init__(self) -> None:
        self.gate = Lock()
        self.gate.acquire()
        self.work: tuple[Scheduler, Fiber] | None = None
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.gate.acquire()
            assert self.work
            scheduler, fiber = self.work
            self.work = None
            while True:
                fiber.run()
                following = scheduler.follow(fiber)
                if not scheduler.take(following, self):
                    break
                assert following
                fiber = following
            del scheduler, fiber, following


_IDLE: list[_Runner] = []
_WORLD = Process("world", is_safe=True)
