"""One platform over a tag that holds another of the same revision: refused, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.commands.publish.last_writer import check_last_writer
from flakeship.errors import RejectedError
from flakeship.image.model import Packed, Platform

REVISION = "org.opencontainers.image.revision"


def packed(architecture: str, revision: str, variant: str = "") -> Packed:
    image: Any = SimpleNamespace(
        config={"config": {"Labels": {REVISION: revision}}},
        annotations={},
        platform=Platform("linux", architecture, variant),
    )
    made: Any = SimpleNamespace(image=image)
    return made  # type: ignore[no-any-return]


def held(architecture: str, revision: str, *, tag: str = "ghcr.io/o/n:1", by: str = "label") -> Any:
    labels = {REVISION: revision} if by == "label" else {}
    return SimpleNamespace(
        reference=tag,
        config={"config": {"Labels": labels or None}},
        annotations={REVISION: revision} if by == "annotation" else {},
        platform=Platform("linux", architecture),
    )


@pytest.mark.parametrize("by", ["label", "annotation"])
@pytest.mark.parametrize("name", ["ghcr.io/o/n:1", "docker.io/n:1", "n", "ghcr.io/o/n"])
def test_another_platform_of_the_revision_is_kept(name: str, by: str) -> None:
    full = {"docker.io/n:1": "docker.io/library/n:1", "n": "docker.io/library/n:latest"}.get(name, name)
    full += ":latest" if name == "ghcr.io/o/n" else ""
    existing = [held("arm64", "abc", tag=full, by=by), held("amd64", "abc", tag=full, by=by)]
    with pytest.raises(RejectedError, match="holds linux/arm64 of the revision abc") as caught:
        check_last_writer(packed("amd64", "abc"), [name], existing)
    assert "`platforms: linux/amd64,linux/arm64`" in caught.value.hint
    assert "push-by-digest" in caught.value.hint


@pytest.mark.parametrize(
    "existing",
    [
        [],
        [held("arm64", "older")],
        [held("amd64", "abc")],
        [held("arm64", "abc", tag="ghcr.io/o/n:2")],
        [held("arm64", "abc", tag="")],
        [held("arm64", "")],
    ],
    ids=["nothing", "another revision", "the same platform", "another tag", "no name", "no revision"],
)
def test_all_else_may_be_replaced(existing: list[Any]) -> None:
    check_last_writer(packed("amd64", "abc"), ["ghcr.io/o/n:1"], existing)


def test_two_names_of_one_platform_are_one() -> None:
    check_last_writer(packed("arm64", "abc", "v8"), ["ghcr.io/o/n:1"], [held("aarch64", "abc")])


def test_without_a_revision_nothing_is_told() -> None:
    check_last_writer(packed("amd64", ""), ["ghcr.io/o/n:1"], [held("arm64", "")])
