"""The input `nix-cache`, and what is refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.caches.place import (
    LayoutPlace,
    Limits,
    NixCache,
    Place,
    RegistryPlace,
    StorePlace,
    parse_nix_cache,
)
from flakeship.errors import UsageError
from flakeship.registry.reference import Reference
from flakeship.settings.sizes import parse_size

CWD = Path("/somewhere")
USUAL = Limits(14, 5 * 1024**3)


def parsed(text: str) -> NixCache:
    return parse_nix_cache(text, size_of=parse_size, cwd=CWD)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("registry", RegistryPlace(None)),
        ("docker://ghcr.io/o/cache", RegistryPlace(Reference("ghcr.io", "o/cache"))),
        ("docker://localhost:5000/c", RegistryPlace(Reference("localhost:5000", "c"))),
        ("oci:cache", LayoutPlace(CWD / "cache")),
        ("oci:/var/cache/nix", LayoutPlace(Path("/var/cache/nix"))),
        ("oci:a b ü", LayoutPlace(CWD / "a b ü")),
        ("file:///var/cache/nix/", StorePlace("file:///var/cache/nix")),
        ("https://cache.example.org/x", StorePlace("https://cache.example.org/x")),
    ],
)
def test_each_place(text: str, place: Place) -> None:
    assert parsed(text) == NixCache(place, USUAL, inputs=False)
    assert parsed(f"{text}?inputs=true") == NixCache(place, USUAL, inputs=True)


def test_parameters() -> None:
    assert parsed("registry?days=3&size=1.5G").limits == Limits(3, 3 * 1024**3 // 2)
    assert parsed("oci:d?size=512M&inputs=false") == NixCache(LayoutPlace(CWD / "d"), Limits(14, 512 << 20))


def test_the_repository_beside_an_image() -> None:
    image = Reference.parse("ghcr.io/owner/name:1")
    assert parsed("registry").place == RegistryPlace(None)
    assert RegistryPlace(None).beside(image) == Reference("ghcr.io", "owner/name/nix-cache")
    assert RegistryPlace(Reference("a.example", "b")).beside(image) == Reference("a.example", "b")
    with pytest.raises(UsageError, match=r"Docker Hub has no repository docker.io/me/app/nix-cache"):
        RegistryPlace(None).beside(Reference.parse("me/app"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("registry?size=lots", "nix-cache: size is 'lots', which is not a size"),
        ("registry?size=5", "nix-cache: size is '5', which has no unit"),
        ("registry?size=-5G", "is not a size"),
        ("registry?size=0", "size is 0, so that nothing could be kept"),
        ("registry?days=-1", "nix-cache: days is '-1', which is not a number of days"),
        ("registry?days=0", "not a number of days"),
        ("registry?days=", "not a number of days"),
        ("registry?days=9999999999999", "not a number of days"),
        ("registry?days=٣", "not a number of days"),
        (f"registry?days=000000001{'9' * 5000}", "not a number of days"),
        ("registry?inputs=yes", "inputs is 'yes', which is neither true nor false"),
        ("registry?age=3", "nix-cache: registry has no parameter 'age'"),
        ("registry?days=1&days=2", "'days' is given twice"),
        ("registry?days", "'days' is not a list of parameters"),
        ("https://c.example?days=3", "has no parameter 'days': what a cache of that kind keeps"),
        ("registry2", "'registry2' is not a place for a cache"),
        ("", "'' is not a place"),
        ("oci:", "is not a place"),
        ("file://x", "is not a place"),
        ("s3://bucket", "is not a place"),
        ("https://", "has no host"),
        ("https://me:secret@c.example", "holds a password"),
        ("http://[::1", "has no host"),
        ("https://c.example/a b", "a character that a URL can't have"),
        ("https://c.example/ü", "a character that a URL can't have"),
        ("https://c.example/a#b", "a character that a URL can't have"),
        ("oci:a\nb", "a line break or a control character"),
        ("file:///", "not a folder that every version of Nix finds"),
        ("file:///a b", "not a folder that every version of Nix finds"),
        ("file:///a%20b", "not a folder that every version of Nix finds"),
        ("file:///ü", "not a folder that every version of Nix finds"),
        ("docker://ghcr.io/o/c:main", "the cache gives its tags itself"),
        ("docker://ghcr.io/o/ä", "is not an image reference"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert reason in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
