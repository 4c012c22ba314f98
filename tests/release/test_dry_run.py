"""A whole release, as far as it goes without the internet.

Real are git, the registry, the wheel, flakeship's own push and Nix; bare repositories stand for GitHub's and GitLab's, a
server in memory for GitHub's API and a package for the image of the action. Each job has a clone of its own, and is given
what the workflow gives it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from release import IMAGE, names
from release.__main__ import TESTED_BY, main
from release.distribution import SUMS
from release.git import refs
from tests.release.conftest import VERSION, commit, copy_of_project, lay_out
from tests.release.github_server import GitHubServer
from tests.testbed import archives
from tests.testbed.nix import FLAKES
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow
_WITH_FILES = ("check", "image", "assemble", "resolve")
"""Steps that read the files which are checked out; the others take what `assemble` made, and a checkout takes time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`folder` is handed from job to job as the workflow's artifacts are; `root` is the clone that a job works in."""

    root: Path
    folder: Path
    github: Path
    gitlab: Path
    registry: Registry
    repository: str
    git: Callable[..., str]

    @property
    def image(self) -> str:
        return f"{self.registry.host}/{self.repository}"

    def step(self, name: str, *arguments: str) -> dict[str, str]:
        """Run a step in a clone of its own, with what the workflow gives it, and return its outputs."""
        job = self.folder.parent / f"job-{uuid.uuid4()}"
        flags = [] if name in _WITH_FILES else ["--no-checkout"]
        self.git(self.folder.parent, "clone", "-q", *flags, str(self.github), str(job))
        given = {
            "root": job,
            "folder": self.folder,
            "github": self.github,
            "gitlab": self.gitlab,
            "image": self.image,
        }
        flags = [f"--{name}={value}" for name, value in given.items()]
        outputs = Path(os.environ["GITHUB_OUTPUT"])
        outputs.unlink(missing_ok=True)
        assert main([name, str(VERSION), *flags, *arguments]) == 0, name
        return dict(line.split("=", 1) for line in outputs.read_text().splitlines())


@pytest.fixture
def world(
    tmp_path: Path,
    registry: Registry,
    git: Callable[..., str],
    bare: Callable[[str], Path],
    github_api: GitHubServer,
) -> World:
    """Main is ready to be released, and tested."""
    github, root = bare("github"), tmp_path / "project"
    git(tmp_path, "clone", "-q", str(github), str(root))
    copy_of_project(root)
    if (
        "## Unreleased" in (root / "CHANGELOG.md").read_text()
    ):  # what a person does in the pull request before
        assert main(["prepare", str(VERSION), f"--root={root}", f"--folder={tmp_path}/handed-over"]) == 0
    github_api.tested(commit(git, root, "Ready"), *TESTED_BY)
    return World(
        root=root,
        folder=tmp_path / "handed-over",
        github=github,
        gitlab=bare("gitlab"),
        registry=registry,
        repository=registry.new_repository(),
        git=git,
    )


@pytest.fixture(autouse=True)
def _outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing that another test packed


def test_every_documented_name_leads_to_the_release_and_a_second_run_changes_nothing(
    world: World, tmp_path: Path, nix_environ: Mapping[str, str], github_api: GitHubServer
) -> None:
    digest = first_half(world, layouts(tmp_path))
    assert world.registry.tags(world.repository) == [str(VERSION)]
    assert not [name for name in refs(world.root, str(world.github)) if "tags" in name]
    second_half(world, digest)

    check_image(world, digest)
    check_commits(world, digest)
    check_files(world, github_api)
    assert nix_run(world, tmp_path, nix_environ) == f"flakeship {VERSION}\n"

    remotes = {remote: refs(world.root, str(remote)) for remote in (world.github, world.gitlab)}
    files = {path.name: path.read_bytes() for path in (world.folder / "dist").iterdir()}
    sent = github_api.sent()
    shutil.rmtree(world.folder)
    assert first_half(world, None) == digest, "the image is there, and is not made again"
    second_half(world, digest)
    assert {remote: refs(world.root, str(remote)) for remote in remotes} == remotes
    assert {path.name: path.read_bytes() for path in (world.folder / "dist").iterdir()} == files
    assert github_api.sent() == sent


def first_half(world: World, images: Sequence[str] | None) -> str:
    """All that comes before a name that people use: check, image, assemble. Returns the digest of the image."""
    digest = world.step("check", "--tested")["digest"]
    assert bool(digest) is (images is None)
    for flags in [] if images is None else [images]:
        digest = world.step("image", *flags)["digest"]
    world.step("assemble", f"--digest={digest}")
    return digest


def second_half(world: World, digest: str) -> None:
    for step, *arguments in (["publish"], ["component"], ["major", f"--digest={digest}"]):
        world.step(step, *arguments)
    assert int(world.step("resolve")["names"]) >= 6


def layouts(folder: Path) -> Sequence[str]:
    """One image for each CPU, as a job of the workflow makes it of the archive that docker saves."""
    made = []
    for cpu in ("amd64", "arm64"):
        text = json.dumps(archives.config(architecture=cpu)).encode()
        name = f"{hashlib.sha256(text).hexdigest()}.json"
        paths = [f"{digest}/layer.tar" for digest in archives.DIFF_IDS]
        manifest = json.dumps([{"Config": name, "RepoTags": None, "Layers": paths}]).encode()
        members = [*zip(paths, archives.LAYERS, strict=True), (name, text), ("manifest.json", manifest)]
        (folder / f"{cpu}.tar").write_bytes(archives.outer(members))
        lay_out(folder, cpu, "--auto-labels=false", "--created=keep", "--lint=off")
        made.append(f"--layout={folder}/{cpu}")
    return made


def check_image(world: World, digest: str) -> None:
    """ghcr.io/flakeship/flakeship:1, by what other tools see of it."""
    assert world.registry.digest(world.repository, str(VERSION.major)) == digest
    for cpu in ("amd64", "arm64"):
        command = ["skopeo", f"--override-arch={cpu}", "inspect", "--tls-verify=false"]
        named = f"docker://{world.image}:{VERSION.major}"
        seen = subprocess.run([*command, named], capture_output=True, check=True).stdout
        inspected = json.loads(seen)
        assert inspected["Architecture"] == cpu
        committed = world.git(world.github, "show", "--no-patch", "--format=%ct", "main").strip()
        assert datetime.fromisoformat(inspected["Created"]).timestamp() == int(committed)
        revision = inspected["Labels"]["org.opencontainers.image.revision"]
        assert revision == refs(world.root, str(world.github))["refs/heads/main"]


def check_commits(world: World, digest: str) -> None:
    """flakeship/flakeship@v1 on GitHub, and flakeship/flakeship/flakeship@1 on GitLab."""
    at_github, at_gitlab = (refs(world.root, str(remote)) for remote in (world.github, world.gitlab))
    released = at_github[f"refs/tags/v{VERSION.major}"]
    assert released == at_github[f"refs/tags/v{VERSION}"] == at_gitlab[f"refs/tags/{VERSION}"]
    main_ = world.git(world.github, "rev-parse", f"{released}^").strip()
    assert main_ == at_github["refs/heads/main"] == at_gitlab["refs/heads/main"]
    for name in ("action.yml", "metadata/action.yml", "merge/action.yml"):
        action = yaml.safe_load(world.git(world.github, "show", f"{released}:{name}"))
        assert action["runs"]["image"] == f"docker://{IMAGE}@{digest}"
    component, _ = yaml.safe_load_all(world.git(world.gitlab, "show", f"{released}:templates/flakeship.yml"))
    assert component["spec"]["inputs"]["job-image"]["default"] == f"{IMAGE}@{digest}"


def check_files(world: World, github_api: GitHubServer) -> None:
    """What goes to PyPI and to the release, whose links lead to the files of the tag."""
    dist = world.folder / "dist"
    wheel, sdist = dist / f"flakeship-{VERSION}-py3-none-any.whl", dist / f"flakeship-{VERSION}.tar.gz"
    checked = subprocess.run(["sha256sum", "--check", SUMS], cwd=dist, capture_output=True, check=False)
    assert checked.stdout.decode().splitlines() == [f"{wheel.name}: OK", f"{sdist.name}: OK"]
    (made,) = github_api.releases
    assert {asset["name"] for asset in made["assets"]} == {wheel.name, sdist.name, SUMS}
    assert (made["tag_name"], made["draft"]) == (f"v{VERSION}", False)
    assert "### " in made["body"]
    with zipfile.ZipFile(wheel) as archive:
        described = archive.read(f"flakeship-{VERSION}.dist-info/METADATA").decode()
    assert f"https://github.com/flakeship/flakeship/blob/v{VERSION}/docs/github.md" in described
    assert "](docs/" not in described
    with tarfile.open(sdist) as archive:
        readme = archive.extractfile(f"flakeship-{VERSION}/README.md")
        assert readme
        assert readme.read().decode() in described


def nix_run(world: World, tmp_path: Path, environ: Mapping[str, str]) -> str:
    """Run the flake of main, as `nix run github:flakeship/flakeship` does; tests/flakes/nixpkgs stands for nixpkgs."""
    nixpkgs = tmp_path / "nixpkgs"
    shutil.copytree(FLAKES / "nixpkgs", nixpkgs)
    (nixpkgs / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, nixpkgs / "bin/busybox")
    (nixpkgs / "python").write_text(sys.executable)
    given = ("--no-write-lock-file", "--override-input", "nixpkgs", f"path:{nixpkgs}")
    command = ["nix", "--option", "sandbox", "false", "run", *given, f"git+file://{world.github}?ref=main"]
    done = subprocess.run(
        [*command, "--", "--version"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_of_the_pages_are_of_every_kind() -> None:
    found = names.documented(names.pages(Path(__file__).parents[2]))
    assert {name.kind for name in found} == {"action", "component", "flake", "image", "package"}
    assert {name.path for name in found if name.kind == "action"} == {"", "native", "metadata", "merge"}
