"""Images of what caches have, on runners with an empty store: the same as elsewhere, and nothing is realised for them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.repository import read_root
from tests.caches.faulty import FAULTS, HARMLESS, faulty
from tests.sbom.validators import valid_cyclonedx
from tests.testbed.command import Ended
from tests.testbed.far_flake import write_document, write_far_flake
from tests.testbed.own_store import OwnStore, OwnStores, new_store
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

KEY = "cache.test-1"
KINDS = ("package", "script")
BUILT = {
    "package-1",
    "tools",
    "others",
    "data",
    "small",
    "server",
    "stream-shapes",
    "conf.json",
    "customisation",
    "far-stream",
    "image.json",
}
GIVEN_UP = "so what the image needs is realised here, as Nix does it"


@dataclass(frozen=True, slots=True)
class Built:
    """What a runner has built of `flake`: `kept` is the cache that it kept it in, `copied` a folder as `nix copy` writes it, signed."""

    flake: Path
    kept: str
    copied: Path
    key: str
    images: Mapping[str, str]
    """The digest of each image as it is with all of it in the store."""
    listed: Mapping[str, Any]
    """What the SBOM of each image lists then."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, nix_environ: Mapping[str, str]) -> Built:
    folder = tmp_path_factory.mktemp("built")
    flake, kept = folder / "app", f"oci:{folder}/kept"
    write_far_flake(flake, salt=str(uuid.uuid4()))
    runner = new_store(folder / "runner", nix_environ)
    images, listed = {}, {}
    for kind in KINDS:
        publish(runner, flake, kind, folder / kind, "--nix-cache", kept, *with_sbom(folder / kind))
        images[kind] = manifest(folder / kind)
        listed[kind] = components(folder / kind)
    names = " ".join(f"path:{flake}#{name}" for name in ("package", "tools", "others", "script"))
    script = f"""
        nix-store --generate-binary-cache-key {KEY} {folder}/secret {folder}/public
        nix copy --to 'file://{folder}/copied?secret-key={folder}/secret&compression=zstd' {names}
    """
    argv = runner.command("sh", "-euc", script)
    subprocess.run(argv, env=runner.environ, check=True, capture_output=True)
    return Built(flake, kept, folder / "copied", (folder / "public").read_text(), images, listed)


def with_sbom(image: Path) -> tuple[str, ...]:
    """The flags for an SBOM in a folder beside the image."""
    beside = image.with_suffix(".sbom")
    beside.mkdir(parents=True)
    return ("--sbom", "true", "--metadata-file", f"{beside}/m.json")


def components(image: Path) -> Any:
    (file,) = image.with_suffix(".sbom").glob("*.cdx.json")
    return valid_cyclonedx(file.read_text())["components"]


def manifest(layout: Path) -> str:
    """The digest of the image that a layout holds."""
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


def told(done: Ended) -> str:
    """The line about caches, of which there is one."""
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("Nix: "))
    return line


def realised(runner: OwnStore) -> set[str]:
    """The names of what lies in the store of a runner and was built, by whomever: sources are there, which evaluating brings."""
    return {path.name[33:] for path in (runner.folder / "nix/store").iterdir()} & BUILT


def publish(runner: OwnStore, flake: Path, kind: str, to: Path, *flags: str) -> Ended:
    flags = ("--flake", f"path:{flake}#{kind}", "--created", "keep", "--to", f"oci:{to}", *flags)
    if kind == "package":
        flags += ("--contents", f"path:{flake}#tools\npath:{flake}#others")
    done = runner.publish(*flags, cwd=flake)
    assert done.code == 0, done.stderr
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_image_and_nothing_in_the_store(
    cold: OwnStores, built: Built, tmp_path: Path, kind: str
) -> None:
    runner = cold()
    flags = ("--nix-cache", built.kept, *with_sbom(tmp_path / "image"))
    done = publish(runner, built.flake, kind, tmp_path / "image", *flags)
    assert manifest(tmp_path / "image") == built.images[kind]
    assert components(tmp_path / "image") == built.listed[kind]
    assert realised(runner) == set()
    name = re.escape(f"the cache {built.kept}")
    assert re.fullmatch(rf"Nix: \d paths from {name}; nothing new in {name}", told(done))


@pytest.mark.long
def test_a_document_of_nix2container(cold: OwnStores, nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    flake, cache = tmp_path / "app", ("--nix-cache", f"oci:{tmp_path}/cache")
    write_far_flake(flake, salt=str(uuid.uuid4()))
    argv = ["nix", "build", "--no-link", "--json", f"path:{flake}#data"]
    done = subprocess.run(argv, env=nix_environ, check=True, capture_output=True)
    write_document(flake, json.loads(done.stdout)[0]["outputs"]["out"], 0)
    publish(cold(), flake, "document", tmp_path / "first", *cache)
    runner = cold()
    publish(runner, flake, "document", tmp_path / "second", *cache)
    assert manifest(tmp_path / "second") == manifest(tmp_path / "first")
    assert realised(runner) == set()


def test_of_what_the_registry_has_no_byte_is_read(
    cold: OwnStores, built: Built, registry: Registry, tmp_path: Path
) -> None:
    """Of the second image the package is read, to know its programs."""
    reference = f"{registry.host}/{registry.new_repository()}:1"
    cache = ("--substituters", f"file://{built.copied}", "--trusted-public-keys", built.key)
    flags = ("--plain-http", registry.host, "--tags", reference, *cache)
    first = publish(cold(), built.flake, "package", tmp_path / "image", *flags)
    assert manifest(tmp_path / "image") == built.images["package"]
    assert told(first) == f"Nix: 5 paths from file://{built.copied}"
    runner = cold()
    second = runner.publish("--flake", f"path:{built.flake}#package", *flags, cwd=built.flake)
    assert second.code == 0, second.stderr
    assert (
        told(second)
        == f"Nix: 1 path from file://{built.copied}, 2 paths known by their hashes and not fetched"
    )
    assert realised(runner) == set()


OFTEN = ("a nar is corrupt",)
"""The fault that each run tries; the others are like it."""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(name, marks=[] if name in OFTEN else pytest.mark.long)
        for name in FAULTS
        if name not in HARMLESS
    ],
)
def test_a_cache_that_fails_in_the_middle(cold: OwnStores, built: Built, tmp_path: Path, fault: str) -> None:
    """What is believed of it is the right thing, or nothing: the image is the same, and what can't be had is realised."""
    with faulty(built.copied, fault).served() as cache:
        runner = cold()
        flags = ("--substituters", cache.url, "--trusted-public-keys", built.key)
        done = publish(runner, built.flake, "package", tmp_path / "image", *flags)
    assert manifest(tmp_path / "image") == built.images["package"]
    assert done.stderr.count(GIVEN_UP) == (FAULTS[fault][0] == "nar"), done.stderr
    assert done.stderr.count("warning: ") == 1, done.stderr
    assert realised(runner) > {"package-1", "small"}


@pytest.mark.long
def test_a_whole_nar_of_another_path(cold: OwnStores, built: Built, tmp_path: Path) -> None:
    """What is signed is the hash of the NAR: where its file lies, and that file's own hash, anybody may write."""
    folder = tmp_path / "lying"
    shutil.copytree(built.copied, folder)
    narinfos = {file: file.read_text() for file in folder.glob("*.narinfo")}
    other = next(text for text in narinfos.values() if "-others\n" in text)
    place = re.findall(r"(?m)^(?:URL|FileHash|FileSize): .*$", other)
    for file, text in narinfos.items():
        if re.search(r"(?m)^StorePath: .*-(small|data)$", text):
            kept = re.sub(r"(?m)^(URL|FileHash|FileSize): .*\n", "", text)
            file.write_text(kept.replace("Compression", "\n".join((*place, "Compression")), 1))
    runner = cold()
    flags = ("--substituters", f"file://{folder}", "--trusted-public-keys", built.key)
    done = publish(runner, built.flake, "package", tmp_path / "image", *flags)
    assert manifest(tmp_path / "image") == built.images["package"]
    assert done.stderr.count(GIVEN_UP) == 1, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("bad", ["damaged", "gone"])
def test_one_warning_names_our_cache_and_the_reason(
    cold: OwnStores, built: Built, tmp_path: Path, bad: str
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(built.kept.removeprefix("oci:"), cache)
    repository = LayoutRepository(cache)
    for tag in repository.tags():
        root = read_root(repository, tag)
        for digest, size in root.manifest.packs if root else ():
            pack = cache / "blobs/sha256" / digest.partition(":")[2]
            if bad == "gone":
                pack.unlink()
            else:
                pack.write_bytes(bytes(size))
    runner = cold()
    done = publish(runner, built.flake, "package", tmp_path / "image", "--nix-cache", f"oci:{cache}")
    assert manifest(tmp_path / "image") == built.images["package"]
    (warning,) = (line for line in done.stderr.splitlines() if line.startswith("warning: "))
    assert f"oci:{cache}" in warning
