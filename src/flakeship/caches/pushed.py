"""Which store paths a run pushes to its cache: what it built, and what that and the result need at run time.

docs/decisions.md#what-a-run-keeps
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Final

from flakeship.caches.nar_entry import PathInfo, sha256_of
from flakeship.image.inflate import is_compressed, uncompressed
from flakeship.image.stream import read_full
from flakeship.image.tar.blocks import DamagedError
from flakeship.nix.command import Nix
from flakeship.nix.stored import Outputs, StoredPath, closure_of, outputs_of
from flakeship.store_paths import STORE, hash_of

_TEXT: Final = (b"#!", b"{")
"""How a script that writes an image begins, and a document that describes one."""


def to_push(
    nix: Nix,
    derivations: Iterable[str],
    results: Iterable[str],
    *,
    upstream: Collection[str],
    from_elsewhere: Collection[str],
    held: Callable[[Collection[str]], Collection[str]],
    fetched_too: bool,
    is_sound: Callable[[PathInfo], bool] = lambda _: True,
    known: Mapping[str, Outputs] = MappingProxyType({}),
) -> Iterator[PathInfo]:
    """Yield what is to be pushed of these derivations, which were built, and of these results. BuildError where Nix fails.

    `upstream` are the names of keys whose caches will have a path again, `from_elsewhere` paths that came from such a
    cache, and `held` returns those of many paths, by their 32 letters, that our cache has. What it has, it has with all that
    that needs: no more is asked of it, nor of Nix. Of what was built although our cache has it, `is_sound` tells whether Nix
    can read it there; what it can't is pushed anew. With `fetched_too` sources count as well. `known` are outputs of
    derivations that need not be asked for.
    """
    derivations = list(derivations)
    made = {each: known[each] for each in derivations if each in known}
    made |= outputs_of(nix, [each for each in derivations if each not in known])
    fetched = {path for each in made.values() if each.fetched for path in each.paths}
    built = {path for each in made.values() for path in each.paths} - (set() if fetched_too else fetched)
    results = set(results)
    roots = [path for path in sorted(built | results) if not is_image(Path(path))]
    there = set(held([hash_of(path) for path in roots if path not in built]))
    roots = [path for path in roots if hash_of(path) not in there]
    if not roots:
        return

    def is_wanted(each: StoredPath) -> bool:
        if each.path not in built and (_is_upstream(each, upstream) or each.path in from_elsewhere):
            return False
        return fetched_too or not each.is_source

    wanted = {each.path: each for each in closure_of(nix, roots) if is_wanted(each)}
    there |= set(held([part for path in wanted if (part := hash_of(path)) not in there]))
    doubted = [path for path in wanted if path in built and hash_of(path) in there]
    there -= {hash_of(path) for path in doubted if not is_sound(path_info(wanted[path]))}
    needed = {path for each in wanted.values() for path in each.references if path != each.path}
    for each in _references_first(wanted):
        if hash_of(each.path) not in there and (
            not is_image(Path(each.path)) or (each.path in needed and is_layer(Path(each.path)))
        ):
            yield path_info(each)


def _is_upstream(stored: StoredPath, keys: Collection[str]) -> bool:
    return any(signature.partition(":")[0] in keys for signature in stored.sigs)


def _references_first(found: Mapping[str, StoredPath]) -> Iterator[StoredPath]:
    """Order them so that a cache that has a path has what it needs."""
    graph = {
        path: {name for name in each.references if name in found and name != path}
        for path, each in found.items()
    }
    try:
        return iter([found[path] for path in TopologicalSorter(graph).static_order()])
    except CycleError:
        return iter(found.values())


def path_info(stored: StoredPath) -> PathInfo:
    """Return it as caches know it."""
    return PathInfo(
        path=stored.path,
        nar_hash=sha256_of(stored.nar_hash),
        nar_size=stored.nar_size,
        references=tuple(sorted(each.removeprefix(STORE) for each in stored.references)),
        deriver=stored.deriver,
        ca=stored.ca,
        sigs=stored.sigs,
    )


def is_image(path: Path) -> bool:
    """Tell whether a store path is an image, or a layer of one, rather than what an image is made of.

    A script that writes an image, and the document of nix2container, are small and no images: they are kept. So is what
    is compressed and no tar, such as an initrd or a dictionary.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            return (path / "oci-layout").is_file() or is_layer(path)
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            begin = file.read(512)
        if begin.startswith(_TEXT):
            return False
        if is_compressed(begin):
            with path.open("rb") as file, uncompressed(file) as content:
                begin = read_full(content, 512)
    except (OSError, DamagedError):
        return False
    return _is_tar(begin)


def is_layer(path: Path) -> bool:
    """Tell whether a store path is a layer that dockerTools made: a script that needs one is of no use to Nix without it."""
    return (path / "layer.tar").is_file()


def _is_tar(begin: bytes) -> bool:
    return begin[257:262] == b"ustar"
