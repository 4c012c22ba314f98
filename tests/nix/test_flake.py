"""The source of a flake, from the real Nix and from the JSON of other versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.flake import FlakeMetadata, flake_metadata, read_metadata
from flakeship.nix.installable import Installable
from tests.nix.samples import METADATA, REVISION
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

COMMITTED = 1767323045  # GIT_COMMITTER_DATE of the testbed


def metadata_of(nix: Nix, folder: Path, text: str = ".") -> FlakeMetadata:
    return flake_metadata(nix, Installable.parse(text, cwd=folder))


def test_a_committed_source_has_a_revision_and_a_time(
    nix: Nix, make_flake: MakeFlake, git: Callable[..., str]
) -> None:
    folder = make_flake()
    told = metadata_of(nix, folder)
    assert told.revision == git(folder, "rev-parse", "HEAD").strip()
    assert (told.last_modified, told.dirty) == (COMMITTED, False)
    assert told.url.startswith(f"git+file://{folder}?")


@pytest.mark.slow
def test_a_dirty_source_has_no_revision_but_the_time_of_its_commit(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake()
    (folder / "salt").write_text("changed")
    assert metadata_of(nix, folder) == FlakeMetadata(f"git+file://{folder}", None, COMMITTED, dirty=True)


@pytest.mark.slow
def test_a_source_outside_git_has_no_time(nix: Nix, make_flake: MakeFlake) -> None:
    told = metadata_of(nix, make_flake(), "path:.")
    assert (told.revision, told.last_modified, told.dirty) == (None, None, False)


def test_a_broken_flake_is_a_build_error(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = ")
    with pytest.raises(BuildError, match=r"can't be built: .*syntax error") as caught:
        metadata_of(nix, tmp_path, "path:.")
    assert "flake.nix" in caught.value.detail


@pytest.mark.parametrize("version", METADATA)
def test_the_json_of_each_version_is_read(version: str) -> None:
    told = read_metadata(METADATA[version])
    assert (told.revision, told.last_modified, told.dirty) == (REVISION, 1795227135, False)
    assert told.url == METADATA[version]["url"]


def test_the_revision_of_a_forge_is_read_from_the_lock() -> None:
    locked = {"type": "github", "rev": REVISION, "lastModified": 5}
    assert read_metadata({"locked": locked, "url": "github:o/r"}) == FlakeMetadata(
        "github:o/r", REVISION, 5, dirty=False
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("git+https://me:hunter2@git.example/r?ref=x", "git+https://git.example/r?ref=x"),
        ("git+https://hunter2@git.example/r", "git+https://git.example/r"),
        ("git+https://me:hunt@er2@git.example/r", "git+https://git.example/r"),
        ("HTTPS://hunter2@git.example/r", "HTTPS://git.example/r"),
        ("git+ssh://git@git.example/r", "git+ssh://git@git.example/r"),
        ("git+ssh://git:hunter2@git.example/r", "git+ssh://git@git.example/r"),
        ("github:o/r/abc", "github:o/r/abc"),
        ("github:o/r/abc?dir=a&host=git.example", "github:o/r/abc?dir=a&host=git.example"),
        (
            "git+https://git.example/r?rev=ab&access_token=hunter2",
            "git+https://git.example/r?rev=ab&access_token=***",
        ),
        (
            "https://git.example/r.tar.gz?token=hunter2&narHash=sha256-A%3D",
            "https://git.example/r.tar.gz?token=***&narHash=sha256-A%3D",
        ),
        (
            "https://git.example/r.tar.gz?X-Amz-Signature=hunter2#x",
            "https://git.example/r.tar.gz?X-Amz-Signature=***#x",
        ),
    ],
)
def test_the_url_holds_no_password(url: str, shown: str) -> None:
    assert read_metadata({"url": url, "locked": {}}).url == shown
