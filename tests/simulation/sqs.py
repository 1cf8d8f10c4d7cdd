"""Amazon SQS and Lambda's reading of it, as far as the functions count on them."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from tests.simulation.awslambda import Outcome
from tests.simulation.terms import MOST_DELAY_SECONDS, MOST_ENTRIES, MOST_MESSAGE_BYTES, QueueTerms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World


_PUNCTUAL_SECONDS = 2


@dataclass(slots=True, eq=False)
class Message:
    """One message; times in epoch seconds."""

    message_id: str
    body: str
    expires_at: float
    """SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html: retention counts from enqueueing, so that a
    delay eats it."""
    visible_at: float
    receives: int = 0


class Queue:
    """One standard queue: at least once, in no order, and only for so long."""

    def __init__(self, world: "World", name: str, terms: QueueTerms) -> None:
        self.name = name
        self.terms = terms
        self.messages: list[Message] = []
        self.look: Callable[[], None] = lambda: None
        """Who is told when a message becomes visible."""
        self._world = world
        self._sent = 0

    def send(self, body: str, delay: float) -> None:
        world = self._world
        self._sent += 1
        # It becomes visible late, and never early; a quiet mapping looks seldom.
        late = world.random.random() * (world.weather.message_late if world.is_stormy else 0.2)
        now = world.scheduler.now
        if late > _PUNCTUAL_SECONDS and self.name == "rounds":
            world.excuse("a round is late")
        message = Message(f"{self.name}-{self._sent}", body, now + self.terms.retention, now + delay + late)
        self.messages.append(message)
        world.scheduler.at(message.visible_at, self.look)
        if world.is_stormy and world.random.random() < world.weather.message_twice:
            # AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
            later = message.visible_at + world.random.choice((0, 200)) * world.random.random()
            again = Message(message.message_id, body, message.expires_at, later)
            self.messages.append(again)
            world.scheduler.at(again.visible_at, self.look)

    def purge(self) -> None:
        self._world.note("  purged", f"{self.name}: {len(self.messages)} messages")
        self.messages.clear()

    def receive(self) -> Message | None:
        """Hide one of the visible messages for as long as its reader may take."""
        world = self._world
        now = world.scheduler.now
        gone = [message for message in self.messages if message.expires_at <= now]
        for message in gone:
            world.note("  expired", f"{message.message_id} after {message.receives} receives")
            self.messages.remove(message)
        visible = [message for message in self.messages if message.visible_at <= now]
        if not visible:
            return None
        message = visible[int(world.random.random() * len(visible))]
        message.receives += 1
        message.visible_at = now + self.terms.visibility
        world.scheduler.at(message.visible_at, self.look)
        return message

    def delete(self, message: Message) -> None:
        if message in self.messages:
            self.messages.remove(message)


class SQS:
    """A client of SQS; what AWS refuses fails the world, for a retry would not help."""

    def __init__(self, world: "World", queues: dict[str, Queue]) -> None:
        self._world = world
        self._queues = queues

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> dict[str, Any]:  # noqa: N803 - boto3's names
        queue = self._queue(QueueUrl)
        self._check(MessageBody, DelaySeconds)
        try:
            self._world.call(f"SendMessage {queue.name}", lambda: self._send(queue, MessageBody, DelaySeconds))
        except BaseException:
            self._world.invariants.on_unsent(MessageBody)
            raise
        return {}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - see above
        queue = self._queue(QueueUrl)
        if not 1 <= len(Entries) <= MOST_ENTRIES or len({entry["Id"] for entry in Entries}) < len(Entries):
            self._world.invariants.fail("AWS takes what is sent", f"{len(Entries)} entries")
        for entry in Entries:
            self._check(entry["MessageBody"], entry["DelaySeconds"])
        failed: list[dict[str, Any]] = self._world.call(
            f"SendMessageBatch {queue.name}", lambda: self._send_all(queue, Entries)
        )
        return {"Failed": failed} if failed else {}

    def _send_all(self, queue: Queue, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        world, failed = self._world, []
        for entry in entries:
            if world.is_stormy and world.random.random() < world.weather.refused / 2:
                world.excuse("an entry was refused")
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
            else:
                self._send(queue, entry["MessageBody"], entry["DelaySeconds"])
        return failed

    def _send(self, queue: Queue, body: str, delay: float) -> None:
        queue.send(body, delay)
        self._world.invariants.on_send(queue.name, body)

    def _queue(self, url: str) -> Queue:
        return self._queues[url.rpartition("/")[2]]

    def _check(self, body: str, delay: int) -> None:
        is_delay = type(delay) is int and 0 <= delay <= MOST_DELAY_SECONDS
        if not is_delay or not 0 < len(body.encode()) <= MOST_MESSAGE_BYTES:
            self._world.invariants.fail("AWS takes what is sent", f"{len(body)} characters, delayed by {delay!r}")


class QueueMapping:
    """Lambda's reader of a queue: one message an invocation, at most so many at once, as long as it is enabled."""

    def __init__(self, world: "World", queue: Queue, role: str, most: float = inf) -> None:
        self._world = world
        self._queue = queue
        self._role = role
        self._most = most
        self._running = 0
        self.is_enabled = True
        queue.look = self.look

    def look(self) -> None:
        """Invoke the function with what is visible.

        lambda/latest/dg/services-sqs-scaling.html: MaximumConcurrency bounds, and reserves nothing. A disabled mapping
        pauses; messages stay until their retention ends.
        """
        while self.is_enabled and self._running < self._most:
            message = self._queue.receive()
            if message is None:
                return
            self._running += 1
            self._world.invariants.on_receive(self._queue.name, message.body)
            record = {"eventSource": "aws:sqs", "messageId": message.message_id, "body": message.body}
            attributes = {"ApproximateReceiveCount": str(message.receives)}
            event = {"Records": [{**record, "attributes": attributes}]}
            if not self._world.account.invoke(self._role, event, lambda outcome, m=message: self._end(m, outcome)):  # type: ignore[misc]
                # services-sqs-errorhandling.html: throttled by the account, the message goes back when its visibility
                # ends, received once more.
                self._running -= 1

    def set_enabled(self, is_enabled: bool) -> None:  # noqa: FBT001 - as the API has it
        self.is_enabled = is_enabled
        self._world.note("  mapping of", f"{self._queue.name} is {'on' if is_enabled else 'off'}")
        if is_enabled:
            self.look()

    def _end(self, message: Message, outcome: Outcome) -> None:
        world = self._world
        self._running -= 1
        failed = outcome.failures(message.message_id)
        # Deleting may fail as every call may; then it comes again.
        is_kept = failed or (world.is_stormy and world.random.random() < world.weather.message_twice / 4)
        if not is_kept:
            self._queue.delete(message)
        self.look()
