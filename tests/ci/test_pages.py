"""The pages that a summary links to: known from the event alone, or not linked to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flakeship.ci import forgejo, github, gitlab, local
from flakeship.metadata.context import Context, Repository

SHA = "3e7be6a5201e85a0065ca27c92c90e9c2ee51dd8"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HUB = "https://github.com/Octo/harbour"
LAB = "https://gitlab.example/group/sub/app"


def event(url: str, *, sha: str = SHA, image: str = "") -> Context:
    return Context(NOW, NOW, sha=sha, repository=Repository(url=url), image=image)


def test_a_commit_has_a_page() -> None:
    assert github.commit_page(event(HUB)) == f"{HUB}/commit/{SHA}"
    assert forgejo.commit_page(event("https://code.example/o/r/")) == f"https://code.example/o/r/commit/{SHA}"
    assert gitlab.commit_page(event(LAB)) == f"{LAB}/-/commit/{SHA}"


@pytest.mark.parametrize("sha", ["", "main", "../../x", SHA[:-1], SHA.upper(), f"{SHA}\n"])
def test_what_is_no_commit_has_none(sha: str) -> None:
    for platform in (github, forgejo, gitlab):
        assert platform.commit_page(event(HUB, sha=sha)) == ""
        assert platform.commit_page(event("")) == ""
    assert local.commit_page(event(HUB)) == local.package_page("ghcr.io/octo/x", event(HUB), source=HUB) == ""


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("ghcr.io/octo/harbour", f"{HUB}/pkgs/container/harbour"),
        ("ghcr.io/octo/harbour/web", f"{HUB}/pkgs/container/harbour%2Fweb"),
        ("ghcr.io/other/harbour", ""),
        ("ghcr.io/octo", ""),
        ("docker.io/octo/harbour", ""),
        ("ghcr.io.example/octo/harbour", ""),
    ],
)
def test_the_page_of_a_package_on_github(name: str, page: str) -> None:
    assert github.package_page(name, event(HUB), source=HUB) == page


def test_what_nothing_connects_with_the_repository_has_no_page_beside_it() -> None:
    for source in ("", "https://github.com/octo/other", f"{HUB}.git"):
        assert github.package_page("ghcr.io/octo/harbour", event(HUB), source=source) == ""
    elsewhere = "https://github.example/octo/harbour"
    assert github.package_page("ghcr.io/octo/harbour", event(elsewhere), source=elsewhere) == ""


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("registry.example/group/sub/app", True),
        ("registry.example/group/sub/app/web", True),
        ("registry.example/group/sub/application", False),
        ("ghcr.io/group/sub/app", False),
    ],
)
def test_the_page_of_a_registry_on_gitlab(name: str, inside: bool) -> None:
    found = gitlab.package_page(name, event(LAB, image="registry.example/group/sub/app"), source="")
    assert found == (f"{LAB}/container_registry" if inside else "")
    assert gitlab.package_page(name, event(LAB), source=LAB) == ""
    assert gitlab.package_page(name, event("", image=name), source=LAB) == ""
