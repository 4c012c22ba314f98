"""The inputs `nix-cache` and `nix-cache-key`, with what the event says: who reads, who writes, and under which name."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.building.kept_results import flakes_of, kept_results
from flakeship.errors import UsageError
from flakeship.metadata.context import Context, Repository
from flakeship.settings.declaration import Settings
from tests.metadata.computing import placed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAIN = Context(
    NOW, NOW, ref="refs/heads/main", repository=Repository(default_branch="main", url="https://h/me/app")
)
FORK = dataclasses.replace(
    MAIN, ref="refs/pull/7/merge", base_ref="dev", trusted=False, untrusted_because="of them"
)
BOT = dataclasses.replace(MAIN, by_bot=True, secrets_kept_because="GitHub keeps them")
CACHE = Settings(nix_cache="registry", images=placed("r.example/me/app"), flake=(".#image",))


@pytest.fixture(autouse=True)
def flake(tmp_path: Path) -> None:
    (tmp_path / "flake.nix").touch()


def changed(**values: Any) -> Settings:
    return dataclasses.replace(CACHE, **values)


@pytest.mark.parametrize(
    ("settings", "context", "why"),
    [
        (CACHE, MAIN, ""),
        (changed(push="false"), MAIN, "`push` is false"),
        (changed(dry_run=True), MAIN, "`dry-run` sends nothing"),
        (CACHE, FORK, "of them"),
        (changed(allow_untrusted=True), FORK, ""),
        (CACHE, BOT, "GitHub keeps them"),
    ],
)
def test_who_may_write(tmp_path: Path, settings: Settings, context: Context, why: str) -> None:
    assert kept_results(settings, context, tmp_path).read_only == why


def test_a_pull_request_reads_what_it_goes_to(tmp_path: Path) -> None:
    kept = kept_results(CACHE, FORK, tmp_path)
    assert (kept.ref, kept.other_refs) == ("pull/7/merge", ("dev", "main"))
    assert (kept.image, kept.source) == ("r.example/me/app", "https://h/me/app")
    assert flakes_of(CACHE, str(tmp_path)) == (".",)


@pytest.mark.parametrize(
    ("settings", "image"),
    [
        (changed(images=(), tags=placed("r.example/a/b:1,r.example/c:2")), "r.example/a/b:1"),
        (changed(images=placed("r.example/Me/App")), "r.example/me/app"),
        (changed(images=(), tags=placed("r.example/Me/App:1")), "r.example/me/app:1"),
        (changed(to=("docker://r.example/Me/Other:1",)), "r.example/me/app"),
        (
            changed(nix_cache="docker://r.example/Me/c", to=("docker://r.example/Me/App:1",)),
            "r.example/me/app",
        ),
        (changed(images=placed("a=r.example/a", "b=r.example/b"), flake=("a=.#a", "b=.#b")), "r.example/a"),
    ],
)
def test_the_cache_is_beside_the_first_image_also_where_its_name_is_written_in_capitals(
    tmp_path: Path, settings: Settings, image: str
) -> None:
    assert kept_results(settings, MAIN, tmp_path).image == image


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (changed(images=()), "no image is named"),
        (changed(images=placed("docker.io/me/app")), "Docker Hub has no repository"),
        (changed(store="ssh-ng://h"), "`store` lets another one build"),
        (changed(nix_cache_key="app-1:AAAA"), "the value is not a secret key"),
        (changed(nix_cache="registry?size=lots"), "lots"),
        (changed(nix_cache="ftp://x"), "is not a place for a cache"),
        (changed(nix_cache="docker://r.example/me/app"), "is the repository of the image"),
        (
            changed(nix_cache="docker://r.example/b", tags=placed("r.example/b:1")),
            "is the repository of the image",
        ),
        (
            changed(nix_cache="docker://r.example/b", to=("docker://r.example/b:1",)),
            "is the repository of the image",
        ),
        (changed(nix_cache="docker://r.example/Me/App"), "is the repository of the image"),
        (
            changed(nix_cache="docker://r.example/me/c", to=("docker://r.example/Me/C:1",)),
            "is the repository of the image",
        ),
        (changed(nix_cache="oci:./x", to=("oci:x:tag",)), "is the folder that the image is written to"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_built(
    tmp_path: Path, settings: Settings, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        kept_results(settings, MAIN, tmp_path)
