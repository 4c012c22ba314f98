"""The output of `flakeship diff`, and the few lines of it that the summary of a run has."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.difference.document import document_of
from flakeship.difference.model import Bytes, ConfigChange, Difference, Held, Kind, PackageChange
from flakeship.printable import counted, escaped_json, printable
from flakeship.redaction import redacted
from flakeship.report.plain import size_of

_WIDTH: Final = 100
_VALUE: Final = 40
_SAME: Final = 8
"""Characters of a line, of one of two values in it, and of those that both begin with, where the beginning is left out."""

_NO_PACKAGES: Final = "no store path is in either image, so no packages are compared"
_KINDS: Final[dict[Kind, str]] = {
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "outputs": "with other outputs or copies",
    "rebuilt": "rebuilt in the same version",
}


@dataclass(frozen=True, slots=True)
class Differences:
    """What `diff` found: a difference for each platform that both have, and the platforms that only one has."""

    platforms: tuple[Difference, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()


def differences_text(found: Differences) -> str:
    """Return the differences as lines of text, platform by platform."""
    blocks = ["\n".join(_lines(each, several=len(found.platforms) > 1)) for each in found.platforms]
    first = found.platforms[0]
    both = {side.platform for each in found.platforms for side in (each.old, each.new)}
    for held, alone in ((first.old, found.only_old), (first.new, found.only_new)):
        if alone:
            names = (f"another image for {each}" if each in both else each for each in alone)
            blocks.append(f"only in {printable(held.name)}: {', '.join(names)}")
    return "\n\n".join(blocks)


def differences_json(found: Differences) -> str:
    """Return a JSON object: `platforms` has one object for each platform that is compared."""
    document = {
        "platforms": [document_of(each) for each in found.platforms],
        "only_old": list(found.only_old),
        "only_new": list(found.only_new),
    }
    return escaped_json(json.dumps(document, indent=2, ensure_ascii=False))


def change_lines(found: Difference, most: int) -> tuple[tuple[str, ...], int]:
    """Return at most `most` lines, those of what grew or shrank most first, and how many packages and settings they leave out.

    The first counts everything. A package that was only rebuilt is counted and has no line.
    """
    packages = sorted(
        (change for change in found.packages if change.kind != "rebuilt"),
        key=lambda change: (-abs(change.growth or 0), change.name),
    )
    rows = [*map(_package, packages), *map(_short_setting, _of_interest(found.config))]
    shown = rows[: most - 1]
    return (headline(found), *(_cut(row, _WIDTH) for row in shown)), len(rows) - len(shown)


def headline(found: Difference) -> str:
    """Return one line that counts everything."""
    parts = [f"packages: {_counts(found)}{_untold(found)}"] if found.compares_packages else []
    if found.old.is_image and found.new.is_image:
        parts.append(f"layers: {_layer_counts(found)}")
    return "; ".join(parts)


def tells_nothing(found: Difference) -> bool:
    """Whether nothing differs but what each run changes: labels of image-spec, annotations, the date."""
    return not (found.packages or found.has_other_layers or any(_of_interest(found.config)))


def nothing_told(found: Difference) -> str:
    """Return the sentence for a difference of which `tells_nothing` is True."""
    if found.is_empty:
        return "no difference in packages, layers and settings"
    return "no difference but in annotations, dates, or labels that begin with org.opencontainers.image"


def _of_interest(changes: Sequence[ConfigChange]) -> Iterator[ConfigChange]:
    """What changes with each commit is told by every run anyway."""
    for change in changes:
        every_run = change.field == "created" or change.key.startswith("org.opencontainers.image.")
        if not every_run and change.field != "annotation":
            yield change


def _lines(found: Difference, *, several: bool) -> Iterator[str]:
    for word, held in (("old", found.old), ("new", found.new)):
        yield f"{word}  {_named(held)}"
    if several:
        yield f"     {found.new.platform}"
    yield ""
    if found.old.digest and found.old.digest == found.new.digest:
        yield "no difference: both are the same image"
        if found.old.index != found.new.index:
            yield (
                "the indexes that list it differ"
                if found.old.index and found.new.index
                else "only one of the two is in an index"
            )
        return
    if found.is_empty:
        if not (found.old.is_image and found.new.is_image):
            yield "no difference in packages"
            return
        yield "no difference in packages, layers and settings"
        if found.old.digest and found.new.digest:
            yield "the digests differ by something that is not compared, such as the history"
        return
    yield from _package_lines(found)
    if found.old.is_image and found.new.is_image:
        yield f"layers: {_layer_counts(found)}"
        if total := _total(found):
            yield f"  {total}"
        yield from (
            ("settings:", *(f"  {_setting(change)}" for change in found.config)) if found.config else ()
        )
    else:
        yield "layers and settings are not compared: a package or an SBOM has none"


def _named(held: Held) -> str:
    return " ".join(filter(None, (printable(held.name), held.digest)))


def _package_lines(found: Difference) -> Iterator[str]:
    if not found.compares_packages:
        yield _NO_PACKAGES
        return
    for held in (found.old, found.new):
        if not held.paths:
            yield f"no store path is in {printable(held.name)}"
    yield f"packages: {_counts(found)}{_untold(found)}"
    told = [change for change in found.packages if change.kind != "rebuilt"]
    width = max((len(change.name) for change in told), default=0)
    yield from (f"  {_package(change, min(width, 40))}" for change in told)
    if rebuilt := found.of_kind("rebuilt"):
        names = ", ".join(_with_version(change.name, change.new) for change in rebuilt)
        yield f"  rebuilt, in the same version: {printable(names)}"


def _counts(found: Difference) -> str:
    numbers = ((len(found.of_kind(kind)), words) for kind, words in _KINDS.items())
    return ", ".join(f"{number} {words}" for number, words in numbers if number) or "no difference"


def _untold(found: Difference) -> str:
    """How much of the images the comparison of packages leaves out."""
    return (
        f", apart from {counted(found.untold, 'layer')} of which no history tells the packages"
        if found.untold
        else ""
    )


def _package(change: PackageChange, width: int = 0) -> str:
    mark = {"added": "+", "removed": "-"}.get(change.kind, " ")
    line = f"{mark} {printable(change.name):<{width}}  {_versions(change)}".rstrip()
    growth = change.growth
    if not growth:
        return line
    sign = "+" if growth > 0 else "-"
    return f"{line}  {sign}{size_of(abs(growth))}"


def _versions(change: PackageChange) -> str:
    old, new = (
        printable(", ".join(text or "(no version)" for text in side)) for side in (change.old, change.new)
    )
    match change.kind:
        case "changed":
            return f"{old} → {new}"
        case "removed":
            return old if any(change.old) else ""
        case "outputs":
            return f"{new}, other outputs or copies"
        case _:
            return new if any(change.new) else ""


def _with_version(name: str, versions: Sequence[str]) -> str:
    return " ".join(filter(None, (name, ", ".join(filter(None, versions)))))


def _layer_counts(found: Difference) -> str:
    added, shared, removed = found.layers
    order = " in another order" if found.reordered else ""
    if not (added.layers or removed.layers):
        return f"all {shared.layers} shared{_size(shared)}{order}"
    return (
        f"{added.layers} new{_size(added)}, {shared.layers} shared{_size(shared)}{order}, "
        f"{removed.layers} gone{_size(removed)}"
    )


def _size(found: Bytes) -> str:
    known = [
        f"{size_of(size)}{how}"
        for size, how in ((found.size, ""), (found.unpacked, " unpacked"))
        if size is not None and found.layers
    ]
    return f" ({', '.join(known)})" if known else ""


def _total(found: Difference) -> str:
    added, shared, removed = found.layers
    if added.size is None or shared.size is None or removed.size is None:
        return ""
    before, after = removed.size + shared.size, added.size + shared.size
    change = f"{'+' if after > before else '-'}{size_of(abs(after - before))}"
    percent = f", {100 * (after - before) / before:+.1f} %" if before else ""
    return (
        f"in all {size_of(before)} → {size_of(after)} ({change}{percent})"
        if after != before
        else f"in all {size_of(after)}, as before"
    )


def _short_setting(change: ConfigChange) -> str:
    """The setting in about one line. Secrets are hidden before anything is cut: a part of one is not recognised later."""
    old, new = (None if text is None else _on_one_line(redacted(text)) for text in (change.old, change.new))
    if old is not None and new is not None:
        pairs = zip(old, new, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        begin = same - _SAME if max(len(old), len(new)) > _VALUE and same > 2 * _SAME else 0
        old, new = (_cut(f"…{text[begin:]}" if begin else text, _VALUE) for text in (old, new))
    key = printable(redacted(change.key))
    return _setting(change._replace(key=key, old=old, new=new))


def _on_one_line(text: str) -> str:
    return printable(text.replace("\n", r"\n"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _setting(change: ConfigChange) -> str:
    name = printable(" ".join(filter(None, (change.field, change.key))))
    old, new = (None if text is None else _on_one_line(text) for text in (change.old, change.new))
    if old is None:
        return f"+ {name}{_given(new)}"
    if new is None:
        return f"- {name}{_given(old)}"
    return f"  {name}: {old or '(empty)'} → {new or '(empty)'}"


def _given(text: str | None) -> str:
    return f": {text}" if text else ""
