"""Breadth-first over all states that can be reached, with the shortest way to each, and what must hold of them."""

from array import array
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cache
from unittest.mock import patch

from announcer.announcement import announcement
from shared import lifecycle
from shared.task import RETRY, WORKING_ATTRIBUTES
from tests.model.actions import ANSWERS, OWNER, Step, forget, settled, steps
from tests.model.world import Attributes, State, has_ended, thaw

ATTEMPTS = 2
"""After so many copies a video is given up here: enough to tell the last one from those before it."""
_RANK = {"SUBMITTED": 0, "IN_PROGRESS": 1, "COPYING": 2}


@dataclass
class Exploration:
    """Every state in the order of its distance, and every transition (those that change nothing are only counted)."""

    states: list[State] = field(default_factory=lambda: [State()])
    came: list[tuple[int, str]] = field(default_factory=lambda: [(0, "")])
    """Whence, and how, a state was reached first."""
    kinds: list[tuple[str, str]] = field(default_factory=list)
    """What can happen, and by whom."""
    begins: array[int] = field(default_factory=lambda: array("l"))
    """Where in the next two the transitions of a state begin."""
    targets: array[int] = field(default_factory=lambda: array("l"))
    how: array[int] = field(default_factory=lambda: array("l"))
    transitions: int = 0
    violation: str = ""

    def story(self, number: int) -> list[str]:
        """Return the shortest way to a state, a line a step."""
        lines: list[str] = []
        while number:
            number, what = self.came[number]
            lines.append(what)
        return lines[::-1]

    def following(self, number: int, actors: Container[str]) -> Iterator[tuple[int, str]]:
        """Yield the states that can follow by some actors' doing, and how."""
        for place in range(self.begins[number], self.begins[number + 1]):
            what, who = self.kinds[self.how[place]]
            if who in actors:
                yield self.targets[place], what

    def circle(self, actors: Container[str]) -> int | None:
        """Return a state to which some actors alone lead back."""
        allowed = [who in actors for _, who in self.kinds]
        ahead = [
            [self.targets[place] for place in range(begin, end) if allowed[self.how[place]]]
            for begin, end in zip(self.begins, self.begins[1:], strict=False)
        ]
        incoming = [0] * len(ahead)
        for targets in ahead:
            for target in targets:
                incoming[target] += 1
        sources = [number for number, count in enumerate(incoming) if not count]
        for number in sources:  # grows while it is read
            for target in ahead[number]:
                incoming[target] -= 1
                if not incoming[target]:
                    sources.append(target)
        return next((number for number, count in enumerate(incoming) if count), None)

    def dead_end(self, actors: Container[str]) -> int | None:
        """Return a state with work left in which some actors can do no more."""
        return next(
            (
                number
                for number, state in enumerate(self.states)
                if state.item and not state.has_ended and not any(self.following(number, actors))
            ),
            None,
        )


def explore(attempts: int = ATTEMPTS) -> Exploration:
    """Visit all states, or those up to the first violation."""
    forget()
    _wrong.cache_clear()
    with patch.object(lifecycle, "MAX_COPY_ATTEMPTS", attempts):
        return _explore()


def _explore() -> Exploration:
    found = Exploration()
    numbers = {found.states[0]: 0}
    kinds: dict[tuple[str, str], int] = {}
    for number, state in enumerate(found.states):  # grows while it is read
        found.begins.append(len(found.targets))
        for step in steps(state):
            found.transitions += 1
            found.violation = _violation(state, step)
            target = numbers.get(step.after, -1)
            if target < 0:
                after = settled(step.after)
                target = numbers[step.after] = numbers.setdefault(after, len(found.states))
                if target == len(found.states):
                    found.states.append(after)
                    found.came.append((number, step.what))
            if found.violation:
                found.states.append(step.after)
                found.came.append((number, step.what))
                return found
            if target != number:
                found.targets.append(target)
                found.how.append(kinds.setdefault((step.what, step.who), len(kinds)))
    found.begins.append(len(found.targets))
    found.kinds = list(kinds)
    return found


def _violation(before: State, step: Step) -> str:
    """Return what a step violates, in words."""
    after = step.after
    if len(after.copiers) > 1 and sum(copier.is_at_work for copier in after.copiers) > 1:
        return "no two Copiers of one video are at work"
    if step.wrong or after.item is before.item or after.item is None:
        return step.wrong
    if wrong := _wrong(before.item, after.item, step.who):
        return wrong
    if step.who == OWNER or not after.has_ended:
        return ""
    if step.who in ANSWERS and any(copier.is_at_work for copier in before.copiers):
        return "nobody else ends a task while a Copier is at work for it"
    values = thaw(after.item)
    if values["status"] == "SUCCESS" and not after.is_stored:
        return "SUCCESS means that the video is stored"
    is_exhausted = values.get("error", {}).get("code") == "copies_exhausted"
    if values["status"] == "COPY_FAILED" and before.begun < (lifecycle.MAX_COPY_ATTEMPTS if is_exhausted else 1):
        return "nobody is given up whose copies were not begun"
    return ""


@cache
def _wrong(before: Attributes | None, after: Attributes, who: str) -> str:
    """Return what a change of the item violates, in words; its owner may do anything."""
    was, now = thaw(before or frozenset()), thaw(after)
    ends = who != OWNER and has_ended(now) and not has_ended(was)
    if bool(announcement(was, now)) != ends:
        return "every ending is announced once"
    if who == OWNER or was == now:
        return ""
    if before is None:
        return "a deleted item never comes back"
    if has_ended(was):
        return "an ended task never changes, except by its owner"
    if ("pending_since" in now) == ("ended_at" in now):
        return "a task is pending or has ended, and never both"
    if (now["status"] == "SUCCESS") != ("s3_uri" in now):
        return "SUCCESS means that the video is stored"
    if now["status"] == "NOT_FOUND" and "reported_at" in now:
        return "a task that was ever reported on never ends NOT_FOUND"
    if ends and now.keys() & WORKING_ATTRIBUTES:
        return "an ended task keeps nothing that it worked with"
    if was.get("status") != RETRY and not ends and _RANK.get(now["status"], 3) < _RANK.get(was.get("status", ""), 0):
        return "a status never goes backwards"
    return ""
