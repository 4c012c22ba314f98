"""What changed in an image since an earlier one, of which manifest and config were read anyway. No layer is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flakeship.commands.publish.before import ImagesBefore, NewImage
from flakeship.difference.compare import difference
from flakeship.difference.document import counts_of, document_of
from flakeship.difference.model import Difference, Held, HeldLayer
from flakeship.difference.packages import only_packages
from flakeship.image.engine_config import as_engines_read
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Packed
from flakeship.lint.view import comments_of, contents_of, tells_contents
from flakeship.report.difference import change_lines, tells_nothing
from flakeship.report.summary import ChangeLines

LINES: Final = 10
"""Lines of a summary, for all platforms."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the image that `name` leads or led to, for each platform."""

    name: str
    platforms: tuple[Difference, ...]

    def lines(self, most: int = LINES, *, all_in: str = "") -> tuple[ChangeLines, ...]:
        """Return what a summary tells, which has at most `most` lines; nothing of a platform in which nothing changed but what each run changes."""
        changed = [each for each in self.platforms if not tells_nothing(each)]
        several = len(self.platforms) > 1
        found = []
        for each in changed:
            lines, left_out = change_lines(each, max(1, most // len(changed)))
            name = f"{self.name} ({each.new.platform})" if several else self.name
            found.append(ChangeLines(name, lines, left_out, all_in))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return all of it, for the metadata file."""
        return {"since": self.name, "platforms": [document_of(each) for each in self.platforms]}

    def numbers(self) -> tuple[tuple[str, int], ...]:
        """Return what is counted, of all platforms together, by names that a report of metrics takes.

        Packages are not counted where they are not compared: 0 would say that none changed.
        """
        compared = all(each.compares_packages for each in self.platforms)
        counts = [counts_of(each) for each in self.platforms]
        sizes = [(each.layers.added.size or 0, each.layers.removed.size or 0) for each in self.platforms]
        return (
            *((f"packages_{kind}", sum(count[kind] for count in counts)) for kind in _COUNTED if compared),
            ("new_layer_bytes", sum(added for added, _ in sizes)),
            ("gone_layer_bytes", sum(removed for _, removed in sizes)),
        )


_COUNTED: Final = ("changed", "added", "removed", "rebuilt")


def changes_since(images: Sequence[NewImage], before: ImagesBefore, name: str) -> Changes:
    """Compare each image with that of its platform. `name` is how the new one is called."""
    pairs = zip(before.images, images, strict=True)
    return Changes(before.name, tuple(_compared(old, new, before.name, name) for old, new in pairs))


def _compared(old: ExistingImage, new: NewImage, old_name: str, new_name: str) -> Difference:
    """Packages are compared only if the history of both names some: an image may hold more than it tells."""
    before = _of_existing(old, old_name)
    after = _of_packed(new, new_name) if isinstance(new, Packed) else _of_existing(new, new_name)
    if not (before.paths and after.paths):
        before, after = replace(before, paths=frozenset()), replace(after, paths=frozenset())
    return difference(before, after)


def _of_existing(image: ExistingImage, name: str) -> Held:
    read = as_engines_read(image.config)
    held = _layers(
        [(layer.digest, layer.diff_id, layer.size) for layer in image.layers if layer], read.get("history")
    )
    config = {key: value for key, value in read.items() if key not in {"history", "rootfs"}}
    return Held(
        name=name,
        platform=str(image.platform),
        layers=held,
        config=config,
        annotations=image.annotations,
        paths=_all(held),
    )


def _of_packed(packed: Packed, name: str) -> Held:
    image = packed.image
    blobs = [(layer.descriptor, layer.diff_id) for layer in packed.layers]
    held = _layers([(blob.digest, diff_id, blob.size) for blob, diff_id in blobs], list(image.history))
    return Held(
        name=name,
        digest=packed.descriptor.digest,
        platform=str(image.platform),
        layers=held,
        config=image.config,
        annotations=image.annotations,
        paths=_all(held),
    )


def _layers(blobs: Sequence[tuple[str, str, int]], history: Any) -> tuple[HeldLayer, ...]:
    """Layers of digest, diff_id and size in bytes, with what the history tells of them."""
    entries: list[Mapping[str, Any]] = (
        [entry for entry in history if isinstance(entry, Mapping)] if isinstance(history, list) else []
    )
    told = zip(contents_of(entries, len(blobs)), comments_of(entries, len(blobs)), strict=True)
    return tuple(
        HeldLayer(*blob, None, tuple(sorted(only_packages(paths))), tells_contents(paths, comment))
        for blob, (paths, comment) in zip(blobs, told, strict=True)
    )


def _all(layers: Iterable[HeldLayer]) -> frozenset[str]:
    return frozenset(path for layer in layers for path in layer.paths)
