"""What happens to the requests for one task, or for all, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature

# A name from a catalogue, or {"name": …, "times": 3, …} with the parameters of that name.
type Step = str | Mapping[str, object]
type Steps = Step | Sequence[Step]
type Check = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True)
class Cue:
    """One catalogue name with its parameters."""

    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)


class Script:
    """Cues that each request consumes one of; the last one repeats."""

    def __init__(self, steps: Steps, check: Check) -> None:
        listed = [steps] if isinstance(steps, str | Mapping) else steps
        self._cues = [cue for step in listed for cue in _cues(step)]
        for cue in self._cues:
            check(cue.name, cue.parameters)

    def next(self) -> Cue | None:
        """Return the cue of the next request, None when the script is empty."""
        if not self._cues:
            return None
        return self._cues.pop(0) if len(self._cues) > 1 else self._cues[0]


@dataclass
class Fault:
    """One cue for every task's requests, until it is cleared, used up, or over (`ends_at` in epoch seconds)."""

    cue: Cue
    requests: int | None = None
    ends_at: float | None = None

    def next(self, now: float) -> Cue | None:
        """Return the cue of the next request, None when the fault is over."""
        if self.ends_at is not None and now >= self.ends_at:
            return None
        if self.requests is None:
            return self.cue
        self.requests -= 1
        return self.cue if self.requests >= 0 else None


def checked_by(kind: str, catalogue: Mapping[str, Callable[..., object]]) -> Check:
    """Return what raises ValueError where a catalogue lacks a name, or what has it does not take the parameters."""

    def check(name: str, parameters: Mapping[str, object]) -> None:
        if name not in catalogue:
            raise ValueError(f"no {kind} {name!r}; there are {', '.join(catalogue)}")
        try:
            signature(catalogue[name]).bind(None, **parameters)
        except TypeError as error:
            raise ValueError(f"{kind} {name!r}: {error}") from error

    return check


def cue(step: Step, check: Check) -> Cue:
    """Read one step, and raise ValueError where no catalogue has its name."""
    (only,) = _cues(step)
    check(only.name, only.parameters)
    return only


def _cues(step: Step) -> list[Cue]:
    if isinstance(step, str):
        return [Cue(step)]
    parameters = dict(step)
    name, times = parameters.pop("name", None), parameters.pop("times", 1)
    if not isinstance(name, str) or not isinstance(times, int):
        raise ValueError(f"a step needs a name, and times is a number: {step}")  # noqa: TRY004 - wrong input, not code
    return [Cue(name, parameters)] * times
