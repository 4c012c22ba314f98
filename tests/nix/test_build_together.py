"""Several installables in one call of `nix build`: whose result is whose, and whose failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flakeship.events import ignore
from flakeship.nix.build import _about, build_together
from flakeship.nix.derivation import Derivation
from flakeship.nix.installable import Installable
from flakeship.nix.log import Log

AMD64 = Installable(".", "packages.x86_64-linux.image", (), "/", None)
ARM64 = Installable(".", "packages.aarch64-linux.image", (), "/", None)
CROSS = Installable(".", "image-arm64", (), "/", None)


def described(name: str, system: str = "x86_64-linux") -> Derivation:
    outputs = {"out": f"/nix/store/{name}"}
    drv_path = f"/nix/store/{name}.drv"
    return Derivation(name, name, "", system, outputs, "", "", "", (), drv_path, "out")


class Nix:
    """Answers `nix build` with these results, and keeps what it was asked for."""

    def __init__(self, *results: dict[str, Any], version: tuple[int, int] = (2, 26)) -> None:
        self.version, self.release, self.store = version, "nix (Nix) test", ""
        self._results = results
        self.asked: list[str] = []

    def stream(
        self, verb: str, *words: str, on_stderr: Callable[[bytes], None], **_: Any
    ) -> tuple[int, bytes]:
        self.asked += [verb, *words[words.index("--") + 1 :]]
        return 0, json.dumps(self._results).encode()


def result(name: str, **outputs: str) -> dict[str, Any]:
    return {"drvPath": f"/nix/store/{name}.drv", "outputs": outputs or {"out": f"/nix/store/{name}"}}


def test_a_result_is_known_by_its_derivation_in_whatever_order() -> None:
    nix: Any = Nix(result("arm"), result("amd"))
    wanted = {AMD64: described("amd"), ARM64: described("arm", "aarch64-linux")}
    made = build_together(nix, wanted, emit=ignore)
    assert nix.asked == ["build", AMD64.argument, ARM64.argument]
    assert {each: (built.out_path, built.system) for each, built in made.items()} == {
        AMD64: ("/nix/store/amd", "x86_64-linux"),
        ARM64: ("/nix/store/arm", "aarch64-linux"),
    }


def test_one_derivation_may_be_for_two_platforms() -> None:
    nix: Any = Nix(result("index"))
    made = build_together(nix, {CROSS: described("index"), AMD64: described("index")}, emit=ignore)
    assert [built.out_path for built in made.values()] == ["/nix/store/index"] * 2


def test_what_is_not_among_the_results_is_left_out() -> None:
    """As of a content-addressed derivation, which is built by itself then."""
    nix: Any = Nix(result("amd"))
    made = build_together(nix, {AMD64: described("amd"), ARM64: described("arm")}, emit=ignore)
    assert list(made) == [AMD64]


def test_the_outputs_of_one_that_old_versions_repeat_are_one_result() -> None:
    """Before 2.13 an output is an installable of its own, and each is answered with all of them."""
    one = replace(AMD64, outputs=("doc", "out"))
    both = {"out": "/nix/store/a", "doc": "/nix/store/b"}
    nix: Any = Nix(result("amd", **both), result("amd", **both), version=(2, 8))
    made = build_together(nix, {one: described("amd")}, emit=ignore)
    assert nix.asked == ["build", f"{AMD64.target}.doc", f"{AMD64.target}.out"]
    assert made[one].paths == ("/nix/store/b", "/nix/store/a")


@pytest.mark.parametrize(
    ("said", "installable"),
    [
        (
            (
                "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x-image.drv', but I am a "
                "'x86_64-linux' with features {benchmark, big-parallel}"
            ),
            ARM64,
        ),
        (
            (
                "error: Cannot build '/nix/store/x-image.drv'.\n       Reason: required system or feature not available\n"
                "       Required system: 'aarch64-linux' with features {}\n       Current system: 'x86_64-linux'"
            ),
            ARM64,
        ),
        ("error: flake '.' does not provide attribute 'packages.aarch64-linux.image'", ARM64),
        ("error: builder for '/nix/store/x-image.drv' failed with exit code 1", AMD64),
        ("error: something of riscv64-linux", AMD64),
    ],
)
def test_a_failure_is_that_of_the_system_it_names(said: str, installable: Installable) -> None:
    assert _about((AMD64, ARM64), Log(ignore, errors=[said])) == installable
