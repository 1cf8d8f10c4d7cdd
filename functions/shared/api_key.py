"""The CometAPI key, kept in SSM Parameter Store as a SecureString."""

import re
from functools import partial

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from shared.aws import CLIENT_CONFIG
from shared.comet_api import ApiKey
from shared.errors import ConfigurationError

_CACHE_SECONDS = 300
_KEY = re.compile(r"[!-~]+")


def ssm_api_key(parameter_name: str) -> ApiKey:
    """Return the key stored under `parameter_name`; nothing is read before it is needed."""
    return ApiKey(partial(_read, SSMProvider(boto_config=CLIENT_CONFIG), parameter_name))


def _read(provider: SSMProvider, name: str, force: bool) -> str:  # noqa: FBT001 - see ApiKey
    try:
        key = provider.get(name, decrypt=True, max_age=_CACHE_SECONDS, force_fetch=force)
    except GetParameterError as error:
        raise ConfigurationError(
            f"The CometAPI key cannot be read from the SSM parameter {name} ({_cause(error)}). Store it with: "
            f"aws ssm put-parameter --type SecureString --name {name} --value YOUR_KEY"
        ) from error
    if not isinstance(key, str) or not _KEY.fullmatch(key.strip()):
        raise ConfigurationError(f"The SSM parameter {name} must hold the CometAPI key alone, which is visible ASCII.")
    return key.strip()


def _cause(error: GetParameterError) -> str:
    """Return AWS's error code; Powertools keeps the original only as the cause."""
    response = getattr(error.__cause__ or error.__context__, "response", {})
    return str(response.get("Error", {}).get("Code", "no answer from SSM"))
