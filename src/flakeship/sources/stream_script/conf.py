"""The script's conf.json: what the image is made of, or why it can't be planned from that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.tar.header import LARGEST, NUMBER, OWNER
from flakeship.outside.reading import read_file

_WRAPPER_LIMIT: Final = 4096
_KEYS: Final = frozenset(
    {
        "architecture",
        "config",
        "created",
        "customisation_layer",
        "from_image",
        "gid",
        "gname",
        "mtime",
        "os",
        "repo_tag",
        "store_dir",
        "store_layers",
        "uid",
        "uname",
        "variant",
    }
)
_TEXTS: Final = (
    "architecture",
    "os",
    "repo_tag",
    "store_dir",
    "customisation_layer",
    "created",
    "uname",
    "gname",
)
_EARLIER: Final[Mapping[str, Any]] = {"uid": "0", "gid": "0", "uname": "root", "gname": "root"}
"""What nixpkgs before 24.05 could not be told."""

_CHILD: Final = r"/[0-9A-Za-z+._?=-]+"


class UnplannedError(Exception):
    """Something is not of a known form, so that only the script itself knows what it writes."""


@dataclass(frozen=True, slots=True)
class Conf:
    """`raw` is all of it; `created` is as the config will have it, `mtime` in seconds. Names are ASCII and short."""

    path: Path
    script: str
    raw: Mapping[str, Any]
    store_layers: tuple[tuple[str, ...], ...]
    customisation_layer: str
    from_image: str | None
    created: str
    mtime: int
    uid: int
    gid: int
    uname: str
    gname: str


def read_conf(path: Path, *, store: Path, now: datetime | None, here: Callable[[str], Path] = Path) -> Conf:
    """Read the wrapper at `path` and the conf.json that it names. `store` must hold all that is named there.

    `here` tells where files of the store can be opened.
    """
    script, conf = _named(here(str(path)))
    try:
        raw = decode_object(read_file(here(conf), DOCUMENT_LIMIT))
    except (OSError, ValueError) as error:
        raise UnplannedError(f"its conf.json can't be read ({error})") from error
    return conf_of({**_EARLIER, **raw}, script=script, path=path, store=store, now=now)


def conf_of(raw: Mapping[str, Any], *, script: str, path: Path, store: Path, now: datetime | None) -> Conf:
    if unknown := raw.keys() - _KEYS:
        raise UnplannedError(f"its conf.json says {min(unknown)!r}")
    if any(not isinstance(raw.get(key), str) for key in _TEXTS):
        raise UnplannedError("its conf.json has no text where it must")
    if raw["os"] != "linux" or raw["store_dir"] != str(store):
        raise UnplannedError(f"it is made for {raw['os']} and {raw['store_dir']}")
    if not all(
        raw[name].isascii() and len(raw[name]) <= OWNER and "\0" not in raw[name]
        for name in ("uname", "gname")
    ):
        raise UnplannedError("the owner's name has no room in a tar")
    if not isinstance(raw.get("from_image"), str | None):
        raise UnplannedError("its base image is not a path")
    created, mtime = raw["created"], raw.get("mtime", raw["created"])
    return Conf(
        path=path,
        script=script,
        raw=raw,
        store_layers=_layers(raw.get("store_layers"), store),
        customisation_layer=raw["customisation_layer"],
        from_image=raw.get("from_image"),
        created=_moment(now if created == "now" else created).isoformat(),
        mtime=_seconds(mtime),
        uid=_number(raw["uid"], NUMBER),
        gid=_number(raw["gid"], NUMBER),
        uname=raw["uname"],
        gname=raw["gname"],
    )


def _named(path: Path) -> tuple[str, str]:
    """The script and its conf.json, of a wrapper as makeWrapper writes it."""
    with path.open("rb") as file:
        text = file.read(_WRAPPER_LIMIT).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        words = shlex.split(lines[0]) if len(lines) == 1 else []
    except ValueError:
        words = []
    match words:
        case ["exec", str(script), str(conf), "$@"] if _plain(script) and _plain(conf):
            return script, conf
        case ["exec", "-a", "$0", str(script), str(conf), "$@"] if _plain(script) and _plain(conf):
            return script, conf
    raise UnplannedError("it is not a wrapper of nixpkgs' script")


def _plain(path: str) -> bool:
    return path.startswith("/") and not re.search(r"[$`*?\[\]~;&|<>()\\\s]", path)


def _layers(listed: Any, store: Path) -> tuple[tuple[str, ...], ...]:
    child = re.compile(re.escape(str(store)) + _CHILD, re.ASCII)
    if not isinstance(listed, list) or not all(isinstance(layer, list) for layer in listed):
        raise UnplannedError("its store_layers are not lists")
    for path in (path for layer in listed for path in layer):
        if not isinstance(path, str) or not child.fullmatch(path) or path.endswith(("/.", "/..")):
            raise UnplannedError("a layer holds what is not in the store")
    return tuple(map(tuple, listed))


def _moment(value: Any) -> datetime:
    try:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise UnplannedError(f"its dates are unknown ({error})") from error


def _seconds(value: Any) -> int:
    """`now` gives other layers on each run; a date without a zone, in each zone."""
    moment = _moment(value)
    seconds = int(moment.timestamp()) if moment.tzinfo else -1
    if not 0 <= seconds <= LARGEST:
        raise UnplannedError("the time of its files has no room in a tar")
    return seconds


def _number(value: Any, limit: int) -> int:
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) >= limit:
        raise UnplannedError("the owner's number has no room in a tar")
    return int(text)
