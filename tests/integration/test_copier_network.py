"""The way to a host: what it is asked, which of its addresses answers, and how long all of it may take."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copier import connection as connecting
from copier.connection import pool_for
from copier.video_url import check_url
from copier.watch import Deadline, Watch
from infra.local.cometapi.footage import Synthetic
from shared.errors import CopyInterrupted, VideoRefused
from shared.lifecycle import LONGEST_URL
from tests.integration.copying import KIB, PROMPT, SOON_BORED, SOON_JUDGING, CopyShop, shrink
from tests.integration.strange_host import NAME, StrangeHost, make_certificate, say, serve

VIDEO = b"".join(Synthetic(40 * KIB, "seed").chunks(0, 40 * KIB))


# --- Byte for byte ---

SIGNED = [
    "/v.mp4?X-Tos-Signature=1%2f2%2B3",
    "/a%2fb/%7Euser/%41.mp4",
    "/b/../c/./d.mp4",
    "//a//b.mp4",
    "/v[1].mp4?part=[x]",
    "/v.mp4?empty=&flag&x=a=b",
    "/v.mp4?",
    "/?redirect=http://127.0.0.1/?x",
    "/v.mp4?chars=!$'()*,;:@~|^`{}<>\\\"",
    "/v.mp4?plus=a+b",
    "/v%zz.mp4",
]


@pytest.mark.parametrize("target", SIGNED)
@pytest.mark.parametrize("is_redirect", [False, True])
def test_a_signed_url_goes_out_as_it_was_signed(shop: CopyShop, target: str, *, is_redirect: bool) -> None:
    with StrangeHost(serve(VIDEO)) as host:
        first = StrangeHost(say(f"HTTP/1.1 302 Found\nContent-Length: 0\nLocation: {host.origin}{target}"))
        with first:
            shop.copy("task_x", first.url if is_redirect else host.origin + target)
    assert host.targets == [target]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b/../c%2f.mp4?", "/b/../c%2f.mp4?"),
        ("c%2f.mp4?x=[y]", "/c%2f.mp4?x=[y]"),
        ("?x=%2f", "/video.mp4?x=%2f"),
        ("/a b.mp4", "/a%20b.mp4"),
        ("/\u00e4.mp4", "/%C3%A4.mp4"),
        ("/v.mp4#t=5", "/v.mp4"),
    ],
)
def test_a_location_is_followed_as_it_is(shop: CopyShop, location: str, target: str) -> None:
    raw = location.encode().decode("latin-1")

    def redirect_once(wire: socket.socket, head: str) -> None:
        moved = say(f"HTTP/1.1 307 Moved\nContent-Length: 0\nLocation: {raw}")
        (moved if len(host.heads) == 1 else serve(VIDEO))(wire, head)

    with StrangeHost(redirect_once) as host:
        shop.copy("task_x", host.url)
    assert host.targets[1:] == [target]


@pytest.mark.parametrize(
    ("given", "sent"), [("/a b.mp4", "/a%20b.mp4"), ("/\u00e4?\u00f6", "/%C3%A4?%C3%B6"), ("", "/")]
)
def test_only_what_http_forbids_is_encoded(shop: CopyShop, given: str, sent: str) -> None:
    with StrangeHost(serve(VIDEO)) as host:
        shop.copy("task_x", host.origin + given)
    assert host.targets == [sent]


def test_a_url_of_8_kib(shop: CopyShop) -> None:
    with StrangeHost(serve(VIDEO)) as host:
        url = f"{host.origin}/v.mp4?X-Tos-Signature="
        shop.copy("task_x", url + "s" * (LONGEST_URL - len(url)))
        assert len(host.targets[0]) == LONGEST_URL - len(host.origin)
        with pytest.raises(VideoRefused) as refused:
            shop.copy("task_y", url + "s" * (LONGEST_URL - len(url) + 1))
    assert refused.value.code == "url_too_long"
    assert len(host.heads) == 1


# --- Addresses ---


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[socket.AddressFamily, str]]:
    """What NAME means."""
    meant: list[tuple[socket.AddressFamily, str]] = []
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host != NAME:
            return look_up(host, port, *args, **kwargs)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in meant]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return meant


class OldSocket(socket.socket):
    """A socket of a machine without IPv6."""

    def __init__(self, family: int = -1, *args: Any, **kwargs: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        super().__init__(family, *args, **kwargs)


@contextmanager
def silent_address(port: int) -> Iterator[str]:
    """Listen where no further connection is ever accepted."""
    address = "127.0.0.3"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex((address, port))
        yield address


def test_a_machine_without_ipv6(
    shop: CopyShop, addresses: list[tuple[socket.AddressFamily, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", OldSocket)
    addresses += [(socket.AF_INET6, "2606:4700::1"), (socket.AF_INET, "127.0.0.1")]
    with StrangeHost(serve(VIDEO)) as host:
        shop.copy("task_x", host.url.replace("127.0.0.1", NAME))


def test_a_first_address_that_refuses(shop: CopyShop, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
    addresses += [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")]
    with StrangeHost(serve(VIDEO)) as host:
        shop.copy("task_x", host.url.replace("127.0.0.1", NAME))


def test_a_first_address_that_is_silent(shop: CopyShop, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
    shop.patience = replace(SOON_BORED, silence_seconds=15)
    with StrangeHost(serve(VIDEO)) as host, silent_address(host.server_address[1]) as silent:
        addresses += [(socket.AF_INET, silent), (socket.AF_INET, "127.0.0.1")]
        shop.copy("task_x", host.url.replace("127.0.0.1", NAME))


def test_an_address_of_ipv6_is_looked_up_without_its_brackets(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, object]] = []

    def getaddrinfo(host: object, _port: object, **how: object) -> None:
        asked.append((host, how["type"]))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert shop.failure("task_x", "http://[2001:db8::1]/video.mp4").code == "connection_failed"
    assert set(asked) == {("2001:db8::1", socket.SOCK_STREAM)}


def test_many_addresses_that_are_silent(shop: CopyShop, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
    shop.patience = replace(SOON_BORED, connect_seconds=0.1, retry_delays=())
    started = time.monotonic()
    with StrangeHost(serve(VIDEO)) as host, silent_address(host.server_address[1]) as silent:
        addresses += [(socket.AF_INET, silent)] * 100
        assert shop.failure("task_x", host.url.replace("127.0.0.1", NAME)).code == "connection_failed"
    assert time.monotonic() - started < 10


def test_a_silent_address_does_not_outlast_the_copy(
    shop: CopyShop, addresses: list[tuple[socket.AddressFamily, str]]
) -> None:
    shop.patience = replace(PROMPT, connect_seconds=30)
    started = time.monotonic()
    with StrangeHost(serve(VIDEO)) as host, silent_address(host.server_address[1]) as silent:
        addresses.append((socket.AF_INET, silent))
        assert shop.failure("task_x", host.url.replace("127.0.0.1", NAME), seconds=0.5).code == "out_of_time"
    assert time.monotonic() - started < 10


def test_every_url_of_a_copy_trusts_the_same_authorities() -> None:
    """Loading them takes longer than a request."""
    watch = Watch(Deadline(60), PROMPT)
    urls = [check_url(f"https://{name}.volces.com/v.mp4", allow_insecure=False) for name in ("a", "b")]
    first, second = (pool_for(url, 1, allow_insecure=False, watch=watch).conn_kw["ssl_context"] for url in urls)
    assert first is second
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname
    usual = ssl.create_default_context()
    assert first.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert first.get_ciphers() == usual.get_ciphers()


# --- Time ---


def silent(wire: socket.socket, _: str) -> None:
    wire.recv(1)


def test_a_handshake_that_nobody_answers(shop: CopyShop) -> None:
    shop.patience = replace(SOON_BORED, retry_delays=())
    started = time.monotonic()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v.mp4"
        assert shop.failure("task_x", url).code == "connection_failed"
    assert time.monotonic() - started < 10


def test_a_handshake_that_drips(shop: CopyShop) -> None:
    """Each byte comes in time, all of them never would."""

    def drip(wire: socket.socket, _: str) -> None:
        wire.sendall(b"\x16\x03\x03\x40\x00")
        while True:
            time.sleep(0.02)
            wire.sendall(b"\x02")

    shop.patience = replace(SOON_BORED, retry_delays=())
    started = time.monotonic()
    with StrangeHost(drip) as host:
        host.waits_for_head = False
        assert shop.failure("task_x", host.url.replace("http://", "https://")).code == "connection_failed"
    assert time.monotonic() - started < 10


def test_silence_instead_of_headers_over_tls(
    shop: CopyShop, tmp_path: Path, addresses: list[tuple[socket.AddressFamily, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(connecting, "trusted_authorities", lambda: trusted)
    addresses.append((socket.AF_INET, "127.0.0.1"))
    shop.patience = replace(SOON_BORED, retry_delays=())
    with StrangeHost(silent, certificate) as host:
        assert shop.failure("task_x", host.url).code == "connection_failed"


def test_a_host_that_is_fast_first_and_drips_later(shop: CopyShop) -> None:
    def slow_down(wire: socket.socket, head: str) -> None:
        say(f'HTTP/1.1 200 OK\nETag: "1"\nContent-Length: {len(VIDEO)}', VIDEO[: 30 * KIB])(wire, head)
        for byte in VIDEO[30 * KIB :]:
            time.sleep(0.05)
            wire.sendall(bytes([byte]))

    shop.patience = SOON_JUDGING
    with StrangeHost(slow_down) as host:
        assert shop.failure("task_x", host.url).code == "too_slow"
    assert len(host.heads) == 1


@pytest.mark.parametrize("video", [{"name": "throttled", "bytes_per_second": 20 * KIB}, "no_ranges"])
def test_a_slow_link_that_makes_it(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: Any) -> None:
    """At 20 KB a second, which is less than was ever asked of a connection, but enough for the time that there is."""
    shrink(monkeypatch)
    shop.patience = replace(PROMPT, window_seconds=0.5)
    if video == "no_ranges":
        with StrangeHost(trickle) as host:
            shop.copy("task_x", host.url)
        assert shop.stored("task_x")["Body"].read() == VIDEO
    else:
        task_id = shop.comet_api.create(video=video, size=100 * KIB)
        shop.copy(task_id)
        assert shop.has_stored(task_id)


def trickle(wire: socket.socket, _: str) -> None:
    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(VIDEO))
    for start in range(0, len(VIDEO), KIB):
        time.sleep(0.05)
        wire.sendall(VIDEO[start : start + KIB])


def test_a_link_that_cannot_make_it_is_given_up_early(shop: CopyShop) -> None:
    task_id = shop.comet_api.create(video={"name": "throttled", "bytes_per_second": 5 * KIB}, size=8192 * KIB)
    shop.patience = SOON_JUDGING
    started = time.monotonic()
    with pytest.raises(CopyInterrupted) as interrupted:
        shop.copy(task_id, seconds=20)
    assert interrupted.value.code == "too_slow"
    assert time.monotonic() - started < 15


def test_a_host_is_not_blamed_for_a_slow_bucket(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    shop.patience = SOON_JUDGING
    shop.before = {"UploadPart": lambda: time.sleep(0.2)}
    task_id = shop.comet_api.create(video="no_ranges", size=300 * KIB)
    shop.copy(task_id, seconds=20)
    assert shop.has_stored(task_id)


@pytest.mark.parametrize(
    "call", ["HeadObject", "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_a_bucket_that_hangs_near_the_end(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., None], call: str
) -> None:
    shrink(monkeypatch)
    shop.before = {call: hang}
    task_id = shop.comet_api.create(size=100 if call == "PutObject" else 300 * KIB)
    started = time.monotonic()
    with pytest.raises(CopyInterrupted) as interrupted:
        shop.copy(task_id, seconds=0.5)
    assert interrupted.value.code == "out_of_time"
    assert time.monotonic() - started < 10


def test_a_bucket_in_which_not_even_the_upload_can_be_aborted(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., None]
) -> None:
    shrink(monkeypatch)
    monkeypatch.setattr("copier.video_bucket._ABORT_SECONDS", 0.2)
    shop.before = dict.fromkeys(["UploadPart", "AbortMultipartUpload"], hang)
    task_id = shop.comet_api.create(size=300 * KIB)
    started = time.monotonic()
    with pytest.raises(CopyInterrupted):
        shop.copy(task_id, seconds=0.5)
    assert time.monotonic() - started < 10


def test_one_refused_range_ends_all_others_at_once(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)

    def hold_back(wire: socket.socket, head: str) -> None:
        if f"bytes={8 * KIB}-" in head:
            time.sleep(0.2)
            say("HTTP/1.1 403 No\nContent-Length: 0")(wire, head)
        elif "bytes=" in head and "bytes=0-" not in head:
            silent(wire, head)
        else:
            serve(VIDEO)(wire, head)

    started = time.monotonic()
    with StrangeHost(hold_back) as host:
        shop.copy("task_x", host.url)
    assert time.monotonic() - started < shop.patience.silence_seconds / 2


# --- Ends ---


@pytest.mark.parametrize("size", [128 * KIB, 192 * KIB, 256 * KIB])
def test_an_upload_never_ends_with_an_empty_part(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    shrink(monkeypatch)
    sizes: list[int] = []

    def note(params: Any, **_: object) -> None:
        sizes.append(len(params["Body"]))

    calls = [f"before-parameter-build.s3.{call}" for call in ("PutObject", "UploadPart")]
    for call in calls:
        shop.s3.meta.events.register(call, note, call)
    task_id = shop.comet_api.create(video="no_length", size=size)
    shop.copy(task_id)
    for call in calls:
        shop.s3.meta.events.unregister(call, unique_id=call)
    assert shop.has_stored(task_id)
    assert sum(sizes) == size
    assert 0 not in sizes
