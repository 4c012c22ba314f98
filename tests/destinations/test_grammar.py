"""Where an image is to go."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.destinations.grammar import targets
from flakeship.destinations.kind import Target
from flakeship.destinations.oci_layout import Layout
from flakeship.destinations.registry import Repository
from flakeship.errors import UsageError

CWD = Path("/somewhere")


def found(*to: str, references: tuple[str, ...] = ()) -> tuple[Target, ...]:
    return targets(to=to, references=references, cwd=CWD)


def test_a_layout_by_default() -> None:
    assert found() == (Layout(CWD / "flakeship-image", ""),)


def test_a_repository_once_with_all_of_its_tags() -> None:
    assert found(
        "docker://ghcr.io/o/n:3", "oci:out:x",
        references=("ghcr.io/o/n:1", "ghcr.io/o/n:2", "ghcr.io/o/n:1", "localhost:5000/o/n"),
    ) == (
        Repository("ghcr.io", "o/n", ("1", "2", "3")),
        Repository("localhost:5000", "o/n", ("latest",)),
        Layout(CWD / "out", "x"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("oci:out", Layout(CWD / "out", "")),
        ("oci:/out:1.0", Layout(Path("/out"), "1.0")),
        ("oci:out:ghcr.io/o/n:1", Layout(CWD / "out", "ghcr.io/o/n:1")),
    ],
)
def test_layouts(text: str, layout: Layout) -> None:
    assert found(text, text) == (layout,)


def test_what_names_an_image_in_a_layout() -> None:
    references = ("localhost:5000/o/n:1.0", "localhost:5000/o/n:latest")
    assert found("oci:out", references=references)[-1] == Layout(CWD / "out", "1.0")
    assert found("oci:out", references=("localhost:5000/o/n",))[-1] == Layout(CWD / "out", "latest")
    assert found("oci:out:own", references=references)[-1] == Layout(CWD / "out", "own")
    assert targets(to=("oci:out",), references=references, cwd=CWD, tag="web")[-1] == Layout(
        CWD / "out", "web"
    )
    assert targets(to=(), references=(), cwd=CWD, tag="web") == (Layout(CWD / "flakeship-image", "web"),)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("ghcr.io/o/n:1", "is not a destination that flakeship knows", "docker://REFERENCE"),
        ("./x.tar", "is not a destination that flakeship knows", "docker-archive:./x.tar for `docker load`"),
        ("s3://bucket", "is not a destination that flakeship knows", "oci:DIR"),
        ("docker:ghcr.io/o/n", "lacks the two slashes behind `docker:`", "write `docker://ghcr.io/o/n"),
        ("oci:", "names no folder", "oci:DIR:TAG"),
        ("oci::tag", "names no folder", "oci:DIR:TAG"),
        ("oci:a\nb", "holds a line break or a NUL", "oci:DIR"),
        ("oci:a:b c", "can't name an image of a layout", "letters, digits"),
        ("oci:a:-b", "can't name an image of a layout", "letters, digits"),
        ("docker://ghcr.io/o/n@sha256:" + "a" * 64, "names a digest", "a tag in place of the digest"),
    ],
)
def test_refused(text: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(text)
    assert words in caught.value.message
    assert hint in caught.value.hint
