"""CometAPI asked over real HTTP: every answer of the simulator's catalogue in, meaning out."""

import os
import socket
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3

from infra.local.cometapi import RemoteCometApi, SimulatedCometApi, answers
from shared.api_key import ssm_api_key
from shared.comet_api import (
    Answer,
    ApiKey,
    CometApi,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
    client,
)
from shared.comet_api.parser import MAX_BODY_BYTES
from shared.errors import ConfigurationError
from tests.integration.strange_host import StrangeHost, make_certificate, say

WITH_URL = "SUCCESS with a URL"

MEANINGS: dict[str | type[Answer], str] = {
    "SUBMITTED": "documented_submitted newer_queued envelope_not_start",
    "IN_PROGRESS": """
        documented_in_progress newer_in_progress envelope_in_progress envelope_running_but_inner_done
        gateway_in_progress progress_float progress_percent progress_fraction progress_above_100 progress_negative
        progress_words progress_null progress_100_while_running progress_missing completed_at_while_running
        model_differs id_missing status_padded utf8_bom not_a_number infinity gzipped
    """,
    "None": "status_word_unheard_of",
    WITH_URL: """
        documented_success newer_success envelope_success envelope_success_url_in_fail_reason
        envelope_success_result_url envelope_success_inner_video_url envelope_success_content_video_url
        envelope_done_but_inner_running envelope_done_but_inner_failed envelope_inner_status_only
        gateway_completed_metadata_url success_top_level_url success_result_video_url success_without_completed_at
        success_progress_below_100 success_id_missing
    """,
    "SUCCESS": """
        envelope_success_without_url success_without_url success_null_url success_empty_url success_url_is_an_object
        success_url_is_not_a_url
    """,
    "FAILED": """
        documented_failed envelope_failed failed_object_error failed_string_error failed_null_error
        failed_without_error failed_empty_error failed_list_error failed_fail_reason failed_with_video_url
    """,
    "ERROR": "documented_error",
    UnknownTask: "task_not_exist_flat task_not_exist_nested task_not_exist_nested_code",
    Unclear: "bad_request_flat bad_request_nested prompt_required not_found unprocessable",
    KeyRejected: "unauthorized unauthorized_flat forbidden quota_exhausted",
    Throttled: """
        throttled throttled_retry_after_seconds throttled_retry_after_date throttled_retry_after_nonsense
    """,
    Unavailable: """
        internal_error http_408 http_425 http_503 http_502 http_504 http_520 http_521 http_522 http_523 http_524
        unavailable_retry_after_seconds reset close_before_headers truncated stall stall_in_body drip slow
    """,
    Misdirected: "redirect_301 redirect_302 redirect_307 redirect_308",
    Unreadable: """
        envelope_empty envelope_of_another_task id_of_another_task status_missing status_null status_number
        empty_object error_in_200 html nothing json_list json_number json_string json_null json_true not_utf8
        nested_too_deeply integer_of_10000_digits broken_json too_large endless gzip_bomb
    """,
}
MEANING = {name: meaning for meaning, names in MEANINGS.items() for name in names.split()}
SLOW = {"stall", "stall_in_body", "drip", "slow"}


def api_of(comet_api: SimulatedCometApi | RemoteCometApi, base_url: str | None = None) -> CometApi:
    return CometApi(base_url or comet_api.base_url, ApiKey(lambda _force: comet_api.api_key), connections=4)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits half a second instead of fifteen."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(client, "_TIMEOUT", urllib3.Timeout(0.5))


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The connections that were opened."""
    opened: list[int] = []
    connect = urllib3.connection.HTTPConnection.connect

    def counted(connection: urllib3.connection.HTTPConnection) -> None:
        opened.append(id(connection))
        connect(connection)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", counted)
    return opened


def test_every_answer_of_the_catalogue_has_a_meaning() -> None:
    assert MEANING.keys() == set(answers.names())
    assert len(MEANING) == sum(len(names.split()) for names in MEANINGS.values())


@pytest.mark.parametrize("name", answers.names())
def test_an_answer_means(comet_api: SimulatedCometApi, name: str, request: pytest.FixtureRequest) -> None:
    if name in SLOW:
        request.getfixturevalue("impatient")
    task_id = comet_api.create(answers=[name])
    found = api_of(comet_api).ask(task_id)
    meaning = MEANING[name]
    if isinstance(meaning, type):
        assert isinstance(found, meaning)
        return
    assert isinstance(found, Report), found
    assert str(found.status) == meaning.removesuffix(" with a URL")
    path = urlsplit(found.video_url).path if found.video_url else None
    assert path == (f"/files/{task_id}.mp4" if meaning == WITH_URL else None)


def test_an_answer_may_take_its_time(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(answers=[{"name": "slow", "seconds": 0.3}])
    assert isinstance(api_of(comet_api).ask(task_id), Report)


def test_an_answer_that_is_never_complete_is_given_up_in_time(comet_api: SimulatedCometApi, impatient: None) -> None:  # noqa: ARG001
    start = time.monotonic()
    # Each byte comes in time, all of them do not.
    task_id = comet_api.create(answers=[{"name": "drip", "bytes_per_second": 20}])
    assert api_of(comet_api).ask(task_id) == Unavailable(reason="the answer was too slow")
    assert 0.5 <= time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("throttled_retry_after_seconds", 60), ("throttled_retry_after_date", 60), ("throttled", None)],
)
def test_a_throttled_answer_says_for_how_long(
    comet_api: SimulatedCometApi, retry_after: str, seconds: float | None
) -> None:
    step = {"name": retry_after, "retry_after": 60}
    found = api_of(comet_api).ask(comet_api.create(answers=[step]))
    assert isinstance(found, Throttled)
    assert found.retry_after == (seconds and pytest.approx(seconds, abs=5))


def test_a_gateway_that_cannot_be_reached_is_unavailable(comet_api: SimulatedCometApi) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        not_tls = comet_api.base_url.replace("http:", "https:")
        reasons = [api_of(comet_api, base_url).ask("task_x") for base_url in (nobody, not_tls)]
    assert reasons == [Unavailable(reason="NewConnectionError"), Unavailable(reason="SSLError")]


def test_an_id_is_one_part_of_the_path_whatever_it_holds(comet_api: SimulatedCometApi) -> None:
    task_id = "task_x/../y?z=1#ü %2F"
    assert isinstance(api_of(comet_api).ask(task_id), UnknownTask)
    (request,) = comet_api.requests
    assert (request.operation, request.task_id, request.query) == ("retrieve", task_id, {})


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.cometapi.com",
        "ftp://api.cometapi.com",
        "https://",
        "https://me:secret@host",
        "https://h?a=b",
        "http://[",
    ],
)
def test_a_base_url_that_is_none(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="CometApiBaseUrl") as raised:
        CometApi(base_url, ApiKey(lambda _force: "sk-x"), connections=1)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("base", ["", "/", "/proxy", "/proxy/"])
def test_a_base_url_may_have_a_path(base: str) -> None:
    with StrangeHost(say("HTTP/1.1 500 No\nContent-Length: 0")) as host:
        origin = host.url.partition("/video.mp4")[0]
        CometApi(origin + base, ApiKey(lambda _force: "sk-x"), connections=1).ask("task_x")
    assert host.heads[0].startswith(f"GET {base.rstrip('/')}/v1/videos/task_x HTTP/1.1\r\n")


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest: look_up("127.0.0.1", *rest))
    with StrangeHost(say("HTTP/1.1 200 OK"), make_certificate(tmp_path)) as host:
        origin = host.url.partition("/video.mp4")[0]
        found = CometApi(origin, ApiKey(lambda _force: "sk-x"), connections=1).ask("task_x")
    assert found == Unavailable(reason="SSLError")
    assert host.heads == []


# --- Connections ---


def test_one_connection_serves_all_questions(comet_api: SimulatedCometApi, connects: list[int]) -> None:
    whole = ["documented_in_progress", "html", "throttled", "http_502", "unauthorized", "nothing", "redirect_302"]
    task_id = comet_api.create(answers=[*whole, *whole])
    api = api_of(comet_api)
    for _ in range(2 * len(whole)):
        api.ask(task_id)
    assert [request.answer for request in comet_api.requests] == [*whole, *whole]
    assert len(connects) == 1


def test_threads_share_the_connections(comet_api: SimulatedCometApi, connects: list[int]) -> None:
    comet_api.latency = 0.01
    task_id = comet_api.create()
    api = api_of(comet_api)
    with ThreadPoolExecutor(4) as threads:
        assert all(isinstance(found, Report) for found in threads.map(api.ask, [task_id] * 40))
    assert len(connects) <= 4


@pytest.mark.parametrize("name", ["too_large", "endless", "gzip_bomb", "truncated", "reset", "stall_in_body"])
def test_a_connection_with_an_unread_rest_is_not_used_again(
    comet_api: SimulatedCometApi,
    impatient: None,  # noqa: ARG001
    connects: list[int],
    name: str,
) -> None:
    task_id = comet_api.create(answers=[name, "documented_in_progress"])
    api = api_of(comet_api)
    assert not isinstance(api.ask(task_id), Report)
    assert isinstance(api.ask(task_id), Report)
    assert len(connects) == 2


@pytest.fixture
def distant(tmp_path: Path) -> Iterator[RemoteCometApi]:
    """A simulator in another process, so that its memory is not ours."""
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "infra.local.cometapi", "--ready-file", str(ready)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}) as process:  # noqa: S603 - our own command
        try:
            while not ready.exists() and process.poll() is None:
                time.sleep(0.01)
            yield RemoteCometApi.from_ready_file(ready)
        finally:
            process.terminate()


def test_no_answer_takes_much_memory(distant: RemoteCometApi) -> None:
    tasks = {name: distant.create(answers=[name]) for name in ("endless", "too_large", "gzip_bomb")}
    api = api_of(distant)
    tracemalloc.start()
    try:
        for name, task_id in tasks.items():
            tracemalloc.reset_peak()
            assert isinstance(api.ask(task_id), Unreadable), name
            assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BODY_BYTES, name
    finally:
        tracemalloc.stop()


# --- The key ---


class KeyStore:
    """Notes how the key was read."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.forced: list[bool] = []

    def read(self, force: bool) -> str:  # noqa: FBT001
        self.forced.append(force)
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]


@pytest.mark.parametrize("name", ["redirect_301", "redirect_302", "redirect_307", "redirect_308"])
def test_a_redirect_does_not_get_the_key(comet_api: SimulatedCometApi, name: str) -> None:
    with SimulatedCometApi(render_seconds=0) as elsewhere:
        location = f"{elsewhere.base_url}/v1/videos/{elsewhere.create()}"
        found = api_of(comet_api).ask(comet_api.create(answers=[{"name": name, "location": location}]))
        assert elsewhere.requests == []
    assert found == Misdirected(reason=f"HTTP {name[-3:]}", request_id=found.request_id)
    (request,) = comet_api.requests
    assert request.headers["authorization"] == f"Bearer {comet_api.api_key}"


def test_a_key_that_is_accepted_is_read_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore(comet_api.api_key)
    api = CometApi(comet_api.base_url, ApiKey(store.read), connections=1)
    assert store.forced == []
    for _ in range(3):
        assert isinstance(api.ask(comet_api.create()), Report)
    assert store.forced == [False]


def test_a_rejected_key_is_read_again_once_and_the_new_one_used(comet_api: SimulatedCometApi) -> None:
    store = KeyStore("sk-old", comet_api.api_key)
    api = CometApi(comet_api.base_url, ApiKey(store.read), connections=1)
    for _ in range(3):
        assert isinstance(api.ask(comet_api.create()), Report)
    assert store.forced == [False, True]
    assert [request.headers["authorization"] for request in comet_api.requests] == [
        "Bearer sk-old",
        *[f"Bearer {comet_api.api_key}"] * 3,
    ]


@pytest.mark.parametrize(("keys", "questions"), [(["sk-dead"], 1), (["sk-old", "sk-dead"], 2)])
def test_a_key_that_stays_rejected_is_told(comet_api: SimulatedCometApi, keys: list[str], questions: int) -> None:
    store = KeyStore(*keys)
    found = CometApi(comet_api.base_url, ApiKey(store.read), connections=1).ask(comet_api.create())
    assert found == KeyRejected(message="Invalid token", request_id=found.request_id)
    assert store.forced == [False, True]
    assert len(comet_api.requests) == questions


@pytest.mark.parametrize("key", ["sk-secret\nsk-secret", "sk-secret…", "sk-secret\x00", "sk-secret sk-secret"])
def test_a_key_that_no_header_can_carry_is_never_sent_nor_told(
    aws: None,  # noqa: ARG001
    comet_api: SimulatedCometApi,
    key: str,
) -> None:
    boto3.client("ssm").put_parameter(Name="/key", Value=key, Type="SecureString")
    api = CometApi(comet_api.base_url, ssm_api_key("/key"), connections=1)
    with pytest.raises(ConfigurationError, match="/key") as raised:
        api.ask(comet_api.create())
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    assert comet_api.requests == []


def test_many_threads_read_a_rotated_key_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore(comet_api.api_key, "sk-rotated")
    api = CometApi(comet_api.base_url, ApiKey(store.read), connections=16)
    task_id = comet_api.create()
    assert isinstance(api.ask(task_id), Report)
    comet_api.api_key = "sk-rotated"
    together = Barrier(16)

    def ask(_number: int) -> Answer:
        together.wait()
        return api.ask(task_id)

    with ThreadPoolExecutor(16) as threads:
        assert all(isinstance(found, Report) for found in threads.map(ask, range(16)))
    assert store.forced == [False, True]


def test_many_threads_read_a_dead_key_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore("sk-dead")
    api = CometApi(comet_api.base_url, ApiKey(store.read), connections=16)
    comet_api.latency = 0.2
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(api.ask, [comet_api.create() for _ in range(16)]))
    assert {type(answer) for answer in answers} == {KeyRejected}
    assert store.forced == [False, True]
