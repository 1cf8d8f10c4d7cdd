"""When the key is read, and what is used while its store does not answer."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shared import api_key
from shared.api_key import KEY_SECONDS, ApiKey
from shared.errors import ConfigurationError
from tests.unit.conftest import Clock


class Store:
    """Gives out a key, or none; counts how often it was asked."""

    def __init__(self, key: str | None = "sk-1", seconds: float = 0.0) -> None:
        self.key = key
        self.seconds = seconds
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        time.sleep(self.seconds)
        if self.key is None:
            raise ConfigurationError("The store does not answer.")
        return self.key


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(api_key, "time", clock)
    return clock


@pytest.mark.parametrize(("seconds", "reads"), [(0, 1), (KEY_SECONDS - 1, 1), (KEY_SECONDS, 2), (86_400, 2)])
def test_a_key_is_read_when_first_needed_and_every_5_minutes(clock: Clock, seconds: float, reads: int) -> None:
    store = Store()
    key = ApiKey(store.read)
    assert store.reads == 0
    assert key.value() == "sk-1"
    store.key = "sk-2"
    clock.now += seconds
    assert [key.value(), key.value()] == [f"sk-{reads}"] * 2
    assert store.reads == reads


def test_a_key_that_is_doubted_is_read_anew_once(clock: Clock) -> None:  # noqa: ARG001
    store = Store()
    key = ApiKey(store.read)
    key.value()
    store.key = "sk-2"
    key.expire()
    key.expire()
    assert [key.value(), key.value()] == ["sk-2", "sk-2"]
    assert store.reads == 2


def test_a_key_stays_in_use_while_its_store_does_not_answer(clock: Clock) -> None:
    store = Store()
    key = ApiKey(store.read)
    key.value()
    store.key = None
    clock.now += KEY_SECONDS
    assert [key.value() for _ in range(3)] == ["sk-1"] * 3
    assert store.reads == 2  # a store in trouble is not asked at each question
    key.expire()
    assert key.value() == "sk-1"
    assert key.renew("sk-1", clock.monotonic()) == "sk-1"
    store.key = "sk-2"
    clock.now += KEY_SECONDS
    assert key.value() == "sk-2"


def test_without_any_key_each_question_says_so(clock: Clock) -> None:  # noqa: ARG001
    store = Store(None)
    key = ApiKey(store.read)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            key.value()
    assert store.reads == 2
    store.key = "sk-1"
    assert key.value() == "sk-1"


@pytest.mark.parametrize(
    ("rejected", "asked_later", "reads"), [("sk-1", 1, 2), ("sk-1", 0, 1), ("sk-1", -1, 1), ("sk-0", 1, 1)]
)
def test_a_rejected_key_is_read_anew_where_nobody_did_since(
    clock: Clock, rejected: str, asked_later: int, reads: int
) -> None:
    store = Store()
    key = ApiKey(store.read)
    key.value()
    store.key = "sk-2"
    assert key.renew(rejected, clock.now + asked_later) == f"sk-{reads}"
    assert store.reads == reads


def test_a_rejected_key_that_was_never_read_is_all_there_is() -> None:
    assert ApiKey(Store(None).read).renew("sk-1", 0.0) == "sk-1"


@pytest.mark.parametrize("is_rejected", [False, True])
def test_many_threads_read_once(*, is_rejected: bool) -> None:
    store = Store(seconds=0.05)
    key = ApiKey(store.read)
    together = Barrier(16)
    if is_rejected:
        key.value()
        time.sleep(0.01)
    asked_at = time.monotonic()

    def use(_: int) -> str:
        together.wait()
        return key.renew("sk-1", asked_at) if is_rejected else key.value()

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(use, range(16))) == {"sk-1"}
    assert store.reads == 1 + is_rejected
