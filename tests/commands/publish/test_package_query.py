"""What a package's image is made of, asked of a real Nix."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flakeship.commands.publish.obtain import Obtained
from flakeship.commands.publish.package_query import _pname, package_of
from flakeship.commands.runtime import Runtime
from flakeship.errors import BuildError, UsageError
from flakeship.events import ignore
from flakeship.settings.declaration import Settings


@pytest.fixture
def runtime(nix_environ: Mapping[str, str], tmp_path: Path) -> Runtime:
    return Runtime(
        environ=nix_environ,
        cwd=tmp_path,
        home=tmp_path,
        now=datetime(2026, 1, 2, tzinfo=UTC),
        clock=lambda: 0.0,
        sleep=lambda _: None,
        random=lambda: 0.0,
        cpus=2,
        emit=ignore,
        stdout=io.BytesIO(),
    )


@pytest.fixture
def hello(shapes: Callable[[str], Path]) -> Obtained:
    return Obtained(shapes("hello"))


@pytest.mark.slow
def test_a_built_path_says_what_it_needs(hello: Obtained, runtime: Runtime, tmp_path: Path) -> None:
    package = package_of(hello, Settings(max_layers=7, user="app"), runtime, tmp_path)
    assert package.path == str(hello.path)
    assert package.path in {each.path for each in package.closure}
    assert len(package.closure) == 2
    assert (package.system, package.max_layers, package.user) == ("x86_64-linux", 7, "app")
    assert package.names().pname == "hello"
    assert package.wants_program
    assert not package_of(hello, Settings(entrypoint="/bin/x"), runtime, tmp_path).wants_program


@pytest.mark.slow
def test_its_contents_are_built_and_in_the_closure(
    hello: Obtained, runtime: Runtime, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    make_flake("app")
    package = package_of(
        hello, Settings(contents=("./app#hello", str(hello.path), "path:./app#text")), runtime, tmp_path
    )
    assert [Path(path).name[33:] for path in package.contents] == ["hello-2.12", "notes.txt"]
    assert set(package.contents) < {each.path for each in package.closure}


@pytest.mark.slow
def test_the_collector_is_kept_away(
    hello: Obtained, runtime: Runtime, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    package_of(hello, Settings(), runtime, tmp_path)
    roots = subprocess.run(
        ["nix-store", "--gc", "--print-roots"], env=nix_environ, capture_output=True, text=True, check=True
    )
    assert f"{tmp_path}/held -> {hello.path}" in roots.stdout


@pytest.mark.slow
def test_what_is_not_in_the_store(runtime: Runtime, tmp_path: Path) -> None:
    gone = f"/nix/store/{'0' * 32}-gone"
    with pytest.raises(BuildError) as caught:
        package_of(Obtained(Path(gone)), Settings(), runtime, tmp_path)
    assert gone in caught.value.message + caught.value.detail
    assert caught.value.hint


@pytest.mark.slow
def test_contents_that_are_no_installable(hello: Obtained, runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="contents: there is no folder") as caught:
        package_of(hello, Settings(contents=("./nowhere#x",)), runtime, tmp_path)
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
    assert _pname(f"{'0' * 32}-{name}") == pname
