"""One platform over a tag that holds another of the same revision is refused; any other platform that a tag loses is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flakeship import events
from flakeship.commands.platforms import platform_of
from flakeship.commands.publish.last_writer import check_last_writer, warn_of_lost
from flakeship.errors import RejectedError
from flakeship.image.model import Image, Platform

REVISION = "org.opencontainers.image.revision"


def image(architecture: str, revision: str, variant: str = "") -> Image:
    return Image(
        {"config": {"Labels": {REVISION: revision}}}, Platform("linux", architecture, variant), (), ()
    )


def held(architecture: str, revision: str, *, tag: str = "ghcr.io/o/n:1", by: str = "label") -> Any:
    labels = {REVISION: revision} if by == "label" else {}
    platform = (
        Platform("unknown", "unknown") if architecture == "unknown" else Platform("linux", architecture)
    )
    return SimpleNamespace(
        reference=tag,
        config={"config": {"Labels": labels or None}},
        annotations={REVISION: revision} if by == "annotation" else {},
        platform=platform,
    )


@pytest.mark.parametrize("by", ["label", "annotation"])
@pytest.mark.parametrize("name", ["ghcr.io/o/n:1", "docker.io/n:1", "n", "ghcr.io/o/n"])
def test_another_platform_of_the_revision_is_kept(name: str, by: str) -> None:
    full = {"docker.io/n:1": "docker.io/library/n:1", "n": "docker.io/library/n:latest"}.get(name, name)
    full += ":latest" if name == "ghcr.io/o/n" else ""
    existing = [held("arm64", "abc", tag=full, by=by), held("amd64", "abc", tag=full, by=by)]
    with pytest.raises(RejectedError, match="holds linux/arm64 of the revision abc") as caught:
        check_last_writer(image("amd64", "abc"), [name], existing)
    assert "`platforms: linux/amd64,linux/arm64`" in caught.value.hint
    assert "push-by-digest" in caught.value.hint


@pytest.mark.parametrize(
    "existing",
    [
        [],
        [held("arm64", "older")],
        [held("amd64", "abc")],
        [held("unknown", "abc"), held("amd64", "abc")],
        [held("arm64", "abc", tag="ghcr.io/o/n:2")],
        [held("arm64", "abc", tag="")],
        [held("arm64", "")],
    ],
    ids=["nothing", "another revision", "same platform", "artifact", "another tag", "no name", "no revision"],
)
def test_all_else_may_be_replaced(existing: list[Any]) -> None:
    check_last_writer(image("amd64", "abc"), ["ghcr.io/o/n:1"], existing)


def test_two_names_of_one_platform_are_one() -> None:
    check_last_writer(image("arm64", "abc", "v8"), ["ghcr.io/o/n:1"], [held("aarch64", "abc")])


def test_without_a_revision_nothing_is_refused() -> None:
    check_last_writer(image("amd64", ""), ["ghcr.io/o/n:1"], [held("arm64", "")])


@pytest.mark.parametrize(
    ("platforms", "held_there", "lost"),
    [
        (("linux/amd64",), ("arm64", "amd64"), "linux/arm64"),
        (("linux/amd64",), ("arm64", "arm", "arm64"), "linux/arm64, linux/arm/v7"),
        (("linux/amd64", "linux/arm64"), ("arm64", "amd64", "s390x"), "linux/s390x"),
        (("linux/amd64", "linux/arm64"), ("aarch64", "x86_64"), ""),
        (("linux/amd64", "linux/arm64"), ("amd64",), ""),
        (("linux/amd64",), ("unknown", "amd64"), ""),
    ],
)
def test_a_platform_that_a_tag_loses_is_told(
    platforms: tuple[str, ...], held_there: tuple[str, ...], lost: str
) -> None:
    told: list[Any] = []
    existing = [held(each, "older") for each in held_there]
    warn_of_lost([*map(platform_of, platforms)], ["ghcr.io/o/n:1", "ghcr.io/o/n:2"], existing, told.append)
    assert [type(each) for each in told] == [events.Warned] * bool(lost)
    for warned in told:
        assert warned.text.startswith(f"ghcr.io/o/n:1 loses {lost}: ")
        assert "`platforms`" in warned.hint
