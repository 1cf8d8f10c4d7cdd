"""`make down`: stops what `make up` started."""

import sys

from infra.local.running import RunningStack


def main() -> int:
    """Stop the local stack where one is running; returns the exit status."""
    running = RunningStack.recorded()
    if running is None:
        print("No local stack is running here.")
        return 0
    running.stop()
    print("The local stack is stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
