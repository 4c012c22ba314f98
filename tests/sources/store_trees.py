"""Trees as they lie in a store, and the JSON that nix2container's buildImage would hand over for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flakeship.sources.nix2container.document import parse
from flakeship.sources.nix2container.tree import WriterVersion, tar_pieces

FIXED: Final = "/nix/store/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-odd"
"""Where the trees are rewritten to, so that digests do not depend on where a test keeps them."""

LONG: Final = "directory-of-thirty-characters/" * 4
ODD: Final[Mapping[str, bytes | str]] = {
    "bin/program": b"#!/bin/sh\n",
    "bin-first": b"sorts behind bin as a name, before bin/ as a path\n",
    f"{LONG}splits": b"x" * 513,
    f"{LONG}{'n' * 101}": b"a name too long for any field of ustar",
    "caf\u00e9": b"not ASCII",
    "\udcff\udcfe": b"not UTF-8",
    "new\nline": b"",
    "link": "bin/program",
    "long-link": "../" * 40 + "target",
    "empty/": b"",
}
"""Files (bytes), links (str) and, with a slash at the end, empty folders."""


def plant(top: Path, tree: Mapping[str, bytes | str] = ODD) -> Path:
    """Write the tree; what lies in bin can be run."""
    top.mkdir(parents=True)
    for name, content in tree.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
            path.chmod(0o555 if "/bin/" in str(path) else 0o444)
    for folder in (top, *(path for path in top.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    return top


def rewritten(path: Path, to: str, **options: Any) -> dict[str, Any]:
    """An entry of `paths`."""
    return {"path": str(path), "options": {"rewrite": {"regex": f"^{path}", "repl": to}, **options}}


def layer_json(digest: str, *paths: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "digest": digest,
        "diff_ids": digest,
        "size": 1024,
        "paths": list(paths),
        "mediatype": "application/vnd.oci.image.layer.v1.tar",
        "History": {"created_by": "nix2container"},
        **more,
    }


def image_json(layers: Sequence[Mapping[str, Any]] | None, **more: Any) -> bytes:
    document = {
        "version": 1,
        "image-config": {"Entrypoint": ["/bin/program"], "Env": ["A=1"]},
        "layers": layers,
        "arch": "arm64",
        "created": "0001-01-01T00:00:00Z",
        **more,
    }
    return json.dumps(document, indent="\t").encode()


def tar_of(*paths: Mapping[str, Any], store: Path, version: WriterVersion = WriterVersion()) -> bytes:  # noqa: B008  a frozen value
    none = f"sha256:{'0' * 64}"
    document = parse(image_json([layer_json(none, *paths)]), store=store, what="test")
    return b"".join(tar_pieces(document.layers[0].paths, version))


def digest_of_tar(*paths: Mapping[str, Any], store: Path, version: WriterVersion = WriterVersion()) -> str:  # noqa: B008
    """What nix2container would state."""
    return f"sha256:{hashlib.sha256(tar_of(*paths, store=store, version=version)).hexdigest()}"
