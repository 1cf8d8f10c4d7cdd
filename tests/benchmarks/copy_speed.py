"""Wall time of a copy, from a video host to S3, over TLS: the Copier's under its share, and the usual ways'."""

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import certificate
from tests.benchmarks.copy_contenders import BOTO3, FROM_MEMORY, LIMITS, OURS, RCLONE, SMART_OPEN
from tests.benchmarks.copy_origin import THROTTLE, Origin, origin, write_video
from tests.benchmarks.copy_servers import BUCKET, s3_server, temporary_folder, versions
from tests.benchmarks.copying import CopyingProcess, copying_process
from tests.benchmarks.functions import memory_of
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.share import how

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENDERS = (OURS, BOTO3, SMART_OPEN, RCLONE)
UNTHROTTLED_TURNS = {8: 12, 30: 12, 100: 12}
THROTTLED_TURNS = {8: 4, 30: 4, 100: 1}
"""By megabytes; what Linux paces is the same each time."""
THROTTLED_GOALS = {30: 5.0}

_BEST = "the best peer"
_HOW = (
    "Wall time from the request for a video until S3 has confirmed it, over TLS on loopback, {speed}. Each contender "
    "has a process of its own under the Copier's share of a core ({memory} MB, {share}); the servers are outside. They "
    "take turns ({turns}), in an order that changes, and each object is compared with the video. `rclone copyurl` is a "
    "command and starts anew for each video; the others keep their clients from one to the next. The best peer is the "
    "one with the lowest median for that size, but no limit. {versions}."
)

type Seconds = dict[int, dict[str, list[float]]]
"""By megabytes and contender."""


def unthrottled() -> Finding:
    """Measure with an origin that sends as fast as it can."""
    times = _measure(lambda servers: servers.unthrottled, UNTHROTTLED_TURNS, (*CONTENDERS, FROM_MEMORY))
    goals = [
        Goal(f"{size} MB: {OURS} / {peer}", _ratio(times[size], OURS, peer), at_most=1.1)
        for size, peer in _best_peers(times).items()
    ]
    told = _how("as fast as nginx sends", UNTHROTTLED_TURNS)
    return Finding("Copying a video under the Copier's share", "s", _BEST, told, _rows(times), goals)


def throttled() -> Finding:
    """Measure with an origin that gives each connection THROTTLE."""
    times = _measure(lambda servers: servers.throttled, THROTTLED_TURNS, CONTENDERS)
    peers = _best_peers(times)
    goals = [
        Goal(f"{size} MB: {peers[size]} / {OURS}", _ratio(times[size], peers[size], OURS), at_least=least)
        for size, least in THROTTLED_GOALS.items()
    ]
    speed = f"{THROTTLE / 1e6:g} MB/s"
    told = _how(f"{speed} for each connection to nginx, paced by Linux", THROTTLED_TURNS)
    return Finding(f"Copying a video at {speed} a connection", "s", _BEST, told, _rows(times), goals)


def order(names: list[str], turn: int) -> list[str]:
    """Return a turn's order; over as many turns as there are names each follows each other one once (E. J. Williams).

    The S3 server goes on working for a while after each copy, so it matters whom one follows. For even numbers only.
    """
    zigzag = (-(step // 2 + 1) if step % 2 else step // 2 for step in range(len(names)))
    return [names[(step + turn) % len(names)] for step in zigzag]


def _measure(choose: Callable[[Origin], str], turns: Mapping[int, int], names: tuple[str, ...]) -> Seconds:
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        tls = certificate.make(folder)
        s3 = stack.enter_context(s3_server(tls))
        servers = stack.enter_context(origin(folder, tls))
        memory = memory_of("Copier")
        copying = {name: stack.enter_context(copying_process(s3.meta.endpoint_url, tls, memory)) for name in names}
        _race(s3, copying, servers.unthrottled, folder, 1, turns=1)  # makes connections, fills caches
        return {
            megabytes: _race(s3, copying, choose(servers), folder, megabytes, count)
            for megabytes, count in turns.items()
        }


def _race(
    s3: "S3Client", copying: Mapping[str, CopyingProcess], base_url: str, folder: Path, megabytes: int, turns: int
) -> dict[str, list[float]]:
    size = megabytes * 1_000_000
    video = b"".join(write_video(folder, size).chunks(0, size))
    url = f"{base_url}/{size}.mp4"
    if FROM_MEMORY in copying:
        _store(s3, copying[FROM_MEMORY], FROM_MEMORY, url, video)  # has it in memory from now on
    times: dict[str, list[float]] = {name: [] for name in copying}
    even = [*copying, *[""] * (len(copying) % 2)]
    for turn in range(turns):
        for name in filter(None, order(even, turn)):
            times[name].append(_store(s3, copying[name], name, url, video))
    return times


def _store(s3: "S3Client", process: CopyingProcess, name: str, url: str, video: bytes) -> float:
    key = f"{time.monotonic_ns()}.mp4"
    seconds = process.copy(name, url, key).wall
    if s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() != video:
        raise ValueError(f"another object than the video of {len(video)} bytes was stored")
    s3.delete_object(Bucket=BUCKET, Key=key)
    return seconds


def _how(speed: str, turns: Mapping[int, int]) -> str:
    counts = ", ".join(f"{count} for {size} MB" for size, count in turns.items())
    return _HOW.format(speed=speed, memory=memory_of("Copier"), share=how(), turns=counts, versions=versions())


def _best_peers(times: Seconds) -> dict[int, str]:
    return {
        size: min(by_name.keys() - {OURS, *LIMITS}, key=lambda name: statistics.median(by_name[name]))
        for size, by_name in times.items()
    }


def _ratio(times: dict[str, list[float]], name: str, other: str) -> float:
    return statistics.median(times[name]) / statistics.median(times[other])


def _rows(times: Seconds) -> list[Row]:
    best = _best_peers(times)
    return [
        Row(
            f"{size} MB, {name}", statistics.median(values), min(values), max(values), _ratio(by_name, name, best[size])
        )
        for size, by_name in times.items()
        for name, values in by_name.items()
    ]
