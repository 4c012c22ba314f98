"""`flakeship inspect` as a user runs it: one picture of an image, wherever it lies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.testbed import archives
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `flakeship ARGV` in tmp_path, without Nix or a user's configuration."""

    def flakeship(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flakeship", *argv],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return flakeship


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    archives.write_all(tmp_path / "archives")
    return tmp_path / "archives"


def seen(run: Run, *argv: str, stdin: str = "") -> dict[str, Any]:
    done = run("inspect", "--json", *argv, stdin=stdin)
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)
    return dict(image)


def test_the_same_image_looks_the_same_everywhere(run: Run, archive: Path, registry: Registry) -> None:
    name = f"{registry.host}/{registry.new_repository()}:1.0"
    plain = str(archive / "layered.tar")
    done = run(
        *("publish", "--source", plain, "--tags", name, "--labels", "team=north", "--annotations", "a=b"),
        *("--to", "oci:layout", "--to", "docker-archive:out/image.tar"),
    )
    assert done.returncode == 0, done.stderr
    images = [seen(run, place) for place in (name, f"docker://{name}", "oci:layout", "out/image.tar")]
    for image in images:
        assert image["platform"] == "linux/amd64"
        assert image["config"]["config"]["Labels"]["team"] == "north"
        assert [layer["diff_id"] for layer in image["layers"]] == [
            f"sha256:{digest}" for digest in archives.DIFF_IDS
        ]
        assert [layer["store_paths"] for layer in image["layers"]] == [
            [archives.STORE_BUSYBOX],
            [archives.STORE_HELLO],
            [],
        ]
        assert image["annotations"]["a"] == "b"
    published, _, layout, _ = images
    printed = [seen(run, place) for place in done.stdout.split()]
    assert [image["config"] for image in printed] == [published["config"]] * 3
    assert published["digest"] == registry.digest(name.partition("/")[2][:-4], "1.0")
    assert [layer["digest"] for layer in published["layers"]] == [
        layer["digest"] for layer in layout["layers"]
    ]
    assert seen(run, f"{name[:-4]}@{published['digest']}")["layers"] == published["layers"]


def test_nothing_but_documents_is_fetched_from_a_registry(
    run: Run, archive: Path, registry: Registry
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1.0"
    assert run("publish", "--source", str(archive / "layered.tar"), "--tags", name).returncode == 0
    before = len(registry.accesses(repository))
    seen(run, name)
    asked = [access.method for access in registry.accesses(repository)[before:]]
    assert asked == ["GET", "GET"]


@pytest.mark.parametrize("name", ["layered.tar", "layered.tar.gz", "docker-image-shapes.tar.gz"])
def test_an_archive_is_shown_to_people(run: Run, archive: Path, name: str) -> None:
    done = run("inspect", str(archive / name))
    assert done.returncode == 0, done.stderr
    assert "registry.example/shapes:1.0" in done.stdout
    assert 'Cmd       ["/bin/hello"]' in done.stdout
    assert "3 layers, 2.0 MB" in done.stdout
    if name.startswith("layered"):
        assert "busybox-1.35" in done.stdout
    assert not done.stderr


def test_credentials_are_used_as_for_a_push(run: Run, archive: Path, basic_registry: Registry) -> None:
    name = f"{basic_registry.host}/{basic_registry.new_repository()}:1"
    login = ("--username", USERNAME, "--password-stdin")
    pushed = run("publish", "--source", str(archive / "layered.tar"), "--tags", name, *login, stdin=PASSWORD)
    assert pushed.returncode == 0, pushed.stderr
    assert seen(run, name, *login, stdin=PASSWORD)["layers"]
    assert run("inspect", name).returncode == 5


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ((), 2, "nothing to look at"),
        (("./nowhere.tar",), 2, "nowhere.tar"),
        (("oci:nowhere",), 2, "nowhere"),
        (("Not/A Reference",), 2, "not an image reference"),
        (("docker-daemon:app:1",), 2, "docker save"),
        (("docker-archive:archives/layered.tar:other:1",), 2, "none of the images"),
        (("archives/layered.tar", "--platform", "linux/s390x"), 2, "linux/s390x"),
        (("archives/layered.tar", "--tags", "x"), 2, "--tags"),
        (("127.0.0.1:1/x/y:1",), 6, "127.0.0.1:1"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_what_cannot_be_looked_at(run: Run, argv: tuple[str, ...], code: int, words: str) -> None:
    done = run("inspect", *argv)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "  -> " in done.stderr
    assert not done.stdout


def test_a_tag_that_is_not_there(run: Run, registry: Registry) -> None:
    done = run("inspect", f"{registry.host}/{registry.new_repository()}:1")
    assert done.returncode == 2
    assert "there is no " in done.stderr
