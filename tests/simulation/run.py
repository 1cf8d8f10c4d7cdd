"""Running one seed: a storm, then calm for as long as work is left, then the reckoning."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from shared.lifecycle import Limits
from shared.task_table import Segment
from tests.simulation.executor import SimulatedExecutor
from tests.simulation.functions import Functions, deliveries
from tests.simulation.owner import Owner
from tests.simulation.scheduler import Process
from tests.simulation.stream import Stream
from tests.simulation.video_host import Connection
from tests.simulation.world import EPOCH, RETENTION_SECONDS, World

CALM_SECONDS = 9 * 3600
"""Longer than it takes until the last hand-off is given up."""
_SIZES = {"WHOLE_BYTES": 64, "PART_BYTES": 32, "LARGE_BYTES": 128, "FIRST_RANGE_BYTES": 24, "LONG_RANGE_BYTES": 32}
"""The Copier's sizes in bytes, so small that small videos come in several parts."""


class Log:
    """Stands in for the loggers: nobody may find a secret in what they are told."""

    def __init__(self, world: World) -> None:
        self._world = world

    def info(self, message: str, *values: object, **extra: object) -> None:
        text = f"{message % values if values else message} {extra}"
        self._world.note("log", text)
        self._world.invariants.on_text(text)

    warning = error = info

    def append_keys(self, **_: object) -> None:
        """Keys are task ids."""


def run(seed: int) -> World:
    """Let the world of a seed run to its end; its invariants tell what was violated."""
    world = World(seed)
    functions = Functions(world)
    stream = Stream(world, functions)
    world.listeners.append(stream.on_write)
    for number in range(world.random.choice((1, 1, 2, 3, 4))):
        Owner(world, number)
    with _standing_in(world, functions):
        _schedule(world, functions)
        world.scheduler.run(EPOCH + world.weather.storm_seconds)
        world.is_stormy = False
        world.note("the storm is over")
        _calm(world, functions, stream)
        if not world.invariants.violation:
            world.invariants.at_the_end()
        world.scheduler.end()
    return world


def _schedule(world: World, functions: Functions) -> None:
    weather = world.weather
    schedule = Process("schedule", is_safe=True)

    def tick() -> None:
        for delay in deliveries(world):
            functions.poll(Segment(), min(delay, 60.0))

    for number in range(int(weather.storm_seconds // weather.tick_period)):
        world.scheduler.spawn(schedule, tick, number * weather.tick_period)


def _calm(world: World, functions: Functions, stream: Stream) -> None:
    ends = world.scheduler.now + CALM_SECONDS
    while world.scheduler.now < ends and not world.invariants.violation:
        if _is_anything_due(world):
            functions.poll(Segment())
        elif not world.scheduler.fibers and not stream.is_busy and not _pending(world):
            return
        world.scheduler.run(world.scheduler.now + 60)


def _pending(world: World) -> list[dict[str, Any]]:
    return [item for item in world.store.items.values() if "ended_at" not in item or item["status"]["S"] == "RETRY"]


def _is_anything_due(world: World) -> bool:
    """Tell whether a tick has anything to do: this spares the simulation, not the functions."""
    soon = world.scheduler.now + 60
    return any(
        int(item.get("lease_until", {"N": "0"})["N"]) < soon for item in _pending(world) if "pending_since" in item
    )


@contextmanager
def _standing_in(world: World, functions: Functions) -> Iterator[None]:
    """Put the simulation into the places where the functions meet the world."""
    clock = SimpleNamespace(time=functions.now, monotonic=functions.now)
    metrics = SimpleNamespace(add_metric=lambda *_: None)
    table = functions.table, Limits(0, RETENTION_SECONDS)
    connection = type("WorldsConnection", (Connection,), {"world": world})
    log = Log(world)
    replaced: dict[str, Any] = {
        "intake.handler": {"time": clock, "metrics": metrics, "logger": log, "_table": lambda: table},
        "copier.handler": {"time": clock, "metrics": metrics, "logger": log},
        "copier.patience": {"time": clock},
        "copier.video_host": {"SafeConnection": connection, "FIRST_RANGE_BYTES": _SIZES["FIRST_RANGE_BYTES"]},
        "copier.parts": {"ThreadPoolExecutor": lambda _: SimulatedExecutor(world.scheduler), **_SIZES},
        "copier.transfer": {"ThreadPoolExecutor": lambda _: SimulatedExecutor(world.scheduler)},
        "poller.round": {"logger": log},
        "poller.tick": {"logger": log},
        "poller.remarks": {"logger": log, "_words_heard": set()},
    }
    with ExitStack() as stack:
        for module, names in replaced.items():
            stack.enter_context(patch.multiple(module, **names))
        yield
