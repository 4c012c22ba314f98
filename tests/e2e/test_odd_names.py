"""Names that few think of, in a layer of ours, unpacked by a real engine."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from flakeship.image.tar.writer import tar_of
from tests.testbed.docker import Docker

NAMES = [
    b"two\nlines",
    b"caf\xc3\xa9",
    b"\xff\xfe no UTF-8",
    b"n" * 255,
    b"\xff" * 101 + b"not UTF-8 and too long for a field",
    b"d" * 200 + b"/" + b"n" * 150,
    b"back\\slash",
    b" ",
]


def test_an_engine_unpacks_them(dockerd: Docker, tmp_path: Path) -> None:
    top = tmp_path / "odd"
    for number, name in enumerate(NAMES):
        place = top / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"content %d" % number)
    (top / "link").symlink_to("t" * 300)
    with tar_of([str(top)]) as reader:
        image = dockerd("import", "-", stdin=reader.read()).strip()
    container = ""
    try:
        container = dockerd("create", image, "none").strip()
        exported = dockerd.run("export", container).stdout
    finally:
        dockerd.run("rm", "--force", container)
        dockerd.run("image", "rm", "--force", image)
    with tarfile.open(fileobj=io.BytesIO(exported), encoding="utf-8", errors="surrogateescape") as archive:
        found = {
            os.fsencode(member.name).rpartition(b"/odd/")[2]: member
            for member in archive
            if "/odd/" in member.name
        }
        for number, name in enumerate(NAMES):
            file = archive.extractfile(found[name])
            assert file
            assert file.read() == b"content %d" % number
    assert found[b"link"].linkname == "t" * 300
