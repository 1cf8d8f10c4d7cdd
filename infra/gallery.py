"""`make gallery`: one page with all videos of a stack, to be opened in a browser, without a server."""

import argparse
import heapq
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from botocore.config import Config

from infra.command import counted, remark, run, say, say_json
from infra.gallery_page import About, Entry, page
from infra.local.ministack import ROOT
from infra.states import states_of
from infra.store import TaskStore
from infra.target import Target
from infra.task_view import TaskRow

LINK_SECONDS = 3600
MOST = 1000
"""Cards that a browser still shows at once."""

type Sign = Callable[[str], str]


def main() -> int:
    """Write the page and say where it is; returns the exit status."""
    options = _options()
    states = states_of(options.status)
    target = Target.announced(options.stack)
    store = TaskStore(target.dynamodb, target.outputs["TasksTableName"])
    total = 0

    def chosen() -> Iterator[tuple[int, str, Mapping[str, Any]]]:
        nonlocal total
        for item in store.all():
            row = TaskRow.from_item(item)
            if not states or row.stage in states:
                total += 1
                yield row.since or 0, row.task_id, item

    newest = [item for _, _, item in heapq.nlargest(MOST, chosen(), key=lambda found: found[:2])]
    now = time.time()
    sign, bucket = signer(target), target.outputs["VideosBucketName"]
    about = About(target.name, target.title, now, now + LINK_SECONDS, total)
    path = options.to or ROOT / ".local" / f"gallery-{target.name}.html"
    write_private(path, page([entry(item, bucket, sign) for item in newest], about))
    if options.json:
        said = {"file": str(path), "tasks": total, "shown": len(newest), "links_end_at": int(about.ends)}
        say_json({"stack": target.name, **said})
    else:
        say(f"file://{quote(str(path.absolute()))}")
        if len(newest) < total:
            remark(f"It shows the newest {MOST:,} of {counted(total, 'task')}; STATUS=failed,copying makes it fewer.")
        ends = time.strftime("%H:%M", time.localtime(about.ends))
        remark(
            f"{counted(len(newest), 'card')}. The links in it are credentials: do not pass it on. They end at {ends}."
        )
    return 0


def entry(item: Mapping[str, Any], bucket: str, sign: Sign) -> Entry:
    """Return a task with signed URLs of what it has in `bucket`; whatever else its item names is not signed for."""
    result = item.get("result")
    last_frame = result.get("last_frame") if isinstance(result, Mapping) else None
    video, frame = (_key_in(bucket, uri) for uri in (item.get("s3_uri"), last_frame))
    is_stored = TaskRow.from_item(item).outcome == "stored"
    return Entry(item, sign(video) if video and is_stored else None, sign(frame) if frame and is_stored else None)


def signer(target: Target) -> Sign:
    """Return what makes a URL, good for LINK_SECONDS, of a key in the stack's bucket; nothing is asked of S3."""
    # Only this way of signing works in every region, and only at the region's own host no redirect follows.
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if target.endpoint_url else "virtual"})
    s3 = target.session.client("s3", endpoint_url=target.endpoint_url, config=config)
    bucket = target.outputs["VideosBucketName"]
    url_of = partial(s3.generate_presigned_url, "get_object", ExpiresIn=LINK_SECONDS)
    return lambda key: str(url_of(Params={"Bucket": bucket, "Key": key}))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else on this machine can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)


def _key_in(bucket: str, uri: object) -> str:
    prefix = f"s3://{bucket}/"
    return uri.removeprefix(prefix) if isinstance(uri, str) and uri.startswith(prefix) else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.gallery", description=__doc__)
    parser.add_argument("--stack", help="a stack by its name; default: the local one where it is up, else AWS's")
    parser.add_argument("--status", default="", help="only these, such as success or failed,copying")
    parser.add_argument("--to", type=Path, help="the file; default: .local/gallery-{stack}.html")
    parser.add_argument("--json", action="store_true", help="say where it is for scripts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
