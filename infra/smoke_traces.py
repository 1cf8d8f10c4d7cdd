"""What a smoke test has made, and its removal."""

from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from infra.smoke_check import Check, failed, ok
from infra.trouble import sentence


@dataclass
class Traces:
    """Everything that the run of this name has made, or was about to make."""

    run: str
    _undo: dict[str, Callable[[], object]] = field(default_factory=dict)

    def add(self, what: str, undo: Callable[[], object]) -> None:
        """Note something, before it is made: an answer that is lost must not leave it behind."""
        self._undo.setdefault(what, undo)

    def remove(self) -> Check:
        """Remove everything, the last first; never raises for AWS's sake."""
        left = []
        for what, undo in reversed(self._undo.items()):
            try:
                undo()
            except (BotoCoreError, ClientError) as error:
                left.append(f"{what} ({sentence(error).rstrip('.')})")
        if left:
            return failed("removal", f"These are left: {', '.join(left)}.", "Remove them by hand.")
        return ok("removal", f"everything that {self.run} made is gone again")
