"""One task of the simulated CometAPI: what it renders, how long that takes, and how it ends."""

import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from infra.local.cometapi import answers, video_behaviours
from infra.local.cometapi.contents import CONTENTS
from infra.local.cometapi.footage import Footage, footage_for
from infra.local.cometapi.last_frames import LAST_FRAMES
from infra.local.cometapi.script import Cue, Script, Step, Steps, checked_by, cue

ALPHANUMERICS = string.ascii_letters + string.digits
MODEL = "doubao-seedance-2-0-fast"
SUCCESSES = {
    "doubao-seedance-2-0": "success_with_usage",
    "doubao-seedance-2-0-pro": "success_with_last_frame",
    "doubao-seedance-1-5-pro": "success_usage_in_header",
    "sora-2": "documented_success_without_url",  # its video is at the content route only
}
"""What a model's renders end with; all others with `documented_success`, which has the video and nothing else."""
check_content = checked_by("content", CONTENTS)
check_last_frame = checked_by("last frame", LAST_FRAMES)
DAY = 86_400
# A real render is queued for a moment before it starts.
_QUEUED_SHARE = 0.1


class RenderOptions(TypedDict, total=False):
    """What may be said of a task when it is created; everything has a default."""

    answers: Steps  # names of answers to GET /v1/videos/{id}; the last repeats; default: the life by age
    video: Steps  # names of video behaviours, one a request; the last repeats; default: fine
    clip: str  # a file below videos; default: one chosen by the task id
    size: int  # a synthetic video of so many bytes instead
    render_seconds: float
    success: Step  # the answer that the life ends with; default: by the model
    content: Steps  # names of contents, one a request to the content route; default: the video, once it is rendered
    last_frame: Steps  # names of last frames, one a request; default: png
    foreign: bool  # it belongs to the account of `foreign_key`
    fails: str | Mapping[str, str]  # a reason, or {"code": …, "reason": …}: the life ends as FAILED
    url_lifetime: int  # seconds until a signed URL expires; 0 has expired at once
    model: str
    task_id: str


@dataclass(kw_only=True)
class Render:
    """One task."""

    task_id: str
    model: str
    created_at: float
    render_seconds: float
    fails: Mapping[str, str] | None
    success: Cue
    foreign: bool
    url_lifetime: int
    footage: Footage
    answers: Script
    video: Script
    content: Script
    last_frame: Script
    downloads: int = 0

    @property
    def completed_at(self) -> float:
        """Return when the render ends, in epoch seconds."""
        return self.created_at + self.render_seconds

    def next_answer(self, now: float) -> Cue:
        """Return what the next poll is answered, from the script or else from the render's age."""
        cue = self.answers.next()
        return self._life(now) if cue is None or cue.name == answers.LIFE else cue

    def _life(self, now: float) -> Cue:
        if now >= self.completed_at:
            return Cue("documented_failed", self.fails) if self.fails else self.success
        share = (now - self.created_at) / self.render_seconds
        if share < _QUEUED_SHARE:
            return Cue("documented_submitted")
        return Cue("documented_in_progress", {"progress": int(share * 100)})


def new_task_id() -> str:
    """Return an id like CometAPI's."""
    return "task_" + "".join(secrets.choice(ALPHANUMERICS) for _ in range(32))


def new_render(options: RenderOptions, *, render_seconds: float) -> Render:
    """Make a task, and raise ValueError where an option, a name or a clip does not exist."""
    if unknown := options.keys() - RenderOptions.__annotations__.keys():
        raise ValueError(
            f"no option {', '.join(sorted(unknown))}; there are {', '.join(RenderOptions.__annotations__)}"
        )
    task_id = options.get("task_id") or new_task_id()
    fails = options.get("fails")
    model = options.get("model") or MODEL
    return Render(
        task_id=task_id,
        model=model,
        created_at=time.time(),
        render_seconds=options.get("render_seconds", render_seconds),
        fails={"reason": fails} if isinstance(fails, str) else fails,
        success=cue(options.get("success") or SUCCESSES.get(model, "documented_success"), answers.check),
        foreign=options.get("foreign", False),
        url_lifetime=options.get("url_lifetime", DAY),
        footage=footage_for(task_id, clip=options.get("clip"), size=options.get("size")),
        answers=Script(options.get("answers", ()), answers.check),
        video=Script(options.get("video", "fine"), video_behaviours.check),
        content=Script(options.get("content", ()), check_content),
        last_frame=Script(options.get("last_frame", ()), check_last_frame),
    )
