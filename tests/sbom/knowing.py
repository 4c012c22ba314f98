"""What Nix may know, made up: names, versions, licences, addresses and references of any kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from flakeship.nix.closure import PathInfo
from flakeship.nix.derivation_files import DerivationFile
from flakeship.nix.licences import read_licences
from flakeship.nix.package_meta import PackageMeta
from flakeship.sbom.components import Knowledge, bill_of
from flakeship.sbom.model import Bill

LETTERS = "0123456789abcdfghijklmnpqrsvwxyz"
HASH = "sha256-uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="
"""The SRI of something."""


def store_path(name: str, salt: str = "") -> str:
    number = int.from_bytes(hashlib.sha256(f"{name} {salt}".encode()).digest()[:20], "big")
    return f"/nix/store/{''.join(LETTERS[number >> 5 * place & 31] for place in range(32))}-{name}"


def derivation(
    name: str, outputs: Mapping[str, str], inputs: tuple[str, ...] = (), **attributes: Any
) -> DerivationFile:
    return DerivationFile(store_path(f"{name}.drv"), outputs, inputs, {"name": name, **attributes})


def path_info(path: str, *references: str, deriver: str = "") -> PathInfo:
    return PathInfo(path, HASH, 4096, references, deriver)


def bill(known: Knowledge, *more: str, name: str = "app") -> Bill:
    """The bill of all paths that Nix knows, and of some that it does not."""
    return bill_of(
        [*known.paths, *more], known, name=name, version="", created="1970-01-01T00:00:01Z", maker="1.0"
    )


ODD = st.text(max_size=20)
TEXTS = st.one_of(
    st.just(""),
    ODD,
    st.sampled_from(["hello", "gtk+3", "2.40-66", "9.9p2", "1.0 beta", "0-unstable-2024-01-02"]),
)
NAMES = st.from_regex(r"[A-Za-z0-9+_?=-][A-Za-z0-9+._?=-]{0,20}", fullmatch=True)
LICENCE = st.one_of(
    ODD,
    st.sampled_from(
        [
            "MIT",
            "GPL-2.0",
            "GPL-3.0-or-later",
            "unfree",
            "a b",
            "a-b",
            "mit",
            "MIT OR Apache-2.0",
            "LLVM-exception",
        ]
    ),
)
JOINED = st.recursive(
    LICENCE,
    lambda below: st.tuples(st.sampled_from(["AND", "OR", "WITH", "+"]), st.lists(below, max_size=3)).map(
        lambda made: {"operator": made[0], "parts": made[1]}
    ),
    max_leaves=4,
)
LICENCES = st.lists(st.one_of(LICENCE, JOINED), max_size=3).map(read_licences)
URLS = st.one_of(
    ODD,
    st.sampled_from(
        [
            "https://crates.io/api/v1/crates/ripgrep/14.1.0/download",
            "mirror://pypi/f/flask/flask-3.0.tar.gz",
            "https://example.org/a b.tar.gz?x=[1]#y",
            "http://[::1]/x",
            "https://user:secret@example.org/",
            "/nix/store/x",
            "https://example.org:99999/",
            "ftp://ftp.gnu.org/gnu/hello/hello-2.12.tar.gz",
            "git@github.com:o/r",
            "https://é.example/ü",
            "mailto:somebody",
        ]
    ),
)


@st.composite
def knowledge(draw: st.DrawFn) -> tuple[Knowledge, list[str]]:
    """Up to eight paths, some of one derivation, some of which nothing is known."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8))
    paths = [store_path(name, str(place)) for place, name in enumerate(names)]
    infos: dict[str, PathInfo] = {}
    derivations: dict[str, DerivationFile] = {}
    metas: dict[str, PackageMeta] = {}
    for place, (name, path) in enumerate(zip(names, paths, strict=True)):
        if not draw(st.booleans()):
            continue
        source = derivation(
            f"{name}.src", {"out": store_path(f"{name}.src")}, url=draw(URLS), outputHash=HASH
        )
        made = derivation(
            f"{name}{place // 2}",
            {"out": path},
            (source.path,),
            **{key: draw(TEXTS) for key in ("version", "pname") if draw(st.booleans())},
            src=source.outputs["out"],
            patches=f"{path}/CVE-2024-1234.patch {draw(NAMES)}",
        )
        if draw(st.booleans()):
            derivations |= {made.path: made, source.path: source}
        below = draw(st.lists(st.sampled_from(paths), max_size=4, unique=True))
        infos[path] = path_info(path, *(set(below) - {path}), deriver=made.path)
        if draw(st.booleans()):
            metas[path] = PackageMeta(
                made.path, (path,), draw(TEXTS), draw(TEXTS), draw(LICENCES), draw(URLS), draw(ODD), draw(ODD),
                draw(st.sampled_from(["", "cpe:2.3:a:gnu:hello:2.12:*:*:*:*:*:*:*", "cpe:/a:gnu:hello", "cpe"])),
                draw(st.sampled_from([(), ("cpe:2.3:a:b:c:1:*:*:*:*:*:*:*", "no cpe")])),
                draw(ODD),
            )  # fmt: skip
    return Knowledge(infos, derivations, metas), paths
