"""The result of one image as a JSON document: what `metadata-file` and the output `metadata` hold.

docs/metadata-file.schema.json says which keys there are, and a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flakeship.commands.publish.outputs import (
    is_pushed,
    labels_of,
    not_pushed,
    platforms_of_entries,
    references,
)
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.result import Result
from flakeship.destinations.protocol import Published
from flakeship.image.model import Packed, PackedIndex
from flakeship.store_paths import whole_store_path

if TYPE_CHECKING:
    from flakeship.commands.publish.attaching.step import Attachments


def metadata(made: Result, *, whole: bool = True) -> dict[str, Any]:
    """Return the document with the keys of build-push-action, and our own. Without the former if nothing was written.

    What changed is left out unless `whole`: it may be larger than a variable can be.

    https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file
    """
    packed, published = made.packed, made.published
    why = not_pushed(published)
    return {
        **(where_it_is(packed, published) if references(published) else {}),
        **_made_from(made.obtained, made.others),
        **({"flakeship.times": made.times.to_json()} if made.times else {}),
        **({"flakeship.leg": made.leg.to_json()} if made.leg else {}),
        "flakeship.diff-ids": {
            name: [layer.diff_id for layer in entry.image.layers]
            for name, entry in platforms_of_entries(packed).items()
            if entry.image
        },
        "flakeship.pushed": is_pushed(published),
        **({"flakeship.not-pushed": why} if why else {}),
        "flakeship.destinations": [destination_json(item) for item in published],
        "flakeship.labels": labels_of(packed),
        **({"flakeship.difference": made.changes.to_json()} if made.changes and whole else {}),
        **signature_json(made.attached),
    }


def signature_json(attached: Attachments | None) -> dict[str, Any]:
    """The key about the signature; nothing where the image is not signed."""
    if not (attached and attached.verify):
        return {}
    key = {"public-key": attached.public_key} if attached.public_key else {}
    return {"flakeship.signature": {"verify": attached.verify, **key}}


def _made_from(obtained: Obtained, others: Sequence[Obtained]) -> dict[str, Any]:
    """What it was made from, as far as that is known: nothing for a `source` outside of the store.

    `others` are those of other platforms, each of which has paths and a derivation of its own.
    """
    known: dict[str, Any] = {}
    if paths := dict.fromkeys(path for each in (obtained, *others) for path in _paths_of(each)):
        known["flakeship.outputs"] = list(paths)
    if obtained.output and obtained.output.drv_path and not others:
        known["flakeship.derivation"] = obtained.output.drv_path
    if flake := obtained.flake:
        known["flakeship.flake"] = {"url": flake.url, "revision": flake.revision, "dirty": flake.dirty}
    return known


def _paths_of(obtained: Obtained) -> Sequence[str]:
    if obtained.output:
        return obtained.output.paths
    path = whole_store_path(obtained.path) if obtained.remote is None else ""
    return (path,) if path else ()


def where_it_is(packed: Packed | PackedIndex, published: Sequence[Published]) -> dict[str, Any]:
    """The keys of build-push-action, of an image that was written somewhere."""
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


def destination_json(item: Published) -> dict[str, Any]:
    """One entry of `flakeship.destinations`."""
    would_be = {"reference": item.reference, "tags": list(item.tags)}
    return {
        "name": item.destination,
        "reference": item.reference if item.sent else "",
        "tags": list(item.tags) if item.sent else [],
        "sent": item.sent,
        **({} if item.sent else {"why": item.why, "would-be": would_be}),
        "blobs": [{"digest": blob.digest, "size": blob.size, "state": blob.state} for blob in item.blobs],
    }
