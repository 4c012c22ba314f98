"""A package's closure as an image: layers, config, entry point, what lies beside the store; without Nix, on trees of our own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.annotations import LAYER_KEY
from flakeship.sources import opened as open_source
from flakeship.sources.closure import Closure, key_of, matches
from flakeship.sources.closure.architecture import platform_of
from flakeship.sources.opened import SourceRequest
from flakeship.sources.package import Names, Package
from tests.sources.packages import Part, program


def test_dependencies_below_then_the_package_then_what_lies_beside(package: Package) -> None:
    closure = Closure(package)
    image, layers = closure.image(), list(closure.layers())
    assert [layer.key for layer in layers] == list(image.layers)
    assert [layer.annotations[LAYER_KEY] for layer in layers] == list(image.layers)
    assert [entry["comment"] for entry in image.history] == [
        f"store paths: ['{package.closure[1].path}']",
        f"store paths: ['{package.path}']",
        "links, user and folders",
    ]
    with layers[1].open() as one, layers[1].open() as other:
        assert one.read() == other.read()


def test_the_config_says_how_to_start_it(package: Package) -> None:
    config = Closure(package).image().config
    assert config["architecture"] == "amd64"
    assert config["config"] == {
        "Entrypoint": [f"{package.path}/bin/app"],
        "Env": [f"PATH={package.path}/bin"],
        "User": "65532:65532",
    }
    json.dumps(config)


def test_the_key_is_of_paths_hashes_and_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Part("/nix/store/a"), Part("/nix/store/b")
    key = key_of((a, b))
    assert key == key_of((b, a))
    assert key not in {key_of((a,)), key_of((a, replace(b, nar_hash="sha256:2")))}
    monkeypatch.setattr("flakeship.sources.closure.RECIPE", "another")
    assert key_of((a, b)) != key


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_layers_than_asked_for(package: Package, limit: int) -> None:
    closure = Closure(replace(package, max_layers=limit))
    paths = [path for entry in closure.image().history for path in entry["comment"].split("'")[1::2]]
    assert len(closure.image().layers) == max(2, limit)  # what lies beside is none of the store's
    assert sorted(paths) == sorted(each.path for each in package.closure)


@pytest.mark.parametrize(
    ("programs", "names", "chosen"),
    [
        (["app"], Names("other", "other"), "app"),
        (["app", "ctl"], Names("ctl", "app"), "ctl"),
        (["app", "ctl"], Names("", "app"), "app"),
        (["app", "ctl"], Names("gone", "app"), "app"),
        (["app", ".app-wrapped"], Names(), "app"),
    ],
)
def test_the_program(
    tmp_path: Path, package: Package, programs: list[str], names: Names, chosen: str
) -> None:
    for name in programs:
        program(tmp_path / "app/bin" / name)
    (tmp_path / "app/bin/data").write_text("not to be run")
    entrypoint = Closure(replace(package, names=lambda: names)).image().config["config"]["Entrypoint"]
    assert entrypoint == [f"{package.path}/bin/{chosen}"]


def test_several_programs_and_no_word_which(tmp_path: Path, package: Package) -> None:
    for number in range(30):
        program(tmp_path / f"app/bin/tool-{number:02}")
    with pytest.raises(NotAnImageError) as caught:
        Closure(replace(package, names=lambda: Names("gone", "hello")))
    assert "31 programs, and meta.mainProgram names 'gone': app, tool-00, " in caught.value.message
    assert "(11 more)" in caught.value.message
    assert "meta.mainProgram" in caught.value.hint
    assert "entrypoint" in caught.value.hint
    assert "Entrypoint" not in Closure(replace(package, wants_program=False)).image().config["config"]


@pytest.mark.parametrize("shape", ["nothing", "no programs", "a file"])
def test_no_programs(tmp_path: Path, package: Package, shape: str) -> None:
    (tmp_path / "app/bin/app").unlink()
    if shape != "no programs":
        (tmp_path / "app/bin").rmdir()
    if shape == "a file":
        (tmp_path / "app/bin").write_text("")
    with pytest.raises(NotAnImageError) as caught:
        Closure(package)
    assert "nor a package with a program" in caught.value.message
    assert "entrypoint" in caught.value.hint


def test_a_package_that_is_its_program(tmp_path: Path) -> None:
    path = str(program(tmp_path / "tool", "\x7fELF"))
    closure = Closure(Package(path=path, system="aarch64-linux", closure=(Part(path),), base="none"))
    assert closure.image().config["config"] == {"Entrypoint": [path], "Env": [], "User": "65532:65532"}
    assert str(closure.image().platform) == "linux/arm64/v8"
    assert len(list(closure.layers())) == 1


@pytest.mark.parametrize("system", ["aarch64-darwin", "x86_64-freebsd", "vax-linux", ""])
def test_systems_that_no_container_runs(package: Package, system: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        Closure(replace(package, system=system))
    assert f"built for {system or 'an unknown system'}" in caught.value.message
    assert "packages.x86_64-linux" in caught.value.hint


@pytest.mark.parametrize(
    ("system", "platform"),
    [("x86_64-linux", "linux/amd64"), ("armv7l-linux", "linux/arm/v7"), ("i686-linux", "linux/386")],
)
def test_systems(system: str, platform: str) -> None:
    assert str(platform_of(system, path="")) == platform


def test_a_path_that_was_collected_is_named(tmp_path: Path, package: Package) -> None:
    closure = Closure(package)
    (tmp_path / "lib").rmdir()
    with next(closure.layers()).open() as reader, pytest.raises(ResourceError, match="/lib vanished"):
        reader.read()


def test_only_the_store_holds_packages(tmp_path: Path) -> None:
    assert not matches(tmp_path, b"")
    with pytest.raises(NotAnImageError, match="is not an image: it is a folder"):
        open_source(tmp_path, SourceRequest())


@pytest.mark.slow
def test_without_nix_a_package_can_t_be_read(nix_environ: dict[str, str], tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "plain").mkdir()
    added = subprocess.run(
        ["nix-store", "--add", tmp_path / "plain"],
        env=nix_environ,
        capture_output=True,
        text=True,
        check=True,
    )
    path = Path(added.stdout.strip())
    assert matches(path, b"")
    link = tmp_path / "result"
    link.symlink_to(path)
    assert matches(link, b"")
    with pytest.raises(NotAnImageError) as caught, open_source(path, SourceRequest()):
        pass
    assert "there is no Nix that could tell what it needs" in caught.value.message
    assert "install Nix" in caught.value.hint
