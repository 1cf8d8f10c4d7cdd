"""Connections that a frozen Lambda may keep: one that died unnoticed costs no answer."""

from ssl import SSLError
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

CONNECT_SECONDS = 5.0


class Connection(HTTPConnection):
    """Asks again at once, on a new socket, what one that had answered before was asked in vain.

    What breaks off without a byte of an answer was most likely dead before it was asked. Time-outs are as urllib3's.
    """

    _has_answered = False

    def connect(self) -> None:
        """Open a socket, which has yet to prove itself."""
        self._has_answered = False
        super().connect()

    def request(self, *question: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's, handed on as they are
        """Send a question."""
        self._question = question, options
        try:
            super().request(*question, **options)
        except (ConnectionError, SSLError) as error:
            self._ask_anew(error)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's differs from http.client's
        """Return the answer as soon as its head is there."""
        try:
            response = super().getresponse()
        except (ConnectionError, SSLError) as error:
            self._ask_anew(error)
            response = super().getresponse()
        self._has_answered = True
        return response

    def _ask_anew(self, error: OSError) -> None:
        """Ask on a new socket; raises `error` where the one that gave it was new."""
        if not self._has_answered:
            raise error
        self.close()
        patience, self.timeout = self.timeout, CONNECT_SECONDS
        self.connect()
        self.timeout = patience
        question, options = self._question
        super().request(*question, **options)


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""
