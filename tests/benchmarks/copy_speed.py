"""Wall time of a copy, from a video host to S3: the Copier's against the usual ways to do it."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.copy_contenders import OURS, RCLONE, Copy, download, in_python
from tests.benchmarks.copy_origin import THROTTLE, Origin, origin, write_video
from tests.benchmarks.copy_servers import BUCKET, Rclone, rclone_daemon, s3_server, temporary_folder, versions
from tests.benchmarks.report import Finding, Goal, Row

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UNTHROTTLED_TURNS = {8: 24, 30: 18, 100: 12}
THROTTLED_TURNS = {8: 5, 30: 3, 100: 1}
"""By megabytes; what Linux paces is the same each time."""
THROTTLED_GOALS = {8: 3.0, 30: 5.0}

_BEST = "the best peer"
_DOWNLOAD = "limit of one connection: curl to /dev/null"
_UPLOAD = "limit of S3: put_object from memory"
_PASS_ON = "limit of passing on: rclone rcd, running"
_LIMITS = (_DOWNLOAD, _UPLOAD, _PASS_ON)
_HOW = (
    "Wall time from the request for a video until S3 has confirmed it, over plain HTTP on loopback, {speed}; the "
    "contenders take turns ({turns}), in an order that changes, and each object is compared with the video. "
    "`rclone copyurl` is a command and starts anew for each video; the others keep their clients from one to the next. "
    "The best peer is the one with the lowest median for that size, but no limit. The limits: to receive a video "
    "(curl, without its start), to send one that is in memory to S3, and to pass it on as it arrives, unseen, by an "
    "rclone that runs already. All servers share the machine's cores with the contenders. {versions}."
)

type Times = dict[int, dict[str, list[float]]]
"""Seconds, by megabytes and contender."""


def unthrottled() -> Finding:
    """Measure with an origin that sends as fast as it can."""
    times = _measure(lambda servers: servers.unthrottled, UNTHROTTLED_TURNS)
    goals = [
        Goal(f"{size} MB: {OURS} / {peer}", _ratio(times[size], OURS, peer), at_most=1.1)
        for size, peer in _best_peers(times).items()
    ]
    how = _how("as fast as nginx sends", UNTHROTTLED_TURNS)
    return Finding("Copying a video", "s", _BEST, how, _rows(times), goals)


def throttled() -> Finding:
    """Measure with an origin that gives each connection THROTTLE."""
    times = _measure(lambda servers: servers.throttled, THROTTLED_TURNS)
    peers = _best_peers(times)
    goals = [
        Goal(f"{size} MB: {peers[size]} / {OURS}", _ratio(times[size], peers[size], OURS), at_least=least)
        for size, least in THROTTLED_GOALS.items()
    ]
    how = _how(f"{THROTTLE / 1e6:g} MB/s for each connection to nginx, paced by Linux", THROTTLED_TURNS)
    return Finding(f"Copying a video at {THROTTLE / 1e6:g} MB/s a connection", "s", _BEST, how, _rows(times), goals)


def _measure(choose: Callable[[Origin], str], turns: Mapping[int, int]) -> Times:
    with (
        temporary_folder() as folder,
        s3_server() as s3,
        rclone_daemon(s3.meta.endpoint_url) as daemon,
        origin(folder) as servers,
    ):
        command = Rclone.beside(s3.meta.endpoint_url)
        copies = {**in_python(s3), RCLONE: command.copy_url, _PASS_ON: daemon.copy_url}
        _race(s3, copies, servers.unthrottled, folder, 1_000_000, turns=1)  # makes connections, fills caches
        times: Times = {}
        for megabytes, count in turns.items():
            times[megabytes] = _race(s3, copies, choose(servers), folder, megabytes * 1_000_000, count)
    return times


def _race(
    s3: "S3Client", copies: Mapping[str, Copy], base_url: str, folder: Path, size: int, turns: int
) -> dict[str, list[float]]:
    video = b"".join(write_video(folder, size).chunks(0, size))
    url = f"{base_url}/{size}.mp4"
    stored = {**copies, _UPLOAD: _from_memory(s3, video)}
    times: dict[str, list[float]] = {name: [] for name in (*stored, _DOWNLOAD)}
    for turn in range(turns):
        for name in order([*stored], turn):
            times[name].append(_store(s3, stored[name], url, video))
        times[_DOWNLOAD].append(download(url))
    return times


def order(names: list[str], turn: int) -> list[str]:
    """Return a turn's order; over as many turns as there are names each follows each other one once (E. J. Williams).

    The S3 server goes on working for a while after each copy, so it matters whom one follows. For even numbers only.
    """
    zigzag = (-(step // 2 + 1) if step % 2 else step // 2 for step in range(len(names)))
    return [names[(step + turn) % len(names)] for step in zigzag]


def _store(s3: "S3Client", copy: Copy, url: str, video: bytes) -> float:
    key = f"{time.monotonic_ns()}.mp4"
    started = time.perf_counter()
    copy(url, key)
    seconds = time.perf_counter() - started
    if s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() != video:
        raise ValueError(f"another object than the video of {len(video)} bytes was stored")
    s3.delete_object(Bucket=BUCKET, Key=key)
    return seconds


def _from_memory(s3: "S3Client", video: bytes) -> Copy:
    def put(_: str, key: str) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=video)

    return put


def _how(speed: str, turns: Mapping[int, int]) -> str:
    counts = ", ".join(f"{count} for {size} MB" for size, count in turns.items())
    return _HOW.format(speed=speed, turns=counts, versions=versions())


def _best_peers(times: Times) -> dict[int, str]:
    return {
        size: min(by_name.keys() - {OURS, *_LIMITS}, key=lambda name: statistics.median(by_name[name]))
        for size, by_name in times.items()
    }


def _ratio(times: dict[str, list[float]], name: str, other: str) -> float:
    return statistics.median(times[name]) / statistics.median(times[other])


def _rows(times: Times) -> list[Row]:
    best = _best_peers(times)
    return [
        Row(
            f"{size} MB, {name}", statistics.median(values), min(values), max(values), _ratio(by_name, name, best[size])
        )
        for size, by_name in times.items()
        for name, values in by_name.items()
    ]
