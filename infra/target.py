"""The stack that a command works on: the local one, or one on AWS."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import boto3

from infra.local.running import NothingRunningError, RunningStack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True)
class Target:
    """A deployed stack: how to reach it, and its outputs."""

    session: boto3.Session
    endpoint_url: str | None
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, stack: str | None) -> Self:
        """Find the AWS stack of that name with the user's own credentials, or the local stack where there is no name.

        Raises NothingRunningError where there is none, and botocore's errors.
        """
        if stack is None:
            running = RunningStack.load()
            return cls(running.aws.session, running.aws_url, running.outputs)
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        if "TasksTableName" not in outputs:
            raise NothingRunningError(f"the stack {stack} has no output TasksTableName: it is no stack of this service")
        return cls(session, None, outputs)

    @property
    def tasks_table(self) -> "Table":
        """The table of the tasks."""
        return self.session.resource("dynamodb", endpoint_url=self.endpoint_url).Table(self.outputs["TasksTableName"])
