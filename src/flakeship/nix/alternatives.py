"""What a flake or a file has in the place of an attribute that it does not have: names for the hint of the error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.nix import attribute_path
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.outside.nearness import nearest_word

_SHOWN: Final = 12
# `nix flake show` fails at the first package that does not evaluate, and tryEval skips it. The expression asks only
# whether attributes exist, so that no derivation is instantiated.
_PACKAGES: Final = """packages:
let
  tried = fallback: value: let result = builtins.tryEval value; in if result.success then result.value else fallback;
  isImage = name: package: tried false (package ? imageName || package.isExe or false);
in
{
  here = builtins.mapAttrs isImage (tried { } (packages.%(system)s or { }));
  systems = builtins.mapAttrs (system: names: tried [ ] (builtins.attrNames names)) packages;
}"""
_NAMES: Final = "kind: builtins.attrNames (kind.%(system)s or { })"
_SYSTEMS: Final = "kind: builtins.attrNames kind"
_KINDS: Final = ("packages", "legacyPackages", "apps", "checks", "devShells")


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The names that stand beside the one that is missing, without quotes.

    `packages` are those for the system, each with True if it looks like an image; `systems` are the names for every
    system; `legacy` and `apps` are names of the system. `has_default` is True for a `defaultPackage`.
    """

    packages: Mapping[str, bool] = field(default_factory=dict)
    systems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    legacy: Sequence[str] = ()
    apps: Sequence[str] = ()
    has_default: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.packages or any(self.systems.values()) or self.legacy or self.apps or self.has_default
        )


def alternatives_of(nix: Nix, installable: Installable, *, system: str = "") -> Alternatives:
    """Ask Nix for what the flake has for `system`, this machine's if empty. What does not evaluate counts as not there."""
    # Nix 2.8 caches a package that does not evaluate as something that is not a derivation
    uncached = nix.without_evaluation_cache()
    try:
        system = system or str(nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem"))
    except BuildError:
        return Alternatives()

    def asked(kind: str, question: str) -> Any:
        target = f"{installable.flake}#{kind}"
        words = ("--json", "--apply", question % {"system": system}, "--", target)
        try:
            return uncached.query("eval", *words, cwd=installable.cwd)
        except BuildError:
            return None

    packages = asked("packages", _PACKAGES) or {"here": {}, "systems": {}}
    return Alternatives(
        packages={str(name): bool(image) for name, image in packages["here"].items()},
        systems=packages["systems"],
        legacy=asked("legacyPackages", _NAMES) or (),
        apps=asked("apps", _NAMES) or (),
        has_default=system in (asked("defaultPackage", _SYSTEMS) or ()),
    )


def names_in_file(nix: Nix, installable: Installable) -> tuple[str, ...]:
    """Return the names at the top of the file; none where it does not evaluate to a set."""
    question = "root: builtins.attrNames (if builtins.isFunction root then root { } else root)"
    words = ("--json", "--apply", question, *installable.options, "--", "")
    try:
        return tuple(nix.query("eval", *words, cwd=installable.cwd))
    except BuildError:
        return ()


def hint_of(found: Alternatives, *, wanted: Sequence[str], flake: str = ".", exists: bool = False) -> str:
    """Return a hint with the name most like `wanted`, the images, the other packages, and what lies elsewhere.

    `wanted` are the names of the attribute path. `exists` where the attribute is there and is no package: then it is
    not proposed again.
    """
    if not found:
        return "run `nix flake show`, which lists what the flake has"
    name = _relative(wanted, found)
    images = [package for package, image in found.packages.items() if image]
    others = [
        package for package, image in found.packages.items() if not image and not (exists and package == name)
    ]
    near = _nearest(name, [*found.packages, *found.legacy], but=name if exists else "")
    return "; ".join(
        filter(
            None,
            (
                f"write `{flake}#{near}` if you meant that" if near else "",
                *_elsewhere(found, name, near=near),
                f"the flake has the images {_some(images)}" if images else "",
                f"the flake has the {'other ' if images else ''}packages {_some(others)}" if others else "",
                f"the flake has the legacyPackages {_some(found.legacy)}"
                if found.legacy and len(found.legacy) <= _SHOWN
                else "",
                "write `.` alone for its default package"
                if found.has_default and "default" not in found.packages
                else "",
            ),
        )
    )


def hint_of_file(names: Sequence[str], *, wanted: Sequence[str]) -> str:
    """Return a hint with the names of a file, the one most like `wanted` first."""
    if not names:
        return "run `nix eval --file FILE --apply builtins.attrNames`, which lists what the file has"
    near = _nearest(".".join(wanted), names, encoded=False)
    return f"{f'write `attr: {near}` if you meant that; ' if near else ''}the file has {_some(names, encoded=False)}"


def _elsewhere(found: Alternatives, name: str, *, near: str) -> Iterable[str]:
    """The places of other systems, and of apps, that have this very name."""
    wanted = name or "default"
    if wanted not in found.packages and not near:
        places = [
            attribute_path.written(("packages", system, wanted))
            for system, names in found.systems.items()
            if wanted in names
        ]
        if places := list(filter(None, places)):
            yield f"write {_listed(places)} for another system"
    if found.apps and wanted not in found.packages:
        if wanted in found.apps:
            yield f"name the package that holds the program of the app {attribute_path.written((wanted,))}"
        elif not found.packages:
            yield f"the flake has apps, which are not packages: {_some(found.apps)}"
    if (
        not found.packages
        and not near
        and (systems := sorted(system for system, names in found.systems.items() if names))
    ):
        yield f"the flake has packages for {', '.join(systems)}"


def _relative(wanted: Sequence[str], found: Alternatives) -> str:
    """The name without `packages.SYSTEM` before it, its parts with dots between them: as one writes a name without quotes."""
    if len(wanted) > 2 and wanted[0] in _KINDS:
        return ".".join(wanted[2:])
    whole = ".".join(wanted)
    return whole if whole in found.packages or len(wanted) < 2 else wanted[-1]


def _nearest(name: str, names: Iterable[str], *, but: str = "", encoded: bool = True) -> str:
    """The name most like this one, as it is written; empty if no name is like it."""
    spelled = {known: attribute_path.written((known,), encoded=encoded) for known in names if known != but}
    return spelled.get(nearest_word(name, (known for known, text in spelled.items() if text)), "")


def _listed(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names[:_SHOWN])


def _some(names: Iterable[str], *, encoded: bool = True) -> str:
    spelled = [text for name in names if (text := attribute_path.written((name,), encoded=encoded))]
    more = f" and {len(spelled) - _SHOWN} more" if len(spelled) > _SHOWN else ""
    return ", ".join(spelled[:_SHOWN]) + more


def kind_of_value(nix: Nix, installable: Installable) -> str:
    """What the attribute evaluates to, in a word of Nix: `string`, `set`, `lambda`; empty where that can't be told."""
    words = ("--json", "--apply", "builtins.typeOf", *installable.options, "--", installable.target)
    done = nix.without_evaluation_cache().run("eval", *words, cwd=installable.cwd)
    try:
        return str(json.loads(done.stdout)) if done.returncode == 0 else ""
    except (ValueError, RecursionError):
        return ""
