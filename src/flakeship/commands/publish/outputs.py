"""The results of one image in the forms that others read: lines of stdout, outputs of a step, what a page shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flakeship.destinations.protocol import Published
from flakeship.image.model import Digest, IndexEntry, Packed, PackedIndex
from flakeship.image.zstd_estimate import ZstdEstimate
from flakeship.report.summary import Before, ChangeLines, LayerRow, PackageRow, Page, Smaller, Summary
from flakeship.store_paths import name_of, store_paths_in


def references(published: Sequence[Published]) -> tuple[str, ...]:
    """Return what leads to the image, wherever it was written; nothing for a destination that it was withheld from."""
    return tuple(item.reference for item in published if item.sent)


def is_pushed(published: Iterable[Published]) -> bool:
    """Tell whether registries have all that was to be pushed to them. False if nothing was: a layout is no push."""
    to_registries = [item.sent for item in published if item.in_registry]
    return bool(to_registries) and all(to_registries)


def not_pushed(published: Sequence[Published]) -> str:
    """Say what was sent nowhere and why, for the last line of the log; empty if all was written.

    Where nothing at all was written, and for one reason, the reason alone says it.
    """
    reasons: dict[str, list[str]] = {}
    for item in published:
        if not item.sent:
            reasons.setdefault(item.why, []).append(item.destination)
    if not reasons:
        return ""
    if len(reasons) == 1 and not references(published):
        return f"NOT PUSHED: {next(iter(reasons))}"
    places = [f"to {', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]
    return f"NOT PUSHED {'; '.join(places)}"


def outputs(packed: Packed | PackedIndex, published: Sequence[Published]) -> dict[str, str]:
    """Return the outputs by the names that `settings.outputs.OUTPUTS` declares, all but `metadata`.

    Digests of an image that was written nowhere are left out: whoever deploys by them would find nothing.
    """
    there = bool(references(published))
    return {
        "digest": packed.descriptor.digest if there else "",
        "imageid": imageid(packed) if there else "",
        "refs": "\n".join(references(published)),
        "tags": "\n".join(tag for item in published if item.sent for tag in item.tags),
        "labels": labels_text(labels_of(packed)),
        "digests": json.dumps(
            {name: entry.descriptor.digest for name, entry in platforms_of_entries(packed).items()}
            if there
            else {}
        ),
        "pushed": str(is_pushed(published)).lower(),
    }


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as lines of KEY=VALUE; a value that has lines of its own gets blanks in their place."""
    return "\n".join(f"{key}={' '.join(value.split())}" for key, value in labels.items())


def platforms_of_entries(packed: Packed | PackedIndex) -> dict[str, IndexEntry]:
    """Return the entries by platform.

    Where several images have one platform, the later have the version of their OS in it, as containerd writes it.
    """
    entries: dict[str, IndexEntry] = {}
    for entry in packed.entries:
        platform = entry.descriptor.platform
        name = str(platform)
        if name in entries and platform and platform.os_version:
            name = platform.with_version
        entries[name] = entry
    return entries


def summary(
    packed: Packed | PackedIndex,
    published: Sequence[Published],
    *,
    expected: bool,
    before: Before | None = None,
    zstd: ZstdEstimate | None = None,
    pages: Sequence[Page] = (),
    packages: Sequence[PackageRow] = (),
    changes: Sequence[ChangeLines] = (),
    verify: str = "",
) -> Summary:
    """Return what the log and the page show. `expected` is as in `events.NotPushed`."""
    contents = {digest: text for image in packed.images for digest, text in _contents(image)}
    shown = next((item for item in published if item.sent), published[0])
    blobs = {blob.digest: blob for blob in shown.blobs if blob.digest in contents}
    return Summary(
        references=references(published),
        tags=[tag for item in published if item.sent for tag in item.tags],
        unsent=[item.tags or (item.reference,) for item in published if not item.sent],
        not_pushed=not_pushed(published),
        expected=expected,
        digest=packed.descriptor.digest,
        imageid=imageid(packed),
        platform=", ".join(str(image.image.platform) for image in packed.images),
        labels=labels_of(packed),
        layers=[LayerRow(digest, blob.size, blob.state, contents[digest]) for digest, blob in blobs.items()],
        pulled=next((item.reference for item in published if item.sent and item.in_registry), ""),
        before=before,
        smaller=Smaller(zstd.gzip, zstd.zstd) if zstd else None,
        verify=verify,
        pages=pages,
        packages=packages,
        changes=changes,
    )


def imageid(packed: Packed | PackedIndex) -> str:
    """Return what engines call the image: the digest of its config; of an index, which has none, its own digest."""
    return packed.config_descriptor.digest if isinstance(packed, Packed) else packed.descriptor.digest


def labels_of(packed: Packed | PackedIndex) -> dict[str, str]:
    """The labels of the first image whose bytes this run has: they are the same for all platforms, but for its name."""
    config = next((image.image.config for image in packed.images), {})
    return dict(config.get("config", {}).get("Labels", {}))


def _contents(packed: Packed) -> Iterator[tuple[Digest, str]]:
    """Yield for each layer what its history says that it holds: dockerTools writes the store paths there."""
    entries = [entry for entry in packed.image.history if not entry.get("empty_layer", False)]
    said = [str(entry.get("comment") or entry.get("created_by") or "") for entry in entries]
    if len(entries) != len(packed.layers):
        said = [""] * len(packed.layers)
    for layer, text in zip(packed.layers, said, strict=True):
        content = ", ".join(map(name_of, store_paths_in(text))) or text
        yield layer.descriptor.digest, content or "(its history says nothing)"
