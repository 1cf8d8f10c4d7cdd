"""AWS's Parameter Store, which has the key, and SNS, which hears of every ending; as far as they are used."""

import json
from typing import TYPE_CHECKING, Any

from tests.simulation.renders import KEY

if TYPE_CHECKING:
    from tests.simulation.world import World


class SSM:
    """A client of SSM with one parameter."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.value = KEY
        self.changed_at = 0.0

    def store(self, value: str) -> None:
        self.value = value
        self.changed_at = self._world.scheduler.now

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert (Name, WithDecryption) == ("/key", True)
        return {"Parameter": {"Value": self._world.call("GetParameter /key", lambda: self.value)}}


class SNS:
    """A client of SNS with one topic."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def publish(self, *, TopicArn: str, Message: str, MessageAttributes: dict[str, Any]) -> None:  # noqa: N803 - see above
        assert TopicArn == "topic"
        told = json.loads(Message)
        assert MessageAttributes == {"status": {"DataType": "String", "StringValue": told["status"]}}
        self._world.call(f"Publish {told['task_id']}", lambda: self._world.invariants.on_announcement(told, Message))
