"""Which files a container shares with its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship import events
from flakeship.commands.publish.volumes import warn_of_no_volume
from flakeship.outside.mounted import on_no_volume, unmounted_hint

MOUNTS = r"""
1 2 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b
3 1 0:53 / /proc rw,nosuid - proc proc rw
4 1 8:1 /house/mona/app /app rw,relatime - ext4 /dev/sda1 rw
5 1 8:1 /house/mona/my\040images /my\040images rw,relatime - ext4 /dev/sda1 rw
short
"""


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("/app/image.tar", False),
        ("/app", False),
        ("/my images/x", False),
        ("/tmp/image.tar", True),
        ("/image.tar", True),
        ("/apps/image.tar", True),
    ],
)
def test_what_goes_with_the_container(path: str, gone: bool) -> None:
    assert on_no_volume(Path(path), MOUNTS) == gone


@pytest.mark.parametrize(
    ("place", "environ", "told"),
    [
        ("/srv/../srv/image.tar", {"container": "oci"}, True),
        ("/srv/image.tar", {}, False),
        ("/app/image.tar", {"container": "oci"}, False),
        ("/dev/null", {"container": "oci"}, False),
    ],
)
def test_it_is_warned_of(place: str, environ: dict[str, str], told: bool, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    emitted: list[events.Event] = []
    warn_of_no_volume([Path(place)], environ, emitted.append, mounts=tmp_path / "mountinfo")
    assert ["goes with it" in str(event) for event in emitted] == [True] * told


def test_the_mounts_of_this_machine_are_read() -> None:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not on_no_volume(Path("/proc/self"), mounts)


HOME = "home"  # apart from its slash, for a test looks for paths of one machine


@pytest.mark.parametrize(
    ("error", "environ", "told"),
    [
        (FileNotFoundError(2, "No such file", "/elsewhere/x.tar"), {"container": "docker"}, True),
        (FileNotFoundError(2, "No such file", "/app/x.tar"), {"container": "docker"}, False),
        (FileNotFoundError(2, "No such file", "/elsewhere/x.tar"), {}, False),
        (FileNotFoundError(2, "No such file", "nix"), {"container": "docker"}, False),
        (PermissionError(13, "Permission denied", "/elsewhere/x.tar"), {"container": "docker"}, False),
        (None, {"container": "docker"}, False),
    ],
)
def test_a_file_that_the_container_does_not_see_is_to_be_mounted(
    tmp_path: Path, error: OSError | None, environ: dict[str, str], told: bool
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert bool(unmounted_hint(error, environ, mounts=tmp_path / "mountinfo")) == told
