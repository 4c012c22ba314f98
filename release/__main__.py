"""`./dev release STEP`: the steps of a release, in the order in which the workflow runs them."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from flakeship.errors import Error
from release import IMAGE, PROJECT, ROOT, distribution, names, tree
from release import git as repository
from release.github import GitHub
from release.image import ActionImage
from release.layouts import joined
from release.version import Version

TESTED_BY: Final = ("test.yml", "self-test.yml")
"""Workflows that a commit must have passed on main."""
BUNDLE: Final = "release.bundle"
NOTES: Final = "notes.md"
Given: TypeAlias = argparse.Namespace
Outputs: TypeAlias = Mapping[str, str]


def prepare(given: Given) -> Outputs:
    """Write version, changelog and rendered files, to be committed to main."""
    tree.prepare(given.root, given.version, datetime.now(UTC).date())
    _say(
        f"version, changelog and rendered files are those of {given.version}: bring them to main by a pull request"
    )
    return {}


def check(given: Given) -> Outputs:
    """Say what is missing before a release: in the files; with --tested at GitHub and in the registry too."""
    tree.check(given.root, given.version)
    if not given.tested:
        _say(
            f"the files are ready for {given.version}; whether main's tests are green is asked with --tested"
        )
        return {}
    commit = repository.check_on_main(given.root, given.github)
    repository.check_tag(given.root, given.github, commit, given.version)
    _api(given).check_tested(commit, TESTED_BY)
    return {"commit": commit, "digest": _image(given).published(given.version, commit)}


def image(given: Given) -> Outputs:
    """Join the layouts of one image for each platform, and push them under the version's tag."""
    commit = repository.check_on_main(given.root, given.github)
    layout = joined(given.layout, given.folder / "joined")
    created = repository.time_of(given.root, commit)
    return {"digest": _image(given).publish(layout, given.version, commit, created=created)}


def assemble(given: Given) -> Outputs:
    """Make the commit, a bundle with it, wheel, source distribution, checksums and notes: all in one folder."""
    parent = repository.check_on_main(given.root, given.github)
    commit = repository.release_commit(given.root, parent, given.version, f"{IMAGE}@{given.digest}")
    shutil.rmtree(given.folder / "dist", ignore_errors=True)
    distribution.build(given.root, commit, given.folder / "dist")
    (given.folder / NOTES).write_text(tree.notes(given.root, given.version) + "\n")
    repository.bundle(given.root, commit, given.folder / BUNDLE)
    return {"commit": commit}


def publish(given: Given) -> Outputs:
    """Push the version's tag to GitHub, and make the release there."""
    commit = repository.unbundle(given.root, given.folder / BUNDLE)
    repository.push_tag(given.root, given.github, given.version.tag, commit)
    files = sorted((given.folder / "dist").iterdir())
    notes = (given.folder / NOTES).read_text()
    return {"address": _api(given).publish(given.version, notes, files)}


def component(given: Given) -> Outputs:
    """Push main and the version's tag to GitLab, whose pipeline releases the component."""
    commit = repository.unbundle(given.root, given.folder / BUNDLE)
    parent = repository.git(given.root, "rev-parse", f"{commit}^")
    new = repository.push_component(
        given.root, given.gitlab, parent=parent, commit=commit, version=given.version
    )
    return {"new": str(new).lower()}


def major(given: Given) -> Outputs:
    """Let `:1` and `v1` name this version, unless a later one of the same major number is out."""
    commit = repository.unbundle(given.root, given.folder / BUNDLE)
    if not repository.is_newest_of_major(given.root, given.github, given.version):
        _say(
            f"{given.version.major_tag} and :{given.version.major} stay where they are: a later version is out"
        )
        return {"moved": "false"}
    _image(given).move_major_tag(given.version, given.digest)
    repository.move_major_tag(given.root, given.github, given.version, commit)
    return {"moved": "true"}


def resolve(given: Given) -> Outputs:
    """Look up every name that README and docs tell people to use."""
    public = ActionImage(given.image)  # as everybody sees it
    places = names.Places(given.github, given.gitlab, public, given.folder / "dist")
    wanted = names.documented(names.pages(given.root))
    names.check(given.root, wanted, places)
    return {"names": str(len(wanted))}


STEPS: Final = (prepare, check, image, assemble, publish, component, major, resolve)


def main(argv: Sequence[str]) -> int:
    given = _parser().parse_args(argv)
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        given.version = Version.parse(given.version)
        outputs = given.step(given)
    except Error as error:
        hint = f"\n  -> {error.hint}" if error.hint else ""
        detail = f"\n{error.detail}" if error.detail else ""
        _say(f"{error.message}{hint}{detail}")
        return 1
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    sys.stdout.write(lines)
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a") as file:
            file.write(lines)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev release", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for step in STEPS:
        one = steps.add_parser(step.__name__, help=step.__doc__, description=step.__doc__)
        one.set_defaults(step=step)
        one.add_argument("version", help="1.2.3")
        one.add_argument("--root", type=Path, default=ROOT, help="the clone of the project")
        one.add_argument("--folder", type=Path, default=Path(".dev/release"), help="what the steps hand over")
        one.add_argument(
            "--github", default=f"https://github.com/{PROJECT}", help="Git remote (default: %(default)s)"
        )
        one.add_argument(
            "--gitlab", default=f"https://gitlab.com/{PROJECT}", help="Git remote (default: %(default)s)"
        )
        one.add_argument("--image", default=IMAGE, help="image without a tag (default: %(default)s)")
    steps.choices["check"].add_argument("--tested", action="store_true", help="as the workflow does")
    steps.choices["image"].add_argument(
        "--layout",
        action="append",
        required=True,
        type=Path,
        help="OCI layout with one image; once a platform",
    )
    for name in ("assemble", "major"):
        steps.choices[name].add_argument("--digest", required=True, help="of the image, as `image` gives it")
    return parser


def _say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr)


def _image(given: Given) -> ActionImage:
    token = os.environ.get("GH_TOKEN", "")
    return ActionImage(given.image, os.environ.get("GITHUB_ACTOR", "") if token else "", token)


def _api(given: Given) -> GitHub:
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    return GitHub(api, os.environ.get("GITHUB_REPOSITORY", PROJECT), os.environ.get("GH_TOKEN", ""))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
