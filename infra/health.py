"""Whether the service does its work, in words with the cure: what the Poller's log, the queue and the alarms say."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.command import printable
from infra.task_view import duration
from infra.trouble import sentence

if TYPE_CHECKING:
    from infra.target import Target

WINDOW_SECONDS = 600
"""So far back the log is read."""

TICK_SECONDS = 180
"""The schedule ticks each minute; after so long without a tick something is wrong."""

PROOF_SECONDS = 300
"""For so long a report proves the key."""

_MOST_PAGES = 10
_FILTER = '{ ($.message = "tick done") || ($.message = "round done") || ($.level = "ERROR") }'
_DONE = {"tick done", "round done"}
_NOT_CONFIGURED = "nothing was polled"
_GENERATED_NAME = re.compile(r".*-(?P<name>[A-Za-z]+)-[A-Za-z0-9]+")

type Counts = Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """One sentence about the service; `is_good` is None where it says neither well nor ill."""

    is_good: bool | None
    text: str


@dataclass(frozen=True)
class Log:
    """What the Poller's log says of the last WINDOW_SECONDS, the oldest first; times are epoch seconds."""

    rounds: Sequence[tuple[float, Counts]] = ()
    errors: Sequence[tuple[float, str, str]] = ()
    """When, what, and where it was about CometAPI, its words."""

    @classmethod
    def read(cls, events: Iterator[tuple[float, str]]) -> "Log":
        """Read the lines of a log, each with its time; what is no line of the Poller's own is passed over."""
        rounds, errors = [], []
        for at, line in events:
            said = json_line(line)
            message = str(said.get("message", ""))
            if message in _DONE and isinstance(said.get("counts"), Mapping):
                rounds.append((at, said["counts"]))
            elif said.get("level") == "ERROR":
                errors.append((at, printable(message), printable(said.get("answer", ""))))
        return cls(rounds, errors)


def poller(log: Log, now: float, deployed_at: float = 0.0) -> Finding:
    """Say when the last round was, or why there is none; times are epoch seconds."""
    last = log.rounds[-1][0] if log.rounds else None
    if log.errors and log.errors[-1][0] > (last or 0) and log.errors[-1][1].startswith(_NOT_CONFIGURED):
        return Finding(is_good=False, text=log.errors[-1][1])
    if last is None and log.errors:
        return Finding(is_good=False, text=f"The Poller fails, so nothing is asked: {log.errors[-1][1]}")
    if last is None and now - deployed_at <= TICK_SECONDS:
        return Finding(is_good=None, text="no round yet, the first one comes within minutes of the deploy")
    if last is None:
        return Finding(
            is_good=False,
            text=f"The Poller has not run for {WINDOW_SECONDS // 60} minutes, so nothing is asked: its schedule is "
            "paused, or its code fails. See `Resume` in infra/README.md.",
        )
    ago = f"The last round was {duration(now - last)} ago"
    if now - last <= TICK_SECONDS:
        return Finding(is_good=True, text=ago)
    return Finding(is_good=False, text=f"{ago}, so nothing is asked. See `Resume` in infra/README.md.")


def key(log: Log, key_parameter: str, now: float) -> Finding:
    """Say whether CometAPI takes the API key, by the answers to the last rounds; `now` in epoch seconds."""
    since_report: Counter[str] = Counter()
    last: Counts = {}
    reported_at = None
    for at, counts in log.rounds:
        answers = {
            name.removeprefix("Answers"): int(n) for name, n in counts.items() if name.startswith("Answers") and n
        }
        if "Report" in answers:
            reported_at = at
            since_report.clear()
        else:
            since_report.update(answers)
        last = answers or last
    store = f"aws ssm put-parameter --type SecureString --overwrite --name {key_parameter} --value YOUR_KEY"
    if "KeyRejected" in last:
        said = next((f" ({answer})" for _, _, answer in reversed(log.errors) if answer), "")
        return Finding(
            is_good=False,
            text=f"CometAPI rejects the API key{said}; no task is ended. Where it lacks quota, top it up; else store a "
            f"valid one: {store}",
        )
    if reported_at is not None and (now - reported_at <= PROOF_SECONDS or not since_report):
        return Finding(is_good=True, text="CometAPI takes the key")
    if since_report["UnknownTask"]:
        return Finding(
            is_good=False,
            text="CometAPI knows no task under this key: it is of another account, or the ids are wrong. No task is "
            f"ended. Store the right key ({store}), or `make cancel` wrong ids.",
        )
    if since_report:
        said = ", ".join(f"{count} {name}" for name, count in since_report.most_common())
        return Finding(
            is_good=False,
            text=f"CometAPI gave no report for minutes ({said}); the tasks wait. `make list STATUS=pending` "
            "shows what it answers; an outage ends by itself.",
        )
    return Finding(is_good=None, text="the key is unproven, nothing was asked lately")


def copies(waiting: int, working: int) -> Finding:
    """Say how many finished videos wait for a Copier, and how many are being copied."""
    return Finding(is_good=True, text=f"copies: {waiting} wait, {working} at work")


def alarms(ringing: Sequence[tuple[str, str]]) -> list[Finding]:
    """Say what rings, by name and description: it names the cure."""
    if not ringing:
        return [Finding(is_good=True, text="no alarm")]
    return [Finding(is_good=False, text=f"Alarm {name}: {printable(words)}") for name, words in ringing]


class HealthReader:
    """Reads all of this, anew after some seconds; what may not be read is said to be unknown."""

    def __init__(self, target: "Target", seconds: float = 15.0) -> None:
        """Ask about `target`, and not more often than every so many `seconds`."""
        self._target = target
        self._seconds = seconds
        self._read_at = float("-inf")
        self._findings: list[Finding] = []
        self._log_group: str | None = None
        self._copies_queue: str | None = None

    def findings(self) -> Sequence[Finding]:
        """Return how things are, what is wrong first; never raises for AWS's sake."""
        if time.monotonic() - self._read_at >= self._seconds:
            found = [*self._from_log(), *self._from_queue(), *self._from_alarms()]
            self._findings = sorted(found, key=lambda finding: finding.is_good is not False)
            self._read_at = time.monotonic()
        return self._findings

    def _from_log(self) -> list[Finding]:
        now = time.time()
        try:
            log = Log.read(self._events(now - WINDOW_SECONDS))
        except self._target.logs.exceptions.ResourceNotFoundException:
            log = Log()
        except (BotoCoreError, ClientError) as error:
            return [_unknown("the last round and the key", error)]
        parameter = self._target.parameters.get("CometApiKeyParameter", "/cometapi/api-key")
        return [poller(log, now, self._target.deployed_at), key(log, parameter, now)]

    def _events(self, since: float) -> Iterator[tuple[float, str]]:
        if self._log_group is None:
            function = self._target.outputs["PollerFunctionName"]
            settings = self._target.functions.get_function_configuration(FunctionName=function)
            self._log_group = settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
        pages = self._target.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._log_group, startTime=int(since * 1000), filterPattern=_FILTER
        )
        for page in islice(pages, _MOST_PAGES):
            for event in page["events"]:
                for line in event["message"].splitlines():
                    yield event["timestamp"] / 1000, line

    def _from_queue(self) -> list[Finding]:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
        working = "ApproximateNumberOfMessagesNotVisible"
        try:
            if self._copies_queue is None:
                found = self._target.cloudformation.describe_stack_resource(
                    StackName=self._target.name, LogicalResourceId="CopiesQueue"
                )
                self._copies_queue = found["StackResourceDetail"]["PhysicalResourceId"]
            held: Mapping[Any, str] = self._target.sqs.get_queue_attributes(
                QueueUrl=self._copies_queue, AttributeNames=["All"]
            )["Attributes"]
        except (BotoCoreError, ClientError) as error:
            return [_unknown("the copies that wait", error)]
        return [copies(sum(int(held.get(name, 0)) for name in names), int(held.get(working, 0)))]

    def _from_alarms(self) -> list[Finding]:
        topic = self._target.outputs.get("AlarmTopicArn")
        if not topic:
            return [Finding(is_good=None, text="this stack has no alarms")]
        try:
            pages = self._target.cloudwatch.get_paginator("describe_alarms").paginate(
                StateValue="ALARM", ActionPrefix=topic
            )
            ringing = [
                (_short_name(alarm["AlarmName"]), alarm.get("AlarmDescription", ""))
                for page in pages
                for alarm in page["MetricAlarms"]
                if topic in alarm.get("AlarmActions", [])
            ]
        except (BotoCoreError, ClientError) as error:
            return [_unknown("the alarms", error)]
        return alarms(ringing)


def _unknown(what: str, error: Exception) -> Finding:
    return Finding(is_good=None, text=f"{what} cannot be read: {sentence(error)}")


def _short_name(name: str) -> str:
    """Return the alarm's own part of the name that CloudFormation made for it."""
    match = _GENERATED_NAME.fullmatch(name)
    return match["name"] if match else name


def json_line(line: str) -> Mapping[str, Any]:
    """Return what a line of a log says; empty where it is no JSON object."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, Mapping) else {}
