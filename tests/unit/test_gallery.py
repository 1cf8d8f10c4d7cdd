"""The gallery as text: what it says, that nothing in it is taken for markup, and what it gives links to."""

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gallery import LINK_SECONDS, entry, signer, write_private
from infra.gallery_page import About, Entry, page
from infra.target import Target
from tests.unit.conftest import NOW

ABOUT = About("prod", "Stack prod on AWS, region eu-central-1", NOW, NOW + LINK_SECONDS, total=1)
STORED: dict[str, Any] = {
    "task_id": "task_a",
    "status": "SUCCESS",
    "created_at": NOW - 3700,
    "ended_at": NOW - 3600,
    "s3_uri": "s3://videos/a/b.mp4",
    "size": Decimal(4_200_000),
    "result": {"usage": {"total_tokens": Decimal(108900)}, "last_frame": "s3://videos/a/b.last.png", "duration": "5"},
    "metadata": {"project": "trailer", "take": Decimal(3)},
}


class Seen(HTMLParser):
    """Which elements with which attributes, and which text a browser finds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def sign(key: str) -> str:
    return f"https://videos.s3.amazonaws.com/{key}?X-Amz-Expires=3600&X-Amz-Signature=a"


def page_of(*items: dict[str, Any], about: About = ABOUT) -> str:
    return page([entry(item, "videos", sign) for item in items], about)


def test_a_card_tells_all_of_a_video() -> None:
    seen = Seen(page_of(STORED))
    told = ("SUCCESS", "task_a", "4.2 MB", "1 h 01 ago", "took 1:40", "108,900", "5 s", "a/b.mp4", "trailer", "3")
    assert [word for word in told if word not in seen.text] == []
    assert ("src", sign("a/b.mp4")) in seen.attributes
    assert ("data-poster", sign("a/b.last.png")) in seen.attributes


def test_it_says_why_there_is_no_video() -> None:
    error = {"code": "content", "message": "refused"}
    seen = Seen(page_of({"task_id": "task_b", "status": "FAILED", "ended_at": NOW, "error": error}))
    assert "content: refused" in seen.text
    assert "video" not in seen.tags


def test_a_pending_task_shows_its_progress() -> None:
    waiting = {"task_id": "task_c", "status": "IN_PROGRESS", "progress": Decimal(45), "pending_since": NOW - 60}
    assert ("value", "45") in Seen(page_of(waiting)).attributes


def test_no_tasks_is_a_page_too() -> None:
    html = page_of()
    assert "There are no tasks" in Seen(html).text
    assert "media-src &#x27;none&#x27;" in html


def test_the_policy_allows_its_own_code_and_the_bucket_only() -> None:
    html = page_of(STORED)
    policy = dict(Seen(html).attributes)["content"] and re.search(r'Policy" content="([^"]*)"', html)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].replace("&#x27;", "'").split(";"))
    for element in ("style", "script"):
        found = re.search(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        assert found
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert rules[f"{element}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["media-src"] == rules["img-src"] == "https://videos.s3.amazonaws.com"
    assert not [name for name, _ in Seen(html).attributes if name.startswith("on") or name == "style"]


@given(st.text(), st.text())
def test_no_word_becomes_markup(word: str, other: str) -> None:
    item = {
        **STORED,
        "task_id": word,
        "status": other,
        "model": word,
        "s3_uri": f"s3://videos/{other}",
        "error": {"code": word, "message": other},
        "metadata": {word: other},
        "result": {"resolution": word, "seed": other, "last_frame": f"s3://videos/{word}"},
    }
    plain = Seen(page([Entry({**STORED, "error": {"code": "a", "message": "b"}}, "https://a/b", "https://a/c")], ABOUT))
    seen = Seen(page([Entry(item, f"https://a/{word}", f"https://a/{other}")], ABOUT))
    allowed = {*plain.tags, "progress"}
    assert set(seen.tags) <= allowed
    assert {name for name, _ in seen.attributes} <= {name for name, _ in plain.attributes} | {"max", "value"}


def test_a_template_in_a_word_stays_a_word() -> None:
    assert "$script ${policy} $$" in Seen(page_of({**STORED, "metadata": {"note": "$script ${policy} $$"}})).text


@pytest.mark.parametrize("uri", ["s3://salaries/2026.csv", "s3://videos-of-others/a.mp4", "s3://videos/", "", None, 5])
def test_nothing_outside_the_bucket_is_signed_for(uri: object) -> None:
    item = {**STORED, "s3_uri": uri, "result": {"last_frame": uri}}
    assert entry(item, "videos", sign) == Entry(item)


def test_a_task_that_is_asked_for_again_has_no_video() -> None:
    item = {**STORED, "status": "RETRY"}
    assert entry(item, "videos", sign) == Entry(item)


def test_links_lead_to_the_region_of_the_bucket_and_end_after_an_hour() -> None:
    session = boto3.Session("AKIA", "secret", region_name="eu-south-2")
    url = signer(Target(session, None, {"VideosBucketName": "videos"}))("a b/ä.mp4")
    assert url.startswith(
        "https://videos.s3.eu-south-2.amazonaws.com/a%20b/%C3%A4.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    )
    assert "X-Amz-Expires=3600" in url


def test_it_says_when_older_tasks_are_left_out() -> None:
    many = About("prod", "Stack prod", NOW, NOW + LINK_SECONDS, total=12_345)
    assert "1 of 12,345 tasks, the newest" in Seen(page_of(STORED, about=many)).text


@pytest.fixture
def open_house() -> Iterator[None]:
    """A machine on which everybody may read and write every new file, unless its maker says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("open_house")
def test_a_page_is_whole_and_private_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "gallery.html"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    assert {rights(file) for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.usefixtures("open_house")
@pytest.mark.parametrize("is_link", [False, True])
def test_what_others_left_where_a_page_is_written_is_not_used(is_link: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    path, other = tmp_path / "gallery.html", tmp_path / "other"
    other.write_text("theirs")
    left = tmp_path / "gallery.html.part"
    if is_link:
        left.symlink_to(other)
    else:
        left.write_text("theirs")
    write_private(path, "new")
    assert (path.read_text(), rights(path), path.is_symlink()) == ("new", 0o600, False)
    assert other.read_text() == "theirs"
