"""How commands speak: results on standard output, everything else on standard error, every trouble in a sentence."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import track

from infra.local.running import NothingRunningError
from infra.trouble import TroubleError, sentence

AT_ONCE = 16
"""Requests to DynamoDB in flight; one after the other, 10,000 tasks would take minutes."""

_PROGRESS_FROM = 200
_PROGRESS_EVERY = 1000


def say(text: str) -> None:
    """Print a result."""
    print(text, flush=True)  # noqa: T201 - commands speak to people by printing


def remark(text: str) -> None:
    """Print what is no result, so that a script that reads the results does not find it among them."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - see say


def say_json(content: object) -> None:
    """Print a result for scripts."""
    say(json.dumps(plain(content), indent=2, ensure_ascii=False))


def run(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; what keeps it from its work is said in a sentence."""
    try:
        return command()
    except KeyboardInterrupt:
        remark("\nStopped.")
        return 130
    except BrokenPipeError:  # whoever reads the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TroubleError, NothingRunningError, ClientError, BotoCoreError, OSError) as error:
        remark(sentence(error))
        return 1


def each[T, R](work: Callable[[T], R], things: Iterable[T], doing: str) -> list[R]:
    """Do the same with many things, AT_ONCE at a time, and return what came of each, in their order.

    Where one fails, or somebody has enough, nothing new is begun; TroubleError says how many were done by then.
    """
    todo = list(things)
    done: list[R] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            for result in _shown(threads.map(work, todo), len(todo), doing):
                done.append(result)  # noqa: PERF402 - what was done before an error is counted
        except BaseException as error:
            threads.shutdown(wait=True, cancel_futures=True)
            if not isinstance(error, KeyboardInterrupt | ClientError | BotoCoreError):
                raise
            why = "Stopped." if isinstance(error, KeyboardInterrupt) else sentence(error)
            raise TroubleError(
                f"{why} At least {len(done)} of {len(todo)} were done; the same command once more does the rest."
            ) from error
    return done


def plain(value: Any) -> Any:  # noqa: ANN401 - what an item holds
    """Return a value with JSON's types in place of DynamoDB's."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case set() | frozenset():
            return [plain(inner) for inner in sorted(value)]
        case str() | int() | float() | None:
            return value
    return bytes(value).hex()


def printable(value: object) -> str:
    """Return text without control characters: some words come from strangers, and a terminal obeys them."""
    return "".join(character if character.isprintable() else " " for character in str(value))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it takes one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shown[R](results: Iterable[R], total: int, doing: str) -> Iterable[R]:
    """Yield `results` while a bar, or in a plain log a line now and then, tells how far it is."""
    console = Console(stderr=True)
    if total < _PROGRESS_FROM:
        yield from results
    elif console.is_terminal:
        yield from track(results, doing, total=total, console=console, transient=True)
    else:
        for number, result in enumerate(results, start=1):
            if number % _PROGRESS_EVERY == 0 and number < total:
                remark(f"{doing}: {number:,} of {total:,}")
            yield result
