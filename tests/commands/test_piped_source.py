"""An image that comes through a pipe is published and looked at as one that lies in a file, or there is an error."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import os
import pty
import resource
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from flakeship import events
from flakeship.commands import inspect
from flakeship.commands.publish import command as publish
from flakeship.commands.runtime import Runtime
from flakeship.errors import NotAnImageError, ResourceError, UsageError
from flakeship.sources.piped import spooled, stdin_file
from tests.runtimes import runtime
from tests.settings.making import settings_of
from tests.testbed import archives

IMAGE = archives.layered()


@contextlib.contextmanager
def pipe(data: bytes) -> Iterator[int]:
    """The end to read from of a pipe that somebody writes to, until the reader has gone or all is written."""
    reader, writer = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as out:
            out.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reader
    finally:
        os.close(reader)
        thread.join()


def machine(folder: Path, stdin: int) -> tuple[Runtime, list[events.Event]]:
    made, told = runtime(folder)
    (folder / "tmp").mkdir(exist_ok=True)
    return dataclasses.replace(made, stdin=stdin, temporary=folder / "tmp"), told


def published(folder: Path, data: bytes, source: str = "-", to: str = "oci:out:1", **given: Any) -> str:
    with pipe(data) as stdin:
        made, _ = machine(folder, stdin)
        text = publish.run(settings_of(source=source, to=(to,), reuse="off", **given), made)
    assert list((folder / "tmp").iterdir()) == []
    return text


def layout_tar(folder: Path, *, compressed: bool = False) -> bytes:
    published(folder, IMAGE, to="oci:layout:1")
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz" if compressed else "w") as tar:
        tar.add(folder / "layout", arcname=".")
    return made.getvalue()


def digest(folder: Path, name: str) -> list[str]:
    """What the layout holds, which is named by its bytes."""
    return sorted(path.name for path in (folder / name / "blobs/sha256").iterdir())


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstandard.compress])
def test_whatever_a_file_may_be(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(IMAGE)
    published(tmp_path, packed(IMAGE))
    publish.run(settings_of(source="image.tar", to=("oci:expected:1",), reuse="off"), runtime(tmp_path)[0])
    assert digest(tmp_path, "out") == digest(tmp_path, "expected")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_layout_in_a_tar(compressed: bool, tmp_path: Path) -> None:
    published(tmp_path, layout_tar(tmp_path, compressed=compressed))
    publish.run(settings_of(source="layout", to=("oci:expected:1",), reuse="off"), runtime(tmp_path)[0])
    assert digest(tmp_path, "out") == digest(tmp_path, "expected")


def test_one_of_several_is_named_behind_the_pipe(tmp_path: Path) -> None:
    several = archives.merged("one:1", "two:1")
    assert published(tmp_path, several, "docker-archive:/dev/stdin:two:1").endswith("out:1")
    assert published(tmp_path, several, "docker-archive:-:@1").endswith("out:1")
    with pytest.raises(NotAnImageError, match="holds 2 images: one:1, two:1"):
        published(tmp_path, several)
    with pytest.raises(
        UsageError, match="names the image 'two:1' of an archive, and image-in-archive is '1'"
    ):
        published(tmp_path, several, "docker-archive:-:two:1", image_in_archive="1")


def test_what_comes_through_a_pipe_has_no_variant_with_a_shell(tmp_path: Path) -> None:
    """It is an image already, and there is nothing to put a shell beside."""
    with pytest.raises(UsageError, match="debug: stdin is an image already"):
        published(tmp_path, IMAGE, to="oci:out", debug=True, tags=())
    assert not (tmp_path / "out/index.json").exists()


@pytest.mark.parametrize("kind", ["fifo", "descriptor"])
def test_pipes_that_have_a_name(kind: str, tmp_path: Path) -> None:
    with pipe(IMAGE) as handle:
        name = f"/dev/fd/{handle}"
        writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(IMAGE,))
        if kind == "fifo":
            name = "fifo"
            os.mkfifo(tmp_path / name)
            writer.start()
        made, _ = machine(tmp_path, 0)
        publish.run(settings_of(source=name, to=("oci:out:1",)), made)
        if writer.ident:
            writer.join()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_dry_run_and_lint_see_all_of_it(tmp_path: Path) -> None:
    with pipe(IMAGE) as stdin:
        made, told = machine(tmp_path, stdin)
        publish.run(settings_of(source="-", to=("oci:out:1",), dry_run=True), made)
    assert not (tmp_path / "out").exists()
    assert [event for event in told if isinstance(event, events.Notice) and "lint: root" in event.text]
    moved = [
        event.count for event in told if isinstance(event, events.BytesMoved) and event.direction == "piped"
    ]
    assert sum(moved) == len(IMAGE)


def test_it_is_looked_at_by_the_name_of_stdin(tmp_path: Path) -> None:
    for data in (IMAGE, gzip.compress(IMAGE)):
        with pipe(data) as stdin:
            made, _ = machine(tmp_path, stdin)
            text = inspect.run(settings_of(image="-"), made)
        assert text.startswith("image     stdin\n")
        assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "nothing came through stdin", "pipefail"),
        (b"\0" * 2_000_000, "what comes through stdin is no image: it is nothing but zeros", "other end"),
        (b"#!/bin/sh\nexec x\n", "it is a script", "pipe what the script writes"),
        (b"/nix/store/abc-image.tar.gz\n", "it is the name of a store path", "--source"),
        (b"hunter2\n", "it is text", "to stderr"),
        (b"PK\x03\x04\xff", "it is of a kind that flakeship does not know", "to stderr"),
        (b'{"a": 1}', "stdin is not an image: it is a JSON document", "nix2container"),
        (IMAGE[:300], "stdin is a damaged archive", "how it ended"),
        (IMAGE[:100_000], "stdin is a damaged archive", "how it ended"),
        (IMAGE[: len(IMAGE) // 512 // 2 * 512], "stdin is a damaged archive", "how it ended"),
        (gzip.compress(IMAGE)[:50_000], "stdin is a damaged archive", "how it ended"),
        (zstandard.compress(IMAGE)[:50_000], "stdin is a damaged archive", "how it ended"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)  # fmt: skip
def test_what_came_was_not_all_or_nothing(data: bytes, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(NotAnImageError) as caught:
        published(tmp_path, data)
    assert message in caught.value.message
    assert str(tmp_path) not in caught.value.message + caught.value.hint
    assert hint in caught.value.hint
    assert "hunter2" not in caught.value.message
    assert not (tmp_path / "out/index.json").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_writer_that_dies_at_any_place_makes_no_image(tmp_path: Path) -> None:
    """The mark at the end of the archive alone may lack."""
    tail = len(IMAGE) - len(IMAGE.rstrip(b"\0"))
    for place in (*range(512, len(IMAGE) - tail, len(IMAGE) // 17), len(IMAGE) - tail - 1):
        with pytest.raises(NotAnImageError):
            published(tmp_path, IMAGE[:place])


def test_a_pipe_whose_reads_do_not_wait_is_waited_for(tmp_path: Path) -> None:
    """So a program that reads many pipes at once leaves it to those that it starts."""
    with pipe(IMAGE) as stdin:
        os.set_blocking(stdin, False)
        made, _ = machine(tmp_path, stdin)
        assert publish.run(settings_of(source="-", to=("oci:out:1",)), made).endswith("out:1")
        assert not os.get_blocking(stdin), "it is not ours alone"


def test_a_terminal_is_no_pipe(tmp_path: Path) -> None:
    main, side = pty.openpty()
    try:
        made, told = machine(tmp_path, side)
        with pytest.raises(UsageError, match="stdin is a terminal") as caught:
            publish.run(settings_of(source="-", to=("oci:out:1",)), made)
    finally:
        os.close(main)
        os.close(side)
    assert "./result | flakeship publish -" in caught.value.hint
    assert not [event for event in told if isinstance(event, events.StageStarted)], "before anything is asked"


def test_what_can_not_be_read_is_no_pipe(tmp_path: Path) -> None:
    only_written = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(UsageError, match="can't read the image from stdin: Bad file descriptor"):
            publish.run(settings_of(source="-", to=("oci:out:1",)), machine(tmp_path, only_written)[0])
    finally:
        os.close(only_written)


def test_a_disk_that_is_full_is_told_and_nothing_left(tmp_path: Path) -> None:
    """A limit on the size of a file stands for the disk: both fail in writing."""

    def pieces() -> Iterator[bytes]:
        while True:
            yield IMAGE

    (tmp_path / "run").mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, hard))
    try:
        with pytest.raises(ResourceError, match="can't keep what comes through stdin in ") as caught:
            spooled((piece for piece in pieces()), tmp_path / "run/source", what="stdin", emit=events.ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large, after " in caught.value.message
    assert "TMPDIR" in caught.value.hint
    assert list((tmp_path / "run").iterdir()) == []


def test_what_has_no_end_and_is_no_image_is_not_kept(tmp_path: Path) -> None:
    asked = []

    def pieces() -> Iterator[bytes]:
        while True:
            asked.append(1)
            yield b"y\n" * 100

    with pytest.raises(NotAnImageError, match="it is text"):
        spooled((piece for piece in pieces()), tmp_path / "source", what="stdin", emit=events.ignore)
    assert len(asked) < 5
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stdin_was_redirected_from_is_not_copied(tmp_path: Path) -> None:
    """Only the process's own stdin has a path."""
    (tmp_path / "x").write_bytes(IMAGE)
    with (tmp_path / "x").open("rb") as file:
        assert stdin_file(file.fileno()) is None
