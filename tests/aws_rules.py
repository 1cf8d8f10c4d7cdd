"""What AWS refuses and its local stand-ins take: each request that a test makes is checked before it is sent.

Importing this module has every client look, whoever makes it. A request that breaks a rule fails, and so does the test
that made it, whatever became of the failure: see `refused`. Each rule stands beside where AWS states it; pages are
below docs.aws.amazon.com, "model" is the service's own, as botocore has it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import pairwise
from typing import Any

from botocore import handlers
from moto import s3 as moto_s3
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

type Params = Mapping[str, Any]
type Rule = Callable[[Params], Iterator[str]]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

refused: list[str] = []
"""Why AWS would have refused requests of the test at hand."""


class RefusedByAws(AssertionError):  # noqa: N818 - named after what happened
    """AWS would refuse this request."""


def _size(content: Any) -> int:
    """Return the number of bytes of a text, of bytes, or of a file in memory."""
    if isinstance(content, BytesIO):
        return content.getbuffer().nbytes
    return len(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)


# --- All services ---


def within_the_model(shape: Any, value: Any, where: str) -> Iterator[str]:
    """Model: enum, min and max of each shape. botocore itself checks types and the least length, no more."""
    yield from _bounded(getattr(shape, "metadata", {}), value, where)
    for inner_shape, inner, inner_where in _members(shape, value, where):
        yield from within_the_model(inner_shape, inner, inner_where)


def _bounded(bounds: Params, value: Any, where: str) -> Iterator[str]:
    match value:
        case str() if (allowed := bounds.get("enum")) and value not in allowed:
            yield f"{where} is none of {', '.join(allowed)}"
        case str() | list() if len(value) > (most := bounds.get("max", len(value))):
            yield f"{where} is longer than {most}"
        case int() if not bounds.get("min", value) <= value <= bounds.get("max", value):
            yield f"{where} is not between {bounds.get('min')} and {bounds.get('max')}"


def _members(shape: Any, value: Any, where: str) -> Iterator[tuple[Any, Any, str]]:
    match shape.type_name, value:
        case "structure", dict():
            for name in value.keys() & shape.members.keys():
                yield shape.members[name], value[name], f"{where}.{name}"
        case "map", dict():
            for name, member in value.items():
                yield shape.key, name, f"{where} {name!r}"
                yield shape.value, member, f"{where}.{name}"
        case "list", list():
            for member in value:
                yield shape.member, member, where


# --- S3 ---

METADATA_BYTES = 2 * KIB
LARGEST_BODY = 5 * GIB
MOST_PARTS = 10_000


class Uploads:
    """The multipart uploads that were begun, and their parts by number: how many bytes, and with which checksum."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[int, tuple[int, str]]] = {}

    def begin(self, params: Params) -> Iterator[str]:
        """AmazonS3/latest/userguide/checking-object-integrity-upload.html: CRC32 of a whole object is FULL_OBJECT.

        Without the type it is COMPOSITE, the checksum of the parts' checksums.
        """
        if params.get("ChecksumAlgorithm") != "CRC32":
            yield "ChecksumAlgorithm must be CRC32, which is what each part is sent with"
        if params.get("ChecksumType") != "FULL_OBJECT":
            yield "ChecksumType must be FULL_OBJECT when an upload is begun, else S3 takes COMPOSITE"

    def add(self, params: Params) -> Iterator[str]:
        """AmazonS3/latest/userguide/qfacts.html: 10,000 parts, numbered 1 to 10,000, of up to 5 GiB.

        AmazonS3/latest/API/API_UploadPart.html: an upload that was begun with a checksum has it with each part.
        """
        size, checksum = _size(params.get("Body", b"")), params.get("ChecksumCRC32", "")
        if not 1 <= params["PartNumber"] <= MOST_PARTS:
            yield f"PartNumber is not between 1 and {MOST_PARTS}"
        if not 0 < size <= LARGEST_BODY:
            yield "a part must not be empty, nor larger than 5 GiB"
        if not checksum:
            yield "a part of an upload with a checksum must have its own, ChecksumCRC32"
        self.parts.setdefault(params["UploadId"], {})[params["PartNumber"]] = (size, checksum)

    def complete(self, params: Params) -> Iterator[str]:
        """AmazonS3/latest/API/API_CompleteMultipartUpload.html, with its errors EntityTooSmall, InvalidPart,
        InvalidPartOrder, and BadDigest: "If the checksum type doesn't match the checksum type that was specified for
        the object during the CreateMultipartUpload request, it'll result in a BadDigest error".
        """
        if params.get("ChecksumType") != "FULL_OBJECT":
            yield "ChecksumType must be FULL_OBJECT when an upload is completed, too, else it is a BadDigest"
        parts = params.get("MultipartUpload", {}).get("Parts", [])
        numbers = [part["PartNumber"] for part in parts]
        if not 1 <= len(parts) <= MOST_PARTS:
            yield f"an upload has 1 to {MOST_PARTS} parts"
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            yield "the part numbers must ascend"
        if not all(part.get("ETag") and part.get("ChecksumCRC32") for part in parts):
            yield "each part must be named with its ETag and its ChecksumCRC32"
        known = self.parts.get(params["UploadId"], {})
        if not known:
            return
        if any(part.get("ChecksumCRC32") != known.get(part["PartNumber"], (0, ""))[1] for part in parts):
            yield "a part must be named with the checksum that it was uploaded with"
        # Tests that cut small videos have moto take parts as small.
        least = min(5 * MIB, vars(moto_s3.models)["S3_UPLOAD_PART_MIN_SIZE"])
        if any(known.get(number, (0, ""))[0] < least for number in numbers[:-1]):
            yield "each part but the last must have at least 5 MiB"


uploads = Uploads()


def a_label(params: Params) -> Iterator[str]:
    """AmazonS3/latest/userguide/UsingMetadata.html: user-defined metadata is limited to 2 KB, names and values.

    By REST both are US-ASCII; what cannot be printed comes back encoded. Keys are limited to 1,024 bytes.
    """
    metadata = params.get("Metadata", {})
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > METADATA_BYTES:
        yield "user metadata must have at most 2 KB in all"
    if not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in metadata):
        yield "a name of user metadata must be the name of a header"
    if not all(re.fullmatch(r"[ -~]*", value) for value in metadata.values()):
        yield "a value of user metadata must be printable US-ASCII"
    if not 1 <= len(params["Key"].encode()) <= KIB:
        yield "a key has 1 to 1,024 bytes"


def a_body(params: Params) -> Iterator[str]:
    """AmazonS3/latest/userguide/upload-objects.html: up to 5 GB in a single PUT."""
    if _size(params.get("Body", b"")) > LARGEST_BODY:
        yield "an object that is put at once has at most 5 GiB"


def a_condition(params: Params) -> Iterator[str]:
    """AmazonS3/latest/userguide/conditional-writes.html: writes take If-None-Match with `*` alone, or If-Match."""
    if params.get("IfNoneMatch", "*") != "*":
        yield "IfNoneMatch of a write must be *"
    if {"IfNoneMatch", "IfMatch"} <= params.keys():
        yield "a write has one condition, IfNoneMatch or IfMatch"


def no_condition(params: Params) -> Iterator[str]:
    """Same page: PutObject and CompleteMultipartUpload are what takes conditions."""
    if {"IfNoneMatch", "IfMatch"} & params.keys():
        yield "a condition belongs to PutObject or CompleteMultipartUpload"


_OBJECT = {"Bucket", "Key", "ContentType", "Metadata"}
"""What writing an object may say, in whichever way; ours and the tests'."""


def nothing_but(*names: str) -> Rule:
    """AmazonS3/latest/API/API_PutObject.html: tags, ACLs and locks take permissions that no policy here gives.

    And a request's own encryption or storage class has the bucket's key and lifecycle passed over.
    """

    def nothing_more(params: Params) -> Iterator[str]:
        for name in sorted(params.keys() - {*_OBJECT, *names}):
            yield f"{name} is refused, or passes the bucket's own rules over"

    return nothing_more


# --- SQS: AWSSimpleQueueService/latest/APIReference/API_SendMessage.html and API_SendMessageBatch.html ---

MESSAGE_BYTES = MIB
LONGEST_DELAY_SECONDS = 900
MOST_ENTRIES = 10
_NO_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def a_message(params: Params) -> Iterator[str]:
    """The minimum is one character, the maximum 1 MiB; the delay is 0 to 900 seconds; the characters are XML's."""
    if not 1 <= _size(params["MessageBody"]) <= MESSAGE_BYTES:
        yield "a message has 1 byte to 1 MiB"
    if _NO_XML.search(params["MessageBody"]):
        yield "a message holds only characters that XML has (InvalidMessageContents)"
    if not 0 <= params.get("DelaySeconds", 0) <= LONGEST_DELAY_SECONDS:
        yield "DelaySeconds is not between 0 and 900"


def a_batch(params: Params) -> Iterator[str]:
    """1 to 10 entries with distinct ids of up to 80 letters, digits, - and _; 1 MiB in all."""
    entries = params["Entries"]
    if not 1 <= len(entries) <= MOST_ENTRIES:
        yield "a batch has 1 to 10 entries"
    if len({entry["Id"] for entry in entries}) < len(entries):
        yield "the ids of a batch must differ (BatchEntryIdsNotDistinct)"
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", entry["Id"]) for entry in entries):
        yield "an id has up to 80 letters, digits, - and _ (InvalidBatchEntryId)"
    if sum(_size(entry["MessageBody"]) for entry in entries) > MESSAGE_BYTES:
        yield "a batch has at most 1 MiB in all (BatchRequestTooLong)"
    for entry in entries:
        yield from a_message(entry)


# --- SNS ---

NOTICE_BYTES = 256 * KIB
_ATTRIBUTE = re.compile(r"(?!(?i:aws|amazon)\.)(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")


def a_notice(params: Params) -> Iterator[str]:
    """sns/latest/api/API_Publish.html: 256 KiB, attributes included, unless the topic allows more; a subject has less
    than 100 characters. sns/latest/api/API_MessageAttributeValue.html and sns/latest/dg/sns-message-attributes.html:
    "Name, type, and value must not be empty or null". A message that is too large by itself moto refuses as AWS does.
    """
    attributes = params.get("MessageAttributes", {})
    size = _size(params["Message"])
    for name, attribute in attributes.items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        size += _size(name) + _size(attribute["DataType"]) + _size(value)
        if not _ATTRIBUTE.fullmatch(name):
            yield f"an attribute cannot be named {name!r}"
        if not re.fullmatch(r"(String|String\.Array|Number|Binary)(\..+)?", attribute["DataType"]):
            yield f"an attribute cannot be a {attribute['DataType']!r}"
        if not value:
            yield "an attribute must not be empty"
    if not params["Message"] or _size(params["Message"]) <= NOTICE_BYTES < size:
        yield "a message has 1 byte to 256 KiB, its attributes included"
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{0,99}", params.get("Subject", "")):
        yield "a subject has less than 100 characters and no line breaks"


# --- DynamoDB: amazondynamodb/latest/developerguide/... ---

EXPRESSION_BYTES = 4 * KIB
MOST_OPERATORS = 300
DEEPEST = 32
_EXPRESSIONS = (
    "UpdateExpression", "ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression",
)  # fmt: skip
_CLAUSE = re.compile(r"(?<![#:.\w])(SET|REMOVE|ADD|DELETE)(?!\w)", re.IGNORECASE)
_WORD = re.compile(r"(?<![#:\w])[A-Za-z_]\w*")
_SYNTAX = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN"}
_RESERVED = {word.upper() for word in ReservedKeywords.get_reserved_keywords()}
_OPERATOR = re.compile(r"<>|<=|>=|[=<>+]|\s-\s|\b(?:AND|OR|NOT|IN|BETWEEN)\b|\b[a-z_]+\s*\(", re.IGNORECASE)


def expressions(params: Params) -> Iterator[str]:
    """Constraints.html (4 KB an expression, 300 operators) and ReservedWords.html."""
    texts = [params[name] for name in _EXPRESSIONS if name in params]
    for text in texts:
        if not 1 <= _size(text) <= EXPRESSION_BYTES:
            yield "an expression has 1 byte to 4 KB"
        if len(_OPERATOR.findall(text)) > MOST_OPERATORS:
            yield "an expression has at most 300 operators"
        for word in _WORD.findall(text):
            if word.upper() in _RESERVED - _SYNTAX:
                yield f"{word} is a reserved word and needs a name that begins with #"
    used = {token for text in texts for token in re.findall(r"[#:]\w+", text)}
    yield from placeholders(params, used)
    for value in params.get("ExpressionAttributeValues", {}).values():
        yield from a_value(value)


def placeholders(params: Params, used: set[str]) -> Iterator[str]:
    """Expressions.ExpressionAttributeNames.html and ...Values.html: what is named is used, what is used is named."""
    for kind, sign in (("ExpressionAttributeNames", "#"), ("ExpressionAttributeValues", ":")):
        given = params.get(kind, {}).keys()
        if kind in params and not given:
            yield f"{kind} must not be empty"
        for token in sorted(given - used):
            yield f"{token} is in {kind} and in no expression"
        for token in sorted(t for t in used - given if t.startswith(sign)):
            yield f"{token} is in an expression and not in {kind}"


def an_update(params: Params) -> Iterator[str]:
    """Expressions.UpdateExpressions.html: each clause once and not empty, no two paths that overlap, no key."""
    _, *pieces = _CLAUSE.split(params.get("UpdateExpression", ""))
    clauses = list(zip(pieces[::2], pieces[1::2], strict=True))
    names = params.get("ExpressionAttributeNames", {})
    paths: list[list[str]] = []
    for kind, text in clauses:
        actions = [action.split("=")[0].split() for action in re.split(r",(?![^(]*\))", text)]
        if not all(actions):
            yield f"{kind.upper()} has an action that is empty"
        paths += [[names.get(step, step) for step in action[0].split(".")] for action in actions if action]
    if any(count > 1 for count in Counter(kind.upper() for kind, _ in clauses).values()):
        yield "a clause may be there once only"
    # An attribute that is both set and removed is the one that happens.
    for number, path in enumerate(paths):
        if any(other[: len(path)] == path or path[: len(other)] == other for other in paths[:number]):
            yield f"two paths overlap: {'.'.join(path)}"
        if path[0] in params["Key"]:
            yield f"{path[0]} is part of the key and cannot be updated"


def a_key(params: Params) -> Iterator[str]:
    """Constraints.html: a partition key has 1 to 2,048 bytes; empty strings are no values of keys."""
    if not params["Key"]:
        yield "a key must not be empty"
    for name, value in params["Key"].items():
        if "S" in value and not 1 <= _size(value["S"]) <= 2 * KIB:
            yield f"the key {name} has 1 to 2,048 bytes"


def an_item(params: Params) -> Iterator[str]:
    """As a_value, for each attribute."""
    for value in params["Item"].values():
        yield from a_value(value)


def a_value(value: Params, depth: int = 1) -> Iterator[str]:
    """Constraints.html: nested up to 32 levels deep; sets are never empty."""
    if depth > DEEPEST:
        yield "attributes are nested at most 32 levels deep"
        return
    for kind, inner in value.items():
        if kind in {"SS", "NS", "BS"} and not inner:
            yield "a set must not be empty"
        for member in inner.values() if kind == "M" else inner if kind == "L" else ():
            yield from a_value(member, depth + 1)


def a_scan(params: Params) -> Iterator[str]:
    """model, Scan: Segment and TotalSegments come together, Segment is the lesser. Query.html, Scan.html: a global
    secondary index is not read consistently; ours are all global.
    """
    if ("Segment" in params) != ("TotalSegments" in params):
        yield "Segment and TotalSegments come together"
    elif params.get("Segment", 0) >= params.get("TotalSegments", 1):
        yield "Segment must be less than TotalSegments"
    if params.get("IndexName") and params.get("ConsistentRead"):
        yield "a global secondary index cannot be read consistently"
    if params.get("Select") == "COUNT" and "ProjectionExpression" in params:
        yield "who counts cannot project"


# --- Systems Manager ---

MOST_LEVELS = 15
_PARAMETER = re.compile(r"(?!/?(?i:aws|ssm))(/?[A-Za-z0-9_.-]+)(/[A-Za-z0-9_.-]+)*")


def a_parameter(params: Params) -> Iterator[str]:
    """systems-manager/latest/APIReference/API_PutParameter.html: letters, digits and _.-; a hierarchy begins with a
    slash and has up to 15 levels; 1,011 characters; not aws or ssm at the beginning.
    """
    name = params["Name"].partition(":")[0]
    if not _PARAMETER.fullmatch(name) or len(name) > 1011 or name.count("/") > MOST_LEVELS:
        yield f"a parameter cannot be named {name[:80]!r}"
    if "/" in name[1:] and not name.startswith("/"):
        yield "a parameter in a hierarchy must begin with a slash"


RULES: dict[str, tuple[Rule, ...]] = {
    "s3.PutObject": (nothing_but("Body", "ChecksumCRC32", "IfNoneMatch"), a_label, a_body, a_condition),
    "s3.CreateMultipartUpload": (
        *(nothing_but("ChecksumAlgorithm", "ChecksumType"), a_label, no_condition, uploads.begin),
    ),
    "s3.UploadPart": (no_condition, uploads.add),
    "s3.CompleteMultipartUpload": (a_condition, uploads.complete),
    "sqs.SendMessage": (a_message,),
    "sqs.SendMessageBatch": (a_batch,),
    "sns.Publish": (a_notice,),
    "dynamodb.PutItem": (expressions, an_item),
    "dynamodb.GetItem": (expressions, a_key),
    "dynamodb.DeleteItem": (expressions, a_key),
    "dynamodb.UpdateItem": (expressions, a_key, an_update),
    "dynamodb.Scan": (expressions, a_scan),
    "dynamodb.Query": (expressions, a_scan),
    "ssm.GetParameter": (a_parameter,),
    "ssm.PutParameter": (a_parameter,),
}


def why_not(name: str, params: Params) -> list[str]:
    """Return why AWS would refuse a request, in sentences; `name` is service and operation."""
    return [sentence for rule in RULES.get(name, ()) for sentence in rule(params)]


def look(params: Params, model: Any, **_: object) -> None:
    """Check a request as it goes out, after whatever botocore and boto3 make of it."""
    name = f"{model.service_model.service_name}.{model.name}"
    if name not in RULES:
        return
    if why := [*within_the_model(model.input_shape, params, model.name), *why_not(name, params)]:
        refused.append(f"{name}: {'; '.join(why)}")
        raise RefusedByAws(refused[-1])


handlers.BUILTIN_HANDLERS.append(("before-parameter-build", look))
