"""What a push costs, counted by who is asked: requests and bytes that come to the registry, bytes that are read here."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship.events import BytesMoved
from flakeship.settings.declaration import Settings
from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces
from tests.e2e.forging import digest_of, layer
from tests.e2e.publishing import runner
from tests.metadata.computing import placed
from tests.runtimes import publish_one, runtime
from tests.sources.layouts import GZIP, Layout
from tests.sources.store_trees import image_json, layer_json
from tests.sources.stream_scripts import script_text
from tests.testbed import archive_shapes, archives
from tests.testbed.nix import FLAKES, MakeFlake
from tests.testbed.registry import MANIFEST_TYPES, FaultProxy, Registry

pytestmark = pytest.mark.slow

NUMBER: Final = 60
LARGE: Final = 200_000


@dataclass
class Counter:
    """What came to the registry since the last `begin`."""

    proxy: FaultProxy
    registry: Registry
    repository: str = ""
    _before: tuple[int, int] = field(default=(0, 0))

    def __post_init__(self) -> None:
        self.repository = self.registry.new_repository()
        self.reference = f"{self.proxy.host}/{self.repository}:1"

    def begin(self) -> None:
        self._before = len(self.proxy.requests), self.proxy.received

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path, without digests and the numbers of sessions."""
        return [
            (entry.method, re.sub(r"\?.*|sha256:.*|[0-9a-f]{8}-.*", "", entry.path).removeprefix("/v2/"))
            for entry in self.proxy.requests[self._before[0] :]
        ]

    @property
    def sent(self) -> int:
        """Bytes of bodies."""
        return self.proxy.received - self._before[1]

    def of(self, *methods: str) -> list[str]:
        prefix = f"{self.repository}/"
        return [path.removeprefix(prefix) for method, path in self.requests if method in methods]

    def documents(self) -> tuple[int, int, list[dict[str, Any]]]:
        """The sizes of manifest and config, and the layers."""
        answer = self.registry.get(f"{self.repository}/manifests/1", headers={"Accept": MANIFEST_TYPES})
        document = answer.json()
        return len(answer.content), document["config"]["size"], document["layers"]

    def assert_only_documents(self) -> None:
        """One config, and one manifest by its tag, and nothing else."""
        manifest, config, _ = self.documents()
        assert self.sent == config + manifest
        assert self.of("PUT", "PATCH") == ["blobs/uploads/", "manifests/1"]


@pytest.fixture
def counter(proxy: FaultProxy, registry: Registry) -> Counter:
    return Counter(proxy, registry)


def layers(changed: str = "") -> list[bytes]:
    """Sixty, of which one may be changed, and is large."""
    made = [layer(f"layer-{number}", size=2000) for number in range(NUMBER)]
    return [*made[:30], layer(f"large{changed}", size=LARGE), *made[31:]]


def blanked(data: bytes) -> bytes:
    """What a layer holds is gone: whoever reads it finds another diff_id."""
    return re.sub(rb"(layer-\d+|large)\.{1000,}", lambda hit: bytes(len(hit[0])), data)


def as_tar(path: Path, tars: Sequence[bytes], *, blank: bool = False) -> Path:
    data = archive_shapes.archive(tars)
    path.write_bytes(blanked(data) if blank else data)
    return path


def as_gzip(path: Path, tars: Sequence[bytes], *, blank: bool = False) -> Path:
    as_tar(path, tars, blank=blank)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    return path


def as_layout(path: Path, tars: Sequence[bytes], *, blank: bool = False) -> Path:
    layout = Layout()
    config = layout.json(archive_shapes.config_of(tars), "application/vnd.oci.image.config.v1+json")
    entries = [layout.blob(gzip.compress(tar, 1, mtime=0), GZIP) for tar in tars]
    manifest = layout.json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": entries,
        },
        "application/vnd.oci.image.manifest.v1+json",
    )
    folder = layout.listing(manifest).folder(path)
    for entry in entries if blank else ():
        (folder / "blobs" / entry["digest"].replace(":", "/")).write_bytes(bytes(entry["size"]))
    return folder


SHAPES: Final[Mapping[str, Callable[..., Path]]] = {"tar": as_tar, "tar.gz": as_gzip, "layout": as_layout}


def publish(counter: Counter, source: Path, *labels: str, **settings: Any) -> int:
    """Count from here; bytes of layers that were read."""
    around, told = runtime(source.parent)
    counter.begin()
    asked = Settings(
        source=str(source), tags=placed(counter.reference), labels=placed(*labels), created="keep", **settings
    )
    publish_one(asked, around)
    return sum(each.count for each in told if isinstance(each, BytesMoved) and each.direction == "read")


@pytest.mark.parametrize("shape", SHAPES)
def test_sixty_layers(counter: Counter, shape: str, tmp_path: Path) -> None:
    make = SHAPES[shape]
    assert publish(counter, make(tmp_path / "first", layers()), "a=1") > NUMBER * 100

    blank = make(tmp_path / "blank", layers(), blank=True)
    assert publish(counter, blank, "a=1") == 0
    assert len(counter.requests) <= 10, counter.requests
    assert counter.sent == 0

    assert publish(counter, blank, "a=2") == 0
    counter.assert_only_documents()
    assert len(counter.requests) <= 16 + NUMBER, "each layer is asked for once, by a HEAD"

    changed = layers("r")
    read = publish(counter, make(tmp_path / "changed", changed), "a=2")
    manifest, config, entries = counter.documents()
    assert read == (len(changed[30]) if shape != "layout" else entries[30]["size"])
    assert counter.sent == entries[30]["size"] + config + manifest


def test_what_has_no_seal_is_asked_for_where_it_is_to_be_named_anew(counter: Counter, tmp_path: Path) -> None:
    """Docker's manifests have no annotations, and so nothing vouches for what they say."""
    source = as_tar(tmp_path / "first", layers())
    publish(counter, source, "a=1", media_types="docker")
    assert publish(counter, source, "a=1", media_types="docker") == 0
    assert len(counter.requests) <= 10, counter.requests
    assert counter.sent == 0
    assert publish(counter, source, "a=2", media_types="docker") == 0
    assert counter.of("HEAD").count("blobs/") == NUMBER + 1
    counter.assert_only_documents()


Run = Callable[..., str]


@pytest.fixture
def run(nix_environ: Mapping[str, str], counter: Counter, tmp_path: Path) -> Run:
    """Counts from here; what the run says."""
    started = runner(nix_environ, tmp_path)

    def published(*flags: str) -> str:
        counter.begin()
        done = started(*flags, "--tags", counter.reference)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return published


def nix(environ: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(["nix", *arguments], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_closure_that_is_not_even_there(
    run: Run, counter: Counter, make_flake: MakeFlake, nix_environ: Mapping[str, str]
) -> None:
    """Its store path is deleted: nothing can be read of it, and who builds it again is found out."""
    flake = ("--flake", f"{make_flake('app', fresh=True)}#hello")
    run(*flake, "--labels", "a=1")
    path = nix(nix_environ, "eval", "--raw", flake[1] + ".outPath")
    nix(nix_environ, "store", "delete", path)
    said = run(*flake, "--labels", "a=2")
    assert "nothing is built" in said
    assert " reading " not in said
    assert not Path(path).exists()
    counter.assert_only_documents()


def test_a_closure_that_is_built_and_not_read(run: Run, counter: Counter, make_flake: MakeFlake) -> None:
    flake = ("--flake", f"{make_flake()}#hello", "--rebuild", "always")
    run(*flake, "--labels", "a=1")
    assert " reading " not in run(*flake, "--labels", "a=2")
    counter.assert_only_documents()


def test_a_stream_script(run: Run, counter: Counter, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(FLAKES / "stream", folder)
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (folder / "script.py").write_text(script_text())
    (folder / "text").write_text("one\n")
    flake = ("--flake", f"path:{folder}", "--rebuild", "always", "--created", "0")
    run(*flake, "--labels", "a=1")
    assert " reading " not in run(*flake, "--labels", "a=2")
    counter.assert_only_documents()
    (folder / "text").write_text("two\n")
    assert run(*flake, "--labels", "a=2").count(" reading ") == 1
    manifest, config, entries = counter.documents()
    assert counter.sent == entries[1]["size"] + config + manifest


def test_an_image_of_nix2container(
    run: Run, counter: Counter, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(os.urandom(1000))
        paths.append(nix(nix_environ, "store", "add-file", "--name", name, str(tmp_path / name)))
    tars = [b"".join(tar_pieces([LayerPath(path.encode())], WriterVersion())) for path in paths]
    image = tmp_path / "image.json"
    image.write_bytes(
        image_json(
            [layer_json(digest_of(tar), {"path": path}) for tar, path in zip(tars, paths, strict=True)]
        )
    )
    run("--source", str(image), "--labels", "a=1")
    assert " reading " not in run("--source", str(image), "--labels", "a=2")
    counter.assert_only_documents()
    nix(nix_environ, "store", "delete", *paths)
