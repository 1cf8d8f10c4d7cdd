"""Guards the traps of the build and the contract of the template."""

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from shared.lifecycle import QUEUE_SECONDS
from shared.queues import COPY_DELAY_SECONDS
from shared.task import POLLED_ATTRIBUTES
from tests.template import FUNCTIONS, OBSERVABILITY, RESOURCES, ROOT, TEMPLATE, of_type, table_schema

BUILD = (ROOT / "functions/Makefile").read_text()
SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
ACTIONS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "get_item": "dynamodb:GetItem",
    "get_parameter": "ssm:GetParameter",
    "head_object": "s3:GetObject",
    "publish": "sns:Publish",
    "put_object": "s3:PutObject",
    "send_message": "sqs:SendMessage",
    "send_message_batch": "sqs:SendMessage",
    "update_item": "dynamodb:UpdateItem",
    "upload_part": "s3:PutObject",
    "scan": "dynamodb:Scan",
}


@pytest.mark.parametrize(
    ("environment", "stack", "asks", "further"),
    [
        ("default", "seedance-poller", True, set()),
        ("prod", "seedance-poller-prod", False, set()),
        ("local", "seedance-poller-local", False, {"region", "parameter_overrides"}),
    ],
)
def test_every_environment_is_complete_and_says_no_more(
    environment: str, stack: str, further: set[str], *, asks: bool
) -> None:
    """On AWS, region and parameters are what the shell and the owner say."""
    deploy = SAMCONFIG[environment]["deploy"]["parameters"]
    assert {name: value for name, value in deploy.items() if name not in further} == {
        "stack_name": stack,
        "resolve_s3": True,
        "s3_prefix": stack,
        "capabilities": "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND",
        "confirm_changeset": asks,
        "fail_on_empty_changeset": False,
    }
    # SAM would take a manifest for the functions' Makefile; tests and demos build side by side, and share no cache; a
    # container needs Docker. And what stands in `global` goes for every command.
    assert SAMCONFIG[environment]["build"]["parameters"] == {"parallel": True}
    assert SAMCONFIG[environment].keys() == {"build", "validate", "deploy"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_built_with_bytecode(function: str) -> None:
    assert RESOURCES[function]["Metadata"]["BuildMethod"] == "makefile"
    assert f"build-{function}" in re.findall(r"^(build-.*):$", BUILD, re.MULTILINE)[0].split()


def test_the_bytecode_is_for_the_python_that_runs_it() -> None:
    (interpreter,) = re.findall(r"^INTERPRETER := .*&& (\S+) -c", BUILD, re.MULTILINE)
    assert interpreter == TEMPLATE["Globals"]["Function"]["Runtime"]


def test_the_build_keeps_exactly_the_services_that_are_called() -> None:
    code = "".join(path.read_text() for path in Path(ROOT, "functions").rglob("*.py"))
    called = set(re.findall(r'boto3\.client\("(\w+)"', code))
    assert re.findall(r"^SERVICES := (.*)$", BUILD, re.MULTILINE)[0].split() == sorted(called)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_handler_imports(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "SeedancePoller")
    module, _, name = FUNCTIONS[function]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def always(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the statements that depend on no condition."""
    return [statement for policy in policies for statement in policy["Statement"] if "If" not in statement]


def statements(policies: list[dict[str, Any]]) -> set[str]:
    actions = [statement["Action"] for statement in always(policies)]
    return {action for entry in actions for action in (entry if isinstance(entry, list) else [entry])}


def test_the_policies_allow_exactly_what_the_code_calls() -> None:
    code = "".join(path.read_text() for path in Path(ROOT, "functions").rglob("*.py"))
    called = {ACTIONS[name] for name in re.findall(r"(?:client|ssm)\.(\w+)", code) if name in ACTIONS}
    called |= {ACTIONS[name] for name in re.findall(r'get_paginator\("(\w+)"\)', code)}
    allowed = {action for function in FUNCTIONS.values() for action in statements(function["Policies"])}
    # ListBucket turns S3's 403 for a missing object into 404.
    assert allowed == called | {"s3:ListBucket"}


def test_nothing_that_holds_data_is_deleted_with_the_stack() -> None:
    for name in ("TasksTable", "VideosBucket"):
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"  # a first deploy that failed leaves nothing
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_the_index_holds_exactly_what_is_polled() -> None:
    (index,) = table_schema()["GlobalSecondaryIndexes"]
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    assert index["Projection"]["ProjectionType"] == "INCLUDE"
    others = index["Projection"]["NonKeyAttributes"]
    assert sorted([*keys, *others]) == sorted(POLLED_ATTRIBUTES)


def test_a_tick_says_its_minute_as_the_sample_does() -> None:
    tick = FUNCTIONS["PollerFunction"]["Events"]["Tick"]["Properties"]
    assert tick["ScheduleExpression"] == "cron(* * * * ? *)"
    assert json.loads(tick["Input"]) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}
    assert json.loads((ROOT / "events/tick.json").read_text()).keys() == {"scheduled_time"}


QUEUES = {"RoundsQueue": ("PollerFunction", "Round"), "CopiesQueue": ("CopierFunction", "Copy")}


@pytest.mark.parametrize("queue", QUEUES)
def test_lambda_takes_the_mapping_of_every_queue(queue: str) -> None:
    """It refuses one whose messages come back before the function has ended (services-sqs-configure.html).

    And a message that nobody has worked on is to come back as soon as it may.
    """
    name, event = QUEUES[queue]
    assert RESOURCES[queue]["Properties"]["VisibilityTimeout"] == FUNCTIONS[name]["Timeout"]
    mapping = FUNCTIONS[name]["Events"][event]["Properties"]
    assert mapping["Queue"] == {"GetAtt": f"{queue}.Arn"}
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_only_copiers_are_bounded() -> None:
    """A bound on the Poller would forbid Lambda to look less often while its queue is quiet (services-sqs-scaling)."""
    bounds = {
        queue: FUNCTIONS[name]["Events"][event]["Properties"].get("ScalingConfig")
        for queue, (name, event) in QUEUES.items()
    }
    assert bounds == {"RoundsQueue": None, "CopiesQueue": {"MaximumConcurrency": {"Ref": "MaxCopiers"}}}
    most = TEMPLATE["Parameters"]["MaxCopiers"]
    assert (most["MinValue"], most["MaxValue"]) == (2, 1000)


def test_a_message_lives_for_as_long_as_the_code_thinks() -> None:
    lives = {queue: RESOURCES[queue]["Properties"]["MessageRetentionPeriod"] for queue in QUEUES}
    assert lives["CopiesQueue"] == QUEUE_SECONDS
    assert lives["CopiesQueue"] > COPY_DELAY_SECONDS
    longest_delay = 120 - TEMPLATE["Parameters"]["PollIntervalSeconds"]["MinValue"]  # a tick plans the next minute
    # Retention counts from sending. What is left after the delay must do for a queue that is looked at by turns.
    assert longest_delay + 60 <= lives["RoundsQueue"] <= 180


@pytest.mark.parametrize(("function", "event"), [("IntakeFunction", "Inserted"), ("AnnouncerFunction", "Ended")])
def test_a_record_that_fails_holds_the_stream_for_a_while_only(function: str, event: str) -> None:
    mapping = FUNCTIONS[function]["Events"][event]["Properties"]
    assert mapping["BisectBatchOnFunctionError"] is True
    runbook = (ROOT / "infra/README.md").read_text()
    ((attempts, hours),) = re.findall(r"gave records up, after (\d+) attempts or (\d+) hours", runbook)
    assert (mapping["MaximumRetryAttempts"], mapping["MaximumRecordAgeInSeconds"]) == (int(attempts), int(hours) * 3600)
    # Given up before the stream forgets it, so that it can still be read there.
    assert 3600 <= mapping["MaximumRecordAgeInSeconds"] <= 86400 - 4 * 3600
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"GetAtt": "StreamFailuresQueue.Arn"}}}
    assert RESOURCES["StreamFailuresQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * 86400


READER = {
    "Stream", "StartingPosition", "BatchSize", "BisectBatchOnFunctionError", "FunctionResponseTypes",
    "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "DestinationConfig", "FilterCriteria",
}  # fmt: skip
MESSAGES = {"Queue", "BatchSize", "FunctionResponseTypes"}
TICK = {"Description", "PermissionsBoundary", "OmitName", "ScheduleExpression", "Input", "RetryPolicy"}


@pytest.mark.parametrize(
    ("function", "event", "said"),
    [
        ("Intake", "Inserted", READER),
        ("Announcer", "Ended", READER),
        ("Poller", "Tick", TICK),
        ("Poller", "Round", MESSAGES),
        ("Copier", "Copy", MESSAGES | {"ScalingConfig"}),
    ],
)
def test_nothing_waits_for_a_window(function: str, event: str, said: set[str]) -> None:
    """Neither a batch to fill (MaximumBatchingWindowInSeconds) nor a tick (FlexibleTimeWindow).

    Nor does a queue lose what a filter does not let through (lambda/latest/dg/with-sqs-filtering.html).
    """
    assert FUNCTIONS[f"{function}Function"]["Events"][event]["Properties"].keys() == said


@pytest.mark.parametrize("template", [TEMPLATE, OBSERVABILITY], ids=["template", "observability"])
def test_every_queue_and_topic_and_the_bucket_refuse_plain_http(template: dict[str, Any]) -> None:
    refusing: set[str] = set()
    kinds = {"AWS::SQS::QueuePolicy": "Queues", "AWS::SNS::TopicPolicy": "Topics", "AWS::S3::BucketPolicy": "Bucket"}
    for kind, member in kinds.items():
        for policy in of_type(kind, template).values():
            named = policy[member]
            (only,) = named if isinstance(named, list) else [named]
            (refusal,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
            assert refusal["Principal"] == "*"
            assert refusal["Action"] == {"Queues": "sqs:*", "Topics": "sns:Publish", "Bucket": "s3:*"}[member]
            assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            refusing.add(only["Ref"])
    owned = {
        name for kind in ("AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Bucket") for name in of_type(kind, template)
    }
    assert refusing == owned


NOTHING = {"Ref": "AWS::NoValue"}
USES_OF_A_KEY = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
GIVEN_KEY = {"If": ["HasKey", {"Ref": "KmsKeyArn"}, NOTHING]}


def test_every_queue_is_encrypted() -> None:
    for queue in of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] == {"If": ["HasKey", NOTHING, True]}
        assert queue["KmsMasterKeyId"] == GIVEN_KEY


def test_a_key_that_is_given_encrypts_all_that_holds_data() -> None:
    topics = {**of_type("AWS::SNS::Topic"), **of_type("AWS::SNS::Topic", OBSERVABILITY)}
    assert all(topic["KmsMasterKeyId"] == GIVEN_KEY for topic in topics.values())
    condition, table, otherwise = RESOURCES["TasksTable"]["Properties"]["SSESpecification"]["If"]
    assert (condition, table) == (
        "HasKey",
        {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}},
    )
    assert otherwise == {"SSEEnabled": False}  # DynamoDB's own key; true takes KMS's aws/dynamodb, for a price
    (bucket,) = RESOURCES["VideosBucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    condition, rule, otherwise = bucket["If"]
    assert otherwise == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}  # no other account reads aws/s3
    wanted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}}
    assert (condition, rule["ServerSideEncryptionByDefault"]) == ("HasKey", wanted)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_may_use_the_key_that_is_given_and_no_other(function: str) -> None:
    (policy,) = FUNCTIONS[function]["Policies"]
    (only,) = [statement["If"] for statement in policy["Statement"] if "If" in statement]
    condition, statement, otherwise = only
    assert (condition, otherwise) == ("HasKey", NOTHING)
    assert statement == {"Effect": "Allow", "Action": USES_OF_A_KEY, "Resource": {"Ref": "KmsKeyArn"}}


def test_every_role_has_the_boundary_that_is_given() -> None:
    bounded = {"If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, NOTHING]}
    assert TEMPLATE["Globals"]["Function"]["PermissionsBoundary"] == bounded
    events = [event for function in FUNCTIONS.values() for event in function["Events"].values()]
    schedules = [event["Properties"] for event in events if event["Type"] == "ScheduleV2"]
    assert [schedule["PermissionsBoundary"] for schedule in schedules] == [bounded]
    assert of_type("AWS::IAM::Role") == {}  # all others are SAM's, for functions and schedules


def test_logs_live_for_as_long_as_was_said() -> None:
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS)
    assert all(group == {"RetentionInDays": {"Ref": "LogRetentionDays"}} for group in groups.values())


def test_without_monitoring_there_are_neither_alarms_nor_their_outputs() -> None:
    assert RESOURCES["Observability"]["Condition"] == "IsMonitored"
    dependent = {name for name, output in TEMPLATE["Outputs"].items() if "Condition" in output}
    assert dependent == {name for name, output in TEMPLATE["Outputs"].items() if "Observability" in str(output)}
    assert all(TEMPLATE["Outputs"][name]["Condition"] == "IsMonitored" for name in dependent)


@pytest.mark.parametrize("name", RESOURCES)
def test_every_check_that_is_declined_says_why(name: str) -> None:
    for skip in RESOURCES[name].get("Metadata", {}).get("checkov", {}).get("skip", ()):
        assert re.fullmatch(r"CKV2?_AWS_\d+", skip["id"])
        assert re.fullmatch(r"[A-Z].{15,}\.", skip["comment"])


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    release = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
    assert release["SemanticVersion"] == TEMPLATE["Outputs"]["Version"]["Value"] == project["version"]
    assert (release["Name"], release["Description"]) == (project["name"], project["description"])
    assert release["SpdxLicenseId"] == project["license"]
    assert all((ROOT / release[file]).is_file() for file in ("LicenseUrl", "ReadmeUrl"))


def test_every_parameter_is_asked_for_and_explained() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    asked = [name for group in groups for name in group["Parameters"]]
    assert sorted(asked) == sorted(TEMPLATE["Parameters"])
    reference = (ROOT / "docs/reference.md").read_text()
    assert set(TEMPLATE["Parameters"]) <= set(re.findall(r"^\| `(\w+)` \|", reference, re.MULTILINE))


def test_the_locked_packages_lie_where_a_build_in_a_container_sees_them() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-r functions/requirements.txt"]
    assert '-r "$(HERE)/requirements.txt"' in BUILD


def test_nothing_is_deployed_whose_hash_is_not_known() -> None:
    assert re.search(r"-m pip install .*--require-hashes", BUILD)
    packages = (ROOT / "functions/requirements.txt").read_text().replace("\\\n", "").splitlines()
    assert all("--hash=sha256:" in package for package in packages)


def test_what_is_deployed_is_what_was_asked_for_and_tested() -> None:
    def pinned(file: str) -> set[str]:
        return set(re.findall(r"^\S+==[^\s;]+", (ROOT / file).read_text(), re.MULTILINE))

    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(asked) <= pinned("functions/requirements.txt") <= pinned("tests/requirements.txt")


def test_cloudwatch_may_speak_to_its_topic() -> None:
    """The policy replaces the one that every topic comes with, which would allow it."""
    (policy,) = of_type("AWS::SNS::TopicPolicy", OBSERVABILITY).values()
    allowed, _ = policy["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"


@pytest.mark.parametrize("path", ["template.yaml", "infra/observability.yaml"])
def test_no_arn_names_a_partition(path: str) -> None:
    assert "arn:aws" not in (ROOT / path).read_text()


def test_the_contract_of_the_template() -> None:
    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    assert defaults == {
        "CometApiBaseUrl": "https://api.cometapi.com",
        "CometApiKeyParameter": "/cometapi/api-key",
        "PollIntervalSeconds": 15,
        "MaxConcurrentPolls": 64,
        "TasksPerWorker": 1000,
        "MaxWorkers": 8,
        "TaskDeadlineHours": 24,
        "RetentionDays": 30,
        "MaxCopiers": 5,
        "MaxVideoBytes": str(5 * 1024**3),
        "AllowInsecureVideoUrls": "false",
        "AlarmEmail": "",
        "VideoRetentionDays": 0,
        "Monitoring": "true",
        "LogRetentionDays": 30,
        "Tracing": "Disabled",
        "KmsKeyArn": "",
        "PermissionsBoundary": "",
        "PendingIndex": "true",
    }
    assert set(TEMPLATE["Outputs"]) == {
        "TasksTableName",
        "VideosBucketName",
        "VideoStoredTopicArn",
        "TaskEndedTopicArn",
        "IntakeFunctionName",
        "PollerFunctionName",
        "CopierFunctionName",
        "AnnouncerFunctionName",
        "AlarmTopicArn",
        "DashboardUrl",
        "Version",
    }


def delivered(record: dict[str, Any], pattern: dict[str, Any]) -> bool:
    """Match as AWS documents it: leaves only, and a missing leaf does not exist wherever its parent ends."""
    for name, wanted in pattern.items():
        value = record.get(name) if isinstance(record, dict) else None
        if isinstance(wanted, dict):
            if not delivered(value or {}, wanted):
                return False
        elif not any(
            (value is not None) == rule["exists"] if isinstance(rule, dict) else value == rule for rule in wanted
        ):
            return False
    return True


def test_the_filters_deliver_what_intake_must_see() -> None:
    filters = FUNCTIONS["IntakeFunction"]["Events"]["Inserted"]["Properties"]["FilterCriteria"]["Filters"]
    # AWS documents that only the `dynamodb` key is filtered on: what counts must be delivered without the others.
    patterns = [p for f in filters if set(p := json.loads(f["Pattern"])) == {"dynamodb"}]
    records = json.loads((ROOT / "events/stream.json").read_text())["Records"]
    seen = {r["dynamodb"]["Keys"]["task_id"]["S"] for r in records if any(delivered(r, p) for p in patterns)}
    assert seen >= {"task_bare", "task_body", "task_put_again", "task_retried", "task_invalid"}
    assert "task_pending" not in seen
    ended = {"dynamodb": {"NewImage": {"status": {"S": "SUCCESS"}, "ended_at": {"N": "1776567700"}}}}
    assert not any(delivered(ended, pattern) for pattern in patterns)
    # Its owner may have it tried again while it waits, too.
    again = {"dynamodb": {"NewImage": {"status": {"S": "RETRY"}, "pending_since": {"N": "1776567700"}}}}
    assert any(delivered(again, pattern) for pattern in patterns)


def test_the_filter_delivers_every_ending_to_the_announcer() -> None:
    (only,) = FUNCTIONS["AnnouncerFunction"]["Events"]["Ended"]["Properties"]["FilterCriteria"]["Filters"]
    records = json.loads((ROOT / "events/ended.json").read_text())["Records"]
    seen = {r["dynamodb"]["Keys"]["task_id"]["S"] for r in records if delivered(r, json.loads(only["Pattern"]))}
    assert seen >= {"task_stored", "task_failed", "task_invalid", "task_invalid_again"}
    assert not seen & {"task_moving", "task_deleted"}
