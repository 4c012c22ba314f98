"""The image as a value: digests, descriptors, layers before and after packing. Nothing here does I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO, Final, NewType, Self

from flakeship.image.stream import Reader

Digest = NewType("Digest", str)
"""`sha256:` and 64 hex digits, or `sha512:` and 128; only `parse_digest` and `digest_of` make one."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


def parse_digest(text: object) -> Digest:
    """Check untrusted text, so that a digest may stand in a URL or a path. ValueError for text that is not a digest."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ValueError(f"{str(text)[:100]!r} is not a digest (sha256:<64 hex digits>)")
    return Digest(text)


def digest_of(data: bytes) -> Digest:
    """Return the SHA-256 digest of these bytes."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


_OTHER_NAMES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7a": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),
    "powerpc64": ("ppc64", ""),
    "powerpc64le": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
    "mipsel": ("mipsle", ""),
    "mips64el": ("mips64le", ""),
}
"""What else processors are called, with the variant that the name implies."""
_IMPLIED: Final = {"amd64": "v1", "arm64": "v8", "arm": "v7"}
"""The variant that is meant if a platform names none."""
_OLDER: Final = frozenset({"v5", "v6"})
"""Variants of `arm` alone."""


@dataclass(frozen=True, slots=True)
class Platform:
    """An image-spec platform: GOOS, GOARCH and the variant of the CPU, which is mostly empty; of Windows its version too.

    Two that are equal are spelled alike; whether they mean the same is for `serves`.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def with_version(self) -> str:
        """The name with the version of the OS, where one is stated: `windows(10.0.20348.1)/amd64`.

        https://github.com/containerd/platforms/blob/main/platforms.go
        """
        text = str(self)
        return text.replace(self.os, f"{self.os}({self.os_version})", 1) if self.os_version else text

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> Self:
        """Return the platform that people name so, as Go names it: `x86_64` is amd64, `armhf` is arm/v7."""
        os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
        architecture, implied = _OTHER_NAMES.get(architecture, (architecture, ""))
        numbered = architecture in {"arm", "arm64"} and variant.isdecimal()
        return cls(
            "darwin" if os == "macos" else os,
            architecture,
            implied or (f"v{variant}" if numbered else variant),
        )

    @property
    def normal(self) -> tuple[str, str, str]:
        """OS, architecture and variant in the one spelling of all that mean the same, with the variant that is implied.

        https://github.com/containerd/platforms/blob/main/database.go
        """
        named = Platform.of(self.os, self.architecture, self.variant)
        variant = "" if named.architecture == "386" else named.variant
        return named.os, named.architecture, variant or _IMPLIED.get(named.architecture, "")

    @property
    def shortest(self) -> Platform:
        """The shortest name of this platform: without the variant that is implied, and without the version of the OS."""
        os, architecture, variant = self.normal
        return Platform(os, architecture, "" if variant == _IMPLIED.get(architecture) else variant)

    def means(self, other: Platform) -> bool:
        """Return True if both are names of one platform, whatever version of the OS they state."""
        return self.normal == other.normal

    def serves(self, wanted: Platform) -> bool:
        """Return True if this platform is what `wanted` asks for. If `wanted` names no version of the OS, any will do.

        Where no variant is named, the usual one is meant; an older variant of 32-bit ARM runs on it too, as containerd has
        it: https://github.com/containerd/platforms/blob/main/compare.go
        """
        older = not wanted.variant and self.normal[:2] == wanted.normal[:2] and self.variant in _OLDER
        return (self.means(wanted) or older) and wanted.os_version in {"", self.os_version}

    def to_json(self) -> dict[str, Any]:
        """Return the object that image-spec calls `platform`, without what is empty."""
        known = {
            "architecture": self.architecture,
            "os": self.os,
            "os.version": self.os_version,
            "os.features": list(self.os_features),
            "variant": self.variant,
        }
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content by digest: https://github.com/opencontainers/image-spec/blob/main/descriptor.md."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    platform: Platform | None = None
    artifact_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this descriptor."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            document["platform"] = self.platform.to_json()
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Self:
        """Return the descriptor of these bytes."""
        return cls(media_type, digest_of(data), len(data))


@dataclass(frozen=True, slots=True)
class CompressedBlob:
    """A layer that is compressed already, to be sent as it is. `suffix` names the compression as in `Family.layers`.

    `open` yields the blob, any number of times. Where `here` is False it comes over a network: then it is read only
    if a destination needs it, and checks itself as it passes. `watch` is given the tar where the blob is unpacked to be
    compared, and returns what is read in its place: None where nobody looks.
    """

    digest: Digest
    size: int
    suffix: str
    open: Callable[[], Reader]
    here: bool = True
    watch: Callable[[Reader], Reader] | None = None


def key_of(diff_id: Digest, blob: Digest) -> str:
    """The key of a layer with this stated diff_id: of two blobs that hold one tar, each is a layer of its own."""
    return diff_id if blob == diff_id else f"{diff_id}@{blob}"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as its source knows it, before a byte of it is read.

    `key` identifies the layer within a run: equal keys mean equal tars, whichever sources the layers come from, and a
    source that is opened again gives its layers the same keys. It is `key_of` where the image's config is known
    before the layers; a digest of store paths and their contents where the layer is made from the store; and the
    source with the name of a member for an archive that can only be read forward.
    Where `annotations` have a `LAYER_KEY`, that identifies the same tar in every run, so that the layer is found in
    images that exist already.
    `open` returns a reader of the uncompressed tar. It may be called any number of times where the source can seek;
    where the source can only be read forward, once, and before the next layer is asked for.
    `size` is in bytes uncompressed; None where it is known only after reading.
    `otherwise` holds openers of other tars, to be tried in turn where the tar of `open` has not the stated diff_id:
    what other versions of the source's builder would have written.
    `compressed` is the blob, where the source has one; it is sent instead of a blob that packing would make.
    `named` is the diff_id that the name of the archive's member states. It is enough to recognise the layer before it
    is read, because the config, which comes later, is compared with it.
    `member` is what messages call the layer, where that is not the key: the name of the archive's member, or a digest.
    """

    key: str
    open: Callable[[], Reader]
    diff_id: Digest | None = None
    size: int | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    otherwise: tuple[Callable[[], Reader], ...] = ()
    compressed: CompressedBlob | None = None
    named: Digest | None = None
    member: str = ""

    @property
    def name(self) -> str:
        """What messages call the layer."""
        return self.member or self.key

    def packed(
        self,
        diff_id: Digest,
        descriptor: Descriptor,
        *,
        open: Callable[[], BinaryIO] | None,  # noqa: A002  the name of the field
        discard: Callable[[], None] = lambda: None,
    ) -> PackedLayer:
        """This layer as the blob that `descriptor` names; `open` and `discard` as in PackedLayer."""
        return PackedLayer(self.key, diff_id, descriptor, open, discard, self.member)


class VanishedError(Exception):
    """A blob that was found has been removed since, by somebody else."""


class SourceGoneError(Exception):
    """What a source was believed to give can't be had, and the same can be had in another way. The text says why, in a clause.

    `is_told` where a warning has named the source and the reason already.
    """

    def __init__(self, why: str = "", *, is_told: bool = False) -> None:
        super().__init__(why)
        self.is_told = is_told


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A layer as it will be sent. `open` yields the blob's bytes, any number of times until the store drops it; it raises
    VanishedError where the store is not this run's alone.

    `open` is None for a blob that was found at its destination already and never made here. `discard` gives up
    what `open` reads; it is called once, when every destination has the blob.
    """

    key: str
    diff_id: Digest
    descriptor: Descriptor
    open: Callable[[], BinaryIO] | None
    discard: Callable[[], None] = lambda: None
    member: str = ""
    """The member of the source's archive that the layer came from, as in Layer; empty for a layer that came from no archive."""

    @property
    def name(self) -> str:
        """What messages call the layer."""
        return self.member or self.key


@dataclass(frozen=True, slots=True)
class Image:
    """An image before its layers are packed.

    `config` is the image-spec config without `rootfs` and `history`. `layers` are the keys of its layers from the bottom
    up; the same key may occur several times. `diff_ids` are those that the source states, None where it states none.
    `history` has one entry a layer, and any number of entries with `empty_layer`.
    """

    config: Mapping[str, Any]
    platform: Platform
    layers: tuple[str, ...]
    diff_ids: tuple[Digest | None, ...]
    history: tuple[Mapping[str, Any], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    names: tuple[str, ...] = field(default=())
    """The names that the source gives the image (RepoTags of an archive): an OCI layout uses one if no other is given."""
    descriptor_annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Those of the manifest's descriptor, wherever it is listed: in an index, in a layout."""
    artifact_type: str = ""
    """What manifest and descriptor say that it is, beside an image."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An image whose bytes are settled: every digest is of exactly these bytes."""

    manifest: bytes
    config: bytes
    descriptor: Descriptor
    """The descriptor of the manifest, with the image's platform."""
    config_descriptor: Descriptor
    layers: tuple[PackedLayer, ...]
    image: Image

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        """The image itself, so that an image and an index are treated alike."""
        return (IndexEntry(self.descriptor, self),)

    @property
    def images(self) -> tuple[Packed, ...]:
        """The image itself, as of an index."""
        return (self,)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry of an index. `image` is None for an image that is at every destination already, by its digest."""

    descriptor: Descriptor
    image: Packed | None = None


@dataclass(frozen=True, slots=True)
class PackedIndex:
    """Images for several platforms under one name; `manifest` are the bytes of the index."""

    manifest: bytes
    descriptor: Descriptor
    entries: tuple[IndexEntry, ...]

    @property
    def images(self) -> tuple[Packed, ...]:
        """The images that this run has the bytes of, and so those that a destination has to be given."""
        return tuple(entry.image for entry in self.entries if entry.image)
