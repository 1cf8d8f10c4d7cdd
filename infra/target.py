"""The stack that a command works on: the local one, or one on AWS."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.command import remark
from infra.local.running import RECORD, NothingRunningError, RunningStack
from infra.local.stack import STACK_NAME as LOCAL_STACK
from infra.trouble import TroubleError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

AWS_STACK = "seedance-poller"
"""Where nothing else is said: the stack of the environment `default` in samconfig.toml."""

_LOOPBACK = ("http://127.0.0.1:", "http://localhost:")
_HALF_DEPLOYED = {
    "REVIEW_IN_PROGRESS": "its first deploy waits for a yes to its changes. Give it: `make deploy`.",
    "CREATE_IN_PROGRESS": "it is being deployed at this moment. Wait for it to end.",
    "DELETE_IN_PROGRESS": "it is being deleted at this moment.",
    "DELETE_FAILED": "it could not be deleted. `make delete` tries again.",
}
_NONE_HERE = (
    f"`make up` deploys {LOCAL_STACK} there. AWS_ENDPOINT_URL points this shell there; for AWS, open another one."
)
_NONE_ON_AWS = (
    "Deploy it with `make deploy`, name another one with STACK=, choose the region with AWS_REGION, or start the local "
    "stack with `make up`."
)
_FAILED_DEPLOY = "its first deploy failed. `make delete`, then `make deploy` again."


@dataclass(frozen=True)
class Target:
    """A deployed stack: how to reach it, its outputs, its name and the values of its parameters."""

    session: boto3.Session
    endpoint_url: str | None
    outputs: Mapping[str, str]
    name: str = AWS_STACK
    parameters: Mapping[str, str] = field(default_factory=dict)
    deployed_at: float = 0.0
    """When it was deployed last, in epoch seconds."""

    @classmethod
    def find(cls, stack: str | None = None) -> Self:
        """Find the stack of that name where the shell points to; without a name, the local one where it is up.

        Raises TroubleError or NothingRunningError where there is none, and botocore's errors.
        """
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        if endpoint is None and stack in {None, "", LOCAL_STACK} and (running := _running(stack)):
            return cls._described(running.aws.session, running.aws_url, LOCAL_STACK)
        session = boto3.Session(region_name=region())
        try:
            return cls._described(session, endpoint, stack or (LOCAL_STACK if endpoint else AWS_STACK))
        except EndpointConnectionError as error:
            if endpoint is None:
                raise
            raise TroubleError(
                f"Nothing answers at {endpoint}, where AWS_ENDPOINT_URL points this shell. Start the local stack with "
                "`make up` and `source .local/env` again; for AWS, open another shell."
            ) from error

    @classmethod
    def announced(cls, stack: str | None = None) -> Self:
        """Find the stack as `find` does, and say on standard error which one it is."""
        target = cls.find(stack)
        remark(target.title)
        return target

    @classmethod
    def _described(cls, session: boto3.Session, endpoint: str | None, name: str) -> Self:
        client = session.client("cloudformation", endpoint_url=endpoint, config=_config(endpoint))
        found = describe(client, name, _place(session, endpoint))
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        if "TasksTableName" not in outputs:
            status = str(found["StackStatus"])
            failed = _FAILED_DEPLOY if "FAILED" in status or "ROLLBACK" in status else "it is no stack of this service."
            why = _HALF_DEPLOYED.get(status, failed)
            raise TroubleError(f"The stack {name} has no tasks table ({status}): {why}")
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
        deployed_at = found.get("LastUpdatedTime") or found.get("CreationTime")
        return cls(session, endpoint, outputs, name, parameters, deployed_at.timestamp() if deployed_at else 0.0)

    @property
    def title(self) -> str:
        """The stack in words, for the first line of every command."""
        return f"Stack {self.name} {_place(self.session, self.endpoint_url)}"

    @property
    def tasks_table(self) -> "Table":
        """The table of the tasks."""
        resource = self.session.resource("dynamodb", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))
        return resource.Table(self.outputs["TasksTableName"])

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        return self.session.client("cloudformation", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """CloudWatch."""
        return self.session.client("cloudwatch", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        return self.session.client("dynamodb", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        return self.session.client("lambda", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        return self.session.client("logs", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        return self.session.client("s3", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        """EventBridge Scheduler."""
        return self.session.client("scheduler", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def sns(self) -> "SNSClient":
        """SNS."""
        return self.session.client("sns", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        return self.session.client("sqs", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))

    @cached_property
    def ssm(self) -> "SSMClient":
        """Systems Manager."""
        return self.session.client("ssm", endpoint_url=self.endpoint_url, config=_config(self.endpoint_url))


def region() -> str | None:
    """Return the region that the shell names, None where it leaves that to its AWS profile.

    boto3 and SAM read one variable, the AWS CLI prefers the other: two values would mean two places.
    """
    named, default = os.environ.get("AWS_REGION"), os.environ.get("AWS_DEFAULT_REGION")
    if named and default and named != default:
        raise TroubleError(f"AWS_REGION says {named}, AWS_DEFAULT_REGION says {default}. Unset one of the two.")
    return named or default or None


def describe(cloudformation: "CloudFormationClient", name: str, place: str) -> "StackTypeDef":
    """Return what CloudFormation knows of a stack; TroubleError where there is none of that name."""
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        is_local = cloudformation.meta.endpoint_url.startswith(_LOOPBACK)
        cure = _NONE_HERE if is_local else _NONE_ON_AWS
        raise TroubleError(f"There is no stack {name} {place}. {cure}") from error


def _running(stack: str | None) -> RunningStack | None:
    """Return the local stack; None where there is none and none was asked for."""
    try:
        return RunningStack.load()
    except NothingRunningError:
        if stack:
            raise
        if RECORD.exists():
            raise TroubleError(
                "The local stack has ended by itself. `make up` starts it again, `make down` forgets it; "
                f"STACK={AWS_STACK} means the one on AWS."
            ) from None
        return None


def _place(session: boto3.Session, endpoint: str | None) -> str:
    if endpoint:
        where = "the local AWS" if endpoint.startswith(_LOOPBACK) else "the AWS"
        return f"on {where} at {endpoint}"
    return f"on AWS, region {session.region_name}"


def _config(endpoint: str | None) -> Config:
    """Return how to speak to AWS: nothing is waited for longer than a person would."""
    local = Config(proxies={}, s3={"addressing_style": "path"}) if endpoint else Config()
    timeouts = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"}, max_pool_connections=32)
    return timeouts.merge(local)
