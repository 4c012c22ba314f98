"""How a source is written: skopeo's words, a path, stdin."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.registry.reference import TRANSPORT
from flakeship.settings import words
from flakeship.sources import written
from flakeship.sources.written import WrittenSource, written_source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("result", WrittenSource("path", "result")),
        ("/nix/store/x:y", WrittenSource("path", "/nix/store/x:y")),
        ("./-", WrittenSource("path", "./-")),
        ("docker://h/a:1", WrittenSource("registry", "docker://h/a:1")),
        ("docker-archive:x.tar", WrittenSource("path", "x.tar", "docker-archive")),
        (
            "docker-archive:/a/x.tar:h:5000/app:1",
            WrittenSource("path", "/a/x.tar", "docker-archive", "h:5000/app:1"),
        ),
        ("docker-archive:x.tar:@0", WrittenSource("path", "x.tar", "docker-archive", "1")),
        ("oci:dir:1.0", WrittenSource("path", "dir", "oci", "1.0")),
        ("oci-archive:x.tar:@11", WrittenSource("path", "x.tar", "oci-archive", "12")),
        ("dir:folder", WrittenSource("path", "folder", "dir")),
        ("docker-daemon:h/app:1", WrittenSource("engine", "h/app:1", "docker-daemon")),
        ("docker-daemon:sha256:" + "a" * 64, WrittenSource("engine", "sha256:" + "a" * 64, "docker-daemon")),
        ("containers-storage:app", WrittenSource("engine", "app", "containers-storage")),
        ("-", WrittenSource("stdin")),
        ("/dev/stdin", WrittenSource("stdin")),
        ("docker-archive:/dev/stdin:app:1", WrittenSource("stdin", "", "docker-archive", "app:1")),
        ("oci-archive:-", WrittenSource("stdin", "", "oci-archive")),
        ("x" * 5000, WrittenSource("path", "x" * 5000)),
        ("oci:" + "x" * 5000, WrittenSource("path", "x" * 5000, "oci")),
    ],
)
def test_forms(text: str, expected: WrittenSource, tmp_path: Path) -> None:
    assert written_source(text, tmp_path) == expected


@pytest.mark.parametrize("name", ["oci:folder", "docker-daemon:x", "dir:", "docker-archive:a:b"])
def test_a_file_that_is_there_is_meant_first(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert written_source(name, tmp_path) == WrittenSource("path", name)


def test_a_colon_in_the_name_of_a_file_is_no_border(tmp_path: Path) -> None:
    (tmp_path / "a:b").touch()
    assert written_source("docker-archive:a:b", tmp_path) == WrittenSource("path", "a:b", "docker-archive")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oci:", "'oci:' names no path"),
        ("docker-daemon:", "'docker-daemon:' names no image"),
        ("docker-daemon:App", "must be lower case"),
        ("docker-daemon:a b", "a space"),
    ],
)
def test_what_names_nothing(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        written_source(text, tmp_path)


def test_the_command_line_tells_the_same_words_from_installables(tmp_path: Path) -> None:
    """It knows nothing of sources."""
    forms = {f"{form}:" for form in (*written.PATH_FORMS, *written.ENGINE_FORMS)}
    assert set(words.SOURCES) == {TRANSPORT, *forms}
    for text in words.STDINS:
        assert written_source(text, tmp_path).place == "stdin"
        assert words.is_stdin(text)
        assert words.is_stdin(f"docker-archive:{text}:app:1")
    assert not words.is_stdin("./-")
    assert not words.is_stdin("docker-archive:x:-")
