"""Signed URLs that expire, in the manner of the object store behind Seedance."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from infra.local.cometapi.delivery import error_xml
from infra.local.cometapi.reply import Reply

_DATE = "%Y%m%dT%H%M%SZ"


class Signer:
    """Signs paths and checks what it signed; each one has its own secret."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def sign(self, path: str, *, now: float, lifetime: int) -> str:
        """Return the path with a query that allows it for lifetime seconds."""
        date = datetime.fromtimestamp(now, UTC)
        query = {
            "X-Tos-Algorithm": "TOS4-HMAC-SHA256",
            "X-Tos-Credential": f"AKSIMULATED/{date:%Y%m%d}/cn-beijing/tos/request",
            "X-Tos-Date": f"{date:{_DATE}}",
            "X-Tos-Expires": str(lifetime),
            "X-Tos-SignedHeaders": "host",
        }
        return f"{path}?{urlencode(query | {'X-Tos-Signature': self._signature(path, query)})}"

    def refusal(self, path: str, query: Mapping[str, str], *, now: float) -> Reply | None:
        """Return why a request is not served, or None where it is."""
        unsigned = {name: value for name, value in query.items() if name != "X-Tos-Signature"}
        expected = self._signature(path, unsigned)
        if not hmac.compare_digest(expected.encode(), query.get("X-Tos-Signature", "").encode()):
            return error_xml(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        signed_at = datetime.strptime(query["X-Tos-Date"], _DATE).replace(tzinfo=UTC).timestamp()
        if now >= signed_at + int(query["X-Tos-Expires"]):
            return error_xml(403, "AccessDenied", "Request has expired")
        return None

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        text = f"GET\n{path}\n{urlencode(sorted(query.items()))}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
