"""What is to be published, where what was written is something else than it was taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship import events
from flakeship.commands.run import open_run
from flakeship.commands.subject import Subject, subject_of
from flakeship.errors import UsageError
from tests.runtimes import runtime
from tests.settings.making import settings_of

STORE_PATH = "/nix/store/" + "0" * 32 + "-image.tar.gz"


def found(folder: Path, **inputs: object) -> tuple[Subject, list[events.Event]]:
    at, told = runtime(folder)
    with open_run(settings_of(**inputs), at) as run:
        return subject_of(settings_of(**inputs), run), told


def refused(folder: Path, **inputs: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        found(folder, **inputs)
    return caught.value


@pytest.mark.parametrize("name", ["image.tar", "./image.tar", "result"])
def test_a_file_in_the_place_of_a_flake(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    error = refused(tmp_path, flake=(name,))
    assert error.message == f"flake: '{name}' is a file, and a flake is a folder"
    assert f"`source: {name}`" in error.hint


@pytest.mark.parametrize("name", ["result", "./result"])
def test_a_link_into_the_store_in_the_place_of_a_flake(name: str, tmp_path: Path) -> None:
    (tmp_path / "result").symlink_to(STORE_PATH)
    error = refused(tmp_path, flake=(name,))
    assert "leads to a store path, which is built already" in error.message
    assert f"`source: {name}`" in error.hint


@pytest.mark.parametrize("name", ["image", "./image", "image/"])
@pytest.mark.parametrize(
    ("files", "what", "hint"),
    [
        ({"oci-layout": "{}"}, "an OCI image layout (oci-layout)", "`source: "),
        ({"index.json": "{}"}, "an OCI image layout (index.json)", "`source: "),
        ({"manifest.json": '[{"Config": "c", "Layers": []}]'}, "an archive of docker, unpacked", "`tar -C "),
        (
            {"manifest.json": '{"schemaVersion": 2}'},
            "an image as `skopeo copy … dir:` writes it",
            "`source: ",
        ),
    ],
)
def test_an_image_in_the_place_of_a_flake(
    name: str, files: dict[str, str], what: str, hint: str, tmp_path: Path
) -> None:
    """Nix would look above it, and build the flake that the folder lies in."""
    (tmp_path / "flake.nix").touch()
    (tmp_path / "image").mkdir()
    for file, text in files.items():
        (tmp_path / "image" / file).write_text(text)
    error = refused(tmp_path, flake=(name,))
    assert error.message.startswith(f"flake: '{name}' holds no flake.nix, but {what}")
    assert hint in error.hint
    (tmp_path / "image/flake.nix").touch()
    if name == "./image":
        assert found(tmp_path, flake=(name,))[0].buildable


@pytest.mark.parametrize(
    ("name", "told"), [("./web", True), ("web/..", False), (".", False), ("./own", False)]
)
def test_the_flake_above_a_folder_is_named(name: str, told: bool, tmp_path: Path) -> None:
    for folder in ("web", "own"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.json").write_text('{"name": "an extension of a browser"}')
    (tmp_path / "flake.nix").touch()
    (tmp_path / "own/flake.nix").touch()
    text = name if name.startswith(".") else f"./{name}"
    subject, said = found(tmp_path, flake=(text,))
    assert subject.buildable
    notices = [event.text for event in said if isinstance(event, events.Notice)]
    expected = f"there is no flake.nix in {text}: Nix takes the flake above it, in {tmp_path.resolve()}"
    assert (expected in notices) == told


@pytest.mark.parametrize(
    "name", ["localhost:5000/app:1", "ghcr.io/me/app:1", "app:1", "h.io/a@sha256:" + "0" * 64]
)
def test_a_reference_in_the_place_of_a_file(name: str, tmp_path: Path) -> None:
    error = refused(tmp_path, source=name)
    assert error.message == f"source: there is no file {name!r}"
    assert f"`source: docker://{name}`" in error.hint


@pytest.mark.parametrize("name", ["image.tar", "./a:1", "folder/image"])
def test_what_looks_like_a_path_is_looked_for_as_one(name: str, tmp_path: Path) -> None:
    assert found(tmp_path, source=name)[0].source
