"""Builds by real Nix, and the JSON of the versions that cannot be had here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import BuildError, Error, ResourceError
from flakeship.events import BuildLog, BuildProgress, Event, Warned, ignore
from flakeship.nix.build import BuildOutput, build, installable_for, read_build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.nix.samples import BUILD, DRV, OUT, SHOWN_DERIVATION
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

ANY = Installable("github:o/r", "image", (), "/", None)


def built(nix: Nix, folder: Path, text: str, **arguments: Any) -> tuple[BuildOutput, list[Event]]:
    events: list[Event] = []
    return build(nix, Installable.parse(text, cwd=folder), emit=events.append, **arguments), events


def logged(events: list[Event]) -> list[str]:
    return [event.line for event in events if isinstance(event, BuildLog)]


def failed(nix: Nix, folder: Path, text: str, **arguments: Any) -> Error:
    with pytest.raises((BuildError, ResourceError)) as caught:
        built(nix, folder, text, **arguments)
    return caught.value


def test_default_package(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake(fresh=True)
    output, events = built(nix, folder, ".")
    assert output.system == "x86_64-linux"
    assert output.outputs == {"out": output.out_path}
    assert Path(output.out_path, "bin/hello").is_file()
    assert output.drv_path.endswith("-hello-2.12.drv")
    assert "hello-2.12> building hello" in logged(events)
    assert BuildProgress(1, 1, 0, 0) in events


def test_leaves_nothing_behind(nix: Nix, make_flake: MakeFlake, git: Callable[..., str]) -> None:
    folder = make_flake()
    roots = Path("/nix/var/nix/gcroots/auto")
    before = set(roots.iterdir()) if roots.is_dir() else set()
    built(nix, folder, ".#text")
    assert git(folder, "status", "--porcelain", "--ignored") == ""
    assert (set(roots.iterdir()) if roots.is_dir() else set()) <= before


@pytest.mark.parametrize(
    "text", [".#text", ".#packages.x86_64-linux.text", "path:.#text", "./sub/.././#text"]
)
def test_ways_to_name_an_attribute(nix: Nix, make_flake: MakeFlake, text: str) -> None:
    folder = make_flake()
    (folder / "sub").mkdir()
    assert Path(built(nix, folder, text)[0].out_path).read_text() == "no image at all\n"


def test_other_output(nix: Nix, make_flake: MakeFlake) -> None:
    output, _ = built(nix, make_flake(), ".#hello^doc")
    assert output.out_path.endswith("-hello-2.12-doc")
    assert (Path(output.out_path) / "README").read_text() == "manual\n"


def test_flake_in_a_subfolder_is_found_from_below(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake() / "deep"
    folder.mkdir()
    assert built(nix, folder, "#text")[0].out_path


def test_log_comes_while_the_builder_runs(nix: Nix, make_flake: MakeFlake) -> None:
    times: dict[str, float] = {}

    def note(event: Event) -> None:
        if isinstance(event, BuildLog):
            times[event.line] = time.monotonic()

    build(nix, Installable.parse(".#chatty", cwd=make_flake(fresh=True)), emit=note)
    assert times["chatty> three"] - times["chatty> one"] > 0.2
    assert "chatty> caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{REPLACEMENT CHARACTER}" in times


def test_failing_builder(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#needs-fails")
    assert error.message == "building fails-1.0 failed: its builder exited with code 3"
    assert error.detail.splitlines() == [*(f"line {number}" for number in range(17, 41)), "about to fail"]
    assert "nix log /nix/store/" in error.hint


def test_wrong_hash(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#wrong-hash")
    assert error.message.startswith(
        "the source wrong-hash is not what the flake says: its hash is sha256-YB/PfWer"
    )
    assert "put the new hash" in error.hint


def test_evaluation_error(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#throws")
    assert error.message == ".#throws cannot be built: this attribute is broken on purpose"


def test_unfree_is_refused_and_allowed(
    nix: Nix, nix_environ: Mapping[str, str], make_flake: MakeFlake
) -> None:
    folder = make_flake()
    error = failed(nix, folder, ".#unfree")
    assert error.message == ".#unfree needs unfree-1.0, whose licence is unfree"
    assert error.hint == "`allow-unfree: true` allows it for this build"
    allowed = Nix.find(environ=nix_environ, emit=ignore, allow_unfree=True)
    assert built(allowed, folder, ".#unfree")[0].out_path.endswith("-hello-2.12")


def test_impure(nix_environ: Mapping[str, str], make_flake: MakeFlake) -> None:
    impure = Nix.find(environ={**nix_environ, "FLAVOUR": "mint"}, emit=ignore, impure=True)
    assert Path(built(impure, make_flake(), ".#impure")[0].out_path).read_text() == "mint\n"


def test_another_system(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#packages.aarch64-linux.text")
    assert (
        error.message
        == ".#packages.aarch64-linux.text is for aarch64-linux, and this machine is x86_64-linux"
    )


def test_download_fails(nix: Nix, make_flake: MakeFlake) -> None:
    impatient = nix.with_options((("download-attempts", "1"),))
    error = failed(impatient, make_flake(), ".#unfetched")
    assert error.message == "something that .#unfetched needs cannot be downloaded"
    assert "127.0.0.1:9" in error.detail


def test_disk_full(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    """A real full disk: Nix builds in a tmpfs of a megabyte, in a mount namespace of its own."""
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=1m tmpfs {small} && exec "$@"'
    error = failed(
        nix,
        make_flake(),
        ".#no-space",
        watch=("unshare", "-m", "sh", "-c", script, "--"),
        extra_environ={"TMPDIR": str(small)},
    )
    assert isinstance(error, ResourceError), (error.message, error.detail)
    assert "the disk is full" in error.message


def test_wrong_attribute_lists_what_there_is(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#streem")
    assert error.message == "the flake . has no package 'streem'"
    assert error.hint.startswith(
        "did you mean `stream`? its images: image, layered, layered-plain, layered-zstd, several,"
    )
    assert "its other packages: chatty, default, fails" in error.hint


def test_no_default_package(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: { packages.x86_64-linux.tool.x = 1; }; }")
    error = failed(nix, tmp_path, "path:.")
    assert error.message == "the flake path:. has no default package"
    assert error.hint == "its packages: tool"


@pytest.mark.parametrize("failing", ["a.nix", "flake.nix"])
def test_untracked_file_is_named(nix: Nix, tmp_path: Path, git: Callable[..., str], failing: str) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "flake.nix").write_text(
        "{ outputs = _: { packages.x86_64-linux.default = import ./a.nix; }; }"
    )
    (tmp_path / "a.nix").write_text("null")
    git(tmp_path, "add", *{"a.nix", "flake.nix"} - {failing})
    error = failed(nix, tmp_path, ".")
    assert error.message == f". reads {failing}, which is not in the flake's source"
    assert f"git add --intent-to-add -- {failing}`" in error.hint


def test_untracked_file_is_mentioned_when_the_attribute_is_missing(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake()
    (folder / "image.nix").touch()
    error = failed(nix, folder, ".#imag")
    assert error.hint.startswith(
        "Nix does not see files that git does not track: `git add --intent-to-add -- image.nix`."
    )
    assert "did you mean `image`?" in error.hint


def test_cancelling_ends_nix_and_its_builder(nix: Nix, make_flake: MakeFlake) -> None:
    """As a signal handler does it: an exception in the thread that waits."""
    asleep = threading.Event()
    folder = make_flake(fresh=True)

    def interrupt() -> None:
        asleep.wait(30)
        os.kill(os.getpid(), signal.SIGUSR1)

    def cancel(*_: object) -> None:
        raise InterruptedError("cancelled")

    def note(event: Event) -> None:
        if isinstance(event, BuildLog) and event.line == "sleeps> asleep":
            asleep.set()

    before = signal.signal(signal.SIGUSR1, cancel)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(InterruptedError):
            build(nix, Installable.parse(".#sleeps", cwd=folder), emit=note)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    mark = (folder / "salt").read_text().encode()
    deadline = time.monotonic() + 5
    while _processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert asleep.is_set()
    assert _processes_with(mark) == []


def _processes_with(mark: bytes) -> list[str]:
    """Processes of whose environment the mark is part: a builder's holds its derivation's attributes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def script(folder: Path, name: str, text: str) -> tuple[str, ...]:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def test_watch_runs_nix(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", f'echo "$SECRET" > {tmp_path}/seen; exec "$@"')
    output, events = built(nix, make_flake(), ".#text", watch=watch, extra_environ={"SECRET": "s"})
    assert output.out_path.endswith("-notes.txt")
    assert (tmp_path / "seen").read_text() == "s\n"
    assert not [event for event in events if isinstance(event, Warned)]


def test_watch_that_never_starts_nix_costs_nothing(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", 'echo "bad token" >&2; exit 7')
    output, events = built(nix, make_flake(), ".#text", watch=watch)
    assert output.out_path.endswith("-notes.txt")
    (warned,) = (event for event in events if isinstance(event, Warned))
    assert "ended with exit code 7 before it started Nix" in warned.text
    assert "nothing is pushed" in warned.hint
    assert "bad token" in logged(events)


def test_watch_that_is_not_there_costs_nothing(nix: Nix, make_flake: MakeFlake) -> None:
    output, events = built(nix, make_flake(), ".#text", watch=("/no/such/client",))
    assert output.out_path.endswith("-notes.txt")
    (warned,) = (event for event in events if isinstance(event, Warned))
    assert "cannot start /no/such/client" in warned.text


def test_watch_that_fails_after_the_build(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", '"$@"; echo "upload failed" >&2; exit 1')
    output, events = built(nix, make_flake(), ".#text", watch=watch)
    assert output.out_path.endswith("-notes.txt")
    (warned,) = (event for event in events if isinstance(event, Warned))
    assert "ended with exit code 1: not all may be pushed" in warned.text


def test_watch_that_hangs_after_the_build_is_ended(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", '"$@"; echo uploading >&2; sleep 60')
    started = time.monotonic()
    output, events = built(nix, make_flake(), ".#text", watch=watch, patience=0.5)
    assert time.monotonic() - started < 10
    assert output.out_path.endswith("-notes.txt")
    assert [event for event in events if isinstance(event, Warned)]


def test_watch_does_not_hide_a_failing_build(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", '"$@"')
    assert "its builder exited with code 3" in failed(nix, make_flake(), ".#fails", watch=watch).message


def test_nix_is_gone_when_it_is_to_build(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    gone = dataclasses.replace(nix, environ={**nix.environ, "PATH": str(tmp_path)})
    assert shutil.which("nix", path=str(tmp_path)) is None
    assert "cannot start nix" in failed(gone, make_flake(), ".#text").message


@pytest.mark.parametrize("version", BUILD)
def test_json_of_each_version(nix: Nix, mocker: MockerFixture, version: str) -> None:
    mocker.patch.object(Nix, "query", return_value=SHOWN_DERIVATION[version])
    output = read_build(nix, ANY, json.dumps(BUILD[version]).encode())
    assert output == BuildOutput(OUT, DRV, {"out": OUT}, "x86_64-linux")


@pytest.mark.parametrize("entry", [OUT, {"path": OUT}])
def test_path_that_needs_no_build(nix: Nix, entry: Any) -> None:
    assert read_build(nix, ANY, json.dumps([entry]).encode()) == BuildOutput(OUT, "", {"out": OUT}, "")


@pytest.mark.parametrize(
    "stdout", [b"", b"not json", b"3", b'[{"drvPath":"x"}]', b"[3]", b'[{"drvPath":"x","outputs":{}}]']
)
def test_json_that_is_not_known(nix: Nix, stdout: bytes) -> None:
    with pytest.raises(BuildError, match="JSON of a form that is not known") as caught:
        read_build(nix, ANY, stdout)
    assert nix.release in caught.value.hint


def test_several_results(nix: Nix) -> None:
    with pytest.raises(BuildError, match="gives 2 results") as caught:
        read_build(nix, ANY, json.dumps([OUT, OUT]).encode())
    assert "FLAKE#ATTRIBUTE" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "text", "words"),
    [
        ((2, 8), "github:o/r#a", "github:o/r#a"),
        ((2, 8), "github:o/r#a^doc", "github:o/r#a.doc"),
        ((2, 13), "github:o/r#a^doc", "github:o/r#a^doc"),
    ],
)
def test_outputs_by_version(nix: Nix, version: tuple[int, int], text: str, words: str) -> None:
    other = dataclasses.replace(nix, version=version)
    assert installable_for(other, Installable.parse(text, cwd="/")) == words


@pytest.mark.parametrize("text", ["github:o/r#a^*", "github:o/r#a^out,doc", "github:o/r#^doc"])
def test_outputs_that_an_old_nix_cannot_name(nix: Nix, text: str) -> None:
    old = dataclasses.replace(nix, version=(2, 8))
    with pytest.raises(BuildError, match="it knows no `\\^`") as caught:
        installable_for(old, Installable.parse(text, cwd="/"))
    assert "2.13" in caught.value.hint
