"""A Lambda that was frozen finds its connections dead: no question may be lost with them."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from urllib3.exceptions import NewConnectionError

from shared.api_key import ApiKey
from shared.comet_api import Answer, CometApi, Report, Unavailable, client, connection
from tests.integration.strange_host import NAME, make_certificate, trust

MANY = 16
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n{"id": "task_x", "status": "IN_PROGRESS"}'


class Gateway:
    """Answers on connections that it keeps open, until they die; `asked` and `opened` count what it saw."""

    def __init__(self, certificate: Path | None) -> None:
        self.asked = self.opened = self._open = 0
        self.answers_each = 1_000_000
        """How many answers a connection gives before it dies of the next question."""
        self.dies_of_hearing = False
        """Whether it hears that question to its end, as a gateway does that broke off while it worked."""
        self.with_reset = True
        self.is_silent = False
        """Whether those who connect from now on hear nothing, not even a handshake."""
        self._ignored: list[socket.socket] = []
        self.thinks_for = 0.0
        """Seconds before each answer."""
        self.is_killing = threading.Event()
        self.gate = threading.Barrier(1)
        """What the first question of each connection waits at, so that so many are open at once."""
        self._lock = threading.Lock()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        scheme, host = ("https", NAME) if certificate else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # it is closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.kill()

    def kill(self) -> None:
        """End every connection that is open, and wait for it."""
        self.is_killing.set()
        while self._open:
            time.sleep(0.005)
        self.is_killing.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self.is_silent:
                    self._ignored.append(connection)  # which keeps it open
                    continue
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, threading.BrokenBarrierError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._count(opened=1)
            connection.settimeout(0.01)
            try:
                self._converse(connection)
                if self.with_reset:
                    # Lingering for zero seconds makes the kernel send RST instead of FIN.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            finally:
                connection.close()
                self._count(closed=1)

    def _converse(self, connection: socket.socket) -> None:
        for answers in range(self.answers_each + 1):
            is_last = answers >= self.answers_each
            if not self._hear(connection, to_its_end=not is_last or self.dies_of_hearing):
                return
            if is_last:
                return
            if answers == 0:
                self.gate.wait(10)
            if self.is_killing.wait(self.thinks_for):
                return
            connection.sendall(ANSWER)

    def _hear(self, connection: socket.socket, *, to_its_end: bool) -> bool:
        """Read one question; False where the connection is to end before."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            try:
                byte = connection.recv(1)
            except TimeoutError:
                if self.is_killing.is_set():
                    return False
                continue
            if not byte or not to_its_end:
                return False
            head += byte
        self._count(asked=1)
        return True

    def _count(self, *, asked: int = 0, opened: int = 0, closed: int = 0) -> None:
        with self._lock:
            self.asked += asked
            self.opened += opened
            self._open += opened - closed


@pytest.fixture(params=["http", "https"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    certificate = make_certificate(tmp_path) if request.param == "https" else None
    if certificate:
        trust(certificate, monkeypatch)
    gateway = Gateway(certificate)
    yield gateway
    gateway.close()


def api_of(gateway: Gateway) -> CometApi:
    return CometApi(gateway.url, ApiKey(lambda: "sk-x"), connections=MANY, allow_insecure=True)


@contextmanager
def many_threads(gateway: Gateway) -> Iterator[Callable[[CometApi], list[Answer]]]:
    """Ask from many threads at once, each on a connection of its own."""
    gateway.gate = threading.Barrier(MANY)
    with ThreadPoolExecutor(MANY) as threads:
        yield lambda api: list(threads.map(api.ask, ["task_x"] * MANY))


@pytest.mark.parametrize("with_reset", [True, False], ids=["RST", "FIN"])
def test_connections_that_died_idle_cost_no_question(gateway: Gateway, *, with_reset: bool) -> None:
    gateway.with_reset = with_reset
    api = api_of(gateway)
    with many_threads(gateway) as ask_all:
        for times in (1, 2, 3):
            assert {type(answer) for answer in ask_all(api)} == {Report}
            assert (gateway.asked, gateway.opened) == (times * MANY, times * MANY)
            gateway.kill()


@pytest.mark.parametrize("with_reset", [True, False], ids=["RST", "FIN"])
@pytest.mark.parametrize("dies_of_hearing", [False, True], ids=["unheard", "heard"])
def test_connections_that_die_of_the_next_question_cost_no_answer(
    gateway: Gateway, *, with_reset: bool, dies_of_hearing: bool
) -> None:
    gateway.with_reset, gateway.dies_of_hearing, gateway.answers_each = with_reset, dies_of_hearing, 1
    api = api_of(gateway)
    with many_threads(gateway) as ask_all:
        for times in (1, 2, 3):
            assert {type(answer) for answer in ask_all(api)} == {Report}
            assert gateway.opened == times * MANY
            assert gateway.asked == (2 * times - 1 if dies_of_hearing else times) * MANY


def test_one_connection_may_die_of_every_second_question(gateway: Gateway) -> None:
    gateway.answers_each = 1
    api = api_of(gateway)
    assert {type(api.ask("task_x")) for _ in range(10)} == {Report}
    assert (gateway.asked, gateway.opened) == (10, 10)


@pytest.mark.parametrize("with_reset", [True, False], ids=["RST", "FIN"])
def test_a_new_connection_that_breaks_off_is_a_failure_at_once(gateway: Gateway, *, with_reset: bool) -> None:
    gateway.with_reset, gateway.dies_of_hearing, gateway.answers_each = with_reset, True, 0
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Unavailable)
    assert (gateway.asked, gateway.opened) == (1, 1)
    assert isinstance(api.ask("task_x"), Unavailable)
    assert (gateway.asked, gateway.opened) == (2, 2)


def test_a_question_is_asked_again_only_once(gateway: Gateway) -> None:
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    gateway.kill()
    gateway.answers_each, gateway.dies_of_hearing = 0, True
    assert isinstance(api.ask("task_x"), Unavailable)
    assert (gateway.asked, gateway.opened) == (2, 2)
    gateway.answers_each = 1
    assert isinstance(api.ask("task_x"), Report)
    gateway.answers_each = 0
    assert isinstance(api.ask("task_x"), Unavailable)
    assert (gateway.asked, gateway.opened) == (5, 4)


def fail_once(monkeypatch: pytest.MonkeyPatch, method: str, error: OSError, after: float = 0.0) -> None:
    """Let the next call of a method of any socket fail after seconds; it is our own, for the gateway waits for us."""
    failures = [error]
    for kind in (socket.socket, ssl.SSLSocket):
        real = getattr(kind, method)

        def call(sock: socket.socket, *what: object, real: Callable[..., object] = real) -> object:
            if failures:
                failure = failures.pop()
                time.sleep(after)
                raise failure
            return real(sock, *what)

        monkeypatch.setattr(kind, method, call)


@pytest.mark.parametrize("method", ["sendall", "recv_into"])
@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError, ssl.SSLError, ssl.SSLEOFError])
def test_whatever_a_dead_connection_dies_of_costs_no_answer(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, method: str, error: type[OSError]
) -> None:
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    fail_once(monkeypatch, method, error())
    assert isinstance(api.ask("task_x"), Report)
    assert gateway.opened == 2


def test_a_question_that_is_asked_again_has_one_end(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 3.0)
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    gateway.thinks_for = 60
    fail_once(monkeypatch, "recv_into", ConnectionResetError(), after=2.8)
    started = time.monotonic()
    assert isinstance(api.ask("task_x"), Unavailable)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("gateway", "answer_seconds", "connect_seconds"),
    [("http", 1.0, 60.0), ("https", 1.0, 60.0), ("https", 60.0, 1.0)],
    indirect=["gateway"],
)
def test_a_question_that_is_asked_again_of_silence_ends_as_soon_as_any(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, answer_seconds: float, connect_seconds: float
) -> None:
    gateway.dies_of_hearing, gateway.answers_each = True, 1
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    monkeypatch.setattr(client, "ANSWER_SECONDS", answer_seconds)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", connect_seconds)
    gateway.is_silent = True
    started = time.monotonic()
    assert isinstance(api.ask("task_x"), Unavailable)
    assert time.monotonic() - started < 30


def test_what_a_handshake_may_take_is_what_connecting_has_left() -> None:
    """And not the time-out of its address, which began later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends_at = time.monotonic() + 5
        with connection._connected(listener.getsockname(), 60, ends_at) as connected:  # noqa: SLF001 - its time-out
            assert 0 < (connected.gettimeout() or 60) <= 5


def test_a_connection_that_cannot_be_opened_says_why() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        unopened = connection.Connection("127.0.0.1", closed.getsockname()[1], timeout=10)
        with pytest.raises(NewConnectionError, match="ConnectionRefusedError") as failed:
            unopened.connect()
    assert failed.value.conn is unopened


def test_each_address_has_an_equal_share_of_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def refuse(_: object, seconds: float) -> None:
        shares.append(seconds)
        raise ConnectionRefusedError

    monkeypatch.setattr(connection, "open_socket", refuse)
    with pytest.raises(ConnectionRefusedError):
        connection._open([("127.0.0.1", port) for port in (1, 2, 3, 4)], time.monotonic() + 60)  # noqa: SLF001 - its shares
    assert shares == pytest.approx([15, 20, 30, 60], abs=5)


def test_a_connection_that_is_silent_is_waited_for_and_no_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.3)
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    monkeypatch.setattr(socket.socket, "sendall", lambda *_: None)
    monkeypatch.setattr(ssl.SSLSocket, "sendall", lambda *_: None)
    assert api.ask("task_x") == Unavailable(reason="ReadTimeoutError")
    assert (gateway.asked, gateway.opened) == (1, 1)


def test_a_gateway_that_is_gone_for_good_is_a_failure(gateway: Gateway) -> None:
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    gateway.close()
    assert api.ask("task_x") == Unavailable(reason="NewConnectionError")


@pytest.fixture
def sending(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each of the next questions can be sent; those that are not named can."""
    goes: list[bool] = []
    for kind in (socket.socket, ssl.SSLSocket):
        send = kind.sendall

        def sendall(end: socket.socket, data: bytes, send: Callable[..., None] = send) -> None:
            # The gateway's own sockets send answers.
            if data.startswith(b"GET") and goes and not goes.pop(0):
                raise ConnectionResetError
            send(end, data)

        monkeypatch.setattr(kind, "sendall", sendall)
    return goes


def test_a_question_that_cannot_be_sent_is_sent_anew(gateway: Gateway, sending: list[bool]) -> None:
    api = api_of(gateway)
    assert isinstance(api.ask("task_x"), Report)
    for _ in range(2):
        sending.append(False)
        assert isinstance(api.ask("task_x"), Report)
        assert sending == []
    assert (gateway.asked, gateway.opened) == (3, 3)


def test_a_question_that_a_new_connection_cannot_send_is_a_failure(gateway: Gateway, sending: list[bool]) -> None:
    sending.append(False)
    assert api_of(gateway).ask("task_x") == Unavailable(reason="ProtocolError")
    assert gateway.asked == 0
