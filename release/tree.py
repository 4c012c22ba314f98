"""What the files of the project say of a version: whether they are ready for it, its notes, and how they are made ready."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from flakeship.rendering.files import rendered
from release import NotReleasableError
from release.version import Version

_VERSION_FILE: Final = "src/flakeship/__init__.py"
_ASSIGNED: Final = re.compile(r'^__version__ = "(?P<version>[^"]*)"$', re.MULTILINE)
_UNRELEASED: Final = "## Unreleased"


def check(root: Path, version: Version) -> None:
    """NotReleasableError that lists everything which is missing in the files below `root`."""
    missing = list(_missing(root, version))
    if missing:
        raise NotReleasableError(
            "\n".join([f"the files are not ready to be released as {version}:", *missing]),
            hint=f"`./dev release prepare {version}` writes version, changelog and rendered files; commit them to main",
        )


def prepare(root: Path, version: Version, day: date) -> None:
    """Write the version, turn what is unreleased into its section of the changelog, and render anew."""
    path = root / _VERSION_FILE
    path.write_text(_ASSIGNED.sub(f'__version__ = "{version}"', path.read_text()))
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    if _section(text, version) is None:
        if not _body(text, _UNRELEASED):
            raise NotReleasableError(
                "CHANGELOG.md has nothing below `## Unreleased`, so there is nothing to release",
                hint="write there what changes for users",
            )
        changelog.write_text(text.replace(f"{_UNRELEASED}\n", f"## {version} - {day.isoformat()}\n", 1))
    # in a process of its own, which reads the version that was just written
    subprocess.run([sys.executable, "-m", "flakeship.rendering.files"], cwd=root, check=True)


def notes(root: Path, version: Version) -> str:
    """The section of the changelog for `version`, without its heading."""
    text = _section((root / "CHANGELOG.md").read_text(), version)
    if not text:
        raise NotReleasableError(f"CHANGELOG.md says nothing of {version}")
    return text


def _missing(root: Path, version: Version) -> Iterator[str]:
    found = _ASSIGNED.search((root / _VERSION_FILE).read_text())
    written = found["version"] if found else "no version"
    if written != str(version):
        yield f"- {_VERSION_FILE} has {written}"
    changelog = (root / "CHANGELOG.md").read_text()
    if not _section(changelog, version):
        yield f"- CHANGELOG.md has no `## {version} - YYYY-MM-DD` with something below it"
    if _body(changelog, _UNRELEASED):
        yield "- CHANGELOG.md has lines below `## Unreleased`, which this release would have without saying so"
    if written == str(version):  # else they are out of date for that reason
        stale = [name for name, text in rendered().items() if (root / name).read_text() != text]
        yield from (f"- {name} is not what `./dev render` writes" for name in stale)


def _section(changelog: str, version: Version) -> str | None:
    heading = re.search(rf"^## {re.escape(str(version))} - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE)
    return _body(changelog, heading[0]) if heading else None


def _body(changelog: str, heading: str) -> str:
    """What stands between a heading of the second level and the next."""
    _, found, rest = changelog.partition(f"\n{heading}\n")
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip() if found else ""
