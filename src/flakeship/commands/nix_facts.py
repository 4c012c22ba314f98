"""What Nix knows of the image: for tags before the build, for labels while layers are packed; evaluated at most once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.publish.obtain import Builder, Obtained
from flakeship.commands.runtime import Runtime
from flakeship.errors import Error
from flakeship.image.workers import workers
from flakeship.metadata.context import NixFacts
from flakeship.metadata.engine import Metadata
from flakeship.metadata.labels import FLAKE
from flakeship.store_paths import hash_of

if TYPE_CHECKING:
    from flakeship.nix.derivation import Derivation

_VERSION: Final = re.compile(r"-(?![A-Za-z]).*")
# What dockerTools puts around an image's name: https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/docker/default.nix
_IMAGE: Final = re.compile(r"(?:docker-image-|stream-)?(.+?)(?:\.tar(?:\.[a-z0-9]+)?)?(?:\.drv)?")
_SPDX: Final = re.compile(r"[A-Za-z0-9.+-]+")

Facts = Callable[[], NixFacts]


def before_build(builder: Builder | None, path: Path) -> NixFacts:
    """For tags. `path` is what is published where there is nothing to build. BuildError as by a build."""
    if builder is None:
        return NixFacts(output_hash=_hash_of(path))
    return facts_of(builder.described())


def facts_of(said: Derivation) -> NixFacts:
    return NixFacts(
        output_hash=_hash_of(Path(said.out_path)),
        name=said.pname or title_of(said.name),
        version=said.version,
        description=said.description,
        homepage=said.homepage,
        license_spdx=" AND ".join(name for name in said.licenses if _SPDX.fullmatch(name)),
    )


def title_of(name: str) -> str:
    """Of a derivation without a pname: what is left of `docker-image-app.tar.gz`, `stream-app` or `app-1.0`."""
    bare = _IMAGE.fullmatch(name)
    return _VERSION.sub("", bare[1]) if bare else ""


@contextlib.contextmanager
def while_packing(obtained: Obtained, metadata: Metadata, runtime: Runtime) -> Iterator[Facts]:
    """Ask Nix what labels lack, if they lack anything; who calls for the facts waits for the answer.

    Where it fails there are none: a label is no reason to fail.
    """
    described = obtained.described
    if described is None or not metadata.auto_labels or not lacking(metadata):
        yield NixFacts
        return
    with workers("describe", 1) as pool:
        answer = pool.submit(_softly, described, runtime)
        yield answer.result


def lacking(metadata: Metadata) -> frozenset[str]:
    """The labels that only the flake can give."""
    return FLAKE - {*metadata.labels.known, *metadata.labels.described, *metadata.labels.user}


def _softly(described: Callable[[], Derivation], runtime: Runtime) -> NixFacts:
    try:
        return facts_of(described())
    except Error as error:
        runtime.emit(
            events.Detail(f"the flake does not say what it is, so labels go without: {error.message}")
        )
        return NixFacts()


def _hash_of(path: Path) -> str:
    """The hash of a store path, or of a link to one."""
    return hash_of(str(path)) or hash_of(str(path.resolve()))
