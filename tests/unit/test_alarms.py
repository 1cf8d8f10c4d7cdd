"""Each alarm rings within the time that its words promise, and clears, by AWS's rules; tests/cloudwatch.py has them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from tests import runbook
from tests.cloudwatch import MINUTE, Alarm, Metric, Metrics
from tests.template import FUNCTIONS as DEPLOYED
from tests.template import ROOT, load, of_type

TEMPLATE = load(ROOT / "infra/observability.yaml")
NAMES = {name: name for name in TEMPLATE["Parameters"]}
ALARMS = {name: Alarm.read(found, NAMES) for name, found in of_type("AWS::CloudWatch::Alarm", TEMPLATE).items()}
WRITTEN = of_type("AWS::CloudWatch::Alarm", TEMPLATE)
JUDGED = {
    "AlarmDescription", "Metrics", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods",
    "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "AlarmActions",
}  # fmt: skip
BEGAN = 3 * 3600
LASTS = 3600
CLEARS_WITHIN = 20 * MINUTE
"""A quarter of an hour, and the period at hand."""
FURTHER = [0, 1, 2, 5]
"""How many points AWS looks at beyond those that it evaluates; it does not say."""


def ours(name: str) -> Metric:
    return Metric("SeedancePoller", name, frozenset({("service", "Service")}))


def of_function(name: str, function: str) -> Metric:
    return Metric("AWS/Lambda", name, frozenset({("FunctionName", f"{function}Function")}))


def of_queue(name: str, queue: str) -> Metric:
    return Metric("AWS/SQS", name, frozenset({("QueueName", queue)}))


TICKS = of_function("Invocations", "Poller")
GOOD: dict[Metric, float] = {
    TICKS: 4,
    **{of_function("Errors", name): 0 for name in ("Intake", "Poller", "Copier", "Announcer")},
    **{of_function("Throttles", name): 0 for name in ("Intake", "Poller", "Copier", "Announcer")},
    **{of_function("Duration", name): 14_000 for name in ("Poller", "Copier")},
    **{of_function("IteratorAge", name): 900 for name in ("Intake", "Announcer")},
    of_queue("ApproximateAgeOfOldestMessage", "CopiesQueue"): 40,
    of_queue("ApproximateNumberOfMessagesVisible", "StreamFailuresQueue"): 0,
    of_queue("ApproximateNumberOfMessagesVisible", "RoundsQueue"): 0,
    ours("Polls"): 40,
    ours("AnswersReport"): 39,
    ours("AnswersUnknownTask"): 1,
    ours("OldestPendingSeconds"): 3600,
}
"""What a busy minute publishes; what our code counts is sent only where there is something to count."""


@dataclass(frozen=True)
class Trouble:
    """What a minute of trouble publishes instead, what it lacks, and within how many minutes the alarm must ring."""

    minutes: int
    instead: dict[Metric, float] = field(default_factory=dict)
    without: frozenset[Metric] = frozenset()


REPORTS = frozenset({ours("AnswersReport")})
# The promise of its words, and the minute in which the trouble begins.
TROUBLES = {
    "PollerNotRunning": Trouble(6, without=frozenset({TICKS, of_function("Errors", "Poller"), ours("Polls")})),
    "PollerFailing": Trouble(5, {of_function("Errors", "Poller"): 1}),
    "PollerThrottled": Trouble(5, {of_function("Throttles", "Poller"): 3}),
    "PollerSlow": Trouble(1, {of_function("Duration", "Poller"): 85_000}),
    "PollerRecursing": Trouble(1, {of_function("RecursiveInvocationsDropped", "Poller"): 1}),
    "QueueErrors": Trouble(5, {ours("QueueErrors"): 1}),
    "BadMessages": Trouble(1, {ours("BadMessages"): 1}),
    "NotConfigured": Trouble(1, {ours("ConfigurationErrors"): 1}),
    "KeyRejected": Trouble(11, {ours("AnswersKeyRejected"): 1}, REPORTS),
    "SuspiciousRounds": Trouble(11, {ours("AnswersUnknownTask"): 40}, REPORTS),
    "NoReports": Trouble(16, {ours("AnswersUnavailable"): 40}, REPORTS),
    "OldestPending": Trouble(1, {ours("OldestPendingSeconds"): 6 * 3600 + 1}),
    "TasksNotFound": Trouble(1, {ours("TasksNotFound"): 1}),
    "TasksExpired": Trouble(1, {ours("TasksExpired"): 1}),
    "CopiesFailed": Trouble(1, {ours("TasksCopyFailed"): 1}),
    "RoundsWaiting": Trouble(10, {of_queue("ApproximateNumberOfMessagesVisible", "RoundsQueue"): 4}),
    "CopiesWaiting": Trouble(1, {of_queue("ApproximateAgeOfOldestMessage", "CopiesQueue"): 3601}),
    "ItemsTooLarge": Trouble(1, {ours("ItemsTooLarge"): 1}),
    "TableRefuses": Trouble(5, {ours("TableErrors"): 3}),
    "IntakeFailing": Trouble(5, {ours("IntakeFailures"): 1}),
    "IntakeThrottled": Trouble(5, {of_function("Throttles", "Intake"): 3}),
    "AnnouncerFailing": Trouble(5, {ours("AnnounceFailures"): 1}),
    "AnnounceRefused": Trouble(1, {ours("AnnounceRefused"): 1}),
    "StreamsBehind": Trouble(1, {of_function("IteratorAge", "Announcer"): 601_000}),
    "StreamFailures": Trouble(1, {of_queue("ApproximateNumberOfMessagesVisible", "StreamFailuresQueue"): 1}),
    "CopierFailing": Trouble(15, {of_function("Errors", "Copier"): 1}),
    "CopierThrottled": Trouble(5, {of_function("Throttles", "Copier"): 3}),
    "CopierSlow": Trouble(1, {of_function("Duration", "Copier"): 880_000}),
}


def history(trouble: Trouble | None = None, lasts: int = LASTS) -> Metrics:
    """Return good hours, with the trouble from BEGAN on, for so many seconds."""
    metrics = Metrics()
    for minute in range(0, BEGAN + LASTS + 2 * 3600, MINUTE):
        published = GOOD
        if trouble and BEGAN <= minute < BEGAN + lasts:
            published = {**{m: v for m, v in GOOD.items() if m not in trouble.without}, **trouble.instead}
        for metric, value in published.items():
            metrics.add(metric, minute, value)
    return metrics


def at(metric: Metric, values: Iterable[tuple[int, float]], metrics: Metrics | None = None) -> Metrics:
    metrics = metrics or Metrics()
    for time, value in values:
        metrics.add(metric, time, value)
    return metrics


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("alarm", ALARMS)
def test_it_rings_in_time_and_clears(alarm: str, further: int) -> None:
    trouble = TROUBLES[alarm]
    ringing = list(ALARMS[alarm].minutes(history(trouble), BEGAN - 3600, BEGAN + LASTS + 2 * 3600, further))
    assert ringing
    assert BEGAN < ringing[0] <= BEGAN + trouble.minutes * MINUTE
    assert ringing == list(range(ringing[0], ringing[-1] + 1, MINUTE)), "it must not clear before the trouble is over"
    assert ringing[-1] + MINUTE >= BEGAN + LASTS
    if further <= 2:
        assert ringing[-1] <= BEGAN + LASTS + CLEARS_WITHIN


# The least that rings each alarm whose words, here or in infra/README.md, are more than "one": a count, an age, a time.
NUMBERS = {
    "PollerFailing": 3,
    "PollerThrottled": 10,
    "PollerSlow": 80_000,
    "QueueErrors": 3,
    "OldestPending": 6 * 3600,
    "CopiesWaiting": 3600,
    "TableRefuses": 10,
    "IntakeFailing": 3,
    "IntakeThrottled": 10,
    "AnnouncerFailing": 3,
    "StreamsBehind": 600_000,
    "CopierFailing": 5,
    "CopierThrottled": 10,
    "CopierSlow": 870_000,
}
MAXIMA = ("OldestPending", "CopiesWaiting", "PollerSlow", "CopierSlow", "StreamsBehind")
DURATIONS = {"PollerNotRunning": 5, "KeyRejected": 10, "SuspiciousRounds": 10, "NoReports": 15, "RoundsWaiting": 10}


@pytest.mark.parametrize(("alarm", "least"), NUMBERS.items())
def test_it_rings_at_the_number_of_its_words_and_not_before(alarm: str, least: int) -> None:
    (metric,) = TROUBLES[alarm].instead
    rings = [any(ALARMS[alarm].minutes(at(metric, [(BEGAN, n)]), BEGAN, BEGAN + 3600, 2)) for n in (least - 1, least)]
    assert rings == [False, True]


@pytest.mark.parametrize("alarm", sorted(NUMBERS.keys() - MAXIMA))
def test_it_counts_for_the_minutes_of_its_words_and_no_longer(alarm: str) -> None:
    words = rf"^\| `{alarm}` \|\D*(\d+)[^|]* within (\d+) minutes"
    ((least, minutes),) = re.findall(words, runbook.section("Alarms"), re.MULTILINE)
    (metric,) = TROUBLES[alarm].instead
    counts = [[(BEGAN, int(least) - 1), (BEGAN + last * MINUTE, 1)] for last in (int(minutes) - 1, int(minutes))]
    rings = [any(ALARMS[alarm].minutes(at(metric, counted), BEGAN, BEGAN + 3600, further=2)) for counted in counts]
    assert rings == [True, False]


@pytest.mark.parametrize(("alarm", "minutes"), DURATIONS.items())
def test_it_rings_after_the_time_of_its_words_and_not_before(alarm: str, minutes: int) -> None:
    rings = [
        any(ALARMS[alarm].minutes(history(TROUBLES[alarm], lasts=n * MINUTE), BEGAN, BEGAN + 3600, further=2))
        for n in (minutes - 1, minutes + 1)
    ]
    assert rings == [False, True]


@pytest.mark.parametrize("alarm", MAXIMA)
def test_what_many_say_in_one_period_is_not_added_up(alarm: str) -> None:
    """Every round of every worker says how old the oldest task is."""
    metrics = Metrics()
    for series in ALARMS[alarm].series.values():
        at(series.metric, ((BEGAN + second, NUMBERS[alarm] / 2) for second in range(0, 300, 15)), metrics)
    assert not list(ALARMS[alarm].minutes(metrics, BEGAN, BEGAN + 3600, further=2))


def test_rounds_that_are_started_at_once_ring_nothing() -> None:
    visible = of_queue("ApproximateNumberOfMessagesVisible", "RoundsQueue")
    metrics = at(visible, ((BEGAN + second, second // 15 % 2) for second in range(0, 3600, 15)))
    assert not list(ALARMS["RoundsWaiting"].minutes(metrics, BEGAN, BEGAN + 3600, further=2))


@pytest.mark.parametrize("function", ["Intake", "Announcer"])
def test_a_reader_of_the_stream_that_crashes_fails(function: str) -> None:
    crashes = at(of_function("Errors", function), [(BEGAN, 3)])
    assert list(ALARMS[f"{function}Failing"].minutes(crashes, BEGAN, BEGAN + 3600, further=2))


@pytest.mark.parametrize("alarm", ALARMS)
def test_on_a_good_day_it_is_silent(alarm: str) -> None:
    assert not list(ALARMS[alarm].minutes(history(), 3600, BEGAN, further=2))


@pytest.mark.parametrize("alarm", sorted(ALARMS.keys() - {"PollerNotRunning"}))
def test_without_any_data_it_is_silent(alarm: str) -> None:
    assert not ALARMS[alarm].rings(Metrics(), BEGAN, further=2)
    assert ALARMS[alarm].missing == "notBreaching"  # `ignore` would let it ring on when nothing is counted any more


def test_no_other_alarm_rings() -> None:
    """What rings beside the alarm of a trouble says the same from another side; a good day has a denial, too."""
    beside = {
        "KeyRejected": {"NoReports", "SuspiciousRounds"},
        "SuspiciousRounds": {"NoReports"},
        "NoReports": {"SuspiciousRounds"},
    }
    for name, trouble in TROUBLES.items():
        metrics = history(trouble)
        rang = {other for other in ALARMS if any(ALARMS[other].minutes(metrics, BEGAN, BEGAN + LASTS, further=2))}
        assert rang == {name, *beside.get(name, set())}, name


@pytest.mark.parametrize("further", FURTHER)
def test_ticks_two_minutes_apart_are_no_silence(further: int) -> None:
    """Scheduler fires anywhere within its minute, so a minute of the clock may have none, the next one two."""
    ticks = at(TICKS, ((minute + second, 1) for minute in range(0, BEGAN, 120) for second in (0, 119)))
    assert not list(ALARMS["PollerNotRunning"].minutes(ticks, 3600, BEGAN, further))


def test_a_stack_that_never_ran_is_told() -> None:
    assert ALARMS["PollerNotRunning"].rings(Metrics(), BEGAN, further=2)
    assert ALARMS["PollerNotRunning"].missing == "breaching"  # AWS does not say that FILL knows what never was


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize(
    ("alarm", "answers"), [("SuspiciousRounds", "AnswersUnknownTask"), ("KeyRejected", "AnswersKeyRejected")]
)
def test_a_wrong_key_rings_for_as_long_as_old_tasks_are_denied(alarm: str, answers: str, further: int) -> None:
    """A task of a day is asked every 4 minutes, up to a minute late."""
    denials = at(ours(answers), ((240 * n + (n * 37) % 60, 1) for n in range(300)))
    at(ours("Polls"), ((240 * n + (n * 37) % 60, 1) for n in range(300)), denials)
    ringing = list(ALARMS[alarm].minutes(denials, 0, 240 * 299, further))
    assert ringing[0] <= 11 * MINUTE
    assert ringing == list(range(ringing[0], 240 * 299 + 1, MINUTE))
    silent = list(ALARMS["NoReports"].minutes(denials, 0, 240 * 299, further))
    assert silent[0] <= 16 * MINUTE


@pytest.mark.parametrize("further", FURTHER)
def test_a_task_that_cometapi_knows_a_moment_later_is_no_foreign_key(further: int) -> None:
    metrics = at(ours("AnswersUnknownTask"), [(BEGAN + 299, 1)])
    at(ours("AnswersReport"), ((BEGAN + 314 + 15 * n, 1) for n in range(40)), metrics)
    assert not list(ALARMS["SuspiciousRounds"].minutes(metrics, BEGAN, BEGAN + 3600, further))


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("second", [0, 31, 59])
@pytest.mark.parametrize("reports_every", [15, 240])
@pytest.mark.parametrize("starts_every", [1800, 240])
def test_new_environments_that_ask_a_refused_task_first_ring_nothing(
    starts_every: int, reports_every: int, second: int, further: int
) -> None:
    """Its key is unproven until the first report, and one refusal stops its round; at last the stack itself is new."""
    metrics = at(ours("AnswersReport"), ((n, 1) for n in range(0, BEGAN, reports_every)))
    cold_starts = [*range(1800, BEGAN, starts_every), BEGAN + 3600]
    at(ours("AnswersKeyRejected"), ((start + second, 1) for start in cold_starts), metrics)
    at(ours("AnswersReport"), ((BEGAN + 3660 + n, 1) for n in range(0, 3600, reports_every)), metrics)
    assert not list(ALARMS["KeyRejected"].minutes(metrics, 0, BEGAN + 7200, further))


@pytest.mark.parametrize("alarm", ["TasksNotFound", "TasksExpired", "CopiesFailed"])
@pytest.mark.parametrize("further", [0, 1, 2])
def test_a_loss_of_an_hour_later_is_told_anew(alarm: str, further: int) -> None:
    (metric,) = (series.metric for series in ALARMS[alarm].series.values())
    losses = at(metric, [(BEGAN, 1), (BEGAN + 3600, 2)])
    ringing = set(ALARMS[alarm].minutes(losses, BEGAN, BEGAN + 7200, further))
    assert {BEGAN + MINUTE, BEGAN + 3600 + MINUTE} <= ringing
    assert BEGAN + 3600 not in ringing


def test_another_stack_does_not_ring_it() -> None:
    other = Metric("SeedancePoller", "TasksExpired", frozenset({("service", "another-stack")}))
    assert not ALARMS["TasksExpired"].rings(at(other, [(BEGAN, 5)]), BEGAN + MINUTE, further=2)


@pytest.mark.parametrize(("alarm", "function"), [("PollerSlow", "PollerFunction"), ("CopierSlow", "CopierFunction")])
def test_slow_is_near_the_time_out_and_below_it(alarm: str, function: str) -> None:
    time_out = DEPLOYED[function]["Timeout"] * 1000
    assert 0.85 * time_out <= ALARMS[alarm].threshold < time_out


def test_copies_that_wait_are_told_long_before_they_are_lost() -> None:
    retention = of_type("AWS::SQS::Queue")["CopiesQueue"]["MessageRetentionPeriod"]
    assert ALARMS["CopiesWaiting"].threshold <= retention / 6


def by_words(*words: str) -> Callable[[str], bool]:
    return lambda text: all(word in text for word in words)


@pytest.mark.parametrize(
    ("alarm", "says"),
    [
        ("PollerNotRunning", by_words("for 5 minutes")),
        ("PollerSlow", by_words("90 seconds")),
        ("SuspiciousRounds", by_words("For 10 minutes")),
        ("KeyRejected", by_words("For 10 minutes")),
        ("NoReports", by_words("For 15 minutes")),
        ("OldestPending", by_words("more than 6 hours")),
        ("RoundsWaiting", by_words("For 10 minutes")),
        ("CopiesWaiting", by_words("for an hour", "after 12", "after 24")),
        ("StreamsBehind", by_words("10 minutes behind", "24 hours")),
        ("CopierSlow", by_words("15 minutes")),
    ],
)
def test_its_words_have_the_numbers_that_were_tested(alarm: str, says: Callable[[str], bool]) -> None:
    assert says(TEMPLATE["Resources"][alarm]["Properties"]["AlarmDescription"])


@pytest.mark.parametrize("alarm", WRITTEN)
def test_it_says_nothing_that_is_not_judged_here(alarm: str) -> None:
    """With a Unit, for one, CloudWatch would look only at data that was sent in it."""
    assert WRITTEN[alarm].keys() <= JUDGED
    for metric in WRITTEN[alarm].get("Metrics", ()):
        assert metric.get("MetricStat", {}).keys() <= {"Metric", "Stat", "Period"}


@pytest.mark.parametrize("alarm", [name for name, written in WRITTEN.items() if "Metrics" in written])
def test_it_looks_at_every_series_that_it_names(alarm: str) -> None:
    metrics = WRITTEN[alarm]["Metrics"]
    assert all(re.fullmatch("[a-z][A-Za-z0-9_]*", metric["Id"]) for metric in metrics)  # API_MetricDataQuery.html
    used = {word for metric in metrics for word in re.findall(r"\w+", metric.get("Expression", ""))}
    assert {metric["Id"] for metric in metrics if metric.get("ReturnData") is False} <= used
