"""What a check of a deployed stack has found: one line, with the cure of a failure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from infra.trouble import TroubleError, sentence

DENYING_BUCKET = "See what the policy of the bucket, and of its key in KMS, denies: `aws s3api get-bucket-policy`."
_GONE = ("NotFound", "NonExistent", "NoSuch", "DoesNotExist", "404")


class State(StrEnum):
    """How a check has ended; only FAILED makes the command fail."""

    OK = "ok"
    NOTE = "note"
    SKIPPED = "skip"
    FAILED = "FAIL"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    text: str
    cure: str = ""

    @property
    def line(self) -> str:
        """The check as one line."""
        return f"{self.state:<4}  {self.name:<17}  {self.text}{f' {self.cure}' if self.cure else ''}"


def ok(name: str, text: str) -> Check:
    """Return a check that found everything as it must be."""
    return Check(name, State.OK, text)


def note(name: str, text: str, cure: str = "") -> Check:
    """Return a check that found something worth knowing."""
    return Check(name, State.NOTE, text, cure)


def skipped(name: str, text: str) -> Check:
    """Return a check that could not be made, since another one failed."""
    return Check(name, State.SKIPPED, text)


def failed(name: str, text: str, cure: str) -> Check:
    """Return a check that found a fault."""
    return Check(name, State.FAILED, text, cure)


def guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield what a look finds; where AWS does not let it look, that is what was found."""
    try:
        yield from look()
    except (ClientError, BotoCoreError, TroubleError) as error:
        yield refusal(name, error)


def refusal(name: str, error: Exception) -> Check:
    """Return a check that AWS did not allow, or whose object is not there."""
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if any(word in code for word in _GONE):
        return failed(
            name,
            sentence(error),
            "Somebody removed it, and a deploy makes it only where the template changes: make it again under that "
            "name, or `make delete` and `make deploy`, which keep tasks and videos.",
        )
    is_write = isinstance(error, ClientError) and error.operation_name == "PutObject"
    return failed(name, sentence(error), DENYING_BUCKET if is_write else "")
