"""What Nix says of machines that build for others: recorded from 2.8, 2.26 and 2.34."""

from __future__ import annotations

import pytest

from flakeship.errors import BuildError, NotAllowedError
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.log import Log
from flakeship.nix.to_build import planned
from tests.nix.failures import INSTALLABLE, explained
from tests.nix.samples import FAILS

_DISABLED = (
    f"error: Cannot build '{FAILS}'.\n       Reason: local builds are disabled (max-jobs = 0)\n"
    "       Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'"
)
_MISMATCH = "\n       Reason: platform mismatch\n       Required system: 'riscv64-linux'\n       Current system: 'x86_64-linux'"
_UNABLE = {
    "2.8": "error: unable to start any build; remote machines may not have all required system features.",
    "2.26": "error:\n                           Unable to start any build;\n                           remote machines may not have all "
    "required system features.",
}
_FOUND = "Failed to find a machine for remote build!\nderivation: fails.drv\nrequired (system, features): (riscv64-linux, {})\n1 available machines:"


@pytest.mark.parametrize(
    "said",
    [
        (_FOUND.format(""), _UNABLE["2.8"]),
        (_FOUND.format("[]"), _UNABLE["2.26"]),
        (f"{_DISABLED}{_MISMATCH}",),
    ],
)
def test_what_no_machine_builds_names_the_ways_out(nix: Nix, said: tuple[str, ...]) -> None:
    error = explained(nix.with_options([("builders", "ssh-ng://b1")]), *said)
    assert isinstance(error, BuildError)
    assert error.message.startswith("github:o/r#image is for riscv64-linux, and this machine ")
    assert error.message.endswith(", and no builder is for that")
    for way in ("(`HOST riscv64-linux`)", "runner for riscv64-linux", "`builders`", "binfmt", "`pkgsCross`"):
        assert way in error.hint


@pytest.mark.parametrize("builders", ["", "ssh-ng://b1 aarch64-darwin - 1 1 - - -"])
def test_a_mac_without_a_machine_for_linux_is_told_of_all_ways(nix: Nix, builders: str) -> None:
    """A line of `builders` that names no system stands for a Mac."""
    said = f"error: a 'aarch64-linux' with features {{}} is required to build '{FAILS}', but I am a 'aarch64-darwin' with features {{}}"
    error = explained(nix.with_options([("builders", builders)]), said)
    assert error.message.endswith(
        "this machine is aarch64-darwin" + ", and no builder is for that" * bool(builders)
    )
    assert ("(`HOST aarch64-linux`)" in error.hint) == bool(builders)
    for way in ("linux-builder", "rosetta-builder", "Determinate", "remote one", "in CI"):
        assert way in error.hint


def test_a_builder_that_takes_only_what_asks_for_its_features_is_the_reason(nix: Nix) -> None:
    line = "ssh-ng://b1 x86_64-linux,riscv64-linux - 1 1 kvm kvm -"
    error = explained(nix.with_options([("builders", line)]), _FOUND.format(""), _UNABLE["2.8"])
    assert "each builder for that has mandatory features" in error.message
    assert "seventh field" in error.hint


def test_a_far_store_for_another_system_is_not_told_of_builders_here(nix: Nix) -> None:
    said = f"error: a 'aarch64-linux' with features {{}} is required to build '{FAILS}', but I am a 'x86_64-linux' with features {{kvm}}"
    error = explained(nix.building_in("ssh-ng://nix@b1"), said)
    assert (
        error.message == "github:o/r#image is for aarch64-linux, and the machine of `store` is x86_64-linux"
    )
    assert "`builders`" not in error.hint, "the two do not go together"


def test_a_disk_that_is_full_is_that_of_the_machine_that_built(nix: Nix) -> None:
    said = "error: writing to file: No space left on device"
    assert explained(nix, said).message.startswith("the disk is full")
    far = explained(nix.building_in("ssh-ng://nix@b1?compress=true"), said)
    assert far.message.startswith("the disk of nix@b1 is full, or that of this machine: ")
    log = Log(ignore)
    log.machines[FAILS] = "ssh-ng://b2"
    for text in (said, f"error: builder for '{FAILS}' failed with exit code 1"):
        log._logged(text, 0)
    assert explain_failure(Failure(nix, INSTALLABLE, 1, log)).message.startswith("the disk of b2 is full")


def test_features_that_no_builder_has_are_named(nix: Nix) -> None:
    error = explained(nix, _FOUND.format("[kvm]"), _UNABLE["2.26"])
    assert error.message == "github:o/r#image needs a machine with the features kvm"


@pytest.mark.parametrize("said", [*_UNABLE.values(), _DISABLED])
def test_a_machine_of_nix_conf_that_is_away_is_the_reason(nix: Nix, said: str) -> None:
    away = "cannot build on 'ssh-ng://b1': error: failed to start SSH connection to 'b1'"
    error = explained(
        nix, away, _FOUND.format(""), said, rest=("ssh: connect to host b1 port 22: Connection refused",)
    )
    assert "the builder b1 can't be used: no connection comes about (Connection refused)" in error.message
    assert "nobody may build" in explained(nix, said).message


@pytest.mark.parametrize(
    "said",
    [
        "error: you are not privileged to build input-addressed derivations",
        "error: cannot add path '/nix/store/x-source' because it lacks a valid signature",
        "error: cannot add path '/nix/store/x-source' because it lacks a signature by a trusted key",
    ],
)
def test_who_does_not_trust_us_is_named_with_what_to_do(nix: Nix, said: str) -> None:
    log = Log(ignore)
    log.machines[FAILS] = "ssh-ng://b1"
    for text in (said, f"error: builder for '{FAILS}' failed with exit code 1"):
        log._logged(text, 0)
    error = explain_failure(Failure(nix, INSTALLABLE, 1, log))
    assert isinstance(error, NotAllowedError)
    assert error.message.startswith("the builder b1 does not trust its user")
    assert "trusted-users" in error.hint


def test_a_builder_whose_store_is_in_another_folder_is_named(nix: Nix) -> None:
    log = Log(ignore)
    log.machines[FAILS] = "ssh-ng://b1"
    said = "error: path '/nix/store/6138xpgg82k7bkk6bxcmnqhca4yzk5iz-source' is not in the Nix store"
    for text in (said, f"error: builder for '{FAILS}' failed with exit code 1"):
        log._logged(text, 0)
    error = explain_failure(Failure(nix, INSTALLABLE, 1, log))
    assert error.message.startswith("the builder b1 keeps its store in another folder than /nix/store")


def test_a_warning_that_nobody_builds_it_is_no_error(nix: Nix) -> None:
    """Nix 2.8 prints it also where this machine builds."""
    log = Log(ignore)
    log._logged(_FOUND.format(""), 1)
    assert not log.errors
    log._logged(f"error: builder for '{FAILS}' failed with exit code 3", 0)
    assert "exited with code 3" in explain_failure(Failure(nix, INSTALLABLE, 1, log)).message


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (f"this derivation will be built:\n  {FAILS}\n", 1),
        (f"warning: Git tree is dirty\nthese 2 derivations will be built:\n  {FAILS}\n  {FAILS}\nthis path will be fetched (0.00 MiB download, 1.2 MiB unpacked):\n  /nix/store/x-y.drv", 2),
    ],
)  # fmt: skip
def test_what_would_be_built_is_read(text: str, count: int) -> None:
    assert planned(text) == (FAILS,) * count


_ON_B1 = f"error: build of '{FAILS}' on 'ssh-ng://b1' failed: "


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            f"error: a 'x86_64-linux' with features {{}} is required to build '{FAILS}', but I am a 'aarch64-linux' with features {{kvm}}",
            "does not build fails, which is for x86_64-linux: that machine is aarch64-linux",
        ),
        (
            f"error: a 'x86_64-linux' with features {{kvm}} is required to build '{FAILS}', but I am a 'x86_64-linux' with features {{}}",
            "that machine lacks features that are asked for",
        ),
        (_UNABLE["2.8"], "builds nothing itself: `max-jobs` is 0 there"),
        ("error: the group 'x' specified in 'build-users-group' does not exist", "does not build fails: the group 'x' specified"),
    ],
)  # fmt: skip
def test_a_builder_that_does_not_build_what_it_was_given_says_why(nix: Nix, why: str, words: str) -> None:
    """Nix makes an exit code 1 of it, as if a build had failed."""
    error = explained(nix, _ON_B1 + why, f"error: builder for '{FAILS}' failed with exit code 1")
    assert error.message.startswith("the builder b1 ")
    assert words in error.message


def test_a_build_that_failed_on_a_builder_is_a_build_that_failed(nix: Nix) -> None:
    said = f"error: builder for '{FAILS}' failed with exit code 3"
    error = explained(nix, _ON_B1 + said, f"error: builder for '{FAILS}' failed with exit code 3")
    assert error.message == "building fails failed: its builder exited with code 3"


def test_a_far_store_that_builds_nothing_is_told_of_its_own_settings(nix: Nix) -> None:
    error = explained(nix.building_in("ssh-ng://b1"), _UNABLE["2.8"])
    assert "the machine of `store` builds nothing (`max-jobs` is 0 there)" in error.message
    assert "there" in error.hint
