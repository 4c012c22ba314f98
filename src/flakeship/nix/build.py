"""Run `nix build`: emit its log as events, read its JSON, and turn its failures into errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from flakeship.errors import BuildError
from flakeship.events import BuildLog, Emit, Warned
from flakeship.nix.command import Nix
from flakeship.nix.derivation import CHOOSES_OUTPUTS, Derivation
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import ALL_OUTPUTS, Installable, ordered_outputs
from flakeship.nix.log import Log
from flakeship.nix.silence import Silence
from flakeship.printable import counted
from flakeship.process import NotStartedError

_SYSTEMS: Final = re.compile(r"[a-z0-9_]+-(?:linux|darwin)")


class Elsewhere(Protocol):
    """The machines that build for this one."""

    def again(self, failure: Failure) -> Nix | None:
        """What a failed build is done again with; None where it failed for good. It may raise an error that says more."""

    def tell(self, machines: Mapping[str, str]) -> None:
        """Take what the build gave to others: stores of machines by derivation. Called once, at a good end."""


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """The result of a build: the store paths of the outputs that were asked for, by name.

    They stand in the order in which the installable names them, else as `ordered_outputs` has them. `drv_path` and
    `system` are empty for a store path that needed no build.
    """

    drv_path: str
    outputs: Mapping[str, str]
    system: str
    derivation: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Nix's JSON of the derivation, where it was asked for that."""

    @property
    def out_path(self) -> str:
        """The first store path: an image is called after it, and it decides what kind of source this is."""
        return next(iter(self.outputs.values()))

    @property
    def paths(self) -> tuple[str, ...]:
        """All store paths, the first of them first."""
        return tuple(self.outputs.values())


def build(
    nix: Nix,
    installable: Installable,
    *,
    emit: Emit,
    described: Derivation | None = None,
    elsewhere: Elsewhere | None = None,
) -> BuildOutput:
    """Build the installable; no link to the result is made.

    `described` is its evaluation, by which a Nix before 2.13 is told which outputs are asked for.

    No cache that `Nix.with_options` added fails the build: if one breaks, the build runs again without it. `elsewhere` is
    asked whether another failure is one of the machine that built, and not of what was built.

    Raises BuildError or ResourceError, which name the derivation and quote the end of its log.
    """
    words = words_for(nix, installable, described)
    return read_build(nix, installable, _attempt(nix, (installable,), words, elsewhere, emit))


def build_together(
    nix: Nix,
    wanted: Mapping[Installable, Derivation],
    *,
    emit: Emit,
    elsewhere: Elsewhere | None = None,
) -> dict[Installable, BuildOutput]:
    """Build several installables of flakes in one call of Nix, which shares its builders among them.

    `wanted` has the evaluation of each, by which it is found among the results: Nix has an order of its own for them. One
    that is not found is left out. All else is as of `build`; an error names the one that it is about, else the first.
    """
    installables = tuple(wanted)
    stdout = _attempt(nix, installables, words_together(nix, wanted), elsewhere, emit)
    found: dict[str, dict[str, str]] = {}
    for drv_path, outputs in _results(nix, stdout):
        found.setdefault(drv_path, {}).update(outputs)
    return {
        each: _output(each, described.drv_path, found[described.drv_path], described.system)
        for each, described in wanted.items()
        if described.drv_path in found
    }


def _about(installables: Sequence[Installable], log: Log) -> Installable:
    """The installable that a failure speaks of: the one whose system it names first, else the first.

    Where no machine builds for a system, Nix names that before it says what this machine is.
    """
    for system in _SYSTEMS.findall("\n".join(log.errors)):
        for each in installables:
            if system in each.names[1:2]:
                return each
    return installables[0]


def _attempt(
    nix: Nix,
    installables: Sequence[Installable],
    what: Sequence[str],
    elsewhere: Elsewhere | None,
    emit: Emit,
) -> bytes:
    """Return what `nix build` printed."""
    log = Log(emit)
    silence = Silence(log, emit, nix.store)
    words = ("--json", "--no-link", "--log-format", "internal-json", *what)
    try:
        with silence.watched():
            returncode, stdout = nix.stream("build", *words, on_stderr=silence.take, cwd=installables[0].cwd)
    except NotStartedError as error:
        raise BuildError(error.message, hint="check that no other job removes Nix") from error
    if returncode != 0:
        failure = Failure(nix, _about(installables, log), returncode, log)
        if not failure.cache:
            if failure.may_be_cached:
                return _attempt(nix.without_evaluation_cache(), installables, what, elsewhere, emit)
            if elsewhere and (other := elsewhere.again(failure)):
                return _attempt(other, installables, what, elsewhere, emit)
            raise explain_failure(failure)
        emit(
            Warned(
                f"Nix failed over the cache {failure.cache}",
                hint="check the cache; the build runs again without the caches of this run",
            )
        )
        return _attempt(nix.without_caches(), installables, what, elsewhere, emit)
    for text in log.errors:
        emit(BuildLog(text))  # these errors did not fail the build, and may say why it took so long
    if elsewhere:
        elsewhere.tell(log.machines)
    if cache := Failure(nix, _about(installables, log), returncode, log).damaged_cache:
        emit(
            Warned(
                f"Nix could not use all that it got from the cache {cache}, and built that itself",
                hint="read the log of the build, and check the cache",
            )
        )
    return stdout


def words_for(nix: Nix, installable: Installable, described: Derivation | None = None) -> tuple[str, ...]:
    """Return the last arguments of a nix command: options, `--` and the installable, once for each output where need be."""
    return (*installable.options, "--", *installables_for(nix, installable, described))


def words_together(nix: Nix, wanted: Mapping[Installable, Derivation]) -> tuple[str, ...]:
    """Return the last arguments of a nix command about several installables of flakes."""
    return ("--", *(word for each in wanted for word in installables_for(nix, each, wanted[each])))


def installables_for(
    nix: Nix, installable: Installable, described: Derivation | None = None
) -> tuple[str, ...]:
    """Return the installable in the spelling of this version of Nix.

    Before 2.13 an output is written like an attribute, `.#package.doc`, and each stands by itself; `described` says which
    are meant by `^*` and by `meta.outputsToInstall`. BuildError where outputs can't be written so.
    """
    if nix.version >= CHOOSES_OUTPUTS:
        return (installable.argument,)
    names = installable.outputs
    if described and installable.outputs in ((), ALL_OUTPUTS):
        names = tuple(described.outputs)
    if not names or (not installable.outputs and described and names == (described.default_output,)):
        return (installable.target,)
    if names == ALL_OUTPUTS:
        raise BuildError(
            f"{nix.release} can't build {installable}: it has no `^`, and the package does not say what outputs it has",
            hint="use Nix 2.13 or newer, or name the output",
        )
    package = (
        installable.target.removesuffix(".")
        if installable.attribute
        else _default_package(nix, installable, described)
    )
    return tuple(f"{package}.{name}" if package else name for name in names)


def _default_package(nix: Nix, installable: Installable, described: Derivation | None) -> str:
    """The default package of a flake in a spelling that an output's name can follow; of a file it is the file."""
    if installable.file:
        return ""
    for attribute in ("default", f"defaultPackage.{described.system if described else ''}"):
        target = f"{installable.flake}#{attribute}"
        if nix.run("eval", "--raw", "--", f"{target}.outPath", cwd=installable.cwd).returncode == 0:
            return target
    raise BuildError(
        f"{nix.release} can't build {installable}: it has no `^`, and the default package has no name here",
        hint="use Nix 2.13 or newer, or name the attribute",
    )


def read_build(nix: Nix, installable: Installable, stdout: bytes) -> BuildOutput:
    """Read the JSON of `nix build --json`: an array of one object with drvPath and outputs, or of one store path.

    BuildError for any other JSON, and for an installable that gives several results.
    """
    results = _results(nix, stdout)
    # A Nix before 2.13 that is given several outputs of one derivation answers with all of them for each.
    merged: dict[str, dict[str, str]] = {}
    for number, (drv_path, found) in enumerate(results):
        merged.setdefault(drv_path or str(number), {}).update(found)
    if len(merged) != 1:
        raise BuildError(
            f"{installable} gives {counted(len(merged), 'result')}, but only one can be published",
            hint="name one attribute, which is a package: `attr: NAME`"
            if installable.file
            else "name one attribute: `FLAKE#ATTRIBUTE`",
        )
    (outputs,) = merged.values()
    drv_path = results[0][0]
    document = derivation_document(nix, drv_path) if drv_path else None
    return _output(installable, drv_path, outputs, str(document["system"]) if document else "", document)


def _output(
    installable: Installable,
    drv_path: str,
    outputs: Mapping[str, str],
    system: str,
    document: Mapping[str, Any] | None = None,
) -> BuildOutput:
    named = [name for name in installable.outputs if name in outputs]
    order = dict.fromkeys((*named, *ordered_outputs(outputs)))
    return BuildOutput(drv_path, {name: outputs[name] for name in order}, system, document)


def _results(nix: Nix, stdout: bytes) -> list[tuple[str, dict[str, str]]]:
    """The derivation and the outputs of each entry that `nix build --json` printed."""
    try:
        return [_outputs(entry) for entry in json.loads(stdout)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(
            f"nix build printed JSON in an unknown form: {stdout[:200]!r}",
            hint=f"use one of Nix 2.8 to 2.34, which are known to work; this is {nix.release}",
        ) from error


def _outputs(entry: Any) -> tuple[str, dict[str, str]]:
    if isinstance(entry, str):
        return "", {"out": entry}
    if "path" in entry:
        return "", {"out": entry["path"]}
    outputs = {name: path for name, path in entry["outputs"].items() if path}
    if not outputs:
        raise KeyError("outputs")
    return entry["drvPath"], outputs


def system_of(nix: Nix, drv_path: str) -> str:
    """Return the system that a derivation is built for, `x86_64-linux`."""
    return str(derivation_document(nix, drv_path)["system"])


def derivation_document(nix: Nix, drv_path: str) -> Mapping[str, Any]:
    """Return the JSON of a derivation. BuildError where the store does not hold it."""
    verb = "derivation show" if nix.version >= (2, 20) else "show-derivation"
    document = nix.query(verb, "--", drv_path)
    derivations = document.get("derivations", document)  # 2.34 nests them
    found: Mapping[str, Any] = next(iter(derivations.values()))
    return found


def current_system(nix: Nix) -> str:
    """Return the system that this Nix builds for where nothing else is said."""
    return str(nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem"))
