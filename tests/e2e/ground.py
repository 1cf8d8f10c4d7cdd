"""A deployed stack on which CometAPI answers as each task is told to, and time passes as each item is told to."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Unpack

from infra.local.cometapi import Request
from infra.local.cometapi.render import RenderOptions
from infra.local.stack import LocalStack
from shared.queues import RoundMessage
from tests.e2e.alarms import FUNCTIONS, logged
from tests.e2e.incident import NOTHING_TO_DO
from tests.e2e.patience import eventually
from tests.e2e.queues import DeployedQueue
from tests.e2e.stream import Stream
from tests.e2e.tasks import Item, Tasks

HOUR, DAY = 3600, 86_400
PATIENCE_SECONDS = 180
_LONGEST_PERIOD_SECONDS = 240
_ASKING_SECONDS = 1.5


class Ground:
    """Tasks by the name of the case."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.tasks = stack, Tasks(stack)
        self.ids: dict[str, str] = {}
        self.began = time.time()
        self._rounds = DeployedQueue.of_rounds(stack)
        self._said = {output: len(stack.logs(output)) for output in FUNCTIONS}

    def put(self, case: str, item: Item | None = None, *, age: int = 60, **options: Unpack[RenderOptions]) -> None:
        """Insert a task whose video is ready, as it stands `age` seconds after its admission, not written since."""
        options.setdefault("render_seconds", 0)
        task_id = self.ids[case] = self.stack.cometapi.create(**options)
        since = int(time.time()) - age
        waiting = {"status": "SUBMITTED", "pending_since": since, "updated_at": since}
        self.tasks.put({"task_id": task_id, **waiting, **(item or {})})

    def item(self, case: str) -> Item:
        """Return the item as it is now."""
        return self.tasks.get(self.ids[case])

    def change(self, case: str, **attributes: object) -> None:
        """Set attributes of an item."""
        self.tasks.change(self.ids[case], **attributes)

    def cancel(self, *cases: str) -> None:
        """Delete items that may be there still."""
        for case in cases:
            self.tasks.delete(self.ids[case])

    def clear(self) -> None:
        """Delete what others have left pending."""
        for task_id, item in self.tasks.all().items():
            if "pending_since" in item:
                self.tasks.delete(task_id)

    def ask(self) -> None:
        """Let the Poller ask about all that is pending, whatever its period is."""
        now = int(time.time())
        self._rounds.send(RoundMessage(0, 1, now - _LONGEST_PERIOD_SECONDS, now, now + 60).body())

    def tick(self) -> None:
        """Let it ask so twice, once by a tick."""
        self.stack.tick()
        self.ask()

    def wake(self, output: str) -> Callable[[], None]:
        """Return what has a function do nothing: MiniStack shows what it said late with its next invocation only."""
        name, functions = self.stack.outputs[output], self.stack.aws.functions

        def wake() -> None:
            functions.invoke(FunctionName=name, Payload=NOTHING_TO_DO)

        return wake

    def until(
        self,
        ready: Callable[[], object],
        what: str,
        ask: Callable[[], None] | None = None,
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Have it asked on and on until something is so; where it is not within `seconds`, the test fails."""
        eventually(lambda: ready() or (ask or self.ask)(), f"not: {what}", seconds, _ASKING_SECONDS)

    def ended(self, *cases: str) -> bool:
        """Tell whether all these tasks have ended."""
        return all("ended_at" in self.item(case) for case in cases)

    def code(self, case: str) -> str | None:
        """Return the code of the trouble that an item tells of now."""
        return code_of(self.item(case))

    def questions(self, cases: Iterable[str], since: float, answer: str | None = None) -> list[Request]:
        """Return what was asked about tasks since a time, where it was answered so."""
        ids = {self.ids[case] for case in cases}
        requests = [r for r in self.stack.cometapi.requests if r.operation == "retrieve" and r.at > since]
        return [r for r in requests if r.task_id in ids and r.status and answer in {None, r.answer}]

    def asked_again(self, *cases: str, times: int = 3) -> None:
        """Wait until each of these tasks was asked about so often from now on, and what was answered is written."""
        since = time.time()
        self.until(lambda: min(len(self.questions([case], since)) for case in cases) > times, "asked again")

    def histories(self) -> dict[str, list[Item]]:
        """Return every item as it was after each of its changes."""
        images = Stream(self.stack).images()
        return {case: images[task_id] for case, task_id in self.ids.items()}

    def log(self, output: str = "PollerFunctionName") -> list[dict[str, Any]]:
        """Return what a function has said since this began."""
        return [json.loads(line) for line in self.stack.logs(output)[self._said[output] :] if line.startswith("{")]

    def counted(self, name: str) -> float:
        """Return what the functions have counted of something since this began."""
        return sum(sum(p.values) for p in logged(self.stack) if p.metric.name == name and p.at > self.began)

    @contextmanager
    def setting(self, output: str, **variables: str | None) -> Iterator[None]:
        """Deploy other values of a function's variables for a while; None takes one away."""
        functions, name = self.stack.aws.functions, self.stack.outputs[output]
        right = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        other = {key: value for key, value in {**right, **variables}.items() if value is not None}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": other})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": right})


def pause() -> None:
    """Ask nobody."""


def code_of(item: Item) -> str | None:
    code: str | None = item.get("error", {}).get("code")
    return code


def codes(history: Iterable[Item]) -> list[str | None]:
    """Return the troubles that an item told of, one after the other; None where it told of none."""
    return [code for code, _ in groupby(map(code_of, history))]


def statuses(history: Iterable[Item]) -> list[str]:
    """Return where a task stood, one after the other."""
    return [status for status, _ in groupby(item.get("status", "") for item in history)]
