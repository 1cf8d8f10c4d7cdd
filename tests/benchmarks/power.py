"""Power tuning: wall time and dollars of each function's standard work at various sizes, under the share of each.

In the manner of aws-lambda-power-tuning. What a function costs is memory times time: while it computes the same at
each size, while it waits the less the smaller it is.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from infra.local.ministack import ROOT
from tests.benchmarks import prices
from tests.benchmarks.copy_origin import origin, write_video
from tests.benchmarks.copy_servers import BUCKET, s3_server, temporary_folder
from tests.benchmarks.functions import environment, memory_of, message
from tests.benchmarks.polls_a_minute import round_at
from tests.benchmarks.report import Finding, Goal, Row
from tests.benchmarks.servers import Cloud, cloud, new_item
from tests.benchmarks.share import how
from tests.template import default

SIZES = (128, 192, 256, 512, 1024, 1769)
LATENCY = 0.2
REPETITIONS = 3
QUIET_TASKS, BATCH, VIDEO_MEGABYTES = 10, 10, 20

_HOW = (
    "{what} Wall time of the handler in one warm process under the share of each size in turn ({share}), AWS and "
    "CometAPI over TLS outside; CometAPI answers after {latency:g} ms, AWS after 5. Dollars for 1,000 invocations, "
    "by Lambda's price alone, without the free tier. {repetitions} repetitions, the first invocation left out. "
    "{memory}"
)


def run() -> dict[str, Finding]:
    """Measure all four; the Poller twice."""
    tasks = default("TasksPerWorker")
    with cloud() as servers:
        return {
            "power_poller": _tuned(
                servers,
                "Poller",
                f"a round of {tasks:,} tasks",
                f"One round of TasksPerWorker tasks ({tasks:,}), every fourth of which is written.",
                _round(servers, tasks),
                limit=float(default("PollIntervalSeconds")),
            ),
            "power_poller_quiet": _tuned(
                servers,
                "Poller",
                f"a round of {QUIET_TASKS} tasks",
                f"One round of {QUIET_TASKS} tasks, as most are: the Poller waits for CometAPI.",
                _round(servers, QUIET_TASKS),
            ),
            "power_copier": _copier(servers),
            "power_intake": _tuned(
                servers,
                "Intake",
                f"{BATCH} inserted items",
                f"A batch of {BATCH} inserted items, each of which is admitted.",
                _stream(servers, lambda: [_inserted(number) for number in range(BATCH)]),
            ),
            "power_announcer": _tuned(
                servers,
                "Announcer",
                f"{BATCH} endings",
                f"A batch of {BATCH} tasks that end, each of which is announced.",
                _stream(servers, lambda: [_ended(number) for number in range(BATCH)]),
            ),
        }


def _round(servers: Cloud, tasks: int) -> Callable[[], object]:
    def event() -> object:
        servers.load(tasks, latency=LATENCY, steady=True)
        return message(round_at(int(time.time()), default("PollIntervalSeconds"), 600).body())

    return event


def _stream(servers: Cloud, records: Callable[[], list[dict[str, Any]]]) -> Callable[[], object]:
    def event() -> object:
        made = records()
        images = [record["dynamodb"]["NewImage"] for record in made]
        servers.load(0, latency=LATENCY, further=images)
        return {"Records": made}

    return event


def _inserted(number: int) -> dict[str, Any]:
    item = {"task_id": {"S": f"task_{number:032d}"}, "s3_key": {"S": f"trailer/{number}.mp4"}}
    return _record(number, "INSERT", {"NewImage": item})


def _ended(number: int) -> dict[str, Any]:
    now = int(time.time())
    pending = new_item(f"task_{number:032d}", now - 300)
    ended = {name: value for name, value in pending.items() if name != "pending_since"} | {
        "status": {"S": "SUCCESS"},
        "ended_at": {"N": str(now)},
        "s3_uri": {"S": f"s3://videos/{number}.mp4"},
    }
    return _record(number, "MODIFY", {"OldImage": pending, "NewImage": ended})


def _record(number: int, name: str, images: dict[str, Any]) -> dict[str, Any]:
    (known, *_) = json.loads((ROOT / "events" / "stream.json").read_text())["Records"]
    change = known["dynamodb"] | {"Keys": {"task_id": {"S": f"task_{number:032d}"}}, "SequenceNumber": str(number)}
    change.pop("OldImage", None)
    record: dict[str, Any] = known | {"eventName": name, "eventID": str(number), "dynamodb": change | images}
    return record


def _copier(servers: Cloud) -> Finding:
    size = VIDEO_MEGABYTES * 1_000_000
    with _hosts(servers, size) as (s3_url, video_url, forget):

        def event() -> object:
            forget()
            task_id, word = f"task_{0:032d}", "word"
            leased = {
                "status": {"S": "COPYING"},
                "lease": {"S": word},
                "lease_until": {"N": str(int(time.time()) + 9999)},
            }
            servers.load(0, latency=LATENCY, further=[new_item(task_id, int(time.time()) - 300) | leased])
            return message(json.dumps({"task_id": task_id, "lease": word, "video_url": video_url}))

        return _tuned(
            servers,
            "Copier",
            f"a video of {VIDEO_MEGABYTES} MB",
            f"One video of {VIDEO_MEGABYTES} MB, from nginx to SeaweedFS on this machine.",
            event,
            settings={"AWS_ENDPOINT_URL_S3": s3_url, "VIDEOS_BUCKET": BUCKET},
        )


@contextmanager
def _hosts(servers: Cloud, size: int) -> Iterator[tuple[str, str, Callable[[], None]]]:
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        s3 = stack.enter_context(s3_server(servers.certificate))
        hosts = stack.enter_context(origin(folder, servers.certificate))
        write_video(folder, size)

        def forget() -> None:
            s3.delete_object(Bucket=BUCKET, Key=f"videos/task_{0:032d}.mp4")

        yield s3.meta.endpoint_url, f"{hosts.unthrottled}/{size}.mp4", forget


def _tuned(
    servers: Cloud,
    function: str,
    work: str,
    what: str,
    event: Callable[[], object],
    *,
    limit: float | None = None,
    settings: dict[str, str] | None = None,
) -> Finding:
    chosen, rows = memory_of(function), []
    with environment(function, servers, max(SIZES), settings) as process:
        process.run(event())
        for memory in sorted({*SIZES, chosen}):
            process.resize(memory)
            usages = [process.run(event()) for _ in range(REPETITIONS)]
            walls = [usage.wall for usage in usages]
            median = statistics.median(walls)
            rows.append(Row(f"{memory} MB", median, min(walls), max(walls), 1.0, dollars=1000 * price(median, memory)))
    megabytes = usages[-1].megabytes
    at_chosen = next(row for row in rows if row.name == f"{chosen} MB")
    rows = [Row(r.name, r.median, r.lowest, r.highest, r.median / at_chosen.median, r.dollars) for r in rows]
    held = f"The process never held more than {megabytes:.0f} MiB."
    told = _HOW.format(what=what, share=how(), latency=LATENCY * 1000, repetitions=REPETITIONS, memory=held)
    goals = [Goal(f"seconds at {chosen} MB", at_chosen.median, at_most=limit)] if limit else []
    goals.append(Goal(f"MiB held, of {chosen}", megabytes, at_most=float(chosen)))
    return Finding(f"Power tuning of {function}: {work}", "s", f"{chosen} MB, as chosen", told, rows, goals)


def price(seconds: float, memory: int) -> float:
    """Return what an invocation costs in dollars; Lambda bills each begun millisecond."""
    billed = -(-seconds * 1000 // 1) / 1000
    return prices.LAMBDA_REQUEST.dollars + billed * memory / 1024 * prices.LAMBDA_SECOND.dollars
