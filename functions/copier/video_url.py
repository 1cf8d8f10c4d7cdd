"""Which URLs a video may be fetched from."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTP_PORT, HTTPS_PORT
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote_from_bytes, urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from shared.errors import CopyInterrupted, VideoRefused
from shared.lifecycle import LONGEST_URL

_PORTS = {"https": HTTPS_PORT, "http": HTTP_PORT}
_URL = re.compile(r"(?P<origin>[a-z]+://[^/?#\\]+)(?P<target>[^#]*)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_VISIBLE = bytes(range(0x21, 0x7F)).decode()
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class VideoUrl:
    """A URL that was checked; `target` is what its host is asked for, byte for byte, since it may be signed."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    takes_key: bool = False
    """It is CometAPI's own content route, and no redirect led here."""

    def is_at(self, other: "VideoUrl") -> bool:
        """Tell whether two URLs have the same origin and path."""
        mine, theirs = ((url.scheme, url.host, url.port, url.target.partition("?")[0]) for url in (self, other))
        return mine == theirs


def check_url(text: str, *, allow_insecure: bool) -> VideoUrl:
    """Return a URL whose words allow to fetch it; raises VideoRefused for one that is never fetched.

    The URL is a credential, so no error quotes it.
    """
    text = text.strip()
    match = _URL.match(text)
    try:
        origin = parse_url(match["origin"] if match else text)
    except LocationParseError:
        raise _refused("bad_url", "cannot be read") from None
    if origin.scheme not in _PORTS or (origin.scheme == "http" and not allow_insecure):
        raise _refused("insecure_url", "does not begin with https://")
    if not match or not origin.host or _UNSENDABLE.search(text):
        raise _refused("bad_url", "names no host or holds control characters")
    if origin.auth is not None:
        raise _refused("userinfo_in_url", "holds a user name or password before the host")
    if len(text) > LONGEST_URL:
        raise _refused("url_too_long", f"is longer than {LONGEST_URL} characters")
    if not allow_insecure and not all(map(is_public, _addresses_in(origin.host))):
        raise _refused("address_not_public", "names an address that is not public")
    target = _encoded(match["target"].encode())
    return VideoUrl(
        origin.scheme, origin.host, origin.port or _PORTS[origin.scheme], target if target[:1] == "/" else "/" + target
    )


def redirected(url: VideoUrl, location: str, *, allow_insecure: bool) -> VideoUrl:
    """Return where a redirect of `url` leads, `location` as http.client reads it; the key never goes there.

    Raises CopyInterrupted for what is never fetched: in its bad moments a host redirects to anything.
    """
    here = f"{url.scheme}://{url.host}:{url.port}"
    place = _encoded(location.strip().encode("latin-1", "replace"))
    try:
        if place.startswith("//"):
            place = f"{url.scheme}:{place}"
        elif place.startswith("/"):
            place = here + place
        elif not _SCHEME.match(place):
            place = urljoin(here + url.target, place)
        return check_url(place, allow_insecure=allow_insecure)
    except VideoRefused as refused:
        raise CopyInterrupted(refused.code, "The video URL redirects to a URL that is never fetched.") from None


def is_public(address: str) -> bool:
    """Tell whether an IP address is reachable for everybody, and nobody's private or loopback address in disguise."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if embedded is None:
            return ip.is_global and ip in _GLOBAL_UNICAST
        ip = embedded
    return ip.is_global and not ip.is_multicast


def _encoded(text: bytes) -> str:
    """Encode only what HTTP forbids; a percent sign and all other visible ASCII are left as they were signed."""
    return quote_from_bytes(text, safe=_VISIBLE)


def _addresses_in(host: str) -> list[str]:
    """Return the address that a host is spelt as, in any of its spellings; none where it is a name."""
    with suppress(OSError):
        return [socket.inet_ntoa(socket.inet_aton(host))]
    return [host.strip("[]")] if host.startswith("[") else []


def _refused(code: str, fault: str) -> VideoRefused:
    return VideoRefused(
        code,
        f"The video URL {fault}, so it was not fetched. Check CometApiBaseUrl; if CometAPI itself "
        "returned this URL, ask its support.",
    )
