"""Many videos at once in a small account where nothing goes wrong: how long each waits, in simulated time."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import inf

from tests.simulation.functions import standing_in
from tests.simulation.renders import Kind, Render, video
from tests.simulation.terms import RUNS
from tests.simulation.weather import Weather
from tests.simulation.world import EPOCH, World
from tests.template import default

ACCOUNT_LIMIT = 10
"""Concurrent executions of a new account, as its owners report."""

_MINUTE = 60.0
_RENDER_SECONDS = 120.0
_BETWEEN_TICKS = 20.0
"""When the first task is put. Where a tick finds some of many tasks, the next minute is planned twice."""
_POLLS_SLOWLY = 1.0
"""A call takes the Poller 14 ms of its share: as much as is measured for what a hand-off writes, four times what is
measured for a question."""


@dataclass(slots=True)
class Video:
    """One finished render, `seconds` what its copy takes; times in seconds after the first one could be finished.

    Where that is longer than a Copier lives, the host says nothing until it is killed, and it never is a video.
    """

    done_at: float
    seconds: float
    begun_at: float = inf
    """When the first Copier began, infinity where none did."""
    stored_at: float = inf

    @property
    def is_poisoned(self) -> bool:
        return self.seconds >= RUNS["copier"].timeout


class Burst:
    """A world of these videos, with a tick each minute until all have ended; tells each when it was copied."""

    def __init__(self, videos: Iterable[Video]) -> None:
        self._videos = {f"task_{number}": video for number, video in enumerate(videos)}
        self.world = World(0, _calm(len(self._videos)))

    def run(self) -> None:
        world = self.world
        world.is_stormy, world.stormy_until = False, EPOCH
        for task_id, each in self._videos.items():
            world.scheduler.at(EPOCH + _BETWEEN_TICKS + each.done_at, partial(self._put, task_id, each))
        with standing_in(world):
            world.scheduler.at(EPOCH, self._minute)
            world.scheduler.run(inf)
            if not world.invariants.violation:
                world.invariants.at_the_end()
            world.scheduler.end()
        for task_id, each in self._videos.items():
            each.begun_at = self._first(task_id, "copy_attempts")
            each.stored_at = self._first(task_id, "s3_uri")

    def _put(self, task_id: str, each: Video) -> None:
        world = self.world
        kind = Kind.NOT_A_VIDEO if each.is_poisoned else Kind.GOOD
        body = video(task_id, world.random)
        world.renders[task_id] = Render(task_id, kind, world.scheduler.now, _RENDER_SECONDS, body, each.seconds)
        world.keys[task_id] = f"videos/{task_id}.mp4"
        world.store.put(task_id, {"task_id": {"S": task_id}})

    def _minute(self) -> None:
        world = self.world
        is_all_put = len(world.renders) == len(self._videos)
        if is_all_put and not (world.store.pending or world.scheduler.fibers or world.stream.is_busy):
            world.scheduler.stop()
            return
        world.schedule.minute(world.scheduler.now)
        world.scheduler.at(world.scheduler.now + _MINUTE, self._minute)

    def _first(self, task_id: str, attribute: str) -> float:
        """Return when an item first had an attribute."""
        first = next((at for at, item in self.world.store.versions[task_id] if item and attribute in item), inf)
        return first - EPOCH - _BETWEEN_TICKS - _RENDER_SECONDS


def _calm(tasks: int) -> Weather:
    return Weather(
        tasks=tasks,
        storm_seconds=0.0,
        slowness=_POLLS_SLOWLY,
        answer_seconds=0.2,
        account_limit=ACCOUNT_LIMIT,
        most_copiers=default("MaxCopiers"),
        interval=default("PollIntervalSeconds"),
        concurrency=default("MaxConcurrentPolls"),
        tasks_per_worker=default("TasksPerWorker"),
        most_workers=default("MaxWorkers"),
    )
