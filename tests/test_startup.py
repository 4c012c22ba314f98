"""What a push with nothing special must not import: start-up has a budget, which `./dev bench startup` measures."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.registry import Registry

# docs/decisions.md#modules-are-loaded-when-they-are-needed
NEEDLESS = {
    "flakeship.nix": "nothing is built",
    "flakeship.caches": "nothing is built",
    "flakeship.commands.building.builder": "nothing is built",
    "flakeship.commands.layers": "another command's",
    "flakeship.commands.publish.package_query": "it is an image, no package",
    "flakeship.sources.package": "it is an image, no package",
    "flakeship.sources.closure": "it is an image, no package",
    "flakeship.sources.nix2container": "an archive is known before this kind is asked",
    "flakeship.sources.stored": "it is no layout",
    "flakeship.commands.registry_image": "the source is in no registry",
    "flakeship.commands.publish.overrides": "no input says how the container starts",
    "flakeship.image.override": "no input says how the container starts",
    "flakeship.stores.cache": "the layer cache is off",
    "flakeship.stores.cache_folder": "the layer cache is off",
    "flakeship.destinations.archive": "it goes to no archive",
    "flakeship.destinations.docker_daemon": "it goes to no engine",
    "flakeship.destinations.podman": "it goes to no engine",
    "flakeship.engines": "it goes to no engine",
    "flakeship.commands.inspect": "another command's",
    "flakeship.commands.metadata": "another command's",
    "flakeship.commands.sbom": "another command's",
    "flakeship.commands.verify": "another command's",
    "flakeship.sbom": "another command's",
    "flakeship.commands.diff": "another command's",
    "flakeship.commands.why": "another command's",
    "flakeship.difference": "the tag named nothing before",
    "flakeship.report.difference": "the tag named nothing before",
    "flakeship.commands.publish.changes": "the tag named nothing before",
    "flakeship.commands.publish.pull_request": "no comment is asked for",
    "flakeship.metadata.syntax.handlebars": "no line has a template",
    "flakeship.metadata.syntax.moment": "no template has a date",
    "flakeship.metadata.syntax.patterns": "no rule has a pattern",
    "flakeship.metadata.syntax.versions": "no rule asks for a version",
    "flakeship.report.live": "stderr is no terminal",
    "flakeship.ci.forgejo.event": "it is not run by Forgejo",
    "flakeship.ci.gitlab.event": "it is not run by GitLab",
    "flakeship.ci.gitlab.log": "it is not run by GitLab",
    "flakeship.ci.shipped_folder": "no folder is named for files",
    "flakeship.attest": "nothing is attached",
    "flakeship.commands.publish.attaching": "nothing is attached",
    "flakeship.destinations.registry.artifacts": "nothing is attached",
    "flakeship.registry.referrers": "nothing is attached",
    "cryptography": "nothing is signed",
    "nacl": "nothing is signed",
    "rich": "stderr is no terminal",
    "docker": "it goes to no engine",
    "yaml": "for what is rendered",
    "packaging": "no rule asks for a version",
    "semver": "no rule asks for a version",
    "regex": "no rule has a pattern",
    "zoneinfo": "no template has a date",
    "zstandard": "it is gzip",
    "difflib": "nothing is misspelt",
    "flakeship.outside.nearness": "nothing is misspelt",
    "flakeship.sources.piped": "it lies in a file",
    "flakeship.sources.engine_image": "it comes from no engine",
    "flakeship.sources.renamed": "it is called by its path",
}
IN_FOLDER = {
    "flakeship.registry.client": "it goes to a folder",
    "flakeship.destinations.registry.destination": "it goes to a folder",
    "requests": "nobody is spoken to",
    "urllib3": "nobody is spoken to",
    "ssl": "nobody is spoken to",
}
IN_REGISTRY = {
    "flakeship.image.check": "nothing is read again",
    "flakeship.destinations.oci_layout": "it goes to a registry",
    "flakeship.ci.github.event": "it is not run by GitHub",
    "flakeship.ci.github.log": "it is not run by GitHub",
    "flakeship.ci.github.outputs": "it is not run by GitHub",
}
BY_GITHUB = {
    "flakeship.process": "the event says all that git would",
    "subprocess": "nothing is run",
}
PUSH = """
import json, sys
from flakeship import cli
assert cli.main(["publish", *sys.argv[2:]]) == 0
json.dump(sorted(sys.modules), open(sys.argv[1], "w"))
"""


def imported(folder: Path, *flags: str, **environ: str) -> set[str]:
    """The modules that a push had imported when it was done."""
    file = folder / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(file), *flags],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "FLAKESHIP_LAYER_CACHE": "off", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return set(json.loads(file.read_text()))


def needless(there: set[str], *tables: dict[str, str]) -> list[str]:
    return [
        f"{name} is imported, and {why}"
        for table in tables
        for name, why in table.items()
        if any(module == name or module.startswith(f"{name}.") for module in there)
    ]


def test_what_goes_to_a_folder_needs_no_network(archive: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"head_commit": {"id": "8" * 40, "timestamp": "2026-01-31T12:00:00Z"}}))
    github = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": "8" * 40}
    there = imported(
        tmp_path, "--source", str(archive), "--to", "oci:layout:1", GITHUB_EVENT_PATH=str(event), **github
    )
    assert "flakeship.ci.github.log" in there
    assert not needless(there, NEEDLESS, IN_FOLDER, BY_GITHUB)


def test_a_build_without_caches_knows_of_none() -> None:
    """Only an input that names a cache has the server started, and a folder as a cache does not need it either."""
    code = (
        "import sys; import flakeship.commands.building.inputs, flakeship.commands.publish.pipeline\n"
        "assert not [name for name in sys.modules if name.startswith('flakeship.caches')]\n"
        "import flakeship.caches\n"
        "assert not [name for name in sys.modules if name.startswith('flakeship.caches.loopback')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_push_imports_what_it_needs(archive: Path, tmp_path: Path, registry: Registry) -> None:
    name = f"{registry.host}/{registry.new_repository()}:1"
    there = imported(tmp_path, "--source", str(archive), "--tags", name, "--labels", "a=b")
    assert "requests" in there
    assert not needless(there, NEEDLESS, IN_REGISTRY)


def test_what_is_needless_is_told() -> None:
    """Of a name that is no module any more, nothing would ever be said."""
    ours = [name for table in (NEEDLESS, IN_FOLDER, IN_REGISTRY, BY_GITHUB) for name in table]
    assert [name for name in ours if importlib.util.find_spec(name) is None] == []
    assert needless({"ssl", "requests.adapters", "sslx"}, IN_FOLDER) == [
        "requests is imported, and nobody is spoken to",
        "ssl is imported, and nobody is spoken to",
    ]


def test_nothing_is_imported_before_signals_are_seen_to() -> None:
    """Until then SIGTERM is lost to the first process of a container, and SIGINT gives a traceback."""
    code = "import sys; there = {*sys.modules}; import flakeship.__main__; print(*{*sys.modules} - there)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"flakeship", "flakeship.__main__", "__future__", "_signal", "gc"}


@pytest.mark.parametrize("argv", [["--version"], ["publish", "--help"], ["completion", "bash"]], ids=" ".join)
def test_what_a_shell_asks_for_needs_no_library(argv: list[str], tmp_path: Path) -> None:
    code = (
        "import contextlib, io, os, sys\nfrom flakeship import cli\n"
        "with open(os.devnull, 'w') as sys.stdout, contextlib.suppress(SystemExit):\n    cli.main(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.__stdout__)"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    there = set(done.stdout.split())
    systems = {*sys.stdlib_module_names, "sitecustomize", "usercustomize"}  # Debian has one of its own
    others = {name for name in there if "." not in name} - systems - {"__main__", "flakeship"}
    assert {name for name in others if not name.startswith("_")} == set()
    assert not there & {"flakeship.commands.naming", "flakeship.registry", "flakeship.destinations", "ssl"}
