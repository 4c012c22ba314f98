"""The table: event, rules and flavor on the left, the tags in their order on the right, for every platform that has the event.

The files in situations/ hold `EVENT :: RULES[ :: FLAVOR] => TAGS`; several rules are apart by `; `. The results are
those of metadata-action 6 for the same inputs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flakeship.ci.platforms import current_platform
from tests.metadata.computing import compute
from tests.metadata.events import NOW, forgejo, github, gitlab

Row = tuple[str, list[str], list[str], list[str]]


def _rows() -> Iterator[tuple[str, Row]]:
    for path in sorted((Path(__file__).parent / "situations").glob("*.txt")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line and not line.startswith("#"):
                left, _, tags = line.rpartition("=>")
                event, rules, flavor, *_ = [*left.strip().split(" :: "), "", ""]
                row = (event.removesuffix(" ::"), _parts(rules), _parts(flavor), tags.split())
                yield f"{path.stem}:{number}", row


def _parts(text: str) -> list[str]:
    return [part for part in text.split("; ") if part]


ROWS = dict(_rows())
GITLAB = {name: row for name, row in ROWS.items() if gitlab(row[0])}


def _check(environ: dict[str, str], row: Row, tmp_path: Path) -> None:
    _, rules, flavor, tags = row
    context = current_platform(environ).context(environ, cwd=str(tmp_path), now=NOW)
    found = compute(context, images=["octo/App", "ghcr.io/octo/app"], tags=rules, flavor=flavor)
    assert list(found.names) == tags
    assert [tag.reference for tag in found.tags] == [
        f"{image}:{tag}" for image in ("octo/app", "ghcr.io/octo/app") for tag in tags
    ]
    assert found.version == (tags[0] if tags else "")


def test_the_table_is_read_whole() -> None:
    assert len(ROWS) > 380
    assert len(GITLAB) > 330


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_on_github(row: Row, tmp_path: Path) -> None:
    _check(github(row[0], tmp_path), row, tmp_path)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_on_forgejo(row: Row, tmp_path: Path) -> None:
    _check(forgejo(row[0], tmp_path), row, tmp_path)


@pytest.mark.parametrize("row", GITLAB.values(), ids=GITLAB)
def test_on_gitlab(row: Row, tmp_path: Path) -> None:
    environ = gitlab(row[0])
    assert environ
    _check(environ, row, tmp_path)
