"""The catalogue of everything that `GET /v1/videos/{id}` may be answered with, by name.

A certificate or a host name that fails is no answer: for these, use an `https://` or an unresolvable base URL.
"""

from collections.abc import Mapping
from inspect import signature

from infra.local.cometapi.answer_bodies import BODIES, REFUSALS, STATUS_WORDS
from infra.local.cometapi.broken_answers import BROKEN_ANSWERS
from infra.local.cometapi.json_answers import Subject, json_answer
from infra.local.cometapi.reply import Reply

__all__ = ["LIFE", "STATUS_WORDS", "Subject", "answer", "check", "names"]

# In a script: what the task would answer without one, by its age.
LIFE = "life"


def answer(name: str, subject: Subject, parameters: Mapping[str, object] | None = None) -> Reply:
    """Build an answer by name, its parameters in place of the slots (`reason`) or fields (`status`) of its body."""
    if name in BROKEN_ANSWERS:
        return BROKEN_ANSWERS[name](subject, **(parameters or {}))
    return json_answer(name, subject, parameters)


def names() -> tuple[str, ...]:
    """Return the names of all answers."""
    return (*BODIES, *REFUSALS, *BROKEN_ANSWERS)


def check(name: str, parameters: Mapping[str, object]) -> None:
    """Raise ValueError where no answer has this name, or it does not take these parameters."""
    if name not in (LIFE, *names()):
        raise ValueError(f"no answer {name!r}; there are {', '.join(names())}")
    if name in BROKEN_ANSWERS:
        try:
            signature(BROKEN_ANSWERS[name]).bind(None, **parameters)
        except TypeError as error:
            raise ValueError(f"answer {name!r}: {error}") from error
