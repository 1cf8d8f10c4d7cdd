"""The gallery as one page of HTML: every word in it is escaped, and its policy lets nothing else run or load."""

import base64
import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

from rich.filesize import decimal

from infra.command import counted, plain, printable
from infra.states import STATES
from infra.task_view import TaskRow, duration

_FOLDER = Path(__file__).parent
_CLASSES = {"stored": "stored", "pending": "pending", "ended without a video": "ended"}
_FACTS = ("duration", "resolution", "ratio", "framespersecond", "fps", "seed")
_UNITS = {"duration": "s"}
_ORDER = list(STATES)
_CODE = re.compile("`([^`]*)`")


@dataclass(frozen=True)
class Entry:
    """One task of the gallery; its URLs are signed, None where there is nothing to see."""

    item: Mapping[str, Any]
    video: str | None = None
    last_frame: str | None = None


@dataclass(frozen=True)
class About:
    """What stands above the cards; times are epoch seconds."""

    stack: str
    place: str
    at: float
    ends: float
    """When the signed URLs end."""
    total: int
    """How many tasks there are, of which only the newest may be shown."""


def page(entries: Sequence[Entry], about: About) -> str:
    """Return the page, which needs nothing but the objects that its entries link to."""
    rows = [TaskRow.from_item(entry.item) for entry in entries]
    style, script = _part("gallery.css"), _part("gallery.js")
    said = f"{len(entries):,} of {counted(about.total, 'task')}, the newest" if len(entries) < about.total else ""
    return Template(_part("gallery.html")).substitute(
        policy=_safe(_policy(entries, style, script)),
        style=style,
        script=script,
        stack=_safe(about.stack),
        place=_safe(about.place),
        counts=said or counted(about.total, "task"),
        at=_clock(about.at),
        at_iso=_iso(about.at),
        ends=_clock(about.ends),
        ends_iso=_iso(about.ends),
        ends_epoch=int(about.ends),
        total=len(entries),
        filters="\n".join(_filters(rows)),
        cards="\n".join(_card(entry, row, about.at) for entry, row in zip(entries, rows, strict=True)),
        none=_with_code(
            "No task has all of this." if entries else "There are no tasks. `make feed FILE=…` inserts some."
        ),
        none_hidden=" hidden" if entries else "",
    )


def _policy(entries: Iterable[Entry], style: str, script: str) -> str:
    """Return what the page may do: its own style and script by their digests, and media of the bucket's own origin."""
    urls = {url for entry in entries for url in (entry.video, entry.last_frame) if url}
    origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls}) or ["'none'"]
    media = " ".join(origins)
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src {media}; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _filters(rows: Iterable[TaskRow]) -> Iterator[str]:
    counts = Counter(row.stage for row in rows)
    for stage in sorted(counts, key=lambda stage: (_ORDER.index(stage) if stage in _ORDER else len(_ORDER), stage)):
        yield (
            f'<button type="button" aria-pressed="false" data-status="{_safe(stage)}" title="{_title(stage)}">'
            f"{_safe(stage)} <b>{counts[stage]}</b></button>"
        )


def _card(entry: Entry, row: TaskRow, now: float) -> str:
    facts = dict(_facts(entry.item, row))
    error = f"{row.code}: {row.error}" if row.code and row.error else row.code or row.error
    # In lower case, so that the search need not care.
    words = " ".join([row.task_id, row.stage, error, *(f"{name} {value}" for name, value in facts.items())]).lower()
    listed = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(value)}</dd>" for name, value in facts.items())
    return (
        f'<article class="{_CLASSES[row.outcome]}" data-status="{_safe(row.stage)}" data-words="{_safe(words)}">'
        f'<div class="stage">{_stage(entry, row)}</div><div class="about"><div class="line">'
        f'<span class="status" title="{_title(row.stage)}">{_safe(row.stage)}</span>'
        f"{''.join(_line(row, now))}</div><h2>{_safe(row.task_id)}</h2>"
        f"{f'<p class="error">{_safe(error)}</p>' if error else ''}<dl>{listed}</dl>{_links(entry)}</div></article>"
    )


def _stage(entry: Entry, row: TaskRow) -> str:
    label = _safe(f"Video of {row.task_id}")
    if entry.video:
        poster = f' data-poster="{_safe(entry.last_frame)}"' if entry.last_frame else ""
        source = f'src="{_safe(entry.video)}"{poster}'
        return f'<video controls playsinline preload="none" {source} aria-label="{label}"></video>'
    if row.outcome == "pending":
        bar = f'<progress max="100" value="{row.progress}" aria-label="Progress of {_safe(row.task_id)}"></progress>'
        return f"<p>{row.progress} %</p>{bar}"
    if row.outcome == "stored":
        return "<p>It is in a bucket that is not this stack's, so there is no link to it.</p>"
    return f"<p>{_with_code(STATES.get(row.stage, 'There is no video.'))}</p>"


def _line(row: TaskRow, now: float) -> Iterator[str]:
    if row.size:
        yield f"<span>{decimal(row.size)}</span>"
    if row.since is not None:
        yield f'<time datetime="{_iso(row.since)}" title="{_clock(row.since)}">{duration(now - row.since)} ago</time>'
    if row.outcome == "pending":
        return
    if took := row.age(now):
        yield f"<span>took {took}</span>"


def _facts(item: Mapping[str, Any], row: TaskRow) -> Iterator[tuple[str, str]]:
    """Yield what is told of a task below its id, each with its name; its owner's own words come first."""
    metadata = item.get("metadata")
    for name, value in (metadata if isinstance(metadata, Mapping) else {}).items():
        yield printable(name), printable(plain(value))
    if row.tokens:
        yield "tokens", f"{row.tokens:,}"
    for name in _FACTS:
        value = row.result.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, f"{printable(value)} {_UNITS.get(name, '')}".rstrip()
    if model := item.get("model"):
        yield "model", printable(model)
    if key := row.s3_key or item.get("s3_key"):
        yield "key", printable(key)


def _links(entry: Entry) -> str:
    links = [("Open the video", entry.video), ("Last frame", entry.last_frame)]
    made = [f'<a href="{_safe(url)}" target="_blank" rel="noreferrer">{name}</a>' for name, url in links if url]
    return f'<p class="links">{"".join(made)}</p>' if made else ""


def _safe(text: object) -> str:
    return escape(printable(text), quote=True)


def _with_code(text: str) -> str:
    """Return a sentence of ours with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", _safe(text))


def _title(stage: str) -> str:
    return _safe(STATES.get(stage, "a word that this service does not know").replace("`", ""))


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(at))


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _part(name: str) -> str:
    return (_FOLDER / name).read_text()
