"""Whose addresses are public, and which URLs are worth a look-up."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from copier.answer import Answer
from copier.patience import Deadline, Patience
from copier.safe_connection import SafeConnection, is_public
from copier.video_url import check_url, redirected
from shared.errors import VideoRefused


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
    ("text", "path"),
    [
        ("https://v.example.com/a.mp4?X-Tos-Signature=1%2F2+3&b=", "/a.mp4?X-Tos-Signature=1%2F2+3&b="),
        ("https://v.example.com", "/"),
        ("  https://v.example.com/a b\n", "/a%20b"),
        ("https://v.example.com/ä?ö#fragment", "/%C3%A4?%C3%B6"),
        ("https://v.example.com/?redirect=http://127.0.0.1/", "/?redirect=http://127.0.0.1/"),
    ],
)
def test_a_url_that_is_asked(text: str, path: str) -> None:
    url = check_url(text, allow_insecure=False)
    assert (url.host, url.port, url.request_uri) == ("v.example.com", 443, path)


def test_ports() -> None:
    assert check_url("https://v.example.com:8443/", allow_insecure=False).port == 8443
    assert check_url("http://v.example.com/", allow_insecure=True).port == 80


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b.mp4", "https://v.example.com:443/b.mp4"),
        ("c.mp4?d", "https://v.example.com:443/a/c.mp4?d"),
        ("//w.example.com/x", "https://w.example.com:443/x"),
        (" https://w.example.com/x ", "https://w.example.com:443/x"),
    ],
)
def test_a_redirect(location: str, target: str) -> None:
    url = check_url("https://v.example.com/a/b?c", allow_insecure=False)
    assert redirected(url, location, allow_insecure=False).url == target


@pytest.mark.parametrize("location", ["http://v.example.com/", "file:///etc/passwd", "//[::1", "https://a@b/"])
def test_a_redirect_that_is_not_followed(location: str) -> None:
    url = check_url("https://v.example.com/a/b?c", allow_insecure=False)
    with pytest.raises(VideoRefused):
        redirected(url, location, allow_insecure=False)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://v.example.com/", "v.example.com"), ("https://v.example.com:8443/", "v.example.com:8443")],
)
def test_the_host_header_is_the_one_that_was_signed(url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures cover it, and they were made without the default port."""
    connection = SafeConnection(check_url(url, allow_insecure=False), Patience(), Deadline(10), allow_insecure=False)
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
    url = check_url("https://v.example.com/", allow_insecure=False)
    with pytest.raises(VideoRefused):
        SafeConnection(url, Patience(), Deadline(10), allow_insecure=False).connect()
    assert asked == ["v.example.com"]


# --- Headers of an answer ---


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response: Any = SimpleNamespace(status=206, length=None, headers=named, chunked=False)
    connection: Any = None
    return Answer(response, connection, [])


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
