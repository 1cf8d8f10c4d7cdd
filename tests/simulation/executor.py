"""Stand-ins for the thread pools and locks of the functions."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Self

from tests.simulation.scheduler import Fiber, Process, Scheduler


class SimulatedExecutor:
    """Stands in for ThreadPoolExecutor: its threads are flows of the process that uses it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._submitted: list[Fiber] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> "SimulatedFuture":
        fiber = self._scheduler.spawn(self._scheduler.current.process, lambda: function(*args, **named))
        self._submitted = [fiber, *(other for other in self._submitted if not other.is_done)]
        return SimulatedFuture(self._scheduler, fiber)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for fiber in self._submitted:
                if fiber.runner is None:
                    fiber.process, fiber.wake_at = _CANCELLED, self._scheduler.now
        for fiber in self._submitted if wait and not self._scheduler.current.process.is_dead else ():
            try:
                self._scheduler.join(fiber)
            except Exception:  # noqa: BLE001, S112 - result() is who raises it
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


_CANCELLED = Process("cancelled")
_CANCELLED.is_dead = True


class SimulatedFuture:
    """Stands in for Future."""

    def __init__(self, scheduler: Scheduler, fiber: Fiber) -> None:
        self._scheduler = scheduler
        self._fiber = fiber

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - Future's
        return self._scheduler.join(self._fiber)


def wait(futures: Sequence[SimulatedFuture]) -> None:
    """Stand in for wait of concurrent.futures."""
    for future in futures:
        with suppress(Exception):  # result() is who raises it
            future.result()


class SimulatedLock:
    """Stands in for Lock, where it is held during a call to the world: whoever waits lets others go on."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_held = False
        self._waiting: list[Fiber] = []

    def __enter__(self) -> None:
        while self._is_held:
            self._waiting.append(self._scheduler.current)
            self._scheduler.pause(inf)
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False
        for fiber in self._waiting:
            fiber.wake_at = min(fiber.wake_at, self._scheduler.now)
        self._waiting.clear()


class SimulatedEvent:
    """Stands in for Event; nobody who waits for one is woken before the time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float) -> bool:
        if not self._is_set:
            self._scheduler.pause(timeout)
        return self._is_set
