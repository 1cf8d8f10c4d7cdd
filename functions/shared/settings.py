"""Settings from the environment, typed and validated once at start."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from shared.errors import ConfigurationError

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Base of each function's settings: every field is read from the variable of its name in capitals."""

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Read all fields from `environment`; raises ConfigurationError that names the variable at fault."""
        values: dict[str, Any] = {f.name: _read(environment, f.name.upper(), f.type) for f in fields(cls)}
        return cls(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSettings(Settings):
    """What every function needs to know that writes items."""

    tasks_table: str
    retention_days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnouncerSettings(Settings):
    """What the Announcer needs to know; the topic by its ARN."""

    task_ended_topic: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PollerSettings(TableSettings):
    """What the Poller needs to know; times as their names say, queues by their URLs."""

    rounds_queue: str
    copies_queue: str
    cometapi_base_url: str
    cometapi_key_parameter: str
    poll_interval_seconds: int
    max_concurrent_polls: int
    tasks_per_worker: int
    max_workers: int
    task_deadline_hours: int
    allow_insecure_video_urls: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CopierSettings(TableSettings):
    """What the Copier needs to know; sizes in bytes."""

    videos_bucket: str
    cometapi_base_url: str
    cometapi_key_parameter: str
    max_video_bytes: int
    allow_insecure_video_urls: bool


def _read(environment: Mapping[str, str], name: str, kind: object) -> str | int | bool:
    text = environment.get(name)
    if not text:
        raise ConfigurationError(f"The environment variable {name} is not set; template.yaml sets it, deploy again.")
    if kind is str:
        return text
    value = int(text) if kind is int and text.isdecimal() else _BOOLEANS.get(text.lower()) if kind is bool else None
    if value is None:
        raise ConfigurationError(f"The environment variable {name} is {text!r}, which is no {kind.__name__}.")  # type: ignore[attr-defined]
    return value
