"""How this service talks to AWS."""

import warnings

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import SeedancePollerError

# Powertools warns of an invocation that counted nothing; to have nothing to tell is no fault.
warnings.filterwarnings("ignore", message="No application metrics to publish")

CLIENT_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    # `standard` retries throttles and dropped connections with jitter; `adaptive` would hold a whole round back
    # for one hot partition. What still fails is found again by the next round.
    retries={"mode": "standard", "total_max_attempts": 4},
)
"""Time-outs in seconds; explicit, since botocore's 60 s would outlive a round."""


def cause(error: BotoCoreError | ClientError) -> str:
    """Return the code of AWS's error, or what kept it from answering; never a message, which may hold an address."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def cause_of(error: Exception) -> str:
    """Return what made a record fail, without what it holds: our own sentence, AWS's code, or the error's name."""
    match error:
        case SeedancePollerError():
            return str(error)
        case BotoCoreError() | ClientError():
            return cause(error)
    return type(error).__name__
