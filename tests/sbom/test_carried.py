"""What files carry: real programs, each form of each format, and whatever may be wrong with a file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import struct
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.model import CompressedBlob, Layer, digest_of
from flakeship.image.stream import chunks
from flakeship.sbom.carried.files import carried_by, found_on_disk
from flakeship.sbom.carried.layers import PassingLayers
from flakeship.sbom.carried.parts import Carried, Findings, Part, UnreadableError
from flakeship.sbom.components import Knowledge
from flakeship.sbom.layer_paths import LayerPaths
from tests.sbom.elf_files import HUGO, RIPGREP, crate, crates, elf, inline, pointers
from tests.sbom.knowing import bill, path_info, store_path
from tests.sbom.validators import cyclonedx_of, spdx_of

GO = inline(b"go1.22.3 X:nocoverageredesign", HUGO)
FOUND_IN_HUGO = {
    "pkg:golang/stdlib@1.22.3",
    "pkg:golang/github.com/burntsushi/toml@v1.3.2",
    "pkg:golang/github.com/new/fork/v2@v2.0.1%2Bincompatible",
}
METADATA = b"Metadata-Version: 2.1\nName: Flask_RESTful\nVersion: 0.3.10\nSummary: x\n\nVersion: 9\n"


def carried(data: bytes, kind: str = "program") -> Carried | None:
    return carried_by(kind, lambda offset, size: data[offset : offset + size])  # type: ignore[arg-type]


def names(found: Carried | None) -> set[tuple[str, str]]:
    return {(part.name, part.version) for part in found.needs} if found else set()


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("little", [True, False])
def test_each_form_of_elf_and_of_go(wide: bool, little: bool) -> None:
    expected = {
        ("stdlib", "1.22.3"),
        ("github.com/BurntSushi/toml", "v1.3.2"),
        ("github.com/new/fork/v2", "v2.0.1+incompatible"),
    }
    new = elf({".text": b"x", ".go.buildinfo": GO}, wide=wide, little=little)
    assert names(carried(new)) == expected
    assert names(carried(pointers(b"go1.22.3", HUGO, wide=wide, little=little))) == expected


def test_crates_that_only_build_are_no_part_of_a_program() -> None:
    found = carried(elf({".dep-v0": RIPGREP}))
    assert found
    ripgrep, regex, memchr = (
        Part("cargo", "ripgrep", "14.1.0", "local"),
        Part("cargo", "regex", "1.10.2"),
        Part("cargo", "memchr", "2.6.4"),
    )
    assert found.tops == {ripgrep}
    assert found.needs == {ripgrep: {regex, memchr}, regex: {memchr}, memchr: frozenset()}


def test_a_real_program_of_go() -> None:
    """act is one of our test tools: it comes with the modules that it was made from."""
    program = Path(sys.executable).parent / "act"
    found = carried(program.read_bytes())
    assert found
    assert {"stdlib", "github.com/spf13/cobra"} <= {part.name for part in found.needs}


DAMAGED: dict[str, bytes] = {
    "cut off": elf({".dep-v0": RIPGREP})[:-100],
    "sections out of the file": elf({".dep-v0": RIPGREP}).replace(struct.pack("<Q", 160), struct.pack("<Q", 1 << 63)),
    "no zlib": elf({".dep-v0": b"crates"}),
    "zlib cut off": elf({".dep-v0": RIPGREP[:-8]}),
    "a bomb": elf({".dep-v0": zlib.compress(bytes(64 << 20))}),
    "a section too large": elf({".dep-v0": random.Random(1).randbytes(2 << 20)}),
    "no list": elf({".dep-v0": zlib.compress(b'{"packages": 1}')}),
    "a row of brackets": elf({".dep-v0": zlib.compress(b"[" * 100_000)}),
    "a crate without a version": elf({".dep-v0": crates({"name": "x", "source": "local"})}),
    "a crate with an odd name": elf({".dep-v0": crates(crate("a\x1b[31m", "1.0"))}),
    "too many crates": elf({".dep-v0": crates(*[crate("x", "1")] * 20_001)}),
    "no magic of Go": elf({".go.buildinfo": bytes(64)}),
    "a text of Go cut off": elf({".go.buildinfo": GO[:40]}),
    "a pointer out of the file": elf({".go.buildinfo": b"\xff Go buildinf:\x08\0".ljust(64, b"\xff")}),
    "a pointer of three bytes": elf({".go.buildinfo": b"\xff Go buildinf:\x03\0".ljust(64, b"\xff")}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_counted_and_nothing_else(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        carried(data)
    path = store_path("broken-1.0")
    write(tmp_path, f"{path}/bin/broken", data)
    write(tmp_path, f"{path}/bin/whole", elf({".dep-v0": RIPGREP}))
    found = found_on_disk([path], root=str(tmp_path))
    assert found.unreadable == {f"{path}/bin/broken"}
    assert len(found.by_path[path].needs) == 3, "what lies beside it is found"
    assert "flakeship:files-unreadable" in json.dumps(
        cyclonedx_of(bill(Knowledge(carried=found), path))["metadata"]
    )


@given(st.binary(max_size=300), st.integers(0, 1000), st.booleans())
def test_no_bytes_are_an_error_of_another_kind(noise: bytes, place: int, whole: bool) -> None:
    data = noise if whole else bytearray(elf({".dep-v0": RIPGREP, ".go.buildinfo": GO}))
    if isinstance(data, bytearray):
        data[place : place + len(noise)] = noise
    with contextlib.suppress(UnreadableError):
        carried(bytes(data))


def write(root: Path, path: str, data: bytes, mode: int = 0o555) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    place.chmod(mode)


RUST, HUGO_PATH, FLASK, PLAIN = map(
    store_path, ("ripgrep-14.1.0", "hugo-0.120", "python3.11-Flask-RESTful-0.3.10", "data")
)
FILES = {
    f"{RUST}/bin/rg": (elf({".dep-v0": RIPGREP}), 0o555),
    f"{RUST}/lib/python3.11/site-packages/{'x' * 120}/_rust.abi3.so": (
        elf({".dep-v0": crates(crate("regex", "1.10.2"), crate("pyo3", "0.20.0"))}),
        0o444,
    ),
    f"{HUGO_PATH}/bin/hugo": (elf({".go.buildinfo": GO}), 0o555),
    f"{HUGO_PATH}/share/not-a-program": (elf({".dep-v0": RIPGREP}), 0o444),
    f"{FLASK}/lib/python3.11/site-packages/flask_restful-0.3.10.dist-info/METADATA": (METADATA, 0o444),
    f"{FLASK}/lib/python3.11/site-packages/_vendor/six-1.16.0.dist-info/METADATA": (
        b"Name: six\nVersion: 1.16.0\n\n",
        0o444,
    ),
    f"{PLAIN}/bin/script": (b"#!/bin/sh\n" + b"# " * 100, 0o555),
}


def on_disk(folder: Path) -> Findings:
    for path, (data, mode) in FILES.items():
        write(folder, path, data, mode)
    (folder / PLAIN.lstrip("/") / "loop").symlink_to(".")
    return found_on_disk([RUST, HUGO_PATH, FLASK, PLAIN, store_path("elsewhere")], root=str(folder))


def tar_of(format_: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
        for path, (data, mode) in FILES.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
        tar.addfile(tarfile.TarInfo("etc/passwd"))
    return file.getvalue()


def in_layers(folder: Path, format_: int = tarfile.PAX_FORMAT, compressed: bool = False) -> Findings:
    passing = PassingLayers(lambda: folder, lambda path: False)
    data = tar_of(format_)
    digest = digest_of(data)
    blob = CompressedBlob(digest, len(data), "", lambda: io.BytesIO(data)) if compressed else None
    layer = passing.watch(Layer(digest, lambda: io.BytesIO(data), digest, compressed=blob))
    reader = layer.open()
    if layer.compressed and layer.compressed.watch:
        reader = layer.compressed.watch(layer.compressed.open())
    sizes = random.Random(1)
    while reader.read(sizes.randrange(1, 700)):
        pass
    assert passing.paths == {digest: LayerPaths(frozenset({RUST, HUGO_PATH, FLASK, PLAIN}))}
    return passing.found


@pytest.mark.parametrize(
    "found",
    [
        on_disk,
        in_layers,
        lambda folder: in_layers(folder, tarfile.GNU_FORMAT),
        lambda folder: in_layers(folder, compressed=True),
    ],
    ids=["on disk", "in a layer", "in a layer of GNU's tar", "in a blob"],
)
def test_packages_inside_are_components_below_their_own(
    found: Callable[[Path], Findings], tmp_path: Path
) -> None:
    findings = found(tmp_path)
    assert findings.read == {RUST, HUGO_PATH, FLASK, PLAIN}
    infos = {path: path_info(path) for path in findings.read}
    made = bill(Knowledge(infos, carried=findings))
    document = cyclonedx_of(made)
    spdx_of(made)
    purls = {each["bom-ref"]: each["purl"] for each in document["components"]}
    below = {
        purls.get(node["ref"], "image"): {purls[each] for each in node["dependsOn"]}
        for node in document["dependencies"]
    }
    assert below["pkg:nix/ripgrep@14.1.0"] == {"pkg:cargo/ripgrep@14.1.0", "pkg:cargo/pyo3@0.20.0", "pkg:cargo/regex@1.10.2"}  # fmt: skip
    assert below["pkg:cargo/ripgrep@14.1.0"] == {"pkg:cargo/regex@1.10.2", "pkg:cargo/memchr@2.6.4"}
    assert below["pkg:nix/hugo@0.120"] == FOUND_IN_HUGO
    assert below["pkg:pypi/flask-restful@0.3.10"] == {"pkg:pypi/six@1.16.0"}, (
        "a package of Python that says the same of itself has the purl of the registry"
    )
    assert "pkg:nix/python3.11-Flask-RESTful@0.3.10" not in purls.values()
    assert below["image"] == {purls[path.rpartition("/")[2]] for path in infos}, "all else is below these"
    stdlib = next(each for each in document["components"] if each["name"] == "stdlib")
    assert stdlib["cpe"] == "cpe:2.3:a:golang:go:1.22.3:*:*:*:*:*:*:*"
    counts = {each["name"]: each["value"] for each in document["metadata"]["properties"]}
    assert (counts["flakeship:paths-read"], counts["flakeship:packages-inside"]) == ("4", "8")
    assert made == bill(Knowledge(infos, carried=found(tmp_path / "again")))


def test_a_crate_from_elsewhere_is_not_the_one_of_the_registry() -> None:
    """They have one name and one version, and may differ."""
    path, found = store_path("x-1"), Findings()
    found.note(path, Carried.of(Part("cargo", "regex", "1.0", source) for source in ("", "git", "local")))
    parts = [
        each
        for each in cyclonedx_of(bill(Knowledge(carried=found), path))["components"]
        if each["name"] == "regex"
    ]
    facts = [{fact["name"]: fact["value"] for fact in each["properties"]} for each in parts]
    assert {each["purl"] for each in parts} == {"pkg:cargo/regex@1.0"}
    assert [(each.get("cargo:source"), each["flakeship:found-in"]) for each in facts] == [
        (source, "cargo-auditable") for source in (None, "git", "local")
    ]
    assert [each["bom-ref"] for each in parts] == [
        f"pkg:cargo/regex@1.0{mark}" for mark in ("", "#git", "#local")
    ]
    spdx = json.dumps(spdx_of(bill(Knowledge(carried=found), path)))
    assert "stated by cargo-auditable; taken from git" in spdx


def test_a_layer_that_was_not_read_to_its_end_is_not_counted_as_read(tmp_path: Path) -> None:
    passing = PassingLayers(lambda: tmp_path, lambda path: path == RUST)
    data = tar_of(tarfile.PAX_FORMAT)
    watched = [
        passing.watch(Layer(key, lambda text=text: io.BytesIO(text)))  # type: ignore[misc]
        for key, text in (("half", data), ("cut", data[:3000]), ("whole", data))
    ]
    watched[0].open().read(2000)
    for layer in watched[1:]:
        for _ in chunks(layer.open()):
            pass
    assert passing.paths.keys() == {"whole"}
    assert passing.found.read == {HUGO_PATH, FLASK, PLAIN}, "what lies on this machine is read there"
    assert RUST not in passing.found.by_path
    assert not list(tmp_path.iterdir())


def test_after_its_time_the_rest_is_left_out(tmp_path: Path) -> None:
    on_disk(tmp_path)
    ticks = iter(range(100))
    found = found_on_disk(
        [RUST, HUGO_PATH, FLASK], root=str(tmp_path), limit=2, clock=lambda: float(next(ticks))
    )
    assert len(found.read) < 3
    assert not found.unreadable


def test_a_folder_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, f"{PLAIN}/METADATA", b"", 0o444)
    os.mkfifo(tmp_path / PLAIN.lstrip("/") / "x.dist-info")
    assert found_on_disk([PLAIN], root=str(tmp_path)).read == {PLAIN}


@pytest.mark.long
def test_a_layer_made_to_take_memory_and_time_gets_neither(tmp_path: Path) -> None:
    """20,000 descriptions of packages in one store path, half of them damaged: none of it may grow with the square."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(20_000):
            data = b"Name: x\nVersion: %d\n" % number if number % 2 else b"?"
            member = tarfile.TarInfo(f"{PLAIN.lstrip('/')}/{number}.dist-info/METADATA")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    passing = PassingLayers(lambda: tmp_path, lambda path: False)
    begun = time.process_time()
    for _ in chunks(passing.watch(Layer("key", lambda: io.BytesIO(file.getvalue()))).open()):
        pass
    assert time.process_time() - begun < 20
    assert len(passing.found.by_path[PLAIN].needs) == len(passing.found.unreadable) == 10_000
