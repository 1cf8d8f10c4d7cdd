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
PATIENCE_SECONDS = 480
LEASE_SECONDS = 6


def _refuses(code: str, status: int, **calls: Any) -> dict[str, Any]:
    return {**calls, "error": {"code": code, "status": status}}


# What one of them lets pass is offered to the next.
OF_THE_STREAM: dict[str, dict[str, Any]] = {
    # More often in a row than a call is tried, so that records of a batch are reported as failed and come again.
    "DynamoDB throttles Intake": _refuses(
        "ProvisionedThroughputExceededException", 400, **by(INTAKE), sequence={"fail": 8, "pass": 100}
    ),
    "SNS throttles": _refuses("Throttling", 400, **by(ANNOUNCER), sequence={"fail": 8, "pass": 50}),
    "an answer to Intake breaks off": {
        **by(INTAKE),
        "sequence": {"fail": 1, "pass": 20},
        "response": {"abort_frac": 0.5},
    },
    "an answer to the Announcer breaks off": {
        **by(ANNOUNCER),
        "sequence": {"fail": 1, "pass": 20},
        "response": {"abort_frac": 0.5},
    },
}
# Not of those two: while they pause between their tries, MiniStack starts no function.
FAULTS: dict[str, dict[str, Any]] = {
    "S3 cannot complete an upload": _refuses(
        "InternalError",
        500,
        **by(COPIER, **COMPLETION),
        times=4 * LARGE,  # so often that it fails in spite of being tried again, whatever runs side by side
    ),
    # So many in a row that a call fails even when it is repeated.
    "DynamoDB is down": _refuses("InternalServerError", 500, service="dynamodb", sequence={"fail": 8, "pass": 150}),
    "DynamoDB throttles": _refuses("ProvisionedThroughputExceededException", 400, service="dynamodb", probability=0.15),
    "S3 is down": _refuses("ServiceUnavailable", 503, service="s3", sequence={"fail": 8, "pass": 150}),
    "S3 slows down": _refuses("SlowDown", 503, service="s3", probability=0.2),
    "SQS is down": _refuses("ServiceUnavailable", 503, service="sqs", sequence={"fail": 5, "pass": 30}),
    "SQS throttles": _refuses("RequestThrottled", 403, service="sqs", probability=0.1),
    # The key is read once in the life of a process.
    "SSM throttles": _refuses("ThrottlingException", 400, service="ssm", sequence={"fail": 1, "pass": 1}),
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
