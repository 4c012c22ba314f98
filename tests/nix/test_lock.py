"""What a flake is locked to, as Nix tells it, and what its lock file does not pin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flakeship.nix.lock import FlakeLock, LockedNode, is_pinned_text, nar_hash_in_hex, read_lock

HASH = "sha256-" + "A" * 43 + "="
HEX = "00" * 32
REV = "ab" * 20


def node(kind: str, **locked: Any) -> dict[str, Any]:
    return {"locked": {"type": kind, "narHash": HASH, **locked}, "original": {"type": kind}}


def locks(**nodes: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: name for name in nodes}
    return {"nodes": {"root": {"inputs": inputs}, **nodes}, "root": "root", "version": 7}


@pytest.mark.parametrize(
    ("locked", "url"),
    [
        ({"type": "github", "owner": "NixOS", "repo": "nixpkgs"}, "git+https://github.com/NixOS/nixpkgs"),
        ({"type": "github", "owner": "o", "repo": "r", "host": "git.example"}, "git+https://git.example/o/r"),
        ({"type": "gitlab", "owner": "o", "repo": "r"}, "git+https://gitlab.com/o/r"),
        ({"type": "sourcehut", "owner": "~o", "repo": "r"}, "git+https://git.sr.ht/~o/r"),
        ({"type": "git", "url": "https://me:hunter2@git.example/r"}, "git+https://git.example/r"),
        ({"type": "git", "url": "ssh://git@git.example/r"}, "git+ssh://git@git.example/r"),
        (
            {"type": "tarball", "url": "https://a.example/x.tar.gz?token=hunter2"},
            "https://a.example/x.tar.gz?token=***",
        ),
        ({"type": "file", "url": "https://a.example/x"}, "https://a.example/x"),
        ({"type": "path", "path": "/srv/x"}, "path:/srv/x"),
        ({}, ""),
    ],
)
def test_where_an_input_is_from(locked: dict[str, Any], url: str) -> None:
    found = read_lock({"locks": locks(x={"locked": {"narHash": HASH, "rev": REV, **locked}})})
    assert found.nodes == (LockedNode("x", url, REV, HEX),)


def test_nodes_below_nodes_have_one_name_each() -> None:
    """An input that follows another has no node of its own; one that two inputs share is told once, by its shortest name."""
    document = locks(
        tools=node("github", owner="o", repo="tools"), nixpkgs=node("github", owner="o", repo="n")
    )
    document["nodes"]["tools"]["inputs"] = {"nixpkgs": ["nixpkgs"], "systems": "systems", "again": "nixpkgs"}
    document["nodes"]["systems"] = node("github", owner="o", repo="s")
    assert [each.name for each in read_lock({"locks": document}).nodes] == [
        "nixpkgs",
        "tools",
        "tools/systems",
    ]


def test_a_lock_that_leads_in_circles_ends() -> None:
    document = locks(a=node("path", path="/a"))
    document["nodes"]["a"]["inputs"] = {"a": "a", "root": "root"}
    assert [each.name for each in read_lock({"locks": document}).nodes] == ["a"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"locks": None},
        {"locks": {"nodes": []}},
        {"locks": {"nodes": {"root": {"inputs": 3}}}},
        {"locked": [], "path": 5},
    ],
)
def test_what_nix_does_not_tell_is_not_known(document: dict[str, Any]) -> None:
    assert read_lock(document) == FlakeLock()


@pytest.mark.parametrize(
    ("written", "unlocked"),
    [
        ("all", ()),
        (None, ("a", "b")),
        ("a", ("b",)),
        ("another commit", ("a", "b")),
        ("no JSON", None),
    ],
)
def test_what_no_lock_file_pins_is_named(
    tmp_path: Path, written: str | None, unlocked: tuple[str, ...] | None
) -> None:
    both = {"a": node("github", rev=REV), "b": node("github", rev=REV)}
    files = {
        "all": json.dumps(locks(**both)),
        "a": json.dumps(locks(a=both["a"])),
        "another commit": json.dumps(locks(**{name: node("github", rev="cd" * 20) for name in both})),
        "no JSON": "{",
    }
    (tmp_path / "sub").mkdir()
    if written:
        (tmp_path / "sub/flake.lock").write_text(files[written])
    told = {"locks": locks(**both), "path": str(tmp_path), "resolved": {"dir": "sub"}}
    assert read_lock(told).unlocked == unlocked


def test_an_input_without_commit_and_hash_is_not_pinned(tmp_path: Path) -> None:
    """A folder of the flake itself is pinned with the flake."""
    own, other = {"locked": {"type": "path", "path": "./sub"}}, {"locked": {"type": "indirect", "id": "x"}}
    document = locks(own=own, other=other)
    (tmp_path / "flake.lock").write_text(json.dumps(document))
    found = read_lock({"locks": document, "path": str(tmp_path)})
    assert found.unlocked == ("other",)
    assert [each.name for each in found.nodes] == ["other"]


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        (".#tools", True),
        ("#tools", True),
        ("./sub#x", True),
        ("/nix/store/" + "a" * 32 + "-x", True),
        ("nixpkgs#hello", True),
        ("flake:nixpkgs#hello", True),
        (f"github:o/r/{REV}#x", True),
        ("other#hello", False),
        ("github:o/r#x", False),
        ("nixpkgs/nixos-unstable#x", False),
        ("/srv/other#x", False),
        ("path:/srv/other#x", False),
        ("path:/srv/other?narHash=sha256-x#x", True),
        ("./../other#x", False),
        ("../other#x", False),
    ],
)
def test_whether_a_package_beside_is_pinned(text: str, pinned: bool) -> None:
    assert is_pinned_text(text, {"nixpkgs"}) is pinned


def test_a_folder_is_not_that_of_a_flake_from_elsewhere() -> None:
    assert not is_pinned_text(".#tools", (), "github:o/r")
    assert is_pinned_text("path:/src#tools", (), "path:/src")


@pytest.mark.parametrize("said", [None, 5, "", "sha512-AA==", "sha256-AA==", "sha256-!", "0" * 52])
def test_what_is_no_hash_is_none(said: object) -> None:
    assert nar_hash_in_hex(said) == ""
