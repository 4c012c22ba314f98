"""Provenance of a flake that real Nix builds: what is stated of it, and that no secret and no guess is among it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flakeship.attest.provenance import BUILD_TYPE, NO_PLATFORM, check_predicate
from tests.testbed.command import Publish
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture
def flake(
    make_flake: MakeFlake, git: Callable[..., str], tmp_path: Path, nix_environ: Mapping[str, str]
) -> Path:
    """A flake with one input, `dep`, which its lock file pins; and which is `github`'s checkout of octo/app."""
    dep = tmp_path / "dep"
    dep.mkdir()
    (dep / "flake.nix").write_text("{ outputs = _: { }; }")
    git(dep, "init", "-q", "-b", "main")
    git(dep, "add", "-A")
    git(dep, "commit", "-q", "-m", "dep")
    folder = make_flake()
    text = (folder / "flake.nix").read_text().replace("{ self }:", "{ self, dep }:")
    (folder / "flake.nix").write_text(
        text.replace("  outputs =", f'  inputs.dep.url = "git+file://{dep}";\n  outputs =', 1)
    )
    subprocess.run(["nix", "flake", "lock"], cwd=folder, env=nix_environ, check=True, capture_output=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "dep")
    return folder


def github(commit: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": commit,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_RUN_ID": "7",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_WORKFLOW_REF": "octo/app/.github/workflows/image.yml@refs/heads/main",
    }


def test_what_a_run_states_of_a_flake(
    publish: Publish, flake: Path, registry: Registry, git: Callable[..., str], tmp_path: Path
) -> None:
    repository = registry.new_repository()
    name, commit = f"{registry.host}/{repository}", git(flake, "rev-parse", "HEAD").strip()
    announced = tmp_path / "artifacts"
    announced.touch()
    flags = (".#hello", f"{name}:1", "--provenance", "--metadata-file", "out/metadata.json")
    secrets = (
        "--pass-env",
        "FIXTURE_TOKEN",
        "--nix-config",
        f"access-tokens = git.example={SECRET}",
        "--env",
        f"TOKEN={SECRET}",
    )
    around = {**github(commit), "FIXTURE_TOKEN": SECRET, "GITHUB_ARTIFACTS": str(announced)}
    done = publish(*flags, *secrets, cwd=flake, **around)
    assert done.code == 0, done.stderr
    text = (flake / "out/provenance.json").read_text()
    said: dict[str, Any] = json.loads(text)
    check_predicate(said)
    assert SECRET not in text
    definition = said["buildDefinition"]
    assert definition["buildType"] == BUILD_TYPE
    (asked,) = definition["externalParameters"]["images"]
    assert asked == {
        "platform": "linux/amd64",
        "flake": ".",
        "attribute": "hello",
        "system": "x86_64-linux",
        "inputs": {"env": ["TOKEN"], "nix-config": ["access-tokens"], "pass-env": ["FIXTURE_TOKEN"]},
    }
    (found,) = definition["internalParameters"]["images"]
    derivation = Path(found["derivation"])
    assert (found["built"], found["dirty"], found["impure"], found["unlocked"]) == ("here", False, False, [])
    assert found["outputs"]["out"].startswith("/nix/store/")
    assert found["nix"].startswith("nix (")
    assert found["sandbox"]["setting"] in {"on", "off", "relaxed"}
    source, dep, drv = definition["resolvedDependencies"]
    assert (source["uri"], source["digest"]["gitCommit"]) == (
        "git+https://github.com/octo/app@refs/heads/main",
        commit,
    )
    assert dep["uri"] == f"git+file://{tmp_path}/dep"
    assert dep["digest"]["gitCommit"] == git(tmp_path / "dep", "rev-parse", "HEAD").strip()
    locked = json.loads((flake / "flake.lock").read_text())["nodes"]["dep"]["locked"]["narHash"]
    assert dep["digest"]["narSha256"] == b64decode(locked.removeprefix("sha256-")).hex()
    assert drv["digest"] == {"sha256": hashlib.sha256(derivation.read_bytes()).hexdigest()}
    assert (
        said["runDetails"]["builder"]["id"]
        == "https://github.com/octo/app/.github/workflows/image.yml@refs/heads/main"
    )
    assert (
        said["runDetails"]["metadata"]["invocationId"]
        == "https://github.com/octo/app/actions/runs/7/attempts/2"
    )
    digest = registry.digest(repository, "1")
    assert announced.read_text() == f"oci://{name}@{digest}\n"
    index = registry.manifest(repository, digest.replace(":", "-"))
    assert index
    (entry,) = index["manifests"]
    assert entry["artifactType"] == "application/vnd.in-toto+json"
    assert entry["annotations"] == {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}
    # a run that finds it published knows nothing of its making
    again = publish(*flags, *secrets, cwd=flake, **around)
    assert again.code == 0, again.stderr
    assert "the image was there before it" in again.stderr
    assert not (flake / "out/provenance.json").exists()
    assert registry.manifest(repository, digest.replace(":", "-")) == index
    # nothing is built for another label either, and its manifest is this run's all the same
    done = publish(*flags, *secrets, "--labels", "a=b", cwd=flake, **around)
    assert done.code == 0, done.stderr
    (found,) = json.loads((flake / "out/provenance.json").read_text())["buildDefinition"][
        "internalParameters"
    ]["images"]
    assert (found["built"], found["derivation"]) == ("published", str(derivation))
    assert not {"nix", "sandbox", "keys"} & found.keys()


def test_what_is_not_pinned_is_named(publish: Publish, flake: Path, git: Callable[..., str]) -> None:
    """No lock file, a change that no commit has, an impure evaluation, and a laptop."""
    git(flake, "rm", "-q", "--cached", "flake.lock")
    (flake / "flake.lock").unlink()
    done = publish(".#hello", "--to", "oci:image", "--provenance", "--impure", cwd=flake)
    assert done.code == 0, done.stderr
    said = json.loads((flake / "provenance.json").read_text())
    (found,) = said["buildDefinition"]["internalParameters"]["images"]
    assert (found["dirty"], found["impure"], found["unlocked"]) == (True, True, ["dep"])
    source = said["buildDefinition"]["resolvedDependencies"][0]
    assert (source["name"], "gitCommit" in source["digest"]) == ("source", False)
    assert said["runDetails"]["builder"]["id"] == NO_PLATFORM
    assert "invocationId" not in said["runDetails"]["metadata"]
