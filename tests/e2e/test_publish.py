"""`flakeship publish` as a user runs it: what it prints and writes, how it ends, and what it leaves at a registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.testbed import archives
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    stdout: str
    stderr: str


Run: TypeAlias = Callable[..., Ended]


@pytest.fixture
def run(nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    """Run `flakeship publish` with these flags; temporary folders go to tmp_path/temporary, which must end up empty."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def publish(*flags: str, cwd: Path = tmp_path, stdin: str = "", **environ: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "flakeship", "publish", *flags],
            cwd=cwd,
            env={**nix_environ, "TMPDIR": str(temporary), **environ},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not list(temporary.iterdir()), "a temporary file was left behind"
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    return publish


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A plain docker-archive as buildLayeredImage makes it."""
    archives.write_all(tmp_path / "archives")
    return tmp_path / "archives/layered.tar"


def labels(registry: Registry, repository: str, reference: str) -> dict[str, str]:
    manifest = registry.manifest(repository, reference)
    assert manifest
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    return dict(json.loads(blob)["config"]["Labels"])


def test_a_flake_becomes_an_image_that_carries_what_git_knows(
    run: Run, make_flake: Callable[..., Path], registry: Registry, git: Callable[..., str]
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    git(folder, "remote", "add", "origin", "https://user:hunter2@git.example/me/app.git")
    ended = run(
        *("--flake", ".#stream", "--images", f"{registry.host}/{repository}", "--tags", "1.0,latest"),
        *(
            "--labels",
            "team=north,south",
            "--annotations",
            "manifest:team=north",
            "--metadata-file",
            "out/meta.json",
        ),
        cwd=folder,
    )
    assert ended.code == 0, ended.stderr
    digest = registry.digest(repository, "1.0")
    assert ended.stdout == f"{registry.host}/{repository}@{digest}\n"
    assert registry.digest(repository, "latest") == digest
    found = labels(registry, repository, "1.0")
    revision = git(folder, "rev-parse", "HEAD").strip()
    assert found == {
        "org.opencontainers.image.title": "shapes",
        "team": "north,south",
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.version": "1.0",
        "org.opencontainers.image.source": "https://git.example/me/app",
        "org.opencontainers.image.url": "https://git.example/me/app",
    }
    manifest = registry.manifest(repository, "1.0")
    assert manifest
    assert manifest["annotations"]["team"] == "north"
    metadata: dict[str, Any] = json.loads((folder / "out/meta.json").read_text())
    assert metadata["containerimage.digest"] == digest
    assert metadata["containerimage.config.digest"] == manifest["config"]["digest"]
    assert metadata["image.name"] == ",".join(
        f"{registry.host}/{repository}:{tag}" for tag in ("1.0", "latest")
    )
    blobs = metadata["flakeship.destinations"][0]["blobs"]
    assert [blob["digest"] for blob in blobs[:-1]] == [layer["digest"] for layer in manifest["layers"]]
    assert {blob["state"] for blob in blobs} == {"uploaded"}
    assert not (folder / "result").is_symlink()
    assert "hunter2" not in ended.stdout + ended.stderr


def test_the_same_input_gives_the_same_digest_in_another_folder(
    run: Run, make_flake: Callable[..., Path]
) -> None:
    folders = [make_flake("one"), make_flake("two")]
    for folder in folders:
        assert run("--flake", ".#layered", "--to", "oci:image", cwd=folder).code == 0
    one, two = ((folder / "image/index.json").read_text() for folder in folders)
    assert one == two


def test_several_registries_get_the_same_image_from_one_packing(
    run: Run, archive: Path, registry: Registry, basic_registry: Registry
) -> None:
    repository = registry.new_repository()
    ended = run(
        *("--source", str(archive), "--to", "oci:layout", "--log-level", "debug"),
        *("--tags", f"{registry.host}/{repository}:1\n{basic_registry.host}/{repository}:1"),
        *("--registry", basic_registry.host, "--username", USERNAME, "--password-stdin"),
        stdin=PASSWORD,
    )
    assert ended.code == 0, ended.stderr
    assert registry.digest(repository, "1") == basic_registry.digest(repository, "1") != ""
    assert len(ended.stdout.splitlines()) == 3
    assert ended.stderr.count(" reading ") == 3
    assert PASSWORD not in ended.stderr


def test_a_token_server_is_asked_and_the_password_comes_from_the_environment(
    run: Run, archive: Path, token_registry: Registry
) -> None:
    repository = token_registry.new_repository()
    ended = run(
        *(
            "--source",
            str(archive),
            "--tags",
            f"{token_registry.host}/{repository}:1",
            "--username",
            USERNAME,
        ),
        FLAKESHIP_PASSWORD=PASSWORD,
    )
    assert ended.code == 0, ended.stderr
    assert token_registry.digest(repository, "1")


def test_a_wrong_password_is_refused_before_anything_is_built(
    run: Run, make_flake: Callable[..., Path], basic_registry: Registry
) -> None:
    folder = make_flake()
    ended = run(
        *("--flake", ".#fails", "--tags", f"{basic_registry.host}/a/b:1", "--username", USERNAME),
        cwd=folder,
        FLAKESHIP_PASSWORD="wrong-canary",
    )
    assert ended.code == 5
    assert "building" not in ended.stderr
    assert "wrong-canary" not in ended.stderr


def test_without_credentials_auto_builds_and_says_that_it_did_not_push(
    run: Run, archive: Path, basic_registry: Registry
) -> None:
    repository = basic_registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{basic_registry.host}/{repository}:1")
    ended = run(*flags)
    assert ended.code == 0, ended.stderr
    assert "not pushed" in ended.stderr
    assert not basic_registry.tags(repository)
    assert run(*flags, "--push").code == 5


def test_nothing_is_pushed_for_a_fork(run: Run, archive: Path, registry: Registry, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(
        json.dumps(
            {
                "number": 3,
                "pull_request": {
                    "number": 3,
                    "head": {"repo": {"full_name": "them/app"}},
                    "base": {"ref": "main"},
                },
                "repository": {"full_name": "me/app", "default_branch": "main"},
            }
        )
    )
    outputs = tmp_path / "outputs"
    outputs.touch()
    repository = registry.new_repository()
    ended = run(
        *("--source", str(archive), "--tags", f"{registry.host}/{repository}:1", "--push", "true"),
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="pull_request_target",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_REPOSITORY="me/app",
        GITHUB_SHA="a" * 40,
        GITHUB_REF="refs/heads/main",
        GITHUB_OUTPUT=str(outputs),
    )
    assert ended.code == 0, ended.stderr
    assert "not pushed" in ended.stderr
    assert not registry.tags(repository)
    assert "\nfalse\n" in outputs.read_text()


def test_push_false_and_dry_run_send_nothing(
    run: Run, archive: Path, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = (
        "--source",
        str(archive),
        "--tags",
        f"{registry.host}/{repository}:1",
        "--metadata-file",
        "m.json",
    )
    for way in (("--push", "false"), ("--dry-run",)):
        ended = run(*flags, *way)
        assert ended.code == 0, ended.stderr
        assert not registry.tags(repository)
        destination = json.loads((tmp_path / "m.json").read_text())["flakeship.destinations"][0]
        assert not destination["sent"]
        assert {blob["state"] for blob in destination["blobs"]} == {"withheld"}
    assert not [access for access in registry.accesses(repository) if access.method not in {"GET", "HEAD"}]


def test_the_environment_of_nix_holds_no_secret(
    run: Run, make_flake: Callable[..., Path], registry: Registry, git: Callable[..., str]
) -> None:
    folder = make_flake()
    flake = (folder / "flake.nix").read_text()
    leak = '"leak-${builtins.getEnv "FLAKESHIP_PASSWORD"}${builtins.getEnv "GITHUB_TOKEN"}"'
    (folder / "flake.nix").write_text(flake.replace('"impure-${builtins.getEnv "FLAVOUR"}"', leak))
    git(folder, "commit", "-qam", "leak")
    ended = run(
        *("--flake", ".#impure", "--impure", "--tags", f"{registry.host}/a/b:1", "--username", "me"),
        cwd=folder,
        FLAKESHIP_PASSWORD="canary-1",
        GITHUB_TOKEN="canary-2",
    )
    assert ended.code == 4, ended.stderr
    assert "-leak-" in ended.stderr
    assert "canary" not in ended.stderr


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--flake", ".#no-such"), 3, "no-such"),
        (("--flake", ".#fails"), 3, "about to fail"),
        (("--flake", ".#text"), 4, "no image"),
        (("--flake", ".#stream-fails"), 4, "cannot read the customisation layer"),
        (("--flake", ".#several"), 4, "registry.example/two:2"),
        (("--source", "missing.tar"), 2, "missing.tar"),
        (("--source", "flake.nix"), 4, "no image"),
        (("--tags", "Ghcr.io/Me/App:1"), 2, "Me/App"),
        (("--tags", "ghcr.io/me/app:a b"), 2, "a b"),
        (("--tags", "1.0"), 2, "images"),
        (("--labels", "novalue"), 2, "novalue"),
        (("--annotations", "novalue"), 2, "novalue"),
        (("--created", "yesterday"), 2, "yesterday"),
        (("--compression-level", "9"), 2, "0 to 2"),
        (("--to", "ftp://x"), 2, "ftp"),
        (("--tag", "x"), 2, "--tags"),
        (("--plain-htpp", "x"), 2, "--plain-http"),
        (("--username", "me", "--tags", "ghcr.io/me/app:1"), 2, "password"),
        (("--ca", "nowhere.pem", "--tags", "ghcr.io/me/app:1"), 2, "nowhere.pem"),
        (("--tags", "no-such-host.invalid/me/app:1", "--push"), 6, "no-such-host.invalid"),
    ],
)
def test_a_bad_input_ends_in_one_error(
    run: Run, make_flake: Callable[..., Path], flags: tuple[str, ...], code: int, words: str
) -> None:
    ended = run(*flags, cwd=make_flake())
    assert ended.code == code, ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in ended.stderr
    assert "  -> " in ended.stderr
    assert not ended.stdout


def test_an_unknown_variable_is_an_error_and_an_unknown_action_input_a_warning(
    run: Run, archive: Path
) -> None:
    refused = run("--source", str(archive), FLAKESHIP_LABLES="a=b")
    assert refused.code == 2
    assert "labels" in refused.stderr
    warned = run("--source", str(archive), "--to", "oci:x", INPUT_LABLES="a=b")
    assert warned.code == 0
    assert "labels" in warned.stderr


def test_without_nix_it_says_how_to_get_it(run: Run, make_flake: Callable[..., Path], tmp_path: Path) -> None:
    ended = run("--flake", ".#layered", cwd=make_flake(), PATH=str(tmp_path))
    if ended.code == 0:  # Nix's own installer keeps it where no PATH leads, and there we look
        assert Path("/nix/var/nix/profiles/default/bin/nix").exists()
        return
    assert ended.code == 3
    assert "install" in ended.stderr
