"""Which scripts are nixpkgs' streamLayeredImage, told by their text: all others are not executed for what they print."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from flakeship import store_paths
from flakeship.sources import closure, stream_script
from flakeship.sources.stream_script.recognition import recognised
from flakeship.store_paths import whole_store_path
from tests.sources.stream_scripts import Built, built

SHEBANG: Final = "#! /bin/sh -e\n"
WRAPPERS: Final = {
    "makeWrapper's": 'exec "{script}"  {conf} "$@" \n',
    "with argv0": 'exec -a "$0" "{script}" {conf} "$@"\n',
    "with a tag of its own": 'exec {script} {conf} --repo_tag a:b "$@"\n',
    "with variables": "export TZ=UTC\nA='b c'\nexec {script} {conf}\n",
    "around a wrapper": "exec {wrapper}\n",
    "around a wrapper, late": 'set -e\n:\n# a comment\nexec {wrapper} "$@"\n\n',
}
OTHERS: Final = {
    "a program": "echo server; exec sleep 600\n",
    "a deploy script": "{wrapper} | skopeo copy docker-archive:/dev/stdin docker://r/x\n",
    "a deploy script that execs": "exec {wrapper} | skopeo copy docker-archive:/dev/stdin docker://r/x\n",
    "a load script": "exec {wrapper} > /tmp/image.tar\n",
    "a compressed one": "{wrapper} | gzip\n",
    "one of several": "exec {wrapper} & exec {wrapper} ; true\n",
    "a substitution": "exec $(echo {wrapper})\n",
    "another program with a conf.json": "exec /bin/sh {conf}\n",
    "the script with another conf": "exec {script} {other}\n",
    "the script without a conf": "exec {script} /nowhere-conf.json\n",
    "one that ends otherwise": "exec {wrapper}\necho done\n",
    "a relative name": "exec stream conf.json\n",
    "unfinished quotes": "exec '{script} {conf}\n",
    "nothing": "",
    "itself": "exec {self}\n",
    "a long one": "# " + "x" * 5000 + "\nexec {wrapper}\n",
}


@pytest.fixture
def script(tmp_path: Path) -> Built:
    (tmp_path / "store").mkdir()
    return built(tmp_path / "store", [])


@pytest.fixture
def write(tmp_path: Path, script: Built) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path, other = tmp_path / "under test", tmp_path / "other-conf.json"
        other.write_text('{"command": "sh"}')
        names = {
            "script": script.store / "script",
            "conf": script.conf,
            "wrapper": script.wrapper,
            "other": other,
        }
        path = tmp_path / "tested"
        path.write_text(SHEBANG + text.format(**names, self=path))
        path.chmod(0o755)
        return path

    return write


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_nixpkgs_scripts_are_recognised(write: Callable[[str], Path], script: Built, wrapper: str) -> None:
    found = recognised(write(WRAPPERS[wrapper]))
    assert found
    assert found.conf == script.conf
    assert found.files[-1] == script.store / "script"


@pytest.mark.parametrize("text", OTHERS)
def test_other_scripts_are_not(write: Callable[[str], Path], text: str) -> None:
    assert recognised(write(OTHERS[text])) is None


@pytest.mark.parametrize("change", ["script", "conf", "mode", "interpreter"])
def test_what_the_wrapper_names_must_be_what_it_seems(script: Built, change: str) -> None:
    inner = script.store / "script"
    match change:
        case "script":
            inner.write_text("#!/usr/bin/python3\nimport os\n")
        case "conf":
            script.conf.write_text('{"store_layers": []}')
        case "mode":
            inner.chmod(0o644)
        case _:
            inner.write_text(inner.read_text().removeprefix("#!"))
    assert recognised(script.wrapper) is None


def test_a_script_outside_of_the_store_is_the_user_s_own(write: Callable[[str], Path]) -> None:
    path = write(OTHERS["a program"])
    assert stream_script.matches(path, path.read_bytes()[:512])
    assert not closure.matches(path, path.read_bytes()[:512])


@pytest.mark.parametrize("place", ["bin/deploy", "deploy", "share/a/b.sh"])
def test_a_script_within_a_store_path_is_not_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Whoever wrote the flake wrote it: it is not run as the user, who only named it."""
    store = tmp_path / "nix/store"
    path = store / f"{'a' * 32}-tools" / place
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\necho deployed\n")
    path.chmod(0o755)
    (tmp_path / "link").symlink_to(path)
    monkeypatch.setattr(store_paths, "_STORE_PATH", re.compile(f"{store}/{store_paths._BASE_NAME}"))
    for named in (path, tmp_path / "link"):
        assert not stream_script.matches(named, path.read_bytes())


A, B = (f"/nix/store/{letter * 32}-x" for letter in "ab")


@pytest.mark.parametrize(
    ("links", "start", "whole"),
    [
        ({}, A, A),
        ({}, f"{A}/bin/x", ""),
        ({A: B}, A, B),
        ({A: f"{B}/bin/x"}, A, A),
        ({"{here}/result": A}, "{here}/result", A),
        ({"{here}/result": f"{A}/bin/x"}, "{here}/result", ""),
        ({"{here}/a": "{here}/b", "{here}/b": "{here}/a"}, "{here}/a", ""),
        ({}, "/nix/store", ""),
    ],
)
def test_the_store_path_that_a_link_is_all_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: dict[str, str], start: str, whole: str
) -> None:
    table = {name.format(here=tmp_path): target.format(here=tmp_path) for name, target in links.items()}
    monkeypatch.setattr(Path, "is_symlink", lambda path: str(path) in table)
    monkeypatch.setattr(Path, "readlink", lambda path: Path(table[str(path)]))
    assert whole_store_path(Path(start.format(here=tmp_path))) == whole
