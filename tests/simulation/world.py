"""One world: its clock, table, bucket, provider and weather, and the calls that everybody makes to them."""

from collections.abc import Callable
from random import Random

from botocore.exceptions import ReadTimeoutError

from tests.simulation.dynamodb import DynamoDB, Staleness, Store, Written
from tests.simulation.invariants import Invariants
from tests.simulation.renders import SIGNATURE, Render
from tests.simulation.s3 import S3, Objects, error
from tests.simulation.scheduler import Killed, Process, Scheduler
from tests.simulation.weather import draw

EPOCH = 1_800_000_000.0
DEADLINE_SECONDS = 3600
RETENTION_SECONDS = 86400


class World:
    """Everything outside the functions."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - the point is to be predictable
        self.weather = draw(self.random)
        self.scheduler = Scheduler(self.random, EPOCH)
        self.is_stormy = True
        self.crashes: list[tuple[str, str]] = []
        """Who died at which call, and whether before or after it."""
        self.called: set[str] = set()
        self.trace: list[tuple[float, str, str, str]] = []
        self.renders: dict[str, Render] = {}
        self.keys: dict[str, str] = {}
        self.listeners: list[Callable[[Written], None]] = []
        self.invariants = Invariants(self)
        self.store = Store(now=lambda: self.scheduler.now, told=self._on_write)
        self.objects = Objects(told=self.invariants.on_object)
        self.staleness = Staleness(self.random, self.weather.stale, self.weather.stale_seconds, self.weather.page_size)
        self.dynamodb = DynamoDB(self.store, self.call, self.staleness)
        self.s3 = S3(self.objects, self.call)

    def note(self, what: str, outcome: str = "") -> None:
        current = self.scheduler._current  # noqa: SLF001 - the main thread has no flow
        self.trace.append((self.scheduler.now - EPOCH, current.process.name if current else "world", what, outcome))

    def url_of(self, render: Render) -> str:
        """Sign a URL; each is a new one."""
        render.urls += 1
        return f"https://cdn.example.com/{render.task_id}?sig={SIGNATURE}{render.urls}&issued={self.scheduler.now}"

    def call[T](self, what: str, effect: Callable[[], T], trouble: Callable[[], Exception] | None = None) -> T:
        """Make one call to the world outside: here everything may go wrong, and others may come first."""
        scheduler = self.scheduler
        process = scheduler.current.process
        scheduler.check(process)
        kind = _kind(process, what)
        self.called.add(kind)
        fate = self._fate(kind) if self.is_stormy and not process.is_safe else ""
        self._before(process, what, fate)
        if fate == "refused":
            self.note(what, fate)
            raise trouble() if trouble else error(self._refusal(what), what)
        if fate == "repeated":
            effect()
            scheduler.pause()
        try:
            result = effect()
        except Exception as failure:
            self.note(what, f"{fate} {failure}")
            raise
        self.note(what, fate)
        self._after(process, what, fate)
        if fate == "answer lost":
            raise trouble() if trouble else ReadTimeoutError(endpoint_url="https://aws.example.com")
        return result

    def _before(self, process: Process, what: str, fate: str) -> None:
        if fate == "crash before":
            self._crash(process, what, fate)
        if fate == "slow before":
            self.scheduler.pause(self.random.choice((0.3, 3.0, 40.0, 200.0)))
        elif self.random.random() < self.weather.switch:
            self.scheduler.pause()

    def _after(self, process: Process, what: str, fate: str) -> None:
        if fate == "crash after":
            self._crash(process, what, fate)
        if fate == "slow after":
            self.scheduler.pause(self.random.choice((0.3, 3.0, 40.0, 200.0)))

    def _crash(self, process: Process, what: str, fate: str) -> None:
        self.note(what, fate.upper())
        self.crashes.append((_kind(process, what), fate))
        self.scheduler.kill(process)
        raise Killed

    def _fate(self, kind: str) -> str:
        weather = self.weather
        if kind == weather.crash_at_kind and all(kind != crashed for crashed, _ in self.crashes):
            return self.random.choice(("crash before", "crash after"))
        drawn = self.random.random()
        for rate, fates in (
            (weather.crash, ("crash before", "crash after")),
            (weather.refused, ("refused",)),
            (weather.answer_lost, ("answer lost",)),
            (weather.repeated, ("repeated",)),
            (weather.slow, ("slow before", "slow after")),
        ):
            if drawn < rate:
                return fates[int(drawn / rate * len(fates))]
            drawn -= rate
        return ""

    def _refusal(self, what: str) -> str:
        is_conditional = what.startswith(("PutObject", "CompleteMultipartUpload")) and self.random.random() < 0.5
        return "ConditionalRequestConflict" if is_conditional else "ThrottlingException"

    def _on_write(self, written: Written) -> None:
        self.invariants.on_write(written)
        for listener in self.listeners:
            listener(written)


def _kind(process: Process, what: str) -> str:
    return f"{process.name.partition('-')[0]}: {what.partition(' ')[0]}"
