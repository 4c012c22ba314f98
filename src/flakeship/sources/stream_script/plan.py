"""The image that a stream script would write, made from its settings: config, history, and layers made on demand."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.claims import image_of
from flakeship.image.model import Image, Layer, digest_of, parse_digest
from flakeship.image.tar import python as python_tar
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.reader import is_tar
from flakeship.sources.docker_archive import SeekableArchive
from flakeship.sources.docker_stream import reported
from flakeship.sources.store_files import LOCAL, StoreFiles
from flakeship.sources.stream_script.conf import Conf, UnplannedError

_CHECKSUM_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """The details in which versions of the script differ. `variant` is True where the script states the CPU's variant."""

    tar: python_tar.HeaderFields
    variant: bool = False


class Planned:
    """Layers that may be opened any number of times and at once. UnplannedError where a part is missing."""

    forward_only = False

    def __init__(
        self,
        conf: Conf,
        recipe: Recipe,
        *,
        base: SeekableArchive | None = None,
        hashes: Mapping[str, str],
        files: StoreFiles = LOCAL,
    ) -> None:
        """`hashes` are the NAR hashes of store paths, as far as they are known."""
        lower = base.image() if base else None
        made = [_store_layer(paths, recipe.tar, hashes, files) for paths in conf.store_layers]
        made.append(_customisation_layer(conf, files))
        self._layers = {layer.key: layer for layer in (*(base.layers() if base else ()), *made)}
        keys = [*(lower.layers if lower else ()), *(layer.key for layer in made)]
        sources = [[name] for name in (base.names if base else ())]
        sources += [*map(list, conf.store_layers), [conf.customisation_layer]]
        document = {
            "created": conf.created,
            "architecture": conf.raw["architecture"],
            "os": "linux",
            "config": _runtime(conf.raw.get("config"), base.runtime_as_written if base else None),
            "history": [{"created": conf.created, "comment": f"store paths: {paths}"} for paths in sources],
            # not known before they are made, and not to be missing
            "rootfs": {"diff_ids": [digest_of(b"")] * len(keys)},
        }
        if recipe.variant:
            document["variant"] = conf.raw["variant"]
        image = image_of(
            document, len(keys), what=f"the image of {conf.path}", names=[conf.raw["repo_tag"]], keys=keys
        )
        self._image = replace(image, diff_ids=tuple(self._layers[key].diff_id for key in keys))

    def layers(self) -> Iterator[Layer]:
        """Yield the layers, those of the base image first."""
        return iter(self._layers.values())

    def image(self) -> Image:
        """Return the image that the script would write."""
        return self._image


def base_of(conf: Conf, files: StoreFiles = LOCAL) -> SeekableArchive | None:
    """The image that this one is put on. UnplannedError where it can't be read in place."""
    if conf.from_image is None:
        return None
    if not _in_store(conf.from_image, conf, files):
        raise UnplannedError("its base image is not in the store")
    path = files.here(conf.from_image)
    try:
        with path.open("rb") as file:
            plain = is_tar(file.read(BLOCK))
        if not plain:
            raise UnplannedError("its base image is compressed")
        with reported(str(path)):
            return SeekableArchive(path)
    except (OSError, NotAnImageError) as error:
        raise UnplannedError(f"its base image can't be read ({error})") from error


def _store_layer(
    paths: tuple[str, ...],
    recipe: python_tar.HeaderFields,
    hashes: Mapping[str, str],
    files: StoreFiles,
) -> Layer:
    """Its key is of the paths, and of their contents where those are known."""
    # docs/decisions.md#keys-of-script-layers-hold-nar-hashes
    lines = [python_tar.VERSION, str(astuple(recipe)), *(f"{path} {hashes.get(path, '')}" for path in paths)]
    key = f"stream:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
    write = functools.partial(python_tar.tar_pieces, paths, recipe)
    return Layer(key, functools.partial(files.tar_by, write, paths), annotations={LAYER_KEY: key})


def _in_store(path: str, conf: Conf, files: StoreFiles) -> bool:
    return files.is_inside(path, conf.raw["store_dir"])


def _customisation_layer(conf: Conf, files: StoreFiles) -> Layer:
    name = f"{conf.customisation_layer}/layer.tar"
    if not _in_store(name, conf, files):
        raise UnplannedError("its customisation layer is not in the store")
    try:
        tar = files.here(name)
        with files.here(f"{conf.customisation_layer}/checksum").open("rb") as file:
            digest = parse_digest(f"sha256:{file.read(_CHECKSUM_LIMIT).decode().strip()}")
        size = tar.stat().st_size
    except (OSError, ValueError) as error:
        raise UnplannedError(f"its customisation layer can't be read ({error})") from error
    return Layer(digest, lambda: tar.open("rb", buffering=0), digest, size)


def _runtime(own: Any, lower: Mapping[str, Any] | None) -> Any:
    """Merge the runtime config over that of the base image, as nixpkgs' script does: of the base only the environment stays.

    Of two values for one variable the last wins, at the place of the first. The script finds it by this very spelling.
    """
    if lower is None:
        return own
    if not isinstance(own, dict):
        raise UnplannedError("its config is not an object")
    told = own.get("Env", [])
    if not isinstance(told, list) or not all(isinstance(variable, str) for variable in told):
        raise UnplannedError("its environment is not a list of texts")
    variables = [*(lower.get("Env") or ()), *told]
    merged = {variable.split("=", 1)[0]: variable for variable in variables}
    return {**own, "Env": list(merged.values())} if merged else own
