"""Which URLs a video may be fetched from."""

import re
from http.client import HTTP_PORT, HTTPS_PORT
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from shared.errors import VideoRefused

_PORTS = {"https": HTTPS_PORT, "http": HTTP_PORT}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_url(text: str, *, allow_insecure: bool) -> Url:
    """Return the parsed URL, its port filled in; raises VideoRefused for one that is never fetched.

    The URL is a credential, so no error quotes it.
    """
    text = text.strip()
    try:
        url = parse_url(text)
    except LocationParseError:
        raise _refused("bad_url", "cannot be read") from None
    if url.scheme not in _PORTS or (url.scheme == "http" and not allow_insecure):
        raise _refused("insecure_url", "does not begin with https://")
    if not url.host or _CONTROL.search(text):
        raise _refused("bad_url", "names no host or holds control characters")
    if url.auth is not None:
        raise _refused("userinfo_in_url", "holds a user name or password before the host")
    return url._replace(port=url.port or _PORTS[url.scheme], fragment=None)


def redirected(url: Url, location: str, *, allow_insecure: bool) -> Url:
    """Return where a redirect of `url` leads; it is checked just as the first URL was."""
    try:
        target = urljoin(url.url, location.strip())
    except ValueError:
        raise _refused("bad_url", "redirects to a URL that cannot be read") from None
    return check_url(target, allow_insecure=allow_insecure)


def _refused(code: str, fault: str) -> VideoRefused:
    return VideoRefused(
        code,
        f"The video URL {fault}, so it was not fetched. Check CometApiBaseUrl; if CometAPI itself "
        "returned this URL, ask its support.",
    )
