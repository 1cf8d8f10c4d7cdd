"""MiniStack makes the mistakes that `infra/local/corrected_ministack.py` corrects, and none of them when corrected."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.aws import LocalAws
from infra.local.loopback import HTTP
from infra.local.ministack import MiniStack
from infra.local.process import orderly_exit
from tests.e2e.patience import eventually

SECONDS = 40
LINES = 500_000
"""More than MiniStack reads in a quarter of a second."""
TEMPLATE = """
Parameters:
  Bound: {Type: Number, Default: 3}
  Active: {Type: String, Default: "false"}
  Projected: {Type: String, Default: KEYS_ONLY}
Resources:
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  Queue: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      GlobalSecondaryIndexes:
        - IndexName: index
          KeySchema: [{AttributeName: id, KeyType: HASH}]
          Projection: {ProjectionType: !Ref Projected}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Timeout: 20
      Runtime: python3.13
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import time
          def handler(event, context):
              if "scheduled_time" in event:
                  return print("asked", event["scheduled_time"])
              if "lines" in event:
                  for _ in range(event["lines"]):
                      print()
                  return print("through", event["lines"])
              if "seconds" in event:
                  return time.sleep(event["seconds"])
              if "Records" not in event:
                  return None
              names = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
              print("received", names)
              bad = [r["dynamodb"]["SequenceNumber"] for r, n in zip(event["Records"], names) if n == "bad"]
              return {"batchItemFailures": [{"itemIdentifier": number} for number in bad]}
  OfQueue:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt Queue.Arn
      Enabled: !Ref Active
      ScalingConfig: {MaximumConcurrency: !Ref Bound}
  OfStream:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt Table.StreamArn
      StartingPosition: TRIM_HORIZON
      FunctionResponseTypes: [ReportBatchItemFailures]
  Schedule:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: at(2026-01-01T00:00:00)
      FlexibleTimeWindow: {Mode: "OFF"}
      Target:
        Arn: !GetAtt Function.Arn
        RoleArn: !GetAtt Role.Arn
        Input: '{"scheduled_time": "<aws.scheduler.scheduled-time>"}'
Outputs:
  Function: {Value: !Ref Function}
  Table: {Value: !Ref Table}
"""


@dataclass(frozen=True)
class Deployed:
    """The template on a MiniStack, whose processes live below the folder."""

    aws: LocalAws
    outputs: dict[str, str]
    folder: Path

    def mapping_of_queue(self) -> dict[str, Any]:
        """Return what MiniStack keeps of it, to which boto3 would give its types."""
        answer = HTTP.request("GET", f"{self.aws.url}/2015-03-31/event-source-mappings/").json()
        (mapping,) = [found for found in answer["EventSourceMappings"] if ":sqs:" in found["EventSourceArn"]]
        return dict(mapping)

    def put(self, name: str) -> None:
        """Write an item, which the function hears of."""
        self.aws.dynamodb.put_item(TableName=self.outputs["Table"], Item={"id": {"S": name}})

    def work(self, seconds: float) -> bool:
        """Let the function work for so long, and tell whether it came to its end."""
        function, payload = self.outputs["Function"], json.dumps({"seconds": seconds}).encode()
        return "FunctionError" not in self.aws.functions.invoke(FunctionName=function, Payload=payload)

    def said(self, word: str) -> list[str]:
        """Return what the function said after this word."""
        group = f"/aws/lambda/{self.outputs['Function']}"
        try:
            events = self.aws.logs.filter_log_events(logGroupName=group, filterPattern=word)["events"]
        except self.aws.logs.exceptions.ResourceNotFoundException:
            return []
        lines = [line for event in events for line in event["message"].splitlines()]
        return [line.removeprefix(word).strip() for line in lines if line.startswith(word)]


@pytest.fixture(scope="module")
def ministacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Deployed]]:
    """MiniStack corrected, and as it comes."""
    with orderly_exit(), ExitStack() as stack:
        yield {corrected: deploy(corrected, tmp_path_factory.mktemp("ministack"), stack) for corrected in (True, False)}


def deploy(corrected: bool, folder: Path, stack: ExitStack) -> Deployed:  # noqa: FBT001 - the name of one of two
    ministack = MiniStack(folder, corrected=corrected)
    stack.callback(ministack.stop)
    ministack.start()
    aws = LocalAws(ministack.url)
    aws.cloudformation.create_stack(StackName="mistakes", TemplateBody=TEMPLATE)
    aws.cloudformation.get_waiter("stack_create_complete").wait(StackName="mistakes", WaiterConfig={"Delay": 1})
    outputs = aws.cloudformation.describe_stacks(StackName="mistakes")["Stacks"][0]["Outputs"]
    deployed = Deployed(aws, {output["OutputKey"]: output["OutputValue"] for output in outputs}, folder)
    deployed.put("bad")
    return deployed


@pytest.fixture(params=[True, False], ids=["corrected", "as it comes"])
def corrected(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def deployed(ministacks: dict[bool, Deployed], corrected: bool) -> Deployed:  # noqa: FBT001 - see deploy
    return ministacks[corrected]


def test_a_parameter_that_is_a_number(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    bound = deployed.mapping_of_queue()["ScalingConfig"]["MaximumConcurrency"]
    assert bound == (3 if corrected else "3")


def test_a_parameter_that_is_false(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    assert deployed.mapping_of_queue()["State"] == ("Disabled" if corrected else "Enabled")


def test_a_failure_of_a_part_of_a_batch(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    eventually(lambda: deployed.said("received"), "not received", SECONDS)
    deployed.put("later")
    eventually(lambda: [said for said in deployed.said("received") if "later" in said], "not received", SECONDS)
    bad = [said for said in deployed.said("received") if "bad" in said]
    assert (len(bad) > 1) is corrected


def test_the_time_of_a_schedule(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    (time_, *_) = eventually(lambda: deployed.said("asked"), "not asked", SECONDS)
    assert time_.endswith(":00Z") if corrected else time_.startswith("<aws")


def test_a_process_at_work_when_its_function_changes(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    deployed.work(0)
    with ThreadPoolExecutor() as pool:
        working = pool.submit(deployed.work, 3)
        time.sleep(1)
        name = deployed.outputs["Function"]
        deployed.aws.functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"A": "b"}})
    assert working.result() is corrected


def test_the_last_line_of_a_long_log(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    function, payload = deployed.outputs["Function"], json.dumps({"lines": LINES}).encode()
    deployed.aws.functions.invoke(FunctionName=function, Payload=payload)
    assert deployed.said("through") == ([str(LINES)] if corrected else [])


def test_the_code_of_a_process(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    deployed.work(0)
    codes = eventually(lambda: [*deployed.folder.glob("tmpdir/ministack-lambda-*/code")], "without", SECONDS)
    assert [code.is_symlink() for code in codes] == [corrected] * len(codes)


def test_an_index_that_changes(deployed: Deployed, corrected: bool) -> None:  # noqa: FBT001 - see deploy
    aws, changed = deployed.aws.cloudformation, {"ParameterKey": "Projected", "ParameterValue": "ALL"}
    aws.update_stack(StackName="mistakes", UsePreviousTemplate=True, Parameters=[changed])  # type: ignore[list-item]

    def settled() -> str:
        return _settled(aws.describe_stacks(StackName="mistakes")["Stacks"][0]["StackStatus"])

    status = eventually(settled, "in progress", SECONDS)
    assert status == ("UPDATE_ROLLBACK_COMPLETE" if corrected else "UPDATE_COMPLETE")


def _settled(status: str) -> str:
    return status if status.startswith("UPDATE") and status.endswith("_COMPLETE") else ""
