"""What is damaged or gone in a plain cache is found out by the run that had to build it, and written anew."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from flakeship.caches.kept_in_store import StoreKeeper
from flakeship.caches.nar_entry import PathInfo, parse_narinfo
from flakeship.caches.packs.signing import SecretKey
from flakeship.caches.place import NixCache, StorePlace
from flakeship.caches.plan import KeptResults
from flakeship.nix.command import Nix
from tests.caches.conftest import EventRecord, serving, tools_of
from tests.caches.packs.scene import some_paths
from tests.caches.packs.test_signing import MINE
from tests.caches.test_pushed import Server
from tests.e2e.test_nix_cache import built, flake, told
from tests.testbed.own_store import OwnStore, OwnStores

__all__ = ["flake"]

PATHS: Final = some_paths(2)
VICTIM: Final = list(PATHS)[1]
Open: TypeAlias = Callable[..., StoreKeeper]
Damage: TypeAlias = Callable[[Path, Path], object]


@pytest.fixture
def opened(request: pytest.FixtureRequest, nix: Nix, record: EventRecord, tmp_path: Path) -> Iterator[Open]:
    """`opened()` is the cache of one run, in `plain`."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/nix-cache-info").write_text("StoreDir: /nix/store\n")
    with serving(functools.partial(Server, directory=str(tmp_path / "plain"))) as url:
        place = StorePlace(url if request.param == "http" else f"file://{tmp_path}/plain")

        def open_it(key: SecretKey | None = None) -> StoreKeeper:
            kept = KeptResults(cache=NixCache(place), key=key)
            return StoreKeeper(kept, tools_of(nix, record, tmp_path), netrc_file="")

        yield open_it


def write(keeper: StoreKeeper, *infos: PathInfo) -> None:
    assert keeper.taker
    for info in infos:
        keeper.taker.add(info, [PATHS[info]])
    assert keeper.finish(20)


def keeps(keeper: StoreKeeper, info: PathInfo, *, copied: bool = False) -> bool:
    return bool(keeper.held([info.hash_part])) and keeper.is_sound(info, copied=copied)


def changed(path: Path, pattern: str, text: str) -> None:
    path.write_text(re.sub(f"(?m){pattern}", text, path.read_text()))


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: Final[dict[str, Damage]] = {
    "no file": lambda _, nar: nar.unlink(),
    "a file that is cut off": lambda _, nar: nar.write_bytes(nar.read_bytes()[:-9]),
    "no narinfo": lambda info, _: info.unlink(),
    "an empty narinfo": lambda info, _: info.write_bytes(b""),
    "a narinfo of zeros": lambda info, _: info.write_bytes(bytes(300)),
    "a narinfo that is cut off": lambda info, _: info.write_bytes(info.read_bytes()[:90]),
    "a narinfo of another path": lambda info, _: changed(info, "^StorePath: .*$", f"StorePath: /nix/store/{'1' * 32}-x"),
    "a reference to another path": lambda info, _: changed(info, "^References: .*$", f"References: {'1' * 32}-x"),
    "no signature": lambda info, _: changed(info, "^Sig: .*\n", ""),
}  # fmt: skip

OF_CONTENT: Final[dict[str, Damage]] = {
    "a flipped bit": lambda _, nar: flipped(nar),
    "a hash that lies": lambda info, _: changed(info, "^NarHash: .*$", f"NarHash: sha256:{'1' * 52}"),
}
"""What nobody sees without reading all of the file, as Nix has done when it could not copy it."""


@pytest.mark.parametrize("opened", ["file"], indirect=True)
def test_the_folder_of_another_store_is_left_alone(opened: Open, record: EventRecord, tmp_path: Path) -> None:
    (tmp_path / "plain/nix-cache-info").write_text("StoreDir: /gnu/store\n")
    keeper = opened()
    assert (keeper.part.substituters, keeper.taker) == ((), None)
    (warning,) = record.warnings
    assert "is left out: it is for the store /gnu/store" in warning


SHORT: Final = ("no file", "an empty narinfo", "a flipped bit")
"""What is tried with a server in a plain run too."""


CASES: Final = [
    pytest.param(kind, name, marks=() if kind == "file" or name in SHORT else pytest.mark.long)
    for kind in ("file", "http")
    for name in (*DAMAGES, *OF_CONTENT)
]


@pytest.mark.parametrize(("opened", "name"), CASES, indirect=["opened"])
def test_what_nix_can_not_read_is_written_anew(
    opened: Open, record: EventRecord, tmp_path: Path, name: str
) -> None:
    key = MINE if name == "no signature" else None
    write(opened(key), *PATHS)
    before = {path: path.read_bytes() for path in (tmp_path / "plain").rglob("*.*")}
    narinfo = tmp_path / f"plain/{VICTIM.hash_part}.narinfo"
    {**DAMAGES, **OF_CONTENT}[name](narinfo, tmp_path / "plain" / parse_narinfo(narinfo.read_bytes()).url)
    keeper, copied = opened(key), name in OF_CONTENT
    assert [keeps(keeper, info, copied=copied) for info in PATHS] == [True, False]
    write(keeper, VICTIM)
    assert all(keeps(opened(key), info, copied=True) for info in PATHS)
    assert {path: path.read_bytes() for path in (tmp_path / "plain").rglob("*.*")} == before
    assert not record.warnings


@pytest.mark.parametrize("opened", ["file"], indirect=True)
def test_another_build_of_a_path_is_kept(opened: Open) -> None:
    """Its NAR differs from the one that was built here, and it is the one that its narinfo states."""
    write(opened(), *PATHS)
    other = replace(VICTIM, nar_hash=bytes(32), nar_size=7, references=())
    assert keeps(opened(), other, copied=True)


OFTEN: Final = "a file that is cut off"
LONG: Final = ("no file", "a narinfo of zeros", "a reference to another path", *OF_CONTENT)


@pytest.mark.slow
@pytest.mark.parametrize("name", [OFTEN, *(pytest.param(each, marks=pytest.mark.long) for each in LONG)])
def test_a_run_passes_and_the_next_one_finds_all(
    cold: OwnStores, flake: Path, tmp_path: Path, name: str
) -> None:
    """Nix 2.8 ends over a file that is damaged, where it reads the folder by itself."""
    damaged_and_healed(cold, flake, tmp_path, name)


@pytest.mark.long
@pytest.mark.parametrize("suite", ["trixie", "sid"])
@pytest.mark.parametrize("name", [OFTEN, *LONG])
def test_a_run_with_a_newer_nix_passes_and_the_next_one_finds_all(
    cold: OwnStores, flake: Path, tmp_path: Path, other_nix: Callable[..., Path], *, name: str, suite: str
) -> None:
    newer = other_nix(suite, store=True)

    def runner() -> OwnStore:
        made = cold()
        return replace(made, environ={**made.environ, "PATH": f"{newer}:{made.environ['PATH']}"})

    damaged_and_healed(runner, flake, tmp_path, name)


def damaged_and_healed(cold: OwnStores, flake: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "plain"
    flags = ("--flake", ".#archived", "--to", "oci:x", "--reuse", "off", "--nix-cache", f"file://{folder}")
    first = cold().publish(*flags, cwd=flake)
    assert (first.code, built(first.stderr)) == (0, ["archived.tar", "hello-2.12"]), first.stderr
    for narinfo in folder.glob("*.narinfo"):
        {**DAMAGES, **OF_CONTENT}[name](narinfo, folder / parse_narinfo(narinfo.read_bytes()).url)
    second = cold().publish(*flags, cwd=flake)
    assert (second.code, built(second.stderr)) == (0, built(first.stderr)), second.stderr
    assert re.fullmatch(rf"2 derivations built here; [12] new in file://{folder} \(.*\)", told(second.stderr))
    third = cold().publish(*flags, cwd=flake)
    assert (third.code, built(third.stderr)) == (0, ["archived.tar"]), third.stderr
