"""The results of one image in the forms that others read: lines of stdout, outputs of a step, the metadata file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flakeship.destinations.protocol import Published
from flakeship.errors import ResourceError, UsageError
from flakeship.image.model import Digest, Packed, PackedIndex
from flakeship.redaction import redacted_result
from flakeship.report.summary import Before, LayerRow, Page, Summary
from flakeship.store_paths import name_of, store_paths_in


def references(published: Sequence[Published]) -> tuple[str, ...]:
    """Return what leads to the image, wherever it was written; nothing for a destination that it was withheld from."""
    return tuple(item.reference for item in published if item.sent)


def is_pushed(published: Iterable[Published]) -> bool:
    """Tell whether registries have all that was to be pushed to them. False if nothing was: a layout is no push."""
    to_registries = [item.sent for item in published if item.tags]
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
    """Return the outputs by the names that `settings.declaration.OUTPUTS` declares.

    Digests of an image that was written nowhere are left out: whoever deploys by them would find nothing.
    """
    there = bool(references(published))
    return {
        "digest": packed.descriptor.digest if there else "",
        "imageid": imageid(packed) if there else "",
        "refs": "\n".join(references(published)),
        "tags": "\n".join(tag for item in published if item.sent for tag in item.tags),
        "labels": "\n".join(f"{key}={' '.join(value.split())}" for key, value in labels_of(packed).items()),
        "digests": json.dumps(_digests(packed) if there else {}),
        "pushed": str(is_pushed(published)).lower(),
        "metadata": json.dumps(metadata(packed, published), separators=(",", ":")),
    }


def _digests(packed: Packed | PackedIndex) -> dict[str, str]:
    """Return the digests by platform.

    Where several images have one platform, the later have the version of their OS in it, as containerd writes it.
    """
    digests: dict[str, str] = {}
    for entry in packed.entries:
        platform = entry.descriptor.platform
        name = str(platform)
        if name in digests and platform and platform.os_version:
            name = platform.with_version
        digests[name] = entry.descriptor.digest
    return digests


def metadata(packed: Packed | PackedIndex, published: Sequence[Published]) -> dict[str, Any]:
    """Return the document with the keys of build-push-action, and our own. Without the former if nothing was written.

    https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file
    """
    why = not_pushed(published)
    return {
        **(_where_it_is(packed, published) if references(published) else {}),
        "flakeship.pushed": is_pushed(published),
        **({"flakeship.not-pushed": why} if why else {}),
        "flakeship.destinations": [_destination(item) for item in published],
        "flakeship.labels": labels_of(packed),
    }


def _where_it_is(packed: Packed | PackedIndex, published: Sequence[Published]) -> dict[str, Any]:
    config = (
        {"containerimage.config.digest": packed.config_descriptor.digest}
        if isinstance(packed, Packed)
        else {}
    )
    return {
        **config,
        "containerimage.descriptor": packed.descriptor.to_json(),
        "containerimage.digest": packed.descriptor.digest,
        "image.name": ",".join(tag for item in published if item.sent for tag in item.tags),
    }


def summary(
    packed: Packed | PackedIndex,
    published: Sequence[Published],
    *,
    expected: bool,
    before: Before | None = None,
    pages: Sequence[Page] = (),
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
        pulled=next((item.reference for item in published if item.sent and item.tags), ""),
        before=before,
        pages=pages,
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
        yield layer.descriptor.digest, ", ".join(map(name_of, store_paths_in(text))) or text


def check_metadata(path: Path) -> None:
    """Before anything is built: UsageError where a file at `path` could not be written. Leaves nothing there."""
    try:
        path = Path(os.path.realpath(path))
        there = next(place for place in (path, *path.parents) if place.exists())
        if path.is_symlink():
            why = "Too many levels of symbolic links"
        elif there == path and there.is_dir():
            why = "Is a directory"
        elif there != path and not there.is_dir():
            why = f"{there} is a file"
        else:
            why = "" if os.access(there, os.W_OK) else f"{there} may not be written to"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise UsageError(
            f"the metadata file {path} can't be written: {why}",
            hint="name a file in a folder that can be written to",
        )


def remove_metadata(path: Path) -> None:
    """Remove the file of an earlier run: should this one fail, a later step must not read of an image that is not there."""
    with contextlib.suppress(OSError):
        path = Path(os.path.realpath(path))
        if path.is_file():
            path.unlink()


def write_metadata(path: Path, document: Mapping[str, Any]) -> None:
    """ResourceError where the file can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redacted_result(json.dumps(document, indent=2)) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"cannot write the metadata file {path}: {error.strerror}; the image is where it should be",
            hint="name a file in a folder that can be written to",
        ) from error


def _destination(item: Published) -> dict[str, Any]:
    would_be = {"reference": item.reference, "tags": list(item.tags)}
    return {
        "name": item.destination,
        "reference": item.reference if item.sent else "",
        "tags": list(item.tags) if item.sent else [],
        "sent": item.sent,
        **({} if item.sent else {"why": item.why, "would-be": would_be}),
        "blobs": [{"digest": blob.digest, "size": blob.size, "state": blob.state} for blob in item.blobs],
    }
