"""`make deploy` and `make delete`: the service on AWS, never on the local stack."""

import argparse
import os
import sys
import tomllib
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoCredentialsError, NoRegionError

from infra.command import remark, run
from infra.local.ministack import ROOT
from infra.local.sam import overrides
from infra.sam import parameters, run_sam
from infra.target import describe, region
from infra.trouble import TroubleError

_PATIENCE = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})


def main() -> int:
    """Deploy or delete; returns the exit status."""
    options = _options()
    _refuse_local(options.action)
    settings = _settings(options.environment)
    name = options.stack or settings["stack_name"]
    if options.action == "delete":
        return _delete(name, yes=options.yes)
    return _deploy(options, name, asks=bool(settings.get("confirm_changeset")) and not options.yes)


def _deploy(options: argparse.Namespace, name: str, *, asks: bool) -> int:
    given = parameters(options.parameters)
    session = _announced(name, "Deploying")
    if asks and not sys.stdin.isatty():
        raise TroubleError("sam would show the changes and ask whether to deploy them, and nobody is here; say YES=1.")
    environment = ("--config-env", options.environment)
    if status := run_sam("build", *environment):
        return status
    arguments = ["deploy", *environment, "--stack-name", name, "--s3-prefix", name]
    arguments += [] if asks else ["--no-confirm-changeset"]
    arguments += overrides(given)
    if asks:
        remark("sam shows the changes and asks whether to deploy them; answer y.")
    if status := run_sam(*arguments):
        return status
    _afterwards(name, session, given)
    return 0


def _afterwards(name: str, session: boto3.Session, given: dict[str, str]) -> None:
    found = describe(session.client("cloudformation", config=_PATIENCE), name, "on AWS")
    is_new = "LastUpdatedTime" not in found
    remark(f"\nDeployed. `make watch STACK={name}` shows how it does.")
    if is_new:
        remark("It takes some minutes until the first items are admitted and the bucket's events flow to EventBridge.")
    if given.get("AlarmEmail"):
        remark(f"AWS has sent a mail to {given['AlarmEmail']}: alarms reach it once its link was followed.")


def _delete(name: str, *, yes: bool) -> int:
    session = _announced(name, "Deleting")
    found = describe(session.client("cloudformation", config=_PATIENCE), name, f"in {session.region_name}")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    table, bucket = outputs.get("TasksTableName"), outputs.get("VideosBucketName")
    if status := run_sam(
        "delete", "--stack-name", name, "--region", session.region_name, *(["--no-prompts"] if yes else [])
    ):
        return status
    if table and bucket:
        remark(
            "\nWhere you said yes, the stack is gone. Table and bucket are kept, with all that is in them. To remove "
            f"them too:\naws dynamodb delete-table --table-name {table}\naws s3 rb --force s3://{bucket}"
        )
    return 0


def _refuse_local(action: str) -> None:
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        instead = "`make up` deploys there" if action == "deploy" else "`make down` removes it"
        raise TroubleError(
            f"This shell points at the local stack (AWS_ENDPOINT_URL={endpoint}), and `make {action}` is for AWS: "
            f"nothing was done. {instead}; for AWS, open another shell."
        )


def _announced(name: str, doing: str) -> boto3.Session:
    """Say where it will be done, in the first line; botocore's errors where there are no credentials or no region."""
    session = boto3.Session(region_name=region())
    if session.region_name is None:
        raise NoRegionError
    if session.get_credentials() is None:
        raise NoCredentialsError
    account = session.client("sts", config=_PATIENCE).get_caller_identity()["Account"]
    remark(f"{doing} stack {name} on AWS, account {account}, region {session.region_name}")
    return session


def _settings(environment: str) -> dict[str, Any]:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    known = [name for name in config if name not in {"version", "local"}]
    if environment not in known:
        raise TroubleError(f"samconfig.toml has no ENVIRONMENT {environment} for AWS. There are {', '.join(known)}.")
    settings: dict[str, Any] = config[environment]["deploy"]["parameters"]
    return settings


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("action", choices=["deploy", "delete"])
    parser.add_argument("parameters", nargs="*", metavar="Name=value", help="parameters of template.yaml")
    parser.add_argument("--environment", default="default", help="of samconfig.toml")
    parser.add_argument("--stack", help="another name than the environment's")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_intermixed_args()
    if options.action == "delete" and options.parameters:
        parser.error("a stack is deleted without parameters")
    return options


if __name__ == "__main__":
    sys.exit(run(main))
