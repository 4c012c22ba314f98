"""The grammar of an installable, and the folder of its flake."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.nix.installable import Installable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flake.nix").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/flake.nix").touch()
    (tmp_path / "plain/deep").mkdir(parents=True)
    (tmp_path / "plain/.git").mkdir()
    (tmp_path / "plain/flake").mkdir()
    (tmp_path / "plain/flake/flake.nix").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep/er").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (".", "", (), ".")),
        (" . ", (".", "", (), ".")),
        (".#image", (".", "image", (), ".")),
        ("#image", (".", "image", (), ".")),
        (".#image^out", (".", "image", ("out",), ".")),
        (".#image^out,doc", (".", "image", ("out", "doc"), ".")),
        (".#image^*", (".", "image", ("*",), ".")),
        (".#packages.x86_64-linux.foo", (".", "packages.x86_64-linux.foo", (), ".")),
        ('.#packages.x86_64-linux."a.b#c"', (".", 'packages.x86_64-linux."a.b#c"', (), ".")),
        (".#.packages.x", (".", ".packages.x", (), ".")),
        ("./sub#x", ("./sub", "x", (), "sub")),
        (".?dir=sub#x", (".?dir=sub", "x", (), "sub")),
        (".#hello:exe:hello", (".", "hello:exe:hello", (), ".")),
        (".#a,b;c(d)", (".", "a,b;c(d)", (), ".")),
        (".#a b", (".", "a b", (), ".")),
        ('.#"a^b"^out', (".", '"a^b"', ("out",), ".")),
        (".#a^b^out", (".", "a^b", ("out",), ".")),
        (".#a%20b", (".", "a%20b", (), ".")),
        ("./deep/er", ("./deep/er", "", (), ".")),
        ("path:./sub", ("path:./sub", "", (), "sub")),
        ("github:owner/repo#image", ("github:owner/repo", "image", (), None)),
        ("github:owner/repo/v1?dir=x#i", ("github:owner/repo/v1?dir=x", "i", (), None)),
        (
            "git+https://git.example/r.git?ref=main#i",
            ("git+https://git.example/r.git?ref=main", "i", (), None),
        ),
        ("git+ssh://git@git.example/r#i", ("git+ssh://git@git.example/r", "i", (), None)),
        ("nixpkgs#hello", ("nixpkgs", "hello", (), None)),
    ],
)
def test_an_installable_is_read(
    folder: Path, text: str, expected: tuple[str, str, tuple[str, ...], str | None]
) -> None:
    read = Installable.parse(text, cwd=folder)
    *rest, directory = expected
    assert [read.flake, read.attribute, read.outputs] == rest
    assert read.directory == (None if directory is None else folder / directory)
    assert read.cwd == str(folder)


def test_absolute_paths_and_git_urls_are_read(folder: Path) -> None:
    (folder / ".git").mkdir()
    assert Installable.parse(f"{folder}/sub#a", cwd="/").directory == folder / "sub"
    assert Installable.parse(f"git+file://{folder}?dir=sub", cwd="/").directory == folder / "sub"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (".#image", ".#image"),
        (".#a b", "'.#a b'"),
        ('.#"my.image"^out', """'.#"my.image"^out'"""),
        (".?dir=sub", "'.?dir=sub'"),
        (".#ä", ".#%C3%A4"),
        (".#a[b]", ".#a%5Bb%5D"),
    ],
)
def test_what_is_shown_for_a_shell_works_there(folder: Path, text: str, spelled: str) -> None:
    assert Installable.parse(text, cwd=folder).spelled == spelled


@pytest.mark.parametrize("text", [".", ".#image", "github:o/r", ".#a^out,doc", "nixpkgs#hello^*"])
def test_an_installable_is_written_as_it_was_read(folder: Path, text: str) -> None:
    assert str(Installable.parse(text, cwd=folder)) == text


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("--option", "'--option' is not an installable", "write an installable such as"),
        ("-I", "'-I' is not an installable", "write an installable such as"),
        ("--impure#x", "is not an installable", "write an installable such as"),
        (".#a\nb", "is not an installable", "write an installable such as"),
        (".#a\0b", "is not an installable", "write an installable such as"),
        (
            ".#a..b",
            "is not an attribute path: there is no name between two dots",
            "write an installable such as",
        ),
        (
            '.#a."".b',
            "is not an attribute path: there is no name between two dots",
            "write an installable such as",
        ),
        ('.#"a.b', "is not an attribute path: a quote is not closed", "write an installable such as"),
        (".#a%22b", "is not an attribute path: a quote is not closed", "write an installable such as"),
        (".#a .#b", "is not an attribute path: a second `#` stands in it", "write an installable such as"),
        ('.#"50%"', "stands for itself as `%25`", "write an installable such as"),
        (".#a^", "names no output after `^`", "^out"),
        (".#", "names no attribute behind the `#` (an unset variable?)", "write `.` for the default package"),
        ("github:o/r# ", "names no attribute behind the `#`", "write `github:o/r` for the default package"),
        (".#a^b;c", "names no output after `^`", "^out"),
        ('.#"a^b"^', "names no output after `^`", "^out"),
        ("sub/", "registry of flakes", "./sub/"),
        ("plain/flake", "registry of flakes", "./plain/flake"),
        ("./plain?dir=flake#a", "does not exist", "write ./plain/flake"),
        ("git+file://.?dir=sub#a", "stands a host, here '.'", "git+file:///PATH"),
        ("git+file://./sub#a", "stands a host, here '.'", "write ./sub"),
        ("path://sub#a", "stands a host, here 'sub'", "write ./sub"),
        ("git+file:./sub#a", "is not the top of a git repository", "write ./sub"),
        ("./nowhere", "there is no folder", "working folder"),
        (".image", "there is no folder", "write `.#image`"),
        ("path:plain", "there is no flake.nix in", "git add flake.nix"),
        ("path:empty", "empty, which is empty", "actions/checkout"),
        ("./flake.nix", "is a file", "write its folder: `./"),
        ("sub", "registry of flakes", "./sub"),
        ("~/flake", "only in a shell", "whole path"),
        ("/nix/store/" + "0" * 32 + "-x", "is a store path", "source: /nix/store/"),
        ("git+https://me:hunter2@git.example/r", "holds a password", "access-tokens"),
        ("git+https://ghp_hunter2@git.example/r", "holds a password", "access-tokens"),
    ],
)
def test_a_malformed_installable_is_refused(folder: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Installable.parse(text, cwd=folder)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("files", "flake", "message", "hint"),
    [
        (["service/flake.nix"], ".#image", "top", "write `./service`; "),
        (["app/service/flake.nix", "app/x"], ".#image", "top", "write `./app/service`; "),
        (["app/service/flake.nix"], "./app#image", "top/app", "write `./app/service`; "),
        (["a/flake.nix", "b/flake.nix", "c/flake.nix"], ".", "top", "` or `./"),
        ([".direnv/x/flake.nix", "x/y/z/flake.nix"], ".", "top", "write the folder that holds it"),
        (
            ["flakeship-report/.gitignore"],
            ".",
            "top, which holds only flakeship-report",
            "`GIT_STRATEGY: none`",
        ),
    ],
)
def test_a_flake_below_the_folder_is_named(
    files: list[str], flake: str, message: str, hint: str, tmp_path: Path
) -> None:
    """A monorepo, a checkout in a folder of its own, and a job of GitLab that checks nothing out."""
    top = tmp_path / "top"
    (top / ".git").mkdir(parents=True) if ".gitignore" not in files[0] else top.mkdir()
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    with pytest.raises(UsageError) as caught:
        Installable.parse(flake, cwd=top)
    assert caught.value.message.endswith(f"there is no flake.nix in {tmp_path}/{message}")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("name", "behind", "rest"),
    [
        ("a#b", "#image", "#image"),
        ("a#b", "", ""),
        ("a?b", "#image", "#image"),
        ("a#b", "?dir=c#x", "?dir=c#x"),
    ],
)
def test_a_folder_with_a_sign_of_urls_in_its_name_is_told_from_an_attribute(
    tmp_path: Path, name: str, behind: str, rest: str
) -> None:
    (tmp_path / name).mkdir()
    for text in (f"./{name}{behind}", f"{tmp_path}/{name}{behind}"):
        with pytest.raises(UsageError, match=f"no folder {tmp_path}/a: a `[#?]` ends its name") as caught:
            Installable.parse(text, cwd=tmp_path)
        assert caught.value.hint == f"change to {tmp_path}/{name} and write `.{rest}`"
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=r"there is no flake\.nix in"):  # Nix reads it as that folder
        Installable.parse(f"./{name}{behind}", cwd=tmp_path)


def test_a_repository_ends_the_search_for_flake_nix(tmp_path: Path) -> None:
    (tmp_path / "flake.nix").touch()
    (tmp_path / "repository/.git").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"there is no flake.nix in .*/repository"):
        Installable.parse("./repository", cwd=tmp_path)


@pytest.mark.parametrize("text", ["./loop", "path:loop"])
def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="there is no folder"):
        Installable.parse(text, cwd=tmp_path)


def test_a_commit_of_a_repository_need_not_lie_in_its_folder(tmp_path: Path) -> None:
    """A bare repository, and another branch than the one that is checked out."""
    (tmp_path / "bare.git").mkdir()
    (tmp_path / "bare.git/HEAD").touch()
    (tmp_path / "tree/.git").mkdir(parents=True)
    for flake in (
        f"git+file://{tmp_path}/bare.git",
        f"git+file://{tmp_path}/tree?ref=next",
        "git+file:tree?rev=0123",
    ):
        assert Installable.parse(f"{flake}#image", cwd=tmp_path).directory is None
    with pytest.raises(UsageError, match=r"there is no flake.nix in"):
        Installable.parse(f"git+file://{tmp_path}/tree", cwd=tmp_path)
