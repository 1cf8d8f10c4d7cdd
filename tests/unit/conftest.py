import pytest

from shared.lifecycle import Limits
from shared.task import Task

NOW = 1_800_000_000


@pytest.fixture
def limits() -> Limits:
    return Limits(deadline_seconds=24 * 3600, retention_seconds=30 * 86400)


class Clock:
    """Monotonic time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def pending(age: int = 300, **attributes: object) -> Task:
    """Return a task that was inserted so many seconds ago, and not written since; None takes an attribute away."""
    since = NOW - age
    item = {"task_id": "task_x", "pending_since": since, "updated_at": since, "status": "SUBMITTED", "progress": 0}
    return Task.from_item({name: value for name, value in {**item, **attributes}.items() if value is not None})
