"""The real functions, and what invokes them."""

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from copier import handler as copier
from copier.copy import Copier
from copier.fresh_url import FreshUrls
from copier.patience import Patience
from copier.video_bucket import VideoBucket
from copier.video_host import HostRules
from intake import handler as intake
from poller.lambdas import Lambdas
from poller.pace import Pace
from poller.round import Tools
from poller.tick import Cadence, Tick
from shared.comet_api import Answer, Unavailable, parse
from shared.lifecycle import Limits
from shared.task_table import Segment, TaskTable
from tests.simulation.executor import SimulatedExecutor
from tests.simulation.scheduler import Killed, Process
from tests.simulation.world import DEADLINE_SECONDS, RETENTION_SECONDS

if TYPE_CHECKING:
    from tests.simulation.world import World

_CONCURRENCY = 3
_POLLER_SECONDS, _COPIER_SECONDS, _INTAKE_SECONDS = 90, 900, 60


class Api:
    """CometAPI: the answers are simulated, their parser is not."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def ask(self, task_id: str) -> Answer:
        try:
            return self._world.call(f"ask {task_id}", lambda: self._answer(task_id), ConnectionError)
        except ConnectionError:
            return Unavailable(reason="simulated")

    def _answer(self, task_id: str) -> Answer:
        world = self._world
        render, now = world.renders[task_id], world.scheduler.now
        trouble = world.weather.provider_trouble if world.is_stormy else 0.0
        status, headers, body = render.answer(now, world.url_of(render), world.random, trouble)
        return parse(task_id, status, headers, body, now)


class Functions:
    """Runs the real functions, each invocation as a process of its own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._invocations = 0
        self.table = TaskTable(world.dynamodb, "tasks")  # type: ignore[arg-type]  # it is in memory
        self.limits = Limits(DEADLINE_SECONDS, RETENTION_SECONDS)
        self._pace = Pace(_CONCURRENCY)

    def poll(self, share: Segment, delay: float = 0.0) -> None:
        self._start("poller", lambda: self._poll(share), _POLLER_SECONDS, delay)

    def copy(self, task_id: str, video_url: str, delay: float = 0.0) -> None:
        self._start("copier", lambda: self._copy(task_id, video_url), _COPIER_SECONDS, delay)

    def admit(self, records: list[dict[str, Any]], delay: float = 0.0) -> Any:
        return self._start("intake", lambda: self._admit(records), _INTAKE_SECONDS, delay)

    def now(self) -> float:
        return self._world.scheduler.now

    def sleep(self, seconds: float) -> None:
        self._world.scheduler.pause(seconds)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        """Accept an event, as Lambda does: it is delivered later, or never, or twice."""
        assert InvocationType == "Event"
        event = json.loads(Payload)
        if FunctionName == "copier":
            self._world.invariants.on_send(event["task_id"])
        self._world.call(
            f"Invoke {FunctionName} {event.get('task_id', '')}", lambda: self._deliver(FunctionName, event)
        )

    def _deliver(self, function: str, event: dict[str, Any]) -> None:
        for delay in deliveries(self._world):
            if function == "copier":
                self.copy(**event, delay=delay)
            else:
                self.poll(Segment(**event), delay)

    def _start(self, role: str, function: Callable[[], Any], seconds: float, delay: float) -> Any:
        self._invocations += 1
        world = self._world
        process = Process(f"{role}-{self._invocations}", world.scheduler.now + delay + seconds)
        return world.scheduler.spawn(process, lambda: self._run(function), delay)

    def _run(self, function: Callable[[], Any]) -> Any:
        world = self._world
        world.note("starts")
        try:
            value = function()
        except Killed:
            world.note("IS KILLED")
            raise
        except (BotoCoreError, ClientError) as error:
            world.note("fails", str(error))
        except Exception as error:
            world.invariants.fail("no function is surprised", repr(error))
            raise
        else:
            world.note("ends")
            return value

    def _poll(self, share: Segment) -> None:
        world = self._world
        lambdas = Lambdas(self, "copier", "poller")  # type: ignore[arg-type]  # it is simulated
        executor: Any = SimulatedExecutor(world.scheduler)
        api: Any = Api(world)
        tools = Tools(api, self.table, lambdas, executor, self, self.limits)
        weather = world.weather
        cadence = Cadence(
            interval=weather.interval, most_concurrent=_CONCURRENCY, tasks_per_worker=weather.tasks_per_worker
        )
        tick = Tick(tools, cadence, self._pace, Counter())
        tick.run(share, _POLLER_SECONDS - 20)
        self._pace = tick.pace

    def _copy(self, task_id: str, video_url: str) -> None:
        fresh_urls = FreshUrls("https://api.example.com", "/key")
        vars(fresh_urls)["_api"] = Api(self._world)
        rules = HostRules(max_video_bytes=10_000, patience=Patience(retry_delays=(0.0,)))
        bucket = VideoBucket(self._world.s3, "videos")  # type: ignore[arg-type]  # it is in memory
        tools = copier.Tools(self.table, Copier(bucket, rules, fresh_urls.of), self.limits)
        copier.settle(tools, task_id, video_url, _COPIER_SECONDS - 15)

    def _admit(self, records: list[dict[str, Any]]) -> int:
        """Return how many records are done with: those before the first one that failed."""
        failed = []
        for number, record in enumerate(records):
            try:
                intake._admit(record)  # noqa: SLF001 - what Powertools calls for each record
            except (BotoCoreError, ClientError):
                failed.append(number)
        return min(failed, default=len(records))


def deliveries(world: "World") -> list[float]:
    """Draw after how many seconds an event is delivered, each time that it is."""
    weather, random = world.weather, world.random
    if not world.is_stormy:
        return [1.0]
    count = 0 if random.random() < weather.event_lost else 2 if random.random() < weather.event_twice else 1
    return [random.random() * weather.event_delay for _ in range(count)]
