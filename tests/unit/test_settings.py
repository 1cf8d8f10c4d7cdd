"""What a function is told by its environment, and what it says where that is wrong."""

from dataclasses import fields

import pytest

from shared.errors import ConfigurationError
from shared.settings import AnnouncerSettings, CopierSettings, PollerSettings, Settings, TableSettings
from tests.template import FUNCTIONS, TEMPLATE

SOUND = {
    "TASKS_TABLE": "tasks", "RETENTION_DAYS": "0", "ROUNDS_QUEUE": "https://r", "COPIES_QUEUE": "https://c",
    "COMETAPI_BASE_URL": "https://a", "COMETAPI_KEY_PARAMETER": "/k", "POLL_INTERVAL_SECONDS": "15",
    "MAX_CONCURRENT_POLLS": "16", "TASKS_PER_WORKER": "300", "MAX_WORKERS": "8", "TASK_DEADLINE_HOURS": "24",
    "ALLOW_INSECURE_VIDEO_URLS": "false", "VIDEOS_BUCKET": "b", "MAX_VIDEO_BYTES": "5368709120",
    "TASK_ENDED_TOPIC": "arn",
}  # fmt: skip
READ_BY: dict[str, type[Settings]] = {
    "Intake": TableSettings,
    "Poller": PollerSettings,
    "Copier": CopierSettings,
    "Announcer": AnnouncerSettings,
}


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("false", False), ("True", True), ("FALSE", False), ("False", False)]
)
def test_false_is_false(text: str, value: object) -> None:
    for kind in (PollerSettings, CopierSettings):
        assert kind.load({**SOUND, "ALLOW_INSECURE_VIDEO_URLS": text}).allow_insecure_video_urls is value


def test_settings_are_typed() -> None:
    settings = PollerSettings.load(SOUND)
    assert (settings.retention_days, settings.poll_interval_seconds, settings.tasks_table) == (0, 15, "tasks")
    assert CopierSettings.load(SOUND).max_video_bytes == 5 << 30


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("RETENTION_DAYS", text) for text in ("x", "-1", "1.5", "5.36E9", " 1", "\u00b2", "true")),
        *(("ALLOW_INSECURE_VIDEO_URLS", text) for text in ("0", "1", "no", "yes", " false")),
        *((name, "") for name in SOUND if name not in {"VIDEOS_BUCKET", "MAX_VIDEO_BYTES", "TASK_ENDED_TOPIC"}),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PollerSettings.load({**SOUND, name: text})


@pytest.mark.parametrize("kind", [*READ_BY.values()])
def test_a_missing_setting_is_named(kind: type[Settings]) -> None:
    for field in fields(kind):
        name = field.name.upper()
        with pytest.raises(ConfigurationError, match=name):
            kind.load({key: value for key, value in SOUND.items() if key != name})


@pytest.mark.parametrize("function", READ_BY)
def test_the_template_sets_what_is_read_and_nothing_else(function: str) -> None:
    common = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    own = FUNCTIONS[f"{function}Function"].get("Environment", {}).get("Variables", {})
    read = {field.name.upper() for field in fields(READ_BY[function])}
    assert read <= {*common, *own}
    assert own.keys() <= read


def test_powertools_is_told_of_names_alone() -> None:
    """POWERTOOLS_LOGGER_LOG_EVENT, for one, would write events into the log, with all the URLs in them."""
    common = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].keys()
    read = {field.name.upper() for kind in READ_BY.values() for field in fields(kind)}
    assert common - read == {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
