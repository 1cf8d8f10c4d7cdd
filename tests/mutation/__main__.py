"""Makes the mistakes, writes the table, and says what nobody noticed.

`.venv/bin/python -m tests.mutation poller shared/task.py` takes these modules alone, without a name all of them;
`--again` only tries what nobody noticed the last time.
"""

import os
import sys
import time
from argparse import ArgumentParser

from tests.mutation.copy import MutmutError, mutate
from tests.mutation.groups import chosen
from tests.mutation.page import PAGE, updated
from tests.mutation.survivors import complaints, load, rows
from tests.template import ROOT

COPIES = ROOT / ".local" / "mutation"


def main(prefixes: list[str], *, again: bool) -> int:
    """Mutate the modules whose names begin with one of `prefixes`; return the exit status."""
    reasons, is_well = load(), True
    for group in chosen(tuple(prefixes) or ("",)):
        started = time.monotonic()
        try:
            mutants = mutate(group, COPIES / group.name, os.process_cpu_count() or 1, again=again)
        except MutmutError as error:
            sys.stderr.write(f"{group.name}: {error}\n")
            return 2
        done = rows(mutants, reasons)
        PAGE.write_text(updated(PAGE.read_text(), done, reasons))
        for row in done:
            sys.stdout.write(f"{row.file}: {row.mutants} mistakes, {row.killed} noticed, {row.percent:.1f} %\n")
        sys.stdout.write(f"{group.name}: {time.monotonic() - started:.0f} s\n")
        for complaint in complaints(mutants, reasons):
            is_well = False
            sys.stdout.write(f"{complaint}\n")
        sys.stdout.flush()
    return 0 if is_well else 1


if __name__ == "__main__":
    options = ArgumentParser(prog="tests.mutation", description=__doc__)
    options.add_argument("prefixes", nargs="*")
    options.add_argument("--again", action="store_true")
    sys.exit(main(**vars(options.parse_args())))
