"""A request that breaks one of AWS's rules is refused with a sentence, by whichever client it is made."""

from typing import Any

import boto3
import pytest
from botocore.session import get_session

from tests import aws_rules
from tests.aws_rules import KIB, MIB, RULES, RefusedByAws, uploads, why_not, within_the_model

CRC = {"ChecksumCRC32": "AAAAAA=="}
PART = {"UploadId": "u", "PartNumber": 1, "Body": bytes(5 * MIB), **CRC}
CREATE = {"Key": "k", "Metadata": {"task-id": "t"}, "ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
NAMED = [{"PartNumber": number, "ETag": "e", **CRC} for number in (1, 2)]
COMPLETE = {
    "Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": NAMED}, "ChecksumType": "FULL_OBJECT", "IfNoneMatch": "*",
}  # fmt: skip
PUT = {"Key": "k", "Body": b"video", "Metadata": {"task-id": "t"}, "IfNoneMatch": "*", **CRC}
SEND = {"MessageBody": "{}", "DelaySeconds": 2}
ENTRY = {"Id": "0", "MessageBody": "{}", "DelaySeconds": 900}
STATUS = {"DataType": "String", "StringValue": "SUCCESS"}
PUBLISH = {"Message": "{}", "MessageAttributes": {"status": STATUS}}
NAMES = {"#0": "status", "#1": "lease", "#2": "error"}
UPDATE = {
    "Key": {"task_id": {"S": "t"}},
    "UpdateExpression": "SET #0 = :set0, #1 = if_not_exists(#1, :set0) REMOVE #2",
    "ConditionExpression": "attribute_exists(task_id) AND #0 = :was0",
    "ExpressionAttributeNames": NAMES,
    "ExpressionAttributeValues": {":set0": {"S": "SUCCESS"}, ":was0": {"S": "COPYING"}},
}
SCAN = {"TableName": "tasks", "IndexName": "pending", "Segment": 0, "TotalSegments": 1}
SOUND: dict[str, dict[str, Any]] = {
    "s3.PutObject": PUT,
    "s3.CreateMultipartUpload": CREATE,
    "s3.UploadPart": PART,
    "s3.CompleteMultipartUpload": COMPLETE,
    "sqs.SendMessage": SEND,
    "sqs.SendMessageBatch": {"Entries": [ENTRY]},
    "sns.Publish": PUBLISH,
    "dynamodb.PutItem": {"Item": {"task_id": {"S": "t"}, "tags": {"SS": ["a"]}}},
    "dynamodb.GetItem": {"Key": {"task_id": {"S": "t"}}, "ConsistentRead": True},
    "dynamodb.DeleteItem": {"Key": {"task_id": {"S": "t"}}},
    "dynamodb.UpdateItem": UPDATE,
    "dynamodb.Scan": SCAN,
    "dynamodb.Query": {"TableName": "tasks"},
    "ssm.GetParameter": {"Name": "/cometapi/api-key"},
    "ssm.PutParameter": {"Name": "key"},
}


def without(request: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != name}


def nested(depth: int) -> dict[str, Any]:
    return {"L": [nested(depth - 1)]} if depth else {"N": "1"}


def named(*numbers: int, **instead: object) -> dict[str, Any]:
    parts = [{"PartNumber": number, "ETag": "e", **CRC, **instead} for number in numbers]
    return {**COMPLETE, "MultipartUpload": {"Parts": parts}}


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("s3.PutObject", {**PUT, "Metadata": {"a": "x" * (2 * KIB)}}, "2 KB"),
    ("s3.PutObject", {**PUT, "Metadata": {"\u00e9" * 8: "x" * (2 * KIB - 15)}}, "2 KB"),
    ("s3.PutObject", {**PUT, "Metadata": {"a b": "x"}}, "name of a header"),
    ("s3.PutObject", {**PUT, "Metadata": {"a": "\u00e9"}}, "US-ASCII"),
    ("s3.PutObject", {**PUT, "Metadata": {"a": "x\ny"}}, "US-ASCII"),
    ("s3.PutObject", {**PUT, "Key": ""}, "1,024 bytes"),
    ("s3.PutObject", {**PUT, "Key": "\u00e9" * 513}, "1,024 bytes"),
    ("s3.PutObject", {**PUT, "Body": range(5 * 1024**3 + 1)}, "5 GiB"),
    ("s3.PutObject", {**PUT, "IfNoneMatch": '"etag"'}, "must be *"),
    ("s3.PutObject", {**PUT, "IfMatch": '"etag"'}, "one condition"),
    ("s3.CreateMultipartUpload", {**CREATE, "IfNoneMatch": "*"}, "belongs to"),
    ("s3.CreateMultipartUpload", {**CREATE, "Metadata": {"a": "x" * (2 * KIB)}}, "2 KB"),
    ("s3.CreateMultipartUpload", without(CREATE, "ChecksumType"), "FULL_OBJECT"),
    ("s3.CreateMultipartUpload", {**CREATE, "ChecksumType": "COMPOSITE"}, "FULL_OBJECT"),
    ("s3.CreateMultipartUpload", without(CREATE, "ChecksumAlgorithm"), "CRC32"),
    ("s3.UploadPart", {**PART, "IfNoneMatch": "*"}, "belongs to"),
    ("s3.UploadPart", {**PART, "Body": b""}, "empty"),
    ("s3.UploadPart", {**PART, "Body": range(5 * 1024**3 + 1)}, "5 GiB"),
    ("s3.UploadPart", {**PART, "PartNumber": 0}, "10000"),
    ("s3.UploadPart", {**PART, "PartNumber": 10_001}, "10000"),
    ("s3.UploadPart", without(PART, "ChecksumCRC32"), "its own"),
    ("s3.CompleteMultipartUpload", without(COMPLETE, "ChecksumType"), "BadDigest"),
    ("s3.CompleteMultipartUpload", {**COMPLETE, "ChecksumType": "COMPOSITE"}, "BadDigest"),
    ("s3.CompleteMultipartUpload", {**COMPLETE, "IfNoneMatch": "etag"}, "must be *"),
    ("s3.CompleteMultipartUpload", without(COMPLETE, "MultipartUpload"), "1 to 10000 parts"),
    ("s3.CompleteMultipartUpload", named(2, 1), "ascend"),
    ("s3.CompleteMultipartUpload", named(1, 1), "ascend"),
    ("s3.CompleteMultipartUpload", named(*range(1, 10_002)), "1 to 10000 parts"),
    ("s3.CompleteMultipartUpload", named(1, ETag=""), "ETag"),
    ("s3.CompleteMultipartUpload", named(1, ChecksumCRC32=None), "ChecksumCRC32"),
    ("sqs.SendMessage", {**SEND, "MessageBody": ""}, "1 MiB"),
    ("sqs.SendMessage", {**SEND, "MessageBody": "\u00e9" * (MIB // 2) + "x"}, "1 MiB"),
    ("sqs.SendMessage", {**SEND, "MessageBody": "\x00"}, "XML"),
    ("sqs.SendMessage", {**SEND, "MessageBody": "\ud800"}, "XML"),
    ("sqs.SendMessage", {**SEND, "DelaySeconds": 901}, "0 and 900"),
    ("sqs.SendMessage", {**SEND, "DelaySeconds": -1}, "0 and 900"),
    ("sqs.SendMessageBatch", {"Entries": []}, "1 to 10"),
    ("sqs.SendMessageBatch", {"Entries": [{**ENTRY, "Id": str(number)} for number in range(11)]}, "1 to 10"),
    ("sqs.SendMessageBatch", {"Entries": [ENTRY, ENTRY]}, "differ"),
    ("sqs.SendMessageBatch", {"Entries": [{**ENTRY, "Id": "a.b"}]}, "letters"),
    ("sqs.SendMessageBatch", {"Entries": [{**ENTRY, "Id": "a" * 81}]}, "letters"),
    ("sqs.SendMessageBatch", {"Entries": [{**ENTRY, "DelaySeconds": 901}]}, "0 and 900"),
    (
        "sqs.SendMessageBatch",
        {"Entries": [{"Id": name, "MessageBody": "x" * (MIB // 2 + 1)} for name in "ab"]},
        "BatchRequestTooLong",
    ),
    ("sns.Publish", {**PUBLISH, "Message": ""}, "256 KiB"),
    ("sns.Publish", {**PUBLISH, "Message": "x" * (256 * KIB)}, "256 KiB"),
    ("sns.Publish", {**PUBLISH, "Subject": "x" * 100}, "subject"),
    ("sns.Publish", {**PUBLISH, "Subject": "a\nb"}, "subject"),
    *(
        ("sns.Publish", {**PUBLISH, "MessageAttributes": {name: STATUS}}, "cannot be named")
        for name in ("", "AWS.x", "amazon.x", ".a", "a.", "a..b", "a b", "a" * 257)
    ),
    ("sns.Publish", {**PUBLISH, "MessageAttributes": {"status": {**STATUS, "DataType": "Text"}}}, "cannot be a"),
    ("sns.Publish", {**PUBLISH, "MessageAttributes": {"status": {**STATUS, "StringValue": ""}}}, "not be empty"),
    ("dynamodb.PutItem", {"Item": {"a": nested(32)}}, "32 levels"),
    ("dynamodb.PutItem", {"Item": {"a": {"M": {"b": {"SS": []}}}}}, "set must not be empty"),
    ("dynamodb.GetItem", {"Key": {}}, "key must not be empty"),
    ("dynamodb.GetItem", {"Key": {"task_id": {"S": ""}}}, "2,048"),
    ("dynamodb.DeleteItem", {"Key": {"task_id": {"S": "x" * 2049}}}, "2,048"),
    ("dynamodb.UpdateItem", {**UPDATE, "Key": {"task_id": {"S": ""}}}, "2,048"),
    ("dynamodb.UpdateItem", {**UPDATE, "UpdateExpression": "SET #0 = :set0 REMOVE #1, #2, #0"}, "overlap: status"),
    (
        "dynamodb.UpdateItem",
        {**UPDATE, "ExpressionAttributeNames": {**NAMES, "#2": "status"}},
        "overlap: status",
    ),
    ("dynamodb.UpdateItem", {**UPDATE, "UpdateExpression": "SET #0 = :set0, #1.code = :set0 REMOVE #2, #1"}, "overlap"),
    (
        "dynamodb.UpdateItem",
        {**UPDATE, "UpdateExpression": "SET  REMOVE #0, #1, #2"},
        "SET has an action that is empty",
    ),
    ("dynamodb.UpdateItem", {**UPDATE, "UpdateExpression": "SET #0 = :set0, #1 = :set0 REMOVE #2, "}, "REMOVE has"),
    ("dynamodb.UpdateItem", {**UPDATE, "UpdateExpression": "SET #0 = :set0 REMOVE #1 REMOVE #2"}, "once only"),
    (
        "dynamodb.UpdateItem",
        {**UPDATE, "ExpressionAttributeNames": {**NAMES, "#1": "task_id"}},
        "part of the key",
    ),
    ("dynamodb.UpdateItem", {**UPDATE, "ConditionExpression": "#0 = :was0 AND " + "x" * 4096}, "4 KB"),
    ("dynamodb.UpdateItem", {**UPDATE, "ConditionExpression": " AND ".join(["#0=:was0"] * 151)}, "300 operators"),
    ("dynamodb.UpdateItem", {**UPDATE, "ConditionExpression": "attribute_exists(status) AND #0 = :was0"}, "reserved"),
    ("dynamodb.UpdateItem", {**UPDATE, "ConditionExpression": "attribute_exists(task_id)"}, ":was0 is in"),
    ("dynamodb.UpdateItem", {**UPDATE, "UpdateExpression": "SET #0 = :set0 REMOVE #2"}, "#1 is in"),
    ("dynamodb.UpdateItem", {**UPDATE, "ConditionExpression": "#9 = :was0"}, "#9 is in an expression and not"),
    (
        "dynamodb.UpdateItem",
        {**UPDATE, "ConditionExpression": "#0 = :was0 OR #0 = :was"},
        ":was is in an expression and",
    ),
    ("dynamodb.UpdateItem", {**without(UPDATE, "UpdateExpression"), "UpdateExpression": ""}, "1 byte to 4 KB"),
    (
        "dynamodb.UpdateItem",
        {**UPDATE, "ExpressionAttributeValues": {":set0": nested(32), ":was0": {"S": "x"}}},
        "32 levels",
    ),
    ("dynamodb.Scan", {**SCAN, "ExpressionAttributeNames": {}}, "must not be empty"),
    ("dynamodb.Scan", {**SCAN, "Segment": 1}, "less than"),
    ("dynamodb.Scan", without(SCAN, "Segment"), "come together"),
    ("dynamodb.Scan", {**SCAN, "ConsistentRead": True}, "consistently"),
    ("dynamodb.Scan", {**SCAN, "Select": "COUNT", "ProjectionExpression": "task_id"}, "cannot project"),
    ("dynamodb.Query", {"IndexName": "pending", "ConsistentRead": True}, "consistently"),
    *(
        ("ssm.GetParameter", {"Name": name}, "cannot be named")
        for name in ("", "/", "a b", "/a//b", "/aws/x", "/SSM/x", "awskey", "/a" * 16, "/" + "a" * 1011, "/\u00e9")
    ),
    ("ssm.PutParameter", {"Name": "cometapi/api-key"}, "begin with a slash"),
]


@pytest.fixture(autouse=True)
def _no_uploads() -> None:
    uploads.parts.clear()


@pytest.mark.parametrize("name", RULES)
def test_a_sound_request_is_taken(name: str) -> None:
    assert why_not(name, SOUND[name]) == []


@pytest.mark.parametrize(("name", "request_", "says"), BROKEN, ids=lambda value: str(value)[:30])
def test_a_broken_request_is_refused_with_a_sentence(name: str, request_: dict[str, Any], says: str) -> None:
    why = why_not(name, request_)
    assert any(says in sentence for sentence in why), why


def test_every_rule_has_been_broken() -> None:
    assert {name for name, _, _ in BROKEN} == RULES.keys()


@pytest.mark.parametrize(
    ("sizes", "says"),
    [([5 * MIB, 1], ""), ([5 * MIB - 1], ""), ([5 * MIB - 1, 5 * MIB], "5 MiB"), ([5 * MIB], "5 MiB")],
)
def test_every_part_but_the_last_has_5_mib(sizes: list[int], says: str) -> None:
    for number, size in enumerate(sizes, start=1):
        assert why_not("s3.UploadPart", {**PART, "PartNumber": number, "Body": bytes(size)}) == []
    missing = sizes == [5 * MIB]
    numbers = range(0 if missing else 1, len(sizes) + 1)
    why = why_not("s3.CompleteMultipartUpload", named(*numbers))
    assert any("5 MiB" in sentence for sentence in why) is bool(says)


def test_a_part_is_named_with_the_checksum_that_it_was_sent_with() -> None:
    assert why_not("s3.UploadPart", PART) == []
    assert why_not("s3.CompleteMultipartUpload", named(1)) == []
    (why,) = why_not("s3.CompleteMultipartUpload", named(1, ChecksumCRC32="BBBBBB=="))
    assert "was uploaded with" in why


@pytest.mark.parametrize(
    ("service", "operation", "request_", "says"),
    [
        ("s3", "PutObject", {"StorageClass": "CHEAP"}, "none of"),
        ("dynamodb", "UpdateItem", {"ReturnValuesOnConditionCheckFailure": "ALL_NEW"}, "none of"),
        ("dynamodb", "Scan", {"TotalSegments": 1_000_001}, "between 1 and 1000000"),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"t": {"Keys": [{}] * 101}}}, "longer than 100"),
        ("ssm", "GetParameter", {"Name": "x" * 2049}, "longer than 2048"),
    ],
)
def test_the_service_has_a_model(service: str, operation: str, request_: dict[str, Any], says: str) -> None:
    shape = get_session().get_service_model(service).operation_model(operation).input_shape
    (why,) = within_the_model(shape, request_, operation)
    assert says in why


def clients() -> dict[str, Any]:
    return {name: boto3.client(name, "us-east-1", endpoint_url="http://127.0.0.1:1") for name in ("sqs", "s3")}


def test_every_client_looks_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes it; and a refusal that the code lives through fails its test nevertheless."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    made = clients()
    with pytest.raises(RefusedByAws, match="0 and 900"):
        made["sqs"].send_message(QueueUrl="http://127.0.0.1:1/q", MessageBody="x", DelaySeconds=901)
    with pytest.raises(RefusedByAws, match="FULL_OBJECT"):
        made["s3"].create_multipart_upload(Bucket="b", Key="k", ChecksumAlgorithm="CRC32")
    assert len(aws_rules.refused) == 2
    aws_rules.refused.clear()
