"""The states of a task as every command names them, and what each means."""

from infra.trouble import TroubleError
from shared.task import RETRY, Status

INSERTED = "INSERTED"
"""No status of the service yet: Intake has not seen the item."""

PENDING = (INSERTED, RETRY, Status.SUBMITTED, Status.IN_PROGRESS, Status.COPYING)
"""What is still to be done, in the order of a task's life."""

STATES: dict[str, str] = {
    INSERTED: "in the table, and not yet seen by Intake, which takes seconds (minutes after the first deploy)",
    RETRY: "asked for once more, and not yet seen by Intake, which takes seconds",
    Status.SUBMITTED: "taken; CometAPI has not reported that it renders",
    Status.IN_PROGRESS: "CometAPI renders it",
    Status.COPYING: "rendered; its video is being copied, or waits for that",
    Status.SUCCESS: "the video is stored",
    Status.FAILED: "CometAPI gave it up; `make retry` asks about it again, for some failures are accidents",
    Status.ERROR: "CometAPI gave it up; `make retry` asks about it again, for some failures are accidents",
    Status.INVALID: "the item is wrong; correct it and feed it once more with AGAIN=1",
    Status.NOT_FOUND: "CometAPI does not know the id; feed the right one, or `make retry` where it is right",
    Status.EXPIRED: "not finished in time; `make retry` asks again, the render may be there",
    Status.COPY_FAILED: "the video could not be stored; mend what the error says, then `make retry`",
}

GROUPS = {
    "PENDING": frozenset(map(str, PENDING)),
    "ENDED": frozenset(map(str, STATES)) - frozenset(map(str, PENDING)),
}


def states_of(words: str) -> frozenset[str]:
    """Return the states that words such as `failed,expired` or `pending` mean; TroubleError names what is none."""
    meant: set[str] = set()
    for word in words.upper().replace(",", " ").split():
        if word not in GROUPS and word not in STATES:
            raise TroubleError(f"{word} is no status. There are {', '.join([*STATES, *GROUPS])}.")
        meant |= GROUPS.get(word, {word})
    return frozenset(meant)
