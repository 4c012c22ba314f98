"""Who may import whom, and who alone may touch what: the plan of the house, checked."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "flakeship"
PACKAGES = {
    "errors": "",
    "redaction": "",
    "events": "printable redaction",
    "printable": "",
    "store_paths": "",
    "leftovers": "",
    "outside": "",
    "process": "errors",
    "confinement": "process errors events",
    "cancellation": "",
    "http": "printable errors events",
    "image": "printable errors events",
    "attest": "image.document image.media_types image.model errors",
    "registry": "http process confinement.variables outside.mounted image.document image.media_types image.model printable errors events",
    "stores": "image leftovers printable errors events",
    "nix": "process confinement.variables outside.nearness outside.mounted outside.reading printable redaction store_paths errors events",
    "sbom": "nix.closure nix.derivation_files nix.licences nix.package_meta store_paths errors",
    "sbom.carried": "sbom.layer_paths image.model image.stream image.tar.blocks store_paths errors",
    "caches": "nix process registry http image.stream image.tar.blocks image.nar image.inflate image.model image.workers leftovers outside printable store_paths errors events",
    "caches.packs": "printable registry http image destinations.registry destinations.oci_layout store_paths errors events",
    "sources": "image stores process confinement engines registry.reference outside printable store_paths errors events",
    "engines": "image.stream errors",
    "destinations": "attest printable image leftovers registry http engines errors events",
    "destinations.podman": "image process confinement.variables engines errors events",
    "lint": "image outside.nearness store_paths errors",
    "metadata": "registry.reference outside errors",
    "difference": "sbom.identity outside.moments store_paths",
    "report": "difference sbom.chains image.model image.annotations printable redaction store_paths events errors",
    "report.picture": "report.plain printable",
    "settings": "metadata outside store_paths errors",
    "ci": "metadata process confinement.variables report outside printable redaction errors events",
    "rendering": "settings ci errors",
    "commands": "settings process confinement http image attest registry stores nix sbom difference caches sources destinations lint metadata report ci "
    "outside printable redaction store_paths errors events",
    "cli": "*",
    "__main__": "cli",
    "__init__": "",
}
"""What each package may import of ours; the most exact name of a module counts."""

OTHERS = {
    "requests": "http",
    "urllib3": "http",
    "certifi": "http",
    "subprocess": "process",
    "isal": "image",
    "zstandard": "image",
    "cryptography": "attest caches",
    "nacl": "attest",
    "sigstore": "attest",
    "docker": "engines",
    "rich": "report",
    "yaml": "rendering",
    "packaging": "metadata",
    "semver": "metadata",
    "regex": "outside",
    "tzdata": "metadata",
}
"""Third-party packages, and of the standard library what one place alone may use."""


@functools.cache
def modules() -> Mapping[str, Path]:
    """Each module's file, by the module's name."""
    paths = ((path.relative_to(SOURCE).with_suffix("").parts, path) for path in SOURCE.rglob("*.py"))
    return dict(sorted((".".join(parts).removesuffix(".__init__"), path) for parts, path in paths))


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Every imported module by its full name, wherever in the file the import stands."""
    return frozenset(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                inner = (f"{source}.{name.name}" for name in names)
                yield from (
                    name if name.removeprefix("flakeship.") in modules() else source for name in inner
                )
            case ast.ImportFrom():
                pytest.fail(f"{module}: a relative import; write the full name")
            case _:
                pass


def within(module: str, package: str) -> bool:
    return package in ("*", module) or module.startswith(f"{package}.")


@functools.cache
def rule(module: str) -> str:
    """The line of PACKAGES that `module` comes under."""
    return max((package for package in PACKAGES if within(module, package)), key=len, default="")


def refusal(module: str, imported: str) -> str:
    """Why `module` may not import `imported`; empty when it may."""
    if within(imported, "flakeship"):
        name = imported.removeprefix("flakeship").lstrip(".") or "__init__"
        allowed = (*PACKAGES[rule(module)].split(), module.split(".", maxsplit=1)[0], "__init__")
        return (
            ""
            if any(within(name, package) or rule(name) == package for package in allowed)
            else f"{module} → {name}"
        )
    top = imported.split(".", maxsplit=1)[0]
    if top in sys.stdlib_module_names and top not in OTHERS:
        return ""
    return (
        ""
        if any(within(module, room) for room in OTHERS.get(top, "nobody").split())
        else f"{module} → {imported}"
    )


def test_imports_follow_the_plan() -> None:
    unplanned = [module for module in modules() if rule(module) not in PACKAGES]
    assert not unplanned, "say in PACKAGES what these may import"
    refused = [refusal(module, imported) for module in modules() for imported in imports(module)]
    assert not sorted(filter(None, refused))


def test_the_house_has_few_rooms() -> None:
    """A room is a package or a module directly under src/flakeship: a noun, the ground, or a door."""
    rooms = {module.partition(".")[0] for module in modules()}
    loose = [path.stem for path in SOURCE.glob("*.py")]
    assert len(rooms) <= 33, sorted(rooms)
    assert len(loose) <= 10, sorted(loose)
    assert rooms == {name for name in PACKAGES if "." not in name}, "each room has its line in PACKAGES"


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other, directly or by way of others (Tarjan's algorithm)."""
    found: list[list[str]] = []
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        path.append(module)
        for other in sorted(graph.get(module, ())):
            if other not in numbers:
                visit(other)
            if other in path:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == numbers[module]:
            circle = path[path.index(module) :]
            del path[path.index(module) :]
            if len(circle) > 1:
                found.append(circle)

    for module in graph:
        if module not in numbers:
            visit(module)
    return found


def test_no_modules_import_each_other() -> None:
    """Imports within functions and those for types alone count too: what is bound in a circle can't be read alone."""
    known = set(modules())
    graph = {
        module: {
            name for imported in imports(module) if (name := imported.removeprefix("flakeship.")) in known
        }
        - {module}
        for module in known
    }
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("image.pack", "flakeship.nix.build"),
        ("nix.build", "flakeship.image.model"),
        ("registry.client", "flakeship.destinations.registry.destination"),
        ("registry.client", "flakeship.image.pack"),
        ("stores.temporary", "flakeship.registry.client"),
        ("destinations.oci_layout.destination", "flakeship.settings.declaration"),
        ("sources.opened", "flakeship.commands.runtime"),
        ("ci.github", "flakeship.registry.client"),
        ("registry.client", "requests.adapters"),
        ("nix.command", "subprocess"),
        ("image.model", "numpy"),
        ("commands.publish.pipeline", "flakeship.cli"),
        ("destinations.registry.destination", "flakeship.commands.publish.pipeline"),
    ],
)
def test_the_rules_refuse(module: str, imported: str) -> None:
    assert refusal(module, imported)


def test_the_environment_is_read_in_one_place() -> None:
    readers = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"}
        if isinstance(node.value, ast.Name) and node.value.id == "os"
    ]
    assert {reader.partition(":")[0] for reader in readers} <= {"cli"}, readers


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


NOT_HERE = {
    r"\b(TOD[O]|FIXM[E]|XX[X])\b|NotImplemente[d]Error": "unfinished",
    r"pytest\.ski[p]|mark\.ski[p]|mark\.xfai[l]|importorski[p]": "a test that may not run",
    r"(?<![\w.])/(root|home|work|Users)/[a-z]": "a path of one machine",
    r"https?://[^\s/]+/(simple|packages|debian(-security)?)(/|\s|$)": "a package registry",
}


def test_nothing_is_unfinished_or_of_one_machine() -> None:
    found = []
    for path in tracked(":!requirements/*.txt"):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        hits = (
            (text.count("\n", 0, hit.start()) + 1, what)
            for rule, what in NOT_HERE.items()
            for hit in re.finditer(rule, text)
        )
        found += [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in hits]
    assert not found
