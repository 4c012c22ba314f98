"""docs/compatibility.md, from the rows and the versions that the last run was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.compatibility.programs import PROGRAMS, ROOT
from tests.compatibility.row import Row
from tests.compatibility.rows import SECTIONS
from tests.faults.promises import known_figures
from tests.named import link

PAGE: Final = ROOT / "docs/compatibility.md"
NOT_RECORDED: Final = "version not recorded"


def written(page: str, told: Mapping[str, Any]) -> str:
    """The page with the parts between its markers made anew. `told` is what VERSIONS holds."""
    versions = {name: answer["version"] for name, answer in told.items()}
    for name, lines in (("versions", _versions(told)), ("rows", _sections(versions))):
        head, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, tail = rest.partition(f"<!-- end of {name} -->")
        page = f"{head}<!-- {name} -->\n\n{lines}\n\n<!-- end of {name} -->{tail}"
    return page


def _versions(told: Mapping[str, Any]) -> str:
    rows = ["| program | version | asked on | by |", "| --- | --- | --- | --- |"]
    for name in PROGRAMS:
        answer = told.get(name, {"version": NOT_RECORDED, "date": "", "system": ""})
        rows.append(f"| {name} | {answer['version']} | {answer['date']} | {answer['system']} |")
    return "\n".join(rows)


def _sections(versions: Mapping[str, str]) -> str:
    return "\n\n".join(f"## {title}\n\n{_table(rows, versions)}" for title, rows in SECTIONS.items())


def _table(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    lines = ["| what | whose | tested with | tests |", "| --- | --- | --- | --- |"]
    for row in rows:
        tests = "<br>".join(map(link, row.tests)) or "`./dev faults`"
        lines.append(f"| {row.what} | {row.whose} | {'<br>'.join(_shown_by(row, versions))} | {tests} |")
    return "\n".join(lines)


def _shown_by(row: Row, versions: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} {versions.get(name, f'({NOT_RECORDED})')}" for name in row.programs)
    if row.recorded:
        yield f"recorded: {row.recorded}"
    if row.imitated:
        yield f"**imitated**: {row.imitated}"
    for each in known_figures().values():
        yield from (
            f"measured on {each['date']}: {each['figures'][name]} ({NOT_RECORDED})"
            for name in row.figures
            if name in each["figures"]
        )


def modules_shown() -> set[str]:
    """The modules of ours of which some row says that it shows them."""
    return {kind for rows in SECTIONS.values() for row in rows for kind in row.kinds}


def source_of(test: str) -> str:
    """The text of the file that holds a test, and of the conftest beside it."""
    file = ROOT / "tests" / test.partition("::")[0]
    beside: Path = file.with_name("conftest.py")
    return file.read_text() + (beside.read_text() if beside.exists() else "")
