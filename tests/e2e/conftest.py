import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.process import orderly_exit
from infra.local.stack import LocalStack, Options, Say
from tests.e2e.hunt import Hunt
from tests.e2e.proxy import Proxy
from tests.e2e.storm import through_a_storm
from tests.e2e.tasks import Item, Tasks
from tests.e2e.trial import Trial

FAULT_SEED = 1
EVENTS = Path(__file__).parents[2] / "events"


@dataclass(frozen=True)
class KeylessTick:
    before: Item
    after: Item
    log: list[str]


@pytest.fixture(scope="session")
def stack_without_key(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    with orderly_exit(), LocalStack(Options(render_seconds=8, api_key=False)) as stack:
        yield stack
        if request.session.testsfailed:
            show_logs(stack, request.config)


def show_logs(stack: LocalStack, config: pytest.Config) -> None:
    terminal = config.get_terminal_writer()
    for output in ("IntakeFunctionName", "PollerFunctionName", "CopierFunctionName"):
        for line in [f"--- {stack.outputs[output]}", *stack.logs(output)[-15:]]:
            terminal.line(line)


@pytest.fixture(scope="session")
def keyless_tick(stack_without_key: LocalStack) -> KeylessTick:
    stack = stack_without_key
    tasks = Tasks(stack)
    task_id = tasks.put({"task_id": stack.cometapi.create()})
    before = tasks.wait_for("pending_since", [task_id], seconds=120)[task_id]
    tick = (EVENTS / "tick.json").read_bytes()
    stack.aws.functions.invoke(FunctionName=stack.outputs["PollerFunctionName"], Payload=tick)
    return KeylessTick(before, tasks.get(task_id), stack.logs("PollerFunctionName"))


@pytest.fixture(scope="session")
def stack(stack_without_key: LocalStack, keyless_tick: KeylessTick) -> LocalStack:  # noqa: ARG001 - its order counts
    """The deployed stack, working; `keyless_tick` had to come before, while it could not."""
    stack_without_key.put_api_key()
    return stack_without_key


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a line that is seen even if the test passes."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    return say


@pytest.fixture(scope="session")
def stack_in_trouble(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """Another deployed stack, whose functions reach AWS through a proxy; so few tasks per worker make it fan out."""
    options = Options(faults=FAULT_SEED, parameters={"TasksPerWorker": "50"})
    with orderly_exit(), LocalStack(options) as stack:
        yield stack
        if request.session.testsfailed:
            show_logs(stack, request.config)


@pytest.fixture(scope="session")
def proxy(stack_in_trouble: LocalStack) -> Proxy:
    return Proxy(stack_in_trouble)


@pytest.fixture(scope="session")
def storm(stack_in_trouble: LocalStack, proxy: Proxy) -> Trial:
    return through_a_storm(Trial(stack_in_trouble, proxy))


@pytest.fixture(scope="session")
def hunt(stack_in_trouble: LocalStack, proxy: Proxy) -> Hunt:
    return Hunt(Trial(stack_in_trouble, proxy)).run()
