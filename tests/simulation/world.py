"""One world: its clock, table, bucket, queues, provider and weather, and the calls that everybody makes to them."""

from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from tests.simulation.awslambda import Account
from tests.simulation.dynamodb import DynamoDB, Staleness, Store, Wire, Written
from tests.simulation.invariants import Invariants
from tests.simulation.parameters import SNS, SSM
from tests.simulation.provider import Gateway
from tests.simulation.reading import Reading
from tests.simulation.renders import FOREIGN_KEY, KEY, SIGNATURE, Render
from tests.simulation.s3 import S3, Objects, error
from tests.simulation.schedule import Schedule
from tests.simulation.scheduler import Killed, Process, Scheduler
from tests.simulation.sqs import SQS, Queue, QueueMapping
from tests.simulation.stream import Stream
from tests.simulation.terms import QUEUES, RUNS
from tests.simulation.weather import Trouble, Weather, draw

EPOCH = 1_800_000_000.0
DEADLINE_SECONDS = 3600
RETENTION_SECONDS = 86400
_AFTERMATH_SECONDS = 90.0
"""How long a trouble is felt: CometAPI may have asked for a minute of quiet, and a round may be over by then."""
_CPU_SECONDS = 0.003
_TTL_SECONDS = 86400.0


class World:
    """Everything outside the functions."""

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - the point is to be predictable
        self.weather = weather or draw(self.random)
        self.scheduler = Scheduler(self.random, EPOCH)
        self.is_stormy = True
        self.stormy_until = inf
        self.excused_until = EPOCH
        """Until then nobody need have been asked about: something kept the Poller from it."""
        self.crashes: list[tuple[str, str]] = []
        """Who died at which call, and whether before or after it."""
        self.called: set[str] = set()
        self.trace: list[tuple[float, str, str, object]] = []
        self.renders: dict[str, Render] = {}
        self.keys: dict[str, str] = {}
        self.lost_records: list[tuple[str, str]] = []
        """What the stream forgot before a function had read it: the function, and the task."""
        self.handlers: dict[str, Callable[[dict[str, Any], Any], Any]] = {}
        self.reading = Reading()
        self.invariants = Invariants(self)
        self.store = Store(now=lambda: self.scheduler.now, told=self._on_write)
        self.objects = Objects(told=self.invariants.on_object)
        staleness = Staleness(self.random, self.weather.stale, self.weather.stale_seconds, self.weather.page_size)
        self.dynamodb = DynamoDB(self.store, self.call, staleness)
        self.s3 = S3(self.objects, self.call)
        self.sns = SNS(self)
        self.ssm = SSM(self)
        self.gateway = Gateway(self)
        self.account = Account(self)
        self.queues = {name: Queue(self, name, terms) for name, terms in QUEUES.items()}
        self.sqs = SQS(self, self.queues)
        self.mappings = {
            "rounds": QueueMapping(self, self.queues["rounds"], "poller"),
            "copies": QueueMapping(self, self.queues["copies"], "copier", self.weather.most_copiers),
        }
        self.stream = Stream(self)
        self.schedule = Schedule(self)
        self._troubles: set[Trouble] = set()

    def is_now(self, trouble: Trouble) -> bool:
        return trouble in self._troubles

    def set_trouble(self, trouble: Trouble, is_on: bool) -> None:  # noqa: FBT001 - it begins, or it ends
        """Let something that lasts begin or end."""
        self.note("begins" if is_on else "ends", trouble)
        (self._troubles.add if is_on else self._troubles.discard)(trouble)
        match trouble:
            case Trouble.SCHEDULE_OFF:
                self.schedule.is_enabled = not is_on
            case Trouble.ROUNDS_OFF | Trouble.COPIES_OFF:
                self.mappings["rounds" if trouble is Trouble.ROUNDS_OFF else "copies"].set_enabled(not is_on)
            case Trouble.INTAKE_OFF | Trouble.ANNOUNCER_OFF:
                self.stream.set_enabled("intake" if trouble is Trouble.INTAKE_OFF else "announcer", not is_on)
            case Trouble.FOREIGN_KEY:
                self.ssm.store(FOREIGN_KEY if is_on else KEY)
            case Trouble.PURGE if is_on:
                for queue in self.queues.values():
                    queue.purge()
        self.excuse(trouble)

    def excuse(self, why: str, until: float = 0.0) -> None:  # noqa: ARG002 - it is for the reader
        """Take note of something that keeps the Poller from asking, now or `until` a time."""
        felt_until = max(self.scheduler.now, until) + _AFTERMATH_SECONDS
        if self._troubles & _SILENCING:
            self.excused_until = inf
        else:
            self.excused_until = felt_until if self.excused_until == inf else max(self.excused_until, felt_until)

    def note(self, what: str, outcome: object = "") -> None:
        self.trace.append((self.scheduler.now - EPOCH, self.scheduler.process.name, what, outcome))

    def url_of(self, render: Render) -> str:
        """Sign a URL; in some worlds each answer has a new one."""
        signed_at = self.scheduler.now if self.weather.urls_are_new else render.created + render.seconds
        render.urls += 1
        number = render.urls if self.weather.urls_are_new else 1
        return f"https://cdn.example.com/{render.task_id}?sig={SIGNATURE}{number}&issued={signed_at}"

    def url_has_died(self, render: Render) -> bool:
        """Tell whether there was a time at which no URL of a task worked any more."""
        weather = self.weather
        return not weather.urls_are_new and self.scheduler.now > render.created + render.seconds + weather.url_seconds

    def call[T](self, what: str, effect: Callable[[], T], trouble: Callable[[], Exception] | None = None) -> T:
        """Make one call to the world outside: here everything may go wrong, and others may come first."""
        scheduler = self.scheduler
        process = scheduler.current.process
        scheduler.check(process)
        kind = f"{process.role}: {what.partition(' ')[0]}"
        self.called.add(kind)
        fate = self._fate(kind) if not process.is_safe else ""
        if fate:
            self._judge(process, what, fate)
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

    def _judge(self, process: Process, what: str, fate: str) -> None:
        if process.role == "poller":
            self.excuse(fate)
        self.invariants.on_trouble(process, what)

    def _before(self, process: Process, what: str, fate: str) -> None:
        if fate == "crash before":
            self._crash(process, what, fate)
        seconds = self._cost(process, what)
        if fate == "slow before":
            self.scheduler.pause(seconds + self.random.choice((0.3, 3.0, 40.0, 200.0)))
        elif seconds or self.random.random() < self.weather.switch:
            self.scheduler.pause(seconds)

    def _cost(self, process: Process, what: str) -> float:
        """Return how long a call takes: CometAPI its time, and our own work, of which one is done at a time."""
        weather = self.weather
        seconds = weather.answer_seconds if what.startswith("ask ") else 0.0
        if what.startswith("GET "):
            seconds = weather.host_seconds
        if weather.slowness and process.role in RUNS:
            work = weather.slowness * _CPU_SECONDS / RUNS[process.role].share
            process.cpu_is_free_at = max(self.scheduler.now, process.cpu_is_free_at) + work
            seconds += process.cpu_is_free_at - self.scheduler.now
        return seconds

    def _after(self, process: Process, what: str, fate: str) -> None:
        if fate == "crash after":
            self._crash(process, what, fate)
        if fate == "slow after":
            self.scheduler.pause(self.random.choice((0.3, 3.0, 40.0, 200.0)))

    def _crash(self, process: Process, what: str, fate: str) -> None:
        self.note(what, fate.upper())
        self.crashes.append((f"{process.role}: {what.partition(' ')[0]}", fate))
        self.scheduler.kill(process)
        raise Killed

    def _fate(self, kind: str) -> str:
        if Trouble.TABLE_DOWN in self._troubles and kind.endswith("UpdateItem"):
            return "refused"
        if not self.is_stormy:
            return ""
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
        self.stream.on_write(written)
        if written.after and "expires_at" in written.after:
            until = float(written.after["expires_at"]["N"]) + self.random.random() * _TTL_SECONDS
            self.scheduler.at(until, lambda: self._expire(written.key, written.after))

    def _expire(self, key: str, item: Wire | None) -> None:
        """Delete an item whose time is over.

        amazondynamodb/latest/developerguide/TTL.html: expired items are deleted "within a few days".
        """
        if self.store.items.get(key) is item:
            self.note("  time to live is over", key)
            self.invariants.on_expiry(key)
            self.store.put(key, None)


_SILENCING = frozenset({Trouble.SCHEDULE_OFF, Trouble.ROUNDS_OFF, Trouble.OUTAGE, Trouble.TABLE_DOWN})
