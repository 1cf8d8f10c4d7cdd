"""The tasks' owner: puts them, and at times puts them again, deletes them or sets them to RETRY."""

from typing import TYPE_CHECKING, Any

from tests.simulation.renders import Kind, Render, video
from tests.simulation.s3 import Object
from tests.simulation.scheduler import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

_SECONDS = (5.0, 40.0, 90.0, 400.0)
_MOSTLY_GOOD = (Kind.GOOD,) * 9
_DENIED_OR_GOOD = (
    *((Kind.GOOD,) * 3),
    *(Kind.FORBIDDEN_AT_FIRST, Kind.UNKNOWN_AT_FIRST, Kind.UNKNOWN, Kind.LATE_URL, Kind.CONTENT, Kind.STUCK),
)
"""Where the key comes and goes."""


class Owner:
    """One task's owner."""

    def __init__(self, world: "World", number: int, kind: Kind | None = None, seconds: float = 0.0) -> None:
        random = world.random
        self._world = world
        self._process = Process(f"user-{number}", is_safe=True)
        kinds = _DENIED_OR_GOOD if world.weather.has_foreign_key else (*_MOSTLY_GOOD, *Kind)
        kind = kind or random.choice(kinds)
        self._key = task_id = f"task_{number}_{kind.value}"
        self._item = self._draw_item()
        now = world.scheduler.now
        world.renders[task_id] = Render(task_id, kind, now, seconds or random.choice(_SECONDS), video(task_id, random))
        world.keys[task_id] = self._item.get("s3_key", {"S": f"videos/{task_id}.mp4"})["S"]
        if kind is Kind.KEY_TAKEN:
            world.objects.objects[world.keys[task_id]] = Object(b"somebody else's", {}, "0")
        if kind is Kind.INVALID:
            self._item["s3_key"] = {"S": "/nowhere"}
        delay = random.random() * world.weather.storm_seconds * 0.3 if world.is_stormy else 1.0
        world.scheduler.spawn(self._process, self._live, delay)

    def _draw_item(self) -> dict[str, Any]:
        random = self._world.random
        item: dict[str, Any] = {"task_id": {"S": self._key}}
        if random.random() < 0.5:
            item |= {"color": {"S": "blue"}, "metadata": {"M": {"project": {"S": "trailer"}, "take": {"N": "3"}}}}
        if random.random() < 0.3:
            item["s3_key"] = {"S": random.choice((f"own/{self._key}.mp4", "own/shared.mp4"))}
        if random.random() < 0.3:
            item |= {"id": {"S": self._key}, "status": {"S": "queued"}, "progress": {"N": "0"}, "error": {"NULL": True}}
        return item

    def _live(self) -> None:
        world, random = self._world, self._world.random
        self._world.renders[self._key].created = world.scheduler.now
        self._put()
        while random.random() < world.weather.user_is_busy * 0.6:
            world.scheduler.pause(random.random() * world.weather.storm_seconds * 0.4)
            if not world.is_stormy:
                return
            random.choice((self._put, self._put, self._retry, self._retry, self._delete))()

    def _put(self) -> None:
        self._world.dynamodb.put_item(TableName="tasks", Item=self._item)

    def _delete(self) -> None:
        self._world.dynamodb.delete_item(TableName="tasks", Key={"task_id": {"S": self._key}})

    def _retry(self) -> None:
        item = self._world.store.items.get(self._key)
        if item and ("ended_at" in item or self._world.random.random() < 0.5):
            self._world.note("sets RETRY", self._key)
            reviewed = {**item, "reviewed": {"BOOL": True}}
            self._world.store.put(self._key, reviewed)
            self._world.store.put(self._key, {**reviewed, "status": {"S": "RETRY"}})
