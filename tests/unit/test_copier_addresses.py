"""Whose addresses are public, and which URLs are worth a look-up."""

import re
import socket
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from copier.answer import Answer
from copier.connection import Connection, TlsConnection, pool_for
from copier.video_url import VideoUrl, check_url, is_public, redirected
from shared.errors import CopyInterrupted, VideoRefused


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.1"),
        *("192.168.0.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
        *("ff0e::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "2002:808:808::", "100::1", "5f00::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


def test_every_private_ipv4_address_is_also_private_when_embedded_in_ipv6() -> None:
    for private in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.0.1", "224.0.0.1"):
        assert not any(is_public(prefix + private) for prefix in ("::", "::ffff:", "64:ff9b::"))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://v.example.com/a.mp4?X-Tos-Signature=1%2F2+3&b=", "/a.mp4?X-Tos-Signature=1%2F2+3&b="),
        ("https://v.example.com/a%2fb/../c?[x]", "/a%2fb/../c?[x]"),
        ("https://v.example.com", "/"),
        ("https://v.example.com?a", "/?a"),
        ("https://v.example.com:443/", "/"),
        ("HTTPS://V.EXAMPLE.COM/A", "/A"),
        ("  https://v.example.com/a b\n", "/a%20b"),
        ("https://v.example.com/ä?ö#fragment", "/%C3%A4?%C3%B6"),
        ("https://v.example.com/?redirect=http://127.0.0.1/", "/?redirect=http://127.0.0.1/"),
    ],
)
def test_a_url_that_is_asked(text: str, target: str) -> None:
    url = check_url(text, allow_insecure=False)
    assert (url.host, url.port, url.target) == ("v.example.com", 443, target)
    assert target not in repr(url) or target == "/"


@settings(deadline=None)
@given(st.text(max_size=40).map("https://v.example.com/".__add__) | st.text(max_size=40))
@example("https://v.example.com/\ud800")
@example("https://\ud800/")
@example("https://[::1/")
@example("https://v.example.com:99999/")
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = check_url(text, allow_insecure=False)
    except VideoRefused:
        return
    assert re.fullmatch(r"/[!-~]*", url.target)
    assert (url.scheme, url.takes_key) == ("https", False)


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_location_is_followed_or_not(location: str) -> None:
    url = check_url("https://v.example.com/a/b?c", allow_insecure=False)
    with suppress(CopyInterrupted):
        assert re.fullmatch(r"/[!-~]*", redirected(url, location, allow_insecure=False).target)


def test_ports() -> None:
    assert check_url("https://v.example.com:8443/", allow_insecure=False).port == 8443
    assert check_url("http://v.example.com/", allow_insecure=True).port == 80


@pytest.mark.parametrize(
    ("location", "host", "target"),
    [
        ("/b.mp4", "v.example.com", "/b.mp4"),
        ("/b/../c%2f", "v.example.com", "/b/../c%2f"),
        ("c.mp4?d", "v.example.com", "/a/c.mp4?d"),
        ("?d=%2f", "v.example.com", "/a/b?d=%2f"),
        ("//w.example.com/x?", "w.example.com", "/x?"),
        (" https://w.example.com/x/../y ", "w.example.com", "/x/../y"),
        ("/\u00c3\u00a4", "v.example.com", "/%C3%A4"),
        ("/\u20ac", "v.example.com", "/?"),
        ("", "v.example.com", "/a/b?c"),
    ],
)
def test_a_redirect(location: str, host: str, target: str) -> None:
    url = replace(check_url("https://v.example.com/a/b?c", allow_insecure=False), takes_key=True)
    assert redirected(url, location, allow_insecure=False) == VideoUrl("https", host, 443, target, takes_key=False)


def test_a_redirect_may_be_insecure_where_urls_may() -> None:
    url = check_url("https://v.example.com/a", allow_insecure=True)
    assert redirected(url, "http://127.0.0.1/b", allow_insecure=True) == VideoUrl("http", "127.0.0.1", 80, "/b")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://v.example.com/", "insecure_url"), ("file:///etc/passwd", "insecure_url"), ("//[::1", "bad_url"),
        ("https://a@b/", "userinfo_in_url"), ("https://10.0.0.1/", "address_not_public"), ("https:b", "bad_url"),
    ],
)  # fmt: skip
def test_a_redirect_that_is_not_followed(location: str, code: str) -> None:
    url = check_url("https://v.example.com/a/b?c", allow_insecure=False)
    with pytest.raises(CopyInterrupted) as refused:
        redirected(url, location, allow_insecure=False)
    assert refused.value.code == code
    assert refused.value.message == "The video URL redirects to a URL that is never fetched."


@pytest.mark.parametrize(
    ("text", "code", "fault"),
    [
        ("https://v.example.com:port/", "bad_url", "cannot be read"),
        ("http://v.example.com/", "insecure_url", "does not begin with https://"),
        ("ftp://v.example.com/", "insecure_url", "does not begin with https://"),
        ("/a.mp4", "insecure_url", "does not begin with https://"),
        ("https:v.example.com", "bad_url", "names no host or holds control characters"),
        ("https://:443/", "bad_url", "names no host or holds control characters"),
        ("https://v.example.com/\x01", "bad_url", "names no host or holds control characters"),
        ("https://a@v.example.com/", "userinfo_in_url", "holds a user name or password before the host"),
        ("https://v.example.com/".ljust(8193, "a"), "url_too_long", "is longer than 8192 characters"),
        ("https://10.0.0.1/", "address_not_public", "names an address that is not public"),
        ("https://0x7f.1/", "address_not_public", "names an address that is not public"),
        ("https://[::1]/", "address_not_public", "names an address that is not public"),
    ],
    ids=lambda text: ascii(text[:30]).replace("\\", ""),
)
def test_a_url_that_is_never_fetched(text: str, code: str, fault: str) -> None:
    with pytest.raises(VideoRefused) as refused:
        check_url(text, allow_insecure=False)
    assert refused.value.code == code
    assert refused.value.message == (
        f"The video URL {fault}, so it was not fetched. Check CometApiBaseUrl; if CometAPI itself returned this URL, "
        "ask its support."
    )


def test_the_longest_url_and_a_public_address_are_fetched() -> None:
    for text in ("https://v.example.com/".ljust(8192, "a"), "https://1.1.1.1/", "https://[2606:4700::1111]/"):
        assert check_url(text, allow_insecure=False)


@pytest.mark.parametrize(
    ("other", "is_there"),
    [
        ("https://v.example.com/a?b?c", True), ("https://v.example.com/a", True), ("https://v.example.com/b", False),
        ("https://w.example.com/a", False), ("https://v.example.com:444/a", False),
        ("http://v.example.com:443/a", False),
    ],
)  # fmt: skip
def test_a_place_is_an_origin_and_a_path(other: str, *, is_there: bool) -> None:
    here = check_url("https://v.example.com/a?x", allow_insecure=True)
    assert here.is_at(check_url(other, allow_insecure=True)) is is_there


UNASKED: Any = None


def connection_to(text: str) -> Connection:
    pool = pool_for(check_url(text, allow_insecure=False), 1, allow_insecure=False, watch=UNASKED)
    connection = pool._new_conn()  # noqa: SLF001 - it asks no host
    assert isinstance(connection, TlsConnection)
    return connection


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://v.example.com/", "v.example.com"), ("https://v.example.com:8443/", "v.example.com:8443")],
)
def test_the_host_header_is_the_one_that_was_signed(url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures cover it, and they were made without the default port."""
    connection = connection_to(url)
    sent: list[Any] = []
    monkeypatch.setattr(connection, "send", sent.append)
    connection.request("GET", "/")
    assert f"\r\nHost: {host}\r\n".encode() in sent[0]


def test_no_proxy_is_asked_for_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return []

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    connection = connection_to("https://v.example.com/")
    connection.timeout = 1
    with pytest.raises(CopyInterrupted):
        connection.connect()
    assert asked == ["v.example.com"]


# --- Headers of an answer ---


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    received = SimpleNamespace(received=None)
    response: Any = SimpleNamespace(status=206, length_remaining=None, headers=named, connection=received)
    return Answer(response, UNASKED, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-99/100", (0, 100, 100)),
        ("Bytes  5-5/7", (5, 6, 7)),
        ("bytes 0-99/*", None),
        ("bytes */100", None),
        ("bytes 0-/100", None),
        ("items 0-99/100", None),
        ("bytes 0-99/" + "9" * 5000, None),
        ("", None),
    ],
)
def test_content_range(text: str, expected: tuple[int, int, int] | None) -> None:
    assert answer(Content_Range=text).content_range == expected


@pytest.mark.parametrize(
    ("etag", "date", "expected"),
    [
        ('"abc"', "Mon, 23 Nov 2026 09:00:00 GMT", '"abc"'),
        ('W/"abc"', "Mon, 23 Nov 2026 09:00:00 GMT", "Mon, 23 Nov 2026 09:00:00 GMT"),
        ("unquoted", "", None),
        ('W/"abc"', "", None),
        ('"a"b"', "", None),
        ("", "", None),
    ],
)
def test_validator(etag: str, date: str, expected: str | None) -> None:
    assert answer(ETag=etag, Last_Modified=date).validator == expected


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip", "x"])
def test_an_encoded_body(coding: str) -> None:
    assert answer(Content_Encoding=coding).is_encoded
    assert not answer(Content_Encoding="Identity ").is_encoded
