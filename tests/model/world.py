"""The state of the model: an item, and what is under way for it; hashable, small, with time and words made abstract.

Times are of interest only in how they compare with a fixed NOW: a lease is held or over, a task is young, past its
deadline, or past all silence. Random words are of interest only in whether they are the item's: none is drawn twice,
so that a word that an item has lost never comes back to it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from shared.endings import AGAIN
from shared.lifecycle import Limits
from shared.task import ABSENT, RETRY, Change, Item
from shared.task_table import _is_made as is_made

NOW = 1_000_000_000
DEADLINE_SECONDS = 3600
HELD, OVER = NOW + 1, 1
LIMITS = Limits(DEADLINE_SECONDS, retention_seconds=0)
TASK_ID = "task_1"
ITS_WORD, NEW_WORD, LOST_WORD = "the item's word", "a new word", "a word that the item has lost"

_OF_NO_MATTER = frozenset({"updated_at", "progress", "stored_at", "size", "etag", "s3_key"})
"""Attributes on which nothing rests but what the item's reader sees, and how often it is written."""
_TOLD_APART = frozenset({"copies_exhausted", "content_not_ready"})

IN_TIME, LATE = "in time", "late"

type Attributes = frozenset[tuple[str, Any]]


class Copier(NamedTuple):
    """A Copier that `reads` (and is to begin), `repeats` its first write, `copies`, or has `stored` the video."""

    stage: str
    attempts: int
    """As it read them, or counted them."""
    has_lease: bool = True
    """Whether its word is the item's."""
    is_cancelled: bool = False
    """Whether its task was put again, deleted or begun anew since."""

    @property
    def is_at_work(self) -> bool:
        return self.stage in {"copies", "stored"} and not self.is_cancelled


class State(NamedTuple):
    """All that the future depends on, and what invariants need to know of the past."""

    item: Attributes | None = None
    record: Attributes | None = None
    """The image of the item that Intake has yet to read."""
    messages: int = 0
    """Those of the item's word that wait in the queue of copies."""
    pollers: tuple[str, ...] = ()
    """Those that sent a message and are to write its lease: in time, or late, since it was read already."""
    sends_again: bool = False
    """Whether the Poller that wrote the lease did so late, and is about to send its message once more."""
    copiers: tuple[Copier, ...] = ()
    is_stray: bool = False
    """Whether a Copier whose task was cancelled copies on: all that it can still do is to store the video."""
    is_stored: bool = False
    begun: int = 0
    """Copies that were begun since the task was admitted."""

    @property
    def has_ended(self) -> bool:
        return self.item is not None and has_ended(thaw(self.item))


class Written(NamedTuple):
    """What became of a conditional write."""

    item: Attributes
    is_made: bool
    """Whether its writer takes it for made."""
    has_new_word: bool = False


def has_ended(item: Item) -> bool:
    return "ended_at" in item and item["status"] != RETRY


def freeze(item: Item) -> Attributes:
    """Keep of an item what decisions compare."""
    kept = {name: value for name, value in item.items() if name not in _OF_NO_MATTER}
    if "lease_until" in kept:
        kept["lease_until"] = HELD if kept["lease_until"] > NOW else OVER
    if "error" in kept:
        kept["error"] = _kind(kept["error"], is_last="ended_at" in item)
    return frozenset(kept.items())


def _kind(error: Mapping[str, str], *, is_last: bool) -> str:
    """Tell errors apart where decisions do: those of an ending, of the last copy, of the last question."""
    if error["code"] in _TOLD_APART:
        return error["code"]
    return "ended" if is_last else "copied in vain" if error["message"].endswith(AGAIN) else "asked in vain"


@cache
def thaw(item: Attributes) -> dict[str, Any]:
    """Return an item as functions read it; it is shared, and not to be changed."""
    values = dict(item)
    if error := values.get("error"):
        values["error"] = {
            "code": error,
            "message": AGAIN if error in {"copied in vain", "content_not_ready"} else "",
        }
    return values


def write(item: Attributes, change: Change) -> Written:
    """Write as the table does; to write to an item that was deleted never comes to anything."""
    before = thaw(item)
    if any(before.get(name, ABSENT) != value for name, value in change.expected.items() if name not in _OF_NO_MATTER):
        return Written(item, is_made(Change(TASK_ID, {}, thaw(freeze(change.set)), change.remove), before))
    after = {name: value for name, value in before.items() if name not in change.remove} | dict(change.set)
    if has_new_word := after.get("lease") == NEW_WORD:
        after["lease"] = ITS_WORD
    return Written(freeze(after), is_made=True, has_new_word=has_new_word)


def follow(state: State, item: Attributes | None, *, has_new_word: bool = False) -> State:
    """Put another item in the place of the one that was there; whoever had a word that it lost is left without."""
    if not has_new_word and item is not None and ("lease", ITS_WORD) in item:
        return State(item, *state[1:])  # `_replace` takes twice the time
    copiers = (c._replace(has_lease=False, is_cancelled=c.is_cancelled or not has_new_word) for c in state.copiers)
    return state._replace(item=item, messages=0, sends_again=False, copiers=tuple(copiers))
