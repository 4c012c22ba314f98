"""Running the script on a handful of odd files, to see how this version of it writes: a second's fraction in which
gigabytes would be written, and proof where reading the script would be a guess.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from flakeship import process
from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.model import Digest, Image, digest_of
from flakeship.image.stream import read_full, sha256_of
from flakeship.image.tar import python as python_tar
from flakeship.sources.docker_archive import SeekableArchive
from flakeship.sources.docker_stream import StreamedArchive
from flakeship.sources.store_files import LOCAL, StoreFiles
from flakeship.sources.stream_script.conf import Conf, UnplannedError, conf_of
from flakeship.sources.stream_script.interpreter import command_line, writes_otherwise
from flakeship.sources.stream_script.plan import Planned, Recipe
from flakeship.sources.stream_script.recognition import interpreter_of
from flakeship.sources.stream_script.run import Executed
from flakeship.stores.temporary import temporary_folder

_OUTPUT_LIMIT: Final = 4 * 1024 * 1024
_BOUNDS: Final = process.Bounds(patience=30, rate=_OUTPUT_LIMIT, size=_OUTPUT_LIMIT)
_CREATED: Final = "2001-02-03T04:05:06.000007+00:00"
_FOLDERS: Final = ("", "bin", "bin/empty", "d" * 60, f"{'d' * 60}/{'e' * 60}", "caf\u00e9")
_FILES: Final = ("bin/program", "bin-first", ".hidden", f"{'d' * 60}/{'e' * 60}/file", "\udcff", "\ufb01")
_LINKS: Final = {"folder": "bin", "nowhere": "/nowhere", "far": "../" * 40, "caf\u00e9/link": "\u00e9"}


def recipe_of(conf: Conf, *, executed: Executed, folder: Path | None, files: StoreFiles = LOCAL) -> Recipe:
    """The one recipe that gives what the script gives. UnplannedError where none does.

    `folder` is where a folder for the files is made; None for the system's. `files` hold the script.
    """
    private = folder if executed.confinement.reads_private_folders else None
    with temporary_folder(private, mode=0o755) as trials:
        file = trials / "conf.json"
        try:
            trials.chmod(0o755)
            trial = _trial(conf, trials)
            file.write_text(json.dumps(trial.raw), encoding="utf-8")
            script = _script(conf, trials, executed, files)
        except OSError as error:  # a file system without hard links, or for which names are text
            raise UnplannedError(f"odd files can't be made for a trial ({error})") from error
        seen = _seen(script, file, executed)
        base = SeekableArchive(Path(trial.from_image)) if trial.from_image else None
        for recipe in _recipes(conf):
            if _facts(_digested(trial, recipe, base)) == _facts(seen):
                return recipe
    raise UnplannedError("it writes otherwise than any version that flakeship knows")


def _script(conf: Conf, trials: Path, executed: Executed, files: StoreFiles) -> str:
    """The script where it can be executed: one of another machine is copied to the trial's files."""
    if not executed.is_elsewhere:
        return conf.script
    copy = trials / "script"
    copy.write_bytes(files.here(conf.script).read_bytes())
    copy.chmod(0o555)
    if writes_otherwise(interpreter_of(copy)):
        raise UnplannedError("its Python is older than 3.9")
    return str(copy)


def _recipes(conf: Conf) -> Iterator[Recipe]:
    told = python_tar.HeaderFields(conf.uid, conf.gid, conf.uname, conf.gname, conf.mtime)
    variants = (False, True) if conf.raw.get("variant") else (False,)
    for mode, devices, variant in itertools.product((0o755, 0o555), (False, True), variants):
        yield Recipe(replace(told, root_mode=mode, devices=devices), variant)


def _digested(trial: Conf, recipe: Recipe, base: SeekableArchive | None) -> Image:
    planned = Planned(trial, recipe, base=base, hashes={})
    digests = {}
    for layer in planned.layers():
        with layer.open() as reader:
            digests[layer.key] = Digest(sha256_of(reader)[0])
    image = planned.image()
    return replace(image, diff_ids=tuple(digests[key] for key in image.layers))


def _facts(image: Image) -> tuple[Any, ...]:
    """All but what the layers are called."""
    return image.config, image.platform, image.diff_ids, image.history, image.names


def _seen(script: str, conf: Path, executed: Executed) -> Image:
    argv = command_line(executed, script, str(conf), otherwise=(script, str(conf)), also=(str(conf.parent),))
    try:
        with process.running(
            argv, environ=executed.variables, on_stderr=lambda _: None, bounds=_BOUNDS, tied=True
        ) as running:
            output = read_full(running.stdout, _OUTPUT_LIMIT)
            if len(output) == _OUTPUT_LIMIT or running.wait() or running.exceeded():
                raise UnplannedError("it does not take another conf.json")
        archive = StreamedArchive(io.BytesIO(output), f"the trial of {script}")
        for _ in archive.layers():
            pass
        return archive.image()
    except (process.NotStartedError, NotAnImageError, ResourceError) as error:
        raise UnplannedError(f"it can't be tried ({error})") from error


def _trial(conf: Conf, folder: Path) -> Conf:
    """The same settings for other files."""
    store = folder / "store"
    tree, file = str(store / "0-tree"), str(store / "1-file")
    raw = {
        **conf.raw,
        "store_dir": str(store),
        "store_layers": [[tree], [file, tree]],
        "customisation_layer": str(store / "2-customisation"),
        "from_image": None if conf.from_image is None else str(folder / "base.tar"),
    }
    if raw["created"] == "now":
        raw["created"] = _CREATED
    _plant(store)
    if raw["from_image"]:
        _write_base(folder / "base.tar")
    return conf_of(raw, script=conf.script, path=conf.path, store=store, now=None)


def _plant(store: Path) -> None:
    """Names that sort in one way as texts and in another as paths or bytes, and that tar has no room for."""
    tree, customisation = store / "0-tree", store / "2-customisation"
    for name in _FOLDERS:
        (tree / _spelled(name)).mkdir(parents=True)
    for name in _FILES:
        (tree / _spelled(name)).write_text(name, encoding="utf-8", errors="surrogateescape")
    for name, target in _LINKS.items():
        (tree / _spelled(name)).symlink_to(_spelled(target))
    (tree / "bin/program").chmod(0o555)
    os.link(tree / ".hidden", tree / "hard")
    (store / "1-file").write_bytes(b"")
    customisation.mkdir()
    (customisation / "layer.tar").write_bytes(_EMPTY)
    (customisation / "checksum").write_text(digest_of(_EMPTY).removeprefix("sha256:") + "\n")


def _spelled(name: str) -> str:
    """What becomes the UTF-8 of this name in a file system, whatever the locale says."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


_EMPTY: Final = bytes(10240)


def _write_base(path: Path) -> None:
    config = {
        "config": {"Env": ["A=base", "PATH=/base"], "User": "base"},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(_EMPTY)]},
    }
    entry = {"Config": "config.json", "Layers": ["base/layer.tar"], "RepoTags": None}
    documents = {"config.json": config, "manifest.json": [entry]}
    with tarfile.open(path, "w") as tar:
        members = {name: json.dumps(document).encode() for name, document in documents.items()}
        for name, data in {"base/layer.tar": _EMPTY, **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
