"""The summary of a run as Markdown, for the page of a CI job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flakeship.errors import Error
from flakeship.printable import counted, printable
from flakeship.redaction import redacted
from flakeship.report.markup import (
    MESSAGE,
    alert,
    bar,
    code,
    codes,
    escaped,
    fenced,
    folded,
    link,
    page_of,
    shortened,
    table,
)
from flakeship.report.plain import size_of
from flakeship.report.run_record import RunRecord, Stage
from flakeship.report.summary import (
    LARGEST,
    ChangeLines,
    LayerRow,
    PackageRow,
    Summary,
    difference,
    packages_line,
    sent_of,
    zstd_line,
)

SUMMARY_LIMIT: Final = 1_000_000
"""Bytes. GitHub drops the whole summary of a step above 1 MiB.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
"""

_FIRST: Final = 10
"""Layers that are shown at once; the others open by a click."""

_ROWS: Final = 130
_PLACES: Final = 20
_ALERTS: Final = 20
_DETAIL: Final = 20_000
_MARKS: Final = {"uploaded": "🔼", "written": "🔼", "reused": "♻️", "mounted": "♻️", "withheld": "⏸️"}


def summary_markdown(summary: Summary, record: RunRecord) -> str:
    """Return the page, of at most SUMMARY_LIMIT bytes. Untrusted text is escaped, so that none of it is markup."""
    page = page_of(
        [
            _title(summary),
            _totals(summary, record.stages),
            escaped(zstd_line(summary.smaller), MESSAGE),
            *_copied(summary),
            _names(summary),
            alert("NOTE" if summary.expected else "WARNING", summary.not_pushed)
            if summary.not_pushed
            else "",
            *_alerts(record),
            *(part for changes in summary.changes for part in _changes(changes)),
            *_layers(summary.layers),
            _packages(summary.packages),
            _stages(record.stages),
            _labels(summary),
        ]
    )
    return shortened(page, SUMMARY_LIMIT)


def failure_markdown(error: Error) -> str:
    """Return the page of a run that failed: the error, its hint, and the end of its detail."""
    detail = "\n".join(map(printable, error.detail[-_DETAIL:].splitlines()))
    return page_of(
        [
            f"### ❌ {escaped(error.message, MESSAGE)}",
            escaped(error.hint, MESSAGE),
            fenced(detail, "text") if error.detail else "",
        ]
    )


def _title(summary: Summary) -> str:
    """Return the heading: the first tag or, for a layout or an image without tags, the reference."""
    names = [*summary.tags, *summary.references, *(name for names in summary.unsent for name in names)]
    first = names[0].partition("@")[0]
    return f"### 📦 {escaped(first)}" if summary.sent else f"### ⏸️ NOT PUSHED: {escaped(first)}"


def _totals(summary: Summary, stages: Sequence[Stage]) -> str:
    total = sum(row.size for row in summary.layers)
    sent = sent_of(summary.layers)
    moved = sum(row.size for row in sent)
    facts = [
        f"**{_verdict(summary)}**",
        escaped(summary.platform),
        f"{counted(len(summary.layers), 'layer')}, {size_of(total)}",
        _moved(summary, len(sent), moved),
        f"{difference(total, summary.before.size)} {code(summary.before.name)}" if summary.before else "",
        f"{sum(stage.seconds for stage in stages):.1f} s" if stages else "",
    ]
    return " · ".join(filter(None, facts))


def _verdict(summary: Summary) -> str:
    if not summary.sent:
        return "Not pushed"
    return "Shipped in part" if summary.unsent else "Shipped"


def _moved(summary: Summary, layers: int, size: int) -> str:
    if not summary.sent:
        return "nothing was sent"
    return f"{layers} of them sent, {size_of(size)}" if layers else "no layer had to be sent"


def _copied(summary: Summary) -> Iterator[str]:
    """Yield a block for each line that a reader may copy: GitHub and GitLab put a button beside each block."""
    yield from (fenced(printable(reference)) for reference in summary.references[:_PLACES])
    if len(summary.references) > _PLACES:
        yield f"… and {len(summary.references) - _PLACES} more places, which the log shows"
    if summary.pulled:
        yield from (
            fenced(f"{engine} pull {printable(summary.pulled)}", "sh") for engine in ("docker", "podman")
        )
    if summary.verify:
        yield fenced(printable(summary.verify), "sh")


def _names(summary: Summary) -> str:
    unsent = [name for names in summary.unsent for name in names]
    rows = [
        ("Tags", codes(summary.tags, _ROWS)),
        ("Not set", codes(unsent, _ROWS)),
        ("Digest" if summary.sent else "Digest if it were pushed", code(summary.digest)),
        ("Image ID" if summary.sent else "", code(summary.imageid)),
        *((page.title, link(page.text, page.url)) for page in summary.pages),
    ]
    return "<br>\n".join(f"**{name}** {text}" for name, text in rows if name and text)


def _alerts(record: RunRecord) -> Iterator[str]:
    warnings = [alert("WARNING", event.text, event.hint) for event in record.warnings]
    notices = [alert("NOTE", text) for text in record.notices if text != "sandbox: on"]
    for made, kind in ((warnings, "warnings"), (notices, "notes")):
        yield from made[:_ALERTS]
        if len(made) > _ALERTS:
            yield f"… and {len(made) - _ALERTS} more {kind}, which the log shows"


def _changes(changes: ChangeLines) -> Iterator[str]:
    """Yield what changed. In a block of kind `diff` lines that begin with a plus are green, those with a minus red."""
    yield f"**Since {code(changes.name)}**: {escaped(changes.lines[0], MESSAGE)}"
    if len(changes.lines) > 1:
        yield fenced(
            "\n".join(redacted(printable(line)) for line in (*changes.lines[1:], changes.rest) if line),
            "diff",
        )


def _layers(layers: Sequence[LayerRow]) -> Iterator[str]:
    largest_first = sorted(layers, key=lambda row: -row.size)
    shown, rest = largest_first[:_FIRST], largest_first[_FIRST:]
    if shown:
        yield _layer_table(shown, shown[0].size)
    if rest:
        left_out = rest[_ROWS:]
        more = (f"… and {len(left_out)} more", size_of(sum(row.size for row in left_out)), "", "", "")
        parts = [_layer_table(rest[:_ROWS], shown[0].size, *([more] if left_out else []))]
        yield folded(f"{len(rest)} smaller layers, {size_of(sum(row.size for row in rest))}", *parts)


def _layer_table(layers: Sequence[LayerRow], largest: int, *more: Sequence[str]) -> str:
    rows = [
        (
            code(row.digest[7:19]),
            size_of(row.size),
            bar(row.size, largest),
            f"{_MARKS.get(row.state, '')} {row.state}",
            escaped(row.content),
        )
        for row in layers
    ]
    return table(("Layer", "Size", "", "", "Holds"), "lrlll", [*rows, *more])


def _packages(packages: Sequence[PackageRow]) -> str:
    if not packages:
        return ""
    whole, largest = sum(row.size for row in packages), packages[0].size
    rows = [
        (
            escaped(row.name),
            size_of(row.size),
            bar(row.size, largest),
            f"{100 * row.size / whole:.1f} %" if whole else "",
        )
        for row in packages[:LARGEST]
    ]
    return folded(packages_line(packages), table(("Package", "Size", "", "Share"), "lrlr", rows))


def _stages(stages: Sequence[Stage]) -> str:
    if not stages:
        return ""
    longest = max(stage.seconds for stage in stages)
    rows = [
        (escaped(stage.name), f"{stage.seconds:.2f} s", bar(stage.seconds, longest))
        for stage in stages[:_ROWS]
    ]
    rows += [(f"… and {len(stages) - _ROWS} more", "", "")] if len(stages) > _ROWS else []
    return folded("Time", table(("Stage", "Time", ""), "lrl", rows))


def _labels(summary: Summary) -> str:
    labels = sorted(summary.labels.items())
    if not labels:
        return ""
    rows = [(code(key), escaped(value)) for key, value in labels[:_ROWS]]
    rows += [(f"… and {len(labels) - _ROWS} more", "")] if len(labels) > _ROWS else []
    return folded(f"{len(labels)} labels", table(("Label", "Value"), "ll", rows))
