"""The first program of a layer, told by its header while the layer passes by in pieces of any size."""

from __future__ import annotations

import io
import random
import struct
import tarfile

import pytest

from flakeship.image.model import Layer
from flakeship.image.program_header import MACOS, architecture_in
from flakeship.lint.programs import FirstProgram, Programs
from tests.testbed import archives

MACHINES = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 22: "s390x", 21: "ppc64le"}


def elf(machine: int) -> bytes:
    big = machine == 22
    return (
        b"\x7fELF\x02"
        + (b"\x02" if big else b"\x01")
        + bytes(10)
        + struct.pack(">HH" if big else "<HH", 2, machine)
        + bytes(80)
    )


def tar_of(*members: tuple[str, bytes, int], style: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as tar:
        for name, data, mode in members:
            info = archives.member(name, size=len(data))
            info.mode = mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def found_in(tar: bytes, *, step: int = 1 << 20) -> tuple[str, str] | None:
    search = FirstProgram()
    for start in range(0, len(tar), step):
        search.feed(tar[start : start + step])
    return search.found


@pytest.mark.parametrize(("machine", "architecture"), MACHINES.items())
def test_each_processor_is_known(machine: int, architecture: str) -> None:
    assert found_in(tar_of(("./bin/app", elf(machine), 0o755))) == ("bin/app", architecture)


@pytest.mark.parametrize("magic", [b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"])
def test_a_program_for_macos_is_no_linux_program(magic: bytes) -> None:
    assert architecture_in(magic + bytes(30)) == MACOS


@pytest.mark.parametrize(
    "tar",
    [
        tar_of(("lib/firmware.elf", elf(183), 0o644)),
        tar_of(("bin/script", b"#!/bin/sh\n" * 10, 0o755)),
        tar_of(("bin/unknown", elf(999), 0o755)),
        tar_of(("bin/short", b"\x7fELF", 0o755)),
        tar_of(),
        b"no tar at all" * 100,
        b"",
    ],
)
def test_what_is_no_program_of_a_known_processor(tar: bytes) -> None:
    """A file that may not be executed is data, such as firmware for another processor."""
    assert found_in(tar) is None


def test_pieces_of_any_size_tell_the_same() -> None:
    chosen = random.Random(16)
    for _ in range(40):
        before = [
            (f"share/{'x' * chosen.randrange(150)}{n}", bytes(chosen.randrange(3000)), 0o644)
            for n in range(chosen.randrange(5))
        ]
        style = chosen.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
        tar = tar_of(*before, ("bin/app", elf(183), 0o755), ("bin/b", elf(62), 0o755), style=style)
        assert found_in(tar, step=chosen.randrange(1, 5000)) == ("bin/app", "arm64")


def test_a_layer_is_watched_while_it_is_read_and_unchanged() -> None:
    tar = tar_of(("etc/motd", b"x", 0o644), ("bin/app", elf(62), 0o755))
    programs = Programs()
    layer = programs.watch(Layer("key", lambda: io.BytesIO(tar)))
    assert not programs
    with layer.open() as reader:
        assert b"".join(iter(lambda: reader.read(700), b"")) == tar
    assert programs == {"key": ("bin/app", "amd64")}
