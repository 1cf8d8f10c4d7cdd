"""A hundred tasks while many calls to AWS fail, in every way that AWS and the network know."""

from typing import Any

from copier.parts import WHOLE_BYTES
from tests.e2e.proxy import ANNOUNCER, COMPLETION, COPIER, INTAKE, by, passes
from tests.e2e.trial import Trial

VIDEOS = 100
LARGE = 2
"""So many of them are uploaded in parts, being of LARGE_BYTES."""
LARGE_BYTES = WHOLE_BYTES + 1
SECONDS_BETWEEN = 0.3
"""From the end of one render to that of the next: no machine runs a hundred Copiers at once."""
PATIENCE_SECONDS = 200
LEASE_SECONDS = 10

SPARED = passes(INTAKE) | passes(ANNOUNCER)
# What one of them lets pass is offered to the next.
FAULTS: dict[str, dict[str, Any]] = {
    "S3 cannot complete an upload": {
        **by(COPIER, **COMPLETION),
        "times": 4 * LARGE,  # so often that it fails in spite of being tried again, whatever runs side by side
        "error": {"code": "InternalError", "status": 500},
    },
    # Never as often in a row as a call is tried: MiniStack ignores which records of a batch are reported as failed.
    "DynamoDB throttles Intake": {
        **by(INTAKE),
        "sequence": {"fail": 2, "pass": 4},
        "error": {"code": "ProvisionedThroughputExceededException", "status": 400},
    },
    "SNS throttles": {
        **by(ANNOUNCER),
        "sequence": {"fail": 2, "pass": 4},
        "error": {"code": "Throttling", "status": 400},
    },
    **SPARED,
    # So many in a row that a call fails even when it is repeated.
    "DynamoDB is down": {
        "service": "dynamodb",
        "sequence": {"fail": 8, "pass": 150},
        "error": {"code": "InternalServerError", "status": 500},
    },
    "DynamoDB throttles": {
        "service": "dynamodb",
        "probability": 0.15,
        "error": {"code": "ProvisionedThroughputExceededException", "status": 400},
    },
    "S3 is down": {
        "service": "s3",
        "sequence": {"fail": 8, "pass": 150},
        "error": {"code": "ServiceUnavailable", "status": 503},
    },
    "S3 slows down": {"service": "s3", "probability": 0.2, "error": {"code": "SlowDown", "status": 503}},
    "Lambda throttles": {
        "service": "lambda",
        "probability": 0.3,
        "error": {"code": "TooManyRequestsException", "status": 429},
    },
    "SSM throttles": {"service": "ssm", "probability": 0.3, "error": {"code": "ThrottlingException", "status": 400}},
    "a connection is reset": {"probability": 0.05, "reset": True},
    "an answer breaks off": {"probability": 0.05, "response": {"abort_frac": 0.5}},
    "an answer is truncated": {"probability": 0.05, "response": {"truncate_frac": 0.5}},
    "an upload is reset": {
        "operation": "PutObject",
        "probability": 0.1,
        "request": {"cut_upload": {"after_frac": 0.5}},
    },
    "an upload is slow": {
        "operation": "PutObject",
        "probability": 0.1,
        "request": {"slow_upload": {"rate_kbps": 1024}},
    },
}
KINDS = [name for name in FAULTS if name not in SPARED]


def through_a_storm(trial: Trial) -> Trial:
    """Follow all tasks to their ends."""
    trial.proxy.set(FAULTS)
    for number in range(VIDEOS):
        seconds = 1 + number * SECONDS_BETWEEN
        if number < LARGE:
            trial.put(render_seconds=seconds, size=LARGE_BYTES)
        else:
            # Some URLs have expired before their time, so that the Copier needs the key.
            trial.put(render_seconds=seconds, video=["expired", "fine"] if number % 10 == 0 else "fine")
    trial.run(PATIENCE_SECONDS, LEASE_SECONDS)
    trial.proxy.set({})
    return trial
