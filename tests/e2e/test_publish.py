"""`flakeship publish` on real input: what it prints and writes, and what it leaves at a registry."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.publish.test_metadata_document import validator
from tests.testbed.command import Publish
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow


def labels(registry: Registry, repository: str, reference: str) -> dict[str, str]:
    manifest = registry.manifest(repository, reference)
    assert manifest
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    return dict(json.loads(blob)["config"]["Labels"])


def test_a_flake_becomes_an_image_that_carries_what_git_knows(
    publish: Publish, make_flake: Callable[..., Path], registry: Registry, git: Callable[..., str]
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    git(folder, "remote", "add", "origin", "https://user:hunter2@git.example/me/app.git")
    ended = publish(
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
    validator().validate(metadata)
    source = metadata["flakeship.flake"]
    assert (source["revision"], source["dirty"]) == (revision, False)
    assert source["url"].startswith(f"git+file://{folder}?")
    assert metadata["flakeship.derivation"] == manifest["annotations"]["dev.flakeship.derivation"]
    assert metadata["flakeship.outputs"] == [manifest["annotations"]["dev.flakeship.source"]]
    config = json.loads(registry.blob(repository, manifest["config"]["digest"]) or b"")
    assert metadata["flakeship.diff-ids"] == {"linux/amd64": config["rootfs"]["diff_ids"]}
    times = metadata["flakeship.times"]
    assert [stage["name"] for stage in times["stages"]] == ["check", "build", "publish"]
    moments = [
        times["started"],
        *(stage[key] for stage in times["stages"] for key in ("started", "finished")),
    ]
    assert moments == sorted(moments)
    assert moments[-1] <= times["finished"]
    assert not (folder / "result").is_symlink()
    assert "hunter2" not in ended.stdout + ended.stderr


def test_the_same_input_gives_the_same_digest_in_another_folder(
    publish: Publish, make_flake: Callable[..., Path]
) -> None:
    folders = [make_flake("one"), make_flake("two")]
    for folder in folders:
        assert publish("--flake", ".#layered", "--to", "oci:image", cwd=folder).code == 0
    one, two = ((folder / "image/index.json").read_text() for folder in folders)
    assert one == two


def test_several_registries_get_the_same_image_from_one_packing(
    publish: Publish, archive: Path, registry: Registry, basic_registry: Registry
) -> None:
    repository = registry.new_repository()
    ended = publish(
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
    publish: Publish, archive: Path, token_registry: Registry
) -> None:
    repository = token_registry.new_repository()
    ended = publish(
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
    publish: Publish, make_flake: Callable[..., Path], basic_registry: Registry
) -> None:
    folder = make_flake()
    ended = publish(
        *("--flake", ".#fails", "--tags", f"{basic_registry.host}/a/b:1", "--username", USERNAME),
        cwd=folder,
        FLAKESHIP_PASSWORD="wrong-canary",
    )
    assert ended.code == 5
    assert "building" not in ended.stderr
    assert "wrong-canary" not in ended.stderr
    assert "credentials of `--username` and FLAKESHIP_PASSWORD" in ended.stderr


def test_without_credentials_nothing_is_built_and_the_hint_says_how_to_go_on(
    publish: Publish, make_flake: Callable[..., Path], basic_registry: Registry
) -> None:
    repository = basic_registry.new_repository()
    folder, flags = make_flake(), ("--flake", ".#fails", "--tags", f"{basic_registry.host}/{repository}:1")
    ended = publish(*flags, cwd=folder)
    assert ended.code == 5, ended.stderr
    assert "asks for credentials, and none were found" in ended.stderr
    assert "set `--push false` to build and check it only" in ended.stderr
    assert "building" not in ended.stderr
    assert not basic_registry.tags(repository)
    elsewhere = publish(
        *flags, "--username=me", "--registry=typo.example", cwd=folder, FLAKESHIP_PASSWORD="canary"
    )
    assert "`--username` and FLAKESHIP_PASSWORD are for typo.example" in elsewhere.stderr
    assert "has no password" not in elsewhere.stderr


@pytest.mark.parametrize("container", ["docker", ""])
def test_a_container_is_told_what_its_localhost_is(publish: Publish, archive: Path, container: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        image = f"127.0.0.1:{taken.getsockname()[1]}/app:1"
        ended = publish("--source", str(archive), "--tags", image, container=container)
    assert ended.code == 6, ended.stderr
    assert ("`--network host`" in ended.stderr) is bool(container)
    assert "check that the registry is running" in ended.stderr


def test_nothing_is_pushed_for_a_fork(
    publish: Publish, archive: Path, registry: Registry, tmp_path: Path
) -> None:
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
    flags = ("--source", str(archive), "--tags", f"{registry.host}/{repository}:1")
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request_target",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "me/app",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_OUTPUT": str(outputs),
    }
    ended = publish(*flags, **github)
    assert ended.code == 0, ended.stderr
    assert "::notice title=flakeship::NOT PUSHED: pull_request_target runs with" in ended.stderr
    assert not registry.tags(repository)
    assert "\nfalse\n" in outputs.read_text()
    ended = publish(*flags, "--push", "true", **github)
    assert ended.code == 5
    assert "the image may not be pushed" in ended.stderr
    assert "`--allow-untrusted`" in ended.stderr
    assert not registry.tags(repository)
    assert publish(*flags, "--allow-untrusted", **github).code == 0
    assert registry.tags(repository) == ["1"]


def test_push_false_and_dry_run_send_nothing(
    publish: Publish, archive: Path, registry: Registry, tmp_path: Path
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
        ended = publish(*flags, *way)
        assert ended.code == 0, ended.stderr
        assert not registry.tags(repository)
        destination = json.loads((tmp_path / "m.json").read_text())["flakeship.destinations"][0]
        assert not destination["sent"]
        assert {blob["state"] for blob in destination["blobs"]} == {"withheld"}
    assert not [access for access in registry.accesses(repository) if access.method not in {"GET", "HEAD"}]


def test_the_environment_of_nix_holds_no_secret(
    publish: Publish, make_flake: Callable[..., Path], registry: Registry, git: Callable[..., str]
) -> None:
    folder = make_flake()
    flake = (folder / "flake.nix").read_text()
    leak = '"leak-${builtins.getEnv "FLAKESHIP_PASSWORD"}${builtins.getEnv "GITHUB_TOKEN"}"'
    (folder / "flake.nix").write_text(flake.replace('"impure-${builtins.getEnv "FLAVOUR"}"', leak))
    git(folder, "commit", "-qam", "leak")
    ended = publish(
        *("--flake", ".#impure", "--impure", "--tags", f"{registry.host}/a/b:1", "--username", "me"),
        cwd=folder,
        FLAKESHIP_PASSWORD="canary-1",
        GITHUB_TOKEN="canary-2",
    )
    assert ended.code == 4, ended.stderr
    assert "-leak-" in ended.stderr
    assert "canary" not in ended.stderr
