"""Destinations of this machine, as they are written and as they are understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.destinations.archive.name import Name
from flakeship.destinations.grammar import Archive, Layout, Storage, Target, targets
from flakeship.errors import UsageError

CWD = Path("/somewhere")
REFERENCES = ("ghcr.io/o/n:1", "ghcr.io/o/n:2")


def found(*to: str, references: tuple[str, ...] = (), load: str = "") -> list[Target]:
    made = targets(to=to, references=references, cwd=CWD, load=load)
    return [target for target in made if isinstance(target, Archive | Storage | Layout)]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("docker-daemon:app", Storage("docker", (Name("app:latest"),))),
        ("docker-daemon:", Storage("docker", ())),
        ("containers-storage:localhost/app:1", Storage("podman", (Name("localhost/app:1"),))),
        ("docker-archive:x/y.tar", Archive(CWD / "x/y.tar", "docker-archive", ())),
        ("docker-archive:/y.tar:app:1", Archive(Path("/y.tar"), "docker-archive", (Name("app:1"),))),
        ("oci-archive:y.tar", Archive(CWD / "y.tar", "oci-archive", ())),
        ("oci-archive:y.tar:v1", Archive(CWD / "y.tar", "oci-archive", (Name("v1"),))),
        ("-", Archive(None, "docker-archive", ())),
    ],
)
def test_destinations_of_this_machine(text: str, target: Target) -> None:
    assert found(text, text) == [target]


@pytest.mark.parametrize("text", ["docker-daemon:", "containers-storage:", "docker-archive:x.tar", "-"])
def test_without_a_name_of_its_own_a_destination_takes_those_of_the_tags(text: str) -> None:
    (target,) = found(text, references=REFERENCES)
    assert isinstance(target, Archive | Storage)
    assert target.names == REFERENCES


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("app", "docker.io/library/app:latest"),
        ("me/app:1", "docker.io/me/app:1"),
        ("ghcr.io/a/b:2", "ghcr.io/a/b:2"),
    ],
)
def test_a_short_name_stands_for_a_full_one(text: str, full: str) -> None:
    (target,) = found(f"docker-daemon:{text}")
    assert isinstance(target, Storage)
    assert target.names[0].full == full
    assert target.names[0].tag == full.rpartition(":")[2]


@pytest.mark.parametrize(
    "twice",
    [
        ("docker-archive:x.tar:a:1", "docker-archive:x.tar:b:1"),
        ("oci-archive:x.tar", "docker-archive:./x.tar"),
    ],
)
def test_one_file_is_one_archive(twice: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"two destinations write /\w+/x\.tar") as caught:
        found(*twice)
    assert "a file for each" in caught.value.hint
    assert len(found("docker-archive:x.tar", "docker-archive:x.tar", "oci-archive:y.tar", "-", "-")) == 3


def test_load_is_a_short_word_and_no_default_is_added() -> None:
    assert found(load="docker") == [Storage("docker", ())]
    assert found(load="podman", references=REFERENCES) == [Storage("podman", tuple(map(Name, REFERENCES)))]
    assert found("docker-daemon:", load="docker") == [Storage("docker", ())]


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("docker-archive:", "names no file", "docker-archive:FILE"),
        ("oci-archive:a\nb", "names no file", "oci-archive:FILE"),
        ("oci-archive:x.tar:a b", "can't name an image of a layout", "letters, digits"),
        ("docker-daemon:App", "must be lower case", "Write app"),
        ("docker-daemon:app@sha256:" + "a" * 64, "names a digest", "name a tag"),
        ("docker-archive:x.tar:a b", "is not an image reference", "ghcr.io"),
        ("--", "is no destination", "docker-daemon:[REFERENCE]"),
    ],
)
def test_refused(text: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(text)
    assert words in caught.value.message
    assert hint in caught.value.hint
