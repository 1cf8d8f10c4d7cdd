"""Every JSON body that CometAPI, or something in front of it, has been seen to answer with."""

from enum import Enum
from http import HTTPStatus

type Json = dict[str, object]


class Slot(Enum):
    """A place in a body that the task or the script fills."""

    TASK_ID = "task_id"
    MODEL = "model"
    CREATED_AT = "created_at"
    COMPLETED_AT = "completed_at"
    VIDEO_URL = "video_url"
    CONTENT_URL = "content_url"
    LAST_FRAME_URL = "last_frame_url"
    CODE = "code"
    REASON = "reason"
    REQUEST_ID = "request_id"


STATUS_WORDS = {
    "SUBMITTED": (
        *("SUBMITTED", "submitted", "queued", "QUEUED", "pending", "NOT_START", "not_start"),
        *("unknown", "UNKNOWN", "created", "preparing", "starting"),
    ),
    "IN_PROGRESS": ("IN_PROGRESS", "in_progress", "processing", "running", "generating"),
    "SUCCESS": ("SUCCESS", "completed", "succeeded", "succeed", "success", "done", "finished"),
    "FAILED": ("FAILED", "failed", "FAILURE", "failure", "cancelled", "canceled", "expired"),
    "ERROR": ("ERROR", "error"),
}

_ERROR = {"code": Slot.CODE, "message": Slot.REASON}
_VIDEO = {"id": Slot.TASK_ID, "object": "video", "model": Slot.MODEL}
_RUNNING = _VIDEO | {"status": "IN_PROGRESS", "progress": 45, "created_at": Slot.CREATED_AT, "completed_at": None}
_NEWER = _RUNNING | {"status": "in_progress", "progress": 30, "completed_at": Slot.COMPLETED_AT}
_ENDED = _RUNNING | {"progress": 100, "completed_at": Slot.COMPLETED_AT}
_DONE = {"id": Slot.TASK_ID, "object": "video", "status": "completed", "progress": 100}
_FAILED = {"id": Slot.TASK_ID, "object": "video", "status": "failed", "progress": 100}
_GATEWAY = {"id": Slot.TASK_ID, "task_id": Slot.TASK_ID, "status": "completed", "progress": 100}
_USAGE = {"completion_tokens": 108_900, "total_tokens": 108_900}
_RENDER = {"usage": _USAGE, "duration": 5, "resolution": "720p", "ratio": "16:9", "framespersecond": 24, "seed": 58944}


def _envelope(status: str = "SUCCESS", progress: str = "100%", **data: object) -> Json:
    times = {"submit_time": Slot.CREATED_AT, "finish_time": Slot.COMPLETED_AT if progress == "100%" else 0}
    fields: Json = {"task_id": Slot.TASK_ID, "status": status, "fail_reason": "", **times, "progress": progress}
    return {"code": "success", "message": "", "data": fields | data}


def _without(body: Json, field: str) -> Json:
    return {name: value for name, value in body.items() if name != field}


BODIES: dict[str, Json] = {
    # The shape of the documentation.
    "documented_submitted": _RUNNING | {"status": "SUBMITTED", "progress": 0},
    "documented_in_progress": _RUNNING,
    "documented_success": _ENDED | {"status": "SUCCESS", "video_url": Slot.VIDEO_URL},
    "documented_success_without_url": _ENDED | {"status": "SUCCESS"},
    "documented_failed": _ENDED | {"status": "FAILED", "error": _ERROR},
    "documented_error": _ENDED | {"status": "ERROR", "error": _ERROR},
    # The shape of its newer captures: completed_at is set while the render still runs.
    "newer_queued": _NEWER | {"status": "queued", "progress": 0, "completed_at": None},
    "newer_in_progress": _NEWER,
    "newer_success": _DONE | {"completed_at": Slot.COMPLETED_AT, "video_url": Slot.VIDEO_URL},
    # The gateway family's envelope: on success, fail_reason holds the URL.
    "envelope_not_start": _envelope("NOT_START", "0%"),
    "envelope_in_progress": _envelope("IN_PROGRESS", "30%"),
    "envelope_success": _envelope(
        fail_reason=Slot.VIDEO_URL, data={"status": "done", "video": {"url": Slot.VIDEO_URL}}
    ),
    "envelope_success_url_in_fail_reason": _envelope(fail_reason=Slot.VIDEO_URL),
    "envelope_success_result_url": _envelope(result_url=Slot.VIDEO_URL),
    "envelope_success_inner_video_url": _envelope(data={"status": "done", "video": {"url": Slot.VIDEO_URL}}),
    "envelope_success_content_video_url": _envelope(
        data={"status": "succeeded", "content": {"video_url": Slot.VIDEO_URL}}
    ),
    "envelope_success_without_url": _envelope(),
    "envelope_failed": _envelope("FAILURE", fail_reason=Slot.REASON),
    "envelope_running_but_inner_done": _envelope("IN_PROGRESS", "90%", data={"status": "done"}),
    "envelope_done_but_inner_running": _envelope(fail_reason=Slot.VIDEO_URL, data={"status": "running"}),
    "envelope_done_but_inner_failed": _envelope(fail_reason=Slot.VIDEO_URL, data={"status": "failed"}),
    "envelope_inner_status_only": {
        "code": "success",
        "data": {"task_id": Slot.TASK_ID, "data": {"status": "done", "video": {"url": Slot.VIDEO_URL}}},
    },
    "envelope_empty": {"code": "success", "data": None},
    "envelope_of_another_task": _envelope(task_id="task_somebodyelse0000000000000000000", fail_reason=Slot.VIDEO_URL),
    # The gateway's own translation to the OpenAI shape.
    "gateway_in_progress": _GATEWAY | {"status": "in_progress", "progress": 50},
    "gateway_completed_metadata_url": _GATEWAY | {"metadata": {"url": Slot.VIDEO_URL}},
    # Other places for the URL, or none.
    "success_top_level_url": _DONE | {"url": Slot.VIDEO_URL},
    "success_result_video_url": _DONE | {"result": {"video_url": Slot.VIDEO_URL}},
    "success_without_url": {
        "task_id": Slot.TASK_ID,
        "status": "SUCCESS",
        "progress": "100%",
        "fail_reason": "",
        "finished_at": Slot.COMPLETED_AT,
    },
    "success_null_url": _DONE | {"video_url": None},
    "success_empty_url": _DONE | {"video_url": ""},
    "success_url_is_an_object": _DONE | {"video_url": {"href": Slot.VIDEO_URL}},
    "success_url_is_not_a_url": _DONE | {"video_url": "see attachment"},
    "success_without_completed_at": _DONE | {"video_url": Slot.VIDEO_URL},
    "success_progress_below_100": _ENDED | {"status": "SUCCESS", "progress": 99, "video_url": Slot.VIDEO_URL},
    # What the render was and cost, its last frame, and a video at CometAPI's own content route.
    "success_with_usage": _ENDED | {"status": "SUCCESS", "video_url": Slot.VIDEO_URL} | _RENDER,
    "success_with_last_frame": _ENDED
    | {"status": "SUCCESS", "video_url": Slot.VIDEO_URL, "last_frame_url": Slot.LAST_FRAME_URL}
    | _RENDER,
    "envelope_success_with_last_frame": _envelope(
        data=_RENDER
        | {"status": "succeeded", "content": {"video_url": Slot.VIDEO_URL, "last_frame_url": Slot.LAST_FRAME_URL}}
    ),
    "success_odd_usage": _ENDED
    | {"status": "SUCCESS", "video_url": Slot.VIDEO_URL, "last_frame_url": "see attachment"}
    | {"usage": ["many"], "duration": 1e308, "seed": True, "ratio": "\ud800", "resolution": {"deep": {"er": 1}}},
    "success_content_url": _DONE | {"video_url": Slot.CONTENT_URL},
    # Ways to say why it failed.
    "failed_object_error": _FAILED | {"error": _ERROR},
    "failed_string_error": _FAILED | {"error": Slot.REASON},
    "failed_null_error": _FAILED | {"error": None},
    "failed_without_error": _FAILED,
    "failed_empty_error": _FAILED | {"error": {"code": "", "message": ""}},
    "failed_list_error": _FAILED | {"error": [Slot.REASON]},
    "failed_fail_reason": _FAILED | {"fail_reason": Slot.REASON},
    "failed_with_video_url": _FAILED | {"error": _ERROR, "video_url": Slot.VIDEO_URL},
    # Fields that should not be believed.
    "progress_float": _RUNNING | {"progress": 45.5},
    "progress_percent": _RUNNING | {"progress": "30%"},
    "progress_fraction": _RUNNING | {"progress": 0.3},
    "progress_above_100": _RUNNING | {"progress": 250},
    "progress_negative": _RUNNING | {"progress": -5},
    "progress_words": _RUNNING | {"progress": "almost there"},
    "progress_null": _RUNNING | {"progress": None},
    "progress_100_while_running": _RUNNING | {"progress": 100},
    "progress_missing": _without(_RUNNING, "progress"),
    "completed_at_while_running": _NEWER,
    "model_differs": _RUNNING | {"model": "doubao-seedance-2-0-260128"},
    "id_missing": _without(_RUNNING, "id"),
    "success_id_missing": _without(_DONE, "id") | {"video_url": Slot.VIDEO_URL},
    "id_of_another_task": _DONE | {"id": "task_somebodyelse0000000000000000000", "video_url": Slot.VIDEO_URL},
    # Bodies without any id: the gateway's own troubles, and a success that says nothing.
    "status_error_without_id": {"status": "error", "message": "upstream timeout"},
    "status_expired_without_id": {"status": "expired", "message": "session expired"},
    "status_success_without_id": {"status": "success", "message": "", "data": None},
    "failed_id_missing": _without(_FAILED, "id") | {"error": _ERROR},
    # A status that only says that the request was served, above the one beside the id.
    "request_success_over_running": {"status": "success"} | _envelope("IN_PROGRESS", "30%"),
    "request_success_over_success": {"status": "success"} | _envelope(fail_reason=Slot.VIDEO_URL),
    "request_error_over_running": {"status": "error"} | _envelope("IN_PROGRESS", "30%"),
    "request_success_over_nothing": {"status": "success", "data": {"task_id": Slot.TASK_ID}},
    "status_missing": _without(_RUNNING, "status"),
    "status_null": _RUNNING | {"status": None},
    "status_number": _RUNNING | {"status": 2},
    "status_padded": _RUNNING | {"status": " In_Progress "},
    "status_word_unheard_of": _RUNNING | {"status": "transcoding"},
    "empty_object": {},
    "error_in_200": {"error": {"message": Slot.REASON, "type": "comet_api_error", "code": Slot.CODE}},
}


def _flat(code: str, message: str) -> Json:
    return {"code": code, "message": message, "data": None}


def _nested(message: str, code: str = "") -> Json:
    text = {"message": message + " (request id: {request_id})", "type": "comet_api_error", "code": code}
    return {"error": text}


REFUSALS: dict[str, tuple[int, Json]] = {
    "task_not_exist_flat": (400, _flat("task_not_exist", "task not exist")),
    "task_not_exist_nested": (400, _nested("task_not_exist")),
    "task_not_exist_nested_code": (400, _nested("the task does not exist", "task_not_exist")),
    "bad_request_flat": (400, _flat("invalid_request", "invalid request")),
    "bad_request_nested": (400, _nested("invalid request", "invalid_request")),
    "prompt_required": (400, _nested("prompt is required", "invalid_request")),
    "not_found": (404, _nested("Invalid URL (GET /v1/videos)")),
    "unprocessable": (422, _nested("unprocessable request")),
    "unauthorized": (401, _nested("Invalid token")),
    "unauthorized_flat": (401, _flat("unauthorized", "invalid token")),
    "forbidden": (403, _nested("This token has no access to this model")),
    "quota_exhausted": (403, _nested("user quota is not enough", "insufficient_user_quota")),
    "throttled": (429, _nested("Too many requests", "rate_limit_exceeded")),
    "internal_error": (500, _nested("internal server error")),
} | {f"http_{status}": (status, _nested(HTTPStatus(status).phrase)) for status in (408, 425, 503)}
