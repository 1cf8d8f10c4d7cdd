"""CometAPI asked over real HTTP: every answer of the simulator's catalogue in, meaning out."""

import errno
import os
import socket
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from queue import Queue
from threading import Barrier
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3

from infra.local.cometapi import RemoteCometApi, SimulatedCometApi, answers
from shared.api_key import ApiKey, ssm_api_key
from shared.comet_api import (
    Answer,
    CometApi,
    Forbidden,
    KeyRejected,
    Misdirected,
    Report,
    Throttled,
    Unavailable,
    Unclear,
    UnknownTask,
    Unreadable,
    client,
    connection,
    content_url,
    normal_base,
)
from shared.comet_api.parser import MAX_BODY_BYTES
from shared.errors import ConfigurationError
from tests.integration.strange_host import NAME, StrangeHost, Talk, make_certificate, say, trust

WITH_URL = "SUCCESS with a URL"
WITH_CONTENT = "SUCCESS with the content route"

MEANINGS: dict[str | type[Answer], str] = {
    "SUBMITTED": "documented_submitted newer_queued envelope_not_start",
    "IN_PROGRESS": """
        documented_in_progress newer_in_progress envelope_in_progress envelope_running_but_inner_done
        gateway_in_progress progress_float progress_percent progress_fraction progress_above_100 progress_negative
        progress_words progress_null progress_100_while_running progress_missing completed_at_while_running
        model_differs status_padded gzipped request_success_over_running
        request_error_over_running
    """,
    "None": "status_word_unheard_of",
    WITH_URL: """
        documented_success newer_success envelope_success envelope_success_url_in_fail_reason
        envelope_success_result_url envelope_success_inner_video_url envelope_success_content_video_url
        envelope_done_but_inner_running envelope_done_but_inner_failed envelope_inner_status_only
        gateway_completed_metadata_url success_top_level_url success_result_video_url success_without_completed_at
        success_progress_below_100 success_id_missing success_with_usage success_with_last_frame
        envelope_success_with_last_frame success_odd_usage success_usage_in_header request_success_over_success
    """,
    WITH_CONTENT: "success_content_url",
    "SUCCESS": """
        documented_success_without_url envelope_success_without_url success_without_url success_null_url
        success_empty_url success_url_is_an_object success_url_is_not_a_url
    """,
    "FAILED": """
        documented_failed envelope_failed failed_object_error failed_string_error failed_null_error
        failed_without_error failed_empty_error failed_list_error failed_fail_reason failed_with_video_url
    """,
    "ERROR": "documented_error",
    UnknownTask: "task_not_exist_flat task_not_exist_nested task_not_exist_nested_code",
    Unclear: "bad_request_flat bad_request_nested prompt_required not_found unprocessable",
    KeyRejected: "unauthorized unauthorized_flat forbidden quota_exhausted",  # from a key without a report
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
        nested_too_deeply integer_of_10000_digits broken_json too_large endless gzip_bomb status_error_without_id
        status_expired_without_id status_success_without_id failed_id_missing request_success_over_nothing
        id_missing utf8_bom not_a_number infinity
    """,
}
MEANING = {name: meaning for meaning, names in MEANINGS.items() for name in names.split()}
SLOW = {"stall", "stall_in_body", "drip", "slow"}


def client_of(base_url: str, read_key: Callable[[], str] = lambda: "sk-x", connections: int = 1) -> CometApi:
    return CometApi(base_url, ApiKey(read_key), connections, allow_insecure=True)


def api_of(comet_api: SimulatedCometApi | RemoteCometApi, base_url: str | None = None) -> CometApi:
    return client_of(base_url or comet_api.base_url, lambda: comet_api.api_key, connections=4)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits half a second instead of fifteen."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.5)


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
    assert str(found.status) == meaning.split()[0]
    path = urlsplit(found.video_url).path if found.video_url else None
    paths = {WITH_URL: f"/files/{task_id}.mp4", WITH_CONTENT: f"/v1/videos/{task_id}/content"}
    assert path == paths.get(meaning)


RENDER = {
    "usage": {"completion_tokens": 108_900, "total_tokens": 108_900}, "duration": 5, "resolution": "720p",
    "ratio": "16:9", "framespersecond": 24, "seed": 58944,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "result", "has_last_frame"),
    [
        ("success_with_usage", RENDER, False),
        ("success_with_last_frame", RENDER, True),
        ("envelope_success_with_last_frame", RENDER, True),
        ("success_usage_in_header", {"usage": {"completion_tokens": 1234, "total_tokens": 1234}}, False),
        ("success_odd_usage", {}, False),
        ("documented_success", {}, False),
        ("documented_in_progress", {}, False),
    ],
)
def test_a_report_says_what_the_render_was(
    comet_api: SimulatedCometApi, name: str, result: dict[str, object], *, has_last_frame: bool
) -> None:
    task_id = comet_api.create(answers=[name])
    found = api_of(comet_api).ask(task_id)
    assert isinstance(found, Report)
    assert found.result == result
    path = urlsplit(found.last_frame_url).path if found.last_frame_url else None
    assert path == (f"/frames/{task_id}" if has_last_frame else None)


def test_the_content_route_is_where_the_simulator_has_it(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(answers=["success_content_url"])
    api = api_of(comet_api)
    found = api.ask(task_id)
    assert isinstance(found, Report)
    assert found.video_url == content_url(api.base, task_id)


@pytest.mark.parametrize("length", [8192, 8193, 20_000])
def test_a_url_of_any_length_is_reported(comet_api: SimulatedCometApi, length: int) -> None:
    url = "https://v.volces.com/a.mp4?".ljust(length, "s")
    found = api_of(comet_api).ask(comet_api.create(answers=[{"name": "documented_success", "video_url": url}]))
    assert isinstance(found, Report)
    assert found.video_url == url


def test_an_answer_may_take_its_time(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(answers=[{"name": "slow", "seconds": 0.3}])
    assert isinstance(api_of(comet_api).ask(task_id), Report)


def test_an_answer_that_is_never_complete_is_given_up_in_time(comet_api: SimulatedCometApi, impatient: None) -> None:  # noqa: ARG001
    start = time.monotonic()
    # Each byte comes in time, all of them do not.
    task_id = comet_api.create(answers=[{"name": "drip", "bytes_per_second": 20}])
    assert api_of(comet_api).ask(task_id) == Unavailable(reason="ReadTimeoutError")
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


def test_a_clock_that_is_set_meanwhile_costs_no_answer(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = comet_api.create()
    monkeypatch.setattr(client, "time", SimpleNamespace(time=count(0, 3600).__next__, monotonic=time.monotonic))
    assert isinstance(api_of(comet_api).ask(task_id), Report)


def test_what_nobody_foresaw_is_no_silence_of_the_gateway(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(client, "_read", surprise)
    with pytest.raises(ZeroDivisionError):
        api_of(comet_api).ask("task_x")


def test_a_header_is_known_in_lower_case_too() -> None:
    with StrangeHost(say("HTTP/1.1 429 Slow\nretry-after: 60\nContent-Length: 0"), takes_key=True) as host:
        assert client_of(host.origin).ask("task_x") == Throttled(retry_after=60)


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


# --- Where it asks ---

NO_BASE_URL = (
    "The stack's parameter CometApiBaseUrl must be a URL like https://api.cometapi.com; correct it and deploy."
)
IN_CLEAR = (
    "The stack's parameter CometApiBaseUrl is plain http, which would send the API key in clear; correct it to https "
    "and deploy. Only a stack for tests may set AllowInsecureVideoUrls to true instead."
)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.cometapi.com",
        "ftp://api.cometapi.com",
        "https://",
        "https://me:secret@host",
        "https://h?a=b",
        "https://h/#secret",
        "http://[",
    ],
)
def test_a_base_url_that_is_none(base_url: str) -> None:
    for use in (client_of, lambda url: normal_base(url, allow_insecure=True)):
        with pytest.raises(ConfigurationError) as raised:
            use(base_url)
        assert str(raised.value) == NO_BASE_URL


@pytest.mark.parametrize(
    ("base_url", "normal"),
    [
        ("https://api.cometapi.com", "https://api.cometapi.com"),
        ("https://api.cometapi.com/", "https://api.cometapi.com"),
        ("https://api.cometapi.com/v1", "https://api.cometapi.com"),
        ("https://api.cometapi.com/v1/", "https://api.cometapi.com"),
        ("HTTPS://API.CometAPI.com//v1//", "https://api.cometapi.com"),
        ("https://h:8443/proxy", "https://h:8443/proxy"),
        ("https://h:8443/proxy/v1/", "https://h:8443/proxy"),
        ("https://h/v1/v1", "https://h/v1"),
        ("https://h/proxy//v1", "https://h/proxy"),
        ("https://h/X", "https://h/X"),
        ("https://h/X/v1", "https://h/X"),
        ("https://h/proxyv1", "https://h/proxyv1"),
        ("https://[::1]:9/v1", "https://[::1]:9"),
    ],
)
def test_a_base_url_may_end_in_v1_or_not(base_url: str, normal: str) -> None:
    base = normal_base(base_url, allow_insecure=False)
    assert base.url == normal
    assert base == client_of(base_url).base
    assert content_url(base, "task_x") == f"{normal}/v1/videos/task_x/content"
    assert content_url(base, "a/../b?c#d ü") == f"{normal}/v1/videos/a%2F..%2Fb%3Fc%23d%20%C3%BC/content"


def test_nothing_is_kept_of_a_task_that_was_asked_about() -> None:
    """An environment lives for hours and may see a million ids."""
    base = normal_base("https://api.cometapi.com", allow_insecure=False)
    tracemalloc.start()
    try:
        for number in range(1000):
            content_url(base, f"task_{number:0200}")
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


def test_plain_http_is_refused_where_nobody_allowed_it() -> None:
    for use in (
        lambda: CometApi("http://api.cometapi.com", ApiKey(lambda: "sk-x"), connections=1),
        lambda: normal_base("HTTP://api.cometapi.com/v1", allow_insecure=False),
    ):
        with pytest.raises(ConfigurationError) as raised:
            use()
        assert str(raised.value) == IN_CLEAR
    assert normal_base("http://127.0.0.1:80/v1", allow_insecure=True).url == "http://127.0.0.1:80"


@pytest.mark.parametrize("base", ["", "/", "/proxy", "/proxy/", "/v1", "/v1/", "/proxy/v1"])
def test_what_is_asked(base: str) -> None:
    with StrangeHost(say("HTTP/1.1 500 No\nContent-Length: 0"), takes_key=True) as host:
        client_of(host.url.partition("/video.mp4")[0] + base, lambda: "sk-1").ask("task_x")
    question, *headers = host.heads[0].splitlines()
    assert question == f"GET {'/proxy' if 'proxy' in base else ''}/v1/videos/task_x HTTP/1.1"
    assert {"Authorization: Bearer sk-1", "Accept: application/json"} <= set(headers)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest: look_up("127.0.0.1", *rest))
    with StrangeHost(say("HTTP/1.1 200 OK"), make_certificate(tmp_path)) as host:
        origin = host.url.partition("/video.mp4")[0]
        found = CometApi(origin, ApiKey(lambda: "sk-x"), connections=1).ask("task_x")
    assert found == Unavailable(reason="SSLError")
    assert host.heads == []


def test_a_certificate_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    trust(certificate, monkeypatch)
    with StrangeHost(say("HTTP/1.1 200 OK"), certificate) as host:
        elsewhere = host.origin.replace(NAME, "other.example.com")
        assert client_of(elsewhere).ask("task_x") == Unavailable(reason="SSLError")
    assert host.heads == []


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example.com"])
def test_a_name_that_no_look_up_takes(name: str) -> None:
    assert client_of(f"https://{name}").ask("task_x") == Unavailable(reason="NewConnectionError")


# --- How long it waits ---

LONG_SECONDS = 20
"""Longer than a client of half a second waits on any machine."""


def drip(beginning: bytes, drop: bytes) -> Talk:
    """Go on saying something, at once and never to the end, for LONG_SECONDS."""

    def talk(connection: socket.socket, _: str) -> None:
        connection.sendall(beginning)
        ends_at = time.monotonic() + LONG_SECONDS
        while time.monotonic() < ends_at:
            connection.sendall(drop)
            time.sleep(0.02)

    return talk


@pytest.mark.parametrize("with_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "talk",
    [
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["first line", "header", "heads without end", "body", "size of a chunk"],
)
def test_an_answer_in_drops_is_given_up_wherever_it_drips(
    impatient: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    talk: Talk,
    *,
    with_tls: bool,
) -> None:
    certificate = make_certificate(tmp_path) if with_tls else None
    if certificate:
        trust(certificate, monkeypatch)
    with StrangeHost(talk, certificate, takes_key=True) as host:
        started = time.monotonic()
        assert client_of(host.origin).ask("task_x") == Unavailable(reason="ReadTimeoutError")
        assert time.monotonic() - started < LONG_SECONDS / 2


def test_a_connection_that_served_a_question_in_time_serves_the_next_one(connects: list[int]) -> None:
    """What was left of the time for the one before is no time-out of the next."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n{"id": "task_x", "status": "IN_PROGRESS"}'

    def talk(connection: socket.socket, _: str) -> None:
        connection.sendall(answer[:20])
        time.sleep(0.3)
        connection.sendall(answer[20:])
        while not connection.recv(4096).endswith(b"\r\n\r\n"):
            pass
        time.sleep(0.3)
        connection.sendall(answer)

    with StrangeHost(talk, takes_key=True) as host:
        api = client_of(host.origin)
        assert [type(api.ask("task_x")) for _ in range(2)] == [Report, Report]
    assert len(connects) == 1


@pytest.fixture
def silent_address() -> Iterator[tuple[str, int]]:
    """Where connections are not even opened, since nobody accepts those that wait."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest: found if host == "many" else LOOK_UP(host, *rest))


LOOK_UP = socket.getaddrinfo


@pytest.mark.parametrize("is_first", [True, False])
def test_an_address_that_is_silent_costs_no_answer(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch, silent_address: tuple[str, int], *, is_first: bool
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 4.0)
    there = urlsplit(comet_api.base_url)
    addresses = [silent_address, (there.hostname or "", there.port or 0)]
    resolve_to(monkeypatch, *(addresses if is_first else reversed(addresses)))
    assert isinstance(api_of(comet_api, "http://many:1").ask(comet_api.create()), Report)


def test_an_address_without_a_route_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in a VPC may have no way for IPv6: that is an OSError of no finer kind."""
    opened: list[str] = []

    def open_socket(address: Any, _: float) -> socket.socket:
        opened.append(address[0])
        if len(opened) == 1:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return socket.socket()

    monkeypatch.setattr(connection, "open_socket", open_socket)
    connection._open([("::1", 1), ("127.0.0.1", 2)], time.monotonic() + 5).close()  # noqa: SLF001
    assert opened == ["::1", "127.0.0.1"]


def test_an_address_of_ipv6_is_looked_up_without_its_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def getaddrinfo(host: str, _port: int, family: int, *_: object) -> None:
        asked.append((host, family))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert client_of("http://[2001:db8::1]").ask("task_x") == Unavailable(reason="NewConnectionError")
    assert asked == [("2001:db8::1", socket.AF_UNSPEC)]


def test_a_connection_that_is_opened_anew_goes_where_its_name_leads_by_then(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = api_of(comet_api, "http://many:1")
    with StrangeHost(say("HTTP/1.1 503 Moving\nConnection: close"), takes_key=True) as before:
        resolve_to(monkeypatch, ("127.0.0.1", before.server_address[1]))
        assert api.ask("task_x") == Unavailable(reason="HTTP 503")
    resolve_to(monkeypatch, ("127.0.0.1", urlsplit(comet_api.base_url).port or 0))
    assert isinstance(api.ask(comet_api.create()), Report)


def test_each_address_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(address: object, *_: float) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert client_of("http://localhost:1").ask("task_x") == Unavailable(reason="NewConnectionError")
    assert 1 <= len(tried) == len(set(tried))


def test_many_silent_addresses_take_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch, silent_address: tuple[str, int]
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.5)
    resolve_to(monkeypatch, *[silent_address] * 2 * LONG_SECONDS)
    started = time.monotonic()
    assert client_of("http://many:1").ask("task_x") == Unavailable(reason="NewConnectionError")
    assert time.monotonic() - started < LONG_SECONDS / 2


@pytest.mark.parametrize("late", [0, 1])
def test_a_key_that_comes_too_late_is_not_asked_with(comet_api: SimulatedCometApi, impatient: None, late: int) -> None:  # noqa: ARG001
    store = KeyStore("sk-old", comet_api.api_key)

    def read() -> str:
        if store.reads == late:
            time.sleep(client.ANSWER_SECONDS)
        return store.read()

    task_id = comet_api.create()
    comet_api.forget_requests()
    assert client_of(comet_api.base_url, read).ask(task_id) == Unavailable(reason="TimeoutError")
    assert (store.reads, len(comet_api.requests)) == (late + 1, late)


@pytest.mark.parametrize("slow", ["key", "name"])
def test_what_comes_before_an_answer_takes_of_its_time(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """Each by itself would come in time."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 1.0)
    slowly(monkeypatch, 0.7 if slow == "name" else 0)

    def read() -> str:
        time.sleep(0.7 if slow == "key" else 0)
        return comet_api.api_key

    task_id = comet_api.create(answers=[{"name": "slow", "seconds": 0.7}])
    assert isinstance(client_of(comet_api.base_url, read).ask(task_id), Unavailable)


def test_a_name_that_takes_too_long_to_look_up_is_connected_to_no_more(
    comet_api: SimulatedCometApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)
    slowly(monkeypatch, 0.3)
    assert api_of(comet_api).ask(comet_api.create()) == Unavailable(reason="NewConnectionError")


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let each look-up of a name take so long."""

    def getaddrinfo(*asked: Any) -> Any:
        time.sleep(seconds)
        return LOOK_UP(*asked)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# --- Connections ---


def test_one_connection_serves_all_questions(comet_api: SimulatedCometApi, connects: list[int]) -> None:
    whole = ["documented_in_progress", "html", "throttled", "http_502", "unauthorized", "nothing", "redirect_302"]
    task_id = comet_api.create(answers=[*whole, *whole])
    api = api_of(comet_api)
    for _ in range(2 * len(whole)):
        api.ask(task_id)
    assert [request.answer for request in comet_api.requests] == [*whole, *whole]
    assert len(connects) == 1


def test_a_connection_whose_rest_is_still_to_come_is_not_used_again() -> None:
    heard: Queue[bytes] = Queue()

    def talk(wire: socket.socket, head: str) -> None:
        say(f"HTTP/1.1 200 OK\nContent-Length: {2 * MAX_BODY_BYTES}", b" " * (MAX_BODY_BYTES + 1))(wire, head)
        heard.put(wire.recv(1))  # of the next question, or none

    with StrangeHost(talk, takes_key=True) as host:
        api = client_of(host.origin)
        assert [type(api.ask("task_x")) for _ in range(2)] == [Unreadable, Unreadable]
        assert [heard.get(timeout=10) for _ in range(2)] == [b"", b""]


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
    monkeypatch: pytest.MonkeyPatch,
    connects: list[int],
    name: str,
) -> None:
    task_id = comet_api.create(answers=[name, "documented_in_progress"])
    api = api_of(comet_api)
    with monkeypatch.context() as impatiently:
        impatiently.setattr(client, "ANSWER_SECONDS", 0.5)
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
    """Gives out one key after the other, the last one again and again, and counts."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
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
    api = client_of(comet_api.base_url, store.read, connections=1)
    assert store.reads == 0
    for _ in range(3):
        assert isinstance(api.ask(comet_api.create()), Report)
    assert store.reads == 1


def test_a_rejected_key_is_read_again_once_and_the_new_one_used(comet_api: SimulatedCometApi) -> None:
    store = KeyStore("sk-old", comet_api.api_key)
    api = client_of(comet_api.base_url, store.read, connections=1)
    for _ in range(3):
        assert isinstance(api.ask(comet_api.create()), Report)
    assert store.reads == 2
    assert [request.headers["authorization"] for request in comet_api.requests] == [
        "Bearer sk-old",
        *[f"Bearer {comet_api.api_key}"] * 3,
    ]


@pytest.mark.parametrize(("keys", "questions"), [(["sk-dead"], 1), (["sk-old", "sk-dead"], 2)])
def test_a_key_that_stays_rejected_is_told(comet_api: SimulatedCometApi, keys: list[str], questions: int) -> None:
    store = KeyStore(*keys)
    found = client_of(comet_api.base_url, store.read, connections=1).ask(comet_api.create())
    assert found == KeyRejected(message="Invalid token", request_id=found.request_id)
    assert store.reads == 2
    assert len(comet_api.requests) == questions


def test_a_key_that_is_nowhere_is_told_with_the_way_to_store_it(aws: None) -> None:  # noqa: ARG001
    with pytest.raises(ConfigurationError, match=r"/key \(ParameterNotFound\).* put-parameter .*--name /key "):
        ssm_api_key("/key").value()


@pytest.mark.parametrize(("is_there", "error"), [(False, "EndpointConnectionError"), (True, "ReadTimeoutError")])
def test_a_store_that_gives_no_answer_is_told(monkeypatch: pytest.MonkeyPatch, *, is_there: bool, error: str) -> None:
    """Lambda ends an initialization, which reads the key, after 10 s."""
    with socket.create_server(("127.0.0.1", 0)) as store:
        url = f"http://127.0.0.1:{store.getsockname()[1]}"
        if not is_there:
            store.close()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        began = time.monotonic()
        with pytest.raises(ConfigurationError, match=rf"/key \({error}\)"):
            ssm_api_key("/key").value()
        assert time.monotonic() - began < 10


def test_a_key_that_was_stored_anew_is_used(aws: None, comet_api: SimulatedCometApi) -> None:  # noqa: ARG001
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/key", Value="sk-old", Type="SecureString")
    key = ssm_api_key("/key")
    assert key.value() == "sk-old"
    ssm.put_parameter(Name="/key", Value=f" {comet_api.api_key}\n", Type="SecureString", Overwrite=True)
    assert key.value() == "sk-old"
    key.expire()
    assert key.value() == comet_api.api_key
    ssm.delete_parameter(Name="/key")
    key.expire()
    assert key.value() == comet_api.api_key


@pytest.mark.parametrize("key", ["sk-secret\nsk-secret", "sk-secret…", "sk-secret\x00", "sk-secret sk-secret"])
def test_a_key_that_no_header_can_carry_is_never_sent_nor_told(
    aws: None,  # noqa: ARG001
    comet_api: SimulatedCometApi,
    key: str,
) -> None:
    boto3.client("ssm").put_parameter(Name="/key", Value=key, Type="SecureString")
    api = CometApi(comet_api.base_url, ssm_api_key("/key"), connections=1, allow_insecure=True)
    with pytest.raises(ConfigurationError, match="/key") as raised:
        api.ask(comet_api.create())
    assert "secret" not in "".join(traceback.format_exception(raised.value))
    assert comet_api.requests == []


def ask_together(api: CometApi, task_ids: list[str]) -> list[Answer]:
    """Ask about all tasks at once, each from a thread of its own."""
    together = Barrier(len(task_ids))

    def ask(task_id: str) -> Answer:
        together.wait()
        return api.ask(task_id)

    with ThreadPoolExecutor(len(task_ids)) as threads:
        return list(threads.map(ask, task_ids))


def test_many_threads_read_a_rotated_key_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore(comet_api.api_key, "sk-rotated")
    api = client_of(comet_api.base_url, store.read, connections=16)
    task_id = comet_api.create()
    assert isinstance(api.ask(task_id), Report)
    comet_api.api_key = "sk-rotated"
    assert all(isinstance(found, Report) for found in ask_together(api, [task_id] * 16))
    assert store.reads == 2


def test_many_threads_read_a_dead_key_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore("sk-dead")
    api = client_of(comet_api.base_url, store.read, connections=16)
    comet_api.latency = 2  # all have asked by then, on a busy machine too
    answers = ask_together(api, [comet_api.create() for _ in range(16)])
    assert {type(answer) for answer in answers} == {KeyRejected}
    assert store.reads == 2


# --- What a key is worth ---


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The client's time of day, to be set."""
    now = [time.time()]
    monkeypatch.setattr("shared.comet_api.client.time.time", lambda: now[0])
    yield now
    monkeypatch.undo()


def test_a_key_is_proven_by_a_report_on_any_task_for_15_minutes(
    comet_api: SimulatedCometApi, clock: list[float]
) -> None:
    good, refused, silent = comet_api.create(), comet_api.create(answers="forbidden"), comet_api.create(answers="html")
    api = api_of(comet_api)
    assert isinstance(api.ask(refused), KeyRejected)
    assert isinstance(api.ask(silent), Unreadable)
    assert isinstance(api.ask(refused), KeyRejected)
    reported_at = clock[0]
    assert isinstance(api.ask(good), Report)
    for age, meaning in ((0, Forbidden), (900, Forbidden), (901, KeyRejected)):
        clock[0] = reported_at + age
        assert type(api.ask(refused)) is meaning, age
    assert isinstance(api.ask(good), Report)
    assert isinstance(api.ask(refused), Forbidden)


def test_a_refusal_of_a_task_has_no_key_read_and_is_asked_once(comet_api: SimulatedCometApi) -> None:
    store = KeyStore(comet_api.api_key)
    api = client_of(comet_api.base_url, store.read)
    api.ask(comet_api.create())
    comet_api.forget_requests()
    found = api.ask(comet_api.create(answers="quota_exhausted"))
    assert isinstance(found, Forbidden)
    assert found.message == "user quota is not enough"
    assert (store.reads, len(comet_api.requests)) == (1, 1)


def test_a_key_that_is_rejected_is_never_a_trouble_of_the_task(comet_api: SimulatedCometApi) -> None:
    api = api_of(comet_api)
    api.ask(comet_api.create())
    assert isinstance(api.ask(comet_api.create(answers="unauthorized")), KeyRejected)


@pytest.mark.parametrize("is_rejected", [False, True], ids=["both are good", "the old one is rejected"])
def test_a_denial_tells_when_this_very_key_got_a_report(
    comet_api: SimulatedCometApi, clock: list[float], *, is_rejected: bool
) -> None:
    store = KeyStore(comet_api.api_key, "sk-other")
    key = ApiKey(store.read)
    api = CometApi(comet_api.base_url, key, connections=1, allow_insecure=True)
    task_id, first = comet_api.create(), clock[0]

    def denied() -> float | None:
        found = api.ask("task_nobody")
        assert isinstance(found, UnknownTask)
        return found.key_reported_at

    assert denied() is None
    api.ask(task_id)
    clock[0] += 100_000
    assert denied() == first
    # The same parameter now holds a key of another account: what the old one was told proves nothing of it.
    if not is_rejected:
        key.expire()
    comet_api.api_key = "sk-other"
    assert denied() is None
    api.ask(task_id)
    assert denied() == clock[0]


def test_a_report_to_a_key_that_was_renewed_meanwhile_proves_nothing_of_the_new_one() -> None:
    key = ApiKey(KeyStore("sk-old", "sk-new").read)

    def talk(wire: socket.socket, head: str) -> None:
        key.expire()
        assert key.value() == "sk-new"
        if "sk-old" in head:
            say("HTTP/1.1 200 OK\nConnection: close", b'{"id": "task_x", "status": "queued"}')(wire, head)
        else:
            say("HTTP/1.1 400 No\nConnection: close", b'{"code": "task_not_exist"}')(wire, head)

    with StrangeHost(talk, takes_key=True) as host:
        api = CometApi(host.origin, key, connections=1, allow_insecure=True)
        assert isinstance(api.ask("task_x"), Report)
        denial = api.ask("task_x")
    assert isinstance(denial, UnknownTask)
    assert denial.key_reported_at is None
