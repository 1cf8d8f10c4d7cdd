"""The local stack that `make up` leaves running, as .local/stack.json records it."""

import json
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.local.aws import QUICK_SAM, LocalAws, without_aws
from infra.local.ministack import ROOT
from infra.local.process import Program, uninterrupted
from infra.local.stack import STACK_NAME, LocalStack

RECORD = ROOT / ".local" / "stack.json"
ENVIRONMENT = ROOT / ".local" / "env"
FOLDER = ROOT / ".local" / "up"


class NothingRunningError(Exception):
    """There is no stack to speak to."""


@dataclass(frozen=True)
class RunningStack:
    """Where a running local stack is, and which programs it consists of."""

    aws_url: str
    cometapi_url: str
    api_key: str
    outputs: dict[str, str]
    programs: list[Program]

    @classmethod
    def of(cls, stack: LocalStack) -> "RunningStack":
        """Describe a stack that was started."""
        cometapi = stack.cometapi
        return cls(stack.aws.url, cometapi.base_url, cometapi.api_key, stack.outputs, stack.all_programs())

    @classmethod
    def load(cls, record: Path = RECORD) -> "RunningStack":
        """Read the record; NothingRunningError where there is none or its programs have ended."""
        running = cls.recorded(record)
        if running is None or not all(program.running for program in running.programs):
            raise NothingRunningError("No local stack is running here. Start one with `make up`.")
        return running

    @classmethod
    def recorded(cls, record: Path = RECORD) -> "RunningStack | None":
        """Read the record, whether its programs still run or not; None where there is none."""
        if not record.exists():
            return None
        content = json.loads(record.read_text())
        return cls(**content | {"programs": [Program(**program) for program in content["programs"]]})

    def save(self, record: Path = RECORD) -> None:
        """Write the record, whole or not at all."""
        content = {**vars(self), "programs": [program.to_json() for program in self.programs]}
        unfinished = record.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content, indent=2) + "\n")
        unfinished.replace(record)

    def shell_environment(self) -> Iterable[str]:
        """Return the shell commands that make aws, sam, boto3 and the official client work on this stack."""
        variables = without_aws({}) | {
            "AWS_ENDPOINT_URL": self.aws_url,
            "COMETAPI_BASE_URL": f"{self.cometapi_url}/v1",
            "COMETAPI_KEY": self.api_key,
            "SAM_CLI_TELEMETRY": "0",
            **QUICK_SAM,
            "TASKS_TABLE": self.outputs["TasksTableName"],
            "stack": STACK_NAME,
        }
        path = ":".join(str(ROOT / place / "bin") for place in (".venv", ".tools/awscli", ".tools/sam"))
        yield f"export PATH={shlex.quote(path)}:$PATH"
        yield from (f"export {name}={shlex.quote(value)}" for name, value in variables.items())

    def stop(self, record: Path = RECORD) -> None:
        """Stop every program that still runs, and forget the stack."""
        with uninterrupted():
            for program in reversed(self.programs):
                program.stop()
            record.unlink(missing_ok=True)
            ENVIRONMENT.unlink(missing_ok=True)
            shutil.rmtree(FOLDER, ignore_errors=True)

    @cached_property
    def aws(self) -> LocalAws:
        """Its boto3 clients."""
        return LocalAws(self.aws_url)
