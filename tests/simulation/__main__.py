"""`python -m tests.simulation --seeds N` runs many worlds; `--seed N` replays one, with all that happened."""

import os

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "SeedancePoller")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "seedance-poller")

import sys

sys.path.insert(0, "functions")

from tests.simulation.command import main

if __name__ == "__main__":
    sys.exit(main())
