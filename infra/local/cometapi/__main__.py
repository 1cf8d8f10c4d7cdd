"""Run the simulated CometAPI until it is told to stop."""

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from infra.local.cometapi.server import SimulatedCometApi


def main() -> None:
    """Listen, say where in the ready file, and stop on SIGTERM or SIGINT."""
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = {name: getattr(arguments, name) for name in ("api_key", "render_seconds", "latency")}
    with SimulatedCometApi(**settings) as comet_api:
        _write(arguments.ready_file, {"base_url": comet_api.base_url, "api_key": comet_api.api_key, "pid": os.getpid()})
        print(f"The simulated CometAPI listens on {comet_api.base_url}", flush=True)
        stop.wait()
        arguments.ready_file.unlink(missing_ok=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.cometapi", description=__doc__)
    parser.add_argument("--ready-file", type=Path, required=True, help="where to write base_url, api_key and pid")
    parser.add_argument("--api-key", default="sk-simulated", help="the only key that is accepted")
    parser.add_argument("--render-seconds", type=float, default=3.0, help="how long a render takes")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer of the API")
    return parser.parse_args()


def _write(path: Path, content: dict[str, str | int]) -> None:
    # Whoever waits for the file must never read half of it.
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(content))
    unfinished.replace(path)


if __name__ == "__main__":
    main()
