"""A hundred tasks while many calls to AWS fail, in every way that AWS and the network know."""

from typing import Any

from copier.parts import WHOLE_BYTES
from tests.e2e.proxy import ANNOUNCER, COMPLETION, COPIER, INTAKE, by
from tests.e2e.trial import Trial

VIDEOS = 100
LARGE = 2
"""So many of them are uploaded in parts, being of LARGE_BYTES."""
LARGE_BYTES = WHOLE_BYTES + 1
SECONDS_BETWEEN = 0.2
"""From the end of one render to that of the next, so that many rounds hand off, and not only one."""
PATIENCE_SECONDS = 240
LEASE_SECONDS = 6

# What one of them lets pass is offered to the next.
OF_THE_STREAM: dict[str, dict[str, Any]] = {
    # More often in a row than a call is tried, so that records of a batch are reported as failed and come again.
    "DynamoDB throttles Intake": {
        **by(INTAKE),
        "sequence": {"fail": 8, "pass": 100},
        "error": {"code": "ProvisionedThroughputExceededException", "status": 400},
    },
    "SNS throttles": {
        **by(ANNOUNCER),
        "sequence": {"fail": 8, "pass": 50},
        "error": {"code": "Throttling", "status": 400},
    },
    "an answer to Intake breaks off": {**by(INTAKE), "probability": 0.05, "response": {"abort_frac": 0.5}},
    "an answer to the Announcer breaks off": {**by(ANNOUNCER), "probability": 0.05, "response": {"abort_frac": 0.5}},
}
# Not of those two: while they pause between their tries, MiniStack starts no function.
FAULTS: dict[str, dict[str, Any]] = {
    "S3 cannot complete an upload": {
        **by(COPIER, **COMPLETION),
        "times": 4 * LARGE,  # so often that it fails in spite of being tried again, whatever runs side by side
        "error": {"code": "InternalError", "status": 500},
    },
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
    "SQS is down": {
        "service": "sqs",
        "sequence": {"fail": 5, "pass": 30},
        "error": {"code": "ServiceUnavailable", "status": 503},
    },
    "SQS throttles": {
        "service": "sqs",
        "probability": 0.1,
        "error": {"code": "RequestThrottled", "status": 403},
    },
    # The key is read once in the life of a process.
    "SSM throttles": {
        "service": "ssm",
        "sequence": {"fail": 1, "pass": 1},
        "error": {"code": "ThrottlingException", "status": 400},
    },
    "a connection is reset": {"probability": 0.05, "reset": True},
    "an answer breaks off": {"probability": 0.05, "response": {"abort_frac": 0.5}},
    # Whoever waits for the rest gives up after 10 s.
    "an answer is truncated": {"probability": 0.01, "response": {"truncate_frac": 0.5}},
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

KINDS = [*OF_THE_STREAM, *FAULTS]


def through_a_storm(trial: Trial) -> Trial:
    """Follow all tasks to their ends."""
    proxy = trial.proxy
    proxy.set(OF_THE_STREAM | proxy.passes(INTAKE) | proxy.passes(ANNOUNCER) | FAULTS)
    for number in range(VIDEOS):
        seconds = 1 + number * SECONDS_BETWEEN
        if number < LARGE:
            trial.put(render_seconds=seconds, size=LARGE_BYTES)
        elif number % 10 == 5:
            # Only CometAPI itself has the video, so that the Copier needs the key.
            trial.put(render_seconds=seconds, success="documented_success_without_url")
        else:
            # Some URLs have expired before their time.
            trial.put(render_seconds=seconds, video=["expired", "fine"] if number % 10 == 0 else "fine")
    trial.run(PATIENCE_SECONDS, LEASE_SECONDS)
    proxy.set({})
    return trial
