"""The whole service on this machine: a local AWS, a simulated CometAPI and this template, deployed by the real sam."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local import sam
from infra.local.aws import LocalAws, without_aws
from infra.local.cometapi import RemoteCometApi
from infra.local.faults import Faults
from infra.local.ministack import ROOT, MiniStack, fastest_folder, wait_until
from infra.local.process import Program, uninterrupted

STACK_NAME = "seedance-poller-local"
CONSUMER_NAME = "seedance-consumer"
API_KEY_PARAMETER = "/cometapi/api-key"
POLL_INTERVAL_SECONDS = 5


type Say = Callable[[str], None]


def _quiet(_step: str) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """How a local stack differs from the usual one.

    render_seconds and latency are the simulated CometAPI's, in seconds; `parameters` are further template parameters;
    with the seed `faults`, the Lambdas reach AWS through microburst; without `api_key`, SSM knows no key.
    """

    render_seconds: float = 10.0
    latency: float = 0.0
    parameters: Mapping[str, str] | None = None
    faults: int | None = None
    api_key: bool = True


class LocalStack:
    """A deployed stack, from `with` to the end of it; nothing that it started outlives it, whatever happens."""

    def __init__(self, options: Options | None = None, *, folder: Path | None = None, say: Say = _quiet) -> None:
        """Prepare a stack; `say` is told each step before it begins, `folder` outlives the stack where it is given."""
        self.options = options or Options()
        self._say = say
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="seedance-poller-", dir=fastest_folder()))
        self.ministack = MiniStack(self.folder, faults=self.options.faults)
        self.programs: list[Program] = []
        self.aws: LocalAws
        self.cometapi: RemoteCometApi
        self.outputs: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start and deploy; ProgramError where a part does not come up."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Start the servers, build, deploy; ProgramError where a part does not come up."""
        self._say("Starting MiniStack and the simulated CometAPI")
        self._timed("servers", self._start_servers)
        self._say("sam build")
        template = self._timed("build", sam.build)
        self._say("sam deploy")
        self._timed("deploy", lambda: self.deploy(template))

    def stop(self) -> None:
        """Stop every process that was started and remove the temporary folder."""
        with uninterrupted():
            for program in reversed(self.programs):
                program.stop()
            self.ministack.stop()
        # It holds a copy of the code per Lambda process, so on a slow disk this takes a while and may be interrupted.
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def deploy(self, template: Path, **parameters: str) -> None:
        """Deploy the built `template`, `parameters` on top of those in the options, and read the stack's outputs."""
        self.outputs |= self._deploy(template, STACK_NAME, self._parameters() | parameters)

    def deploy_second(self, template: Path, name: str, **parameters: str) -> dict[str, str]:
        """Deploy the built `template` as another stack beside this one, and return its outputs."""
        return self._deploy(template, name, self._parameters() | parameters)

    def deploy_consumer(self) -> None:
        """Build and deploy the example consumer of the videos; its outputs join the stack's."""
        parameters = {"VideosBucketName": self.outputs["VideosBucketName"]}
        self.outputs |= self._deploy(sam.build(sam.CONSUMER), CONSUMER_NAME, parameters, sam.CONSUMER)

    def outputs_of(self, name: str) -> dict[str, str]:
        """Return the outputs of the stack of that name."""
        stack = self.aws.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _deploy(
        self, template: Path, name: str, parameters: Mapping[str, str], project: sam.Project = sam.SERVICE
    ) -> dict[str, str]:
        sam.deploy(template, self.aws.url, parameters, self.folder / f"{name}.log", project, name)
        return self.outputs_of(name)

    def put_api_key(self, api_key: str | None = None) -> None:
        """Store the key, by default the one that the simulated CometAPI accepts, as the SSM SecureString."""
        value = api_key or self.cometapi.api_key
        self.aws.ssm.put_parameter(Name=API_KEY_PARAMETER, Value=value, Type="SecureString", Overwrite=True)

    def logs(self, output: str) -> list[str]:
        """Return every log line so far of the function named by the stack's `output`, such as `PollerFunctionName`."""
        pages = self.aws.logs.get_paginator("filter_log_events")
        function = self.outputs[output]
        settings = self.aws.functions.get_function_configuration(FunctionName=function).get("LoggingConfig", {})
        group = settings.get("LogGroup", f"/aws/lambda/{function}")
        try:
            events = [event for page in pages.paginate(logGroupName=group) for event in page["events"]]
        except self.aws.logs.exceptions.ResourceNotFoundException:
            return []
        return [line for event in events for line in event["message"].splitlines()]

    def tick(self) -> None:
        """Start the Poller as the schedule does, without waiting for the minute or for its end."""
        self.aws.functions.invoke(
            FunctionName=self.outputs["PollerFunctionName"], InvocationType="Event", Payload=b"{}"
        )

    @property
    def faults(self) -> Faults:
        """What fails between the Lambdas and AWS; RuntimeError unless the options asked for faults."""
        if self.ministack.faults is None:
            raise RuntimeError("this stack was started without faults")
        return self.ministack.faults

    def all_programs(self) -> list[Program]:
        """Return everything that was started, in the order of starting."""
        return [*self.ministack.programs, *self.programs]

    def _start_servers(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ministack.start()
        self.aws = LocalAws(self.ministack.url)
        self.cometapi = self._start_cometapi()
        if self.options.api_key:
            self.put_api_key()

    def _start_cometapi(self) -> RemoteCometApi:
        ready = self.folder / "cometapi.json"
        ready.unlink(missing_ok=True)
        options = {"ready-file": ready, "render-seconds": self.options.render_seconds, "latency": self.options.latency}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "infra.local.cometapi", *arguments]
        environment = without_aws(dict(os.environ)) | {"PYTHONPATH": str(ROOT)}
        program = Program.start("cometapi", command, environment, self.folder)
        self.programs.append(program)
        wait_until(ready.exists, program)
        return RemoteCometApi.from_ready_file(ready)

    def _parameters(self) -> dict[str, str]:
        return local_parameters(self.cometapi.base_url) | dict(self.options.parameters or {})

    def _timed[T](self, step: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        result = work()
        self.seconds[step] = time.monotonic() - began
        return result


def local_parameters(cometapi_url: str) -> dict[str, str]:
    """Return the template parameters of every local stack."""
    interval = str(POLL_INTERVAL_SECONDS)
    return {"CometApiBaseUrl": cometapi_url, "AllowInsecureVideoUrls": "true", "PollIntervalSeconds": interval}
