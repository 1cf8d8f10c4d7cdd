"""Asking CometAPI, over one pool of connections that outlives rounds and invocations."""

import ssl
import time
from urllib.parse import quote

import urllib3
from urllib3.util import Url, parse_url

from shared.api_key import ApiKey
from shared.comet_api.answers import Answer, KeyRejected, Report, Unavailable
from shared.comet_api.connection import CONNECT_SECONDS, Connection, SecureConnection
from shared.comet_api.parser import MAX_BODY_BYTES, parse
from shared.errors import ConfigurationError

ANSWER_SECONDS = 15.0
"""How long one answer may take in all, from the look-up of the key to its last byte (the client time-out that
CometAPI's documentation advises); only the last look-up of a key may still be under way then."""
_CHUNK = 64 * 1024


class CometApi:
    """CometAPI's video route, one question a call; thread-safe."""

    def __init__(self, base_url: str, key: ApiKey, connections: int, *, allow_insecure: bool = False) -> None:
        """Keep up to `connections` connections open to `base_url`; nothing is asked yet.

        Raises ConfigurationError where `base_url` is none, or is plain http and that is not allowed.
        """
        self.base = base = normal_base(base_url, allow_insecure)
        self._key = key
        self._reported_at: dict[str, float] = {}  # by the key's value: a stored name may get another account's
        # One for all connections: each would otherwise load the certificates of all authorities anew.
        tls = {"ssl_context": ssl.create_default_context()} if base.scheme == "https" else {}
        self._pool = urllib3.connection_from_url(base.url, maxsize=connections, **tls)
        self._pool.ConnectionCls = SecureConnection if tls else Connection

    def ask(self, task_id: str) -> Answer:
        """Ask how `task_id` stands; whatever goes wrong on the way is an answer too.

        Raises ConfigurationError where there is no key.
        """
        ends_at = time.monotonic() + ANSWER_SECONDS
        key = self._key.value()
        asked_at = time.monotonic()
        answer = self._get(task_id, key, ends_at)
        if isinstance(answer, KeyRejected):
            renewed = self._key.renew(key, asked_at)
            if renewed != key:
                return self._get(task_id, renewed, ends_at)
        return answer

    def _get(self, task_id: str, key: str, ends_at: float) -> Answer:
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        left = ends_at - time.monotonic()
        if left <= 0:
            return Unavailable(reason="TimeoutError")
        try:
            response = self._pool.urlopen(
                "GET",
                _path(self.base, task_id),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, total=left),
                retries=False,  # the next round is a retry, and one mechanism is enough
                redirect=False,  # it would carry the key away
                preload_content=False,
            )
            body = _read(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Unavailable(reason=type(error).__name__)
        now = time.time()
        answer = parse(task_id, response.status, response.headers, body, now, self._reported_at.get(key))
        if isinstance(answer, Report):
            self._reported_at[key] = now
        return answer


def normal_base(base_url: str, allow_insecure: bool) -> Url:  # noqa: FBT001 - what it means is said by its name
    """Read the parameter CometApiBaseUrl, with or without the `/v1` that every path begins with.

    Raises ConfigurationError where it is none, or is plain http and that is not allowed.
    """
    try:
        base = parse_url(base_url)
    except urllib3.exceptions.LocationParseError:
        base = Url()
    if base.scheme not in {"http", "https"} or not base.host or base.auth or base.query or base.fragment:
        raise ConfigurationError(
            "The stack's parameter CometApiBaseUrl must be a URL like https://api.cometapi.com; correct it and deploy."
        )
    if base.scheme == "http" and not allow_insecure:
        raise ConfigurationError(
            "The stack's parameter CometApiBaseUrl is plain http, which would send the API key in clear; correct it to "
            "https and deploy. Only a stack for tests may set AllowInsecureVideoUrls to true instead."
        )
    path = (base.path or "").rstrip("/").removesuffix("/v1").rstrip("/")
    return Url(base.scheme, host=base.host, port=base.port, path=path or None)


def content_url(base: Url, task_id: str) -> str:
    """Return where CometAPI itself gives out the task's video to whoever has the key; `base` is a normal one."""
    return base._replace(path=f"{_path(base, task_id)}/content").url


def _path(base: Url, task_id: str) -> str:
    return f"{base.path or ''}/v1/videos/{quote(task_id, safe='')}"


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read a little more than any report has at the most; raises urllib3's errors, also where that takes too long."""
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            response.close()  # a connection with an unread rest must not be used again
            break
    response.release_conn()
    return bytes(body)
