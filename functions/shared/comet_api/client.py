"""Asking CometAPI, over one pool of connections that outlives rounds and invocations."""

import ssl
import time
from collections.abc import Callable
from threading import Lock
from urllib.parse import quote

import urllib3
from urllib3.util import Retry, Url, parse_url

from shared.comet_api.answers import Answer, KeyRejected, Unavailable
from shared.comet_api.parser import MAX_BODY_BYTES, parse
from shared.errors import ConfigurationError

ANSWER_SECONDS = 15.0
"""How long one answer may take in all (the client time-out that CometAPI's documentation advises)."""

_TIMEOUT = urllib3.Timeout(connect=5.0, read=ANSWER_SECONDS)
# One mechanism retries, the next round, so urllib3 does not; a redirect would carry the key away.
_NEVER = Retry(total=False, redirect=False)
_CHUNK = 64 * 1024


class ApiKey:
    """The Bearer key; read when first needed, and anew where CometAPI rejects it."""

    def __init__(self, read: Callable[[bool], str]) -> None:
        """Take `read(force)`, which returns the key, from its store where `force`, else possibly from a cache."""
        self._read = read
        self._lock = Lock()
        self._value: str | None = None
        self._renewed_at = 0.0

    def value(self) -> str:
        """Return the key; raises ConfigurationError where there is none."""
        with self._lock:
            self._value = self._value or self._read(False)  # noqa: FBT003 - see __init__
            return self._value

    def renew(self, rejected: str, asked_at: float) -> str:
        """Return the key in force, now that `rejected` was refused to a question of `asked_at` (monotonic seconds).

        One read serves all questions that were asked before it, however many threads have one.
        """
        with self._lock:
            if self._value == rejected and asked_at > self._renewed_at:
                self._value = self._read(True)  # noqa: FBT003 - see __init__
                self._renewed_at = time.monotonic()
            return self._value or rejected


class CometApi:
    """CometAPI's video route, one question a call; thread-safe."""

    def __init__(self, base_url: str, key: ApiKey, connections: int) -> None:
        """Keep up to `connections` connections open to `base_url`; nothing is asked yet.

        Raises ConfigurationError where `base_url` is none.
        """
        base = _base(base_url)
        self._videos_path = f"{(base.path or '').rstrip('/')}/v1/videos/"
        self._key = key
        # One for all connections: each would otherwise load the certificates of all authorities anew.
        tls = {"ssl_context": ssl.create_default_context()} if base.scheme == "https" else {}
        self._pool = urllib3.connection_from_url(base.url, maxsize=connections, timeout=_TIMEOUT, **tls)

    def ask(self, task_id: str) -> Answer:
        """Ask how `task_id` stands; whatever goes wrong on the way is an answer too.

        Raises ConfigurationError where there is no key.
        """
        key = self._key.value()
        asked_at = time.monotonic()
        answer = self._get(task_id, key)
        if isinstance(answer, KeyRejected):
            renewed = self._key.renew(key, asked_at)
            if renewed != key:
                return self._get(task_id, renewed)
        return answer

    def _get(self, task_id: str, key: str) -> Answer:
        deadline = time.monotonic() + ANSWER_SECONDS
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        path = self._videos_path + quote(task_id, safe="")
        try:
            response = self._pool.urlopen("GET", path, headers=headers, retries=_NEVER, preload_content=False)
            body = _read(response, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Unavailable(reason=type(error).__name__)
        if body is None:
            return Unavailable(reason="the answer was too slow")
        return parse(task_id, response.status, response.headers, body, time.time())


def _base(base_url: str) -> Url:
    try:
        base = parse_url(base_url)
    except urllib3.exceptions.LocationParseError:
        base = Url()
    if base.scheme not in {"http", "https"} or not base.host or base.auth or base.query or base.fragment:
        raise ConfigurationError(
            "The stack's parameter CometApiBaseUrl must be a URL like https://api.cometapi.com; correct it and deploy."
        )
    return base


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes | None:
    """Read a little more than any report has at the most; None where that takes longer than until `deadline`."""
    body = bytearray()
    is_late = False
    while chunk := response.read1(_CHUNK):
        body += chunk
        is_late = time.monotonic() > deadline
        if is_late or len(body) > MAX_BODY_BYTES:
            response.close()  # a connection with an unread rest must not be used again
            break
        if response.length_remaining == 0 and "Content-Encoding" not in response.headers:
            break
    response.release_conn()
    return None if is_late else bytes(body)
