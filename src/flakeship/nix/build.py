"""Run `nix build`: emit its log as events, read its JSON, and turn its failures into errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.events import BuildLog, Emit, Warned
from flakeship.nix.command import Nix
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.log import Log
from flakeship.process import NotStartedError

_HINT_NO_CLIENT: Final = "the build runs without it; nothing is pushed to the cache"


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """The result of a build: store paths, with the names of the outputs as keys of `outputs`.

    `out_path` is the first output that the installable names, else `out`. `drv_path` and `system` are empty for a store
    path that needed no build.
    """

    out_path: str
    drv_path: str
    outputs: Mapping[str, str]
    system: str


@dataclass(frozen=True, slots=True)
class _Client:
    """The command that runs `nix build`, such as `cachix watch-exec`; without words Nix runs by itself."""

    argv: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    patience: float = 60


def build(
    nix: Nix,
    installable: Installable,
    *,
    emit: Emit,
    watch: Sequence[str] = (),
    extra_environ: Mapping[str, str] | None = None,
    patience: float = 60,
) -> BuildOutput:
    """Build the installable; no link to the result is made.

    `watch` holds the first words of a command that runs `nix`, such as a cache's client, and only that command sees
    `extra_environ`. It is ended when it prints nothing for `patience` seconds after the build. Neither `watch` nor a
    cache that `Nix.with_options` added fails the build: if one breaks, the build runs again without it.

    Raises BuildError or ResourceError, which name the derivation and quote the end of its log.
    """
    return _attempt(nix, installable, _Client(tuple(watch), extra_environ or {}, patience), emit)


def _attempt(nix: Nix, installable: Installable, client: _Client, emit: Emit) -> BuildOutput:
    log = Log(emit)
    words = ("--json", "--no-link", "--log-format", "internal-json", *words_for(nix, installable))
    try:
        returncode, stdout = nix.stream(
            "build",
            *words,
            on_stderr=log.take,
            cwd=installable.cwd,
            watch=client.argv,
            extra_environ=client.environ,
            patience=client.patience,
        )
    except NotStartedError as error:
        if not client.argv:
            raise BuildError(error.message, hint="is another job removing Nix?") from error
        emit(Warned(error.message, hint=_HINT_NO_CLIENT))
        return _attempt(nix, installable, _Client(), emit)
    if returncode != 0 and client.argv and not log.errors:
        ended = f"{client.argv[0]}, under which the build ran, ended with exit code {returncode}"
        if not stdout and not log.nix_started:
            emit(Warned(f"{ended} before it started Nix", hint=_HINT_NO_CLIENT))
            return _attempt(nix, installable, _Client(), emit)
        if stdout:
            emit(Warned(f"{ended}: not all may be pushed to the cache", hint="its lines in the log say why"))
            returncode = 0
    if returncode != 0:
        failure = Failure(nix, installable, returncode, log)
        if not failure.cache:
            raise explain_failure(failure)
        emit(
            Warned(
                f"Nix failed over the cache {failure.cache}", hint="the build runs again without our caches"
            )
        )
        return _attempt(nix.without_caches(), installable, client, emit)
    for text in log.errors:
        emit(BuildLog(text))  # these errors did not fail the build, and may say why it took so long
    return read_build(nix, installable, stdout)


def words_for(nix: Nix, installable: Installable) -> tuple[str, ...]:
    """Return the last arguments of a nix command: options, `--` and the installable."""
    return (*installable.options, "--", installable_for(nix, installable))


def installable_for(nix: Nix, installable: Installable) -> str:
    """Return the installable in the spelling of this version of Nix.

    Before 2.13 an output is written like an attribute, `.#package.doc`. BuildError for what can't be written so: several
    outputs, or an output of the default package. https://nix.dev/manual/nix/latest/release-notes/rl-2.13
    """
    if nix.version >= (2, 13) or not installable.outputs:
        outputs = "^" + ",".join(installable.outputs) if installable.outputs else ""
        return installable.attribute + outputs if installable.file else str(installable)
    if len(installable.outputs) > 1 or installable.outputs == ("*",) or not installable.attribute:
        raise BuildError(
            f"{nix.release} cannot build {installable}: it knows no `^`",
            hint="use Nix 2.13 or newer, or name an attribute and one output",
        )
    return f"{installable.target}.{installable.outputs[0]}"


def read_build(nix: Nix, installable: Installable, stdout: bytes) -> BuildOutput:
    """Read the JSON of `nix build --json`: an array of one object with drvPath and outputs, or of one store path.

    BuildError for any other JSON, and for an installable that gives several results.
    """
    try:
        results = [_outputs(entry) for entry in json.loads(stdout)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(
            f"nix build printed JSON of a form that is not known: {stdout[:200]!r}",
            hint=f"this is {nix.release}; Nix 2.8 to 2.34 are known to work",
        ) from error
    if len(results) != 1:
        raise BuildError(
            f"{installable} gives {len(results)} results", hint="name one attribute: FLAKE#ATTRIBUTE"
        )
    drv_path, outputs = results[0]
    wanted = next(iter(installable.outputs), "out")
    out_path = outputs.get(wanted) or next(iter(outputs.values()))
    return BuildOutput(out_path, drv_path, outputs, system_of(nix, drv_path) if drv_path else "")


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
    verb = "derivation show" if nix.version >= (2, 20) else "show-derivation"
    document = nix.query(verb, "--", drv_path)
    derivations = document.get("derivations", document)  # 2.34 nests them
    return str(next(iter(derivations.values()))["system"])
