"""What must hold at every step, and at the end of every world."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from announcer.announcement import announcement
from shared.lifecycle import MAX_COPY_ATTEMPTS
from shared.task import RETRY, WORKING_ATTRIBUTES, Status, Task
from tests.simulation.handoffs import HandOffs
from tests.simulation.pressure import Pressure
from tests.simulation.renders import ENDINGS, REASON, SECRET, SIGNATURE, SUCCEEDING, Kind
from tests.simulation.silence import Silence

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Wire, Written
    from tests.simulation.renders import Answer
    from tests.simulation.s3 import Object
    from tests.simulation.scheduler import Process
    from tests.simulation.world import World

_RANK = {"SUBMITTED": 0, "IN_PROGRESS": 1, "COPYING": 2}
_LONG_ENOUGH_SECONDS = 600
_OURS = frozenset(
    {
        *("s3_key", "status", "progress", "model", "created_at", "completed_at", "reported_at", "result", "error"),
        *("pending_since", "copy_attempts", "s3_uri", "size", "etag", "stored_at", "updated_at", "ended_at"),
        *("expires_at", *WORKING_ATTRIBUTES),
    }
)

_OF_A_RUN = frozenset({"error", "copy_attempts", "s3_uri", "ended_at", "expires_at", *WORKING_ATTRIBUTES})


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
        self._endings: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._hand_offs = HandOffs(world, self)
        self._silence = Silence(world, self)
        self.pressure = Pressure(world, self)
        self.violation: Violation | None = None
        self.on_send = self._hand_offs.on_send
        self.on_unsent = self._hand_offs.on_unsent
        self.on_receive = self._hand_offs.on_receive
        self.on_end = self._hand_offs.on_end
        self.on_tick = self._silence.on_tick
        self.on_ask = self._silence.on_ask

    def fail(self, invariant: str, what: str) -> None:
        if self.violation is None:
            self.violation = Violation(invariant, what)
            self._world.note("VIOLATION", f"{invariant}: {what}")
            self._world.scheduler.stop()

    def on_write(self, written: "Written") -> None:
        """Check a write of the table; its owner may do anything."""
        self._world.note("  item is", Shown(written.after))
        process, reading = self._world.scheduler.process, self._world.reading
        before, after = reading.item_or_nothing(written.before), reading.item_or_nothing(written.after)
        self._check_announcement(process.role, written.key, before, after)
        if process.is_safe or written.after is None:
            self._silence.forget(written.key)
            return
        if written.before is None:
            self.fail("a deleted item never comes back", f"{process.role} wrote {written.key}")
            return
        self._check_item(written.key, before, after)
        if process.role == "intake":
            self._check_admission(written.key, after)
        else:
            was, task = reading.task(before), reading.task(after)
            self._check_progress(written.key, was, task)
            self._hand_offs.on_write(process, was, task)
            if process.role == "copier":
                self._silence.on_copy(written.key)
            self._check_success(written.key, after)
            self._check_giving_up(written.key, was, task)

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

    def on_announcement(self, told: dict[str, Any], text: str) -> None:
        """Take note of what the topic was told."""
        self._world.note("  announced", text)
        self.on_text(text)
        self._told[told["task_id"]].append(told)

    def on_answer(self, task_id: str, answer: "Answer") -> None:
        """Take note of what CometAPI says of a task."""
        self._silence.on_answer(task_id, is_report=answer[0] == 200 and task_id.encode() in answer[2])

    def on_trouble(self, process: "Process", what: str) -> None:
        """Take note of a call that goes wrong."""
        if process.role == "poller" and what.startswith("UpdateItem"):
            self._silence.forget(what.partition(" ")[2])
            self._hand_offs.on_trouble(process, what.partition(" ")[2])

    def on_text(self, text: str) -> None:
        """Check what people may read."""
        if SIGNATURE in text or SECRET in text:
            self.fail("the key and the URLs are nowhere", text)

    def on_expiry(self, key: str) -> None:
        """Check an item for the last time; RETRY does not keep it, until Intake hears of that."""
        item = self._world.reading.item(self._world.store.items[key])
        if item["status"] != RETRY:
            self._check_ending(key, item)

    def at_the_end(self) -> None:
        """Check that every task has the ending that it must have, and that everybody heard of it."""
        for key, wire in self._world.store.items.items():
            self._check_ending(key, self._world.reading.item(wire))
        for key, endings in self._endings.items():
            self._check_told(key, endings)
        self._check_uploads()

    def _check_announcement(self, role: str, key: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Check that exactly the writes are announced by which a function, and not the owner, ends a task."""
        said = announcement(before, after)
        if (said is not None) != (role not in {"user", "world"} and "ended_at" in after):
            self.fail("every ending is announced once", f"{key}, written by {role}")
        if said is not None:
            self._endings[key].append(said)

    def _check_told(self, key: str, endings: list[dict[str, Any]]) -> None:
        """Check what the topic heard of a task, at least once each; what was given up stands in a queue."""
        told = self._told[key]
        given_up = {record.key for record in self._world.stream.given_up["announcer"]}
        is_lost = key in given_up or ("announcer", key) in self._world.lost_records
        if any(ending not in told for ending in endings) and not is_lost:
            self.fail("every ended task is announced", f"{key}: {endings}, told {told}")
        if any(each not in endings for each in told):
            self.fail("every ended task is announced", f"{key}: {endings}, told {told}")

    def _check_item(self, key: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        if "ended_at" in before and before.get("status") != "RETRY":
            self.fail("an ended item never changes", key)
        if ("pending_since" in after) == ("ended_at" in after):
            self.fail("pending_since is there exactly while work is left", key)
        if any(after.get(name) != value for name, value in before.items() if name not in _OURS):
            self.fail("attributes of the owner are never touched", key)
        self.on_text(str(after))

    def _check_admission(self, key: str, after: dict[str, Any]) -> None:
        if "pending_since" in after:
            self._silence.on_admission(float(after["pending_since"]))
            if left := _OF_A_RUN & after.keys():
                self.fail("an admitted task begins anew", f"{key}: {sorted(left)}")

    def _check_progress(self, key: str, was: Task, now: Task) -> None:
        if now.progress < was.progress:
            self.fail("progress never goes backwards", f"{key}: {was.progress} to {now.progress}")
        if now.pending_since and _RANK.get(now.status or "", 3) < _RANK.get(was.status or "", 0):
            self.fail("progress never goes backwards", f"{key}: {was.status} to {now.status}")

    def _check_success(self, key: str, after: dict[str, Any]) -> None:
        if (after["status"] == Status.SUCCESS) != ("s3_uri" in after):
            self.fail("SUCCESS means that the video is stored", key)
        if after["status"] != Status.SUCCESS:
            return
        stored = self._world.objects.objects.get(self._world.keys[key])
        if (
            not stored
            or stored.metadata.get("task-id") != key
            or (after["size"], after["etag"]) != (len(stored.body), stored.etag)
            or not after["s3_uri"].endswith(self._world.keys[key])
        ):
            self.fail("SUCCESS means that the video is stored", key)

    def _check_giving_up(self, key: str, was: Task, now: Task) -> None:
        kind = self._world.renders[key].kind
        if now.status == Status.NOT_FOUND and kind is not Kind.UNKNOWN:
            self.fail("a paid task never ends NOT_FOUND", f"{key} ({kind})")
        if now.status == Status.NOT_FOUND and was.reported_at is not None:
            self.fail("a task that was ever reported on never ends NOT_FOUND", key)
        if now.status == Status.COPY_FAILED and now.error["code"] not in {"no_video_url", "url_too_long"}:
            begun = self._hand_offs.begun(was)
            if not begun or (now.error["code"] == "copies_exhausted" and begun < MAX_COPY_ATTEMPTS):
                self.fail("nobody is given up whose copy never began", f"{key}: {begun} copies, {now.error}")

    def _check_ending(self, key: str, item: dict[str, Any]) -> None:
        kind = self._world.renders[key].kind
        if "ended_at" not in item or "pending_since" in item or any(name in item for name in WORKING_ATTRIBUTES):
            self.fail("every task ends", f"{key} ({kind}): {Shown(item)}")
            return
        ended = item["status"], item.get("error", {}).get("code")
        if ended not in self._possible_endings(key, kind):
            self.fail("every task ends as it must", f"{key} ({kind}): {ended} {item.get('error')}")
        if kind is Kind.FAILED and not item["error"]["message"].startswith(REASON):
            self.fail("every task ends as it must", f"{key}: another reason: {item['error']}")

    def _possible_endings(self, key: str, kind: Kind) -> set[tuple[str, str | None]]:
        """Return status and error code of the endings that a task may have; a taken key costs a video."""
        stored = self._world.objects.objects.get(self._world.keys[key])
        is_taken = stored is not None and stored.metadata.get("task-id") != key
        taken: set[tuple[str, str | None]] = {ENDINGS[Kind.KEY_TAKEN]} if is_taken else set()
        if kind is Kind.UNKNOWN and self._world.weather.environment_seconds < _LONG_ENOUGH_SECONDS:
            # An environment that never had a report knows nothing of the key.
            return {ENDINGS[kind], ENDINGS[Kind.STUCK]}
        if kind not in SUCCEEDING:
            return {ENDINGS[kind], *(taken if kind in {Kind.NOT_A_VIDEO, Kind.NO_URL} else ())}
        if taken:
            return taken
        expired: set[tuple[str, str | None]] = set()
        if self._world.url_has_died(self._world.renders[key]):
            expired = {("COPY_FAILED", "copies_exhausted")}
        return {("SUCCESS", None)} | expired

    def _check_uploads(self) -> None:
        """Check that nothing is left of a copy, unless something kept the Copier from cleaning up."""
        world = self._world
        weather = world.weather
        may_be_left = world.crashes or weather.refused or weather.answer_lost or weather.slow or weather.repeated
        if world.objects.uploads and not may_be_left:
            self.fail("no upload is left open", str(list(world.objects.uploads)))


@dataclass(frozen=True, slots=True)
class Shown:
    """An item for who reads what happened, which is seldom."""

    item: "Wire | dict[str, Any] | None"

    def __str__(self) -> str:
        if self.item is None:
            return "deleted"
        single = {name: next(iter(v.values())) for name, v in self.item.items() if isinstance(v, dict) and len(v) == 1}
        plain = {**self.item, **single}
        return " ".join(f"{name}={value}" for name, value in plain.items() if name not in {"task_id", "model"})
