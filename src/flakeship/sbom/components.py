"""Store paths, and what Nix knows of them, as components: one for each derivation.

A component for each output would treble every finding of a scanner, and outputs may refer to each other in a circle.
docs/decisions.md#one-component-a-derivation
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flakeship.nix.closure import PathInfo
from flakeship.nix.derivation_files import DerivationFile
from flakeship.nix.package_meta import PackageMeta
from flakeship.sbom.carried.go_build_info import STANDARD
from flakeship.sbom.carried.parts import Carried, Findings, Part, together
from flakeship.sbom.cpe import cpe_of, is_cpe
from flakeship.sbom.identity import (
    nix_purl,
    part_purl,
    python_name,
    registry_purl,
    split_name,
    without_output,
)
from flakeship.sbom.model import Bill, Component, Counts, Origin, Output
from flakeship.sbom.origins import origins_of, patches_of
from flakeship.sbom.written import clean
from flakeship.store_paths import STORE, name_of, name_of_derivation


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What Nix knows, in tiers that may each be empty: by store path, by path of a derivation, and `meta` by store path.

    `carried` is what the files of the paths carry inside, which Nix knows nothing of.
    """

    paths: Mapping[str, PathInfo] = field(default_factory=dict)
    derivations: Mapping[str, DerivationFile] = field(default_factory=dict)
    meta: Mapping[str, PackageMeta] = field(default_factory=dict)
    carried: Findings = field(default_factory=Findings)

    def deriver(self, path: str) -> str:
        """The derivation that made a path: that of the evaluation, else the one that the store noted, which may be gone."""
        meta, info = self.meta.get(path), self.paths.get(path)
        evaluated = meta.derivation if meta else ""
        noted = info.deriver if info and info.deriver.startswith(STORE) else ""
        return evaluated if evaluated in self.derivations or not noted else noted


def bill_of(
    paths: Iterable[str],
    known: Knowledge,
    *,
    name: str,
    version: str,
    created: str,
    maker: str,
    layers_unread: int = 0,
) -> Bill:
    """Return the bill of an image that holds these store paths. Every path is in one component."""
    everything = sorted(set(paths))
    groups: dict[str, list[str]] = defaultdict(list)
    for path in everything:
        groups[known.deriver(path) or path].append(path)
    ref_of = {path: name_in_store(group[0]) for group in groups.values() for path in group}
    carried = known.carried.by_path
    inside = {
        key: together(carried[path] for path in group if path in carried) for key, group in groups.items()
    }
    packages = tuple(
        _component(group, key, known, ref_of, inside[key])
        for key, group in sorted(groups.items(), key=lambda item: item[1])
    )
    named = frozenset(ref for each in packages for ref in each.depends_on)
    parts = tuple(_parts(together(inside.values()), named))
    components = (*packages, *parts)
    roots = _roots({component.ref: component.depends_on for component in components})
    derived = [known.deriver(path) for path in everything]
    counts = Counts(
        len(everything),
        sum(path in known.paths for path in everything),
        sum(deriver in known.derivations for deriver in derived),
        sum(path in known.meta for path in everything),
        sum(path in known.carried.read for path in everything),
        len(parts),
        len(known.carried.unreadable),
        layers_unread,
    )
    return Bill(
        name=name,
        version=version,
        created=created,
        maker=maker,
        components=components,
        roots=roots,
        counts=counts,
    )


def _roots(graph: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What nothing refers to, and one of each circle that nothing else reaches: from these, everything is reached."""
    needed = {ref for below in graph.values() for ref in below}
    roots: list[str] = []
    reached: set[str] = set()
    for start in sorted(graph, key=lambda ref: (ref in needed, ref)):
        if start in reached:
            continue
        roots.append(start)
        ahead = [start]
        while ahead:
            ref = ahead.pop()
            if ref not in reached:
                reached.add(ref)
                ahead.extend(graph[ref])
    return tuple(sorted(roots))


def name_in_store(path: str) -> str:
    """Return `HASH-NAME` of a store path."""
    return path.removeprefix(STORE)


def _component(
    group: Sequence[str], key: str, known: Knowledge, ref_of: Mapping[str, str], inside: Carried
) -> Component:
    derivation = known.derivations.get(key)
    meta = next((known.meta[path] for path in group if path in known.meta), PackageMeta())
    name, version = map(clean, _name_and_version(group[0], key, derivation, meta))
    origins = origins_of(derivation, known.derivations) if derivation else ()
    ref = ref_of[group[0]]
    name = name or ref
    references = (
        reference
        for path in group
        if (info := known.paths.get(path))
        for reference in info.references
        if reference in ref_of
    )
    itself = _itself(inside, name, version)
    carried = {_ref_of_part(part) for part in inside.tops if part != itself}
    return Component(
        ref=ref,
        name=name,
        version=version,
        purl=part_purl(itself.kind, itself.name, itself.version) if itself else _purl(origins, name, version),
        outputs=tuple(_output(path, derivation, known) for path in group),
        derivation=key if key.endswith(".drv") else "",
        licenses=meta.licenses,
        homepage=meta.homepage,
        description=meta.description,
        position=meta.position,
        source_purl=meta.purl,
        origins=origins,
        patches=patches_of(derivation, known.derivations) if derivation else (),
        cpe=cpe_of(name, version, meta.cpe),
        possible_cpes=tuple(text for text in meta.possible if is_cpe(text)),
        depends_on=tuple(sorted({ref_of[reference] for reference in references} - {ref} | carried)),
    )


_STATED_BY: Final = {"cargo": "cargo-auditable", "golang": "Go build info", "pypi": "dist-info"}
_OF_PYTHON: Final = re.compile(r"(?:python|pypy)[0-9.]*-")
"""What nixpkgs puts before the name of a package for one version of Python."""


def _itself(inside: Carried, name: str, version: str) -> Part | None:
    """The package of Python that is all of a component: its files say so by the same name and version."""
    own = python_name(_OF_PYTHON.sub("", name, count=1))
    same = (
        part
        for part in inside.tops
        if part.kind == "pypi" and part.version == version and python_name(part.name) == own
    )
    return min(same, default=None)


def _ref_of_part(part: Part) -> str:
    """One component for each package, however many programs carry it."""
    # docs/decisions.md#every-crate-has-the-purl-of-cratesio
    purl = part_purl(part.kind, part.name, part.version)
    return f"{purl}#{part.source}" if part.source else purl


def _parts(inside: Carried, named: Collection[str]) -> Iterator[Component]:
    """The packages inside files, but for those that are a component's own. `named` are the refs that a component depends on."""
    below: dict[str, set[str]] = defaultdict(set)
    one: dict[str, Part] = {}
    for part in sorted(inside.needs):
        ref = _ref_of_part(part)
        one.setdefault(ref, part)
        below[ref] |= {_ref_of_part(each) for each in inside.needs[part]}
    for ref, part in sorted(one.items()):
        if part.kind == "pypi" and ref not in named:
            continue
        product = "go" if (part.kind, part.name) == ("golang", STANDARD) else ""
        yield Component(
            ref=ref,
            name=part.name,
            version=part.version,
            purl=part_purl(part.kind, part.name, part.version),
            outputs=(),
            cpe=cpe_of(product, part.version),
            depends_on=tuple(sorted(below[ref] - {ref})),
            found_in=_STATED_BY[part.kind],
            source=part.source,
        )


def _name_and_version(
    path: str, key: str, derivation: DerivationFile | None, meta: PackageMeta
) -> tuple[str, str]:
    """As the package states them, else as its name does: of the derivation, or of the store path."""
    if derivation:
        whole = derivation.text("name") or name_of_derivation(key)
        stated, version = derivation.text("pname"), derivation.text("version")
    else:
        whole = name_of_derivation(key) if key.endswith(".drv") else without_output(name_of(path))
        stated, version = meta.pname, meta.version
    if stated:
        rest = whole.removeprefix(f"{stated}-")
        return stated, version or (rest if rest != whole and rest[:1].isdigit() else "")
    name, parsed = split_name(whole)
    return name, version or parsed


def _output(path: str, derivation: DerivationFile | None, known: Knowledge) -> Output:
    info = known.paths.get(path)
    outputs = derivation.outputs.items() if derivation else ()
    name = next((name for name, output in outputs if output == path), "")
    return Output(path, name, info.nar_hash, info.nar_size) if info else Output(path, name)


def _purl(origins: Sequence[Origin], name: str, version: str) -> str:
    """That of a registry of packages where the first source comes from there and is this very version; else Nix's own."""
    urls = (
        url for origin in origins[:1] for url in origin.urls
    )  # what else is unpacked may have the same version
    proved = (registry_purl(url, version) for url in urls)
    return next(filter(None, proved), "") or nix_purl(name, version)
