"""What the templates say and no more: a property that nobody asked for may stop a deploy, cost money or lose videos.

A fixed name keeps a second stack out, reserved concurrency is refused in a new account, versions of a video outlive its
deletion, a filter on a queue deletes what it does not let through. Whoever adds a property adds it here.
"""

import pytest

from tests.template import OBSERVABILITY, TEMPLATE

ALL = {**TEMPLATE["Resources"], **OBSERVABILITY["Resources"]}

FUNCTION = {"Handler", "MemorySize", "Timeout", "LoggingConfig", "Policies", "Events"}
QUEUE = {"KmsMasterKeyId", "SqsManagedSseEnabled", "MessageRetentionPeriod"}
TABLE = {
    "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "PointInTimeRecoverySpecification",
    "SSESpecification", "StreamSpecification", "TimeToLiveSpecification",
}  # fmt: skip
BUCKET = {"BucketEncryption", "LifecycleConfiguration", "NotificationConfiguration", "PublicAccessBlockConfiguration"}
SAID_BY_KIND = {
    "AWS::CloudWatch::Dashboard": {"DashboardBody"},
    "AWS::DynamoDB::Table": TABLE,
    "AWS::Logs::LogGroup": {"RetentionInDays"},
    "AWS::S3::Bucket": BUCKET,
    "AWS::S3::BucketPolicy": {"Bucket", "PolicyDocument"},
    "AWS::SNS::Subscription": {"Endpoint", "Protocol", "TopicArn"},
    "AWS::SNS::Topic": {"KmsMasterKeyId"},
    "AWS::SNS::TopicPolicy": {"PolicyDocument", "Topics"},
    "AWS::SQS::Queue": QUEUE,
    "AWS::SQS::QueuePolicy": {"PolicyDocument", "Queues"},
    "AWS::Serverless::Application": {"Location", "Parameters"},
    "AWS::Serverless::Function": FUNCTION,
}
SAID_BESIDES = {
    "PollerFunction": {"Environment", "EventInvokeConfig"},
    "CopierFunction": {"Environment"},
    "AnnouncerFunction": {"Environment"},
    "RoundsQueue": {"VisibilityTimeout"},
    "CopiesQueue": {"VisibilityTimeout"},
}
KEPT = {"DeletionPolicy", "UpdateReplacePolicy"}
AROUND = {
    "TasksTable": KEPT,
    "VideosBucket": KEPT | {"DependsOn"},
    "Observability": {"Condition"},
    "AlarmSubscription": {"Condition"},
}
GLOBALS = {
    "CodeUri", "Runtime", "Architectures", "Tracing", "PermissionsBoundary", "LoggingConfig", "Environment",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, each in ALL.items() if each["Type"] != "AWS::CloudWatch::Alarm"])
def test_a_resource_says_this_and_no_more(name: str) -> None:
    assert ALL[name]["Properties"].keys() == SAID_BY_KIND[ALL[name]["Type"]] | SAID_BESIDES.get(name, set())


@pytest.mark.parametrize("name", ALL)
def test_every_resource_is_there_without_a_condition_and_goes_with_the_stack(name: str) -> None:
    """An alarm too, with or without an address to write to: its topic is for others as well."""
    assert ALL[name].keys() - {"Type", "Properties", "Metadata"} == AROUND.get(name, set())


def test_the_globals_say_this_and_no_more() -> None:
    assert TEMPLATE["Globals"].keys() == {"Function"}
    assert TEMPLATE["Globals"]["Function"].keys() == GLOBALS
    assert TEMPLATE["Globals"]["Function"]["Tracing"] == {"Ref": "Tracing"}
