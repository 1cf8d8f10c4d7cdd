"""Which tests speak for which modules."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.template import ROOT

FUNCTIONS = ROOT / "functions"


@dataclass(frozen=True, slots=True)
class Group:
    """Modules below `functions`, and the test files that have to notice what is wrong in them."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


def _group(name: str, files: str, *tests: str) -> Group:
    folder, _, names = files.rpartition("/")
    found = [path for pattern in tests for path in sorted((ROOT / "tests").glob(f"{pattern}.py"))]
    return Group(
        name,
        tuple(f"{folder}/{file}.py" for file in names.split()),
        tuple(str(path.relative_to(ROOT)) for path in found),
    )


GROUPS = (
    _group(
        "lifecycle",
        "shared/lifecycle endings task",
        *(f"unit/test_{name}" for name in ("lifecycle", "task", "admission", "plan")),
    ),
    _group("settings", "shared/settings", "unit/test_settings"),
    _group("queues", "shared/queues", "unit/test_queues", "integration/test_poller*"),
    _group(
        "key",
        "shared/api_key",
        "unit/test_api_key",
        "integration/test_comet_api_client",
        "integration/test_poller_handler",
    ),
    _group(
        "table",
        "shared/aws errors task_table",
        "unit/test_aws",
        "integration/test_task_table",
        "integration/test_intake",
    ),
    _group("parser", "shared/comet_api/parser fields result", "unit/test_parser"),
    _group(
        "client",
        "shared/comet_api/client connection",
        "integration/test_comet_api_client",
        "integration/test_frozen_connections",
        "integration/test_silences",
    ),
    _group("wire", "shared/wire", "unit/test_wire"),
    _group("plan", "poller/plan pace", "unit/test_plan", "unit/test_pace"),
    _group("remarks", "poller/remarks", "unit/test_remarks"),
    _group("poller", "poller/handler round worker", "integration/test_poller*"),
    _group(
        "video",
        "copier/media parts video_url",
        *(f"unit/test_copier_{name}" for name in ("addresses", "media", "parts")),
    ),
    _group("copier", "copier/handler", "integration/test_copier_handler"),
    _group(
        "bucket",
        "copier/copy video_bucket",
        "unit/test_copier_media",
        *(f"integration/test_copier_{name}" for name in ("bounds", "bucket", "copies", "handler", "last_frame")),
    ),
    _group("watch", "copier/watch", "unit/test_copier_watch"),
    _group("answers", "copier/video", "unit/test_copier_video"),
    _group(
        "host",
        "copier/answer video_host",
        *(f"integration/test_copier_{name}" for name in ("answer", "copies", "faults", "host", "hostile", "key")),
    ),
    _group(
        "connection",
        "copier/connection",
        "unit/test_copier_addresses",
        *(f"integration/test_copier_{name}" for name in ("faults", "host", "hostile", "network")),
    ),
    _group("admission", "intake/admission", "unit/test_admission"),
    _group("intake", "intake/handler", "integration/test_intake"),
    _group("announcer", "announcer/announcement handler", "integration/test_announcer"),
)


def chosen(prefixes: tuple[str, ...]) -> Iterator[Group]:
    """Yield the groups, each with those of its modules that begin with one of `prefixes`."""
    for group in GROUPS:
        if files := tuple(file for file in group.files if file.startswith(prefixes)):
            yield replace(group, files=files)
