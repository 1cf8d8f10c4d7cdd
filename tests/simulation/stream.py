"""The table's stream: how Intake hears of what was written."""

from typing import TYPE_CHECKING, Any
from zlib import crc32

from tests.simulation.scheduler import Process
from tests.simulation.template_filters import passes

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Wire, Written
    from tests.simulation.functions import Functions
    from tests.simulation.world import World


class Shard:
    """One shard of the table's stream: in order, at least once, and again from the first record that failed."""

    def __init__(self, world: "World", functions: "Functions", number: int) -> None:
        self._world = world
        self._functions = functions
        self._process = Process(f"stream-{number}", is_safe=True)
        self._records: list[dict[str, Any]] = []
        self.is_busy = False

    def add(self, record: dict[str, Any]) -> None:
        self._records.append(record)
        if not self.is_busy:
            self.is_busy = True
            self._world.scheduler.spawn(self._process, self._deliver, self._delay())

    def _delay(self) -> float:
        return self._world.random.random() * min(60.0, self._world.weather.event_delay if self._world.is_stormy else 1)

    def _deliver(self) -> None:
        world, random = self._world, self._world.random
        while self._records:
            batch = self._records[: random.choice((1, 2, 100))]
            if world.is_stormy and random.random() < world.weather.event_twice:
                self._functions.admit(batch, random.random() * 100)
            fiber = self._functions.admit(batch)
            world.scheduler.wait_for(fiber)
            done = fiber.value or 0
            del self._records[:done]
            world.scheduler.pause(self._delay() if done else 1.0)
        self.is_busy = False


class Stream:
    """The table's stream and its filters."""

    def __init__(self, world: "World", functions: "Functions") -> None:
        self._shards = [Shard(world, functions, number) for number in range(2)]

    def on_write(self, written: "Written") -> None:
        kind = "REMOVE" if written.after is None else "MODIFY" if written.before else "INSERT"
        image: dict[str, Wire] = {} if written.after is None else {"NewImage": written.after}
        record = {"eventName": kind, "dynamodb": {"Keys": {"task_id": {"S": written.key}}, **image}}
        if passes(record):
            self._shards[crc32(written.key.encode()) % 2].add(record)

    @property
    def is_busy(self) -> bool:
        return any(shard.is_busy for shard in self._shards)
