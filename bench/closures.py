"""Inputs for benchmarks: a package whose closure is made of this machine's own files, in the Nix store for a while."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FLAKE = """\
{{
  outputs = _: {{
    packages.${{builtins.currentSystem}}.default = derivation {{
      name = "bench-1.0";
      system = builtins.currentSystem;
      builder = "${{builtins.storePath {busybox}}}/busybox";
      args = [ "sh" "-c" "b=$builder; $b mkdir -p $out/bin; $b ln -s $b $out/bin/bench; echo $parts > $out/parts" ];
      parts = map builtins.storePath [ {parts} ];
    }};
  }};
}}
"""
FLAGS = ("--impure",)
"""A flake that names store paths can't be evaluated without."""

_NIX = ("nix", "--extra-experimental-features", "nix-command flakes")


@dataclass(frozen=True, slots=True)
class Amount:
    entries: int
    size: int

    @classmethod
    def of(cls, closure: Sequence[str]) -> Amount:
        entries = size = 0
        for path in walked(closure):
            entries += 1
            size += os.lstat(path).st_size
        return cls(entries, size)

    def __str__(self) -> str:
        return f"{self.size / 1e9:.2f} GB and {self.entries:,} entries"


def walked(closure: Sequence[str]) -> Iterator[str]:
    for top in closure:
        yield top
        for folder, folders, files in os.walk(top):
            yield from (f"{folder}/{name}" for name in (*folders, *files))


def pick(origin: Path, *, count: int, size: int) -> list[Path]:
    """`count` regular files of together about `size` bytes, the small ones that most files are among them."""
    small: list[Path] = []
    large: list[tuple[int, Path]] = []
    for folder, folders, names in os.walk(origin):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            info = path.lstat()
            if path.is_symlink() or not path.is_file():
                continue
            if info.st_size > 64 * 1024:
                large.append((info.st_size, path))
            elif len(small) < count:
                small.append(path)
    left = size - sum(path.stat().st_size for path in small)
    chosen: list[Path] = []
    for length, path in large:
        if length <= left:
            chosen.append(path)
            left -= length
    return sorted([*small[: count - len(chosen)], *chosen])


@dataclass(frozen=True, slots=True)
class Package:
    """A flake whose package is built already, and the store paths of its closure."""

    flake: Path
    closure: Sequence[str]


@dataclass(frozen=True, slots=True)
class Packages:
    """One package, and the same with one dependency changed."""

    first: Package
    changed: Package


@contextlib.contextmanager
def packages(files: Sequence[Path], paths: int, folder: Path) -> Iterator[Packages]:
    """Packages that depend on `paths` store paths that hold the files; all of it is deleted again."""
    os.environ["NIX_CONFIG"] = (
        "build-users-group =\nsubstituters =" if os.geteuid() == 0 else "substituters ="
    )
    added: list[str] = []
    built: list[str] = []
    each = -(-len(files) // paths)
    groups = [files[start : start + each] for start in range(0, len(files), each)]
    try:
        added += [add([Path(shutil.which("busybox") or "busybox")], folder / "bench-busybox", flat=True)]
        added += [add(group, folder / f"bench-part-{number}") for number, group in enumerate(groups)]
        added += [add(groups[-1][1:], folder / f"bench-part-{len(groups) - 1}")]
        busybox, *parts, other = added
        yield Packages(
            _built(folder / "first", busybox, parts, built),
            _built(folder / "changed", busybox, [*parts[:-1], other], built),
        )
    finally:
        subprocess.run(["nix-store", "--delete", *built, *added], check=False, capture_output=True)


def _built(flake: Path, busybox: str, parts: Sequence[str], built: list[str]) -> Package:
    flake.mkdir()
    (flake / "flake.nix").write_text(_FLAKE.format(busybox=busybox, parts=" ".join(parts)))
    said = json.loads(run(*_NIX, "build", *FLAGS, "--json", "--no-link", f"path:{flake}"))
    package = said[0]["outputs"]["out"]
    built += [package, said[0]["drvPath"]]  # a derivation left behind would keep its inputs
    return Package(flake, run("nix-store", "--query", "--requisites", package).split())


def add(files: Sequence[Path], folder: Path, *, flat: bool = False) -> str:
    for file in files:
        copy = folder / file.name if flat else folder / file.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    path = run("nix-store", "--add", str(folder)).strip()
    shutil.rmtree(folder)
    return path


def run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{argv[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout
