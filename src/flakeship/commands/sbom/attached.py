"""The SBOM that is attached to an image in a registry: read in place of making one, once it is known to be of that image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.attest.artifact import CYCLONEDX, SPDX
from flakeship.commands.run import Run
from flakeship.errors import Error
from flakeship.image.document import decode_object
from flakeship.image.model import Digest, digest_of, parse_digest
from flakeship.image.stream import read_full
from flakeship.registry.reference import Reference
from flakeship.sbom.formats import Format

if TYPE_CHECKING:
    from flakeship.registry.client import RegistryClient

_TYPES: Final = {"cyclonedx": CYCLONEDX, "spdx": SPDX}
_MOST: Final = 64 << 20
"""Bytes of an SBOM that is read: ours of 20,000 paths has 32 million."""
_MOST_TRIED: Final = 8


def attached_sbom(reference: Reference, digest: Digest, form: Format, run_: Run) -> str:
    """Return the document, empty if none of this format is attached. What is attached and not of this image is warned of."""
    from flakeship.registry.referrers import Referrers

    client = run_.connections.client(reference, actions="pull")
    try:
        entries = [each for each in Referrers(client).of(digest) if each.artifact_type == _TYPES[form]]
        for entry in entries[:_MOST_TRIED]:
            text, why = _document(client, entry.digest, digest, form)
            if not why:
                run_.emit(
                    events.Notice(
                        f"the SBOM that is attached to {reference.name}@{digest} is taken: {entry.digest}"
                    )
                )
                return text
            run_.emit(
                events.Warned(
                    f"{entry.digest}, attached to {reference.name}@{digest} as its SBOM, is left out: {why}",
                    "delete that manifest, or ask who attached it",
                )
            )
    except Error as error:  # one can be made
        run_.emit(
            events.Notice(
                f"what is attached to the image can't be read, so an attached SBOM is not taken: {error.message}"
            )
        )
    return ""


def _document(client: RegistryClient, artifact: Digest, digest: Digest, form: Format) -> tuple[str, str]:
    """The text, and why it is not that of the image; one of the two is empty."""
    manifest = client.retrying(
        lambda: client.get_manifest(artifact), what=f"reading of {client.name}@{artifact}"
    )
    if manifest is None:
        return "", "it is not there"
    if digest_of(manifest.data) != artifact:
        return "", "its manifest has another digest"
    try:
        content = decode_object(manifest.data)
        subject = content.get("subject")
        if isinstance(subject, dict) and subject.get("digest") != digest:
            return "", f"it is about {subject.get('digest')}"
        (layer,) = content["layers"]
        blob = parse_digest(layer["digest"])
    except (ValueError, KeyError, TypeError):
        return "", "its manifest names no document"
    with client.get_blob(blob) as reader:
        data = read_full(reader, _MOST + 1)
    if len(data) > _MOST:
        return "", "it has more than 64 MiB"
    if digest_of(data) != blob:
        return "", f"it is not the document {blob} that its manifest names"
    try:
        document = decode_object(data, limit=_MOST)
    except ValueError as error:
        return "", f"it is no JSON: {error}"
    stated = next(_images(document, form), digest)
    if stated != digest:
        return "", f"it says that it lists what is in {stated}"
    return data.decode(), ""


def _images(document: Any, form: Format) -> Iterator[str]:
    """The digest of an image that an SBOM names as what it is about: ours does, those of others may not."""
    if form == "cyclonedx":
        metadata = document.get("metadata")
        about = metadata.get("component") if isinstance(metadata, dict) else None
        found = [about.get("version")] if isinstance(about, dict) else []
    else:
        packages = document.get("packages")
        found = [
            each.get("versionInfo")
            for each in (packages if isinstance(packages, list) else [])
            if isinstance(each, dict) and each.get("primaryPackagePurpose") == "CONTAINER"
        ]
    for text in found:
        try:
            yield parse_digest(text)
        except ValueError:
            continue
