"""The commands for every day over moto's AWS: what they change, what they print where, and how they end."""

import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from infra import command, feed, task_file, tasks, watch
from infra.command import each, run
from infra.health import Finding, HealthReader
from infra.store import TaskStore
from infra.target import Target
from infra.task_reader import TaskTableReader
from infra.trouble import TroubleError
from shared.task_table import read_item
from tests.integration.conftest import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef
    from mypy_boto3_s3 import S3Client

BUCKET = "videos"
STORED = {"status": "SUCCESS", "ended_at": 9, "s3_uri": f"s3://{BUCKET}/a/1.mp4", "size": 5}
FAILED = {"status": "FAILED", "ended_at": 9, "error": {"code": "content", "message": "refused"}}
WAITING = {"status": "IN_PROGRESS", "pending_since": 9, "progress": 45}

type Items = dict[str, dict[str, Any]]


class Shell:
    """What somebody types and reads."""

    def __init__(
        self, dynamodb: "DynamoDBClient", capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.dynamodb = dynamodb
        self._capsys = capsys
        self._patch = patch

    def __call__(self, main: Callable[[], int], *arguments: str) -> tuple[int, str, str]:
        """Return status, standard output and standard error."""
        self._patch.setattr(sys, "argv", ["command", *arguments])
        self._capsys.readouterr()
        status = run(main)
        said = self._capsys.readouterr()
        assert said.err.startswith("Stack seedance-poller on AWS, region us-east-1\n") or status
        return status, said.out, said.err.partition("\n")[2]

    def json(self, main: Callable[[], int], *arguments: str) -> Any:
        status, out, _ = self(main, *arguments, "--json")
        assert status == 0
        return json.loads(out)

    def give(self, text: str) -> None:
        """Let the next command read this on its standard input."""
        stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
        self._patch.setattr(sys, "stdin", stdin)

    def put(self, items: Items) -> None:
        for task_id, item in items.items():
            values = {"task_id": task_id, **item}.items()
            self.dynamodb.put_item(TableName=TABLE, Item={k: TypeSerializer().serialize(v) for k, v in values})

    def items(self) -> Items:
        return {i["task_id"]: i for i in map(read_item, self.dynamodb.scan(TableName=TABLE)["Items"])}


@pytest.fixture
def shell(dynamodb: "DynamoDBClient", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    outputs = {"TasksTableName": TABLE, "PollerFunctionName": "poller", "AlarmTopicArn": "arn:alarms"}
    found = Target(boto3.Session(), None, outputs)
    monkeypatch.setattr(Target, "find", classmethod(lambda _cls, _stack=None: found))
    return Shell(dynamodb, capsys, monkeypatch)


@pytest.fixture
def asked(shell: Shell) -> list[dict[str, Any]]:
    """What commands ask of DynamoDB."""
    assert shell
    found: list[dict[str, Any]] = []
    Target.find().dynamodb.meta.events.register(
        "provide-client-params.dynamodb", lambda params, **_: found.append(params)
    )
    return found


def put_off(parsed: dict[str, Any], **_: object) -> None:
    """Leave an item for later, as DynamoDB does where it has too many at once."""
    items = parsed["Responses"][TABLE]
    if len(items) > 1:
        parsed["UnprocessedKeys"] = {TABLE: {"Keys": [{"task_id": items.pop()["task_id"]}]}}


@pytest.fixture
def s3(aws: None) -> "S3Client":  # noqa: ARG001
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def test_feeding_inserts_what_is_new(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "tasks.csv"
    file.write_text("Task ID;s3_key;color\na;x/a.mp4;blue\nb;;\n")
    assert shell(feed.main, str(file)) == (0, "2 tasks inserted\n", "Kept as attributes of your own: color\n")
    shell.put({"a": {"status": "SUBMITTED", "pending_since": 1}})
    status, out, _ = shell(feed.main, str(file))
    assert (status, out) == (0, "0 tasks inserted; 2 tasks there already, left alone (AGAIN=1 replaces)\n")
    assert shell.items()["a"]["pending_since"] == 1
    assert shell.json(feed.main, str(file), "--again")["inserted"] == 2
    assert shell.items()["a"] == {"task_id": "a", "s3_key": "x/a.mp4", "color": "blue"}


def test_a_dry_run_inserts_nothing(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "tasks.txt"
    file.write_text("task_1\ntask_2\n")
    shell.put({"task_1": {}})
    assert shell.json(feed.main, str(file), "--dry") == {
        "stack": "seedance-poller",
        "dry": True,
        "inserted": 1,
        "already_there": 1,
    }
    assert shell.items().keys() == {"task_1"}


def test_what_dynamodb_puts_off_is_asked_for_again(shell: Shell) -> None:
    shell.put({"a": {}, "b": {}})
    shell.dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", put_off)
    assert TaskStore(shell.dynamodb, TABLE).existing(["a", "b", "c"]) == {"a", "b"}


@pytest.mark.parametrize("name", ["tasks.txt", "-"])
def test_of_a_file_that_is_too_large_nothing_is_inserted(
    name: str, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "task_1\ntask_2\n"
    for module in (feed, task_file):
        monkeypatch.setattr(module, "MOST_BYTES", len(text) - 1)
    monkeypatch.chdir(tmp_path)
    Path("tasks.txt").write_text(text)
    shell.give(text)
    status, _, err = shell(feed.main, name)
    assert status == 1
    assert ": it is larger than " in err
    assert not shell.items()


def test_feeding_from_standard_input_with_a_key(shell: Shell) -> None:
    shell.give('{"id": "a", "object": "video", "status": "queued"}')
    assert shell(feed.main, "-", "--key", "trailer/{task_id}.mp4")[:2] == (0, "1 task inserted\n")
    assert shell.items()["a"]["s3_key"] == "trailer/{task_id}.mp4"


def test_feeding_an_id(shell: Shell) -> None:
    assert shell(feed.main, "", "--task", "task_1")[:2] == (0, "1 task inserted\n")
    assert shell(feed.main, "", "--task", "a/b")[2].startswith("TASK: task_id must be the id")
    assert shell(feed.main, "x.csv", "--task", "task_2")[0] == 1
    assert shell.items() == {"task_1": {"task_id": "task_1"}}


def test_a_wrong_line_inserts_nothing(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "tasks.csv"
    file.write_text("".join(["task_id,s3_key\n", *(f"task_{n},x/{n}.mp4\n" for n in range(5)), "task_7,/x\n"]))
    status, out, err = shell(feed.main, str(file))
    assert (status, out) == (1, "")
    assert f"{file}: line 7: s3_key must not start or end with /" in err
    assert err.endswith(". Nothing was inserted.\n")
    file.write_text("task_id,s3_kye\ntask_1,x.mp4\n")
    assert shell(feed.main, str(file))[2].endswith("; did you mean s3_key? Nothing was inserted.\n")
    assert not shell.items()


def test_thousands_are_inserted_and_told_now_and_then(shell: Shell) -> None:
    shell.give("\n".join(f"task_{number}" for number in range(2100)))
    status, out, err = shell(feed.main, "-")
    assert (status, out) == (0, "2,100 tasks inserted\n")
    assert err == "Inserting: 1,000 of 2,100\nInserting: 2,000 of 2,100\n"
    assert shell.json(tasks.main, "list")["count"] == 2100


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (KeyboardInterrupt(), "Stopped."),
        (EndpointConnectionError(endpoint_url="https://aws.invalid"), "AWS does not answer: "),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem"), "AWS asks for fewer requests "),
    ],
)
def test_what_was_done_is_said_when_a_trouble_comes(
    trouble: BaseException, said: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = TaskStore.insert

    def fail(store: TaskStore, item: dict[str, Any], *, again: bool) -> bool:
        if item["task_id"] == "task_9":
            raise trouble
        return insert(store, item, again=again)

    monkeypatch.setattr(TaskStore, "insert", fail)
    shell.give("\n".join(f"task_{number}" for number in range(10)))
    status, out, err = shell(feed.main, "-")
    assert (status, out) == (1, "")
    assert err.startswith(said)
    assert err.endswith(". At least 9 of 10 were done; the same command once more does the rest.\n")


def test_nothing_new_is_begun_once_somebody_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.02 if number >= 1000 else 0)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "remark", stop)  # which tells of the first thousand
    with pytest.raises(TroubleError, match=r"^Stopped\. At least 999 of 2100 were done"):
        each(work, range(2100), "Inserting")
    assert len(begun) < 2100


def test_a_file_that_is_not_there(shell: Shell) -> None:
    assert shell(feed.main, "no.csv") == (1, "", "no.csv: No such file or directory.\n")
    assert shell(feed.main)[0] == 1


def test_retrying_by_id(shell: Shell) -> None:
    shell.put({"a": FAILED, "b": WAITING, "c": {}, "d": STORED})
    status, out, _ = shell(tasks.main, "retry", "--task", "a, b c d x")
    assert status == 0
    assert out == (
        "2 tasks asked for again\n1 task left alone, not in the table: x\n1 task left alone, still pending: b\n"
        "1 task left alone, its video is stored; where the object is gone, feed it with AGAIN=1: d\n"
    )
    assert {task_id: item.get("status") for task_id, item in shell.items().items()} == {
        "a": "RETRY",
        "b": "IN_PROGRESS",
        "c": "RETRY",
        "d": "SUCCESS",
    }


def test_retrying_by_code(shell: Shell) -> None:
    other = {**FAILED, "error": {"code": "deadline", "message": ""}}
    waiting = {**WAITING, "error": FAILED["error"]}
    shell.put({"a": FAILED, "b": FAILED, "c": other, "d": waiting, "e": STORED})
    assert shell.json(tasks.main, "retry", "--code", "content", "--dry")["done"] == 2
    assert all(item["status"] != "RETRY" for item in shell.items().values())
    assert shell.json(tasks.main, "retry", "--code", "content") == {
        "stack": "seedance-poller",
        "dry": False,
        "done": 2,
        "left_alone": {},
    }
    assert [task_id for task_id, item in sorted(shell.items().items()) if item["status"] == "RETRY"] == ["a", "b"]


def test_retrying_nothing_is_told(shell: Shell) -> None:
    assert shell(tasks.main, "retry", "--code", "x")[0::2] == (
        1,
        "No task that could be meant has the error code x; `make list` shows them.\n",
    )
    assert shell(tasks.main, "retry")[2].startswith("Say which tasks:")
    assert shell(tasks.main, "retry", "--task", "x")[:2] == (
        1,
        "0 tasks asked for again\n1 task left alone, not in the table: x\n",
    )


def test_cancelling(shell: Shell) -> None:
    asked_again = {**FAILED, "status": "RETRY"}
    shell.put({"a": WAITING, "b": FAILED, "c": {}, "d": asked_again, "e": {**WAITING, "error": {"code": "x"}}})
    shell.give("a  IN_PROGRESS\nb  FAILED\nc\nd\nx\n")
    status, out, _ = shell(tasks.main, "cancel", "--task", "-")
    assert status == 0
    assert out == "3 tasks cancelled\n1 task left alone, not in the table: x\n1 task left alone, ended before: b\n"
    assert shell.json(tasks.main, "cancel", "--code", "x")["done"] == 1
    assert shell.items().keys() == {"b"}


def test_listing(shell: Shell) -> None:
    shell.put({"b": {**WAITING, "created_at": 1}, "a": FAILED, "c": STORED, "d": {"status": "queued"}})
    status, out, err = shell(tasks.main, "list")
    assert (status, err) == (0, "4 tasks\n")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["a", "FAILED"],
        ["c", "SUCCESS"],
        ["d", "INSERTED"],
        ["b", "IN_PROGRESS"],
    ]
    assert "content: refused" in out
    assert shell(tasks.main, "list", "--status", "failed,expired")[1].split()[0] == "a"
    assert [task["task_id"] for task in shell.json(tasks.main, "list", "--status", "in_progress")["tasks"]] == ["b"]
    assert shell.json(tasks.main, "list", "--code", "content")["count"] == 1
    assert shell(tasks.main, "list", "--status", "done")[2].startswith("DONE is no status. There are INSERTED")


def test_what_is_pending_is_listed_from_the_index(shell: Shell, asked: list[dict[str, Any]]) -> None:
    shell(tasks.main, "list", "--status", "in_progress")
    assert [params.get("IndexName") for params in asked] == ["pending"]


def test_a_task_is_shown_as_it_is_now(shell: Shell, asked: list[dict[str, Any]]) -> None:
    shell(tasks.main, "show", "--task", "a")
    assert [params.get("ConsistentRead") for params in asked] == [True]


def test_showing_a_task(shell: Shell) -> None:
    shell.put({"a": {**FAILED, "color": {"b"}, "expires_at": 10**20, "model": "x\x1b[2J"}})
    status, out, _ = shell(tasks.main, "show", "--task", "a")
    assert status == 0
    assert out.startswith("a is FAILED: CometAPI gave it up; `make retry` asks about it again")
    assert "  error.message        refused\n" in out
    assert "  ended_at             19" in out
    assert " ago)\n" in out
    assert "\x1b" not in out
    assert shell.json(tasks.main, "show", "--task", "a")["color"] == ["b"]
    assert shell(tasks.main, "show", "--task", "x") == (
        1,
        "",
        "There is no task x in tasks: never inserted, or cancelled.\n",
    )
    assert shell(tasks.main, "show")[2] == "Say which task: TASK=id.\n"


def test_getting_a_video_and_its_last_frame(shell: Shell, s3: "S3Client", tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/1.mp4", Body=b"video")
    s3.put_object(Bucket=BUCKET, Key="a/1.last.png", Body=b"frame")
    shell.put({"a": {**STORED, "result": {"last_frame": f"s3://{BUCKET}/a/1.last.png"}}})
    folder = tmp_path / "new"
    status, out, _ = shell(tasks.main, "get", "--task", "a", "--to", str(folder))
    assert (status, out.splitlines()[-1]) == (0, "2 files downloaded")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.mp4": b"video", "a.last.png": b"frame"}
    s3.put_object(Bucket=BUCKET, Key="a/1.mp4", Body=b"other")  # of the same size: the file that is there does
    assert shell.json(tasks.main, "get", "--task", "a", "--to", str(folder))["files"][0]["size"] == 5
    assert (folder / "a.mp4").read_bytes() == b"video"
    s3.put_object(Bucket=BUCKET, Key="a/1.mp4", Body=b"another")
    assert shell(tasks.main, "get", "--task", "a", "--to", str(folder))[0] == 0
    assert (folder / "a.mp4").read_bytes() == b"another"


def test_getting_what_is_not_there(shell: Shell, s3: "S3Client", tmp_path: Path) -> None:
    assert s3
    shell.put({"a": STORED, "b": FAILED})
    folder = ["--to", str(tmp_path)]
    assert shell(tasks.main, "get", "--task", "b", *folder) == (
        1,
        "0 files downloaded\n",
        "b is FAILED, there is no video: refused\n",
    )
    assert "is not in the bucket any more" in shell(tasks.main, "get", "--task", "a", *folder)[2]
    assert not list(tmp_path.iterdir())
    s3.put_object(Bucket=BUCKET, Key="a/1.mp4", Body=b"video")
    status, out, err = shell(tasks.main, "get", "--task", "b x a", *folder)
    assert (status, out.splitlines()[-1], len(err.splitlines())) == (1, "1 file downloaded", 2)


def test_every_task_has_a_file_of_its_own_inside_of_the_folder(shell: Shell, s3: "S3Client", tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/1.mp4", Body=b"video")
    files = {
        "Task-1_a": "Task-1_a.mp4",
        "a:b": "a%3Ab.mp4",
        "a;b": "a%3Bb.mp4",
        "a_b": "a_b.mp4",
        "a.last": "a%2Elast.mp4",
        "../x": "%2E%2E%2Fx.mp4",
    }
    shell.put(dict.fromkeys(files, STORED))
    assert shell(tasks.main, "get", "--task", " ".join(files), "--to", str(tmp_path / "in"))[0] == 0
    assert {path.name for path in (tmp_path / "in").iterdir()} == set(files.values())


def test_watching_once(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(HealthReader, "findings", lambda _: [Finding(is_good=False, text="Alarm")])
    shell.put({"a": FAILED, "b": WAITING})
    seen = shell.json(watch.main, "--status", "failed")
    assert seen["health"] == [{"is_good": False, "text": "Alarm"}]
    assert (seen["counts"], seen["is_complete"]) == ({"IN_PROGRESS": 1, "FAILED": 1}, True)
    assert [task["task_id"] for task in seen["tasks"]] == ["a"]
    assert shell(watch.main, "--svg", str(tmp_path / "watch.svg"))[0] == 0
    assert "Stack" in (tmp_path / "watch.svg").read_text()
    assert shell(watch.main, "--status", "done")[0] == 1


@pytest.fixture
def target(shell: Shell) -> Target:
    """A stack of which CloudFormation and Lambda say nothing unless a test makes them."""
    assert shell
    found = Target.find()
    for attribute, call in (("cloudformation", "describe_stack_resource"), ("functions", "get_function_configuration")):
        stubbed(found, attribute).add_client_error(call, "AccessDenied", "not allowed")
    return found


def stubbed(target: Target, attribute: str) -> Stubber:
    """Let a service of the stack answer what it is told to."""
    make: Any = target.session.client
    client = make({"functions": "lambda"}.get(attribute, attribute))
    stubber = Stubber(client)
    stubber.activate()
    vars(target)[attribute] = client
    return stubber


def test_health_that_may_not_be_read_is_unknown_and_the_rest_is_read(target: Target) -> None:
    denied = "These credentials may not do that: not allowed. Ask whoever runs the account to allow it."
    assert [(finding.is_good, finding.text) for finding in HealthReader(target).findings()] == [
        (None, f"the last round and the key cannot be read: {denied}"),
        (None, f"the copies that wait cannot be read: {denied}"),
        (True, "no alarm"),
    ]


def test_health_that_aws_does_not_answer_is_unknown_and_not_asked_for_each_second(shell: Shell) -> None:
    assert shell
    asked: list[str] = []

    def give_no_answer(model: Any, **_: object) -> None:
        asked.append(model.name)
        raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    target = Target.find()
    target.session.events.register("before-call", give_no_answer)
    health = HealthReader(target)
    for _ in range(2):
        assert [finding.text.partition(" cannot be read: AWS does not answer")[0] for finding in health.findings()] == [
            "the last round and the key",
            "the copies that wait",
            "the alarms",
        ]
    assert asked == ["GetFunctionConfiguration", "DescribeStackResource", "DescribeAlarms"]


def round_done(age: float, **counts: int) -> "InputLogEventTypeDef":
    """Return the line of a round that was so many seconds ago."""
    line = json.dumps({"level": "INFO", "message": "round done", "counts": counts})
    return {"timestamp": int((time.time() - age) * 1000), "message": line}


def write_log(target: Target, *events: "InputLogEventTypeDef") -> None:
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="group")
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events)
    logging = {"LoggingConfig": {"LogGroup": "group"}}
    stubbed(target, "functions").add_response("get_function_configuration", logging)


@pytest.mark.parametrize(
    ("age", "said"), [(500, "CometAPI takes the key"), (700, "the key is unproven, nothing was asked lately")]
)
def test_ten_minutes_of_the_log_count(age: float, said: str, target: Target) -> None:
    write_log(target, round_done(age, AnswersReport=2), round_done(0))
    assert said in [finding.text for finding in HealthReader(target).findings()]


def test_a_page_without_lines_is_not_the_end_of_the_log(target: Target) -> None:
    stubbed(target, "functions").add_response("get_function_configuration", {})
    logs = stubbed(target, "logs")
    logs.add_response("filter_log_events", {"events": [], "nextToken": "more"})
    logs.add_response("filter_log_events", {"events": [round_done(0, AnswersReport=2)]})
    assert "CometAPI takes the key" in [finding.text for finding in HealthReader(target).findings()]


def test_health_from_log_and_queue(target: Target) -> None:
    write_log(target, round_done(0, AnswersReport=2))
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="copies")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    detail = {"PhysicalResourceId": url, "LogicalResourceId": "CopiesQueue", "ResourceType": "AWS::SQS::Queue"}
    detail |= {"LastUpdatedTimestamp": "2026-01-01T00:00:00Z", "ResourceStatus": "CREATE_COMPLETE"}
    stubbed(target, "cloudformation").add_response("describe_stack_resource", {"StackResourceDetail": detail})
    health = HealthReader(target, seconds=0)
    for _ in range(2):  # what was looked up once is not asked for again
        said = [finding.text for finding in health.findings()]
        assert said[0].startswith("The last round was 0:0")
        assert said[1:] == ["CometAPI takes the key", "copies: 1 wait, 0 at work", "no alarm"]


def test_alarms_of_this_stack_only(target: Target) -> None:
    cloudwatch = boto3.client("cloudwatch")
    for name, topic in (("s-Observability-1ABC-KeyRejected-X9", "arn:alarms"), ("other", "arn:other")):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription="Store a key.",
            AlarmActions=[topic],
            Namespace="n",
            MetricName="m",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="x")
    found = [finding.text for finding in HealthReader(target).findings() if finding.is_good is False]
    assert found == ["Alarm KeyRejected: Store a key."]


class Table:
    """A reader of a large table, of which a page holds few tasks."""

    def __init__(self, shell: Shell, most: int) -> None:
        self.now = 0.0
        self.reader = TaskTableReader(shell.dynamodb, TABLE, clock=lambda: self.now, most=most)

    def stages(self) -> dict[str, str]:
        return {row.task_id[:3]: row.stage for row in self.reader.rows()}


@pytest.mark.parametrize("most", [100, 2])
def test_a_large_table_is_watched_without_forgetting_any(shell: Shell, most: int) -> None:
    large = {"note": "x" * 390_000}
    shell.put({f"e{n}": {**FAILED, **large} for n in range(6)} | {f"w{n}": WAITING for n in range(6)})
    shell.dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", put_off)
    table = Table(shell, most)
    first = table.stages()
    assert first.items() >= {f"w{n}": "IN_PROGRESS" for n in range(6)}.items()
    assert table.reader.is_complete is (most == 100)
    assert len(first) == 12 or not table.reader.is_complete
    shell.put({"w0": STORED, "w2": FAILED, "w6": WAITING})
    shell.dynamodb.delete_item(TableName=TABLE, Key={"task_id": {"S": "w1"}})
    second = table.stages()
    assert (second["w0"], second["w2"], second["w6"]) == ("SUCCESS", "FAILED", "IN_PROGRESS")
    assert second.keys() == {*first, "w6"} - {"w1"}
    shell.put({"new": FAILED})
    table.now += 59
    assert "new" not in table.stages()  # what has ended is not read each second
    table.now += 1
    third = table.stages()
    assert "new" in third or not table.reader.is_complete
    assert third.keys() >= second.keys()


def test_the_larger_a_table_is_the_less_often_it_is_read_whole(shell: Shell) -> None:
    table = Table(shell, most=100)
    with Stubber(shell.dynamodb) as stubber:
        for page in range(19):
            stubber.add_response("scan", {"Items": [], "LastEvaluatedKey": {"task_id": {"S": str(page)}}})
        stubber.add_response("scan", {"Items": []})
        table.stages()
        for seconds, index in ((119, {"IndexName": "pending"}), (1, {})):
            table.now += seconds
            stubber.add_response("scan", {"Items": []}, {"TableName": TABLE, **index})
            table.stages()


def test_an_example_reads_what_s3_and_the_service_say(aws: None) -> None:
    assert aws is None
    example: Any = importlib.import_module("infra.examples.read_queue")
    record = {"s3": {"bucket": {"name": "v"}, "object": {"key": "a+b/%C3%A4.mp4"}}}
    frame = {"s3": {"bucket": {"name": "v"}, "object": {"key": "a.last.png"}}}
    bodies = [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "v"},
        {"Records": [record, frame]},
        {"task_id": "x", "status": "FAILED", "error": {"code": "c", "message": "refused"}, "s3_uri": None},
    ]
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    example.WAIT_SECONDS = 0
    assert sorted(example.read(sqs, url)) == [
        "a last frame arrived: s3://v/a.last.png",
        "a video arrived: s3://v/a b/ä.mp4",
        "x ended as FAILED: refused",
    ]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_an_example_removes_a_message_once_it_was_read_and_not_before(aws: None) -> None:
    assert aws is None
    example: Any = importlib.import_module("infra.examples.read_queue")
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no JSON")
    with pytest.raises(ValueError, match="Expecting value"):
        next(example.read(sqs, url))
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert left["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}
