"""Numbers of the code, of the template and of AWS that only hold together: each link is checked where it would tear."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from botocore.config import Config

from copier import connection, parts, video_bucket
from copier import handler as copier
from copier.copy import UPLOADS
from copier.watch import Patience
from poller import handler as poller
from poller.plan import due, plan, rounds
from shared import api_key
from shared.aws import CLIENT_CONFIG
from shared.comet_api import Report
from shared.comet_api.client import ANSWER_SECONDS
from shared.comet_api.connection import CONNECT_SECONDS
from shared.errors import CopyInterrupted
from shared.lifecycle import LONGEST_URL, MAX_COPY_ATTEMPTS, QUEUE_SECONDS, Limits, begin_copy, decide, interrupt_copy
from shared.queues import COPY_DELAY_SECONDS, CopyMessage, RoundMessage, round_entry
from shared.task import HandOff, Status
from tests.aws_rules import MESSAGE_BYTES
from tests.template import FUNCTIONS, RESOURCES, ROOT, TEMPLATE, load, of_type
from tests.unit.conftest import NOW, pending

MINUTE = 60
URL_SECONDS = 24 * 3600
"""A signed URL lives for so long, as CometAPI's documentation says."""
LATEST_TICK_SECONDS = 59
"""scheduler/latest/UserGuide/schedule-types.html: what is set for 1:00 runs between 1:00:00 and 1:00:59."""
LONGEST_INIT_SECONDS = 10
"""lambda/latest/dg/lambda-runtime-environment.html."""
SECONDS_OF_IMPORTS = 2.5
"""Some 0.7 s, and three times as much again; tests/benchmarks/README.md measures them."""
SECONDS_OF_A_WRITE = 5
"""It takes 10 ms; so much is left for one that is throttled."""
ALARMS = of_type("AWS::CloudWatch::Alarm", load(ROOT / "infra/observability.yaml"))
PARAMETERS = TEMPLATE["Parameters"]
INTERVALS = range(PARAMETERS["PollIntervalSeconds"]["MinValue"], PARAMETERS["PollIntervalSeconds"]["MaxValue"] + 1)
LIMITS = Limits(24 * 3600, 30 * 86400)


def seconds(function: str) -> int:
    """Return a function's time-out."""
    found: int = FUNCTIONS[f"{function}Function"]["Timeout"]
    return found


def retention(queue: str) -> int:
    found: int = RESOURCES[queue]["Properties"]["MessageRetentionPeriod"]
    return found


def mappings() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, function in FUNCTIONS.items():
        for event in function["Events"].values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                yield name, event["Properties"]


# --- Queues and their functions ---


def test_every_function_of_a_queue_ends_before_its_message_comes_back() -> None:
    """lambda/latest/dg/services-sqs-configure.html: else the mapping is refused."""
    found = 0
    for name, mapping in mappings():
        if "Queue" in mapping:
            queue = mapping["Queue"]["GetAtt"].removesuffix(".Arn")
            assert RESOURCES[queue]["Properties"]["VisibilityTimeout"] >= FUNCTIONS[name]["Timeout"]
            found += 1
    assert found == len(of_type("AWS::SQS::Queue")) - 1  # that of the failures is read by people


def test_a_reader_of_the_stream_has_time_for_its_batch() -> None:
    """A record takes it some 10 ms; of a batch that timed out all is read again, and what was done announced twice."""
    for name, mapping in mappings():
        if "Stream" in mapping:
            assert mapping["BatchSize"] * 0.05 < FUNCTIONS[name]["Timeout"] / 2


def test_every_number_is_one_that_aws_takes() -> None:
    """lambda/latest/dg/gettingstarted-limits.html, services-ddb-params.html; SQS API_CreateQueue.html."""
    for function in FUNCTIONS.values():
        assert 1 <= function["Timeout"] <= 900
        assert 128 <= function["MemorySize"] <= 10_240
    for queue in of_type("AWS::SQS::Queue").values():
        assert 60 <= queue["MessageRetentionPeriod"] <= 14 * 86400
        assert 0 <= queue.get("VisibilityTimeout", 30) <= 12 * 3600
    for _, mapping in mappings():
        assert 1 <= mapping["BatchSize"] <= (10 if "Queue" in mapping else 10_000)
        assert 60 <= mapping.get("MaximumRecordAgeInSeconds", 60) <= 7 * 86400
    for alarm in ALARMS.values():
        periods = [alarm.get("Period"), *(m.get("MetricStat", {}).get("Period") for m in alarm.get("Metrics", ()))]
        for period in filter(None, periods):
            assert period % MINUTE == 0
            assert period * alarm["EvaluationPeriods"] <= 86400  # AmazonCloudWatch, API_PutMetricAlarm.html


def test_a_lease_outlasts_its_message() -> None:
    """A lease that passes while the message waits would be handed off a second time."""
    assert retention("CopiesQueue") == QUEUE_SECONDS
    report = Report(word="SUCCESS", status=Status.SUCCESS, video_url="https://v.volces.com/a.mp4")
    hand_off = decide(pending(300), report, NOW, LIMITS)
    assert isinstance(hand_off, HandOff)
    # Sent a moment before the lease is written, or once more after it.
    assert hand_off.set["lease_until"] - NOW >= QUEUE_SECONDS + COPY_DELAY_SECONDS
    # The last message that is received may need all of a Copier's time, and its URL must live; it is hours old by then.
    assert QUEUE_SECONDS + seconds("Copier") < URL_SECONDS / 2 + 3600
    assert 0 < COPY_DELAY_SECONDS <= 5  # every video waits for it


def test_a_copier_holds_its_lease_for_longer_than_it_may_run() -> None:
    begun = begin_copy(pending(300, lease="word"), "word", "own", NOW, seconds("Copier"))
    assert begun.set["lease_until"] - NOW > seconds("Copier")


def test_all_attempts_fit_into_the_life_of_a_url() -> None:
    now, task = NOW, pending(300, lease="word", status="COPYING")
    error = CopyInterrupted("c", "m")
    for _ in range(MAX_COPY_ATTEMPTS):
        task = task.after(begin_copy(task, task.lease or "", "own", now, 60))
        task = task.after(interrupt_copy(task, error, now))
        now = max(now, task.lease_until) + MINUTE
    assert now - NOW < URL_SECONDS / 2


def test_the_largest_message_is_taken() -> None:
    longest = "https://v.volces.com/" + "\u00e9" * LONGEST_URL
    body = CopyMessage("\u00e9" * 2048, "w" * 64, longest, longest).body()
    assert len(body.encode()) < MESSAGE_BYTES


# --- Rounds ---


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("lateness", [0, 1, 30, LATEST_TICK_SECONDS])
def test_every_round_is_there_when_it_begins_and_a_minute_later(interval: int, lateness: int) -> None:
    """Retention counts from sending: what is left after the delay must do for a queue that is looked at by turns."""
    started = NOW // MINUTE * MINUTE + lateness
    for message in plan({"scheduled_time": ""}, 0, started, interval, 1):
        delay = round_entry("0", message, started)["DelaySeconds"]
        assert started + delay == message.until, "a delay that is cut begins its round too early"
        assert delay < 2 * MINUTE
        assert retention("RoundsQueue") >= delay + MINUTE
        assert RoundMessage.read(message.body(), started + retention("RoundsQueue")) == message


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_round_may_take_all_of_its_time(interval: int) -> None:
    minute = NOW // MINUTE * MINUTE
    for message in rounds(minute, interval, 1):
        asks_for = message.ends_at - message.until
        assert asks_for + poller._SECONDS_TO_FINISH <= seconds("Poller")  # noqa: SLF001 - a link


def test_the_last_answer_of_a_round_is_waited_for() -> None:
    """A question that begins at the last moment; the key may be looked up within its time, and once after it."""
    longest_question = ANSWER_SECONDS + longest_call(api_key._STORE_CONFIG)  # noqa: SLF001 - a link
    assert CONNECT_SECONDS < ANSWER_SECONDS
    assert longest_question + SECONDS_OF_A_WRITE <= poller._SECONDS_TO_FINISH  # noqa: SLF001 - a link
    assert seconds("Poller") - poller._SECONDS_TO_FINISH >= MINUTE  # noqa: SLF001 - a link


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("age", [3600, 86400, 6 * 86400])
def test_every_task_is_asked_within_the_period_of_an_alarm(interval: int, age: int) -> None:
    """Else an old task alone would let the alarms on what CometAPI answers forget that it is asked at all."""
    minute = NOW // MINUTE * MINUTE
    tasks = [replace(pending(age), task_id=f"task_{number}") for number in range(20)]
    asked: dict[str, list[int]] = {task.task_id: [] for task in tasks}
    for tick in range(minute, minute + 20 * MINUTE, MINUTE):
        for message in rounds(tick, interval, 1):
            for task in due(tasks, message, message.until, interval):
                asked[task.task_id].append(message.until)
    periods = {
        metric["MetricStat"]["Period"]
        for name in ("KeyRejected", "SuspiciousRounds", "NoReports")
        for metric in ALARMS[name]["Metrics"]
        if "MetricStat" in metric
    }
    for times in asked.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert times[0] - minute + LATEST_TICK_SECONDS <= min(periods)
        assert max(gaps) + LATEST_TICK_SECONDS <= min(periods)
        assert max(gaps) <= max(interval, age * 0.1)


def test_a_tick_has_time_to_plan_the_most_rounds() -> None:
    most = len(plan({}, 0, 0, min(INTERVALS), PARAMETERS["MaxWorkers"]["MaxValue"]))
    assert ceil(most / 10) * 0.1 < seconds("Poller") / 2  # SendMessageBatch takes some 20 ms


# --- Time-outs of what the functions call ---


def longest_call(config: Config) -> float:
    """Return how long a call may take whose service is silent, botocore's pauses included (up to 1, 2, 4, ... s)."""
    made: Any = config
    attempts = made.retries["total_max_attempts"]
    pauses = sum(min(20, 2**number) for number in range(attempts - 1))
    return float(attempts * (made.connect_timeout + made.read_timeout) + pauses)


@pytest.mark.parametrize("function", ["Intake", "Poller", "Copier", "Announcer"])
def test_a_silent_service_is_given_up_before_the_function_is(function: str) -> None:
    assert longest_call(CLIENT_CONFIG) < seconds(function)


def test_a_silent_store_of_the_key_is_given_up_before_lambda_gives_up_the_init() -> None:
    """Else Lambda begins anew, within the invocation, and no log says why."""
    assert longest_call(api_key._STORE_CONFIG) + SECONDS_OF_IMPORTS <= LONGEST_INIT_SECONDS  # noqa: SLF001 - a link


def test_a_silent_bucket_is_given_up_before_the_copier_is() -> None:
    assert longest_call(video_bucket.S3_CONFIG) < seconds("Copier") - copier._SECONDS_TO_FINISH  # noqa: SLF001 - a link


def test_a_copier_has_time_to_abort_and_to_write() -> None:
    once: Any = CLIENT_CONFIG
    left = copier._SECONDS_TO_FINISH - video_bucket._ABORT_SECONDS  # noqa: SLF001 - a link
    assert left >= once.read_timeout
    assert seconds("Copier") > 20 * copier._SECONDS_TO_FINISH  # noqa: SLF001 - a link


def test_a_host_is_given_up_in_time_for_another_try() -> None:
    patience = Patience()
    tries = 1 + len(patience.retry_delays)
    connecting = connection._CONNECT_TIMES * patience.connect_seconds  # noqa: SLF001 - a link
    silent = tries * (connecting + patience.silence_seconds) + sum(patience.retry_delays)
    assert silent < (seconds("Copier") - copier._SECONDS_TO_FINISH) / 4  # noqa: SLF001 - in ranges, then in a stream
    hopeless = 3 * patience.window_seconds  # which ends the run
    assert tries * patience.silence_seconds + sum(patience.retry_delays) < hopeless


def test_everybody_has_time_to_answer() -> None:
    """A SYN that was lost is sent again after a second, and once more two seconds later (RFC 6298)."""
    patience = Patience()
    assert min(CONNECT_SECONDS, patience.connect_seconds) > 1 + 2
    assert ANSWER_SECONDS == 15  # the client time-out that CometAPI's documentation advises
    assert patience.silence_seconds >= 10
    assert len(patience.retry_delays) >= 3
    assert sum(patience.retry_delays) >= 2  # what is over within seconds costs no attempt
    aws, s3 = vars(CLIENT_CONFIG), vars(video_bucket.S3_CONFIG)
    assert aws["connect_timeout"] > 1
    assert aws["read_timeout"] >= 5
    assert s3["read_timeout"] >= 60  # completing a large upload takes S3 a while
    assert aws["retries"] == s3["retries"] == {"mode": "standard", "total_max_attempts": 4}


def test_a_slow_link_to_s3_carries_a_whole_body_and_what_is_left_can_be_removed() -> None:
    least_bytes_per_second = 2 << 20
    assert vars(video_bucket.S3_CONFIG)["connect_timeout"] >= parts.WHOLE_BYTES / least_bytes_per_second
    assert video_bucket._ABORT_SECONDS >= 3  # noqa: SLF001 - a request and one more try


def test_a_host_that_drips_leaves_a_copier_most_of_its_time() -> None:
    """It is given up after some windows; the others in the queue wait for as long."""
    assert 3 * Patience().window_seconds < seconds("Copier") / 5


def test_a_host_that_tells_no_length_may_be_as_slow_as_a_small_video_allows() -> None:
    """A megabyte is small; at a lower pace not even that would arrive in one run."""
    assert Patience().least_bytes_per_second * seconds("Copier") < 1_000_000


def test_parts_are_uploaded_each_on_a_connection_that_is_kept() -> None:
    assert vars(video_bucket.S3_CONFIG)["max_pool_connections"] >= UPLOADS


def test_a_poller_may_open_all_connections_that_it_is_allowed() -> None:
    """lambda/latest/dg/gettingstarted-limits.html: 1,024 file descriptors, 1,024 threads."""
    assert PARAMETERS["MaxConcurrentPolls"]["MaxValue"] * 3 < 1024  # CometAPI, DynamoDB and SQS have pools of that size


def test_a_key_that_was_replaced_is_used_for_no_longer_than_is_said() -> None:
    minutes = re.findall(r"read within (\d+) minutes", (ROOT / "README.md").read_text())
    assert [60 * int(number) for number in minutes] == [api_key.KEY_SECONDS]


# --- Sizes ---


def test_the_largest_video_has_few_enough_parts_and_its_copier_enough_memory() -> None:
    most = int(PARAMETERS["MaxVideoBytes"]["Default"])
    assert ceil(most / parts.PART_BYTES) <= 10_000  # AmazonS3/latest/userguide/qfacts.html
    assert parts.PART_BYTES >= 5 << 20
    held = max(parts.WHOLE_BYTES + parts.PART_BYTES, (parts.PARTS_AHEAD + UPLOADS + 1) * parts.PART_BYTES)
    assert held < FUNCTIONS["CopierFunction"]["MemorySize"] * (1 << 20) / 4  # Python, boto3 and TLS take 120 MB


def test_no_task_ends_before_its_item_may() -> None:
    """A deadline of the least hours is longer than the longest time until a task is asked about."""
    assert PARAMETERS["TaskDeadlineHours"]["MinValue"] * 3600 > 2 * 300
