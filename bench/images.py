"""Inputs for benchmarks: images of a stated size and number of layers, made of this machine's own files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_ROOTS = (Path("/usr/lib"), Path("/usr/bin"), Path("/usr/share"), Path("/usr/local"), Path("/opt"))


def archive(
    path: Path,
    *,
    size: int,
    layers: int,
    small: int = 0,
    changed: int = 0,
    label: str = "",
    architecture: str = "amd64",
    roots: Sequence[Path] = _ROOTS,
) -> None:
    """Write a plain docker-archive of about `size` bytes in `layers` layers of real files; a last one is of `small` bytes.

    The last `changed` layers are others than those of the same image with none changed; `label` is in the config. The files
    are those of `roots`.
    """
    share = size // layers
    files = _files(roots)
    blobs: list[tuple[str, int]] = []
    scratch = path.with_suffix(".layer")
    with tarfile.open(path, "w") as archive_file:
        for number in range(layers):
            wanted = small if small and number == layers - 1 else share
            kind = "changed" if number >= layers - changed else "first"
            _layer(scratch, files, wanted, note=f"layer {number} {kind}")
            digest = hashlib.file_digest(scratch.open("rb"), "sha256").hexdigest()
            archive_file.add(scratch, f"{digest}/layer.tar", filter=_plain)
            blobs.append((digest, number))
        scratch.unlink()
        config = json.dumps(
            {
                "created": "1970-01-01T00:00:01+00:00",
                "architecture": architecture,
                "os": "linux",
                "config": {"Cmd": ["/bin/true"], "Labels": {"bench": label}},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest, _ in blobs]},
                "history": [{"comment": f"layer {number}"} for _, number in blobs],
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": ["bench:1"], "Layers": [f"{d}/layer.tar" for d, _ in blobs]}]
        for member, data in ((name, config), ("manifest.json", json.dumps(manifest).encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive_file.addfile(info, io.BytesIO(data))


def _layer(path: Path, files: Iterator[Path], wanted: int, *, note: str) -> None:
    with tarfile.open(path, "w") as tar:
        data = note.encode()
        info = tarfile.TarInfo("note")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        taken = 0
        while taken < wanted:
            file = next(files)
            tar.add(file, str(file).lstrip("/"), filter=_plain)
            taken += file.stat().st_size


def _files(roots: Sequence[Path]) -> Iterator[Path]:
    """Regular files of the machine up to 20 MB, in a fixed order, again and again."""
    while True:
        for root in roots:
            for folder, names, files in os.walk(root):
                names.sort()
                for name in sorted(files):
                    path = Path(folder, name)
                    if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < 20_000_000:
                        yield path


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 1
    return info


def layers_of(path: Path) -> Iterator[IO[bytes]]:
    """The layers of an archive that was written here, each to be read before the next is asked for."""
    with tarfile.open(path) as archive_file:
        for member in archive_file:
            if member.name.endswith("/layer.tar"):
                layer = archive_file.extractfile(member)
                assert layer
                yield layer
