"""How a component is called: name and version of a derivation, and its purl.

https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst. The type `nix` is not registered yet:
https://github.com/package-url/purl-spec/pull/877
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_OUTPUT: Final = re.compile(r"-(?:bin|debug|dev|devdoc|dist|doc|info|lib|libs|man|static|terminfo)$")
"""What the names of most outputs end with, where no derivation tells which output a path is."""


def split_name(name: str) -> tuple[str, str]:
    """Return name and version of `hello-2.12`, as builtins.parseDrvName does: the version begins behind the first
    dash that no letter follows.
    """
    for found in re.finditer("-", name):
        rest = name[found.end() :]
        if found.start() and rest and not rest[0].isalpha():
            return name[: found.start()], rest
    return name, ""


def without_output(name: str) -> str:
    """Return the name of a store path without the name of an output."""
    return _OUTPUT.sub("", name) or name


def nix_purl(name: str, version: str) -> str:
    """Return the purl of what no registry of packages holds, or is not proved to hold."""
    return _purl("nix", "", name, version)


def part_purl(kind: str, name: str, version: str) -> str:
    """Return the purl of a package that a file states: a crate, a Go module, a package of Python.

    https://github.com/package-url/purl-spec/blob/main/types/golang-definition.json
    """
    if kind == "pypi":
        return _purl(kind, "", python_name(name), version)
    if kind == "golang":
        space, _, last = name.lower().rpartition("/")
        within = "/".join(map(_quoted, space.split("/"))) + "/" if space else ""
        return f"pkg:golang/{within}{_quoted(last)}" + (f"@{_quoted(version)}" if version else "")
    return _purl(kind, "", name, version)


def python_name(name: str) -> str:
    """Return the one spelling of a package's name: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def registry_purl(url: str, version: str) -> str:
    """Return the purl of a file in a registry of packages, if its URL names a package and this very version; else nothing."""
    if not version:
        return ""
    parts = urlsplit(url) if url.isascii() else None
    if parts is None:
        return ""
    host, path = (parts.hostname or "") if parts.scheme != "mirror" else f"mirror:{parts.netloc}", parts.path
    rule = _HOSTS.get(host.lower())
    if rule is None:
        return ""
    kind, pattern = rule
    found = re.search(pattern, unquote(path))
    if not found:
        return ""
    known = found.groupdict()
    if known["version"] != version:
        return ""
    name = known["name"]
    if kind == "pypi":
        name = python_name(name)
    return _purl(kind, known.get("space") or "", name, version)


_END: Final = r"\.(?:tar\.gz|tgz|tar\.bz2|tar\.xz|zip)$"
_SDIST: Final = rf"/(?P<name>[A-Za-z0-9._-]+?)-(?P<version>[0-9][A-Za-z0-9.!+_]*?){_END}"
_WHEEL_OR_SDIST: Final = (
    rf"/(?P<name>[A-Za-z0-9._-]+?)-(?P<version>[0-9][A-Za-z0-9.!+_]*?)(?:{_END}|-[A-Za-z0-9._-]+\.whl$)"
)
_CRATE_API: Final = r"^/api/v1/crates/(?P<name>[A-Za-z0-9_-]+)/(?P<version>[^/]+)/download$"
_CRATE: Final = r"^/crates/(?P<name>[A-Za-z0-9_-]+)/(?P=name)-(?P<version>[^/]+)\.crate$"
_NPM: Final = r"^/(?:(?P<space>@[^/]+)/)?(?P<name>[^/@]+)/-/(?P=name)-(?P<version>[^/]+)\.tgz$"
_GEM: Final = r"^/(?:gems|downloads)/(?P<name>[A-Za-z0-9._-]+?)-(?P<version>[0-9][A-Za-z0-9.]*)\.gem$"
_HACKAGE: Final = r"/(?P<name>[A-Za-z0-9-]+)-(?P<version>[0-9.]+)/(?P=name)-(?P=version)\.tar\.gz$"
_CPAN: Final = (
    rf"/id/./../(?P<space>[A-Z0-9-]+)/(?:.*/)?(?P<name>[A-Za-z0-9_-]+)-(?P<version>v?[0-9][0-9._]*){_END}"
)

_HOSTS: Final = {
    "files.pythonhosted.org": ("pypi", _WHEEL_OR_SDIST),
    "pypi.io": ("pypi", _WHEEL_OR_SDIST),
    "pypi.python.org": ("pypi", _WHEEL_OR_SDIST),
    "mirror:pypi": ("pypi", _SDIST),
    "crates.io": ("cargo", _CRATE_API),
    "static.crates.io": ("cargo", _CRATE),
    "registry.npmjs.org": ("npm", _NPM),
    "rubygems.org": ("gem", _GEM),
    "hackage.haskell.org": ("hackage", _HACKAGE),
    "mirror:hackage": ("hackage", _HACKAGE),
    "mirror:cpan": ("cpan", _CPAN),
}
"""Registries of packages by host (nixpkgs' mirrors as `mirror:NAME`): the purl's type, and how a URL names the package.

https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/fetchurl/mirrors.nix
"""


def _purl(kind: str, space: str, name: str, version: str) -> str:
    parts = [kind, *([space] if space else []), name]
    at = f"@{_quoted(version)}" if version else ""
    return "pkg:" + "/".join([parts[0], *map(_quoted, parts[1:])]) + at


def _quoted(text: str) -> str:
    return quote(text, safe="-._~:")
