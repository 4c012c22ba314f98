"""How documents name licences: by SPDX identifiers, by names of their own (`LicenseRef-`), and by expressions of both.

https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from flakeship.nix.licences import Joined, Licence, expression_of
from flakeship.sbom.license_ids import EXCEPTION_IDS, LICENSE_IDS
from flakeship.sbom.model import Component
from flakeship.sbom.written import clean


def stated_licences(component: Component) -> tuple[Licence, ...]:
    """Return the licences of a component that say anything."""
    return tuple(each for each in component.licenses if not isinstance(each, str) or clean(each))


def declared(component: Component) -> str:
    """Return the expression for all licences of a component; empty if it states none."""
    return expression_of(stated_licences(component), _spelled)


def named_licences(component: Component) -> Iterator[tuple[str, str]]:
    """Yield the names in a component's expression that are no identifiers, each as `LicenseRef-…` and as the package has it."""
    for licence in stated_licences(component):
        yield from _named(licence)


def _named(licence: Licence) -> Iterator[tuple[str, str]]:
    if isinstance(licence, Joined) and licence.operator in {"AND", "OR"}:
        for part in licence.parts:
            yield from _named(part)
    elif _spelled(licence) == (name := _ref(_words(licence))):
        yield name, clean(_words(licence))


def _spelled(licence: Licence) -> str:
    """Identifiers as they are. What SPDX has no words for, such as an exception without an identifier, is a name of its own."""
    if isinstance(licence, str):
        if not clean(licence):
            return ""
        return licence if licence in LICENSE_IDS else _ref(licence)
    first, *rest = (part if isinstance(part, str) else "" for part in licence.parts)
    if licence.operator == "WITH" and first in LICENSE_IDS and rest[0] in EXCEPTION_IDS:
        return f"{first} WITH {rest[0]}"
    later = f"{first.removesuffix('-only')}-or-later"
    if licence.operator == "+" and later in LICENSE_IDS:
        return later
    return _ref(_words(licence))


def _words(licence: Licence) -> str:
    """The licence as people would say it."""
    if isinstance(licence, str):
        return licence
    parts = [_words(part) for part in licence.parts]
    if licence.operator == "+":
        return f"{parts[0]} or any later version"
    return f" {licence.operator.lower()} ".join(parts)


def _ref(name: str) -> str:
    """Two names that are spelled alike without odd characters stay two."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-")
    mark = "" if plain == name else f"-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
    return f"LicenseRef-{plain[:60]}{mark}".replace("--", "-")
