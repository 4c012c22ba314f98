"""What Nix says where no machine may or can build something, or where the machine that should does not trust us."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flakeship.errors import BuildError, Error, NotAllowedError
from flakeship.nix.cause import Cause
from flakeship.nix.failure import Failure
from flakeship.nix.ssh_failure import quoted, ssh_failure
from flakeship.store_paths import name_of_derivation

NOT_TRUSTED: Final = (
    r"you are not privileged to build|cannot add path '[^'\n]+' because it lacks a (?:valid )?signature"
    r"|lacks a signature by a trusted key"
)
"""What a daemon there answers a user that it does not trust: https://github.com/NixOS/nix/issues/5343."""

NOT_HERE: Final = r"[Uu]nable to start any build|local builds are disabled"
"""What Nix says where `max-jobs` is 0 and no machine is left."""

TRUST_HINT: Final = (
    "name the user that ssh logs in as in `trusted-users` of /etc/nix/nix.conf there, and start nix-daemon again "
    "(whoever may do that is as good as root on it)"
)
_LINUX_FOR_A_MAC: Final = (
    "give Nix a machine with Linux: `nix.linux-builder.enable = true;` of nix-darwin, nix-rosetta-builder, the native Linux "
    "builder of Determinate Nix, or a remote one in `builders`; or build in CI"
)


def not_trusted(machine: str, detail: str = "") -> Error:
    """The error for a `machine`, such as `the builder b1.example`, that takes nothing which it did not build itself."""
    return NotAllowedError(
        f"{machine} does not trust its user: it takes from us neither inputs without a signature nor builds",
        hint=TRUST_HINT,
        detail=detail,
    )


def ways_to_build_for(system: str) -> str:
    """The hint for something that no machine builds."""
    return (
        f"build on a runner for {system}, name a machine that builds for it in `builders`, "
        f"install qemu's binfmt handlers and set `nix-config: extra-platforms = {system}`, or cross-compile it (`pkgsCross`)"
    )


def _not_trusted(failure: Failure, _: re.Match[str]) -> Error | None:
    stores = {store for drv, store in failure.log.machines.items() if drv in failure.said}
    if not stores:
        return None
    return not_trusted(f"the builder {min(stores).partition('://')[2]}", failure.end)


def _in_another_folder(failure: Failure, _: re.Match[str]) -> Error | None:
    stores = {store for drv, store in failure.log.machines.items() if drv in failure.said}
    if not stores:
        return None
    return BuildError(
        f"the builder {min(stores).partition('://')[2]} keeps its store in another folder than /nix/store, so it builds nothing of ours",
        hint="leave it out of `builders`, or give it a Nix whose paths begin with /nix/store; where its files lie does not matter "
        "(`HOST?remote-store=local?root=/data`)",
        detail=failure.end,
    )


def _system(failure: Failure, found: re.Match[str]) -> Error:
    wanted, have = found["wanted"] or found["wanted2"], found["have"] or found["have2"]
    features = (found["features"] or found["features2"] or found["features3"] or "").strip()
    if features and wanted == have:
        return _without_features(failure, features)
    if have.endswith("-darwin") and wanted.endswith("-linux"):
        builders = _builders(failure)
        return BuildError(
            f"{failure.installable} is for {wanted}, and this machine is {have}{_NO_BUILDER if builders else ''}",
            hint=_of_its_line(wanted) + _LINUX_FOR_A_MAC if builders else _LINUX_FOR_A_MAC,
            detail=failure.end,
        )
    if failure.nix.store:
        return BuildError(
            f"{failure.installable} is for {wanted}, and the machine of `store` is {have}",
            hint=f"name a machine in `store` that builds for {wanted}, give that one builders or qemu's binfmt handlers by its own "
            f"nix.conf (`extra-platforms = {wanted}`), or cross-compile it (`pkgsCross`)",
            detail=failure.end,
        )
    return _for_another(failure, wanted, f"this machine is {have}")


def _no_machine(failure: Failure, found: re.Match[str]) -> Error:
    """Where this machine builds nothing, Nix before 2.34 says what it looked for in vain, and not what it is."""
    features = found["features"].strip("[] ")
    if features:
        return _without_features(failure, features)
    return _for_another(failure, found["wanted"], "this machine builds nothing (`max-jobs` is 0)")


def _for_another(failure: Failure, wanted: str, here: str) -> Error:
    builders = _builders(failure)
    if any(_is_choosy(line.split(), wanted) for line in builders.split(";")):
        return BuildError(
            f"{failure.installable} is for {wanted}, and {here}, and each builder for that has mandatory features, for which it does not ask",
            hint="write `-` into the seventh field of a line of `builders`, so that the machine builds everything",
            detail=failure.end,
        )
    return BuildError(
        f"{failure.installable} is for {wanted}, and {here}{_NO_BUILDER if builders else ''}",
        hint=(_of_its_line(wanted) if builders else "") + ways_to_build_for(wanted),
        detail=failure.end,
    )


_NO_BUILDER: Final = ", and no builder is for that"


def _builders(failure: Failure) -> str:
    return dict(failure.nix.options).get("builders", "")


def _of_its_line(system: str) -> str:
    """The beginning of a hint where a machine is named that may build for the system, and its line does not say so."""
    return f"write the systems of the machine into the second field of its line in `builders` (`HOST {system}`); or "


def _is_choosy(fields: Sequence[str], system: str) -> bool:
    """Whether a line of `builders` is for that system by its name, and for what asks for a feature alone."""
    return len(fields) > 6 and system in fields[1].split(",") and fields[6] != "-"


def _without_features(failure: Failure, features: str) -> Error:
    return BuildError(
        f"{failure.installable} needs a machine with the features {features}",
        hint="use a runner that has them (`kvm` needs /dev/kvm), name a builder that has them (the sixth field of its line in "
        "`builders`), or set `nix-config: system-features = …`",
        detail=failure.end,
    )


def _unreachable(failure: Failure, found: re.Match[str]) -> Error:
    why = ssh_failure(f"{failure.said}\n{failure.around}")
    return BuildError(
        f"this machine builds nothing (`max-jobs` is 0), and the builder {found['store'].partition('://')[2]} can't be used"
        + (f": {why.why}" if why else ""),
        hint=why.hint if why else "run `nix store info --store ssh-ng://HOST` by hand to see more",
        detail="\n".join((quoted(failure.around), failure.end)),
    )


def _nobody(failure: Failure, _: re.Match[str]) -> Error:
    if failure.nix.store:
        return BuildError(
            f"nobody may build {failure.installable}: the machine of `store` builds nothing (`max-jobs` is 0 there), and has no builder for it",
            hint="take `max-jobs = 0` out of nix.conf there, or name a builder in it",
            detail=failure.end,
        )
    return BuildError(
        f"nobody may build {failure.installable}: this machine builds nothing (`max-jobs` is 0), and no builder is named",
        hint="name a machine in `builders`, or take `max-jobs = 0` out of nix-config and nix.conf",
        detail=failure.end,
    )


def _refused_there(failure: Failure, found: re.Match[str]) -> Error | None:
    """A builder that was given something and would not build it; None where it did build, and the build failed."""
    machine, name = found["store"].partition("://")[2].partition("?")[0], name_of_derivation(found["drv"])
    why = found["why"].strip()
    system = re.match(
        r"a '(?P<wanted>[^']+)' with features \{[^}]*\} is required .* I am a '(?P<have>[^']+)'", why
    )
    system = system or re.search(
        r"Required system: '(?P<wanted>[^']+)'.*?Current system: '(?P<have>[^']+)'", found["rest"], re.DOTALL
    )
    if system:
        there = (
            f"is {system['have']}"
            if system["have"] != system["wanted"]
            else "lacks features that are asked for"
        )
        return BuildError(
            f"the builder {machine} does not build {name}, which is for {system['wanted']}: that machine {there}",
            hint="correct its systems and features (fields 2 and 6 of its line in `builders`), or set `system-features` or `extra-platforms` in "
            "nix.conf there",
            detail=failure.end,
        )
    if re.search(NOT_HERE, why):
        return BuildError(
            f"the builder {machine} builds nothing itself: `max-jobs` is 0 there",
            hint="take `max-jobs = 0` out of nix.conf there, or leave the machine out of `builders`",
            detail=failure.end,
        )
    if re.search(
        r"^builder for '|failed with exit code|timed out after|dependencies of derivation|hash mismatch", why
    ):
        return None
    return BuildError(
        f"the builder {machine} does not build {name}: {why}",
        hint="correct that on the machine, or leave it out of `builders`",
        detail=failure.end,
    )


TRUST_CAUSES: Final = (
    Cause(NOT_TRUSTED, _not_trusted),
    Cause(
        r"path '/nix/store/[^'\n]+' is not (?:in the Nix store|a store path)|'/nix/store/[^'\n]+' not in store",
        _in_another_folder,
    ),
    Cause(
        r"build of '(?P<drv>/nix/store/[^'\n]+\.drv)[^'\n]*' on '(?P<store>[^'\n]+)' failed: (?:error: )?(?P<why>\S[^\n]*)(?P<rest>.*)",
        _refused_there,
    ),
)
"""They stand before a builder that failed, which Nix makes of them."""

CAUSES: Final = (
    Cause(
        r"a '(?P<wanted>[^']+)' with features \{(?P<features>[^}]*)\} is required to build .* I am a '(?P<have>[^']+)'"
        r"|Required system: '(?P<wanted2>[^']+)'(?: with features \{(?P<features2>[^}]*)\})?\s+"
        r"Current system: '(?P<have2>[^']+)'|Required features: \{(?P<features3>[^}]*)\}",
        _system,
    ),
    Cause(rf"cannot build on '(?P<store>[^'\n]+)': .*(?:{NOT_HERE})", _unreachable),
    Cause(
        rf"required \(system, features\): \((?P<wanted>[^,\n]+), (?P<features>[^)\n]*)\).*(?:{NOT_HERE})",
        _no_machine,
    ),
    Cause(NOT_HERE, _nobody),
)
