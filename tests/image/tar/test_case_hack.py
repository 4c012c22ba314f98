"""What a Mac keeps under other names is in a tar by the names that Nix hashed, and in their order, for every writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.image.stream import Joined
from flakeship.image.tar import files, python, writer
from flakeship.image.tar.case_hack import SpelledTree
from flakeship.image.tar.files import Tree
from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces

WRITERS: dict[str, Callable[[str, Tree], bytes]] = {
    "package": lambda path, tree: writer.tar_of([path], tree).read(),
    "script": lambda path, tree: python.tar_of([path], python.HeaderFields(), tree).read(),
    "nix2container": lambda path, tree: Joined(
        tar_pieces([LayerPath(path.encode())], WriterVersion(), tree)
    ).read(),
}


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_tar_as_where_case_counts(tmp_path: Path, write: str) -> None:
    top = tmp_path / "terminfo"
    for name in ("A/Ansi", "Z", "a/ansi", "a/ansi-m", "b/x"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (top / "link").symlink_to("a/ansi~nix~case~hack~1")
    expected = WRITERS[write](str(top), files)
    (top / "a/ansi").rename(top / "a/ansi~nix~case~hack~1")
    (top / "a").rename(top / "a~nix~case~hack~1")
    assert WRITERS[write](str(top), files) != expected
    assert WRITERS[write](str(top), SpelledTree()) == expected
