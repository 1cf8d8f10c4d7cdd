"""A host that says exactly the bytes that a test wants, over TLS or not."""

import datetime as dt
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "videos.example.com"

type Talk = Callable[[socket.socket, str], None]
"""Gets a connection and a request's head; the connection is closed afterwards."""


class StrangeHost(socketserver.ThreadingTCPServer):
    """Listens on loopback while its `with` block runs; `certificate` makes it speak TLS as NAME."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, talk: Talk, certificate: Path | None = None, *, takes_key: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.takes_key = takes_key
        self.waits_for_head = True
        self.talk = talk
        self.heads: list[str] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self.tls and certificate:
            self.tls.load_cert_chain(certificate)
        host = NAME if certificate else "127.0.0.1"
        self.url = f"{'https' if certificate else 'http'}://{host}:{self.server_address[1]}/video.mp4?X-Tos-Signature=s"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        assert self.takes_key or self.authorizations == [], "the key must not go to strangers"

    @property
    def origin(self) -> str:
        return self.url.rpartition("/")[0]

    @property
    def targets(self) -> list[str]:
        """What was asked for, byte for byte."""
        return [head.split(" ")[1] for head in self.heads]

    @property
    def authorizations(self) -> list[str]:
        """Every Authorization header that came."""
        return re.findall(r"(?im)^authorization: *(.*?)\r$", "".join(self.heads))

    def handle_error(self, *_: object) -> None:
        """Clients hang up on strangers, that is what the tests are about."""


class _Handler(socketserver.BaseRequestHandler):
    server: StrangeHost

    def handle(self) -> None:
        connection: Any = self.request
        if self.server.tls:
            connection = self.server.tls.wrap_socket(connection, server_side=True)
        with suppress(OSError), connection:
            head = b""
            while self.server.waits_for_head and not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            self.server.heads.append(head.decode())
            self.server.talk(connection, head.decode())


def say(text: str, body: bytes = b"") -> Talk:
    """Say always the same: head lines, then a body, then good-bye."""
    answer = text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body

    def talk(connection: socket.socket, _: str) -> None:
        connection.sendall(answer)

    return talk


def serve(video: bytes, shift: int = 0, version: str = 'ETag: "1"', later: str = "") -> Talk:
    """Serve ranges of a video, one a connection; all but the first are `shift` bytes late, and say so and `later`."""

    def talk(connection: socket.socket, head: str) -> None:
        asked = re.search(r"(?i)range: bytes=(\d+)-(\d+)", head)
        start, stop = (int(asked[1]), min(int(asked[2]) + 1, len(video))) if asked else (0, len(video))
        if start:
            start, stop = start + shift, min(stop + shift, len(video))
        where = f"\nContent-Range: bytes {start}-{stop - 1}/{len(video)}" if asked else ""
        status = "206 Partial Content" if asked else "200 OK"
        more = "".join(f"\n{line}" for line in (version, later if start else "") if line)
        head = f"HTTP/1.1 {status}\nContent-Length: {stop - start}{where}{more}\nConnection: close"
        say(head, video[start:stop])(connection, "")

    return talk


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each name lead to loopback from now on, and whoever loads the authorities trust this certificate alone."""
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest: look_up("127.0.0.1", *rest))


def make_certificate(folder: Path) -> Path:
    """Write a key and a certificate for NAME that only who loads it trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
