"""What `inspect` says of a text that leads to no image: what it takes for one, and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.commands.inspect import inspect
from flakeship.commands.run import Run, open_run
from flakeship.errors import Error, UnreachableError, UsageError
from flakeship.registry.errors import DeniedError, ErrorAnswer
from flakeship.registry.reading import RepositoryReader
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime


def refused(text: str, folder: Path) -> Error:
    settings = Settings(image=text)
    with open_run(settings, runtime(folder)[0]) as run, pytest.raises(Error) as caught:
        inspect(settings, run)
    return caught.value


@pytest.mark.parametrize("text", [".#image", "github:owner/repo#image"])
def test_what_nix_would_build_is_no_image(text: str, tmp_path: Path) -> None:
    error = refused(text, tmp_path)
    assert isinstance(error, UsageError)
    assert "inspect looks at an image that exists" in error.message
    assert f"`flakeship publish {text} --to oci:image`" in error.hint


@pytest.mark.parametrize(("folder", "named"), [("flakeship-image", True), ("other", False)])
def test_a_folder_that_was_written_like_a_name_of_a_registry(
    folder: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> object:
        raise UnreachableError("registry-1.docker.io is not reached")

    monkeypatch.setattr(Run, "registry_image", unreachable)
    (tmp_path / folder).mkdir()
    error = refused("flakeship-image:latest", tmp_path)
    assert ("./flakeship-image or oci:flakeship-image:latest" in error.hint) == named
    # a bare word is mostly a link that `nix build` has not made
    assert refused("result", tmp_path).message.endswith(", and there is no file 'result' here")
    assert "no file" not in refused("ghcr.io/me/result", tmp_path).message


def test_a_file_of_nix_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: { }; }")
    error = refused("./flake.nix", tmp_path)
    assert "it is a file of Nix" in error.message
    assert "`flakeship publish .#image`" in error.hint


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_read_is_told_how_to_log_in(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> object:
        raise DeniedError(ErrorAnswer("GET", "https://h.example/v2/a/b", status, (), "", frozenset(), None))

    monkeypatch.setattr(RepositoryReader, "get_manifest", denied)
    error = refused("h.example/a/b:1", tmp_path)
    assert error.exit_code == 5
    assert "docker login h.example" in error.hint
