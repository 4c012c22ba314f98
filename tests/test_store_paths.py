"""How a store path is spelled, whole and within text."""

from __future__ import annotations

import pytest

from flakeship.store_paths import hash_of, name_of, name_of_derivation, store_path_of, store_paths_in

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
HELLO = f"/nix/store/{HASH}-hello-2.12"
LIBRARY = f"/nix/store/{HASH[::-1]}-libc+x.y_z?=1"


@pytest.mark.parametrize(
    ("path", "whole", "of_file", "name"),
    [
        (HELLO, HASH, HELLO, "hello-2.12"),
        (LIBRARY, HASH[::-1], LIBRARY, "libc+x.y_z?=1"),
        (f"{HELLO}.drv", HASH, f"{HELLO}.drv", "hello-2.12.drv"),
        (f"{HELLO}/bin/hello", "", HELLO, f"{HELLO}/bin/hello"),
        (f"{HELLO}#app", "", HELLO, f"{HELLO}#app"),
        (f"/elsewhere{HELLO}", "", "", "hello-2.12"),
        (f"/nix/store/{HASH[1:]}-short", "", "", f"/nix/store/{HASH[1:]}-short"),
        (f"/nix/store/{HASH[1:]}e-letter", "", "", f"/nix/store/{HASH[1:]}e-letter"),
        ("/bin/sh", "", "", "/bin/sh"),
        ("", "", "", ""),
    ],
)
def test_a_path(path: str, whole: str, of_file: str, name: str) -> None:
    assert hash_of(path) == whole
    assert store_path_of(path) == of_file
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        (f"store paths: ['{HELLO}', '{LIBRARY}']", [HELLO, LIBRARY]),
        (f"{HELLO}/bin {HELLO}", [HELLO, HELLO]),
        (f"└───{HELLO}: …{HELLO}…", [HELLO, HELLO]),
        ("/nix/store/hello", []),
    ],
)
def test_within_text(text: str, paths: list[str]) -> None:
    assert store_paths_in(text) == paths


def test_the_name_of_a_derivation() -> None:
    assert name_of_derivation(f"{HELLO}.drv") == "hello-2.12"
    assert name_of_derivation(HELLO) == "hello-2.12"
    assert name_of_derivation("") == ""
