"""The control side of microburst, a proxy between the Lambdas and AWS that makes calls fail on request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from infra.local.loopback import HTTP
from infra.local.process import ProgramError

LAUNCHER = Path(__file__).with_name("seeded_microburst.py")
LOG_ENTRIES = 2000
"""So many of the latest events microburst keeps."""
JSON = dict[str, Any]


class Faults:
    """Which AWS calls of the Lambdas fail, and which did."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, rules: Sequence[JSON]) -> list[int]:
        """Replace all rules, each written as microburst's documentation says, and return their ids.

        The first rule that matches a call decides; one without an effect lets it pass, but logs it.
        """
        made = cast("list[JSON]", _ask("POST", f"{self.url}/_microburst/rules", list(rules)))
        return [rule["id"] for rule in made]

    def fired(self, since: float = 0.0) -> list[JSON]:
        """Return what the rules did since a time in epoch seconds, oldest first, in microburst's words.

        ProgramError where there may have been more than microburst keeps.
        """
        events = cast("list[JSON]", _ask("GET", f"{self.url}/_microburst/fired?limit={LOG_ENTRIES}&since={since}"))
        if len(events) >= LOG_ENTRIES:
            raise ProgramError(f"more than {LOG_ENTRIES} events since {since}: ask more often")
        return events


def _ask(method: str, url: str, body: list[JSON] | None = None) -> object:
    answer = HTTP.request(method, url, json=body) if body is not None else HTTP.request(method, url)
    if answer.status >= 400:
        raise ProgramError(f"microburst refused {method} {url}: {answer.data.decode(errors='replace')}")
    return answer.json() if answer.data else None
