"""What a package's image is made of, asked of a real Nix."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.building.builder import Builder
from flakeship.commands.nix_facts import pname_in
from flakeship.commands.publish.package_query import package_of
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.request import SourceChoice
from flakeship.errors import BuildError, UsageError
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.sources.package import Package
from flakeship.store_paths import hash_of

Query = Callable[..., Package]


@pytest.fixture
def builder(nix: Nix, tmp_path: Path) -> Iterator[Builder]:
    with contextlib.ExitStack() as scope:
        yield Builder(
            nix=nix,
            sandbox_required=False,
            cache_inputs=None,
            connections=lambda: pytest.fail("nobody is spoken to"),
            folder=tmp_path,
            emit=ignore,
            scope=scope,
        )


@pytest.fixture
def query(builder: Builder, tmp_path: Path) -> Query:
    def ask(obtained: Obtained, **choice: Any) -> Package:
        return package_of(obtained, SourceChoice(**choice), builder=builder, folder=tmp_path, cwd=tmp_path)

    return ask


@pytest.fixture
def hello(shapes: Callable[[str], Path]) -> Obtained:
    return Obtained(shapes("hello"))


@pytest.mark.slow
def test_a_built_path_says_what_it_needs(hello: Obtained, query: Query) -> None:
    package = query(hello, max_layers=7, user="app")
    assert package.path == str(hello.path)
    assert package.path in {each.path for each in package.closure}
    assert len(package.closure) == 2
    assert (package.system, package.max_layers, package.user) == ("x86_64-linux", 7, "app")
    assert package.names().pname == "hello"
    assert package.wants_program
    assert not query(hello, wants_program=False).wants_program


@pytest.mark.slow
def test_its_contents_are_built_and_in_the_closure(
    hello: Obtained, query: Query, make_flake: Callable[..., Path]
) -> None:
    make_flake("app")
    package = query(hello, contents=("./app#hello", str(hello.path), "path:./app#text"))
    assert [Path(path).name[33:] for path in package.contents] == ["hello-2.12", "notes.txt"]
    assert set(package.contents) < {each.path for each in package.closure}


@pytest.mark.slow
def test_the_collector_is_kept_away(
    hello: Obtained, query: Query, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    query(hello)
    roots = subprocess.run(
        ["nix-store", "--gc", "--print-roots"], env=nix_environ, capture_output=True, text=True, check=True
    )
    assert f"{tmp_path}/held-{hash_of(str(hello.path))} -> {hello.path}" in roots.stdout


@pytest.mark.slow
def test_what_is_not_in_the_store(query: Query) -> None:
    gone = f"/nix/store/{'0' * 32}-gone"
    with pytest.raises(BuildError) as caught:
        query(Obtained(Path(gone)))
    assert gone in caught.value.message + caught.value.detail
    assert caught.value.hint


@pytest.mark.slow
def test_contents_that_are_no_installable(hello: Obtained, query: Query) -> None:
    with pytest.raises(UsageError, match="contents: there is no folder") as caught:
        query(hello, contents=("./nowhere#x",))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "pname"),
    [
        ("hello-2.12", "hello"),
        ("hello", "hello"),
        ("gtk+3-3.24", "gtk+3"),
        ("nix-prefetch-git", "nix-prefetch-git"),
        ("python3-3.11.7-env", "python3"),
        ("a-b-unstable-2024-01-01", "a-b-unstable"),
    ],
)
def test_the_name_without_its_version(name: str, pname: str) -> None:
    assert pname_in(f"{'0' * 32}-{name}") == pname
