"""What must hold at every step, and at the end of every world."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from announcer.announcement import announcement
from shared.task import WORKING_ATTRIBUTES, Status, Task
from shared.task_table import read_item
from tests.simulation.renders import ENDINGS, KEY, REASON, SIGNATURE, SUCCEEDING, Kind

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Wire, Written
    from tests.simulation.s3 import Object
    from tests.simulation.world import World

LONGEST_COPY_SECONDS = 900

_RANK = {"SUBMITTED": 0, "IN_PROGRESS": 1, "SUCCESS": 2}
_OURS = frozenset(
    {
        *("s3_key", "status", "progress", "model", "created_at", "completed_at", "error", "pending_since"),
        *("handoff_at", "handoffs", "s3_uri", "size", "etag", "stored_at", "updated_at", "ended_at", "expires_at"),
        *WORKING_ATTRIBUTES,
    }
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    invariant: str
    what: str


class Invariants:
    """Watches a world; only the first violation counts, what follows it may be its consequence."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._notifications: Counter[str] = Counter()
        self._recorded: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self.violation: Violation | None = None

    def fail(self, invariant: str, what: str) -> None:
        if self.violation is None:
            self.violation = Violation(invariant, what)
            self._world.note("VIOLATION", f"{invariant}: {what}")
            self._world.scheduler.stop()

    def on_write(self, written: "Written") -> None:
        """Check a write of the table; its owner may do anything."""
        self._world.note("  item is", _shown(written.after))
        role = self._world.scheduler.current.process.name.partition("-")[0]
        self._check_announcement(role, written)
        if role == "user" or written.after is None:
            return
        if written.before is None:
            self.fail("a deleted item never comes back", f"{role} wrote {written.key}")
            return
        before, after = read_item(written.before), read_item(written.after)
        self._check_item(written.key, before, after)
        if role != "intake":
            self._check_progress(written.key, before, after)
            self._check_hand_off(written.key, before, after)
            self._check_success(written.key, after)

    def on_object(self, key: str, before: "Object | None", created: "Object") -> None:
        """Check a new object; S3 tells of it once."""
        self._world.note("  object is", f"{key} {len(created.body)} bytes")
        self._notifications[key] += 1
        if before is not None or self._notifications[key] > 1:
            self.fail("no object is overwritten, one notification per key", key)
        task_id = created.metadata.get("task-id", "")
        render = self._world.renders.get(task_id)
        if not render or created.body != render.video or self._world.keys[task_id] != key:
            self.fail("an object has the right bytes and key", f"{key} of {task_id}")
        self.on_text(str(created.metadata))

    def on_send(self, task_id: str) -> None:
        """Check that a hand-off was recorded before it is sent."""
        self._sent[task_id] += 1
        if self._sent[task_id] > self._recorded[task_id]:
            self.fail("a hand-off is recorded before it is sent", task_id)

    def on_text(self, text: str) -> None:
        """Check what people may read."""
        if SIGNATURE in text or KEY in text:
            self.fail("the key and the URLs are nowhere", text)

    def at_the_end(self) -> None:
        """Check that every task has the ending that it must have."""
        for key, wire in self._world.store.items.items():
            self._check_ending(key, read_item(wire))
        self._check_uploads()

    def _check_announcement(self, role: str, written: "Written") -> None:
        """Check that exactly the writes are announced by which a function, and not the owner, ends a task."""
        after = read_item(written.after or {})
        is_announced = announcement(read_item(written.before or {}), after) is not None
        if is_announced != (role != "user" and "ended_at" in after):
            self.fail("every ending is announced once", f"{written.key}, written by {role}")

    def _check_item(self, key: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        if "ended_at" in before and before.get("status") != "RETRY":
            self.fail("an ended item never changes", key)
        if ("pending_since" in after) == ("ended_at" in after):
            self.fail("pending_since is there exactly while work is left", key)
        if any(after.get(name) != value for name, value in before.items() if name not in _OURS):
            self.fail("attributes of the owner are never touched", key)
        self.on_text(str(after))

    def _check_progress(self, key: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        was, now = Task.from_item(before), Task.from_item(after)
        if now.progress < was.progress:
            self.fail("progress never goes backwards", f"{key}: {was.progress} to {now.progress}")
        if "ended_at" not in after and _RANK.get(now.status or "", 3) < _RANK.get(was.status or "", 0):
            self.fail("progress never goes backwards", f"{key}: {was.status} to {now.status}")

    def _check_hand_off(self, key: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        was, is_now = Task.from_item(before), Task.from_item(after)
        if "pending_since" not in after or is_now.handoffs <= was.handoffs:
            return
        self._recorded[key] += 1
        now = self._world.scheduler.now
        if was.lease_until > now or is_now.lease_until < now + LONGEST_COPY_SECONDS:
            self.fail("one hand-off per lease", f"{key}: leased until {was.lease_until}, then {is_now.lease_until}")

    def _check_success(self, key: str, after: dict[str, Any]) -> None:
        if after["status"] != Status.SUCCESS or "ended_at" not in after:
            return
        stored = self._world.objects.objects.get(self._world.keys[key])
        if (
            not stored
            or stored.metadata.get("task-id") != key
            or (after["size"], after["etag"]) != (len(stored.body), stored.etag)
            or not after["s3_uri"].endswith(self._world.keys[key])
        ):
            self.fail("SUCCESS means that the video is stored", key)

    def _check_ending(self, key: str, item: dict[str, Any]) -> None:
        kind = self._world.renders[key].kind
        if "ended_at" not in item or "pending_since" in item or any(name in item for name in WORKING_ATTRIBUTES):
            self.fail("every task ends", f"{key} ({kind}): {_shown(item)}")
            return
        ended = item["status"], item.get("error", {}).get("code")
        if ended not in self._possible_endings(key, kind):
            self.fail("every task ends as it must", f"{key} ({kind}): {ended}")
        if kind is Kind.FAILED and not item["error"]["message"].startswith(REASON):
            self.fail("every task ends as it must", f"{key}: another reason: {item['error']}")

    def _possible_endings(self, key: str, kind: Kind) -> set[tuple[str, str | None]]:
        """Return status and error code of the endings that a task may have; a taken key costs a video."""
        stored = self._world.objects.objects.get(self._world.keys[key])
        is_taken = stored is not None and stored.metadata.get("task-id") != key
        if kind in SUCCEEDING:
            return {ENDINGS[Kind.KEY_TAKEN] if is_taken else ("SUCCESS", None)}
        return {ENDINGS[kind]} | ({ENDINGS[Kind.KEY_TAKEN]} if is_taken and kind is Kind.NOT_A_VIDEO else set())

    def _check_uploads(self) -> None:
        """Check that nothing is left of a copy, unless something kept the Copier from cleaning up."""
        world = self._world
        weather = world.weather
        may_be_left = world.crashes or weather.refused or weather.answer_lost or weather.slow or weather.repeated
        if world.objects.uploads and not may_be_left:
            self.fail("no upload is left open", str(list(world.objects.uploads)))


def _shown(item: "Wire | dict[str, Any] | None") -> str:
    if item is None:
        return "deleted"
    plain = {name: next(iter(v.values())) if isinstance(v, dict) and len(v) == 1 else v for name, v in item.items()}
    return " ".join(f"{name}={value}" for name, value in plain.items() if name not in {"task_id", "model"})
