"""Running one seed: a storm, then calm for as long as work is left, then the reckoning."""

from math import inf

from shared.task import RETRY
from tests.simulation.functions import standing_in
from tests.simulation.owner import Owner
from tests.simulation.renders import Kind
from tests.simulation.weather import Spell
from tests.simulation.world import EPOCH, World

_MINUTE = 60.0
_CALM_SECONDS = 9 * 86400.0
"""Longer than it takes until silence ends a task."""
_DENSE_SECONDS = 5 * _MINUTE
"""So long every minute ticks after anything began or ended; then a few do now and then, for it is always the same."""
_BURST_MINUTES = 4
"""Within them everybody is asked about once."""
_LONGEST_GAP_SECONDS = 12 * 3600.0
_STUDIED_SECONDS = 3600.0
"""After it the owner puts one more task, so that the key gets a report and denials mean something."""
_PROOFS = 2
"""An environment may never hear of the first, where there are many."""
_PROVING_SECONDS = 1500.0
"""How long that one renders, and is reported on."""
_OPERATOR_SECONDS = 600.0
_OFTEN_THERE = frozenset({"user", "poller"})


def run(seed: int) -> World:
    """Let the world of a seed run to its end; its invariants tell what was violated."""
    world = World(seed)
    for number in range(world.weather.tasks):
        Owner(world, number)
    with standing_in(world):
        Life(world)
        world.scheduler.run(inf)
        if not world.invariants.violation:
            world.invariants.at_the_end()
        world.scheduler.end()
    return world


class Life:
    """Lets minute after minute pass until nothing is left to do."""

    def __init__(self, world: World) -> None:
        weather = world.weather
        self._world = world
        self._ends = EPOCH + weather.ends
        self._edges = [EPOCH, EPOCH + weather.storm_seconds]
        self._proofs = 0
        self._gap = 2 * _BURST_MINUTES * _MINUTE
        self._minutes = 0
        self._operated_at = 0.0
        for spell in weather.spells:
            self._plan(spell)
        world.scheduler.at(EPOCH + weather.storm_seconds, self._end_storm)
        world.scheduler.at(EPOCH, self._minute)

    def _plan(self, spell: Spell) -> None:
        world = self._world
        self._edges += [EPOCH + spell.begins, EPOCH + spell.ends]
        world.scheduler.at(EPOCH + spell.begins, lambda: world.set_trouble(spell.trouble, is_on=True))
        world.scheduler.at(EPOCH + spell.ends, lambda: world.set_trouble(spell.trouble, is_on=False))

    def _end_storm(self) -> None:
        self._world.is_stormy = False
        self._world.stormy_until = self._world.scheduler.now
        self._world.note("the storm is over")

    def _minute(self) -> None:
        """Let the schedule fire, or skip what would be the same again and again."""
        world, now = self._world, self._world.scheduler.now
        if now >= self._ends:
            self._operate()
            if self._is_over() or now > self._ends + _CALM_SECONDS:
                world.scheduler.stop()
                return
            self._prove()
        following = self._following()
        if following > now + _MINUTE:
            world.excuse("nobody was asked about", following)
        else:
            self._minutes += 1
            world.schedule.minute(now)
        world.scheduler.at(max(following, now + _MINUTE), self._minute)

    def _following(self) -> float:
        """Return the next minute worth a tick; this spares the simulation, not the functions."""
        world, now = self._world, self._world.scheduler.now
        roles = {fiber.process.role for fiber in world.scheduler.fibers}
        is_busy = world.stream.is_moving or not roles <= _OFTEN_THERE
        if world.is_stormy or is_busy:
            return now
        if any(edge <= now < edge + _DENSE_SECONDS for edge in self._edges):
            self._minutes = 0
        leases = (int(item.get("lease_until", {"N": "0"})["N"]) for item in world.store.pending.values())
        soonest = min(leases, default=now + self._gap)
        if soonest > now + _MINUTE:
            self._minutes = 0
        elif self._minutes >= _BURST_MINUTES:
            soonest = now + self._gap
            self._gap = min(_LONGEST_GAP_SECONDS, 2 * self._gap)
            self._minutes = 0
        soonest = min([soonest, *(edge for edge in self._edges if edge > now)])
        return EPOCH + (soonest - EPOCH) // _MINUTE * _MINUTE

    def _is_over(self) -> bool:
        return not self._world.scheduler.fibers and not self._world.stream.is_busy and not self._unfinished()

    def _unfinished(self) -> list[str]:
        return [
            key
            for key, item in self._world.store.items.items()
            if "ended_at" not in item or item.get("status", {}).get("S") == RETRY
        ]

    def _prove(self) -> None:
        """Have good tasks reported on where an unknown one is left, which must not fail to end for want of that."""
        world = self._world
        is_denied = any(world.renders[key].kind is Kind.UNKNOWN for key in world.store.pending)
        is_due = world.scheduler.now > self._ends + (1 + self._proofs) * _STUDIED_SECONDS
        if is_denied and is_due and self._proofs < _PROOFS:
            Owner(world, world.weather.tasks + self._proofs, Kind.GOOD, _PROVING_SECONDS)
            self._edges += [world.scheduler.now + number * _DENSE_SECONDS for number in range(4)]
            self._proofs += 1

    def _operate(self) -> None:
        """Do as the runbook says about what the readers of the stream gave up, or never saw: admit it as it is.

        Intake decides from the item itself, so that this is safe at any time.
        """
        world = self._world
        lost = [key for role, key in world.lost_records if role == "intake"]
        keys = dict.fromkeys([*(record.key for record in world.stream.given_up["intake"]), *lost])
        images = [world.store.items[key] for key in self._unfinished() if key in keys]
        if images and world.scheduler.now >= self._operated_at + _OPERATOR_SECONDS:
            self._operated_at = world.scheduler.now
            contents = ({"SequenceNumber": str(n), "NewImage": image} for n, image in enumerate(images))
            event = {"Records": [{"eventID": "again", "dynamodb": content} for content in contents]}
            world.note("admits what was forgotten", str(list(keys)))
            world.account.invoke("intake", event, lambda _: None)
