"""The queues of a deployed stack, and the mappings that bring their messages to the functions."""

from typing import Self

from infra.local.stack import LocalStack
from tests.e2e.patience import eventually


class DeployedQueue:
    """One of the two queues, by the name of the variable in which the Poller finds its URL."""

    def __init__(self, stack: LocalStack, variable: str) -> None:
        self._functions, self._sqs = stack.aws.functions, stack.aws.sqs
        poller = self._functions.get_function_configuration(FunctionName=stack.outputs["PollerFunctionName"])
        self.url = poller["Environment"]["Variables"][variable]
        self.name = self.url.rsplit("/", 1)[-1]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        (mapping,) = self._functions.list_event_source_mappings(EventSourceArn=attributes["QueueArn"])[
            "EventSourceMappings"
        ]
        self.arn = attributes["QueueArn"]
        self._mapping = mapping["UUID"]

    @classmethod
    def of_rounds(cls, stack: LocalStack) -> Self:
        """Return the queue of rounds."""
        return cls(stack, "ROUNDS_QUEUE")

    @classmethod
    def of_copies(cls, stack: LocalStack) -> Self:
        """Return the queue of copies."""
        return cls(stack, "COPIES_QUEUE")

    @property
    def most_at_once(self) -> int:
        """How many of its messages are worked on at once, as deployed."""
        scaling = self._functions.get_event_source_mapping(UUID=self._mapping)["ScalingConfig"]
        return scaling["MaximumConcurrency"]

    def send(self, body: str) -> str:
        """Send a message and return its id."""
        return self._sqs.send_message(QueueUrl=self.url, MessageBody=body)["MessageId"]

    def messages(self) -> int:
        """Return how many messages there are, those included that are delayed or being worked on."""
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return sum(int(number) for name, number in found.items() if name.startswith("ApproximateNumberOfMessages"))

    def visible(self) -> int:
        """Return how many messages wait for a function to be started."""
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def purge(self) -> None:
        """Lose all messages."""
        self._sqs.purge_queue(QueueUrl=self.url)

    def pause(self) -> None:
        """Switch the mapping off."""
        self._functions.update_event_source_mapping(UUID=self._mapping, Enabled=False)

    def resume(self) -> None:
        """Switch the mapping on."""
        self._functions.update_event_source_mapping(UUID=self._mapping, Enabled=True)

    def redeliver_after(self, seconds: int) -> None:
        """Let what is received from now on come back after so many seconds, unless it was done."""
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": str(seconds)})

    def wait_until_empty(self, seconds: float) -> None:
        """Wait until there is no message left; where some are, the test fails."""
        eventually(lambda: not self.messages(), lambda: f"{self.messages()} messages in {self.name}", seconds)
