"""The local AWS as boto3 sees it: its endpoint and dummy credentials, never the user's own."""

import os
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

REGION = "us-east-1"
DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
QUICK_SAM = {"SAM_CLI_POLL_DELAY": "0.5", "SAM_CLI_BETA_PACKAGE_PERFORMANCE": "1"}
"""By itself sam looks every 5 s whether a stack is deployed, which here takes one or two, and zips a folder as often as
it is named."""


def without_aws(environment: dict[str, str]) -> dict[str, str]:
    """Return `environment` without anything that speaks of the user's own AWS, and with loopback never proxied."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    direct = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy", ""), "127.0.0.1"]))
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    return kept | nowhere | region | DUMMY_CREDENTIALS | {"NO_PROXY": direct, "no_proxy": direct}


class LocalAws:
    """boto3 clients for one endpoint, each made when first asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        # No profile and no files: a user's configuration could name another endpoint or region.
        unset = (None, None, None, None)
        nowhere = (None, None, os.devnull, None)
        session = botocore.session.Session({"profile": unset, "config_file": nowhere, "credentials_file": nowhere})
        session.set_credentials(*DUMMY_CREDENTIALS.values())
        self.session = boto3.Session(botocore_session=session, region_name=REGION)
        self._config = Config(proxies={}, retries={"mode": "standard"}, s3={"addressing_style": "path"})

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        return self.session.client("cloudformation", endpoint_url=self.url, config=self._config)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """CloudWatch."""
        return self.session.client("cloudwatch", endpoint_url=self.url, config=self._config)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        return self.session.client("dynamodb", endpoint_url=self.url, config=self._config)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """EventBridge."""
        return self.session.client("events", endpoint_url=self.url, config=self._config)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        return self.session.client("lambda", endpoint_url=self.url, config=self._config)

    @cached_property
    def iam(self) -> "IAMClient":
        """IAM."""
        return self.session.client("iam", endpoint_url=self.url, config=self._config)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        return self.session.client("logs", endpoint_url=self.url, config=self._config)

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        return self.session.client("s3", endpoint_url=self.url, config=self._config)

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        """EventBridge Scheduler."""
        return self.session.client("scheduler", endpoint_url=self.url, config=self._config)

    @cached_property
    def sns(self) -> "SNSClient":
        """SNS."""
        return self.session.client("sns", endpoint_url=self.url, config=self._config)

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        return self.session.client("sqs", endpoint_url=self.url, config=self._config)

    @cached_property
    def ssm(self) -> "SSMClient":
        """Systems Manager."""
        return self.session.client("ssm", endpoint_url=self.url, config=self._config)
