"""Sources that nobody should trust: what each of them tries, and the `error` that it earns."""

import logging
import re
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from copier import connection
from copier.video_url import is_public
from infra.local.cometapi.footage import Synthetic
from infra.local.cometapi.script import Steps
from shared.errors import CopyInterrupted, VideoRefused
from tests.integration.copying import KIB, MIB, SECRET, CopyShop, patience_with, shrink
from tests.integration.strange_host import NAME, StrangeHost, make_certificate, say, serve

VIDEO = b"".join(Synthetic(100_000, "seed").chunks(0, 100_000))


@pytest.fixture
def shop(shop: CopyShop) -> CopyShop:
    shop.patience = patience_with(None, retries=1)
    return shop


# --- URLs that lead where nobody may go ---

FORBIDDEN = {
    "IPv4 loopback": ("https://127.0.0.1/v.mp4", "address_not_public"),
    "all of loopback": ("https://127.8.9.10/v.mp4", "address_not_public"),
    "IPv6 loopback": ("https://[::1]/v.mp4", "address_not_public"),
    "this host": ("https://0.0.0.0/v.mp4", "address_not_public"),
    "this host, IPv6": ("https://[::]/v.mp4", "address_not_public"),
    "the metadata service": ("https://169.254.169.254/latest/meta-data/", "address_not_public"),
    "the Lambda runtime": ("https://169.254.100.1:9001/2018-06-01/runtime/", "address_not_public"),
    "the metadata service, IPv6": ("https://[fd00:ec2::254]/latest/meta-data/", "address_not_public"),
    "10/8": ("https://10.0.0.1/v.mp4", "address_not_public"),
    "172.16/12": ("https://172.31.255.1/v.mp4", "address_not_public"),
    "192.168/16": ("https://192.168.1.1/v.mp4", "address_not_public"),
    "carrier-grade NAT": ("https://100.64.0.1/v.mp4", "address_not_public"),
    "fc00::/7": ("https://[fc00::1]/v.mp4", "address_not_public"),
    "link-local IPv6": ("https://[fe80::1]/v.mp4", "address_not_public"),
    "multicast": ("https://224.0.0.1/v.mp4", "address_not_public"),
    "broadcast": ("https://255.255.255.255/v.mp4", "address_not_public"),
    "IPv4-mapped IPv6": ("https://[::ffff:127.0.0.1]/v.mp4", "address_not_public"),
    "IPv4-mapped IPv6 in hex": ("https://[::ffff:a9fe:a9fe]/v.mp4", "address_not_public"),
    "IPv4 through NAT64": ("https://[64:ff9b::a9fe:a9fe]/v.mp4", "address_not_public"),
    "IPv4 through 6to4": ("https://[2002:7f00:1::]/v.mp4", "address_not_public"),
    "a decimal spelling": ("https://2130706433/v.mp4", "address_not_public"),
    "the metadata service in decimal": ("https://2852039166/latest/meta-data/", "address_not_public"),
    "a hexadecimal spelling": ("https://0x7f000001/v.mp4", "address_not_public"),
    "an octal spelling": ("https://0177.0.0.1/v.mp4", "address_not_public"),
    "the metadata service in octal": ("https://0251.0376.0251.0376/latest/meta-data/", "address_not_public"),
    "a short spelling": ("https://127.1/v.mp4", "address_not_public"),
    "localhost": ("https://localhost/v.mp4", "address_not_public"),
    "a name that resolves to a private address": ("https://inside.example.com/v.mp4", "address_not_public"),
    "http": ("http://videos.example.com/v.mp4", "insecure_url"),
    "file": ("file:///etc/passwd", "insecure_url"),
    "ftp": ("ftp://videos.example.com/v.mp4", "insecure_url"),
    "gopher": ("gopher://127.0.0.1:6379/_FLUSHALL", "insecure_url"),
    "no scheme": ("videos.example.com/v.mp4", "insecure_url"),
    "no host": ("https:///v.mp4", "bad_url"),
    "no port": ("https://videos.example.com:port/v.mp4", "bad_url"),
    "a line feed in the host": ("https://videos.example.com\r\nHost: inside/v.mp4", "bad_url"),
    "a line feed in the path": ("https://videos.example.com/v.mp4 HTTP/1.1\r\nX: y", "bad_url"),
    "user and password": ("https://user:word@videos.example.com/v.mp4", "userinfo_in_url"),
    "a host disguised as a user": ("https://videos.example.com@127.0.0.1/v.mp4", "userinfo_in_url"),
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Let a name mean the first of its addresses at the first look-up, the next one at the next; the last stays."""
    names = {"inside.example.com": ["10.1.2.3"], NAME: ["127.0.0.1"]}
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        addresses = names.get(host)
        address = host if addresses is None else addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return look_up(address, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


NAMES = {"localhost", "a name that resolves to a private address"}
"""What a name means may be different the next time."""


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_url(shop: CopyShop, names: dict[str, list[str]], name: str) -> None:  # noqa: ARG001
    shop.allow_insecure = False
    url, code = FORBIDDEN[name]
    error = shop.failure("task_x", url)
    assert (error.code, type(error)) == (code, CopyInterrupted if name in NAMES else VideoRefused)


# --- A public host over TLS that turns against its visitors ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def in_public(
    shop: CopyShop, certificate: Path, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """Count 127.0.0.1, and nothing else of this machine, as a public address with a valid certificate."""
    monkeypatch.setattr(connection, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    trusted = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(connection, "trusted_authorities", lambda: trusted)
    shop.allow_insecure = False
    return names


def redirecting(connection: socket.socket, head: str) -> None:
    target = unquote(head.partition("to=")[2].split()[0])
    say(f"HTTP/1.1 302 Found\nLocation: {target}\nContent-Length: 0")(connection, head)


REDIRECTS = FORBIDDEN.keys() - {
    *("IPv4 loopback", "a decimal spelling", "a hexadecimal spelling", "an octal spelling", "a short spelling"),
    *("localhost", "no scheme", "a line feed in the host", "a line feed in the path"),
}


@pytest.mark.parametrize("name", sorted(REDIRECTS))
@pytest.mark.usefixtures("in_public")
def test_a_redirect_to_each_of_them(shop: CopyShop, certificate: Path, name: str) -> None:
    url, code = FORBIDDEN[name]
    with StrangeHost(redirecting, certificate) as host:
        error = shop.failure("task_x", f"{host.url}&to={url}")
    assert (error.code, type(error)) == (code, CopyInterrupted)
    assert {head.split()[0] for head in host.heads} == {"GET"}


@pytest.mark.usefixtures("in_public")
def test_a_good_host_over_tls(shop: CopyShop, certificate: Path) -> None:
    with StrangeHost(serve(VIDEO), certificate) as host:
        assert shop.copy("task_x", host.url).size == len(VIDEO)
    assert shop.stored("task_x")["Body"].read() == VIDEO
    head = host.heads[0].lower()
    assert f"host: {NAME}:{host.server_address[1]}" in head
    assert "accept-encoding: identity" in head
    assert not {"authorization", "cookie", "referer"} & {line.partition(":")[0] for line in head.splitlines()}


@pytest.mark.parametrize("later", ["10.0.0.1", "169.254.169.254", "127.0.0.2", "::1"])
def test_a_public_name_that_rebinds(
    shop: CopyShop,
    certificate: Path,
    in_public: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    later: str,
) -> None:
    shrink(monkeypatch)
    in_public[NAME] = ["127.0.0.1", later]
    with StrangeHost(serve(VIDEO), certificate) as host:
        assert shop.failure("task_x", host.url).code == "address_not_public"
    assert len(host.heads) == 1


@pytest.mark.parametrize("first", ["0.0.0.0", "10.0.0.1", "::"])  # noqa: S104 - a bad answer
def test_one_bad_answer_of_the_dns_ends_nothing(
    shop: CopyShop, certificate: Path, in_public: dict[str, list[str]], first: str
) -> None:
    in_public[NAME] = [first, "127.0.0.1"]
    with StrangeHost(serve(VIDEO), certificate) as host:
        assert shop.copy("task_x", host.url).size == len(VIDEO)


def test_the_connected_address_is_checked_too(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the look-up was fooled: what counts is who is at the other end."""
    look_up = socket.getaddrinfo

    def getaddrinfo(name: str, *args: Any, **kwargs: Any) -> Any:
        return look_up("8.8.8.8" if name == NAME else name, *args, **kwargs)

    opened: list[socket.socket] = []

    def elsewhere(*_: object) -> socket.socket:
        opened.append(socket.socket())
        opened[-1].connect(host.server_address)
        return opened[-1]

    shop.allow_insecure = False
    with StrangeHost(serve(VIDEO)) as host:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket, "create_connection", elsewhere)
        assert shop.failure("task_x", f"https://{NAME}/v.mp4").code == "address_not_public"
    assert host.heads == []
    assert {connected.fileno() for connected in opened} == {-1}


def test_a_certificate_that_nobody_vouches_for(
    shop: CopyShop, certificate: Path, in_public: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_public
    monkeypatch.setattr(connection, "trusted_authorities", ssl.create_default_context)
    with StrangeHost(serve(VIDEO), certificate) as host:
        error = shop.failure("task_x", host.url)
    assert error.code == "connection_failed"
    assert "SSLCertVerificationError" in error.message
    assert host.heads == []


def test_a_certificate_of_another_name(shop: CopyShop, certificate: Path, in_public: dict[str, list[str]]) -> None:
    in_public["other.example.com"] = ["127.0.0.1"]
    with StrangeHost(serve(VIDEO), certificate) as host:
        error = shop.failure("task_x", host.url.replace(NAME, "other.example.com"))
    assert error.code == "connection_failed"
    assert host.heads == []


@pytest.mark.parametrize("name", ["a..b", ".example.com", "x" * 64 + ".example.com"])
def test_a_name_that_no_look_up_takes(shop: CopyShop, name: str) -> None:
    assert shop.failure("task_x", f"https://{name}/v.mp4").code == "connection_failed"
    task_id = shop.comet_api.create(video={"name": "redirect", "to": f"https://{name}/v.mp4"})
    assert shop.failure(task_id).code == "connection_failed"


# --- Hosts that lie, crawl or never end ---

LIES: dict[str, tuple[Steps, str]] = {
    "a Content-Length above the bytes": ("length_too_long", "truncated"),
    "half the bytes": ("truncated", "truncated"),
    "half the chunks": ("truncated_chunked", "connection_failed"),
    "no bytes": ("empty", "empty_video"),
    "a reset": ("reset", "connection_failed"),
    "a reset before the headers": ("reset_before_headers", "connection_failed"),
    "silence": ("stall_before_headers", "connection_failed"),
    "silence in the middle": ("stall", "connection_failed"),
    "a byte a second": ("drip", "too_slow"),
    "twenty bytes a second": ({"name": "drip", "bytes_per_second": 20}, "too_slow"),
    "an HTML page": ("html_200", "not_a_video"),
    "an HTML page called a video": ("html_labelled_mp4", "not_a_video"),
    "an XML error with status 200": ("xml_200", "not_a_video"),
    "a JSON error with status 200": ("json_200", "not_a_video"),
    "an expired URL": ("expired", "url_expired"),
    "a video that is not there": ("gone_404", "url_expired"),
    "a video that is gone": ("gone_410", "url_expired"),
    "a bad request": ({"name": "error", "status": 400}, "http_400"),
    "no authorization": ({"name": "error", "status": 401}, "http_401"),
    "another method": ({"name": "error", "status": 405}, "http_405"),
    "a time-out": ({"name": "error", "status": 408}, "http_408"),
    "too early": ({"name": "error", "status": 425}, "http_425"),
    "too many requests": ({"name": "error", "status": 429}, "http_429"),
    "reasons of law": ({"name": "error", "status": 451}, "http_451"),
    "an error of the server": ("error", "http_500"),
    "a gateway without a server": ({"name": "error", "status": 502}, "http_502"),
    "a server that is busy": ({"name": "error", "status": 503}, "http_503"),
    "a gateway whose server is late": ({"name": "error", "status": 504}, "http_504"),
    "an error of a CDN": ({"name": "error", "status": 522}, "http_522"),
    "not modified": ({"name": "error", "status": 304}, "http_304"),
    "created": ({"name": "error", "status": 201}, "http_201"),
    "a gzip bomb": ("gzip_bomb", "encoded_video"),
    "a redirect loop": ("redirect_loop", "too_many_redirects"),
    "a redirect to nowhere": ("redirect_nowhere", "too_many_redirects"),
    "a redirect to a file": ({"name": "redirect", "to": "file:///etc/passwd"}, "insecure_url"),
    "a redirect to data": ({"name": "redirect", "to": "data:video/mp4;base64,AAAA"}, "insecure_url"),
    "a redirect to no port": ({"name": "redirect", "to": "http://127.0.0.1:port/"}, "bad_url"),
    "a redirect to nobody": ({"name": "redirect", "to": "http://"}, "bad_url"),
    "a redirect with a password": ({"name": "redirect", "to": "http://a:b@127.0.0.1/"}, "userinfo_in_url"),
    "a redirect that is too long": ({"name": "redirect", "to": "/" + "x" * 8192}, "url_too_long"),
    # What cannot be copied in ranges is copied in one stream; these break that off too.
    "an object that changes between ranges": (["fine", "changes_between_ranges", "truncated"], "truncated"),
    "200 in answer to a Range": (["fine", "no_ranges", "truncated"], "truncated"),
    "a wrong Content-Range": (["fine", "wrong_content_range", "truncated"], "truncated"),
    "another total": (["fine", "wrong_total", "truncated"], "truncated"),
    "no validator any more": (["fine", "etag_on_first_only", "truncated"], "truncated"),
    "the first bytes again": (["fine", "from_the_beginning", "truncated"], "truncated"),
}
TOO_LARGE: dict[str, Steps] = {"a terabyte": "length_huge", "an endless body": "endless"}


@pytest.mark.parametrize("video", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_video_without_an_end(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: Steps) -> None:
    shrink(monkeypatch)
    shop.max_video_bytes = MIB
    error = shop.failure(shop.comet_api.create(video=video, size=300 * KIB))
    assert (error.code, type(error)) == ("too_large", VideoRefused)


@pytest.mark.parametrize(("video", "code"), LIES.values(), ids=LIES.keys())
def test_a_lie(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, video: Steps, code: str) -> None:
    shrink(monkeypatch)
    shop.max_video_bytes = MIB
    shop.patience = patience_with(video, retries=1)
    error = shop.failure(shop.comet_api.create(video=video, size=300 * KIB))
    assert error.code == code
    assert isinstance(error, CopyInterrupted)


@pytest.mark.parametrize(("version", "later"), [("", ""), ('ETag: W/"1"', ""), ('ETag: "1"', "Content-Encoding: gzip")])
def test_ranges_that_may_not_be_the_bytes_of_one_video(
    shop: CopyShop, monkeypatch: pytest.MonkeyPatch, version: str, later: str
) -> None:
    """Without a version nothing ties them together; what is compressed is another number of other bytes."""
    shrink(monkeypatch)
    whole = serve(VIDEO)

    def talk(connection: socket.socket, head: str) -> None:
        is_late = "bytes=" in head and "bytes=0-" not in head
        (
            serve(VIDEO[::-1], version=version, later=later)
            if is_late
            else serve(VIDEO, version=version)
            if "bytes=" in head
            else whole
        )(connection, head)

    with StrangeHost(talk) as host:
        shop.copy("task_x", host.url)
    assert shop.stored("task_x")["Body"].read() == VIDEO


def test_a_rest_that_may_be_of_another_video(shop: CopyShop) -> None:
    """Of two answers without a version that are as long as each other, the second one is taken whole or not at all."""
    other = b"".join(Synthetic(len(VIDEO), "other").chunks(0, len(VIDEO)))

    def talk(connection: socket.socket, head: str) -> None:
        body = VIDEO[: len(VIDEO) // 2] if len(host.heads) == 1 else other
        say(f"HTTP/1.1 200 OK\nContent-Length: {len(VIDEO)}", body)(connection, head)

    with StrangeHost(talk) as host:
        shop.copy("task_x", host.url)
    assert shop.stored("task_x")["Body"].read() == other


def test_a_range_that_is_longer_than_it_says(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)

    def talk(connection: socket.socket, head: str) -> None:
        asked = re.search(r"bytes=([1-9]\d*)-(\d+)", head)
        if not asked:
            return serve(VIDEO)(connection, head)
        start, stop = int(asked[1]), min(int(asked[2]) + 1, len(VIDEO))
        where = f"Content-Range: bytes {start}-{stop - 1}/{len(VIDEO)}"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (stop - start + 1, bytes(stop - start + 1))
        return say(f'HTTP/1.1 206 OK\nTransfer-Encoding: chunked\n{where}\nETag: "1"', body)(connection, head)

    with StrangeHost(talk) as host:
        shop.copy("task_x", host.url)
    assert shop.stored("task_x")["Body"].read() == VIDEO


def test_there_are_many_of_them() -> None:
    assert len(LIES) >= 40


def test_an_end_that_http_shows_is_believed(shop: CopyShop) -> None:
    """Nobody looks into the video: who announces less than he has is taken at his word."""
    task_id = shop.comet_api.create(video="length_too_short", size=300 * KIB)
    assert shop.copy(task_id).size == 300 * KIB - 1000


def test_a_video_larger_than_allowed(shop: CopyShop) -> None:
    shop.max_video_bytes = 99_999
    error = shop.failure(shop.comet_api.create(size=100_000))
    assert error.code == "too_large"
    assert "MaxVideoBytes" in error.message
    assert "CreateMultipartUpload" not in shop.calls
    assert len(shop.comet_api.requests) == 1, "what is refused is not asked for in another way"


# --- Hosts that do not even speak HTTP ---

RAW = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n", "connection_failed"),
    "an endless status line": (b"HTTP/1.1 200 " + b"O" * 200_000, "connection_failed"),
    "a flood of headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "connection_failed"),
    "headers without an end": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "truncated"),
    "a nonsense status": (b"HTTP/1.1 999 Huh\r\n\r\n", "http_999"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "http_204"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + VIDEO[:5000], "unknown_length"),
    "no length": (
        b"HTTP/1.1 200 OK\r\nContent-Type: video/webm\r\n\r\n\x1a\x45\xdf\xa3" + bytes(5000),
        "unknown_length",
    ),
    "an end that only the closed connection shows": (b"HTTP/1.0 200 OK\r\n\r\n" + VIDEO, "unknown_length"),
    "a few bytes of the length announced": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n\0\0\0", "truncated"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n", "connection_failed"),
    "a range nobody asked for": (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4999/5000\r\nContent-Length: 5001\r\n\r\n",
        "http_206",
    ),
    "a range of unknown length": (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/*\r\nContent-Length: 100\r\n\r\n",
        "http_206",
    ),
    "a redirect to nowhere": (b"HTTP/1.1 302 Found\r\n\r\n", "too_many_redirects"),
    "chunks of nonsense": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "connection_failed",
    ),
}


@pytest.mark.parametrize(("answer", "code"), RAW.values(), ids=RAW.keys())
def test_a_raw_answer(shop: CopyShop, answer: bytes, code: str) -> None:
    with StrangeHost(lambda connection, _: connection.sendall(answer)) as host:
        assert shop.failure("task_x", host.url).code == code


def test_headers_that_drip(shop: CopyShop) -> None:
    def drip(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            time.sleep(0.05)
            connection.sendall(b"y")

    shop.patience = patience_with("drip", retries=1)
    with StrangeHost(drip) as host:
        assert shop.failure("task_x", host.url).code == "too_slow"


def test_a_size_of_a_chunk_that_drips(shop: CopyShop) -> None:
    def drip(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n" + VIDEO[:512] + b"\r\n")
        while True:
            time.sleep(0.05)
            connection.sendall(b"0")

    shop.patience = patience_with("drip", retries=1)
    with StrangeHost(drip) as host:
        assert shop.failure("task_x", host.url).code == "too_slow"


def test_headers_that_cannot_be_read_are_not_shown(shop: CopyShop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broken = f"HTTP/1.1 302 Found\nX\nLocation: https://elsewhere.invalid/v.mp4?{SECRET}=s\nContent-Length: 0"
    with StrangeHost(say(broken)) as host:
        shop.failure("task_x", host.url)
    assert host.heads
    assert SECRET not in caplog.text


def test_promises_that_never_end(shop: CopyShop) -> None:
    def promise(connection: socket.socket, _: str) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with StrangeHost(promise) as host:
        assert shop.failure("task_x", host.url, seconds=0.5).code == "out_of_time"
