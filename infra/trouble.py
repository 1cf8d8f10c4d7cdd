"""What keeps a command from its work, in a sentence with the cure."""

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.InvalidConfigError,
    exceptions.MissingDependencyException,
)
_NO_ANSWER = (exceptions.HTTPClientError, exceptions.ConnectionError)
_REFUSED_CREDENTIALS = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("SignatureDoesNotMatch", "InvalidSignatureException", "InvalidAccessKeyId", "AuthFailure", "RequestExpired"),
}
_THROTTLED = {
    *("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"),
    "ProvisionedThroughputExceededException",
}
_CREDENTIALS = "Set AWS_PROFILE, or log in with `aws sso login` or `aws configure`; `make up` needs none."


class TroubleError(Exception):
    """Something keeps a command from its work; the message is a sentence with the cure."""


def sentence(error: Exception) -> str:
    """Say what is wrong and what to do, without the stack of calls that nobody outside the code understands."""
    match error:
        case ClientError():
            return _refusal(error)
        case exceptions.NoRegionError():
            return "No AWS region is set. `export AWS_REGION=eu-central-1` sets one; `make up` starts a stack without."
        case BotoCoreError() if isinstance(error, _NO_CREDENTIALS):
            return f"There are no AWS credentials to use: {_without_stop(error)}. {_CREDENTIALS}"
        case BotoCoreError() if isinstance(error, _NO_ANSWER):
            return f"AWS does not answer: {_without_stop(error)}. See whether region and network are right."
        case OSError() if error.filename and error.strerror:
            return f"{error.filename}: {error.strerror}."
    return str(error)


def _refusal(error: ClientError) -> str:
    said = error.response.get("Error", {})
    code, message = said.get("Code", "an error"), said.get("Message", "").rstrip(". ")
    if code in _REFUSED_CREDENTIALS:
        return f"AWS does not take these credentials ({code}): {message}. {_CREDENTIALS}"
    if code in {"AccessDenied", "AccessDeniedException"}:
        return f"These credentials may not do that: {message or code}. Ask whoever runs the account to allow it."
    if code in _THROTTLED:
        return f"AWS asks for fewer requests ({code}). Wait a minute and give the same command again."
    if code == "ResourceNotFoundException" and error.operation_name in {"Scan", "PutItem", "UpdateItem", "GetItem"}:
        return "The stack's table is gone. `make deploy` with another stack name makes a new one."
    return f"AWS refuses {error.operation_name} ({code}): {message or 'it gives no reason'}."


def _without_stop(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(". ")
