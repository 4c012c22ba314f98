"""The readers of what others wrote, each with what it is fed. Nothing but an error of ours may come out of them."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from flakeship.events import ignore
from flakeship.http.proxies import proxy_for
from flakeship.http.retry_after import retry_after
from flakeship.image.nar.reader import NarReader
from flakeship.image.tar.reader import TarReader
from flakeship.metadata.context import Context
from flakeship.nix.log import Log
from flakeship.registry.auth_file import parse_auth_file
from flakeship.registry.reference import Reference, check_tag
from flakeship.sbom.carried.files import carried_by
from flakeship.sbom.carried.parts import UnreadableError
from flakeship.sbom.carried.tar_feed import TarFeed
from flakeship.sources import docker_archive, oci_layout
from flakeship.sources.nix2container.document import parse as parse_nix2container
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.stream_script.conf import UnplannedError, read_conf
from tests.faults.fuzzing import caches
from tests.faults.fuzzing.answers import Answering
from tests.faults.fuzzing.mutation import mutated, mutated_json, with_checksums
from tests.metadata.computing import compute
from tests.sbom.elf_files import HUGO, RIPGREP, elf, inline
from tests.sources.layouts import Layout
from tests.sources.store_trees import image_json, layer_json
from tests.sources.stream_scripts import RECENT
from tests.testbed.archive_shapes import Item, archive, config_of, documents, packed

Chance: TypeAlias = random.Random
Run: TypeAlias = Callable[[bytes], object]

STORE: Final = Path("/nix/store")
_PATH: Final = "/nix/store/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-odd"
_NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_LAYERS: Final = (packed([Item("a", b"one")]), packed([Item("b", b"two" * 300)]))
_READ_AT_MOST: Final = 1 << 22


def _nar(*words: bytes) -> bytes:
    return b"".join(len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words)


_NAR: Final = _nar(
    *(b"nix-archive-1", b"(", b"type", b"directory", b"entry", b"(", b"name", b"a", b"node", b"(", b"type"),
    *(
        b"regular",
        b"executable",
        b"",
        b"contents",
        b"text",
        b")",
        b")",
        b"entry",
        b"(",
        b"name",
        b"b",
        b"node",
    ),
    *(b"(", b"type", b"symlink", b"target", b"a", b")", b")", b")"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """`make` gives an input; `opened` yields what reads one, with a folder of its own to write to.

    `allowed` are exceptions besides our errors that the reader's docstring names.
    """

    name: str
    make: Callable[[Chance], bytes]
    opened: Callable[[Path], Any]
    allowed: tuple[type[Exception], ...] = ()


@contextmanager
def _plain(read: Run) -> Iterator[Run]:
    yield read


def _of(read: Run) -> Callable[[Path], Any]:
    return lambda folder: _plain(read)


def _texts(seeds: Sequence[str], words: Sequence[str] = ()) -> Callable[[Chance], bytes]:
    known = [word.encode() for word in words]
    return lambda chance: mutated(chance.choice(seeds).encode(), chance, known)


def _documents(*seeds: Any) -> Callable[[Chance], bytes]:
    return lambda chance: mutated_json(chance.choice(seeds), chance)


def _tar(chance: Chance) -> bytes:
    """A tar, or at times a NAR, or a program that carries something."""
    if chance.random() < 0.2:
        return mutated(_NAR, chance, [b"\xff" * 8, b"directory\0\0\0\0\0\0\0"])
    if chance.random() < 0.2:
        return mutated(
            elf({".dep-v0": RIPGREP, ".go.buildinfo": inline(b"go1.22", HUGO)}), chance, [b"\xff" * 8]
        )
    long = packed([Item("n" * 300, b"x" * 700), Item("l", kind=b"2", link="t" * 200)], pax={"path": "other"})
    data = mutated(
        chance.choice([*_LAYERS, long, archive(_LAYERS)]), chance, [b"ustar\000", b"\x80" + b"\xff" * 11]
    )
    return with_checksums(data) if chance.random() < 0.8 else data


def _read_tar(data: bytes) -> object:
    if b"nix-archive" in data[:32]:
        list(NarReader(io.BytesIO(data)))
        return None
    if data.startswith(b"\x7fEL"):
        with contextlib.suppress(UnreadableError):
            carried_by("program", lambda offset, size: data[offset : offset + size])
        return None
    TarFeed(lambda passing: None).feed(data)
    reader = TarReader(io.BytesIO(data))
    for _ in reader:
        reader.data().read(_READ_AT_MOST)
    return None


def _archive(chance: Chance) -> bytes:
    """A whole archive whose documents are odd, or one whose bytes are."""
    if chance.random() < 0.3:
        data = with_checksums(mutated(archive(_LAYERS), chance))
        return gzip.compress(data, 1) if chance.random() < 0.2 else data
    items = [Item(f"{number}/layer.tar", layer) for number, layer in enumerate(_LAYERS)]
    config, manifest = documents(config_of(_LAYERS), [item.name for item in items])
    if chance.random() < 0.5:
        changed = mutated_json(json.loads(manifest.data), chance)
        return packed([*items, config, dataclasses.replace(manifest, data=changed)])
    return packed(
        [*items, dataclasses.replace(config, data=mutated_json(config_of(_LAYERS), chance)), manifest]
    )


def _layout(chance: Chance) -> bytes:
    """A layout whose digests are right and one of whose documents is odd, as a tar."""
    layout = Layout()
    entry = layout.platforms("amd64", "arm64") if chance.random() < 0.3 else layout.image("a", "b")
    listed = dict(entry)
    if chance.random() < 0.6:
        document = json.loads(layout.blobs[entry["digest"]])
        listed |= layout.blob(mutated_json(document, chance), entry["mediaType"])
    layout.listing(listed)
    if chance.random() < 0.4:
        layout.index = {"schemaVersion": 2, "manifests": json.loads(mutated_json_list(layout, chance))}
    return packed([Item(name, data) for name, data in layout.files().items()])


def mutated_json_list(layout: Layout, chance: Chance) -> bytes:
    """What index.json lists with some values changed, as long as it is JSON still."""
    data = mutated_json(layout.index["manifests"], chance)
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return b"[]"
    return data


def _source(module: Any) -> Callable[[Path], Any]:
    def read_at(folder: Path) -> Any:
        path = folder / "input"

        def read(data: bytes) -> None:
            path.write_bytes(data)
            if module.matches(path, data[:4096]):
                with module.opened(path, SourceRequest(folder=folder)) as opened:
                    _drain(opened)

        return _plain(read)

    return read_at


def _drain(opened: Opened) -> None:
    for layer in opened.layers():
        with layer.open() as tar:
            left = _READ_AT_MOST
            while left > 0 and (data := tar.read(min(left, 1 << 16))):
                left -= len(data)
    opened.image()


def _conf(folder: Path) -> Any:
    wrapper, conf = folder / "wrapper", folder / "conf.json"
    wrapper.write_text(f'#! /bin/sh -e\nexec "{_PATH}/script"  {conf} "$@" \n')

    def read(data: bytes) -> object:
        conf.write_bytes(data)
        return read_conf(wrapper, store=STORE, now=_NOW)

    return _plain(read)


def _reference(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    return check_tag(text) if len(text) % 2 else str(Reference.parse(text))


def _templates(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    context = Context(_NOW, _NOW, event="push", ref="refs/tags/v1.2.3", sha="a" * 40)
    if text.startswith("type"):
        return compute(context, images=["ghcr.io/a/b"], tags=[text])
    return compute(context, images=["ghcr.io/a/b"], labels=[f"a={text}"])


_PROXIES: Final = _texts(
    ["localhost,.example.com,10.0.0.0/8,[::1]:443,*", "http://user:pass@proxy.example:3128", "a:b:c/129"],
    [",", "/", "*", ".", "[", "]", ":", "0x7f", "%", "@"],
)
_WAITS: Final = _texts(
    ["120", "Fri, 31 Dec 1999 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT", "-1"],
    ["9999999999", "+9999", "GMT", "٣", "Dec", ":", "1e9"],
)


def _value(chance: Chance) -> bytes:
    """A value of no_proxy or of a proxy, or one of Retry-After."""
    return b"proxy " + _PROXIES(chance) if chance.random() < 0.5 else b"after " + _WAITS(chance)


def _read_value(data: bytes) -> object:
    kind, text = data[:6], data[6:].decode("latin-1")
    if kind == b"after ":
        return retry_after({"Retry-After": text, "Date": text[::-1]})
    url = "https://registry.example:5000/v2/"
    for name in ("no_proxy", "https_proxy"):
        proxy_for(url, {"https_proxy": "http://proxy.example:3128", name: text})
    return None


def _nix_log(data: bytes) -> object:
    log = Log(ignore)
    for line in data.split(b"\n"):
        log.take(line)
    return log


def _nix_lines(chance: Chance) -> bytes:
    lines = [
        {"action": "start", "id": 1, "level": 0, "parent": 0, "text": "", "type": 104},
        {
            "action": "start",
            "fields": [f"{_PATH}.drv", "", 1, 1],
            "id": 2,
            "level": 3,
            "text": "a",
            "type": 105,
        },
        {"action": "result", "fields": [1, 2, 3, 4], "id": 1, "type": 105},
        {"action": "result", "fields": ["a line"], "id": 2, "type": 101},
        {"action": "msg", "level": 0, "msg": "\x1b[31;1merror:\x1b[0m builder failed"},
    ]
    return b"\n".join(
        b"@nix " + (mutated_json(line, chance) if chance.random() < 0.5 else json.dumps(line).encode())
        for line in lines
    )


_AUTHS: Final = {
    "auths": {
        "https://index.docker.io/v1/": {"auth": "dTpw"},
        "ghcr.io/a": {"username": "u", "password": "p"},
    },
    "credHelpers": {"gcr.io": "gcloud"},
    "credsStore": "pass",
}

TARGETS: Final = (
    Target("tar", _tar, _of(_read_tar)),
    Target("docker-archive", _archive, _source(docker_archive)),
    Target("oci-layout", _layout, _source(oci_layout)),
    Target(
        "nix2container",
        _documents(
            json.loads(
                image_json(
                    [
                        layer_json(
                            "sha256:" + "1" * 64,
                            {
                                "path": _PATH,
                                "options": {
                                    "rewrite": {"regex": "^a(b|c)*$", "repl": ""},
                                    "perms": [{"regex": ".*", "mode": "0755"}],
                                },
                            },
                        )
                    ]
                )
            )
        ),
        _of(lambda data: parse_nix2container(data, store=STORE, what="image.json")),
    ),
    Target(
        "stream-conf",
        _documents(
            {**RECENT, "store_dir": str(STORE), "store_layers": [[_PATH]], "customisation_layer": _PATH}
        ),
        _conf,
        allowed=(UnplannedError,),
    ),
    Target("answer", Answering.make, Answering.opened),
    Target("auth-file", _documents(_AUTHS), _of(lambda data: parse_auth_file(data, "config.json"))),
    Target(
        "reference",
        _texts(
            [
                "ghcr.io/owner/name:tag",
                "localhost:5000/a@sha256:" + "0" * 64,
                "[::1]:5000/a/b",
                "a.b/c--d/e__f:v1.0",
            ],
            [":", "@", "/", "sha256:", "..", "--", "__", "[::", "]"],
        ),
        _of(_reference),
    ),
    Target(
        "templates",
        _texts(
            [
                "{{branch}}-{{sha}} {{date 'YYYY-MM-DDTHH:mm:ssZ' tz='Europe/Berlin'}}",
                "{{#if tag}}a{{else}}{{{raw}}}{{/if}}",
                "type=match,pattern=v(\\d+).(\\d+),group=1",
                "type=semver,pattern={{major}}.{{minor}},value=v1.2.3,enable={{is_default_branch}}",
                'type=raw,"value=a,b",priority=900',
                "type=pep440,pattern={{version}},value=1!2.3rc1.post4+local",
            ],
            [
                "{{",
                "}}",
                "{{{",
                "{{#if ",
                "{{/if}}",
                "{{else}}",
                "type=",
                "pattern=",
                "(?:a+)+",
                "\\",
                "[",
                "tz='",
                "~}}",
            ],
        ),
        _of(_templates),
    ),
    Target("values", _value, _of(_read_value)),
    Target("nix-log", _nix_lines, _of(_nix_log)),
    Target("nix-cache", caches.make, caches.opened, allowed=(ValueError,)),
)
"""At most twelve, since each is run for minutes: what else is read is read by one of these readers too."""
