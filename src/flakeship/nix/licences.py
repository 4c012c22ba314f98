"""How packages name their licences: by one, by a list, or joined by the operators that nixpkgs has since 26.05.

https://github.com/NixOS/nixpkgs/blob/master/lib/licenses/operators.nix
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

Operator: TypeAlias = Literal["AND", "OR", "WITH", "+"]
_OPERATORS: Final = frozenset({"AND", "OR", "WITH", "+"})


@dataclass(frozen=True, slots=True)
class Joined:
    """Licences with an operator of SPDX between them; `WITH` has a licence and an exception, `+` one licence alone."""

    operator: Operator
    parts: tuple[Licence, ...]


Licence: TypeAlias = "str | Joined"
"""An SPDX identifier if nixpkgs has one, else a name; or several that are joined."""

# A function of Nix from `meta.license` to what `read_licences` reads. Whatever throws in it gives nothing, and costs nothing else.
LICENCES_IN_NIX: Final = """licencesOf = let
    safe = default: value: let result = builtins.tryEval value; in if result.success then result.value else default;
    list = value: safe [ ] (if builtins.isList value then value else [ value ]);
    text = value: safe "" (if builtins.isString value then builtins.unsafeDiscardStringContext value else "");
    name = value: builtins.head (builtins.filter (word: word != "")
      (map text [ (value.spdxId or "") (value.shortName or "") (value.fullName or "") ]) ++ [ "" ]);
    joined = word: parts: { operator = text word; parts = map part parts; };
    licence = value:
      if !builtins.isAttrs value then text value
      else if value ? licenses then joined (value.operator or "AND") (list value.licenses)
      else if value ? base && value ? mod then joined (value.operator or "AND") [ value.base value.mod ]
      else if value ? license && value ? exception then joined "WITH" [ value.license value.exception ]
      else if value ? license then joined "+" [ value.license ]
      else name value;
    part = value: safe "" (licence value);
  in value: map part (list value);"""


def read_licences(answer: Iterable[Any]) -> tuple[Licence, ...]:
    """Read what the function gave for each licence of a package, each once. What says nothing is left out, and so is what it is joined to."""
    return tuple(dict.fromkeys(_read(answer)))


def expression_of(licences: Collection[Licence], spelled: Callable[[Licence], str]) -> str:
    """Return an expression of SPDX, by which all of the licences hold. `spelled` gives the words for a name, for `WITH` and for `+`.

    A licence is left out as a whole if it gives none for a part.
    """
    around = "AND" if len(licences) > 1 else ""
    texts = (_written(licence, spelled, around) for licence in licences)
    return " AND ".join(dict.fromkeys(filter(None, texts)))


def _written(licence: Licence, spelled: Callable[[Licence], str], around: str) -> str:
    if isinstance(licence, str) or licence.operator in {"WITH", "+"}:
        return spelled(licence)
    parts = dict.fromkeys(_written(part, spelled, licence.operator) for part in licence.parts)
    if "" in parts:
        return ""
    text = f" {licence.operator} ".join(parts)
    return f"({text})" if around not in {"", licence.operator} and len(parts) > 1 else text


def _read(answer: Iterable[Any]) -> Iterator[Licence]:
    for each in answer:
        if isinstance(each, str) and each.strip():
            yield each
        elif isinstance(each, Mapping) and each.get("operator") in _OPERATORS:
            operator, parts = cast("Operator", each["operator"]), tuple(_read(each["parts"]))
            if not parts or len(parts) < len(each["parts"]):
                continue  # of a choice that is known in part, that part would be false
            if operator in {"AND", "OR"} and len(parts) == 1:
                yield parts[0]
            elif operator in {"AND", "OR"} or len(parts) == (2 if operator == "WITH" else 1):
                yield Joined(operator, parts)
