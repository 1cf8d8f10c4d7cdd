"""Stand-ins for the thread pools of the functions."""

from collections.abc import Callable
from typing import Any, Self

from tests.simulation.scheduler import Fiber, Process, Scheduler


class SimulatedExecutor:
    """Stands in for ThreadPoolExecutor: its threads are flows of the process that uses it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._submitted: list[Fiber] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> "SimulatedFuture":
        fiber = self._scheduler.spawn(self._scheduler.current.process, lambda: function(*args, **named))
        self._submitted.append(fiber)
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

    def result(self) -> Any:
        return self._scheduler.join(self._fiber)
