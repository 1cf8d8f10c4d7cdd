import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from infra.local.cometapi import STATUS_WORDS, RemoteCometApi, SimulatedCometApi, Step, answers, video_behaviours
from infra.local.cometapi.contents import CONTENTS
from infra.local.cometapi.last_frames import LAST_FRAMES

HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(5))
IMPATIENT = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=0.5))
NEVER_END = {"stall", "stall_in_body", "stall_before_headers", "drip", "slow", "slow_start", "length_huge"}
BREAK_OFF = {"reset", "reset_before_headers", "close_before_headers", "truncated_chunked"}


@pytest.fixture
def comet_api() -> Iterator[SimulatedCometApi]:
    with SimulatedCometApi(render_seconds=0) as running:
        yield running


def poll(comet_api: SimulatedCometApi, path: str, key: str | None = None) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {key or comet_api.api_key}"}
    return HTTP.request("GET", f"{comet_api.base_url}/v1/videos/{path}", headers=headers, redirect=False)


def order(comet_api: SimulatedCometApi, **body: str) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {comet_api.api_key}"}
    return HTTP.request("POST", f"{comet_api.base_url}/v1/videos", headers=headers, json=body)


def download(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTP.request("GET", url, headers=named, redirect=False, decode_content=False)


def glance(name: str, url: str, headers: dict[str, str]) -> None:
    pool = IMPATIENT if name in NEVER_END else HTTP
    try:
        response = pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
        response.read(100, decode_content=False)
        response.close()
    except urllib3.exceptions.TimeoutError:
        assert name in NEVER_END
    except urllib3.exceptions.ProtocolError:
        assert name in BREAK_OFF


# --- The public API ---


def test_an_order_is_answered_with_both_ids(comet_api: SimulatedCometApi) -> None:
    created = order(comet_api, prompt="a cat", model="doubao-seedance-2-0").json()
    assert created["id"] == created["task_id"]
    assert created["id"].startswith("task_")
    assert len(created["id"]) == 37
    assert created["id"][5:].isalnum()
    assert {name: created[name] for name in ("object", "model", "status", "progress")} == {
        "object": "video",
        "model": "doubao-seedance-2-0",
        "status": "queued",
        "progress": 0,
    }


def test_a_render_lives_from_submitted_to_success(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(render_seconds=1000)
    render = comet_api.renders[task_id]
    seen = []
    for age in (0, 300, 600, 1000):
        render.created_at = time.time() - age
        answer = poll(comet_api, task_id).json()
        seen.append((answer["status"], answer["progress"], "video_url" in answer))
    assert seen == [
        ("SUBMITTED", 0, False),
        ("IN_PROGRESS", 30, False),
        ("IN_PROGRESS", 60, False),
        ("SUCCESS", 100, True),
    ]


def test_the_url_of_a_success_serves_the_video(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create()
    video = download(poll(comet_api, task_id).json()["video_url"])
    assert (video.status, video.headers["Content-Type"]) == (200, "video/mp4")
    assert video.data == comet_api.video_bytes(task_id)
    assert comet_api.expected(task_id).sha256 == hashlib.sha256(video.data).hexdigest()


def test_a_prompt_that_says_refused_fails(comet_api: SimulatedCometApi) -> None:
    task_id = order(comet_api, prompt="please be REFUSED").json()["id"]
    answer = poll(comet_api, task_id).json()
    assert answer["status"] == "FAILED"
    assert answer["error"]["code"] == "InputTextSensitiveContentDetected"


def test_a_task_may_be_told_to_fail(comet_api: SimulatedCometApi) -> None:
    assert poll(comet_api, comet_api.create(fails="no GPU")).json()["error"]["message"] == "no GPU"


def test_an_order_without_a_prompt_is_a_bad_request(comet_api: SimulatedCometApi) -> None:
    assert order(comet_api).status == 400


def test_only_the_key_in_force_is_accepted(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create()
    url = f"{comet_api.base_url}/v1/videos/{task_id}"
    assert HTTP.request("GET", url).status == 401
    assert HTTP.request("POST", f"{comet_api.base_url}/v1/videos", json={"prompt": "x"}).status == 401
    old = {"Authorization": f"Bearer {comet_api.api_key}"}
    comet_api.api_key = "sk-rotated"
    refusal = HTTP.request("GET", url, headers=old)
    assert refusal.status == 401
    assert refusal.json()["error"]["type"] == "comet_api_error"
    assert refusal.headers["X-Cometapi-Request-Id"] in refusal.json()["error"]["message"]
    assert poll(comet_api, task_id).status == 200


def test_an_unknown_id_does_not_exist(comet_api: SimulatedCometApi) -> None:
    answer = poll(comet_api, "task_nobody")
    assert (answer.status, answer.json()["code"]) == (400, "task_not_exist")


def test_the_official_client_creates_and_retrieves(comet_api: SimulatedCometApi) -> None:
    from cometapi import CometAPI  # noqa: PLC0415 - it takes longer than all tests of many a file

    with CometAPI(api_key=comet_api.api_key, base_url=f"{comet_api.base_url}/v1", max_retries=0) as client:
        created = client.videos.create(prompt="a cat", model="sora-2", seconds="4", size="1280x720")
        retrieved = client.videos.retrieve(created.id)
        uploaded = client.videos.create(prompt="a cat", input_reference=b"\xff\xd8 a picture")
    assert retrieved.id == created.id
    assert (retrieved.model, retrieved.progress, str(retrieved.status)) == ("sora-2", 100, "SUCCESS")
    assert uploaded.id in comet_api.renders


# --- Scripts and faults ---


def test_a_script_is_played_once_and_its_last_answer_repeats(comet_api: SimulatedCometApi) -> None:
    steps: list[Step] = [{"name": "documented_in_progress", "progress": 60}, "progress_missing", "newer_success"]
    task_id = comet_api.create(answers=steps)
    polled = [poll(comet_api, task_id).json() for _ in range(4)]
    assert [answer.get("progress") for answer in polled] == [60, None, 100, 100]
    assert [answer["status"] for answer in polled] == ["IN_PROGRESS", "IN_PROGRESS", "completed", "completed"]


def test_a_step_may_be_repeated_and_the_life_resumed(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(answers=[{"name": "http_502", "times": 2}, "life"])
    assert [poll(comet_api, task_id).status for _ in range(4)] == [502, 502, 200, 200]


def test_fields_and_slots_of_an_answer_can_be_set(comet_api: SimulatedCometApi) -> None:
    step = {"name": "envelope_failed", "status": "CANCELLED", "reason": "the user cancelled"}
    data = poll(comet_api, comet_api.create(answers=[step])).json()["data"]
    assert (data["status"], data["fail_reason"]) == ("CANCELLED", "the user cancelled")


@pytest.mark.parametrize("words", STATUS_WORDS.values(), ids=STATUS_WORDS)
def test_every_status_word_can_be_said(comet_api: SimulatedCometApi, words: tuple[str, ...]) -> None:
    task_id = comet_api.create(answers=[{"name": "documented_in_progress", "status": word} for word in words])
    assert tuple(poll(comet_api, task_id).json()["status"] for _ in words) == words


@pytest.mark.parametrize("step", ["no_such_answer", {"name": "slow", "minutes": 3}, {"progress": 3}])
def test_a_mistake_in_a_script_is_told_at_once(comet_api: SimulatedCometApi, step: str | dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no answer|minutes|needs a name"):
        comet_api.create(answers=[step])
    with pytest.raises(ValueError, match=r"no answer|minutes|needs a name"):
        comet_api.fault(step)


def test_a_fault_hits_all_tasks_until_it_is_cleared(comet_api: SimulatedCometApi) -> None:
    tasks = [comet_api.create() for _ in range(2)]
    comet_api.fault("html")
    assert [poll(comet_api, task_id).headers["Content-Type"] for task_id in tasks] == ["text/html; charset=UTF-8"] * 2
    comet_api.clear()
    assert poll(comet_api, tasks[0]).json()["status"] == "SUCCESS"


def test_a_fault_may_be_used_up_and_does_not_consume_the_script(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(answers=["newer_queued", "newer_success"])
    comet_api.fault({"name": "throttled_retry_after_seconds", "retry_after": 7}, requests=2)
    polled = [poll(comet_api, task_id) for _ in range(4)]
    assert [answer.status for answer in polled] == [429, 429, 200, 200]
    assert polled[0].headers["Retry-After"] == "7"
    assert polled[2].json()["status"] == "queued"


def test_orders_and_videos_have_faults_of_their_own(comet_api: SimulatedCometApi) -> None:
    comet_api.fault("http_503", on="create")
    comet_api.fault("gone_410", on="video")
    assert order(comet_api, prompt="a cat").status == 503
    task_id = comet_api.create()
    assert download(poll(comet_api, task_id).json()["video_url"]).status == 410


@pytest.mark.parametrize("name", answers.names())
def test_every_answer_can_be_asked_for(comet_api: SimulatedCometApi, name: str) -> None:
    task_id = comet_api.create(answers=[name])
    glance(name, f"{comet_api.base_url}/v1/videos/{task_id}", {"Authorization": f"Bearer {comet_api.api_key}"})
    (request,) = comet_api.requests
    assert request.answer == name
    assert request.status != 500 or name == "internal_error"


def test_an_answer_that_is_cut_off_is_shorter_than_it_says(comet_api: SimulatedCometApi) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
        poll(comet_api, comet_api.create(answers="truncated"))


def test_latency_delays_the_api(comet_api: SimulatedCometApi) -> None:
    comet_api.latency = 0.1
    start = time.monotonic()
    poll(comet_api, comet_api.create())
    assert time.monotonic() - start >= 0.1


def test_a_fault_may_last_for_a_while(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create()
    comet_api.fault("http_502", seconds=0.2)
    assert poll(comet_api, task_id).status == 502
    time.sleep(0.2)
    assert poll(comet_api, task_id).status == 200


def test_one_task_may_be_refused_in_the_apis_words(comet_api: SimulatedCometApi) -> None:
    refused, other = comet_api.create(answers="quota_exhausted"), comet_api.create()
    answer = poll(comet_api, refused)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "insufficient_user_quota")
    assert answer.json()["error"]["message"].startswith("user quota is not enough (request id: ")
    assert poll(comet_api, other).status == 200


# --- The key of another account ---


def test_a_foreign_key_is_valid_and_knows_none_of_our_tasks(comet_api: SimulatedCometApi) -> None:
    ours, theirs = comet_api.create(), comet_api.create(foreign=True)
    comet_api.foreign_key = "sk-foreign"
    for path in (ours, f"{ours}/content"):
        denied = poll(comet_api, path, "sk-foreign")
        assert (denied.status, "task_not_exist" in denied.data.decode()) == (400, True)
        assert poll(comet_api, path).status == 200
    assert poll(comet_api, theirs, "sk-foreign").json()["status"] == "SUCCESS"
    assert poll(comet_api, theirs).json()["code"] == "task_not_exist"
    comet_api.foreign_key = ""
    assert poll(comet_api, ours, "sk-foreign").status == 401
    assert poll(comet_api, ours, " ").status == 401


# --- What models have ---


@pytest.mark.parametrize(
    ("model", "answer", "has"),
    [
        ("doubao-seedance-2-0-fast", "documented_success", {"video_url"}),
        ("doubao-seedance-2-0", "success_with_usage", {"video_url", "usage", "duration", "seed"}),
        ("doubao-seedance-2-0-pro", "success_with_last_frame", {"video_url", "usage", "last_frame_url"}),
        ("doubao-seedance-1-5-pro", "success_usage_in_header", {"video_url"}),
        ("sora-2", "documented_success_without_url", set()),
    ],
)
def test_a_success_has_what_its_model_has(comet_api: SimulatedCometApi, model: str, answer: str, has: set[str]) -> None:
    task_id = order(comet_api, prompt="a cat", model=model).json()["id"]
    reply = poll(comet_api, task_id)
    body = reply.json()
    assert body["status"] == "SUCCESS"
    extras = {"video_url", "usage", "duration", "seed", "last_frame_url"}
    assert body.keys() & extras >= has
    assert ("usage" in body) == ("usage" in has)
    assert ("video_url" in body) == ("video_url" in has)
    assert ("X-New-Api-Usage" in reply.headers) == (answer == "success_usage_in_header")
    assert comet_api.requests[-1].answer == answer
    assert poll(comet_api, f"{task_id}/content").data == comet_api.video_bytes(task_id)


def test_a_task_may_end_with_any_answer(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(success={"name": "success_with_usage", "duration": "10"}, render_seconds=1000)
    assert poll(comet_api, task_id).json()["status"] == "SUBMITTED"
    comet_api.renders[task_id].created_at -= 1000
    assert poll(comet_api, task_id).json()["duration"] == "10"
    with pytest.raises(ValueError, match="no answer"):
        comet_api.create(success="splendid")


# --- The content route ---


def test_the_content_route_serves_the_video_to_the_key_alone(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(size=10_000)
    url = f"{comet_api.base_url}/v1/videos/{task_id}/content"
    video = poll(comet_api, f"{task_id}/content")
    assert (video.status, video.headers["Content-Type"]) == (200, "video/mp4")
    assert video.data == comet_api.video_bytes(task_id)
    assert HTTP.request("GET", url).status == 401
    assert poll(comet_api, f"{task_id}/content", "sk-wrong").status == 401
    assert poll(comet_api, "task_nobody/content").status == 400
    assert {request.operation for request in comet_api.requests} == {"content"}


def test_the_content_route_is_early_until_the_render_is_done(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(render_seconds=1000)
    assert poll(comet_api, f"{task_id}/content").status == 404
    comet_api.renders[task_id].created_at -= 1000
    assert poll(comet_api, f"{task_id}/content").status == 200


def test_contents_are_consumed_one_by_one(comet_api: SimulatedCometApi) -> None:
    steps: list[Step] = ["not_yet", {"name": "not_yet", "status": 425}, {"name": "refused", "name_": ""}]
    with pytest.raises(ValueError, match="name_"):
        comet_api.create(content=steps)
    task_id = comet_api.create(content=[*steps[:2], "refused", "redirect"], size=1000)
    answers_given = [poll(comet_api, f"{task_id}/content") for _ in range(5)]
    assert [answer.status for answer in answers_given] == [404, 425, 403, 302, 302]
    assert download(answers_given[-1].headers["Location"]).data == comet_api.video_bytes(task_id)
    comet_api.fault({"name": "page", "status": 502}, on="content")
    assert poll(comet_api, f"{task_id}/content").status == 502
    assert poll(comet_api, task_id).status == 200


@pytest.mark.parametrize("name", CONTENTS)
def test_every_content_can_be_asked_for(comet_api: SimulatedCometApi, name: str) -> None:
    task_id = comet_api.create(content=[name])
    headers = {"Authorization": f"Bearer {comet_api.api_key}"}
    glance(name, f"{comet_api.base_url}/v1/videos/{task_id}/content", headers)
    (request,) = comet_api.requests
    assert (request.operation, request.answer) == ("content", name)
    assert request.status != 500


# --- Last frames ---


def test_a_last_frame_is_a_picture_of_its_own(comet_api: SimulatedCometApi) -> None:
    tasks = [comet_api.create(success="success_with_last_frame") for _ in range(2)]
    frames = [download(poll(comet_api, task_id).json()["last_frame_url"]) for task_id in tasks]
    assert [(frame.status, frame.headers["Content-Type"]) for frame in frames] == [(200, "image/png")] * 2
    assert frames[0].data.startswith(b"\x89PNG\r\n\x1a\n")
    assert frames[0].data != frames[1].data
    for task_id, frame in zip(tasks, frames, strict=True):
        expected = comet_api.expected_last_frame(task_id)
        assert (expected.sha256, expected.size) == (hashlib.sha256(frame.data).hexdigest(), len(frame.data))


@pytest.mark.parametrize(
    ("name", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff"), ("webp", b"RIFF"), ("html", b"<!DOCTYPE")]
)
def test_a_last_frame_may_be_another_thing(comet_api: SimulatedCometApi, name: str, start: bytes) -> None:
    assert download(comet_api.last_frame_url(comet_api.create(last_frame=name))).data.startswith(start)


def test_a_last_frame_needs_its_signature(comet_api: SimulatedCometApi) -> None:
    url = comet_api.last_frame_url(comet_api.create())
    assert download(url.partition("?")[0]).status == 403
    assert download(comet_api.last_frame_url(comet_api.create(url_lifetime=0))).status == 403
    assert download(comet_api.last_frame_url("task_nobody")).status == 404
    comet_api.fault({"name": "refused", "status": 410}, on="last_frame")
    assert download(url).status == 410


@pytest.mark.parametrize("name", LAST_FRAMES)
def test_every_last_frame_can_be_asked_for(comet_api: SimulatedCometApi, name: str) -> None:
    glance(name, comet_api.last_frame_url(comet_api.create(last_frame=[name])), {})
    (request,) = comet_api.requests
    assert (request.operation, request.answer) == ("last_frame", name)
    assert request.status != 500


# --- The video host ---


@pytest.mark.parametrize("video", ["game_of_life.mp4", "gradients.mp4", "mandelbrot.mp4", "test_pattern.mp4"])
def test_the_clips_are_videos(comet_api: SimulatedCometApi, video: str) -> None:
    task_id = comet_api.create(clip=video)
    content = download(comet_api.video_url(task_id)).data
    assert content[4:8] == b"ftyp"
    assert 20_000 < len(content) < 300_000


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=100-199", (100, 200)),
        ("bytes=150000-", (150_000, None)),
        ("bytes=-7", (-7, None)),
    ],
)
@pytest.mark.parametrize("size", [None, 200_000])
def test_ranges_are_served(
    comet_api: SimulatedCometApi, asked: str, span: tuple[int, int | None], size: int | None
) -> None:
    task_id = comet_api.create(size=size) if size else comet_api.create(clip="game_of_life.mp4")
    part = download(comet_api.video_url(task_id), Range=asked)
    whole = comet_api.video_bytes(task_id)
    first = range(len(whole))[slice(*span)].start
    assert (part.status, part.data) == (206, whole[slice(*span)])
    assert part.headers["Content-Range"] == f"bytes {first}-{first + len(part.data) - 1}/{len(whole)}"


def test_a_range_beyond_the_end_is_refused(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(size=1000)
    answer = download(comet_api.video_url(task_id), Range="bytes=1000-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */1000")


def test_a_range_of_an_older_version_gets_the_whole(comet_api: SimulatedCometApi) -> None:
    url = comet_api.video_url(comet_api.create(size=1000))
    etag = download(url).headers["ETag"]
    assert download(url, Range="bytes=0-9", If_Range=etag).status == 206
    assert download(url, Range="bytes=0-9", If_Range='"older"').status == 200


def test_a_url_expires(comet_api: SimulatedCometApi) -> None:
    answer = download(comet_api.video_url(comet_api.create(url_lifetime=0)))
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/xml")
    assert b"expired" in answer.data


def test_a_url_lives_for_a_day_by_default(comet_api: SimulatedCometApi) -> None:
    assert "X-Tos-Expires=86400&" in comet_api.video_url(comet_api.create())


def test_a_changed_url_is_refused(comet_api: SimulatedCometApi) -> None:
    first, second = comet_api.create(), comet_api.create()
    url = comet_api.video_url(first)
    for forged in (url.replace("86400", "99999"), url.replace(first, second), url.partition("?")[0], url[:-1]):
        assert download(forged).status == 403


def test_a_synthetic_video_needs_no_memory_and_no_file(comet_api: SimulatedCometApi) -> None:
    size = 1 << 30
    task_id = comet_api.create(size=size)
    part = download(comet_api.video_url(task_id), Range=f"bytes={size - 10}-")
    assert len(part.data) == 10
    header = download(comet_api.video_url(task_id), Range="bytes=0-55").data
    assert header[4:8] == b"ftyp"
    assert int.from_bytes(header[48:56]) + 40 == size


def test_a_synthetic_video_is_the_same_each_time_and_no_two_parts_are(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(size=1_000_000)
    video = download(comet_api.video_url(task_id)).data
    assert video == comet_api.video_bytes(task_id)
    assert len({video[start : start + 65_536] for start in range(0, len(video), 65_536)}) == 16


def test_a_video_script_is_consumed_by_its_requests(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(video=["expired", {"name": "error", "status": 502}, "fine"])
    assert [download(comet_api.video_url(task_id)).status for _ in range(4)] == [403, 502, 200, 200]


@pytest.mark.parametrize("name", video_behaviours.BEHAVIOURS)
@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=100-199"}], ids=["whole", "range"])
def test_every_video_behaviour_can_be_asked_for(comet_api: SimulatedCometApi, name: str, asked: dict[str, str]) -> None:
    url = comet_api.video_url(comet_api.create(video=[name]))
    glance(name, url, asked)
    (request,) = comet_api.requests
    assert request.answer == name
    assert request.status != 500 or name in ("error", "fails_once")


@pytest.mark.parametrize("name", ["truncated", "truncated_chunked", "length_too_long", "reset"])
def test_a_video_that_breaks_off_is_an_error_to_its_reader(comet_api: SimulatedCometApi, name: str) -> None:
    url = comet_api.video_url(comet_api.create(video=name))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        download(url)


def test_a_length_that_is_too_short_looks_like_a_whole_video(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(video="length_too_short")
    assert download(comet_api.video_url(task_id)).data == comet_api.video_bytes(task_id)[:-1000]


def test_a_range_may_be_ignored_or_answered_with_another(comet_api: SimulatedCometApi) -> None:
    whole = download(comet_api.video_url(comet_api.create(video="no_ranges", size=500)), Range="bytes=100-199")
    assert (whole.status, len(whole.data)) == (200, 500)
    shifted = download(comet_api.video_url(comet_api.create(video="wrong_content_range", size=500)), Range="bytes=0-9")
    assert shifted.headers["Content-Range"] == "bytes 1-10/500"


def test_a_video_may_change_between_two_ranges(comet_api: SimulatedCometApi) -> None:
    url = comet_api.video_url(comet_api.create(video="changes_between_ranges", size=1000))
    first, second = (download(url, Range="bytes=500-599") for _ in range(2))
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.data != second.data


def test_flaky_ranges_fail_each_nth_time(comet_api: SimulatedCometApi) -> None:
    url = comet_api.video_url(comet_api.create(video={"name": "flaky", "every": 3}, size=1000))
    assert [download(url, Range="bytes=0-9").status for _ in range(6)] == [206, 206, 503, 206, 206, 503]


def test_redirects_lead_to_the_video_to_themselves_or_elsewhere(comet_api: SimulatedCometApi) -> None:
    once, loop, away = (
        comet_api.create(video=video)
        for video in ("redirect_once", "redirect_loop", {"name": "redirect", "to": "http://10.0.0.1/"})
    )
    moved = download(comet_api.video_url(once)).headers["Location"]
    assert download(moved).data == comet_api.video_bytes(once)
    url = comet_api.video_url(loop)
    assert download(url).headers["Location"] == url
    assert download(comet_api.video_url(away)).headers["Location"] == "http://10.0.0.1/"


def test_a_small_gzip_body_unpacks_to_a_large_one(comet_api: SimulatedCometApi) -> None:
    body = download(comet_api.video_url(comet_api.create(video="gzip_bomb")))
    assert body.headers["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(body.data)) > 100 * len(body.data)


def test_a_throttled_video_takes_its_time(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create(size=2000, video={"name": "throttled", "bytes_per_second": 5000})
    start = time.monotonic()
    assert download(comet_api.video_url(task_id)).data == comet_api.video_bytes(task_id)
    assert time.monotonic() - start >= 0.25


# --- The log, the controls over HTTP, and the command ---


def test_the_log_shows_who_was_sent_the_key(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create()
    download(poll(comet_api, task_id).json()["video_url"])
    retrieve, video = comet_api.requests
    assert (retrieve.operation, retrieve.answer, retrieve.status) == ("retrieve", "documented_success", 200)
    assert retrieve.headers["authorization"] == f"Bearer {comet_api.api_key}"
    assert (video.operation, video.answer, video.task_id) == ("video", "fine", task_id)
    assert "authorization" not in video.headers
    comet_api.forget_requests()
    assert comet_api.requests == []


def test_every_authorization_header_is_remembered(comet_api: SimulatedCometApi) -> None:
    task_id = comet_api.create()
    url = poll(comet_api, task_id).json()["video_url"]
    poll(comet_api, f"{task_id}/content")
    poll(comet_api, f"{task_id}/content", "sk-wrong")
    download(url)
    download(comet_api.last_frame_url(task_id))
    comet_api.forget_requests()
    good, wrong = f"Bearer {comet_api.api_key}", "Bearer sk-wrong"
    assert comet_api.authorizations == {"retrieve": {good: 1}, "content": {good: 1, wrong: 1}}
    download(url, Authorization=good)
    assert RemoteCometApi(comet_api.base_url, "").authorizations["video"] == {good: 1}


def test_another_process_has_the_same_controls(comet_api: SimulatedCometApi) -> None:
    remote = RemoteCometApi(comet_api.base_url, comet_api.api_key)
    first, second = remote.create_many(2, answers=["html", "life"], size=1000)
    assert remote.expected(first) == comet_api.expected(first)
    assert urlsplit(remote.video_url(second)).path == f"/files/{second}.mp4"
    remote.fault("throttled", requests=1)
    assert [poll(comet_api, first).status for _ in range(2)] == [429, 200]
    remote.fault("stall")
    remote.clear()
    assert poll(comet_api, first).json()["status"] == "SUCCESS"
    assert [request.answer for request in remote.requests] == ["throttled", "html", "documented_success"]
    remote.configure(api_key="sk-new", latency=0.01, foreign_key="sk-foreign")
    assert (comet_api.api_key, comet_api.latency, comet_api.foreign_key) == ("sk-new", 0.01, "sk-foreign")
    assert remote.expected_last_frame(first) == comet_api.expected_last_frame(first)
    (theirs,) = remote.create_many(1, foreign=True, content="not_yet", last_frame="jpg", success="success_with_usage")
    assert poll(comet_api, theirs, "sk-foreign").json()["seed"] == 58944
    remote.fault("http_503", seconds=0)
    assert poll(comet_api, first).status == 200
    with pytest.raises(ValueError, match="no answer 'nonsense'"):
        remote.create(answers=["nonsense"])
    with pytest.raises(ValueError, match="no option colour"):
        remote.create(colour="red")  # type: ignore[call-arg]
    remote.forget_requests()
    assert remote.requests == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_stops_when_told(tmp_path: Path, stop: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    options = ["--ready-file", str(ready), "--api-key", "sk-mine", "--render-seconds", "0"]
    command = [sys.executable, "-m", "infra.local.cometapi", *options]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, text=True) as process:  # noqa: S603 - our own command
        try:
            while not ready.exists() and process.poll() is None:
                time.sleep(0.01)
            assert json.loads(ready.read_text()).keys() == {"base_url", "api_key", "pid"}
            remote = RemoteCometApi.from_ready_file(ready)
            assert remote.api_key == "sk-mine"
            IMPATIENT.request("GET", remote.video_url(remote.create(video="drip")), preload_content=False)
        finally:
            process.send_signal(stop)
        assert process.wait(5) == 0
    assert not ready.exists()
