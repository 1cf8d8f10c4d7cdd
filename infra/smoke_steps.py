"""What a smoke test proves with tasks of its own, step by step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from infra.command import printable
from infra.health import HealthReader
from infra.smoke_check import DENYING_BUCKET, Check, State, failed, ok, refusal, skipped
from infra.smoke_ear import Ear
from infra.smoke_tasks import SmokeTasks
from infra.store import Item
from infra.trouble import TroubleError
from shared.task import Status

_NOT_KNOWN = "task_not_exist"
_BASE_URL = '`make deploy PARAMETERS="CometApiBaseUrl=https://…"`'
CURES = {
    "silence_key_rejected": "Store a valid key: see `Rotate the key` in infra/README.md.",
    "silence_throttled": "CometAPI's limit is used up. Try again later, or lower MaxConcurrentPolls.",
    "forbidden": "The key may not ask about videos: allow it at CometAPI.",
    "s3_error": DENYING_BUCKET,
}
"""By the code of an item's error."""
_OF_COMETAPI = f"See whether CometApiBaseUrl is right ({_BASE_URL} changes it), and whether CometAPI is up."
_OF_COPIER = "See whether a Lambda function reaches that host, or name another small video with VIDEO_URL=."


@dataclass(frozen=True)
class Step:
    """A proof: the checks that must have passed before, what begins it, and what tells how it ended."""

    name: str
    needs: Sequence[str]
    end: Callable[[], Check]
    begin: Callable[[], None] = lambda: None


@dataclass
class Steps:
    """All steps, over the tasks of one run; the names in `bad` are of checks that have failed."""

    tasks: SmokeTasks
    ear: Ear
    bad: set[str]
    _ended: set[str] = field(default_factory=set)

    def run(self) -> Iterator[Check]:
        """Yield how each step ended; all begin before the first one is waited for."""
        tasks = self.tasks
        steps = (
            Step("listening", (), self._listening, self.ear.listen),
            Step("intake", ("functions", "mapping Intake"), self._intake, tasks.put_bad),
            Step("copy", ("functions", "mapping Copier"), self._copy, tasks.send_copy),
            Step("cometapi", ("functions", "schedule", "key"), self._cometapi, tasks.put_unknown),
            Step("overwrite", ("copy",), self._overwrite),
            Step("endings", ("functions", "mapping Announcer", "listening"), self._endings),
            Step("notification", ("copy", "listening"), self._notification),
        )
        refused: dict[str, Check] = {}
        for step in steps:
            if (check := self._tried(step, step.begin)) is not None:
                refused[step.name] = check
        for step in steps:
            check = refused.get(step.name) or self._tried(step, step.end)
            if check is None:
                continue
            if check.state in {State.FAILED, State.SKIPPED}:
                self.bad.add(step.name)
            yield check

    def _tried(self, step: Step, work: Callable[[], Check | None]) -> Check | None:
        """Return what came of some work, unless another check has failed that it needs."""
        if missing := [need for need in step.needs if need in self.bad]:
            return skipped(step.name, f"not tried: {missing[0]} failed")
        try:
            return work()
        except (BotoCoreError, ClientError, TroubleError) as error:
            self.bad.add(step.name)
            return refusal(step.name, error)

    def _listening(self) -> Check:
        return ok("listening", "a queue of its own hears of endings and of stored videos")

    def _intake(self) -> Check:
        """Wait until the bad item ends."""
        item = self.tasks.item("bad-key", lambda item: "ended_at" in item)
        if item.get("status") != Status.INVALID:
            said = f"An item with a bad s3_key is {item.get('status', 'not admitted')}, not INVALID,"
            return failed(
                "intake",
                said + self.tasks.in_vain("Intake"),
                "See `IntakeFailing` and `TableRefuses` in infra/README.md.",
            )
        self._ended.add(self.tasks.id("bad-key"))
        return ok("intake", "an item with a bad s3_key ended INVALID")

    def _copy(self) -> Check:
        """Wait until the video is stored, or not."""
        item = self.tasks.item("copy", _is_settled)
        if "ended_at" in item:
            self._ended.add(self.tasks.id("copy"))
        if item.get("status") == Status.SUCCESS:
            size = self.tasks.head()["ContentLength"]
            return ok("copy", f"the Copier stored {size:,} bytes at {item['s3_uri']}")
        if error := item.get("error", {}):
            cure = CURES.get(str(error.get("code")), _OF_COPIER)
            return failed("copy", f"The Copier stored no video: {printable(error.get('message'))}", cure)
        words = "The copy was begun, and has not ended" if "copy_attempts" in item else "The copy was not begun"
        cure = "See `CopierFailing`, `CopierThrottled` and `TableRefuses` in infra/README.md."
        return failed("copy", words + self.tasks.in_vain("Copier"), cure)

    def _cometapi(self) -> Check:
        """Wait until the Poller has asked about the made-up id."""
        error = self.tasks.item("unknown", lambda item: "error" in item).get("error", {})
        code = str(error.get("code", ""))
        if code == _NOT_KNOWN:
            return ok("cometapi", "the Poller asked about a made-up id: CometAPI takes the key, and knows no such task")
        if error:
            return failed("cometapi", printable(error.get("message")), CURES.get(code, _OF_COMETAPI))
        health = HealthReader(self.tasks.stack.target).findings()
        wrong = "".join(f" {finding.text}" for finding in health if finding.is_good is False)
        words = f"The Poller has left no word on a made-up id{self.tasks.in_vain('Poller')}{wrong}"
        return failed("cometapi", words, "See `PollerFailing` in infra/README.md.")

    def _overwrite(self) -> Check:
        """Copy once more, and write there oneself: neither may change the object.

        A task of its own that ends as key_taken would prove the same, and ring CopiesFailed.
        """
        before = self.tasks.head()
        self.tasks.send_copy()
        item = self.tasks.item("copy", _is_settled)
        was_let = self.tasks.write_over()
        after = self.tasks.head()
        if was_let or (before["ETag"], before["LastModified"]) != (after["ETag"], after["LastModified"]):
            return failed("overwrite", "A second write changed the object.", "This S3 does not honour If-None-Match.")
        if item.get("status") != Status.SUCCESS:
            words = f"A second copy has not ended well{self.tasks.in_vain('Copier')}"
            return failed("overwrite", words, "See `CopierFailing` in infra/README.md.")
        return ok("overwrite", "a second copy left the object as it was, and S3 refuses to write over it")

    def _endings(self) -> Check:
        """Wait until the topic has told of what ended."""
        if not self._ended:
            return skipped("endings", "nothing has ended that it could tell of")
        if not self._heard(lambda: self._ended <= self.ear.endings.keys()):
            missing = ", ".join(sorted(self._ended - self.ear.endings.keys()))
            words = f"TaskEndedTopic has not told of {missing}{self.tasks.in_vain('Announcer')}"
            return failed("endings", words, "See `AnnouncerFailing` in infra/README.md.")
        return ok("endings", f"TaskEndedTopic told the queue: {', '.join(sorted(set(self.ear.endings.values())))}")

    def _notification(self) -> Check:
        """Wait until the topic has told of the stored video."""
        if not self._heard(lambda: self.tasks.key in self.ear.objects):
            words = f"VideoStoredTopic has not told of {self.tasks.key}."
            return failed("notification", words, "See whether the topic's policy lets S3 publish.")
        return ok("notification", "VideoStoredTopic told the queue of the video")

    def _heard(self, is_enough: Callable[[], bool]) -> bool:
        def look() -> bool:
            self.ear.hear()
            return is_enough()

        return self.tasks.wait(look)


def _is_settled(item: Item) -> bool:
    return "ended_at" in item or "error" in item
