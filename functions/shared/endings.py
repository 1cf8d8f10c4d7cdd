"""What users read in `error`: the code is for programs, the message says what is wrong and what to do."""

from collections.abc import Mapping
from typing import Any

from shared.comet_api import Forbidden, KeyRejected, Misdirected, Report, Throttled, Unavailable, Unreadable
from shared.errors import CopyError
from shared.task import Status, Task

type Error = dict[str, str]
type Silence = KeyRejected | Forbidden | Throttled | Unavailable | Unreadable | Misdirected
"""What is neither a report, nor a denial, nor a refusal with a reason of its own."""

AGAIN = " The copy is tried again later."


def error(code: str, message: str) -> Error:
    """Return `error` as an item holds it."""
    return {"code": code, "message": message}


def providers_reason(report: Report) -> Error:
    """Return why CometAPI gave a render up, in its own words."""
    return error(report.code or "no_code", report.reason or "CometAPI gave no reason.")


def denied(task: Task) -> Error:
    """Return what stands on a task that waits although CometAPI denies it."""
    if task.reported_at is not None:
        message = (
            "CometAPI reported on this task before and does not know it now, so the API key is probably of another "
            "account. The task waits; store the right key in the SSM parameter that CometApiKeyParameter names."
        )
    else:
        message = "CometAPI does not know this task under this key; check the id, and whose key it is."
    return error("task_not_exist", message)


def not_found(message: str) -> Error:
    """Return why a task ended that CometAPI denied for long; `message` is CometAPI's."""
    return error(
        "task_not_exist",
        f"CometAPI does not know this task, while it reports on others under the same key: {message} "
        f"Check the id; insert the right one, or set status to RETRY if it is right.",
    )


def silence(answer: Silence) -> Error:
    """Return what stands on a task that was asked about in vain for a while; its code names the kind of answer."""
    match answer:
        case KeyRejected(message=message):
            code, said = "key_rejected", f"CometAPI rejects the API key: {message} Store a valid key."
        case Forbidden(message=message):
            return error("forbidden", f"CometAPI refuses to report on this task: {message}")
        case Throttled():
            code, said = "throttled", "The last question got HTTP 429: CometAPI asks for fewer questions."
        case Unavailable(reason=reason):
            code, said = "unavailable", f"The last question got {reason}."
        case Unreadable(reason=reason):
            code, said = "unreadable", f"The last question got no report: {reason}."
        case Misdirected(reason=reason):
            code, said = "misdirected", f"The last question got {reason}, a redirect; check CometApiBaseUrl."
    return error(f"silence_{code}", f"{said} The task waits and is asked about again.")


def is_about_asking(task: Task) -> bool:
    """Tell whether a task's error is over with CometAPI's next report, and not one of a copy or an ending."""
    return not str(task.error.get("message", "")).endswith(AGAIN)


def is_in_vain(task: Task) -> bool:
    """Tell whether the last word on a task is that CometAPI was asked for a report and gave none."""
    return str(task.error.get("code", "")).startswith(("silence_", "forbidden"))


def deadline(task: Task, seconds: int) -> Error:
    """Return why a task ended that did not finish within `seconds`, or whose finished video is not told of any more."""
    hours = f"within {round(seconds / 3600)} hours of its insertion"
    if task.status == Status.COPYING:
        said = (
            f"CometAPI reported success, but the video was not stored {hours}, and CometAPI reports success no more. "
            "Ask its support for the video, or set status to RETRY to ask again."
        )
    else:
        said = (
            f"CometAPI gave no video of this task {hours}. The render may still succeed or have succeeded: set status "
            "to RETRY to ask again."
        )
    return error("deadline", said + _last_trouble(task.error))


def no_video_url(seconds: int) -> Error:
    """Return why a finished task ended whose video was to be had nowhere for `seconds`."""
    return error(
        "no_video_url",
        f"CometAPI reports success, but for {seconds // 60} minutes it gave no video URL, and its content route no "
        f"video. Set status to RETRY to ask again, or ask CometAPI's support for the video.",
    )


def url_too_long(most: int) -> Error:
    """Return why a video is not fetched whose URL is longer than `most` characters."""
    return error(
        "url_too_long",
        f"CometAPI gave a video URL that is longer than {most} characters, which no video host takes. "
        "Set status to RETRY to ask again, or ask CometAPI's support for the video.",
    )


def interrupted(cause: CopyError) -> Error:
    """Return what stands on a task whose copy is tried again."""
    return error(cause.code, cause.message + AGAIN)


def copies_exhausted(task: Task) -> Error:
    """Return why a task ended whose copies all failed."""
    last = str(task.error.get("message") or "no Copier came to an end; see its log.").removesuffix(AGAIN)
    return error(
        "copies_exhausted",
        f"The video was not stored in {task.copy_attempts} attempts. Set status to RETRY to try again, or ask "
        f"CometAPI's support for the video. Last ({task.error.get('code') or 'no_report'}): {last}",
    )


def _last_trouble(trouble: Mapping[str, Any]) -> str:
    return f" The last trouble was: {trouble['message']}" if trouble.get("message") else ""
