"""The commit of a release and its names, with real repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flakeship.errors import Error
from release import git as repository
from release.version import Version
from tests.release.conftest import commit

pytestmark = pytest.mark.slow

IMAGE = f"ghcr.io/flakeship/flakeship@sha256:{'0' * 64}"
ONE = Version(1, 0, 0)

Small = tuple[Path, Path]
Git = Callable[..., str]


def released(small: Small, version: Version = ONE) -> str:
    clone, _ = small
    parent = repository.git(clone, "rev-parse", "HEAD")
    return repository.release_commit(clone, parent, version, IMAGE)


def test_the_same_commit_is_made_again_anywhere(small: Small, git: Git, tmp_path: Path) -> None:
    clone, remote = small
    made = released(small)
    git(tmp_path, "clone", "-q", str(remote), "other")
    assert released((tmp_path / "other", remote)) == made
    assert released(small, Version(1, 0, 1)) != made
    assert git(clone, "status", "--porcelain") == "", "it is made beside what is checked out"
    assert git(clone, "log", "-1", "--format=%P %s", made).split(" ", 1) == [
        git(clone, "rev-parse", "HEAD").strip(),
        "Release 1.0.0\n",
    ]


def test_the_commit_names_the_image_and_links_to_its_own_tag(small: Small, git: Git) -> None:
    clone, _ = small
    made = released(small)
    for name in ("action.yml", "metadata/action.yml", "merge/action.yml"):
        action = yaml.safe_load(git(clone, "show", f"{made}:{name}"))
        assert action["runs"]["image"] == f"docker://{IMAGE}"
    header = next(yaml.safe_load_all(git(clone, "show", f"{made}:templates/flakeship.yml")))
    assert header["spec"]["inputs"]["job-image"]["default"] == IMAGE
    readme = git(clone, "show", f"{made}:README.md")
    assert readme == "[how](https://github.com/flakeship/flakeship/blob/v1.0.0/docs/how.md)\n"


def test_only_what_is_on_main_and_unchanged_is_released(small: Small, git: Git) -> None:
    clone, remote = small
    first = git(clone, "rev-parse", "HEAD").strip()
    commit(git, clone, "two")
    git(clone, "checkout", "-q", "--detach", first)
    assert repository.check_on_main(clone, str(remote)) == first, "main may have moved on"
    (clone / "README.md").write_text("other\n")
    with pytest.raises(Error, match="files differ from the commit"):
        repository.check_on_main(clone, str(remote))
    git(clone, "commit", "-qam", "three")
    with pytest.raises(Error, match="is not on main"):
        repository.check_on_main(clone, str(remote))


def test_a_version_is_given_to_one_commit_for_ever(small: Small, git: Git) -> None:
    clone, remote = small
    made, parent = released(small), git(clone, "rev-parse", "HEAD").strip()
    repository.check_tag(clone, str(remote), parent, ONE)
    assert repository.push_tag(clone, str(remote), ONE.tag, made)
    assert not repository.push_tag(clone, str(remote), ONE.tag, made)
    repository.check_tag(clone, str(remote), parent, ONE)
    later = commit(git, clone, "two")
    with pytest.raises(Error, match=r"v1\.0\.0 of .* is on another commit"):
        repository.check_tag(clone, str(remote), later, ONE)
    with pytest.raises(Error, match=r"v1\.0\.0 of .* is on another commit"):
        repository.push_tag(clone, str(remote), ONE.tag, released(small))
    assert repository.refs(clone, str(remote))["refs/tags/v1.0.0"] == made


def test_a_tag_of_somebody_elses_is_not_taken_for_the_release(small: Small, git: Git) -> None:
    """Pushed by hand, also one with a message."""
    clone, remote = small
    parent = git(clone, "rev-parse", "HEAD").strip()
    for flags in ((), ("-a", "-m", "mine")):
        git(clone, "tag", "-f", *flags, "v1.0.0")
        git(clone, "push", "-qf", "origin", "v1.0.0")
        with pytest.raises(Error):
            repository.check_tag(clone, str(remote), parent, ONE)


def test_the_major_tag_moves_and_is_not_moved_back(small: Small, git: Git) -> None:
    clone, remote = small
    places: dict[Version, str] = {}
    for version in (ONE, Version(1, 1, 0), Version(1, 0, 1)):
        commit(git, clone, f"for {version}")
        places[version] = released(small, version)
        repository.push_tag(clone, str(remote), version.tag, places[version])
        if repository.is_newest_of_major(clone, str(remote), version):
            repository.move_major_tag(clone, str(remote), version, places[version])
            repository.move_major_tag(clone, str(remote), version, places[version])
    refs = repository.refs(clone, str(remote))
    assert refs["refs/tags/v1"] == places[Version(1, 1, 0)]


def test_gitlab_gets_main_and_the_version_without_its_letter(
    small: Small, git: Git, bare: Callable[[str], Path]
) -> None:
    clone, _ = small
    gitlab = bare("gitlab")
    parents = []
    for version in (ONE, Version(1, 1, 0)):
        parents.append(commit(git, clone, f"for {version}"))
        given = {"parent": parents[-1], "commit": released(small, version), "version": version}
        assert repository.push_component(clone, str(gitlab), **given)  # type: ignore[arg-type]
        assert not repository.push_component(clone, str(gitlab), **given)  # type: ignore[arg-type]
    old = {"parent": parents[0], "commit": released(small, Version(1, 0, 1)), "version": Version(1, 0, 1)}
    assert repository.push_component(clone, str(gitlab), **old)  # type: ignore[arg-type]
    refs = repository.refs(clone, str(gitlab))
    assert {name for name in refs if "tags" in name} == {
        f"refs/tags/1.{rest}" for rest in ("0.0", "1.0", "0.1")
    }
    assert refs["refs/heads/main"] == parents[-1], "an older version leaves main where it is"


def test_a_push_to_gitlab_that_broke_off_between_main_and_the_tag_is_finished(
    small: Small, git: Git, bare: Callable[[str], Path]
) -> None:
    clone, _ = small
    gitlab, parent = bare("gitlab"), repository.git(clone, "rev-parse", "HEAD")
    git(clone, "push", "-q", str(gitlab), f"{parent}:refs/heads/main")
    made = released(small)
    assert repository.push_component(clone, str(gitlab), parent=parent, commit=made, version=ONE)
    refs = repository.refs(clone, str(gitlab))
    assert (refs["refs/heads/main"], refs["refs/tags/1.0.0"]) == (parent, made)


def test_a_main_of_gitlab_that_somebody_changed_is_not_overwritten(
    small: Small, git: Git, bare: Callable[[str], Path]
) -> None:
    clone, _ = small
    gitlab, parent = bare("gitlab"), repository.git(clone, "rev-parse", "HEAD")
    theirs = git(clone, "commit-tree", "HEAD^{tree}", "-m", "theirs").strip()
    git(clone, "push", "-q", str(gitlab), f"{theirs}:refs/heads/main")
    with pytest.raises(Error, match=r"git push .* failed"):
        repository.push_component(clone, str(gitlab), parent=parent, commit=released(small), version=ONE)
    assert repository.refs(clone, str(gitlab)) == {"HEAD": theirs, "refs/heads/main": theirs}


def test_a_bundle_brings_the_commit_to_another_clone(small: Small, git: Git, tmp_path: Path) -> None:
    clone, remote = small
    made = released(small)
    repository.bundle(clone, made, tmp_path / "bundle")
    assert git(clone, "for-each-ref", "refs/release") == ""
    git(tmp_path, "clone", "-q", str(remote), "other")
    assert repository.unbundle(tmp_path / "other", tmp_path / "bundle") == made
    assert git(tmp_path / "other", "cat-file", "-t", made) == "commit\n"


def test_what_git_could_not_do_is_said_in_its_words(small: Small, tmp_path: Path) -> None:
    with pytest.raises(
        Error, match=r"failed with exit code 128: .*does not appear to be a git repository"
    ) as raised:
        repository.push_tag(small[0], str(tmp_path / "nowhere"), "v1.0.0", "HEAD")
    assert "run the release again" in raised.value.hint
