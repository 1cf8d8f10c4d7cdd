"""The queues that rounds and copies travel in: the one module that knows SQS."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import batched
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from shared.errors import BadMessage
from shared.task import TASK_ID
from shared.task_table import Segment

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

COPY_DELAY_SECONDS = 2
"""A copy is sent before its lease is written, so that no lease is ever without a message; it must arrive after."""

_BATCH = 10
"""The most messages that SQS takes at once."""
_LONGEST_DELAY_SECONDS = 900
_OTHER_DAYS_SECONDS = 900
"""No round lives for so long in its queue."""
_MOST_SEGMENTS = 1_000_000
"""DynamoDB scans no more of them at once."""


@dataclass(frozen=True, slots=True)
class CopyMessage:
    """One video to be copied, under the word that its task's lease has; the URLs are credentials and never shown."""

    task_id: str
    lease: str
    video_url: str = field(repr=False)
    last_frame_url: str | None = field(default=None, repr=False)

    def body(self) -> str:
        """Return the message as it travels."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def read(cls, body: str) -> Self:
        """Read a message; raises BadMessage."""
        match _object(body):
            case {"task_id": str(task_id), "lease": str(lease), "video_url": str(url), **more} if (
                TASK_ID.fullmatch(task_id) and lease and url and more.keys() <= {"last_frame_url"}
            ):
                frame = more.get("last_frame_url")
                return cls(task_id, lease, url, frame if isinstance(frame, str) else None)
        raise BadMessage("The message is no copy as events/copy.json has one.")


@dataclass(frozen=True, slots=True)
class RoundMessage:
    """One round: ask, from `until` to `ends_at`, what of a segment is due later than `after` and up to `until`."""

    segment: int
    segments: int
    after: int
    until: int
    ends_at: int

    def body(self) -> str:
        """Return the message as it travels."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, body: str, now: float) -> Self:
        """Read a message that arrives `now` (epoch seconds); raises BadMessage."""
        values = _object(body)
        if values.keys() != cls.__dataclass_fields__.keys() or any(type(value) is not int for value in values.values()):
            raise BadMessage("The message is no round as events/round.json has one.")
        message = cls(**values)
        if not (0 <= message.segment < message.segments <= _MOST_SEGMENTS and message.after < message.until):
            raise BadMessage("The message is a round of no segment, or of no time.")
        times = (message.after, message.until, message.ends_at)
        if not all(now - _OTHER_DAYS_SECONDS < time < now + _OTHER_DAYS_SECONDS for time in times):
            raise BadMessage("The message is a round of another time.")
        return message

    @property
    def share(self) -> Segment:
        """The part of the pending tasks that it is about."""
        return Segment(self.segment, self.segments)


def draw_lease() -> str:
    """Return a word that nobody has drawn before."""
    return token_hex(8)


class Queues:
    """The queues of rounds and of copies; all errors are botocore's."""

    def __init__(self, client: "SQSClient", rounds: str, copies: str) -> None:
        """Send through `client` to the queues with these URLs."""
        self._client = client
        self._rounds = rounds
        self._copies = copies

    def send_copy(self, message: CopyMessage) -> None:
        """Ask for a video to be copied, COPY_DELAY_SECONDS from now at the earliest."""
        self._client.send_message(QueueUrl=self._copies, MessageBody=message.body(), DelaySeconds=COPY_DELAY_SECONDS)

    def send_rounds(self, messages: Iterable[RoundMessage], now: float) -> int:
        """Send rounds, each delayed until it starts; returns how many SQS did not take."""
        refused = 0
        for batch in batched(messages, _BATCH, strict=False):
            entries = [round_entry(str(number), message, now) for number, message in enumerate(batch)]
            answer: Mapping[str, Any] = self._client.send_message_batch(QueueUrl=self._rounds, Entries=entries)
            refused += len(answer.get("Failed", ()))
        return refused


def round_entry(entry_id: str, message: RoundMessage, now: float) -> Any:  # noqa: ANN401 - boto3's own type
    """Return the entry of a batch that delivers a round when it starts; `now` in epoch seconds."""
    delay = max(0, min(round(message.until - now), _LONGEST_DELAY_SECONDS))
    return {"Id": entry_id, "MessageBody": message.body(), "DelaySeconds": delay}


def sqs_messages(event: object) -> list[Mapping[str, Any]]:
    """Return the messages that Lambda delivers from a queue; none where the event is another one."""
    records = event.get("Records") if isinstance(event, dict) else None
    return [
        record
        for record in (records if isinstance(records, list) else ())
        if isinstance(record, dict) and record.get("eventSource") == "aws:sqs"
    ]


def _object(body: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise BadMessage("The message is no JSON object.")
    return values
