"""The destination that nothing is sent to, and the choice between it and a real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal

from flakeship import events
from flakeship.destinations.options import DestinationOptions, PushOptions
from flakeship.destinations.protocol import (
    BlobsUnknownError,
    CredentialsRefusedError,
    DeliveredBlob,
    Destination,
    Prepared,
    Published,
)
from flakeship.errors import NotAllowedError
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Descriptor, Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.stream import Reader

DRY_RUN: Final = "`dry-run` sends nothing"
"""The reason why all is withheld in a dry run."""


def checked(destination: Destination, options: DestinationOptions) -> Destination:
    """Check that `destination` can be written to and return it; in a dry run return what stands in for it."""
    if options.dry_run:
        return Withheld(destination.name, why=DRY_RUN, emit=options.emit)
    destination.check()
    return destination


def warn_of_zstd(options: DestinationOptions) -> None:
    """Warn that old engines can't load what is about to be written, if its layers are compressed with zstd."""
    if options.zstd:
        options.emit(
            events.Warned(
                "docker before version 23 can't load layers in zstd",
                "set `compression: gzip`, or `compression: none` to load faster",
            )
        )


def withheld_because(
    push: PushOptions, check: Callable[[], None], *, found_in: str, lacks_credentials: bool
) -> str:
    """Return why an image is withheld from a destination beyond this machine, in a clause for messages; empty if it is sent.

    `check` is the destination's own, called unless the answer is known without. `found_in` says where its credentials
    were found; empty if none were found. `lacks_credentials` is True without any, and with those that a job gets unasked.
    NotAllowedError for a push that can't be made and is not withheld.
    """
    if push.policy == "false":
        return "`push` is false"
    # docs/decisions.md#a-push-is-withheld-only-without-credentials
    if push.untrusted:
        # docs/decisions.md#untrusted-code-is-never-pushed
        if push.policy == "true" or not lacks_credentials:
            given = f", though there are credentials ({found_in})" if found_in else ""
            raise NotAllowedError(
                f"the image may not be pushed{given}: {push.untrusted}",
                hint='set `push: "false"` to build and check it only, or `allow-untrusted: true` if you trust the author of the code',
            )
        return push.untrusted
    try:
        check()
    except CredentialsRefusedError as error:
        refused = error if found_in else _without_credentials(error, push)
        if push.policy == "auto" and push.secrets_kept and lacks_credentials:
            return f"{push.secrets_kept}; {refused.message}"
        raise refused from error
    return ""


def _without_credentials(error: CredentialsRefusedError, push: PushOptions) -> CredentialsRefusedError:
    """Return the error with what the inputs lack, and with the way to go on without a push."""
    lacking = f"{error.message}; {push.without_credentials}" if push.without_credentials else error.message
    return CredentialsRefusedError(
        lacking, hint=f'{error.hint}; or set `push: "false"` to build and check it only'.removeprefix("; or ")
    )


class Withheld:
    """Stands in for the destination `name`, which is neither read nor written: all of the image is withheld.

    `tags` are the full references that the image would get, `untagged` as in `Published`; `why` says why it does not,
    in a clause for messages.
    """

    def __init__(
        self,
        name: str,
        tags: Sequence[str] = (),
        *,
        untagged: Sequence[str] = (),
        why: str = "it is left alone",
        emit: events.Emit = events.ignore,
    ) -> None:
        self._name, self._tags, self._why, self._emit = name, tuple(tags), why, emit
        self._untagged = tuple(untagged)

    @property
    def name(self) -> str:
        """The name of the destination that is left alone."""
        return self._name

    def existing(self) -> Sequence[ExistingImage] | None:
        """Return None: no bytes go here, so that no layer has to be made for it."""
        return None

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Raise BlobsUnknownError: there are no existing images here."""
        raise BlobsUnknownError(frozenset({layer.digest}))

    def check(self) -> None:
        """Do nothing: what is not written to may be closed to us."""

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Report that the layer is withheld."""
        blob = self._blob(layer.descriptor)
        self._emit(events.LayerProgress(layer.name, blob.state, blob.size, blob.digest, self._name))
        return blob

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Return an image without names to write."""
        return self._prepared(packed)

    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Return an index without names to write."""
        return self._prepared(index)

    def _prepared(self, packed: Packed | PackedIndex) -> Prepared:
        digest = packed.descriptor.digest
        published = Published(
            destination=self._name,
            reference=f"{self._name}@{digest}",
            tags=self._tags,
            digest=digest,
            blobs=tuple(
                self._blob(descriptor)
                for image in packed.images
                for descriptor in (*(layer.descriptor for layer in image.layers), image.config_descriptor)
            ),
            sent=False,
            why=self._why,
            untagged=self._untagged,
        )
        return Prepared((), lambda: published)

    def _blob(self, descriptor: Descriptor) -> DeliveredBlob:
        return DeliveredBlob(descriptor.digest, descriptor.size, self._state(descriptor.digest))

    def _state(self, _digest: Digest) -> Literal["reused", "withheld"]:
        return "withheld"
