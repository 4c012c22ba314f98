"""The summary at the end of a run: references, tags, labels, and what was sent of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from flakeship.printable import counted, printable
from flakeship.report.markup import bar
from flakeship.report.plain import size_of

_ROWS: Final = 20
_WIDTH: Final = 60
_NAME: Final = 40
LARGEST: Final = 10
"""Packages that a summary shows."""
_LITTLE: Final = 0.05
"""A part of the bytes; the estimate of what zstd would save is about as uncertain."""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer. `size` is that of the blob in bytes; `content` names the store paths, or is the history's text."""

    digest: str
    size: int
    state: str
    content: str


class Before(NamedTuple):
    """What a tag that the image gets named before: the full name of the tag, the layers' size in bytes."""

    name: str
    size: int


class Smaller(NamedTuple):
    """The blobs that this run has made, in bytes, and what they would be with zstd, by an estimate."""

    gzip: int
    zstd: int


class ChangeLines(NamedTuple):
    """What changed since the image that `name` leads or led to: a few lines, and how many more there would be.

    `all_in` says where all of it is, empty if nowhere. The first line counts, and those after it tell each a package or a setting.
    """

    name: str
    lines: tuple[str, ...]
    left_out: int = 0
    all_in: str = ""

    @property
    def rest(self) -> str:
        """The line that says what is left out; empty where nothing is."""
        where = f", which {self.all_in} has" if self.all_in else ""
        return f"… and {self.left_out} more{where}" if self.left_out else ""


class Page(NamedTuple):
    """A page of the CI platform to link to: `title` says what it shows, `text` which one."""

    title: str
    text: str
    url: str


class PackageRow(NamedTuple):
    """A package by its name without the hash, and the size of its NAR in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One image that is finished. `layers` are listed from the bottom, with their state at the first destination that has it.

    `references` and `tags` lead to the image where it is now; without references it is nowhere. `unsent` are the
    names that it did not get, for each destination that it was withheld from; `not_pushed` is the line that says why,
    and `expected` as in `events.NotPushed`. `digest` is that of the manifest, `imageid` that of the config. `pulled`
    is the reference that engines can pull, empty where no registry has the image. `before` is None where no tag of
    the image named another one, or where that is not known. `changes` are those of each platform since that image.
    `smaller` is None where little was packed, or zstd is no choice. `packages` are the largest first, and empty where
    nobody asked for their sizes, or Nix does not know them.
    """

    references: Sequence[str]
    tags: Sequence[str]
    digest: str
    imageid: str
    platform: str
    labels: Mapping[str, str]
    layers: Sequence[LayerRow]
    unsent: Sequence[Sequence[str]] = ()
    not_pushed: str = ""
    expected: bool = False
    pulled: str = ""
    before: Before | None = None
    smaller: Smaller | None = None
    changes: Sequence[ChangeLines] = ()
    pages: Sequence[Page] = ()
    packages: Sequence[PackageRow] = ()
    verify: str = ""
    """The command that verifies the signature, empty where the image is not signed."""

    @property
    def sent(self) -> bool:
        """True if the image is anywhere."""
        return bool(self.references)


def summary_text(summary: Summary) -> str:
    """Return the summary as text, for a terminal or a CI log."""
    rows = [
        *(("image", reference) for reference in summary.references),
        *(("tag", tag) for tag in summary.tags),
        *(("NOT PUSHED", name) for names in summary.unsent for name in names),
        ("digest" if summary.sent else "would be", summary.digest),
        ("platform", summary.platform),
        *([("verify by", summary.verify)] if summary.verify else []),
        *(("label", f"{key}={_cut(value)}") for key, value in sorted(summary.labels.items())),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [
        f"{_once(name, rows, number):<{width}}  {printable(text)}" for number, (name, text) in enumerate(rows)
    ]
    advice = zstd_line(summary.smaller)
    packages = ["", *_package_table(summary.packages)] if summary.packages else []
    changes = [line for each in summary.changes for line in _changed(each)]
    layers = ["", *_table(summary.layers), _total(summary)]
    return "\n".join([*lines, *packages, *layers, *filter(None, [advice]), *changes])


def _changed(changes: ChangeLines) -> list[str]:
    lines = ["", f"since {printable(changes.name)}: {changes.lines[0]}"]
    return [*lines, *(f"  {line}" for line in (*changes.lines[1:], changes.rest) if line)]


def sent_of(layers: Sequence[LayerRow]) -> list[LayerRow]:
    """Return the layers whose bytes were sent to the destination or written there."""
    return [row for row in layers if row.state in {"uploaded", "written"}]


def difference(size: int, before: int) -> str:
    """Return a difference of sizes in words that a name follows: `+1.2 MB (+3 %) since the last`."""
    if size == before:
        return "as large as the last"
    change = f"{'+' if size > before else '-'}{size_of(abs(size - before))}"
    percent = 100 * (size - before) / before if before else 0.0
    if abs(percent) < 0.05:
        return f"{change} since the last"
    shown = f"{percent:+.1f}" if abs(percent) < 1 else f"{percent:+.0f}"
    return f"{change} ({shown} %) since the last"


def zstd_line(smaller: Smaller | None) -> str:
    """Return a sentence that says what zstd would have saved, with the input; empty where that is little."""
    if not smaller or smaller.gzip - smaller.zstd < smaller.gzip * _LITTLE:
        return ""
    saved = smaller.gzip - smaller.zstd
    return (
        f"`compression: zstd` would make the {size_of(smaller.gzip)} that were packed about {size_of(saved)} "
        f"({100 * saved / smaller.gzip:.0f} %) smaller, where all who pull the image can read zstd: "
        "docker from 23 on, podman, containerd"
    )


def _table(layers: Sequence[LayerRow]) -> list[str]:
    lines = [f"{'layer':<12}  {'size':>9}  {'':<8}  content"]
    lines += [
        f"{row.digest[7:19]}  {size_of(row.size):>9}  {row.state:<8}  {printable(_cut(row.content))}"
        for row in layers[:_ROWS]
    ]
    if len(layers) > _ROWS:
        lines.append(f"… and {len(layers) - _ROWS} more")
    return lines


def packages_line(packages: Sequence[PackageRow]) -> str:
    """Return what the bars of packages are of: `the 10 largest of 96 packages, 214.3 MB unpacked`."""
    shown = min(LARGEST, len(packages))
    largest = f"the {shown} largest of " if len(packages) > shown else ""
    return (
        f"{largest}{counted(len(packages), 'package')}, {size_of(sum(row.size for row in packages))} unpacked"
    )


def _package_table(packages: Sequence[PackageRow]) -> list[str]:
    largest = packages[0].size
    lines = [f"{'package':<{_NAME}}  {'size':>9}  {packages_line(packages)}"]
    return lines + [
        f"{printable(_cut(row.name, _NAME)):<{_NAME}}  {size_of(row.size):>9}  {bar(row.size, largest)}"
        for row in packages[:LARGEST]
    ]


def _total(summary: Summary) -> str:
    sent = sent_of(summary.layers)
    total, moved = sum(row.size for row in summary.layers), sum(row.size for row in sent)
    layers = f"{counted(len(summary.layers), 'layer')}, {size_of(total)}"
    if summary.before:
        layers += f", {difference(total, summary.before.size)} {printable(summary.before.name)}"
    return (
        f"{layers}; sent {len(sent)} of them, {size_of(moved)}" if summary.sent else f"{layers}; NOT PUSHED"
    )


def _once(name: str, rows: Sequence[tuple[str, str]], number: int) -> str:
    """Return the name of a row; empty if the row above has the same name."""
    return "" if number and rows[number - 1][0] == name else name


def _cut(text: str, width: int = _WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
