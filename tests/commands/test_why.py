"""`flakeship why`: the chain of references to a package, from whoever knows it; and what is said where nobody does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship import events
from flakeship.attest.artifact import CYCLONEDX, Artifact, manifest_of
from flakeship.commands.why.command import run
from flakeship.errors import Error, NotAnImageError, UsageError
from flakeship.image.model import Descriptor, parse_digest
from flakeship.nix.closure import PathInfo
from flakeship.registry.referrers import fallback_tag
from flakeship.sbom.components import Knowledge, bill_of
from flakeship.sbom.formats import written_as
from flakeship.settings.declaration import Settings
from tests.commands.test_diff import pushed
from tests.runtimes import runtime
from tests.sources.layouts import INDEX, Layout
from tests.testbed.nix import MakeFlake
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.served import served
from tests.testbed.store_images import image_folder, paths_of, store_image

__all__ = ["registry"]

APP, CURL, SSL, SSL_BIN, GLIBC = paths_of("app-1.0", "curl-8.5.0", "openssl-3.0.8", "openssl-3.0.8-bin", "glibc-2.40-66")  # fmt: skip
BELOW = {APP: (CURL, SSL), CURL: (SSL, GLIBC), SSL: (GLIBC,), SSL_BIN: (SSL,), GLIBC: ()}
Print: TypeAlias = Callable[..., tuple[str, list[events.Event]]]


@pytest.fixture
def printed(tmp_path: Path) -> Print:
    """`printed(image, package, …)` is what the command prints, without Nix, and what it tells."""
    image_folder(
        tmp_path / "image",
        [APP],
        [CURL],
        [SSL, SSL_BIN],
        [GLIBC],
        runtime={"Entrypoint": [f"{APP}/bin/app"], "Env": [f"SSL={SSL_BIN}/bin"]},
        annotations={"dev.flakeship.source": APP},
    )

    def run_(image: str, package: str, **inputs: Any) -> tuple[str, list[events.Event]]:
        machine, told = runtime(tmp_path, {"PATH": "/nowhere"})
        return run(Settings(image=image, package=package, **inputs), machine), told

    return run_


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder as a binary cache: the files that tell of each path."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    for path, below in BELOW.items():
        names = " ".join(each.removeprefix("/nix/store/") for each in below)
        text = (
            f"StorePath: {path}\nURL: nar/x\nNarHash: sha256:{'0' * 52}\nNarSize: 2000\nReferences: {names}\n"
        )
        (folder / f"{path.removeprefix('/nix/store/')[:32]}.narinfo").write_text(text)
    return folder


@pytest.fixture
def cache_url(cache: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(cache)))
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_cache_tells_the_references(printed: Print, cache: Path, cache_url: str) -> None:
    text, told = printed("./image", "openssl", substituters=(cache_url,))
    assert not [each for each in told if isinstance(each, events.Warned)]
    first, second = text.split("\n\n")
    lines = first.splitlines()
    assert lines[0] == f"{SSL}  2.0 kB"
    assert lines[1].startswith("  in layer sha256:")
    assert lines[1].endswith("with 1 other)")
    assert lines[2:] == [
        "  app-1.0  2.0 kB  (Entrypoint names it)",
        "  └─ openssl-3.0.8  2.0 kB",
        "  openssl-3.0.8-bin  2.0 kB  (Env names it)",
        "  └─ openssl-3.0.8  2.0 kB",
    ]
    assert "  Env names it" in second
    document = json.loads(printed("./image", "glibc*", substituters=(f"file://{cache}",), json=True)[0])
    assert document["references_known"]
    (found,) = document["found"]
    assert found["chains"] == [[APP, CURL, GLIBC], [SSL_BIN, SSL, GLIBC]]
    assert found["referrers"] == [CURL, SSL]


def test_an_sbom_tells_them(printed: Print, tmp_path: Path) -> None:
    infos = {path: PathInfo(path, "sha256-x", 100, below) for path, below in BELOW.items()}
    bill = bill_of(infos, Knowledge(infos), name="o/n", version="", created="1970-01-01T00:00:01Z", maker="1")
    (tmp_path / "sbom.json").write_text(written_as(bill, "cyclonedx"))
    text, _ = printed("./sbom.json", "glibc")
    assert "app-1.0  100 B\n  └─ curl-8.5.0  100 B\n     └─ glibc-2.40-66  100 B\n  openssl-3.0.8-bin" in text


def test_an_sbom_that_is_attached_tells_them(
    printed: Print, tmp_path: Path, registry: MemoryRegistry
) -> None:
    name = pushed(tmp_path / "image", registry)
    repository = name.partition("/")[2].partition(":")[0]
    digest = registry.digest(repository, "1")
    infos = {path: PathInfo(path, "sha256-x", 100, below) for path, below in BELOW.items()}
    bill = bill_of(infos, Knowledge(infos), name="o/n", version="", created="1970-01-01T00:00:01Z", maker="1")
    data = written_as(bill, "cyclonedx").encode()
    subject = Descriptor("application/vnd.oci.image.manifest.v1+json", parse_digest(digest), 1)
    artifact = manifest_of(Artifact(kind="sbom", subject=subject, artifact_type=CYCLONEDX, data=data))
    for entry, content in artifact.blobs:
        registry.blobs[repository, entry.digest] = content
    registry.manifests[repository, artifact.descriptor.digest] = (subject.media_type, artifact.data)
    listed = json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [artifact.descriptor.to_json()]}
    )
    registry.manifests[repository, fallback_tag(parse_digest(digest))] = (INDEX, listed.encode())
    text, told = printed(name, "glibc")
    assert (
        "app-1.0  100 B  (Entrypoint names it)\n  └─ curl-8.5.0  100 B\n     └─ glibc-2.40-66  100 B" in text
    )
    assert not [each for each in told if isinstance(each, events.Warned)]
    registry.blobs[repository, artifact.blobs[-1][0].digest] = b"{}"
    text, told = printed(name, "glibc")
    assert "what refers to it is not known" in text
    assert any("as its SBOM, is left out" in each.text for each in told if isinstance(each, events.Warned))


def test_where_nobody_knows_the_layer_is_told_and_what_to_do(printed: Print) -> None:
    text, told = printed("./image", "curl")
    assert text.splitlines()[0] == CURL
    assert text.splitlines()[1].startswith("  in layer sha256:")
    assert text.splitlines()[2] == "  what refers to it is not known"
    (warned,) = [each for each in told if isinstance(each, events.Warned)]
    assert warned.text == "nobody here knows what the store paths of ./image refer to"
    assert "--substituters URL" in warned.hint


def test_what_is_known_in_part_says_so(printed: Print, cache: Path) -> None:
    (cache / f"{APP.removeprefix('/nix/store/')[:32]}.narinfo").unlink()
    text, told = printed("./image", "glibc", substituters=(f"file://{cache}",))
    (warned,) = [each for each in told if isinstance(each, events.Warned)]
    assert (
        "nobody here knows what 1 of 5 store paths of ./image refer to, so chains may be missing"
        in warned.text
    )
    assert "curl-8.5.0  2.0 kB\n  └─ glibc" in text


@pytest.mark.parametrize(
    ("package", "count"),
    [("openssl", 2), ("openssl-3.0.8", 2), ("openssl-3.0.8-bin", 1), (SSL, 1), (SSL.removeprefix("/nix/store/"), 1), (SSL.removeprefix("/nix/store/")[:9], 1), (f"{SSL}/lib/libssl.so", 1), ("*ssl*", 2), ("[ag]*", 2)],
)  # fmt: skip
def test_what_a_package_may_be_called(package: str, count: int, printed: Print) -> None:
    assert len(json.loads(printed("./image", package, json=True)[0])["found"]) == count


@pytest.mark.parametrize(
    ("image", "package", "kind", "words"),
    [
        ("", "", UsageError, "`why` needs an image and a package, and no image is named"),
        ("./image", "", UsageError, "and no package is named"),
        ("./image", "opensl", UsageError, "'opensl' is not in ./image; it has openssl"),
        ("./image", "ssl", UsageError, "'ssl' is not in ./image; it has openssl"),
        ("./image", "python3", UsageError, "'python3' is not in ./image"),
        ("./image", "/nix/store/x", UsageError, "'/nix/store/x' is not in ./image"),
        ("openssl", "./image", UsageError, "'./image' is no name of a package: the image stands first"),
        ("openssl", "ghcr.io/octo/app:1", UsageError, "'ghcr.io/octo/app:1' is no name of a package"),
        ("./image", "[", UsageError, "'[' is not in ./image"),
        ("./foreign", "bash", NotAnImageError, "./foreign holds no store path"),
        ("./two", "bash", UsageError, "holds 2 images, for linux/amd64, linux/arm64, and `why` looks at one"),
        ("./gone", "bash", UsageError, "there is nothing at"),
    ],
)
def test_what_has_no_reason(image: str, package: str, kind: type[Error], words: str, *, printed: Print, tmp_path: Path) -> None:  # fmt: skip
    foreign, two = Layout(), Layout()
    foreign.listing(foreign.image("not by Nix")).folder(tmp_path / "foreign")
    entries = [
        store_image(two, [APP], architecture=each, platform={"os": "linux", "architecture": each})
        for each in ("amd64", "arm64")
    ]
    two.listing(two.index_of(*entries)).folder(tmp_path / "two")
    with pytest.raises(kind) as caught:
        printed(image, package)
    assert words in caught.value.message
    assert caught.value.hint


def test_layers_that_were_not_looked_into_are_told(tmp_path: Path) -> None:
    """A package may lie in one of them."""
    layout = Layout()
    found = store_image(layout, [APP], [CURL])
    manifest = json.loads(layout.blobs[found["digest"]])
    config = json.loads(layout.blobs[manifest["config"]["digest"]])
    config["history"][1]["comment"] = "of a base image"
    manifest["config"] = layout.json(config, manifest["config"]["mediaType"])
    layout.listing(layout.json(manifest, found["mediaType"])).folder(tmp_path / "image")
    machine, told = runtime(tmp_path, {"PATH": "/nowhere"})
    with pytest.raises(UsageError, match="'curl' is not in"):
        run(Settings(image="./image", package="curl"), machine)
    assert [each.text for each in told if isinstance(each, events.Notice)] == [
        "not looked into: 1 layer of which the history names no store path, as it does of others"
    ]


@pytest.mark.parametrize("answer", ["<html>", "StorePath: x\n", "", None])
def test_a_cache_that_answers_oddly_is_told(
    answer: str | None, printed: Print, cache: Path, cache_url: str
) -> None:
    if answer is None:
        (cache / "nix-cache-info").unlink()
    for file in cache.glob("*.narinfo"):
        file.write_text(answer or "")
    text, told = printed("./image", "curl", substituters=(cache_url,))
    assert "what refers to it is not known" in text
    said = [each.text for each in told if isinstance(each, events.Notice | events.Warned)]
    assert any("did not answer" in line or "can't be asked" in line or "nobody here" in line for line in said)


@pytest.mark.slow
def test_the_store_of_this_machine_tells_them(
    make_flake: MakeFlake, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    target = f"path:{make_flake()}#hello"
    build = ["nix", "build", target, "--out-link", str(tmp_path / "result")]
    subprocess.run(build, env=nix_environ, check=True, capture_output=True)
    machine, told = runtime(tmp_path, nix_environ)
    nowhere = (f"file://{tmp_path}/no-cache",)
    assert run(Settings(image="./result", package="bin", substituters=nowhere), machine)
    text = run(Settings(image="./result", package="bin"), machine)
    assert not [each for each in told if isinstance(each, events.Warned)]
    assert "  └─ bin" in text
    assert text.splitlines()[1].startswith("  hello-2.12  ")
