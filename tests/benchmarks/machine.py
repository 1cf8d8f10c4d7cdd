"""On what was measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("urllib3", "requests", "cometapi", "openai", "httpx", "aiohttp", "aws-lambda-powertools")


def machine() -> dict[str, str | float]:
    """Return cores, load, processor, system, and the versions of Python and of the packages that were measured."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
