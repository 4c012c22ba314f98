"""Nix is asked what it knows of an image: for tags before the build, for labels while layers are packed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship import events
from flakeship.errors import Error
from flakeship.image.workers import workers
from flakeship.metadata.context import NixFacts
from flakeship.metadata.engine import Metadata
from flakeship.metadata.labels import FLAKE
from flakeship.store_paths import hash_of

if TYPE_CHECKING:
    from flakeship.commands.subject import Subject
    from flakeship.nix.build import BuildOutput
    from flakeship.nix.derivation import Derivation
    from flakeship.nix.licences import Licence
    from flakeship.sources.package import Names

_VERSION: Final = re.compile(r"-(?![A-Za-z]).*")
# What dockerTools puts around an image's name: https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/docker/default.nix
_IMAGE: Final = re.compile(r"(?:docker-image-|stream-)?(.+?)(?:\.tar(?:\.[a-z0-9]+)?)?(?:\.drv)?")
# And nix2container: https://github.com/nlewo/nix2container/blob/master/default.nix
_DOCUMENT: Final = re.compile(r"image-(.+)\.json(?:\.drv)?")
_NAMELESS: Final = frozenset({"merge-docker-images"})
"""Names of derivations that say nothing of the image: dockerTools' mergeImages has one for all."""

_UNTOLD: Final = "it is content-addressed or impure, so only a build can tell its store path"
_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"
"""Those of a hash in Nix: https://nix.dev/manual/nix/latest/store/store-path#digest."""

_SPDX: Final = re.compile(r"[A-Za-z0-9.+-]+")

Describe: TypeAlias = "Callable[[], Derivation]"
"""A function that returns the metadata of a derivation; its first call takes an evaluation by Nix."""


def facts_before_build(subject: Subject, cwd: Path) -> NixFacts:
    """The facts for tags. Of a `source` that is not built only the hash is known, if it is a store path.

    The hash of a package whose store path only a build can tell is empty. BuildError as by a build.
    """
    if subject.buildable is None:
        source = subject.source
        return NixFacts(output_hash=_hash_of(cwd / source.name) if source and source.place == "path" else "")
    if len(subject.buildables) > 1:
        return _facts_together([buildable.description() for buildable in subject.buildables])
    return facts_of(subject.buildable.description())


def _facts_together(derivations: Sequence[Derivation]) -> NixFacts:
    """The facts of the first, and a hash of the outputs of all: an image of several platforms changes with each of them."""
    facts = [facts_of(each) for each in derivations]
    paths = [path for each in derivations for path in each.paths]
    unknown = next((each.hash_unknown for each in facts if each.hash_unknown), "")
    return replace(facts[0], output_hash="" if unknown else _hash_of_all(paths), hash_unknown=unknown)


def facts_of_build(outputs: Sequence[BuildOutput], facts: NixFacts) -> NixFacts:
    """The facts with the hash of what was built."""
    return replace(facts, output_hash=_hash_of_all([path for output in outputs for path in output.paths]))


def facts_of(derivation: Derivation) -> NixFacts:
    """The facts that labels and tags are made of."""
    from flakeship.nix.licences import expression_of

    return NixFacts(
        output_hash=_hash_of_all(derivation.paths),
        hash_unknown="" if derivation.out_path else _UNTOLD,
        name=derivation.pname or title_of(derivation.name),
        version=derivation.version,
        description=derivation.description,
        homepage=derivation.homepage,
        license_spdx=expression_of(derivation.licenses, _spelled),
    )


def _spelled(licence: Licence) -> str:
    """The licence as a label has it; empty if it is made of words that can't be identifiers."""
    parts = (licence,) if isinstance(licence, str) else licence.parts
    words = [part for part in parts if isinstance(part, str) and _SPDX.fullmatch(part)]
    if len(words) < len(parts):
        return ""
    if isinstance(licence, str) or licence.operator != "+":
        return " WITH ".join(words)
    return f"{words[0]}+"


def title_of(name: str) -> str:
    """The title of a derivation without a pname: `app` for `docker-image-app.tar.gz`, `stream-app`, `image-app.json` and
    `app-1.0`; empty where the name is no image's own.
    """
    bare = _DOCUMENT.fullmatch(name) or _IMAGE.fullmatch(name)
    return _VERSION.sub("", bare[1]) if bare and bare[1] not in _NAMELESS else ""


def names_of(derivation: Derivation, out_path: str) -> Names:
    """The names that a package's program is chosen by."""
    from flakeship.sources.package import Names

    return Names(derivation.main_program, derivation.pname or pname_in(Path(out_path).name))


def pname_in(name: str) -> str:
    """The pname in `HASH-hello-2.12`, as builtins.parseDrvName has it: up to the first dash that no letter follows."""
    parts = name.split("-")[1:]
    end = next((n for n, part in enumerate(parts) if n and not part[:1].isalpha()), len(parts))
    return "-".join(parts[:end])


@contextlib.contextmanager
def facts_while_packing(
    describe: Describe | None, metadata: Metadata, emit: events.Emit
) -> Iterator[Callable[[], NixFacts]]:
    """Ask Nix in the background for what labels lack, if they lack anything; calling what is yielded waits for the answer.

    Where the evaluation fails the facts are empty: a missing label is no reason to fail.
    """
    if describe is None or not metadata.auto_labels or not missing_labels(metadata):
        yield NixFacts
        return
    with workers("describe", 1) as pool:
        answer = pool.submit(_facts_or_nothing, describe, emit)
        yield answer.result


@contextlib.contextmanager
def facts_before_packing(
    describe: Describe | None, metadata: Metadata, emit: events.Emit
) -> Iterator[Callable[[], NixFacts]]:
    """The same, answered before anything is packed: where the image is written into the folder that Nix evaluates."""
    with facts_while_packing(describe, metadata, emit) as facts:
        facts()
        yield facts


def missing_labels(metadata: Metadata) -> frozenset[str]:
    """The keys of labels that only the flake can give."""
    return FLAKE - {*metadata.labels.known, *metadata.labels.described, *metadata.labels.user}


def _facts_or_nothing(describe: Describe, emit: events.Emit) -> NixFacts:
    try:
        return facts_of(describe())
    except Error as error:
        emit(events.Detail(f"the flake does not say what it is, so labels go without: {error.message}"))
        return NixFacts()


def _hash_of_all(paths: Sequence[str]) -> str:
    """The hash of the one store path, of several a hash of theirs in the same letters; empty without any."""
    hashes = [_hash_of(Path(path)) for path in paths]
    if len(hashes) < 2 or not all(hashes):
        return hashes[0] if hashes else ""
    digest = base64.b32encode(hashlib.sha256(" ".join(hashes).encode()).digest()[:20]).decode()
    return digest.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _LETTERS))


def _hash_of(path: Path) -> str:
    """The hash of a store path, or of a link to one; empty for another path."""
    return hash_of(str(path)) or hash_of(str(path.resolve()))
