"""Names that pages promise are found in any page, and each is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.errors import Error
from release import git as repository
from release.image import ActionImage
from release.names import Name, Places, check, documented
from release.version import Version
from tests.release.conftest import commit

Git = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- uses: flakeship/flakeship@v1", Name("action", "", "v1")),
        ("`flakeship/flakeship/native@v1.2.3`", Name("action", "native", "v1.2.3")),
        ("uses: flakeship/flakeship/metadata@v2 # …", Name("action", "metadata", "v2")),
        ("component: $CI_SERVER_FQDN/flakeship/flakeship/flakeship@1\n", Name("component", "flakeship", "1")),
        ("gitlab.com/flakeship/flakeship/flakeship@~latest", Name("component", "flakeship", "~latest")),
        ("image: ghcr.io/flakeship/flakeship:1.", Name("image", "", "1")),
        ("docker run ghcr.io/flakeship/flakeship:1.2.3 publish", Name("image", "", "1.2.3")),
        ("nix run github:flakeship/flakeship -- publish", Name("flake", "", "")),
        ('url = "github:flakeship/flakeship/v1";', Name("flake", "", "v1")),
        ("`pipx install flakeship`", Name("package", "flakeship", "")),
        ("uvx flakeship publish", Name("package", "flakeship", "")),
    ],
)
def test_a_name_is_found_in_its_sentence(tmp_path: Path, text: str, found: Name) -> None:
    (tmp_path / "page.md").write_text(f"Before {text} after")
    assert documented([tmp_path / "page.md"]) == {found}


@pytest.mark.parametrize(
    "text",
    [
        "uses: flakeship/flakeship@<sha> # v1.2.3",
        "ghcr.io/flakeship/flakeship holds it",
        "https://github.com/flakeship/flakeship",
        "uvx flakeshipment",
        "ghcr.io/flakeship/flakeship@sha256:0",
    ],
)
def test_what_names_no_release_is_not_looked_up(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.md").write_text(text)
    assert documented([tmp_path / "page.md"]) == frozenset()


def test_what_is_not_there_is_named_in_one_list(
    small: tuple[Path, Path], bare: Callable[[str], Path], tmp_path: Path
) -> None:
    clone, github = small
    gitlab = bare("gitlab")
    places = Places(str(github), str(gitlab), ActionImage("127.0.0.1:9/none"), tmp_path / "dist")
    wanted = [
        Name("action", "native", "v1"),
        Name("component", "flakeship", "1"),
        Name("flake", "", ""),
        Name("package", "flakeship", ""),
    ]
    with pytest.raises(Error) as raised:
        check(clone, wanted, places)
    assert raised.value.message.splitlines() == [
        "the pages name what can't be found:",
        f"- {github} has no refs/tags/v1",
        f"- {gitlab} has no refs/tags/1",
        f"- {github} has no flake.nix at refs/heads/main",
        f"- {tmp_path}/dist has no flakeship",
    ]


@pytest.mark.slow
def test_a_part_of_a_version_is_the_newest_that_fits(
    small: tuple[Path, Path], git: Git, bare: Callable[[str], Path], tmp_path: Path
) -> None:
    """As in GitLab's catalog. Only 1.9.0 lacks the file, so it is seen which one was looked at."""
    clone, github = small
    gitlab = str(bare("gitlab"))
    without = repository.git(clone, "rev-parse", "HEAD")
    (clone / "templates").mkdir()
    (clone / "templates/flakeship.yml").write_text("spec: {}\n")
    with_it = commit(git, clone, "template")
    for version, named in (("1.9.0", without), ("1.10.0", with_it), ("2.0.0", with_it)):
        repository.push_tag(clone, gitlab, str(Version.parse(version)), named)
    places = Places(str(github), gitlab, ActionImage("127.0.0.1:9/none"), tmp_path)
    for wanted in ("1", "1.10", "2", "~latest"):
        check(clone, [Name("component", "flakeship", wanted)], places)
    with pytest.raises(Error, match=r"has no templates/flakeship\.yml at refs/tags/1\.9\.0"):
        check(clone, [Name("component", "flakeship", "1.9")], places)
