"""The CometAPI key, kept in SSM Parameter Store as a SecureString."""

import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.aws import CLIENT_CONFIG, cause
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEY_SECONDS = 300
"""How long a key is used before it is read anew: whoever stores another one need not wait longer."""

# All questions of a round wait for the key together, and so does Lambda's init, which has 10 s: a store that is silent
# must be given up soon.
_STORE_CONFIG = CLIENT_CONFIG.merge(
    Config(
        connect_timeout=1.5,
        read_timeout=1.5,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=1,
    )
)
_KEY = re.compile(r"[!-~]+")
_NEVER = -math.inf


class ApiKey:
    """The Bearer key, read when first needed and anew when it gets old or is doubted; thread-safe."""

    def __init__(self, read: Callable[[], str]) -> None:
        """Take what reads the key from its store, and raises ConfigurationError where that gives none."""
        self._read = read
        self._lock = Lock()
        self._value: str | None = None
        self._read_at = _NEVER

    def value(self) -> str:
        """Return the key, read within the last 300 s if its store answered; raises ConfigurationError without any."""
        with self._lock:
            if self._value is None or time.monotonic() - self._read_at >= KEY_SECONDS:
                return self._read_anew()
            return self._value

    def renew(self, rejected: str, asked_at: float) -> str:
        """Return the key in force, now that `rejected` was refused to a question of `asked_at` (monotonic seconds).

        One read serves all questions that were asked before it, however many threads have one.
        """
        with self._lock:
            if self._value == rejected and asked_at > self._read_at:
                return self._read_anew()
            return self._value or rejected

    def expire(self) -> None:
        """Have the key read anew before it is used again: CometAPI takes it, but does not know our tasks."""
        self._read_at = _NEVER

    def _read_anew(self) -> str:
        if self._value is None:
            self._value = self._read()
        else:
            # A key that once was good is worth more than none: if it is bad now, CometAPI says so.
            with suppress(ConfigurationError):
                self._value = self._read()
        self._read_at = time.monotonic()
        return self._value


def ssm_api_key(parameter_name: str) -> ApiKey:
    """Return the key stored under `parameter_name`; nothing is read before it is needed."""
    return ApiKey(partial(_read, boto3.client("ssm", config=_STORE_CONFIG), parameter_name))


def _read(ssm: "SSMClient", name: str) -> str:
    try:
        key = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"].strip()
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"The CometAPI key cannot be read from the SSM parameter {name} ({cause(error)}). Store it with: "
            f"aws ssm put-parameter --type SecureString --name {name} --value YOUR_KEY"
        ) from error
    if not _KEY.fullmatch(key):
        raise ConfigurationError(f"The SSM parameter {name} must hold the CometAPI key alone, which is visible ASCII.")
    return key
