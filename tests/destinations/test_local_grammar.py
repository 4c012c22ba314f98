"""Destinations of this machine, as they are written and as they are understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.destinations.archive import Archive
from flakeship.destinations.docker_daemon import DockerImages
from flakeship.destinations.engine_target import EngineTarget
from flakeship.destinations.grammar import targets
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.kind import Target
from flakeship.destinations.podman import PodmanImages
from flakeship.destinations.registry import Repository
from flakeship.errors import UsageError

CWD = Path("/somewhere")
REFERENCES = ("ghcr.io/o/n:1", "ghcr.io/o/n:2")


def found(*to: str, references: tuple[str, ...] = (), load: str = "") -> list[Target]:
    made = targets(to=to, references=references, cwd=CWD, load=load)
    return [target for target in made if not isinstance(target, Repository)]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("docker-daemon:app", DockerImages((ImageName("app:latest", "docker.io/library/app:latest"),))),
        ("docker-daemon:", DockerImages(())),
        ("containers-storage:localhost/app:1", PodmanImages((ImageName.of("localhost/app:1"),))),
        ("docker-archive:x/y.tar", Archive(CWD / "x/y.tar", "docker-archive", ())),
        (
            "docker-archive:/y.tar:app:1",
            Archive(Path("/y.tar"), "docker-archive", (ImageName("app:1", "docker.io/library/app:1"),)),
        ),
        ("oci-archive:y.tar", Archive(CWD / "y.tar", "oci-archive", ())),
        ("oci-archive:y.tar:v1", Archive(CWD / "y.tar", "oci-archive", (ImageName.of("v1"),))),
        ("-", Archive(None, "docker-archive", ())),
    ],
)
def test_destinations_of_this_machine(text: str, target: Target) -> None:
    assert found(text, text) == [target]


@pytest.mark.parametrize("text", ["docker-daemon:", "containers-storage:", "docker-archive:x.tar", "-"])
def test_without_a_name_of_its_own_a_destination_takes_those_of_the_tags(text: str) -> None:
    (target,) = found(text, references=REFERENCES)
    assert isinstance(target, Archive | EngineTarget)
    assert tuple(name.text for name in target.names) == REFERENCES


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
    assert isinstance(target, EngineTarget)
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
    assert found(load="docker") == [DockerImages(())]
    assert found(load="podman", references=REFERENCES) == [PodmanImages(tuple(map(ImageName.of, REFERENCES)))]
    assert found("docker-daemon:", load="docker") == [DockerImages(())]


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("docker-archive:", "names no file", "docker-archive:FILE"),
        ("oci-archive:a\nb", "names no file", "oci-archive:FILE"),
        ("oci-archive:x.tar:a b", "can't name an image of a layout", "letters, digits"),
        ("docker-daemon:App", "must be lower case", "write app"),
        ("docker-daemon:app@sha256:" + "a" * 64, "names a digest", "a tag in place of the digest"),
        ("docker-archive:x.tar:a b", "is not an image reference", "ghcr.io"),
        ("--", "is not a destination", "docker-daemon:[REFERENCE]"),
    ],
)
def test_refused(text: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(text)
    assert words in caught.value.message
    assert hint in caught.value.hint
