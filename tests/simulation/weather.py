"""What may go wrong in one world, and how often; each seed draws its own mixture, calm ones among them."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from random import Random

KINDS_OF_CALL = (
    "intake: UpdateItem",
    "announcer: Publish",
    *(f"poller: {operation}" for operation in ("GetParameter", "Scan", "ask", "UpdateItem")),
    *(f"poller: {operation}" for operation in ("SendMessage", "SendMessageBatch")),
    *(f"copier: {operation}" for operation in ("GetItem", "HeadObject", "GET", "PutObject", "UpdateItem")),
    *(f"copier: {operation}MultipartUpload" for operation in ("Create", "Complete", "Abort")),
    *(f"copier: {operation}" for operation in ("UploadPart", "GetParameter")),
)
"""All calls that the functions make to AWS and by HTTP."""

_FEW_TASKS = 4
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


class Trouble(StrEnum):
    """What lasts for a while, from minutes to days, and not a call at a time."""

    SCHEDULE_OFF = "the schedule is off"
    ROUNDS_OFF = "the mapping of the rounds is off"
    COPIES_OFF = "the mapping of the copies is off"
    INTAKE_OFF = "the stream of Intake is off"
    ANNOUNCER_OFF = "the stream of the Announcer is off"
    FOREIGN_KEY = "the key is of another account"
    OUTAGE = "CometAPI is down"
    TABLE_DOWN = "the table takes no writes"
    AMNESIA = "CometAPI denies what it knows"
    FORGETFUL = "CometAPI knows no more what it reported on"
    PURGE = "the queues are purged"


_LONGEST = {Trouble.AMNESIA: 6 * _MINUTE, Trouble.TABLE_DOWN: 20 * _MINUTE, Trouble.PURGE: 1.0}
"""CometAPI's were seen to last for six minutes. A table that lets every write of hours fail is given up by nobody here:
what the stream's readers give up is another trouble."""


@dataclass(frozen=True, slots=True)
class Spell:
    """One trouble, from and until so many seconds after the world's beginning."""

    trouble: Trouble
    begins: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Rates are shares of all calls (or of all messages), times in seconds; what is not said is calm."""

    tasks: int
    storm_seconds: float
    """After them no call goes wrong any more, and when the last spell is over, nothing may be lost."""
    spells: tuple[Spell, ...] = ()
    outage: str = "502"
    crash: float = 0.0
    crash_at_kind: str = ""
    """The kind of call at which a function surely dies, once."""
    refused: float = 0.0
    answer_lost: float = 0.0
    repeated: float = 0.0
    slow: float = 0.0
    slowness: float = 0.0
    """How many times 3 ms of a whole core a call costs, of which a function has its share."""
    answer_seconds: float = 0.0
    """How long CometAPI takes."""
    host_seconds: float = 0.0
    """How long the host of a video takes for an answer."""
    junk: float = 0.0
    """How often a message or an event is none of ours."""
    switch: float = 0.0
    """How often others may go on at a call, although the caller could."""
    stale: float = 0.0
    stale_seconds: float = 0.0
    page_size: int = 1000
    account_limit: float = inf
    others_busy: float = 0.0
    """How often the account's other functions have taken all places that its limit leaves."""
    most_copiers: int
    environment_seconds: float = 600.0
    """How long an environment that nobody needs is kept."""
    has_sockets: bool = False
    """CometAPI is asked through urllib3, whose connections die while an environment is frozen."""
    message_late: float = 0.2
    message_twice: float = 0.0
    tick_offset: float = 0.0
    tick_jitter: float = 0.0
    tick_twice: float = 0.0
    tick_lost: float = 0.0
    interval: int
    concurrency: int
    tasks_per_worker: int
    most_workers: int
    provider_trouble: float = 0.0
    host_trouble: float = 0.0
    url_seconds: float = _DAY
    urls_are_new: bool = True
    """Each answer has another one, or all have the first one."""
    user_is_busy: float = 0.0

    @property
    def has_foreign_key(self) -> bool:
        return any(spell.trouble is Trouble.FOREIGN_KEY for spell in self.spells)

    @property
    def is_prompt(self) -> bool:
        """A round can ask about all tasks well before the next one begins."""
        seconds = self.answer_seconds + 0.1 * self.slowness
        return self.tasks * seconds / min(self.concurrency, self.tasks) < self.interval / 3

    @property
    def ends(self) -> float:
        """When the last trouble is over, in seconds after the world's beginning."""
        return max(self.storm_seconds, *(spell.ends for spell in self.spells), 0.0)


def draw(random: Random) -> Weather:
    """Draw the weather of one world."""

    def sometimes(*rates: float) -> float:
        return random.choice((0.0, *rates))

    tick_lost = random.choice((0.0, 0.0, 0.0, 0.85))
    storm_seconds = 2700 if tick_lost else random.choice((120, 300, 600))
    offset = random.choice((0.0, 0.0, 45.0, 59.0))
    urls_are_new = random.random() < 0.7
    tasks = _tasks(random)
    return Weather(
        tasks=tasks,
        storm_seconds=storm_seconds,
        spells=_spells(random, storm_seconds),
        outage=random.choice(("502", "429", "html", "timeout", "401", "403", "another id", "no word")),
        crash=sometimes(0.005, 0.02, 0.06),
        crash_at_kind=random.choice((*KINDS_OF_CALL, "", "", "", "", "")),
        refused=sometimes(0.01, 0.1),
        answer_lost=sometimes(0.01, 0.1),
        repeated=sometimes(0.02, 0.1),
        slow=sometimes(0.02, 0.1),
        slowness=random.choice((0.0, 0.0, 0.0, 0.0, 1.0, 5.0)),
        answer_seconds=random.choice((0.0, 0.0, 0.0, 0.0, 0.3, 14.0)),
        host_seconds=random.choice((0.0, 0.0, 0.0, 20.0)),
        junk=sometimes(0.0, 0.0, 0.1),
        switch=random.choice((0.05, 0.3, 1.0)),
        stale=sometimes(0.2, 0.6),
        stale_seconds=random.choice((1.0, 20.0, 90.0)),
        page_size=random.choice((1, 2, 100)) if tasks <= _FEW_TASKS else 10,
        account_limit=random.choice((10, 20, inf, inf)),
        others_busy=sometimes(0.0, 0.05, 0.3),
        most_copiers=random.choice((2, 5, 5)),
        environment_seconds=random.choice((0.0, 70.0, *(600.0,) * 3, *(_HOUR,) * 5)),
        has_sockets=random.random() < 0.06,
        message_late=random.choice((0.2, 2.0, 60.0, 290.0)),
        message_twice=sometimes(0.1, 0.5),
        tick_offset=offset,
        tick_jitter=random.choice((0.0, 59.0 - offset)),
        tick_twice=sometimes(0.1, 0.5),
        tick_lost=tick_lost,
        interval=random.choice((15, 30, 60)),
        concurrency=3,
        tasks_per_worker=random.choice((1, 2, 2000, 2000)),
        most_workers=random.choice((2, 8)),
        provider_trouble=sometimes(0.05, 0.3),
        host_trouble=sometimes(0.05, 0.4),
        url_seconds=random.choice((600.0, _DAY)) if urls_are_new else _DAY,
        urls_are_new=urls_are_new,
        user_is_busy=random.choice((0.0, 0.5, 1.0)),
    )


def _tasks(random: Random) -> int:
    """Draw how many tasks there are: mostly a few, since each costs time; at times as many as it takes to wait."""
    if random.random() < 0.025:
        return min(random.randint(5, 40), random.randint(5, 40))
    return random.choice((1, 1, 1, 2, 2, 3, 4))


def _spells(random: Random, storm_seconds: float) -> tuple[Spell, ...]:
    drawn = random.random()
    if drawn < 0.08:
        return _keys(random, storm_seconds)
    if drawn < 0.6:
        return ()
    spells: list[Spell] = []
    for _ in range(random.choice((1, 1, 2))):
        trouble = random.choice(list(Trouble))
        lasts = min(_LONGEST.get(trouble, inf), _lasting(random))
        begins = random.random() * storm_seconds
        if not any(spell.trouble is trouble for spell in spells):
            spells.append(Spell(trouble, begins, begins + lasts))
    return tuple(spells)


def _keys(random: Random, storm_seconds: float) -> tuple[Spell, ...]:
    """Draw worlds in which another account's key comes and goes, beside CometAPI's own bad minutes."""
    begins = random.random() * storm_seconds * 0.3
    ends = begins + _lasting(random)
    again = ends + random.random() * 10 * _MINUTE
    spells = [
        Spell(Trouble.FOREIGN_KEY, begins, ends),
        Spell(Trouble.AMNESIA, ends + 10, ends + 10 + random.random() * _LONGEST[Trouble.AMNESIA]),
        Spell(Trouble.FOREIGN_KEY, again, again + 15 * _MINUTE),
    ]
    return tuple(spells[: random.choice((1, 2, 3))])


def _lasting(random: Random) -> float:
    """Draw how long a trouble lasts: minutes, at times hours or days."""
    long = random.choice((2 * _HOUR, 5 * _HOUR, 2.2 * _DAY))
    return random.choice((5 * _MINUTE, 20 * _MINUTE, 20 * _MINUTE, long))
