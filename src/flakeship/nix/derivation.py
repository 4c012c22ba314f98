"""Read the metadata of a package and the store paths of its outputs by one evaluation, which builds nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.explain import query_installable
from flakeship.nix.installable import ALL_OUTPUTS, Installable, ordered_outputs
from flakeship.nix.licences import LICENCES_IN_NIX, Licence, read_licences
from flakeship.store_paths import STORE

CHOOSES_OUTPUTS: Final = (2, 13)
"""From this version on `nix build` knows `^` and follows `meta.outputsToInstall`.

https://nix.dev/manual/nix/latest/release-notes/rl-2.13
"""

# An attribute that throws counts as missing: a label is no reason to fail the run.
QUESTION: Final = (
    "package: let "
    + LICENCES_IN_NIX
    + """
  meta = if builtins.isAttrs package then package.meta or { } else { };
  text = value:
    let result = builtins.tryEval (if builtins.isString value then value else "");
    in if result.success then result.value else "";
  list = value: if builtins.isList value then value else [ value ];
  first = values: if values == [ ] then "" else builtins.head values;
  attribute = name: if builtins.isAttrs package then text (package.${name} or "") else "";
  texts = values:
    let
      names = map text (list values);
      result = builtins.tryEval (builtins.deepSeq names names);
    in if result.success then result.value else [ ];
  isDerivation = builtins.isAttrs package && package.type or "" == "derivation";
  path = value: text (builtins.unsafeDiscardStringContext "${value}");
in {
  name = attribute "name";
  pname = attribute "pname";
  version = attribute "version";
  system = attribute "system";
  path = path package;
  drvPath = if isDerivation then path (package.drvPath or "") else "";
  output = if isDerivation then attribute "outputName" else "";
  specified = isDerivation && package.outputSpecified or false == true;
  installed = if isDerivation then texts (meta.outputsToInstall or [ ]) else [ ];
  outputs = if isDerivation then
    builtins.listToAttrs (map (name: {
      inherit name;
      value = if package ? ${name} then path (package.${name}.outPath or "") else "";
    }) (texts (package.outputs or [ ])))
  else { };
  mainProgram = text (meta.mainProgram or "");
  description = text (meta.description or "");
  homepage = text (first (list (meta.homepage or "")));
  licenses = licencesOf (meta.license or [ ]);
}"""
)


@dataclass(frozen=True, slots=True)
class Derivation:
    """The attributes of a package that names and labels are made from; a missing one is the empty string.

    `outputs` are those that the installable asks for, in the order in which an image is made of them: their store paths
    by name, each empty where it is known only after the build, as that of a content-addressed derivation is.
    `drv_path` is the derivation as it is evaluated, `default_output` the output that the attribute itself stands for.
    """

    name: str
    pname: str
    version: str
    system: str
    outputs: Mapping[str, str]
    main_program: str
    description: str
    homepage: str
    licenses: tuple[Licence, ...]
    drv_path: str = ""
    default_output: str = ""

    @property
    def out_path(self) -> str:
        """The first store path, after which an image is called; empty where it is known only after the build."""
        return next(iter(self.outputs.values()), "")

    @property
    def paths(self) -> tuple[str, ...]:
        """All store paths that are asked for; none where one of them is known only after the build."""
        paths = tuple(self.outputs.values())
        return paths if all(paths) else ()


def describe(nix: Nix, installable: Installable) -> Derivation:
    """Evaluate the package; nothing is built. It raises the errors that a build raises."""
    words = ("--json", "--apply", QUESTION, *installable.options, "--", installable.target)
    return read_description(nix, installable, query_installable(nix, installable, "eval", *words))


def describe_if_there(nix: Nix, installable: Installable) -> Derivation | None:
    """Evaluate the package as `describe` does; None where that fails, for whatever reason."""
    words = ("--json", "--apply", QUESTION, *installable.options, "--", installable.target)
    done = nix.run("eval", *words, cwd=installable.cwd)
    try:
        return read_description(nix, installable, json.loads(done.stdout)) if done.returncode == 0 else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def read_description(nix: Nix, installable: Installable, answer: dict[str, Any]) -> Derivation:
    """Read the JSON object that the expression above evaluates to."""
    known = {name: _store_path(path) for name, path in answer["outputs"].items()}
    if known:
        outputs = {name: known.get(name, "") for name in asked_outputs(nix, installable, answer)}
    else:
        asked = installable.outputs if installable.outputs != ALL_OUTPUTS else ()
        outputs = {name: _store_path(answer["path"]) if name == "out" else "" for name in asked or ("out",)}
    return Derivation(
        name=answer["name"],
        pname=answer["pname"],
        version=answer["version"],
        system=answer["system"],
        outputs=outputs,
        main_program=answer["mainProgram"],
        description=answer["description"],
        homepage=answer["homepage"],
        licenses=read_licences(answer["licenses"]),
        drv_path=answer["drvPath"],
        default_output=answer["output"],
    )


def asked_outputs(nix: Nix, installable: Installable, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the outputs that `nix build` gives for the installable, as the newer versions have it.

    Without `^` these are the output that the attribute was narrowed to (`outputSpecified`), else
    `meta.outputsToInstall`. Where there is neither, a flake's is `out`, and of a file Nix builds all outputs; a Nix
    that knows no outputsToInstall builds the attribute's own output. Should this be wrong for some version, no
    published image has these paths and the package is built: what was built then says what it is.
    https://github.com/NixOS/nix/blob/2.26.0/src/libcmd/installable-flake.cc
    """
    everything: list[str] = list(answer["outputs"])
    if installable.outputs == ALL_OUTPUTS:
        return ordered_outputs(everything)
    if installable.outputs:
        return installable.outputs
    if answer["specified"] and answer["output"]:
        return (answer["output"],)
    if installed := [name for name in answer["installed"] if name]:
        return ordered_outputs(installed)
    if nix.version < CHOOSES_OUTPUTS:
        return (answer["output"] or "out",)
    return ordered_outputs(everything) if installable.file else ("out",)


def _store_path(text: str) -> str:
    """The path; empty for the placeholder that stands for a path until it is built."""
    return text if text.startswith(STORE) else ""
