"""The step between manifests and names: what vouches for an image is attached to it before anything names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship import events
from flakeship.attest.artifact import Artifact
from flakeship.commands.publish.attaching.signature import (
    Signer,
    signed_subjects,
    signer_of,
    statements_of_images,
)
from flakeship.commands.publish.parts import Part
from flakeship.commands.run import Run
from flakeship.destinations.protocol import Attached, CredentialsRefusedError, Destination, TakesArtifacts
from flakeship.errors import Error
from flakeship.image.model import Packed, PackedIndex
from flakeship.printable import counted
from flakeship.registry.errors import DeniedError, RegistryError
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # who only signs makes none
    from flakeship.commands.publish.attaching.bill import Bills

_FORBIDDEN: Final = 403
_CONFIRM: Final = (
    "run again: that attaches what is missing and nothing else; `flakeship verify` tells what is there"
)

Maker: TypeAlias = Callable[[Packed | PackedIndex, Sequence[Part]], tuple[Artifact, ...]]
"""Makes the artifacts of one kind for an image whose bytes are settled. Of an image that `merge` puts together there are no parts."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """What vouches for an image. `artifacts` are those that were made, as they are without a signature: for files beside the metadata file.

    `verify` is the command that checks the signature, for people to copy, and `public_key` the key for it in PEM; empty
    where nothing is signed, and the key also where a certificate is in its place.
    """

    artifacts: tuple[Artifact, ...] = ()
    verify: str = ""
    public_key: str = ""
    left_out: frozenset[str] = frozenset()
    """The kinds of `artifacts` that no destination took, because the image was there before this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """What is to be attached: `makers` in the order in which a list of referrers has what they make; `signer` signs the image and all statements."""

    makers: tuple[Maker, ...]
    signer: Signer | None
    emit: events.Emit
    bills: Bills | None = None
    """Makes SBOMs, and looks at the layers as they pass for it."""

    @classmethod
    def of(cls, settings: Settings, run: Run) -> Attaching:
        """UsageError for inputs that contradict each other, and for a key that can't sign: before anything is built."""
        signer = signer_of(settings, run)
        makers: list[Maker] = []
        bills = None
        if settings.sbom:
            from flakeship.commands.publish.attaching.bill import Bills

            bills = Bills.of(settings, run, signed=signer is not None)
        if bills:
            makers.append(bills.made)
        if settings.provenance and not settings.legs:
            from flakeship.commands.publish.attaching.provenance import Provenance

            makers.append(Provenance.of(settings, run).artifacts)
        return cls(makers=tuple(makers), signer=signer, bills=bills, emit=run.emit)

    def making(self, maker: Maker) -> Attaching:
        """Return the same with one maker more."""
        return replace(self, makers=(*self.makers, maker))

    def attach(
        self, packed: Packed | PackedIndex, parts: Sequence[Part], places: Sequence[Destination]
    ) -> Attachments:
        """Make and sign the artifacts, and attach them at every destination that takes some.

        errors.Error if that fails: then nothing is named. A registry that keeps no artifacts is only warned of, unless the
        image is to be signed.
        """
        made = tuple(artifact for maker in self.makers for artifact in maker(packed, parts))
        taking = [place for place in places if isinstance(place, TakesArtifacts)]
        if not taking:
            self._tell_of_none(places)
            return Attachments(made)
        wanted, needless = self._signed(packed, made, taking)
        if not (wanted or needless):  # an SBOM that can't be made was warned of
            return Attachments(made)
        left_out = needless | frozenset.intersection(
            *(self._attach_at(place, packed, wanted) for place in taking)
        )
        if self.signer is None:
            return Attachments(made, left_out=left_out)
        reference = f"{taking[0].name}@{packed.descriptor.digest}"
        return Attachments(made, self.signer.verify(reference), self.signer.public_key, left_out)

    def confirm(self, places: Sequence[Destination]) -> None:
        """Look again, after the names, for what was attached: whoever wrote the same list at the same time may have taken it away.

        errors.Error where an image that was to be signed may not be; of others that is a warning.
        """
        for place in places:
            if not isinstance(place, TakesArtifacts):
                continue
            try:
                if place.confirm_attached():
                    self.emit(
                        events.Notice(
                            f"{place.name}: another run had taken what was attached out of the list, and it was put there again"
                        )
                    )
            except Error as error:
                message = (
                    f"what was attached to the image in {place.name} may be listed no more: {error.message}"
                )
                if self.signer:
                    error.message, error.hint = message, _CONFIRM
                    raise
                self.emit(events.Warned(message, _CONFIRM))

    def _signed(
        self, packed: Packed | PackedIndex, made: Sequence[Artifact], taking: Sequence[TakesArtifacts]
    ) -> tuple[list[Artifact], frozenset[str]]:
        """What is attached: documents as they are, the signatures of the images, then the signed statements. And the kinds of which a signature is
        everywhere already, so that none is made.
        """
        if self.signer is None:
            return list(made), frozenset()
        plain = [each for each in made if each.data != each.statement]
        stated = [*statements_of_images(packed), *(each for each in made if each.statement)]
        needless = self._needless(stated, taking)
        signed = [
            self.signer.signed(each) for each, is_there in zip(stated, needless, strict=True) if not is_there
        ]
        kinds = (each.kind for each, is_there in zip(stated, needless, strict=True) if is_there)
        return [*plain, *signed], frozenset[str](kinds)

    # docs/decisions.md#a-public-log-is-told-once
    def _needless(self, stated: Sequence[Artifact], taking: Sequence[TakesArtifacts]) -> list[bool]:
        assert self.signer
        outlines = [self.signer.outline(each) for each in stated]
        if not all(outlines):
            return [False] * len(stated)
        told = [place.leaves_out([each for each in outlines if each]) for place in taking]
        return [all(each) for each in zip(*told, strict=True)]

    def _attach_at(
        self, place: TakesArtifacts, packed: Packed | PackedIndex, wanted: Sequence[Artifact]
    ) -> frozenset[str]:
        """Return the kinds that were left out there, because the image is not new to it."""
        tagged = (
            [self.signer.tagged(each, place.name) for each in signed_subjects(packed)] if self.signer else []
        )
        try:
            done = place.attach(wanted, [each for each in tagged if each])
        except Error as error:
            if self.signer or not _is_refusal(error):
                error.message = f"{_named(wanted)} can't be attached to {place.name}: {error.message}"
                raise
            # an image without its SBOM is still the image that was asked for, where a registry has no place for one
            self.emit(
                events.Warned(
                    f"{place.name} does not take {_named(wanted)}: {error.message}",
                    "; ".join(
                        filter(
                            None,
                            (error.hint, "set `metadata-file`: what is not attached is written beside it"),
                        )
                    ),
                )
            )
            return frozenset()
        self.emit(events.Notice(_told(place.name, done, signed=self.signer is not None)))
        return done.left_out

    def _tell_of_none(self, places: Sequence[Destination]) -> None:
        """Say that nothing is signed where the image goes to no registry; where it is withheld, that is told anyway."""
        if self.signer and not any(place.name and _is_withheld(place) for place in places):
            self.emit(
                events.Warned(
                    "the image is not signed: a signature is kept beside an image in a registry, and it goes to none",
                    "push it to a registry, or leave out `sign` and `signing-key`",
                )
            )


def _told(name: str, done: Attached, *, signed: bool) -> str:
    what = "signed" if signed else "attached"
    if not done.added:
        return f"{name}: {what} already, nothing was added"
    more = f", {done.present} were there" if done.present else ""
    return f"{name}: {what}, {counted(done.added, 'artifact')} added{more}"


def _named(wanted: Sequence[Artifact]) -> str:
    """Name everything that was to be attached, since any part of it may have been refused. A signed SBOM is of the kind "attestation"."""
    kinds = {each.kind for each in wanted}
    names = [
        name
        for name, of in (
            ("the signature", {"signature"}),
            ("the SBOM", {"sbom", "attestation"}),
            ("the provenance", {"provenance"}),
        )
        if kinds & of
    ]
    return f"{' or '.join(names)} of the image"


def _is_refusal(error: Error) -> bool:
    """Whether a registry that has just taken the image refuses what belongs to it.

    403 counts, because a firewall in front may answer so to a large document; a right that is missing shows when the name is
    set. 401 does not count: a token has run out.
    """
    if isinstance(error, CredentialsRefusedError):
        denied = error.__cause__
        return isinstance(denied, DeniedError) and denied.answer.status == _FORBIDDEN
    return isinstance(error, RegistryError) and not error.transient


def _is_withheld(place: Destination) -> bool:
    from flakeship.destinations.withheld import Withheld

    return isinstance(place, Withheld)
