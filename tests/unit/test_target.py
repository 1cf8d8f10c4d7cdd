"""Which stack a command works on, and the sentence where there is none; what is never deployed, and where."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra import consumer, deploy, feed, sam, target, tasks, watch
from infra.command import AT_ONCE, run
from infra.local import up
from infra.local.aws import LocalAws
from infra.local.running import NothingRunningError, RunningStack
from infra.target import Target, region
from infra.trouble import TroubleError, sentence
from tests.template import ROOT, TEMPLATE

URL = "http://127.0.0.1:1"
OUTPUTS = {"TasksTableName": "tasks"}


@pytest.fixture(autouse=True)
def _nobody_s_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(target, "RECORD", tmp_path / "stack.json")
    monkeypatch.setattr(RunningStack, "load", _nothing)


def _nothing() -> RunningStack:
    raise NothingRunningError("No local stack is running here. Start one with `make up`.")


def _running() -> RunningStack:
    return RunningStack(URL, "http://127.0.0.1:2", "key", {}, [])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every stack is there; what was asked for, by name and by the address that was asked."""
    found: list[tuple[str, str]] = []

    def describe(client: Any, name: str, _place: str) -> dict[str, Any]:
        found.append((name, client.meta.endpoint_url))
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}

    monkeypatch.setattr(target, "describe", describe)
    return found


AWS = "https://cloudformation.eu-west-1.amazonaws.com"
OTHER_URL = "http://127.0.0.1:9"
PLACES: dict[str, tuple[bool, dict[str, str], str | None, tuple[str, str]]] = {
    "the local one, where it is up": (
        True,
        {},
        None,
        ("seedance-poller-local", URL),
    ),
    "the local one by its name": (True, {}, "seedance-poller-local", ("seedance-poller-local", URL)),
    "AWS, where none is up": (
        False,
        {"AWS_REGION": "eu-west-1"},
        None,
        ("seedance-poller", AWS),
    ),
    "AWS by a name, though the local one is up": (
        True,
        {"AWS_DEFAULT_REGION": "eu-west-1"},
        "prod",
        ("prod", AWS),
    ),
    "where the shell points": (
        True,
        {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": OTHER_URL},
        None,
        ("seedance-poller-local", OTHER_URL),
    ),
}


@pytest.mark.parametrize(("is_up", "environment", "stack", "place"), PLACES.values(), ids=PLACES.keys())
def test_which_stack(
    is_up: bool,  # noqa: FBT001 - a parameter
    environment: dict[str, str],
    stack: str | None,
    place: tuple[str, str],
    asked: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if is_up:
        monkeypatch.setattr(RunningStack, "load", _running)
    found = Target.find(stack)
    assert asked == [place]
    where = "on AWS, region eu-west-1" if place[1] == AWS else f"on the local AWS at {place[1]}"
    assert found.title == f"Stack {place[0]} {where}"
    assert found.outputs == OUTPUTS


def test_each_request_at_once_has_a_connection() -> None:
    config: Any = Target(boto3.Session(region_name="eu-west-1"), None, OUTPUTS).dynamodb.meta.config
    assert config.max_pool_connections >= AT_ONCE


def test_the_local_one_by_its_name_is_never_looked_for_on_aws(asked: list[tuple[str, str]]) -> None:
    with pytest.raises(NothingRunningError, match=r"Start one with `make up`\."):
        Target.find("seedance-poller-local")
    assert not asked


def test_a_local_stack_that_has_crashed_is_no_reason_to_go_to_aws(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(TroubleError, match="has ended by itself"):
        Target.find()
    assert not asked


def test_a_shell_that_points_at_a_local_stack_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TroubleError, match=r"Nothing answers at http://127\.0\.0\.1:1, where"):
        Target.find()


def test_two_regions_are_two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    assert region() is None
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert region() == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(TroubleError, match="AWS_REGION says eu-west-1, AWS_DEFAULT_REGION says us-east-1"):
        region()


STACKS = {
    "half created": ("CREATE_IN_PROGRESS", "it is being deployed at this moment"),
    "failed": ("ROLLBACK_COMPLETE", "its first deploy failed. `make delete`, then"),
    "never deployed": ("REVIEW_IN_PROGRESS", "waits for a yes"),
    "half deleted": ("DELETE_FAILED", "`make delete` tries again"),
    "another's": ("CREATE_COMPLETE", "it is no stack of this service"),
}


@pytest.mark.parametrize(("status", "said"), STACKS.values(), ids=STACKS.keys())
def test_a_stack_without_a_table(status: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(target, "describe", lambda *_: {"StackStatus": status})
    with pytest.raises(TroubleError) as caught:
        Target.find("s")
    assert str(caught.value).startswith(f"The stack s has no tasks table ({status}): ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("url", "cure"), [(URL, "for AWS, open another one."), ("https://x", "Deploy it with `make deploy`")]
)
def test_a_stack_that_does_not_exist(url: str, cure: str) -> None:
    client = LocalAws(url).cloudformation
    stub = Stubber(client)
    stub.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
    with stub, pytest.raises(TroubleError, match="There is no stack s on AWS") as caught:
        target.describe(client, "s", "on AWS, region x")
    assert cure in str(caught.value)


def refusal(code: str, message: str = "why", operation: str = "Scan") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


SENTENCES: dict[str, tuple[Exception, str]] = {
    "no credentials": (exceptions.NoCredentialsError(), "There are no AWS credentials to use: Unable to locate"),
    "no such profile": (exceptions.ProfileNotFound(profile="x"), "There are no AWS credentials to use: The config"),
    "a login that has ended": (exceptions.UnauthorizedSSOTokenError(), "There are no AWS credentials to use: The SSO"),
    "no region": (exceptions.NoRegionError(), "No AWS region is set. `export AWS_REGION="),
    "no network": (exceptions.EndpointConnectionError(endpoint_url="u"), "AWS does not answer: Could not connect"),
    "no answer": (exceptions.ReadTimeoutError(endpoint_url="u"), "AWS does not answer: Read timeout"),
    "no answer yet": (exceptions.ConnectTimeoutError(endpoint_url="u"), "AWS does not answer: Connect timeout"),
    "credentials that have ended": (refusal("ExpiredToken"), "AWS does not take these credentials (ExpiredToken)"),
    "no permission": (refusal("AccessDeniedException"), "These credentials may not do that: why. Ask whoever"),
    "throttled": (refusal("ThrottlingException"), "AWS asks for fewer requests (ThrottlingException)."),
    "a table that is gone": (refusal("ResourceNotFoundException"), "The stack's table is gone."),
    "any other": (refusal("Odd", ""), "AWS refuses Scan (Odd): it gives no reason."),
    "our own": (TroubleError("Do this."), "Do this."),
}


@pytest.mark.parametrize(("error", "said"), SENTENCES.values(), ids=SENTENCES.keys())
def test_every_trouble_is_a_sentence(error: Exception, said: str) -> None:
    assert sentence(error).startswith(said)
    assert "\n" not in sentence(error)


COMMANDS: dict[str, tuple[Callable[[], int], list[str]]] = {
    "watch": (watch.main, []),
    "feed": (feed.main, ["x.csv"]),
    "list": (tasks.main, ["list"]),
    "arrivals": (consumer.main, ["arrivals"]),
    "deploy": (deploy.main, ["deploy", "--yes"]),
    "delete": (deploy.main, ["delete", "--yes"]),
}


@pytest.mark.parametrize(("main", "arguments"), COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_ends_with_a_stack_of_calls(
    main: Callable[[], int],
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    assert run(main) == 1
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert run(main) == 1
    said = capsys.readouterr()
    no_region, no_credentials = said.err.splitlines()
    assert no_region.startswith("No AWS region is set.")
    assert no_credentials.startswith("There are no AWS credentials to use")
    assert not said.out


def test_parameters_that_the_template_has() -> None:
    assert list(sam.parameter_names()) == list(TEMPLATE["Parameters"])
    assert sam.parameters(["AlarmEmail=a=b@c", "MaxCopiers="]) == {"AlarmEmail": "a=b@c", "MaxCopiers": ""}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("PollInterval=5", "template.yaml has no parameter PollInterval. Did you mean PollIntervalSeconds?"),
        ("zzz=5", "template.yaml has no parameter zzz. There are CometApiBaseUrl, "),
        ("AlarmEmail", "AlarmEmail is no parameter. Write Name=value"),
    ],
)
def test_parameters_that_it_lacks(word: str, said: str) -> None:
    with pytest.raises(TroubleError) as caught:
        sam.parameters([word])
    assert str(caught.value).startswith(said)


def test_the_local_stack_takes_no_other_parameters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(up, "FOLDER", tmp_path / "up")
    monkeypatch.setattr(sys, "argv", ["up", "PollInterval=5"])
    assert up.main() == 1
    assert "Did you mean PollIntervalSeconds?" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "said"), [(0, "sam 0 …\n"), (3, "sam 3 …\nthe whole story\n\n")])
def test_a_quiet_sam_speaks_where_it_fails(
    status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = tmp_path / "sam"
    program.write_text("#!/bin/sh\necho the whole story\nexit $1\n")
    program.chmod(0o700)
    monkeypatch.setattr(sam, "SAM", program)
    assert sam.run_sam(str(status), is_quiet=True) == status
    assert capsys.readouterr() == ("", said)


class Account:
    """An AWS account in which sam does what it is told; `ran` is what it was told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ran: list[Sequence[object]] = []
        self.status = 0
        self._patch = patch
        patch.setattr(deploy, "run_sam", self._sam)
        patch.setattr(deploy, "_announced", lambda *_: boto3.Session(region_name="eu-west-1"))
        outputs = [
            {"OutputKey": "TasksTableName", "OutputValue": "tasks-1"},
            {"OutputKey": "VideosBucketName", "OutputValue": "videos-1"},
        ]
        patch.setattr(deploy, "describe", lambda *_: {"StackStatus": "CREATE_COMPLETE", "Outputs": outputs})

    def _sam(self, *arguments: object) -> int:
        self.ran.append(arguments)
        return self.status

    def type(self, *arguments: str, is_terminal: bool = True) -> int:
        self._patch.setattr(sys, "argv", ["deploy", *arguments])
        self._patch.setattr(sys, "stdin", type("Stdin", (), {"isatty": lambda _: is_terminal})())
        return run(deploy.main)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def test_deploying(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert account.type("deploy", "--environment", "default", "MaxCopiers=9", "AlarmEmail=a@b.c") == 0
    build, deployed = account.ran
    assert build == ("build", "--config-env", "default")
    assert deployed[:3] == ("deploy", "--config-env", "default")
    assert deployed[3:7] == ("--stack-name", "seedance-poller", "--s3-prefix", "seedance-poller")
    assert deployed[7:] == ("--parameter-overrides", 'MaxCopiers="9"', 'AlarmEmail="a@b.c"')
    said = capsys.readouterr().err
    assert "answer y." in said
    assert "a mail to a@b.c" in said
    assert "some minutes" in said


@pytest.mark.parametrize("arguments", [["--yes"], ["--environment", "prod"]])
def test_deploying_without_a_question(account: Account, arguments: list[str]) -> None:
    assert account.type("deploy", *arguments, "--stack", "mine", is_terminal=False) == 0
    assert account.ran[1][3:] == ("--stack-name", "mine", "--s3-prefix", "mine", "--no-confirm-changeset")


def test_a_build_that_fails_is_not_deployed(account: Account) -> None:
    account.status = 2
    assert account.type("deploy") == 2
    assert len(account.ran) == 1


def test_what_is_not_deployed(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account.type("deploy", is_terminal=False) == 1
    assert account.type("deploy", "PollInterval=5") == 1
    assert account.type("deploy", "--environment", "local") == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    assert account.type("deploy") == 1
    assert account.type("delete", "--yes") == 1
    assert not account.ran
    nobody, unknown, local, deployed, deleted = capsys.readouterr().err.splitlines()
    assert nobody.endswith("say YES=1.")
    assert "Did you mean PollIntervalSeconds?" in unknown
    assert "no ENVIRONMENT local for AWS" in local
    assert deployed.startswith(f"This shell points at the local stack (AWS_ENDPOINT_URL={URL})")
    assert "`make up` deploys there" in deployed
    assert "`make down` removes it" in deleted


def test_deleting_says_what_is_kept(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert account.type("delete", "--yes") == 0
    assert account.ran == [("delete", "--stack-name", "seedance-poller", "--region", "eu-west-1", "--no-prompts")]
    said = capsys.readouterr().err
    assert "aws dynamodb delete-table --table-name tasks-1\naws s3 rb --force s3://videos-1\n" in said


def test_sam_sees_the_region_and_the_stack_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("PYTHONPATH", "functions")
    ran: list[dict[str, str]] = []

    def remember(*_: object, env: dict[str, str], **__: object) -> subprocess.CompletedProcess[str]:
        ran.append(env)
        return subprocess.CompletedProcess([], 3)

    monkeypatch.setattr(subprocess, "run", remember)
    assert sam.run_sam("build") == 3
    assert ran[0]["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "PYTHONPATH" not in ran[0]
    sam.run_sam("deploy", target=Target(boto3.Session(), URL, OUTPUTS))
    assert (ran[1]["AWS_ENDPOINT_URL"], ran[1]["AWS_ACCESS_KEY_ID"]) == (URL, "test")


MAKE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ({}, ""),
    ],
)
def test_make_gives_everybody_the_region(environment: dict[str, str], region: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"{MAKE}\nregion: ; @echo $$AWS_DEFAULT_REGION\n")
    assert make(tmp_path, "region", **environment) == f"{region}\n"


def test_a_key_in_the_environment_is_no_s3_key(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(MAKE)
    assert "--key" not in make(tmp_path, "-n", "-o", ".venv/installed", "feed", "FILE=x", KEY="sk-secret")
    given = make(tmp_path, "-n", "-o", ".venv/installed", "feed", "FILE=x", "KEY=t/{task_id}.mp4")
    assert '--key "t/{task_id}.mp4"' in given


@pytest.mark.parametrize("is_up", [True, False])
def test_cleaning_stops_the_local_stack_first(is_up: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    (tmp_path / "Makefile").write_text(MAKE)
    for folder in (".venv/bin", ".local", ".tools"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text("#!/bin/sh\nls -d .tools && echo $@\n")
    python.chmod(0o755)
    if is_up:
        (tmp_path / ".local/stack.json").touch()
    assert make(tmp_path, "clean") == (".tools\n-m infra.local.down\n" if is_up else "")
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^([a-z]+):", MAKE, re.MULTILINE))))
def test_every_target_is_told_and_no_file(target: str) -> None:
    (phony,) = re.findall(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKE, re.MULTILINE)
    assert target in phony.split()
    assert re.search(rf"^{target}:.*## ", MAKE, re.MULTILINE)


def make(folder: Path, *arguments: str, **environment: str) -> str:
    (folder / ".venv").mkdir(exist_ok=True)
    (folder / ".venv/installed").touch()
    done = subprocess.run(  # noqa: S603 - a command of ours
        ["make", "--no-print-directory", "-C", str(folder), *arguments],  # noqa: S607 - whichever is there
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout
