"""What a deployed stack consists of, and whether all of it is there, switched on, and heard by somebody."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from infra.command import counted, printable
from infra.smoke_check import Check, failed, guarded, note, ok
from infra.target import Target
from infra.trouble import TroubleError

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

FUNCTIONS = ("Intake", "Poller", "Copier", "Announcer")
_CHANGING_SECONDS = 60.0
_EACH_SECONDS = 2.0
_ALARM = "AWS::CloudWatch::Alarm"
_UNCONFIRMED = "PendingConfirmation"


@dataclass(frozen=True)
class Deployed:
    """A stack and its resources."""

    target: Target

    @cached_property
    def resources(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical id of each resource, by its name in the template."""
        return self._resources_of(self.target.name)

    @cached_property
    def alarms(self) -> Mapping[str, str]:
        """The name of each alarm, by its name in infra/observability.yaml."""
        nested = self._resources_of(self.resource("Observability"))
        return {name: there for name, (kind, there) in nested.items() if kind == _ALARM}

    def resource(self, name: str) -> str:
        """Return the physical id of a resource; TroubleError where the stack has no such resource."""
        try:
            return self.resources[name][1]
        except KeyError:
            raise TroubleError(f"The stack has no {name}. `make deploy` brings it up to this version.") from None

    def output(self, name: str) -> str:
        """Return an output of the stack; TroubleError where it has none of that name."""
        try:
            return self.target.outputs[name]
        except KeyError:
            raise TroubleError(f"The stack has no output {name}. `make deploy` brings it up to this version.") from None

    def function(self, name: str) -> str:
        """Return the deployed name of one of FUNCTIONS."""
        return self.output(f"{name}FunctionName")

    @property
    def key_parameter(self) -> str:
        """The name of the SSM parameter that holds the API key."""
        return self.target.parameters.get("CometApiKeyParameter", "/cometapi/api-key")

    def _resources_of(self, stack: str) -> Mapping[str, tuple[str, str]]:
        pages = self.target.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        return {
            found["LogicalResourceId"]: (found["ResourceType"], found.get("PhysicalResourceId", ""))
            for page in pages
            for found in page["StackResourceSummaries"]
        }


def deployed(stack: Deployed) -> Iterator[Check]:
    """Yield a check of everything that is deployed; nothing is changed and no secret is read."""
    looks: tuple[tuple[str, Callable[[Deployed], Iterator[Check]]], ...] = (
        ("schedule", _schedule),
        ("functions", _functions),
        ("mappings", _mappings),
        ("queues", _queues),
        ("alarms", _alarms),
        ("subscription", _subscription),
        ("topics", _topics),
        ("key", _key),
    )
    for name, look in looks:
        yield from guarded(name, lambda look=look: look(stack))  # type: ignore[misc]


def _schedule(stack: Deployed) -> Iterator[Check]:
    found = stack.target.scheduler.get_schedule(Name=stack.resource("PollerFunctionTick"))
    if found["State"] != "ENABLED":
        yield failed("schedule", f"It is {found['State']}, so nothing is polled.", "See `Resume` in infra/README.md.")
    elif stack.function("Poller") not in found["Target"]["Arn"]:
        yield failed("schedule", "It starts another function than the Poller.", "`make deploy` sets it right.")
    else:
        yield ok("schedule", f"{found['ScheduleExpression']} starts the Poller")


def _functions(stack: Deployed) -> Iterator[Check]:
    stopped = []
    for name in FUNCTIONS:
        found = _state_of(stack, name)
        if found not in {"Active", "Inactive"}:
            yield failed("functions", f"{name} is {found}.", "`make deploy` brings it up again.")
            return
        limit = stack.target.functions.get_function_concurrency(FunctionName=stack.function(name))
        if limit.get("ReservedConcurrentExecutions") == 0:
            stopped.append(name)
    if stopped:
        yield failed(
            "functions",
            f"Somebody has stopped {', '.join(stopped)}: the reserved concurrency is 0.",
            "See `Free concurrency` in infra/README.md.",
        )
    else:
        yield ok("functions", f"{', '.join(FUNCTIONS)} may run")


def _state_of(stack: Deployed, function: str) -> str:
    """Return the state of a function, once it is not just changing."""
    deadline = time.monotonic() + _CHANGING_SECONDS
    while True:
        found = stack.target.functions.get_function_configuration(FunctionName=stack.function(function))
        state: str = found.get("State", "Active")
        if state != "Pending" or time.monotonic() > deadline:
            return state
        time.sleep(_EACH_SECONDS)


def _mappings(stack: Deployed) -> Iterator[Check]:
    for function in FUNCTIONS:
        name = f"mapping {function}"
        mapping = _settled(stack, function)
        if mapping is None:
            yield failed(name, "Nothing is read: there is no mapping.", "`make delete`, then `make deploy`.")
        elif mapping["State"] != "Enabled":
            yield failed(
                name,
                f"It is {mapping['State']}, so {function} is given nothing.",
                f"`aws lambda update-event-source-mapping --enabled --uuid {mapping['UUID']}`.",
            )
        else:
            yield ok(name, f"reads {mapping['EventSourceArn'].split(':', 5)[5].partition('/stream/')[0]}")


def _settled(stack: Deployed, function: str) -> "EventSourceMappingConfigurationTypeDef | None":
    """Return a function's mapping, once it is not just changing."""
    deadline = time.monotonic() + _CHANGING_SECONDS
    while True:
        found = stack.target.functions.list_event_source_mappings(FunctionName=stack.function(function))
        mapping = next(iter(found["EventSourceMappings"]), None)
        if mapping is None or not mapping["State"].endswith("ing") or time.monotonic() > deadline:
            return mapping
        time.sleep(_EACH_SECONDS)


def _queues(stack: Deployed) -> Iterator[Check]:
    waiting = []
    for name in ("RoundsQueue", "CopiesQueue", "StreamFailuresQueue"):
        url = stack.resource(name)
        held = stack.target.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        waiting.append(int(held["Attributes"]["ApproximateNumberOfMessages"]))
    if waiting[-1]:
        yield note(
            "queues",
            f"Intake or the Announcer has given up {counted(waiting[-1], 'batch').replace('batchs', 'batches')}.",
            "See `Empty the queue of failures` in infra/README.md.",
        )
    else:
        yield ok("queues", f"{waiting[0]} rounds and {waiting[1]} copies wait, nothing was given up")


def _alarms(stack: Deployed) -> Iterator[Check]:
    pages = stack.target.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=list(stack.alarms.values()))
    found = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    missing = [name for name, there in stack.alarms.items() if there not in found]
    quiet = [name for name, there in stack.alarms.items() if there in found and not found[there]["ActionsEnabled"]]
    ringing = [name for name, there in stack.alarms.items() if there in found and found[there]["StateValue"] == "ALARM"]
    if missing or not stack.alarms:
        yield failed(
            "alarms", f"Somebody removed {', '.join(missing) or 'them'}.", "`make delete`, then `make deploy`."
        )
    elif quiet:
        names = " ".join(stack.alarms[name] for name in quiet)
        cure = f"`aws cloudwatch enable-alarm-actions --alarm-names {names}`."
        yield failed("alarms", f"Switched off, so that they tell nobody: {', '.join(quiet)}.", cure)
    elif ringing:
        yield note("alarms", f"At this moment these ring: {', '.join(ringing)}.", "Their cures are in infra/README.md.")
    else:
        yield ok("alarms", f"{counted(len(found), 'alarm')}, none rings")


def _subscription(stack: Deployed) -> Iterator[Check]:
    topic = stack.output("AlarmTopicArn")
    pages = stack.target.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    heard = {one["Endpoint"]: one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]}
    confirmed = [endpoint for endpoint, arn in heard.items() if arn != _UNCONFIRMED]
    email = stack.target.parameters.get("AlarmEmail", "")
    if email and email not in confirmed:
        yield failed(
            "subscription",
            f"{printable(email)} has not confirmed that it wants to hear of alarms.",
            "Click the link in AWS's mail; where two days have passed, "
            f"`aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {printable(email)}`.",
        )
    elif not confirmed:
        yield note("subscription", "Nobody hears of alarms.", '`make deploy PARAMETERS="AlarmEmail=you@example.com"`.')
    else:
        yield ok("subscription", f"{counted(len(confirmed), 'subscriber')} of alarms")


def _topics(stack: Deployed) -> Iterator[Check]:
    stored = stack.output("VideoStoredTopicArn")
    for topic in (stored, stack.output("TaskEndedTopicArn"), stack.output("AlarmTopicArn")):
        stack.target.sns.get_topic_attributes(TopicArn=topic)
    told = stack.target.s3.get_bucket_notification_configuration(Bucket=stack.output("VideosBucketName"))
    if stored not in [one["TopicArn"] for one in told.get("TopicConfigurations", [])]:
        yield failed("topics", "The bucket does not tell VideoStoredTopic of videos.", "`make deploy` sets it right.")
    else:
        yield ok("topics", "of stored videos, of endings and of alarms; the bucket tells of videos")


def _key(stack: Deployed) -> Iterator[Check]:
    name = stack.key_parameter
    by_name = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    pages = stack.target.ssm.get_paginator("describe_parameters").paginate(ParameterFilters=by_name)  # type: ignore[arg-type]
    found = [parameter for page in pages for parameter in page["Parameters"]]
    store = f"`aws ssm put-parameter --type SecureString --overwrite --name {name} --value YOUR_KEY`."
    if not found:
        yield failed("key", f"There is no parameter {name}, so nothing is polled.", store)
    elif found[0]["Type"] != "SecureString":
        yield failed("key", f"{name} holds the API key as plain text.", f"Delete the parameter, then {store}")
    else:
        yield ok("key", f"{name} is there, encrypted")
