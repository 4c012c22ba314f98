"""Which product of the NVD a component is: https://nvlpubs.nist.gov/nistpubs/Legacy/IR/nistir7695.pdf, section 6.2."""

from __future__ import annotations

import re
from typing import Final

from flakeship.sbom.model import Cpe

_KNOWN: Final = {
    "bash": "gnu:bash",
    "binutils": "gnu:binutils",
    "bzip2": "bzip:bzip2",
    "coreutils": "gnu:coreutils",
    "curl": "haxx:curl",
    "expat": "libexpat_project:libexpat",
    "gawk": "gnu:gawk",
    "gcc": "gnu:gcc",
    "git": "git-scm:git",
    "glibc": "gnu:glibc",
    "gnugrep": "gnu:grep",
    "gnused": "gnu:sed",
    "gnutar": "gnu:tar",
    "gnutls": "gnu:gnutls",
    "go": "golang:go",
    "gzip": "gnu:gzip",
    "jq": "jqlang:jq",
    "krb5": "mit:kerberos_5",
    "libcap": "libcap_project:libcap",
    "libidn2": "gnu:libidn2",
    "libpng": "libpng:libpng",
    "libssh2": "libssh2:libssh2",
    "libunistring": "gnu:libunistring",
    "libxml2": "xmlsoft:libxml2",
    "musl": "musl-libc:musl",
    "ncurses": "gnu:ncurses",
    "nghttp2": "nghttp2:nghttp2",
    "nginx": "f5:nginx",
    "nodejs": "nodejs:node.js",
    "openssh": "openbsd:openssh",
    "openssl": "openssl:openssl",
    "pcre2": "pcre:pcre2",
    "perl": "perl:perl",
    "postgresql": "postgresql:postgresql",
    "python3": "python:python",
    "readline": "gnu:readline",
    "redis": "redis:redis",
    "ruby": "ruby-lang:ruby",
    "sqlite": "sqlite:sqlite",
    "systemd": "systemd_project:systemd",
    "xz": "tukaani:xz",
    "zlib": "zlib:zlib",
    "zstd": "facebook:zstandard",
}
"""Vendor and product of packages that are in many images, where vendor or product is not the package's name."""

_WHOLE: Final = re.compile(
    r"cpe:2\.3:[aho*-](?::(?:\*|(?:[A-Za-z0-9._-]|\\[!-,/:-@\[-^`{-~])+)){10}",
)
_LANGUAGE: Final = 8
_PATCH_LEVEL: Final = re.compile(r"([0-9]+(?:\.[0-9]+)*)p([0-9]+)")
_OF_NIXPKGS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)+)-[0-9]+")
_NO_RELEASE: Final = re.compile(r"unstable|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]")


def is_cpe(text: str) -> bool:
    """Whether this is a CPE of version 2.3 in the form of a text."""
    if not _WHOLE.fullmatch(text):
        return False
    language = re.split(r"(?<!\\):", text)[_LANGUAGE]
    return bool(re.fullmatch(r"[a-zA-Z]{2,3}(-([a-zA-Z]{2}|[0-9]{3}))?|[*-]", language))


def cpe_of(name: str, version: str, stated: str = "") -> Cpe | None:
    """Return what the author states, else what our table knows, else a guess. None without a version that the NVD could know."""
    if stated and is_cpe(stated):
        return Cpe(stated, "stated")
    if not name or not version or not version[0].isdigit() or _NO_RELEASE.search(version):
        return None
    known = _KNOWN.get(name)
    vendor, _, product = (known or f"{name}:{name}").partition(":")
    release, update = cleaned(version)
    words = (vendor.lower(), product.lower(), release, update)
    text = ":".join(_escaped(word) if word != "*" else word for word in words)
    whole = f"cpe:2.3:a:{text}:*:*:*:*:*:*"
    return Cpe(whole, "known" if known else "guessed") if is_cpe(whole) else None


def cleaned(version: str) -> tuple[str, str]:
    """Return version and update as the NVD has them: `9.9p2` is update p2 of 9.9, and the end of `2.40-66` is nixpkgs' own."""
    if found := _PATCH_LEVEL.fullmatch(version):
        return found[1], f"p{found[2]}"
    if found := _OF_NIXPKGS.fullmatch(version):
        return found[1], "*"
    return version, "*"


def _escaped(text: str) -> str:
    """In a name of the NVD a character that is no letter, digit, dot, dash or underscore stands behind a backslash."""
    return "".join(sign if _PLAIN.fullmatch(sign) else f"\\{sign}" for sign in text)
