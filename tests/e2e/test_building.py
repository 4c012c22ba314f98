"""`flakeship publish --flake`, as a user meets Nix through it: inputs that reach it, caches, and what its errors become."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.caches.conftest import serving
from tests.testbed.command import Publish
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("flags", "words", "hint"),
    [
        (
            ("--flake", ".#streem"),
            "the flake . has no package 'streem'",
            "write `.#stream` if you meant that; the flake has the images image, ",
        ),
        (("--flake", "./none"), "there is no folder", "working folder"),
        (("--flake", ".#unfree"), "unfree-1.0, whose licence is unfree", "`--allow-unfree`"),
        (("--flake", ".#throws"), "this attribute is broken on purpose", ""),
        (("--flake", ".#hello", "--nix-config", "sandbox = perhaps"), "perhaps", ""),
        (("--flake", ".#unfetched", "--nix-config", "download-attempts = 1"), "can't be downloaded", ""),
    ],
)
def test_what_nix_says_becomes_one_error(
    publish: Publish, make_flake: MakeFlake, flags: tuple[str, ...], words: str, hint: str
) -> None:
    ended = publish(*flags, "--to", "oci:x", cwd=make_flake())
    assert ended.code in {2, 3, 4, 6}
    assert words in ended.stderr
    assert hint in ended.stderr
    assert not ended.stdout


def test_a_file_that_git_does_not_track(publish: Publish, tmp_path: Path, git: Callable[..., str]) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "flake.nix").write_text("{ outputs = _: { packages.x86_64-linux.x = import ./a.nix; }; }")
    git(tmp_path, "add", "flake.nix")
    (tmp_path / "a.nix").write_text("null")
    ended = publish("--flake", ".#x")
    assert ended.code == 3
    assert "reads a.nix, which is not in the flake's source" in ended.stderr
    assert "  -> " in ended.stderr
    assert "git add --intent-to-add -- a.nix" in ended.stderr


def test_inputs_that_reach_nix(publish: Publish, make_flake: MakeFlake, tmp_path: Path) -> None:
    """Seen from outside: a licence allowed, a variable read, a line of nix.conf obeyed; no link is left behind."""
    folder = make_flake(fresh=True)
    flake = (folder / "flake.nix").read_text()
    (folder / "flake.nix").write_text(flake.replace('"FLAVOUR"', '"NIXPKGS_ALLOW_UNFREE"'))
    allowed = publish("--flake", "path:.#impure", "--allow-unfree", "--base", "none", cwd=folder)
    assert "-impure-1" in allowed.stderr
    refused = publish("--flake", ".#layered", "--nix-config", "max-jobs = 0\nbuilders =", cwd=folder)
    assert refused.code == 2, refused.stderr
    assert publish("--flake", ".#layered", "--to", "oci:x", cwd=folder).code == 0
    assert not [path for path in folder.iterdir() if path.is_symlink()]


@pytest.mark.parametrize(
    "form", ["git+file://{folder}#stream", "git+file://{folder}?ref=main#stream", "path:{folder}#stream"]
)
def test_a_flake_from_elsewhere(publish: Publish, make_flake: MakeFlake, tmp_path: Path, form: str) -> None:
    folder, elsewhere = make_flake(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    ended = publish("--flake", form.format(folder=folder), "--to", "oci:x", cwd=elsewhere)
    assert ended.code == 0, ended.stderr
    assert ended.stdout == f"oci:{elsewhere}/x:1.0\n"


def test_created_by_commit_is_refused_before_the_build(
    publish: Publish, make_flake: MakeFlake, tmp_path: Path
) -> None:
    folder, elsewhere = make_flake(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused = publish("--flake", f"path:{folder}#fails", "--created", "commit", cwd=elsewhere)
    assert refused.code == 2
    assert "there is no git repository" in refused.stderr
    assert "building" not in refused.stderr
    known = publish(
        "--flake", f"git+file://{folder}#stream", "--created", "commit", "--to", "oci:x", cwd=elsewhere
    )
    assert known.code == 0, known.stderr
    assert "org.opencontainers.image.created=2026-01-02T03:04:05Z" in known.stderr


def test_an_image_is_pulled_from_a_signed_cache(
    publish: Publish, make_flake: MakeFlake, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Built once, copied to a cache, deleted: the next run has it from there, past a cache that is down and silent."""
    folder, cache = make_flake(fresh=True), tmp_path / "cache"
    secret, public = tmp_path / "secret", tmp_path / "public"

    def nix(*argv: str) -> str:
        return subprocess.run(
            argv, env=nix_environ, cwd=folder, check=True, capture_output=True, text=True
        ).stdout

    built = json.loads(nix("nix", "build", "--no-link", "--json", ".#layered"))[0]["outputs"]["out"]
    nix("nix-store", "--generate-binary-cache-key", "cache.test-1", str(secret), str(public))
    nix("nix", "copy", "--to", f"file://{cache}?secret-key={secret}", built)
    nix("nix-store", "--delete", built)
    with serving(functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(cache))) as url:
        ended = publish(
            *("--flake", ".#layered", "--to", "oci:x"),
            *(
                "--substituters",
                f"{url},http://127.0.0.1:9",
                "--trusted-public-keys",
                public.read_text().strip(),
            ),
            cwd=folder,
        )
    assert ended.code == 0, ended.stderr
    assert f"Nix: 1 path from {url}\n" in ended.stderr
    assert "building '" not in ended.stderr
    assert "warning: the cache http://127.0.0.1:9 is left out" in ended.stderr


def test_what_was_published_before_an_attribute_failed_is_told(
    publish: Publish, make_flake: MakeFlake, registry: Registry
) -> None:
    there = f"{registry.host}/{registry.new_repository()}:1"
    flags = ("--flake", "a=.#hello\nb=.#fails", "--tags", f"a={there}", "--to", "b=oci:b")
    ended = publish(*flags, cwd=make_flake())
    assert (ended.code, ended.stdout) == (3, "")
    assert f"these images were published before the error: {there[:-2]}@sha256:" in ended.stderr


def test_a_shell_that_does_not_build_ends_the_run_before_the_image_is_sent(
    publish: Publish, make_flake: MakeFlake, registry: Registry
) -> None:
    repository = registry.new_repository()
    given = ("--tags", f"{registry.host}/{repository}:1", "--debug", "--debug-shell", ".#fails")
    ended = publish("--flake", ".#hello", *given, cwd=make_flake())
    assert (ended.code, ended.stdout) == (3, "")
    assert "building fails-1.0 failed" in ended.stderr
    assert "published before" not in ended.stderr
    assert registry.tags(repository) == []


def test_the_destination_of_every_attribute_is_asked_before_anything_is_sent(
    publish: Publish, make_flake: MakeFlake, registry: Registry, tmp_path: Path
) -> None:
    repository, folder = registry.new_repository(), make_flake()
    (tmp_path / "file").write_text("no folder")
    tags = f"a={registry.host}/{repository}:1"
    for refused in (f"b=oci:{tmp_path}/file", f"b=docker-archive:{tmp_path}/file/x.tar"):
        ended = publish("--flake", "a=.#hello\nb=.#hello", "--tags", tags, "--to", refused, cwd=folder)
        assert (ended.code, ended.stdout) == (8, ""), ended.stderr
        assert "building" not in ended.stderr
    assert registry.tags(repository) == []


def test_secrets_that_nix_gets_on_purpose_are_hidden(publish: Publish, tmp_path: Path) -> None:
    """The values of `pass-env`, and access tokens from the input and from NIX_CONFIG, also without their kind in front."""
    tokens = ("CaNaRyPassed9", "CaNaRyAccess9", "CaNaRyOwn9")
    (tmp_path / "flake").mkdir()
    (tmp_path / "flake/flake.nix").write_text(
        '{ outputs = _: { packages.x86_64-linux.x = builtins.trace "${builtins.getEnv "MY_TOKEN"} TOKENS" (throw "TOKENS"); }; }'.replace(
            "TOKENS", " ".join(tokens)
        )
    )
    flags = ("--flake", "path:flake#x", "--to", "oci:x", "--impure", "--pass-env", "MY_TOKEN")
    config = ("--nix-config", "access-tokens = gitlab.example=PAT:CaNaRyAccess9 github.com=CaNaRyOwn9")
    ended = publish(*flags, *config, MY_TOKEN=tokens[0])
    assert ended.code == 3
    assert "***" in ended.stderr
    assert "CaNaRy" not in ended.stderr
