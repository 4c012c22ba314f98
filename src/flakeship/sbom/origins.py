"""What a derivation is built from: the files that it names as `src`, `srcs` and `patches`, and where they were fetched."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from flakeship.nix.derivation_files import DerivationFile
from flakeship.sbom.model import Origin, Patch
from flakeship.store_paths import name_of, store_path_of

_LENGTHS: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
_MODES: Final = frozenset({"flat", "recursive", "nar"})
"""Digests of a file, and of a NAR archive by its two names: https://nix.dev/manual/nix/latest/language/advanced-attributes#adv-attr-outputHashMode."""

_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"


def origins_of(derivation: DerivationFile, known: Mapping[str, DerivationFile]) -> tuple[Origin, ...]:
    """Return where its sources were fetched, in their order; of what was fetched itself, where it was."""
    if own := _origin(derivation):
        return (own,)
    fetched = _fetched(derivation, known)
    found = (fetched.get(path) for path in derivation.named("src", "srcs"))
    return tuple(dict.fromkeys(origin for each in found if each and (origin := _origin(each))))


def patches_of(derivation: DerivationFile, known: Mapping[str, DerivationFile]) -> tuple[Patch, ...]:
    """Return the patches in the order in which they are applied."""
    fetched = _fetched(derivation, known)
    found: list[Patch] = []
    for text in derivation.texts("patches"):
        by = fetched.get(store_path_of(text))
        origin = _origin(by) if by else None
        name = name_of(text) if store_path_of(text) == text else text.rpartition("/")[2]
        found.append(Patch(name, origin.urls[0] if origin else text))
    return tuple(dict.fromkeys(found))


def _fetched(derivation: DerivationFile, known: Mapping[str, DerivationFile]) -> dict[str, DerivationFile]:
    """The derivations that fetched what this one names, by the store path of what they fetched."""
    there = (known[path] for path in derivation.fetchers if path in known)
    return {output: each for each in there for output in each.outputs.values() if output}


def _origin(derivation: DerivationFile) -> Origin | None:
    """Where a fixed-output derivation fetches from; None for one that fetches nothing, or does not say where.

    The digest of a file that is changed after it was fetched (fetchurl's `postFetch`) is not that of any file at its URL.
    """
    stated = derivation.text("outputHash")
    urls = derivation.texts("urls") or derivation.texts("url")
    if not stated or not urls:
        return None
    algorithm, digest = hex_digest(stated, derivation.text("outputHashAlgo"))
    mode = derivation.text("outputHashMode") or "flat"
    flat = mode == "flat"
    if mode not in _MODES or (flat and derivation.text("postFetch")):
        algorithm, digest = "", ""
    return Origin(urls, algorithm, digest, flat, derivation.text("rev"))


def hex_digest(stated: str, algorithm: str = "") -> tuple[str, str]:
    """Return algorithm and hex of a hash in any spelling of Nix: SRI, hex, base 64, or Nix's own base 32. Empty for anything else."""
    for mark in ("-", ":"):
        word, found, rest = stated.partition(mark)
        if found and word in _LENGTHS:
            algorithm, stated = word, rest
    length = _LENGTHS.get(algorithm)
    if length is None:
        return "", ""
    for read in (_of_hex, _of_base32, _of_base64):
        data = read(stated, length)
        if data is not None and len(data) == length:
            return algorithm, data.hex()
    return "", ""


def _of_hex(text: str, length: int) -> bytes | None:
    try:
        return bytes.fromhex(text) if len(text) == 2 * length else None
    except ValueError:
        return None


def _of_base64(text: str, length: int) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _of_base32(text: str, length: int) -> bytes | None:
    """The last letter holds the lowest bits: https://nix.dev/manual/nix/latest/protocols/nix32."""
    if len(text) != (length * 8 + 4) // 5 or set(text) - set(_LETTERS):
        return None
    number = 0
    for letter in text:
        number = number << 5 | _LETTERS.index(letter)
    return number.to_bytes(length, "little") if number < 1 << 8 * length else None
