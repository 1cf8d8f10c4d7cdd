"""Amazon EventBridge Scheduler: a tick a minute, somewhere within it, at least once; at times nobody has it on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.terms import SCHEDULE_PRECISION_SECONDS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Schedule:
    """The schedule of the Poller's ticks."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.is_enabled = True

    def minute(self, minute: float) -> None:
        """Fire for a minute, in epoch seconds; its events carry the minute and come up to 59 s late."""
        world, weather, random = self._world, self._world.weather, self._world.random
        if not self.is_enabled:
            world.excuse("no schedule")
            return
        jitter = weather.tick_jitter * random.random()
        late = [min(SCHEDULE_PRECISION_SECONDS - 1.0, weather.tick_offset + jitter)]
        if world.is_stormy and random.random() < weather.tick_lost:
            world.excuse("no tick")
            late = []
        if world.is_stormy and random.random() < weather.tick_twice:
            late.append(random.random() * (SCHEDULE_PRECISION_SECONDS - 1))
        said = datetime.fromtimestamp(minute, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for seconds in late:
            world.scheduler.at(minute + seconds, lambda: self._fire(said))

    def _fire(self, said: str) -> None:
        self._world.invariants.on_tick()
        self._world.account.send("poller", self._event(said))

    def _event(self, said: str) -> dict[str, Any]:
        """Return a tick; whatever is no message of a queue is one, too."""
        world = self._world
        if world.is_stormy and world.random.random() < world.weather.junk:
            world.excuse("a tick without its minute")
            world.queues["rounds"].send(world.random.choice(JUNK), 0)
            world.queues["copies"].send(world.random.choice(JUNK), 0)
            return dict(world.random.choice(_NO_TICKS))
        return {"scheduled_time": said}


JUNK = (
    *("null", "[]", "{}", "{", '"a text"', "x" * 100_000, '{"segment": 3, "segments": 2}'),
    '{"segment": 0, "segments": 1, "after": 5, "until": 6, "ends_at": 6}',
    '{"segment": -1, "segments": 1, "after": 5, "until": 6, "ends_at": 6}',
    '{"task_id": "task_9_unheard_of", "lease": "word", "video_url": "https://cdn.example.com/x"}',
    '{"task_id": "task_0_good", "lease": "", "video_url": ""}',
)
"""Messages that nobody of ours sent."""
_NO_TICKS: tuple[dict[str, Any], ...] = (
    *({}, {"scheduled_time": "<aws.scheduler.scheduled-time>"}, {"scheduled_time": 7}, {"Records": "none"}),
    {"scheduled_time": "1970-01-01T00:00:00Z", "segment": 5},
)
