"""Read a package's name, version, system and meta by one evaluation, which builds nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.explain import query_installable
from flakeship.nix.installable import Installable

# An attribute that throws counts as missing: a label is no reason to fail the run.
_QUESTION: Final = """package: let
  meta = if builtins.isAttrs package then package.meta or { } else { };
  text = value:
    let result = builtins.tryEval (if builtins.isString value then value else "");
    in if result.success then result.value else "";
  list = value: if builtins.isList value then value else [ value ];
  first = values: if values == [ ] then "" else builtins.head values;
  license = value: if builtins.isAttrs value then value.spdxId or value.shortName or value.fullName or "" else value;
  attribute = name: if builtins.isAttrs package then text (package.${name} or "") else "";
in {
  name = attribute "name";
  pname = attribute "pname";
  version = attribute "version";
  system = attribute "system";
  path = text (builtins.unsafeDiscardStringContext "${package}");
  mainProgram = text (meta.mainProgram or "");
  description = text (meta.description or "");
  homepage = text (first (list (meta.homepage or "")));
  licenses = let
    names = map (value: text (license value)) (list (meta.license or [ ]));
    result = builtins.tryEval (builtins.deepSeq names names);
    in if result.success then result.value else [ ];
}"""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The attributes of a package that names and labels are made from; a missing one is the empty string.

    `licenses` holds SPDX identifiers for the licences that nixpkgs gives one, else their names.
    """

    name: str
    pname: str
    version: str
    system: str
    out_path: str
    main_program: str
    description: str
    homepage: str
    licenses: tuple[str, ...]


def describe(nix: Nix, installable: Installable) -> Derivation:
    """Evaluate the package; nothing is built. It raises the errors that a build raises."""
    words = ("--json", "--apply", _QUESTION, *installable.options, "--", installable.target)
    return read_description(query_installable(nix, installable, "eval", *words))


def read_description(answer: dict[str, Any]) -> Derivation:
    """Read the JSON object that the expression above evaluates to."""
    return Derivation(
        name=answer["name"],
        pname=answer["pname"],
        version=answer["version"],
        system=answer["system"],
        out_path=answer["path"],
        main_program=answer["mainProgram"],
        description=answer["description"],
        homepage=answer["homepage"],
        licenses=tuple(filter(None, answer["licenses"])),
    )
