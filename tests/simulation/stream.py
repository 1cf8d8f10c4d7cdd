"""The table's stream, and Lambda's reading of it by Intake and the Announcer, each at its own pace."""

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tests.simulation.awslambda import Outcome
from tests.simulation.template_filters import passes
from tests.simulation.terms import READERS, STREAM_RETENTION_SECONDS

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Written
    from tests.simulation.world import World

_SHARDS = 2


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the stream."""

    key: str
    at: float
    content: dict[str, Any]

    @property
    def number(self) -> str:
        return str(self.content["dynamodb"]["SequenceNumber"])


class Reader:
    """Lambda's reader of one shard: in order, a batch at a time, again and again what failed, but not for ever."""

    def __init__(self, world: "World", role: str, given_up: list[Record]) -> None:
        self.is_enabled = True
        self._world = world
        self._role = role
        self._terms = READERS[role]
        self._given_up = given_up
        self._records: deque[Record] = deque()
        self._batches: list[tuple[list[Record], int]] = []
        """Batches that failed, the first one last, and how often each did."""
        self._is_waiting = False

    @property
    def is_busy(self) -> bool:
        return self._is_waiting or bool(self._records) or bool(self._batches)

    def add(self, record: Record) -> None:
        self._records.append(record)
        self.wake(self._delay())

    def wake(self, seconds: float = 0.0) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._world.scheduler.at(self._world.scheduler.now + seconds, self._read)

    def _delay(self) -> float:
        world = self._world
        return world.random.random() * (min(60.0, world.weather.message_late) if world.is_stormy else 1)

    def _read(self) -> None:
        world = self._world
        self._is_waiting = False
        if not self.is_enabled:
            return  # enabling wakes it
        self._forget()
        if not self._batches and self._records:
            size = min(self._terms.batch_size, world.random.choice((1, 3, 100)))
            self._batches.append(([self._records.popleft() for _ in range(min(size, len(self._records)))], 0))
        if not self._batches:
            return
        batch, failures = self._batches.pop()
        if world.scheduler.now - batch[0].at > self._terms.age:
            self._give_up(batch, "too old")
            return
        self._is_waiting = True
        event = {"Records": [record.content for record in batch]}
        if not world.account.invoke(self._role, event, partial(self._end, batch, failures)):
            # lambda/latest/dg/services-dynamodb-errors.html: "unable to invoke the function due to throttling [...], it
            # retries until the records expire or exceed the maximum age": no retry of the quota.
            self._again(batch, failures)
        elif world.is_stormy and world.random.random() < world.weather.message_twice:
            world.account.invoke(self._role, event, lambda _: None)  # "processes each event at least once"

    def _end(self, batch: list[Record], failures: int, outcome: Outcome) -> None:
        """Go on behind a batch, or try again what failed of it.

        lambda/latest/dg/services-dynamodb-errors.html: a failed batch is tried again until the records expire, exceed
        the maximum age, "or reach the configured retry quota"; BisectBatchOnFunctionError "splits a failed batch into
        two smaller batches", which "doesn't consume the retry quota". services-ddb-batchfailurereporting.html: with
        partial failures Lambda goes on from the lowest failed sequence number, and all behind it comes again.
        """
        failed = outcome.failures(*(record.number for record in batch))
        first = min((number for number, record in enumerate(batch) if record.number in failed), default=len(batch))
        rest = batch[first:]
        self._is_waiting = False
        if not rest:
            self.wake(self._delay())
        elif failures >= self._terms.retries:
            self._give_up(rest, "tried too often")
        elif outcome.has_failed and self._terms.bisects and len(rest) > 1:
            middle = len(rest) // 2
            self._batches.append((rest[middle:], failures))
            self._again(rest[:middle], failures)
        else:
            self._again(rest, failures + 1)

    def _again(self, batch: list[Record], failures: int) -> None:
        self._batches.append((batch, failures))
        self._is_waiting = False
        self.wake(min(1.0 + failures, 10.0))

    def _forget(self) -> None:
        """Lose what the stream keeps no longer; nobody is told of it."""
        oldest = self._world.scheduler.now - STREAM_RETENTION_SECONDS
        while self._records and self._records[0].at < oldest:
            self._world.lost_records.append((self._role, self._records.popleft().key))

    def _give_up(self, batch: list[Record], why: str) -> None:
        """Send a batch to the failure destination, and go on behind it.

        services-dynamodb-errors.html: "If the error handling measures fail, Lambda discards the records and continues
        processing batches from the stream", and each record sent to the destination has "metadata about the failed
        invocation", not the records.
        """
        self._world.note("  given up", f"{self._role}: {len(batch)} records {why}")
        self._given_up += batch
        self.wake()


class Stream:
    """The table's stream, its readers and their filters, and the queue of what they gave up."""

    def __init__(self, world: "World") -> None:
        self.given_up: dict[str, list[Record]] = {role: [] for role in READERS}
        self._world = world
        self._readers = {role: [Reader(world, role, self.given_up[role]) for _ in range(_SHARDS)] for role in READERS}
        self._numbers = 0

    def on_write(self, written: "Written") -> None:
        self._numbers += 1
        kind = "REMOVE" if written.after is None else "MODIFY" if written.before else "INSERT"
        images = {"OldImage": written.before, "NewImage": written.after}
        change = {"SequenceNumber": str(self._numbers), **{name: image for name, image in images.items() if image}}
        content = {"eventID": f"e{self._numbers}", "eventName": kind, "eventSource": "aws:dynamodb"}
        keys = {"Keys": {"task_id": {"S": written.key}}}
        record = Record(written.key, self._world.scheduler.now, {**content, "dynamodb": {**keys, **change}})
        for role, readers in self._readers.items():
            if passes(role, record.content):
                readers[crc32(written.key.encode()) % _SHARDS].add(record)

    def set_enabled(self, role: str, is_enabled: bool) -> None:  # noqa: FBT001 - as the API has it
        self._world.note("  stream of", f"{role} is {'on' if is_enabled else 'off'}")
        for reader in self._readers[role]:
            reader.is_enabled = is_enabled
            reader.wake()

    @property
    def is_busy(self) -> bool:
        """Some record was not read yet."""
        return any(reader.is_busy for readers in self._readers.values() for reader in readers)

    @property
    def is_moving(self) -> bool:
        """Some record is about to be read."""
        return any(reader.is_busy and reader.is_enabled for readers in self._readers.values() for reader in readers)
