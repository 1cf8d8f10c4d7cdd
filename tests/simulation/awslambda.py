"""AWS Lambda: environments that are frozen between invocations, an account's limit, asynchronous events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.scheduler import Killed, Process
from tests.simulation.terms import (
    ASYNC_FIRST_PAUSE_SECONDS,
    ASYNC_LONGEST_PAUSE_SECONDS,
    INIT_SECONDS,
    RUNS,
    TICK_AGE_SECONDS,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


SURPRISED = "no function is surprised"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended."""

    has_failed: bool
    value: Any = None

    def failures(self, *identifiers: str) -> list[str]:
        """Return which items of a batch come again.

        lambda/latest/dg/services-sqs-errorhandling.html and services-ddb-batchfailurereporting.html: all of them where
        the function failed, or named one that it was not given; those that it names; none where it names none.
        """
        if self.has_failed:
            return list(identifiers)
        named = [failure["itemIdentifier"] for failure in (self.value or {}).get("batchItemFailures") or ()]
        return named if set(named) <= set(identifiers) else list(identifiers)


@dataclass(slots=True, eq=False)
class Environment:
    """One environment of a function: what it holds outlives invocations, and is gone when it dies."""

    number: int
    tools: Any = None
    frozen_at: float = 0.0
    memory: dict[str, Any] = field(default_factory=dict)


class Context:
    """What a handler is told about its invocation."""

    function_name = "function"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "request"

    def __init__(self, world: "World", process: Process) -> None:
        self._world = world
        self._process = process

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._process.ends_at - self._world.scheduler.now))


class Account:
    """All functions of an account, which share its limit of concurrent executions.

    lambda/latest/dg/gettingstarted-limits.html: new accounts have reduced concurrency, 10 as users report.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._idle: dict[str, list[Environment]] = {role: [] for role in RUNS}
        self._invocations = self._environments = self.running = 0

    def invoke(self, role: str, event: dict[str, Any], done: Callable[[Outcome], None]) -> bool:
        """Start an invocation; False where the account has no place for it."""
        world = self._world
        is_full = world.is_stormy and world.random.random() < world.weather.others_busy
        if is_full or self.running >= world.weather.account_limit:
            world.note("  throttled", role)
            world.excuse("throttled")
            return False
        self.running += 1
        self._invocations += 1
        environment = self._environment(role)
        process = Process(f"{role}-{self._invocations}", world.scheduler.now + RUNS[role].timeout)
        process.tools, process.event = environment, event
        world.scheduler.spawn(process, lambda: self._run(process, environment, event, done))
        return True

    def send(self, role: str, event: dict[str, Any]) -> None:
        """Take an asynchronous event."""
        self._attempt(role, event, self._world.scheduler.now, ASYNC_FIRST_PAUSE_SECONDS)

    def _attempt(self, role: str, event: dict[str, Any], sent_at: float, pause: float) -> None:
        """Start what an asynchronous event asks for, now or later.

        lambda/latest/dg/invocation-async-configuring.html: MaximumEventAgeInSeconds is "the maximum amount of time, in
        seconds, that Lambda keeps an event in the asynchronous event queue before discarding it".
        """
        scheduler = self._world.scheduler
        if scheduler.now - sent_at > TICK_AGE_SECONDS:
            self._world.note("  event dropped", role)
        elif not self.invoke(role, event, lambda _: None):
            following = min(2 * pause, ASYNC_LONGEST_PAUSE_SECONDS)
            scheduler.at(scheduler.now + pause, lambda: self._attempt(role, event, sent_at, following))

    def _environment(self, role: str) -> Environment:
        world, idle = self._world, self._idle[role]
        keeps = world.weather.environment_seconds
        while idle:
            found = idle.pop(int(world.random.random() * len(idle)))
            if world.scheduler.now - found.frozen_at < keeps:
                return found
        self._environments += 1
        return Environment(self._environments)

    def _run(
        self, process: Process, environment: Environment, event: dict[str, Any], done: Callable[[Outcome], None]
    ) -> None:
        world = self._world
        outcome = Outcome(has_failed=True)
        try:
            world.note("starts", f"in environment {environment.number}")
            if not environment.memory:
                environment.memory["is_warm"] = True
                if world.weather.slowness:
                    world.scheduler.pause(INIT_SECONDS * 0.1 * world.random.random())
            outcome = Outcome(has_failed=False, value=world.handlers[process.role](event, Context(world, process)))
        except Killed:
            world.note("IS KILLED")
            raise
        except (BotoCoreError, ClientError) as error:
            world.note("fails", str(error))
        except Exception as error:
            world.invariants.fail(SURPRISED, repr(error))
            raise
        else:
            world.note("ends", "" if outcome.value is None else str(outcome.value))
        finally:
            process.is_over = True
            self.running -= 1
            if not process.is_dead:
                environment.frozen_at = world.scheduler.now
                self._idle[process.role].append(environment)
            world.invariants.on_end(process)
            world.scheduler.at(world.scheduler.now, lambda: done(outcome))
