"""streamLayeredImage scripts: run once, read forward, and the ways in which they fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flakeship.errors import NotAnImageError, UsageError
from flakeship.events import BuildLog, Event
from flakeship.image.model import Platform
from tests.image.making import check, files, made, settled
from tests.testbed.archive_shapes import SHAPES, archive
from tests.testbed.archives import layer_tar

pytestmark = pytest.mark.slow  # they start programs

SMALL = archive((layer_tar({"etc/a": b"x" * 600}),))


def script(folder: Path, body: str, *, interpreter: str = "/bin/sh", data: bytes = SMALL) -> Path:
    (folder / "data").write_bytes(data)
    path = folder / "stream"
    path.write_text(f"#! {interpreter}\n{body}\n")
    path.chmod(0o755)
    return path


def refused(folder: Path, body: str, *, interpreter: str = "/bin/sh") -> NotAnImageError:
    open_files = files()
    with pytest.raises(NotAnImageError) as caught:
        made(
            script(folder, body, interpreter=interpreter),
            folder / "out",
            environ={"PATH": os.environ["PATH"]},
        )
    error = caught.value
    error.__traceback__ = error.__cause__ = error.__context__ = None
    del caught
    assert settled(open_files)
    return error


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_image_as_from_the_archive(tmp_path: Path, shape: str) -> None:
    data = SHAPES[shape]()
    (tmp_path / "archive").write_bytes(data)
    path = script(tmp_path, f"cat {tmp_path}/data", data=data)
    streamed = made(path, tmp_path / "out", environ={"PATH": os.environ["PATH"]})
    check(streamed)
    assert streamed.descriptor == made(tmp_path / "archive", tmp_path / "other").descriptor


def test_it_is_run_once_and_heard(tmp_path: Path) -> None:
    heard: list[Event] = []
    path = script(tmp_path, f"echo run >>{tmp_path}/runs; echo 'Creating layer 1' >&2; cat {tmp_path}/data")
    made(path, tmp_path / "out", environ={"PATH": os.environ["PATH"]}, emit=heard.append)
    assert (tmp_path / "runs").read_text() == "run\n"
    assert BuildLog("Creating layer 1") in heard


def test_it_gets_what_the_job_knows_and_what_is_passed_on(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    path = script(folder, 'cat "$CI_PROJECT_DIR/$MINE"')
    environ = {"PATH": os.environ["PATH"], "CI_PROJECT_DIR": str(folder), "MINE": "data"}
    check(made(path, tmp_path / "out", environ=environ, pass_env=("MINE",)))
    with pytest.raises(NotAnImageError) as caught:
        made(path, tmp_path / "other", environ=environ)
    assert "`pass-env`" in caught.value.hint


def test_secrets_stay_here(tmp_path: Path) -> None:
    path = script(tmp_path, f"env >{tmp_path}/env; cat {tmp_path}/data")
    secret = dict.fromkeys(("FLAKESHIP_PASSWORD", "GITHUB_TOKEN", "PLAIN_NAME"), "canary")
    useful = {"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///here", "no_proxy": "here"}
    made(path, tmp_path / "out", environ={**secret, **useful, "HTTPS_PROXY": "http://me:canary@proxy"})
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    added = {"PYTHONUTF8", "PWD", "OLDPWD", "SHLVL", "_"}  # by us, and by a shell
    assert {name: value for name, value in seen.items() if name not in added} == useful


@pytest.mark.parametrize("length", [0, 100, 512, 1000, len(SMALL) - 2000])
def test_it_fails_half_way(tmp_path: Path, length: int) -> None:
    error = refused(tmp_path, f"head -c {length} {tmp_path}/data; echo 'no such layer' >&2; exit 3")
    assert "stream failed with exit code 3 while it wrote the image" in error.message
    assert "no such layer" in error.detail
    assert "run it by hand" in error.hint


def test_it_fails_after_all_was_written(tmp_path: Path) -> None:
    error = refused(tmp_path, f"cat {tmp_path}/data; echo late >&2; exit 7")
    assert "exit code 7" in error.message
    assert error.detail == "late"


def test_it_succeeds_and_its_output_is_cut_off(tmp_path: Path) -> None:
    error = refused(tmp_path, f"head -c 1000 {tmp_path}/data")
    assert "is a damaged archive: it ends" in error.message
    assert f"the output of {tmp_path}" in error.message


def test_it_is_killed(tmp_path: Path) -> None:
    assert "was killed by signal 9" in refused(tmp_path, f"head -c 700 {tmp_path}/data; kill -9 $$").message


def test_it_prints_garbage(tmp_path: Path) -> None:
    error = refused(tmp_path, "yes garbage | head -c 100000")
    assert "damaged archive: the header before byte 512" in error.message


@pytest.mark.parametrize("interpreter", ["/nowhere/bin/bash -e", "/etc/hostname"])
def test_its_interpreter_is_missing(tmp_path: Path, interpreter: str) -> None:
    error = refused(tmp_path, "true", interpreter=interpreter)
    assert "the script's interpreter is missing, or made for another system" in error.message
    assert "dockerTools.buildLayeredImage" in error.hint


@pytest.mark.parametrize("noise", ["yes 'Adding layer'", "tr '\\0' x </dev/zero"])
def test_it_says_a_hundred_megabytes(tmp_path: Path, noise: str) -> None:
    heard = 0

    def hear(event: Event) -> None:
        nonlocal heard
        heard += len(event.line) if isinstance(event, BuildLog) else 0

    path = script(tmp_path, f"{noise} | head -c 100000000 >&2; cat {tmp_path}/data")
    made(path, tmp_path / "out", environ={"PATH": os.environ["PATH"]}, emit=hear)
    assert 90_000_000 < heard <= 100_000_000


def test_it_is_ended_with_the_block(tmp_path: Path) -> None:
    """One that hangs with a broken archive behind it leaves no process."""
    body = "head -c 512 /dev/zero | tr '\\0' x; exec sleep 0.30711"
    assert "damaged archive" in refused(tmp_path, body).message
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"0.30711" in path.read_bytes()]


def test_the_platform_of_what_a_script_prints_is_checked_at_its_end(tmp_path: Path) -> None:
    path = script(tmp_path, f"cat {tmp_path}/data")
    environ = {"PATH": os.environ["PATH"]}
    with pytest.raises(UsageError, match="is an image for linux/amd64 alone"):
        made(path, tmp_path / "out", environ=environ, platforms=(Platform("linux", "arm64"),))
    check(made(path, tmp_path / "out", environ=environ, platforms=(Platform("linux", "amd64"),)))
