"""CometAPI's content route: the one place where the key may go, and what it may answer there."""

import socket
import time
from collections.abc import Iterator

import pytest

from copier.watch import OutOfTime
from infra.local.cometapi.footage import Synthetic
from infra.local.cometapi.script import Steps
from shared.api_key import ApiKey
from shared.errors import ConfigurationError, CopyError, CopyInterrupted
from tests.integration.copying import KIB, CopyShop, patience_with, shrink
from tests.integration.strange_host import StrangeHost, say, serve

KEY = "sk-simulated"
VIDEO = b"".join(Synthetic(72 * KIB, "seed").chunks(0, 72 * KIB))


class Store:
    """What SSM has, value after value; the last one stays."""

    def __init__(self, *values: str) -> None:
        self.values = list(values)
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if not value:
            raise ConfigurationError("The CometAPI key cannot be read from the SSM parameter /key.")
        return value


@pytest.fixture
def shop(shop: CopyShop) -> Iterator[CopyShop]:
    shop.key = ApiKey(Store(KEY).read)
    shop.patience = patience_with(None, retries=1)
    before = dict(shop.comet_api.authorizations.get("content", {}))
    yield shop
    seen = shop.comet_api.authorizations.get("content", {})
    assert seen.keys() - before.keys() <= {f"Bearer {KEY}", "Bearer sk-old", "Bearer sk-new"}


def copy_content(shop: CopyShop, task_id: str) -> None:
    shop.copy(task_id, shop.comet_api.content_url(task_id))


def code_of_content(shop: CopyShop, task_id: str) -> str:
    failure = shop.failure(task_id, shop.comet_api.content_url(task_id))
    assert isinstance(failure, CopyInterrupted), "which ends no task"
    return failure.code


# --- What it may answer ---


@pytest.mark.parametrize("content", ["whole_video", "chunked_video", "redirect", ["truncated", "whole_video"]])
@pytest.mark.parametrize("size", [5 * KIB, 300 * KIB])
def test_a_video_behind_the_key(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, content: Steps, size: int) -> None:
    shrink(monkeypatch)
    task_id = shop.comet_api.create(content=content, size=size)
    copy_content(shop, task_id)
    assert shop.has_stored(task_id)


UNWILLING: dict[str, tuple[Steps, str]] = {
    "not yet": ("not_yet", "content_not_ready"),
    "too early": ({"name": "not_yet", "status": 425}, "content_not_ready"),
    "a blocked key": ("refused", "key_rejected"),
    "a page": ("page", "not_a_video"),
    "a page with an error": ({"name": "page", "status": 502}, "http_502"),
    "a page that says no": ({"name": "page", "status": 451}, "http_451"),
    "half the video": ("truncated", "truncated"),
    "a reset": ("reset", "connection_failed"),
    "silence": ("stall", "connection_failed"),
    "a redirect to a file": ({"name": "redirect", "to": "file:///etc/passwd"}, "insecure_url"),
    "a redirect to nobody": ({"name": "redirect", "to": "https://"}, "bad_url"),
}


@pytest.mark.parametrize(("content", "code"), UNWILLING.values(), ids=UNWILLING.keys())
def test_no_video_behind_the_key(shop: CopyShop, content: Steps, code: str) -> None:
    shop.patience = patience_with(content, retries=1)
    assert code_of_content(shop, shop.comet_api.create(content=content)) == code


def test_a_signed_url_behind_it_that_has_expired(shop: CopyShop) -> None:
    assert code_of_content(shop, shop.comet_api.create(content="redirect", video="gone_404")) == "url_expired"


# --- Which key ---


def test_a_key_that_was_replaced(shop: CopyShop) -> None:
    store = Store("sk-old", KEY)
    shop.key = ApiKey(store.read)
    task_id = shop.comet_api.create()
    copy_content(shop, task_id)
    assert store.reads == 2
    assert [request.status for request in shop.comet_api.requests] == [401, 200]


def test_a_key_that_is_rejected_is_read_anew_once_per_answer(shop: CopyShop) -> None:
    store = Store("sk-old")
    shop.key = ApiKey(store.read)
    assert code_of_content(shop, shop.comet_api.create()) == "key_rejected"
    assert store.reads <= 3


def test_no_key(shop: CopyShop) -> None:
    shop.key = ApiKey(Store("").read)
    with pytest.raises(CopyInterrupted) as interrupted:
        copy_content(shop, shop.comet_api.create())
    assert interrupted.value.code == "no_api_key"
    assert "/key" in interrupted.value.message
    assert shop.comet_api.requests == []


def test_no_time(shop: CopyShop) -> None:
    with pytest.raises(OutOfTime):
        shop.copy("task_x", shop.comet_api.content_url("task_x"), seconds=0)


# --- Where the key never goes ---


def redirect_to(url: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nContent-Length: 0\r\nLocation: {url}\r\n\r\n".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_stranger(shop: CopyShop, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    shrink(monkeypatch)
    with StrangeHost(serve(VIDEO)) as stranger:
        content: Steps = {"name": "redirect", "to": stranger.url, "status": status}
        copy_content(shop, shop.comet_api.create(content=content))
    assert stranger.heads
    assert stranger.authorizations == []


@pytest.mark.parametrize("path", ["/v1/videos/task_x/content", "/v1/videos/task_x/content?again", "/v1/videos/task_x"])
def test_a_redirect_to_the_very_origin(shop: CopyShop, path: str) -> None:
    def talk(wire: socket.socket, head: str) -> None:
        is_first = "authorization" in head.lower()
        wire.sendall(redirect_to(path) if is_first else b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    with StrangeHost(talk, takes_key=True) as host:
        shop.content_route = f"{host.origin}/v1/videos/task_x/content"
        assert shop.failure("task_x", shop.content_route).code == "http_401"
    assert [f"Bearer {KEY}" in head for head in host.heads] == [True, False] * 2


def test_a_stranger_who_redirects_to_the_content_route(shop: CopyShop) -> None:
    task_id = shop.comet_api.create()
    target = shop.comet_api.content_url(task_id)
    with StrangeHost(lambda wire, _: wire.sendall(redirect_to(target))) as stranger:
        assert shop.failure(task_id, stranger.url).code == "http_401"
    assert all("authorization" not in request.headers for request in shop.comet_api.requests)


ELSEWHERE = {
    "another task's": "{origin}/v1/videos/task_other/content",
    "another route": "{origin}/v1/videos/task_x",
    "a route below it": "{origin}/v1/videos/task_x/content/more",
    "another spelling": "{origin}/v1/videos/task_x/%63ontent",
    "a detour": "{origin}/v1/../v1/videos/task_x/content",
    "two slashes": "{origin}//v1/videos/task_x/content",
    "a path in another case": "{origin}/V1/videos/task_x/content",
    "the root": "{origin}",
}


@pytest.mark.parametrize("url", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_another_url_of_the_origin(shop: CopyShop, url: str) -> None:
    with StrangeHost(serve(VIDEO)) as host:
        shop.content_route = f"{host.origin}/v1/videos/task_x/content"
        shop.copy("task_x", url.format(origin=host.origin))
    assert host.authorizations == []


def test_another_port_and_another_host(shop: CopyShop) -> None:
    with StrangeHost(serve(VIDEO)) as host, StrangeHost(serve(VIDEO)) as other:
        shop.content_route = f"{host.origin}/v1/videos/task_x/content"
        shop.copy("task_x", f"{other.origin}/v1/videos/task_x/content")
        shop.copy("task_y", shop.content_route.replace("127.0.0.1", "localhost"))
    assert host.authorizations == other.authorizations == []


def test_the_same_route_over_plain_http_gets_nothing(shop: CopyShop) -> None:
    shop.allow_insecure = False
    with StrangeHost(serve(VIDEO)) as host:
        shop.content_route = f"{host.origin.replace('http:', 'https:')}/v1/videos/task_x/content"
        with pytest.raises(CopyError) as refused:
            shop.copy("task_x", f"{host.origin}/v1/videos/task_x/content")
    assert refused.value.code == "insecure_url"
    assert host.heads == []


def test_its_query_is_asked_for_but_never_told(shop: CopyShop) -> None:
    def talk(wire: socket.socket, _: str) -> None:
        time.sleep(0.01)
        say("HTTP/1.1 404 No\nContent-Length: 0")(wire, "")

    with StrangeHost(talk, takes_key=True) as host:
        shop.content_route = f"{host.origin}/v1/videos/task_x/content"
        assert shop.failure("task_x", shop.content_route + "?token=secret").code == "content_not_ready"
    assert set(host.targets) == {"/v1/videos/task_x/content?token=secret"}
    assert set(host.authorizations) == {f"Bearer {KEY}"}


def test_ranges_of_the_route_itself_have_the_key(shop: CopyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    with StrangeHost(serve(VIDEO), takes_key=True) as host:
        shop.content_route = f"{host.origin}/v1/videos/task_x/content"
        shop.copy("task_x", shop.content_route)
    assert len(host.heads) == len(host.authorizations) == 9
