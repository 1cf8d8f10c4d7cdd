"""The real functions, in the places where they meet the world."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache, partial
from inspect import unwrap
from sys import modules
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

from announcer import handler as announcer
from copier import handler as copier
from intake import handler as intake
from poller import handler as poller
from poller.round import Tools
from shared.comet_api import normal_base
from tests.simulation import provider, video_host
from tests.simulation.dynamodb import deserialize, serialize
from tests.simulation.executor import SimulatedEvent, SimulatedExecutor, SimulatedLock, wait
from tests.simulation.renders import BASE_URL
from tests.simulation.terms import RUNS
from tests.simulation.world import DEADLINE_SECONDS, RETENTION_SECONDS

if TYPE_CHECKING:
    from tests.simulation.world import World

_SIZES = {"WHOLE_BYTES": 64, "PART_BYTES": 32, "RANGE_BYTES": 24}
"""The Copier's sizes in bytes, so small that small videos come in several parts."""
_MODULES = {"poller": poller, "copier": copier, "intake": intake, "announcer": announcer}
_MAKERS = {role: "_worker" if role == "poller" else "_tools" for role in RUNS}
_MAKE = {role: unwrap(getattr(module, _MAKERS[role])) for role, module in _MODULES.items()}
_normal_base = cache(normal_base)
_fields = cache(fields)
_HANDLERS = {role: unwrap(module.handler) for role, module in _MODULES.items()}


class Log:
    """Stands in for the loggers: nobody may find a secret in what they are told."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def info(self, message: str, *values: object, **extra: object) -> None:
        text = f"{message % values if values else message} {extra}"
        self._world.note("log", text)
        self._world.invariants.on_text(text)

    debug = warning = error = exception = info

    def append_keys(self, **_: object) -> None:
        """Keys are task ids."""


class Batches:
    """Stands in for Powertools' processor, which holds one invocation at a time, as an environment does."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        memory = self._world.scheduler.current.process.tools.memory
        if "processor" not in memory:
            memory["processor"] = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
        return getattr(memory["processor"], name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.__getattr__("__call__")(*args, **named)

    def __enter__(self) -> Any:
        return self.__getattr__("__enter__")()

    def __exit__(self, *error: object) -> Any:
        return self.__getattr__("__exit__")(*error)


@contextmanager
def standing_in(world: "World") -> Iterator[None]:
    """Put the simulation into the places where the functions meet the world."""
    world.handlers = dict(_HANDLERS)
    places = _replaced(world).items()
    replaced = [(modules[module], name, value) for module, names in places for name, value in names.items()]
    kept = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    try:
        for module, name, value in replaced:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def _replaced(world: "World") -> dict[str, dict[str, Any]]:
    scheduler = world.scheduler

    def now() -> float:
        return scheduler.now

    def executor(_: int) -> SimulatedExecutor:
        return SimulatedExecutor(scheduler)

    def word() -> str:
        return f"{world.random.getrandbits(64):016x}"

    time = {"time": SimpleNamespace(time=now, monotonic=now)}
    log = {"logger": Log(world)}
    metrics = {"metrics": SimpleNamespace(add_metric=lambda *_: None)}
    pools = {"ThreadPoolExecutor": executor}
    no_config = {"Config": lambda **_: None, "CLIENT_CONFIG": SimpleNamespace(merge=lambda _: None)}
    environ = SimpleNamespace(environ=_settings(world))
    tools = {role: {"os": environ, _MAKERS[role]: partial(_tools, world, role)} for role in RUNS}
    read_item = {"read_item": world.reading.item}
    return {
        "boto3": {"client": partial(_client, world)},
        "urllib3": {"connection_from_url": partial(_connections, world)},
        "intake.handler": {**time, **metrics, **log, **tools["intake"], **read_item, "processor": Batches(world)},
        "announcer.handler": {**metrics, **log, **tools["announcer"], **read_item},
        "poller.handler": {
            **time,
            **metrics,
            **log,
            **tools["poller"],
            **pools,
            **no_config,
            "Tools": partial(Tools, now=now),
        },
        "poller.worker": log,
        "poller.round": {**log, "draw_lease": word, "choice": world.random.choice, "wait": wait},
        "poller.remarks": {**log, "_heard": set()},
        "shared.task_table": {
            "_serialize": serialize,
            "_deserialize": deserialize,
            **read_item,
            "Task": SimpleNamespace(from_item=world.reading.task),
        },
        "shared.api_key": {**time, "Lock": lambda: SimulatedLock(scheduler)},
        "shared.settings": {"fields": _fields},
        "shared.comet_api.client": {
            **time,
            "normal_base": _normal_base,
            "ssl": SimpleNamespace(create_default_context=lambda: None),
        },
        "copier.handler": {
            **time,
            **metrics,
            **log,
            **tools["copier"],
            "draw_lease": word,
            "normal_base": _normal_base,
        },
        "copier.answer": time,
        "copier.watch": {**time, "Event": lambda: SimulatedEvent(scheduler)},
        "copier.video_host": {
            **time,
            "pool_for": video_host.pool_for(world),
            "RANGE_BYTES": _SIZES["RANGE_BYTES"],
        },
        "copier.video_bucket": {"in_time": partial(_in_time, world)},
        "copier.parts": {**pools, **_SIZES},
        "copier.copy": pools,
    }


def _settings(world: "World") -> dict[str, str]:
    weather = world.weather
    return {
        "TASKS_TABLE": "tasks",
        "RETENTION_DAYS": str(RETENTION_SECONDS // 86400),
        "ROUNDS_QUEUE": "https://sqs/rounds",
        "COPIES_QUEUE": "https://sqs/copies",
        "COMETAPI_BASE_URL": BASE_URL,
        "COMETAPI_KEY_PARAMETER": "/key",
        "POLL_INTERVAL_SECONDS": str(weather.interval),
        "MAX_CONCURRENT_POLLS": str(weather.concurrency),
        "TASKS_PER_WORKER": str(weather.tasks_per_worker),
        "MAX_WORKERS": str(weather.most_workers),
        "TASK_DEADLINE_HOURS": str(DEADLINE_SECONDS // 3600),
        "ALLOW_INSECURE_VIDEO_URLS": "false",
        "VIDEOS_BUCKET": "videos",
        "MAX_VIDEO_BYTES": "10000",
        "TASK_ENDED_TOPIC": "topic",
    }


def _client(world: "World", service: str, **_: Any) -> Any:
    return {"dynamodb": world.dynamodb, "s3": world.s3, "sqs": world.sqs, "sns": world.sns, "ssm": world.ssm}[service]


def _connections(world: "World", _: str, *, maxsize: int, **__: Any) -> Any:
    return provider.pool(world, world.scheduler.current.process.tools, maxsize)


def _tools(world: "World", role: str) -> Any:
    """Return what an environment of a function keeps, made when it is first needed."""
    environment = world.scheduler.current.process.tools
    if environment.tools is None:
        environment.tools = _MAKE[role]()
    return environment.tools


def _in_time[T](world: "World", call: Callable[[], T], seconds: float) -> T:
    """Have a call take its time; where that is too long, whoever waits is told so, whatever it did."""
    from copier.watch import OutOfTime  # noqa: PLC0415 - it meets the simulation's clock

    ends = world.scheduler.now + seconds
    result = call()
    if world.scheduler.now > ends:
        raise OutOfTime("out_of_time", "simulated")
    return result
