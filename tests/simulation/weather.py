"""What may go wrong in one world, and how often; each seed draws its own mixture, calm ones among them."""

from dataclasses import dataclass
from random import Random

KINDS_OF_CALL = (
    "intake: UpdateItem",
    *(f"poller: {operation}" for operation in ("Scan", "ask", "UpdateItem", "Invoke")),
    *(f"copier: {operation}" for operation in ("GetItem", "HeadObject", "GET", "ask", "PutObject", "UpdateItem")),
    *(f"copier: {operation}MultipartUpload" for operation in ("Create", "Complete", "Abort")),
    "copier: UploadPart",
)
"""All calls that the functions make to AWS and by HTTP."""

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Weather:
    """Rates are shares of all calls (or of all events), times in seconds."""

    storm_seconds: float
    """After them nothing goes wrong any more, and nothing may be lost."""
    crash: float
    crash_at_kind: str
    """The kind of call at which a function surely dies, once."""
    refused: float
    answer_lost: float
    repeated: float
    slow: float
    switch: float
    """How often others may go on at a call, although the caller could."""
    stale: float
    stale_seconds: float
    page_size: int
    event_lost: float
    event_twice: float
    event_delay: float
    tick_period: float
    interval: int
    tasks_per_worker: int
    provider_trouble: float
    host_trouble: float
    url_seconds: float
    user_is_busy: float


def draw(random: Random) -> Weather:
    """Draw the weather of one world."""

    def sometimes(*rates: float) -> float:
        return random.choice((0.0, *rates))

    tick_period = random.choice((_MINUTE, _MINUTE, _MINUTE, 7 * _MINUTE))
    return Weather(
        storm_seconds=random.choice((120, 300, 600)) if tick_period == _MINUTE else 2700,
        crash=sometimes(0.005, 0.02, 0.06),
        crash_at_kind=random.choice((*KINDS_OF_CALL, "", "", "", "", "")),
        refused=sometimes(0.01, 0.1),
        answer_lost=sometimes(0.01, 0.1),
        repeated=sometimes(0.02, 0.1),
        slow=sometimes(0.02, 0.1),
        switch=random.choice((0.05, 0.3, 1.0)),
        stale=sometimes(0.2, 0.6),
        stale_seconds=random.choice((1.0, 20.0, 90.0)),
        page_size=random.choice((1, 2, 100)),
        event_lost=sometimes(0.1, 0.3),
        event_twice=sometimes(0.1, 0.5),
        event_delay=random.choice((0.0, 2.0, 60.0, 290.0)),
        tick_period=tick_period,
        interval=random.choice((15, 15, 30, 60)),
        tasks_per_worker=random.choice((1, 2, 2000, 2000)),
        provider_trouble=sometimes(0.05, 0.3),
        host_trouble=sometimes(0.05, 0.4),
        url_seconds=random.choice((0.5, 60.0, 86400.0)),
        user_is_busy=random.choice((0.0, 0.5, 1.0)),
    )
