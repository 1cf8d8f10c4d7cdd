"""What the functions ask of AWS, as the proxy in between sees it: some calls fail by rules, all others are noted."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from infra.local.aws import REGION
from infra.local.stack import API_KEY_PARAMETER, LocalStack
from tests.e2e.queues import DeployedQueue

ACCOUNT = "000000000000"
INTAKE, POLLER, COPIER, ANNOUNCER = FUNCTIONS = (
    "IntakeFunctionName",
    "PollerFunctionName",
    "CopierFunctionName",
    "AnnouncerFunctionName",
)

# microburst takes S3's operations on an upload, which the query names, for others.
OF_AN_UPLOAD = {
    "PutObject": "UploadPart",
    "DeleteObject": "AbortMultipartUpload",
    "CreateMultipartUpload": "CompleteMultipartUpload",
}
COMPLETION = {"x-amz-mp-object-size": ""}
"""The header of what completes an upload."""
# All other actions are named like the operation.
ACTIONS = {
    "HeadObject": ["GetObject", "ListBucket"],  # the latter, since a first look finds nothing, which must be a 404
    "CreateMultipartUpload": ["PutObject"],
    "UploadPart": ["PutObject"],
    "CompleteMultipartUpload": ["PutObject"],
    "SendMessageBatch": ["SendMessage"],
}


class Call(NamedTuple):
    """Something that a function (by its output's name) was allowed to do, in the words of IAM."""

    function: str
    action: str
    resource: str


def by(function: str, **headers: str) -> dict[str, Any]:
    """Return what lets a rule match only calls of a function, that have these headers too."""
    return {"headers": {"User-Agent": f"app/{function}", **headers}}


class Proxy:
    """Lets calls fail by rules that have names, and counts by these names how often."""

    def __init__(self, stack: LocalStack) -> None:
        """Make the functions of `stack` tell their names with each call, as AWS's SDKs offer it."""
        self._faults = stack.faults
        self._rules: dict[int, tuple[str, dict[str, Any]]] = {}
        self._seen = 0.0
        self._named = _named(stack)
        self.calls: set[Call] = set()
        for function in FUNCTIONS:
            name = stack.outputs[function]
            variables = stack.aws.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables = {**variables, "AWS_SDK_UA_APP_ID": function}
            stack.aws.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        self.set({})

    def set(self, rules: Mapping[str, dict[str, Any]]) -> None:
        """Let calls fail by these rules of microburst, and by no others."""
        self.collect()
        complete = dict(rules)
        for function in FUNCTIONS:
            complete |= self.passes(function)
        self._rules |= zip(self._faults.set(list(complete.values())), complete.items(), strict=True)

    def passes(self, function: str) -> dict[str, dict[str, Any]]:
        """Return rules that let all calls of a function pass that were not matched before, and note them."""
        named = {f"{function}, {arn}": {**by(function), "body": condition} for arn, condition in self._named.items()}
        return named | {f"{function}, else": by(function)}

    def collect(self) -> Counter[str]:
        """Take in what happened since the last time, and return which rules fired."""
        fired: Counter[str] = Counter()
        for event in self._faults.fired(since=self._seen):
            if event["ts"] > self._seen:
                self._seen = event["ts"]
                name, rule = self._rules[event["rule_id"]]
                if event["action"] == "match":
                    self.calls.update(_calls(rule["headers"]["User-Agent"].removeprefix("app/"), name, event))
                else:
                    fired[name] += 1
        return fired


def _named(stack: LocalStack) -> dict[str, str]:
    """Return, by ARN, how to tell which calls are about what only their bodies name, and microburst does not."""
    table, topic = stack.outputs["TasksTableName"], stack.outputs["TaskEndedTopicArn"]
    queues = [DeployedQueue.of_rounds(stack), DeployedQueue.of_copies(stack)]
    return {
        f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/index/pending": "IndexName == 'pending'",
        topic: f"TopicArn == '{topic}'",
        **{queue.arn: f"QueueUrl && ends_with(QueueUrl, '/{queue.name}')" for queue in queues},
    }


def _calls(function: str, rule: str, event: dict[str, Any]) -> list[Call]:
    service, url, operation = event["service"], urlsplit(event["path"]), event["operation"]
    if "uploadId" in parse_qs(url.query):
        operation = OF_AN_UPLOAD.get(operation, operation)
    named = rule.removeprefix(f"{function}, ")
    resource = _arn(url.path, event) if named == "else" else named
    bucket = f"arn:aws:s3:::{event['resource']}"
    actions = ACTIONS.get(operation, [operation])
    return [Call(function, f"{service}:{action}", bucket if action == "ListBucket" else resource) for action in actions]


def _arn(path: str, event: dict[str, Any]) -> str:
    service, resource = event["service"], event["resource"]
    match service:
        case "s3":
            return f"arn:aws:s3:::{path.removeprefix('/')}"
        case "dynamodb":
            local = f"table/{resource}"
        case "ssm" if API_KEY_PARAMETER.endswith(f"/{resource}"):  # the proxy tells the last part of the name only
            local = f"parameter{API_KEY_PARAMETER}"
        case _:
            local = path
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{local}"
