"""Where a flake has an attribute for each of several systems, found by one evaluation that makes no derivation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.derivation import Derivation, describe_if_there
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable

# An attribute that can't be evaluated for some system counts as there: its own evaluation says best what is wrong.
_QUESTION: Final = """kind:
let
  has = set: names: names == [ ] || (builtins.isAttrs set && builtins.hasAttr (builtins.head names) set
    && has (builtins.getAttr (builtins.head names) set) (builtins.tail names));
  tried = system:
    let result = builtins.tryEval (has kind [ system ] && has (builtins.getAttr system kind) %(names)s);
    in result.success && result.value;
  systems = %(systems)s;
in builtins.filter tried systems"""
_ALL: Final = "if builtins.isAttrs kind then builtins.attrNames kind else [ ]"
_AT_ONCE: Final = 4
_SET_OF_SYSTEMS: Final = frozenset({"packages", "legacyPackages", "defaultPackage"})


class LackingError(BuildError):
    """The flake has the attribute, but not for all systems that it is wanted for. `having` are those that it has it for."""

    having: Sequence[str] = ()


def states_system(installable: Installable) -> bool:
    """Whether the attribute path names its system itself, or is one from the top of the flake: Nix takes it as it is."""
    names = installable.names
    within = len(names) > 1 and names[0] in _SET_OF_SYSTEMS and "-" in names[1]
    return within or installable.attribute.startswith(".")


def packages_by_system(
    nix: Nix, installable: Installable, systems: Sequence[str]
) -> Mapping[str, tuple[Installable, Derivation]]:
    """Return what the flake has in `packages` for each system, evaluated at the same time; empty unless all is there.

    Most images are there, and their evaluation is needed later: so nothing has to be asked about where they are.
    """
    wanted = {system: installable_in("packages", system, installable) for system in systems}
    # Two that evaluate one flake beside each other must not share Nix 2.8's cache, where one finds what is half written
    uncached = nix.without_evaluation_cache()
    with ThreadPoolExecutor(max_workers=min(len(systems), _AT_ONCE)) as pool:
        answers = {system: pool.submit(describe_if_there, uncached, each) for system, each in wanted.items()}
        found = {system: (wanted[system], answer.result()) for system, answer in answers.items()}
    return (
        {system: (each, known) for system, (each, known) in found.items() if known}
        if all(known for _, known in found.values())
        else {}
    )


def attributes_by_system(
    nix: Nix, installable: Installable, systems: Sequence[str]
) -> Mapping[str, Installable]:
    """Return the installable for each system, where Nix on such a machine would find it.

    It is empty where no system has it: then the attribute path is one from the top of the flake, or nothing.
    LackingError where some systems have it and another of `systems` has not; BuildError where the flake can't be evaluated.
    """
    found: dict[str, Installable] = {}
    for kind, within in places(installable):
        missing = [system for system in systems if system not in found]
        if not missing:
            break
        for system in _having(nix, installable, kind, within, missing):
            found[system] = installable_in(kind, system, installable)
    missing = [system for system in systems if system not in found]
    if not missing:
        return {system: found[system] for system in systems}
    everywhere = [
        system
        for kind, within in places(installable)
        for system in _having(nix, installable, kind, within, None)
    ]
    if not everywhere:
        return {}
    raise _lacking(installable, missing, sorted(set(everywhere)))


def installable_in(kind: str, system: str, installable: Installable) -> Installable:
    """The attribute where `places` has it, by its whole path."""
    if kind == "defaultPackage":
        return replace(installable, attribute=f"{kind}.{system}")
    return replace(installable, attribute=f"{kind}.{system}.{installable.attribute or 'default'}")


def places(installable: Installable) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Where Nix looks, in its order, and the names below the system there; the names are empty for `defaultPackage`.

    https://github.com/NixOS/nix/blob/2.26.0/src/libcmd/installables.cc
    """
    names = installable.names
    if names:
        return ("packages", names), ("legacyPackages", names)
    return ("packages", ("default",)), ("defaultPackage", ())


def _having(
    nix: Nix, installable: Installable, kind: str, names: Sequence[str], systems: Sequence[str] | None
) -> list[str]:
    """The systems of those given, else of all, for which the flake has these names in `kind`."""
    question = _QUESTION % {
        "names": nix_list(names),
        "systems": _ALL if systems is None else nix_list(systems),
    }
    return _asked(nix, replace(installable, attribute=kind, outputs=()), question, installable)


def _asked(nix: Nix, target: Installable, question: str, installable: Installable) -> list[str]:
    words = ("--json", "--apply", question, "--", target.target)
    done = nix.run("eval", *words, cwd=target.cwd)
    if done.returncode == 0:
        return [str(system) for system in json.loads(done.stdout)]
    failure = Failure(nix, installable, done.returncode)
    for line in done.stderr.splitlines():
        failure.log.take(line)
    if failure.may_be_cached:
        return _asked(nix.without_evaluation_cache(), target, question, installable)
    if "does not provide attribute" in failure.said:
        return []
    raise explain_failure(failure)


def nix_list(names: Sequence[str]) -> str:
    """A list of strings in the Nix language."""
    texts = (json.dumps(name, ensure_ascii=False).replace("${", "\\${") for name in names)
    return f"[ {' '.join(texts)} ]"


def _lacking(installable: Installable, missing: Sequence[str], having: Sequence[str]) -> LackingError:
    name = installable.attribute or "default"
    error = LackingError(
        f"the flake {installable.flake} has {name!r} for {', '.join(having)}, and not for {', '.join(missing)}",
        hint=f"add packages.{missing[0]}.{name} to the flake, or leave its platform out of `platforms`; for what another "
        "system cross-compiles write a line for each platform, such as `flake: linux/arm64=.#image-arm64`, and for an "
        f"index of several platforms `{installable.flake}#packages.{having[0]}.{name}`",
    )
    error.having = having
    return error
