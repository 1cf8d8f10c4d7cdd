"""What the template says to AWS that neither a linter minds nor an emulator obeys; a row is a fact, with its source."""

import re
from typing import Any

import pytest

from shared.lifecycle import Limits, ending
from shared.task import Status
from tests.template import FUNCTIONS, OBSERVABILITY, RESOURCES, ROOT, TEMPLATE, of_type

GLOBALS = TEMPLATE["Globals"]["Function"]
VARIABLES = GLOBALS["Environment"]["Variables"]
THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
ONE_MINUTE_ONLY = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
STORED = {"Event": "s3:ObjectCreated:*", "Topic": {"Ref": "VideoStoredTopic"}}

NOTHING = {"Ref": "AWS::NoValue"}
SINCE = {"AttributeName": "pending_since", "AttributeType": "N"}
ABORT = {
    "Id": "abort-unfinished-uploads",
    "Status": "Enabled",
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
EXPIRE = {"Id": "delete-old-videos", "Status": "Enabled", "ExpirationInDays": {"Ref": "VideoRetentionDays"}}

FACTS: list[tuple[str, object]] = [
    # It deletes what holds a time that has passed: any attribute but this one would take items before their time.
    ("TasksTable.Properties.TimeToLiveSpecification", {"AttributeName": "expires_at", "Enabled": True}),
    # CreateTable and UpdateTable take attributes that are part of a key, and no others (API_CreateTable.html).
    ("TasksTable.Properties.AttributeDefinitions.1.If", ["HasIndex", SINCE, NOTHING]),
    ("TasksTable.Properties.GlobalSecondaryIndexes.If.2", NOTHING),
    ("TasksTable.Properties.StreamSpecification", {"StreamViewType": "NEW_AND_OLD_IMAGES"}),  # the Announcer compares
    ("TasksTable.Properties.PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": True}),
    # A tick of hours ago has nothing to plan any more (scheduler, API_RetryPolicy.html: else 185 attempts, 24 h).
    ("PollerFunction.Properties.Events.Tick.Properties.RetryPolicy", ONE_MINUTE_ONLY),
    ("PollerFunction.Properties.EventInvokeConfig", ONE_MINUTE_ONLY),  # lambda, invocation-async: else 2 and 6 h
    ("PollerFunction.Properties.Events.Tick.Properties.OmitName", True),
    # LATEST may miss what is written while the mapping is made (lambda, services-ddb-params.html).
    ("IntakeFunction.Properties.Events.Inserted.Properties.StartingPosition", "TRIM_HORIZON"),
    ("AnnouncerFunction.Properties.Events.Ended.Properties.StartingPosition", "TRIM_HORIZON"),
    # One at a time, a thousand items that are inserted at once would take a thousand invocations, one after the other.
    ("IntakeFunction.Properties.Events.Inserted.Properties.BatchSize", 100),
    ("AnnouncerFunction.Properties.Events.Ended.Properties.BatchSize", 100),
    # Put, Copy and CompleteMultipartUpload are three events (AmazonS3, notification-how-to-event-types-....html).
    ("VideosBucket.Properties.NotificationConfiguration.TopicConfigurations", [STORED]),
    ("VideosBucket.Properties.NotificationConfiguration.EventBridgeConfiguration", {"EventBridgeEnabled": True}),
    ("VideosBucket.DependsOn", "VideoStoredTopicPolicy"),  # S3 tries the topic when it is told of it
    ("VideosBucket.Properties.LifecycleConfiguration", {"Rules": [ABORT, {"If": ["VideosExpire", EXPIRE, NOTHING]}]}),
    # Without it S3 asks KMS for each object, for a price (AmazonS3, bucket-key.html).
    ("VideosBucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration.0.If.1.BucketKeyEnabled", True),
    # One record that fails is delivered again, and not the batch (lambda, services-ddb-batchfailurereporting.html).
    ("IntakeFunction.Properties.Events.Inserted.Properties.FunctionResponseTypes", ["ReportBatchItemFailures"]),
    ("AnnouncerFunction.Properties.Events.Ended.Properties.FunctionResponseTypes", ["ReportBatchItemFailures"]),
    ("VideosBucket.Properties.PublicAccessBlockConfiguration", dict.fromkeys(PUBLIC_ACCESS, True)),
    ("VideoStoredTopicPolicy.Properties.PolicyDocument.Statement.0.Principal", {"Service": "s3.amazonaws.com"}),
]

PARAMETER = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${CometApiKeyParameter}"
ALLOWED = {
    "IntakeFunction": {"dynamodb:UpdateItem": "TasksTable", "sqs:SendMessage": "StreamFailuresQueue"},
    "PollerFunction": {
        "dynamodb:Scan": "${TasksTable.Arn}/index/pending",
        "dynamodb:UpdateItem": "TasksTable",
        "sqs:SendMessage": "RoundsQueue CopiesQueue",
        "ssm:GetParameter": PARAMETER,
    },
    "CopierFunction": {
        "dynamodb:GetItem": "TasksTable",
        "dynamodb:UpdateItem": "TasksTable",
        "s3:PutObject": "${VideosBucket.Arn}/*",
        "s3:GetObject": "${VideosBucket.Arn}/*",
        "s3:AbortMultipartUpload": "${VideosBucket.Arn}/*",
        "s3:ListBucket": "VideosBucket",
        "ssm:GetParameter": PARAMETER,
    },
    "AnnouncerFunction": {"sns:Publish": "TaskEndedTopic", "sqs:SendMessage": "StreamFailuresQueue"},
}


def found(path: str) -> Any:
    value: Any = RESOURCES
    for name in path.split("."):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def thing(resource: Any) -> str:
    """Return what a statement is about: a resource of the stack by its name, anything else by what it ends with."""
    match resource:
        case {"Ref": name}:
            return str(name)
        case {"GetAtt": name}:
            return str(name).removesuffix(".Arn")
        case {"Sub": text}:
            return str(text)
    raise AssertionError(resource)


@pytest.mark.parametrize(("path", "value"), FACTS)
def test_the_template_says(path: str, value: object) -> None:
    assert found(path) == value


def test_items_are_deleted_by_the_time_that_the_code_writes() -> None:
    name = found("TasksTable.Properties.TimeToLiveSpecification")["AttributeName"]
    assert ending(Status.FAILED, 1000, Limits(0, 50))[name] == 1050
    assert name not in ending(Status.FAILED, 1000, Limits(0, 0))  # 0 keeps them for ever


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_may_do_just_this(function: str) -> None:
    (policy,) = FUNCTIONS[function]["Policies"]
    statements = [statement for statement in policy["Statement"] if "If" not in statement]
    assert all(statement.keys() == {"Effect", "Action", "Resource"} for statement in statements)
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    allowed = [
        (action, " ".join(map(thing, listed(statement["Resource"]))))
        for statement in statements
        for action in listed(statement["Action"])
    ]
    assert sorted(allowed) == sorted(ALLOWED[function].items())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_logs_as_the_queries_read_and_into_its_own_group(function: str) -> None:
    assert GLOBALS["LoggingConfig"] == {"LogFormat": "JSON", "SystemLogLevel": "WARN"}  # time-outs are told at WARN
    assert FUNCTIONS[function]["LoggingConfig"] == {"LogGroup": {"Ref": function.replace("Function", "LogGroup")}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_variable_holds_what_it_is_named_after(function: str) -> None:
    own = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    for name, value in {**VARIABLES, **own}.items():
        if not name.startswith("POWERTOOLS"):
            assert value["Ref"].lower() == name.replace("_", "").lower()


def test_each_output_is_what_it_is_named_after() -> None:
    outputs = {name: output["Value"] for name, output in TEMPLATE["Outputs"].items()}
    # An export's name can be given once in an account and region: a second stack would not deploy.
    assert {name for output in TEMPLATE["Outputs"].values() for name in output} == {"Description", "Value", "Condition"}
    named = {name: value["Ref"] for name, value in outputs.items() if "Ref" in value}
    assert named == {name: name.removesuffix("Name").removesuffix("Arn") for name in named}
    assert len(named) == len(outputs) - 3  # two of the monitoring's, and the version
    assert outputs["AlarmTopicArn"] == {"GetAtt": "Observability.Outputs.AlarmTopicArn"}
    assert outputs["DashboardUrl"] == {"GetAtt": "Observability.Outputs.DashboardUrl"}
    assert OBSERVABILITY["Outputs"]["AlarmTopicArn"] == {"Value": {"Ref": "AlarmTopic"}}


def test_alarms_watch_what_is_named_in_the_stack_that_publishes_it() -> None:
    given = RESOURCES["Observability"]["Properties"]["Parameters"]
    assert given["Service"] == VARIABLES["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    queues = {name: {"GetAtt": f"{name}.QueueName"} for name in of_type("AWS::SQS::Queue")}
    others = {name: {"Ref": name} for name in given.keys() - queues.keys() - {"Service"}}
    assert given == {"Service": {"Ref": "AWS::StackName"}} | queues | others


def test_conditions_are_about_what_they_are_named_after() -> None:
    def says(parameter: str, value: object) -> dict[str, Any]:
        return {"Equals": [{"Ref": parameter}, value]}

    assert TEMPLATE["Conditions"] == {
        "HasKey": {"Not": [says("KmsKeyArn", "")]},
        "HasBoundary": {"Not": [says("PermissionsBoundary", "")]},
        "IsMonitored": says("Monitoring", "true"),
        "HasIndex": says("PendingIndex", "true"),
        "VideosExpire": {"Not": [says("VideoRetentionDays", 0)]},
    }
    conditions = OBSERVABILITY["Conditions"]
    assert conditions["HasEmail"] == {"Not": [says("AlarmEmail", "")]}
    assert conditions["HasKey"] == {"Not": [says("KmsKeyArn", "")]}
    assert OBSERVABILITY["Resources"]["AlarmSubscription"] == {
        "Type": "AWS::SNS::Subscription",
        "Condition": "HasEmail",
        "Properties": {"TopicArn": {"Ref": "AlarmTopic"}, "Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}},
    }


@pytest.mark.parametrize("template", [TEMPLATE, OBSERVABILITY], ids=["template", "observability"])
def test_every_policy_is_about_what_it_lies_on_and_lets_no_other_account_in(template: dict[str, Any]) -> None:
    """A service acts for whoever asks it to (IAM, confused-deputy.html)."""
    kinds = {"AWS::SQS::QueuePolicy": "Queues", "AWS::SNS::TopicPolicy": "Topics", "AWS::S3::BucketPolicy": "Bucket"}
    for kind, member in kinds.items():
        for policy in of_type(kind, template).values():
            (place,) = listed(policy[member])
            for statement in policy["PolicyDocument"]["Statement"]:
                resources = [thing(resource) for resource in listed(statement["Resource"])]
                assert resources == [place["Ref"], "${VideosBucket.Arn}/*"][: 1 + (member == "Bucket")]
                assert statement["Effect"] == "Deny" or statement["Condition"] == THIS_ACCOUNT
                assert statement["Effect"] == "Deny" or statement["Action"] == "sns:Publish"


def test_logs_are_kept_for_days_that_cloudwatch_knows() -> None:
    """AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html."""
    months = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827}
    years = {2192, 2557, 2922, 3288, 3653}
    assert set(TEMPLATE["Parameters"]["LogRetentionDays"]["AllowedValues"]) == months | years


def test_what_is_built_is_for_the_processor_that_runs_it() -> None:
    (built,) = re.findall(r"--platform manylinux\w+?_(x86_64|aarch64)", (ROOT / "functions/Makefile").read_text())
    assert GLOBALS["Architectures"] == [{"aarch64": "arm64"}.get(built, built)]
    (version,) = re.findall(r"--python-version (\S+)", (ROOT / "functions/Makefile").read_text())
    assert GLOBALS["Runtime"] == f"python{version}"


@pytest.mark.parametrize(
    ("parameter", "text", "is_taken"),
    [
        *(("CometApiBaseUrl", text, True) for text in ("https://api.cometapi.com", "http://127.0.0.1:8000/v1")),
        *(
            ("CometApiBaseUrl", text, False)
            for text in ("api.cometapi.com", "https://api.cometapi.com ", "https://", "")
        ),
        *(("CometApiKeyParameter", text, text[:1] == "/") for text in ("/cometapi/api-key", "cometapi", "")),
        *(
            ("KmsKeyArn", text, not text or ":key/" in text)
            for text in (
                "",
                "arn:aws:kms:e:1:key/a",
                "arn:aws-cn:kms:e:1:key/a",
                "arn:aws:kms:e:1:key/mrk-a",
                "alias/a",
            )
        ),
        *(
            ("PermissionsBoundary", text, not text or ":policy/" in text)
            for text in (
                *("", "arn:aws:iam::1:policy/a", "arn:aws:iam::1:policy/team/a", "arn:aws:iam::1:role/a"),
                *("arn:aws-us-gov:iam::1:policy/a", "arn:aws:iam::aws:policy/a"),
            )
        ),
    ],
)
def test_a_parameter_takes_what_it_can_be(parameter: str, text: str, *, is_taken: bool) -> None:
    assert bool(re.search(TEMPLATE["Parameters"][parameter]["AllowedPattern"], text)) is is_taken


@pytest.mark.parametrize("parameter", ["RetentionDays", "VideoRetentionDays"])
def test_zero_keeps_for_ever(parameter: str) -> None:
    assert TEMPLATE["Parameters"][parameter]["MinValue"] == 0


@pytest.mark.parametrize("parameter", ["MaxConcurrentPolls", "TasksPerWorker", "MaxWorkers"])
def test_nobody_can_ask_for_a_poller_of_nothing(parameter: str) -> None:
    """Of no requests, of no tasks or of no workers: each of its ticks would fail."""
    assert TEMPLATE["Parameters"][parameter]["MinValue"] == 1


def test_the_metrics_are_where_the_alarms_look() -> None:
    assert VARIABLES["POWERTOOLS_METRICS_NAMESPACE"] == "SeedancePoller"
