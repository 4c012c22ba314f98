"""A script that does what nixpkgs' stream_layered_image.py does, in the ways of several of its releases, with the wrapper
and the conf.json that belong to it: Python's own tarfile says which bytes are right.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.events import Command, Event

_SCRIPT: Final = """\
import hashlib, io, json, pathlib, sys, tarfile
from datetime import datetime, timezone

ROOT_MODE, OWNED, VARIANT = {root_mode}, {owned}, {variant}

conf = json.load(open(sys.argv[1]))
moment = lambda text: datetime.now(timezone.utc) if text == "now" else datetime.fromisoformat(text)
created = moment(conf["created"])
mtime = int((moment(conf["mtime"]) if OWNED else created).timestamp())


def claim(member):
    member.mtime = mtime
    member.uid, member.gid = (int(conf["uid"]), int(conf["gid"])) if OWNED else (0, 0)
    member.uname, member.gname = (conf["uname"], conf["gname"]) if OWNED else ("root", "root")
    return member


def layer(paths):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|") as tar:
        for name in ("/nix", "/nix/store"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, ROOT_MODE
            tar.addfile(claim(folder))
        for top in map(pathlib.Path, paths):
            assert str(top).startswith(conf["store_dir"])
            below = [] if top.is_symlink() else top.rglob("*")
            for path in sorted([top, *below]):
                tar.inodes.clear()
                member = tar.gettarinfo(path)
                member.name = "/" + member.name
                if member.isfile():
                    tar.addfile(claim(member), open(path, "rb"))
                else:
                    tar.addfile(claim(member))
    return buffer.getvalue()


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(data), mtime
    tar.addfile(member, io.BytesIO(data))


config, names, sums, told = dict(conf["config"]), [], [], []
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
    if conf["from_image"]:
        base = tarfile.open(conf["from_image"])
        entry = json.load(base.extractfile("manifest.json"))[0]
        lower = json.load(base.extractfile(entry["Config"]))
        for name, digest in zip(entry["Layers"], lower["rootfs"]["diff_ids"]):
            add(tar, name, base.extractfile(name).read())
            names.append(name), sums.append(digest), told.append([name])
        merged = dict(
            (text.split("=", 1)[0], text) for text in lower["config"].get("Env", []) + config.get("Env", [])
        )
        if merged:
            config["Env"] = list(merged.values())
    layers = [(layer(paths), paths) for paths in conf["store_layers"]]
    layers.append((pathlib.Path(conf["customisation_layer"], "layer.tar").read_bytes(), [conf["customisation_layer"]]))
    for data, paths in layers:
        digest = hashlib.sha256(data).hexdigest()
        add(tar, digest + "/layer.tar", data)
        names.append(digest + "/layer.tar"), sums.append("sha256:" + digest), told.append(paths)
    document = dict(created=created.isoformat(), architecture=conf["architecture"], os="linux", config=config)
    if VARIANT:
        document["variant"] = conf["variant"]
    document["rootfs"] = dict(type="layers", diff_ids=sums)
    document["history"] = [
        dict(created=created.isoformat(), comment="store paths: %s" % paths) for paths in told
    ]
    data = json.dumps(document, indent=4).encode()
    name = hashlib.sha256(data).hexdigest() + ".json"
    add(tar, name, data)
    add(tar, "manifest.json", json.dumps([dict(Config=name, RepoTags=[conf["repo_tag"]], Layers=names)]).encode())
"""

RECENT: Final[Mapping[str, Any]] = {
    "architecture": "amd64",
    "config": {"Env": ["A=1"], "Entrypoint": None, "Labels": {"who": "caf\u00e9"}},
    "os": "linux",
    "from_image": None,
    "repo_tag": "name:tag",
    "created": "1970-01-01T00:00:01+00:00",
    "mtime": "1970-01-01T00:00:01+00:00",
    "uid": "0",
    "gid": "0",
    "uname": "root",
    "gname": "root",
}


@dataclass(frozen=True)
class Built:
    """What a build of streamLayeredImage leaves in its store."""

    wrapper: Path
    conf: Path
    store: Path

    def ran(self, said: Iterable[Event]) -> list[str]:
        """The conf.json of each run that was told, and the wrapper where that was run."""
        return [event.argv[-1] for event in said if isinstance(event, Command)]

    def hidden(self) -> Path:
        """The same image by a wrapper that can't be read for what it is, so that it is run."""
        path = self.store / "hidden"
        path.write_text(f"#! /bin/sh -e\n:\nexec {self.wrapper}\n")
        path.chmod(0o555)
        return path


def built(
    store: Path,
    store_layers: Sequence[Sequence[str]],
    *,
    root_mode: int = 0o755,
    owned: bool = True,
    tells_variant: bool = False,
    wrapped: str = 'exec "{script}"  {conf} "$@" ',
    without: Sequence[str] = (),
    prelude: str = "",
    **more: Any,
) -> Built:
    """`store` has the paths of the layers already; `more` is said in conf.json, `without` is not said."""
    conf, script, wrapper = store / "conf.json", store / "script", store / "wrapper"
    customisation = store / "customisation"
    customisation.mkdir(exist_ok=True)
    data = tarfile.TarInfo("a file").tobuf().ljust(10240, b"\0")
    (customisation / "layer.tar").write_bytes(data)
    (customisation / "checksum").write_text(hashlib.sha256(data).hexdigest() + "\n")
    said = {
        **RECENT,
        "store_dir": str(store),
        "store_layers": store_layers,
        "customisation_layer": str(customisation),
        **more,
    }
    conf.write_text(json.dumps({key: value for key, value in said.items() if key not in without}))
    script.write_text(
        script_text(root_mode=root_mode, owned=owned, tells_variant=tells_variant, prelude=prelude)
    )
    wrapper.write_text(f"#! /bin/sh -e\n{wrapped.format(script=script, conf=conf)}\n")
    for path in (script, wrapper):
        path.chmod(0o755)
    return Built(wrapper, conf, store)


def script_text(
    *,
    root_mode: int = 0o755,
    owned: bool = True,
    tells_variant: bool = False,
    prelude: str = "",
) -> str:
    """The script, for a Python that stands where every system keeps its programs: it sees no other."""
    text = _SCRIPT.format(root_mode=root_mode, owned=owned, variant=tells_variant)
    return f"#!/usr/bin/python3\n{prelude}\n{text}"
