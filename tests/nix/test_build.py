"""Builds with the real Nix."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakeship.errors import BuildError, ResourceError
from flakeship.events import BuildLog, BuildProgress, Event, ignore
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.nix.installable import Installable
from tests.nix.builds import built, failed, logged
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow


def test_the_default_package_is_built(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake(fresh=True)
    output, events = built(nix, folder, ".")
    assert output.system == "x86_64-linux"
    assert output.outputs == {"out": output.out_path}
    assert Path(output.out_path, "bin/hello").is_file()
    assert output.drv_path.endswith("-hello-2.12.drv")
    assert "hello-2.12> building hello" in logged(events)
    progress = [event for event in events if isinstance(event, BuildProgress)]
    assert [event.running for event in progress][-2:] == [1, 0]
    assert (progress[-1].done, progress[-1].failed) == (1, 0)


def test_a_build_leaves_no_link_and_no_lock_file(
    nix: Nix, make_flake: MakeFlake, git: Callable[..., str]
) -> None:
    folder = make_flake()
    roots = Path("/nix/var/nix/gcroots/auto")
    before = set(roots.iterdir()) if roots.is_dir() else set()
    built(nix, folder, ".#text")
    assert git(folder, "status", "--porcelain", "--ignored") == ""
    assert (set(roots.iterdir()) if roots.is_dir() else set()) <= before


@pytest.mark.parametrize(
    "text", [".#text", ".#packages.x86_64-linux.text", "path:.#text", "./sub/.././#text"]
)
def test_an_attribute_may_be_named_in_several_ways(nix: Nix, make_flake: MakeFlake, text: str) -> None:
    folder = make_flake()
    (folder / "sub").mkdir()
    assert Path(built(nix, folder, text)[0].out_path).read_text() == "no image at all\n"


def test_an_output_other_than_out_may_be_named(nix: Nix, make_flake: MakeFlake) -> None:
    output, _ = built(nix, make_flake(), ".#hello^doc")
    assert output.out_path.endswith("-hello-2.12-doc")
    assert (Path(output.out_path) / "README").read_text() == "manual\n"


def test_a_flake_is_found_in_a_folder_above(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake() / "deep"
    folder.mkdir()
    assert built(nix, folder, "#text")[0].out_path


def test_log_lines_arrive_while_the_builder_runs(nix: Nix, make_flake: MakeFlake) -> None:
    times: dict[str, float] = {}

    def note(event: Event) -> None:
        if isinstance(event, BuildLog):
            times[event.line] = time.monotonic()

    build(nix, Installable.parse(".#chatty", cwd=make_flake(fresh=True)), emit=note)
    assert times["chatty> three"] - times["chatty> one"] > 0.2
    assert "chatty> caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{REPLACEMENT CHARACTER}" in times


def test_a_failing_builder_is_named_with_the_end_of_its_log(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#needs-fails")
    assert error.message == "building fails-1.0 failed: its builder exited with code 3"
    assert error.detail.splitlines() == [*(f"line {number}" for number in range(17, 41)), "about to fail"]
    assert "nix log /nix/store/" in error.hint


def test_a_wrong_hash_names_the_source_and_both_hashes(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#wrong-hash")
    assert error.message.startswith(
        "the source wrong-hash is not what the flake says: its hash is sha256-YB/PfWer"
    )
    assert "put the new hash" in error.hint


def test_an_evaluation_error_is_quoted(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#throws")
    assert error.message == ".#throws can't be built: this attribute is broken on purpose"


def build_of(nix: Nix, folder: Path, text: str) -> str:
    return failed(nix, folder, text).message


def description_of(nix: Nix, folder: Path, text: str) -> str:
    with pytest.raises(BuildError) as caught:
        describe(nix, Installable.parse(text, cwd=folder))
    return caught.value.message


@pytest.mark.parametrize("attribute", ["throws", "unfree"])
def test_what_was_evaluated_before_gives_the_same_error(
    nix: Nix, make_flake: MakeFlake, attribute: str
) -> None:
    """Nix's cache of evaluations keeps that an attribute failed, and not why."""
    folder = make_flake(fresh=True)
    errors = {failed(nix, folder, f".#{attribute}").message for _ in range(3)}
    assert len(errors) == 1
    assert "is not a package" not in errors.pop()


@pytest.mark.parametrize("ask", [build_of, description_of])
def test_what_lies_within_what_failed_before_gives_the_same_error(
    nix: Nix, tmp_path: Path, git: Callable[..., str], ask: Callable[[Nix, Path, str], str]
) -> None:
    """Nix 2.8 keeps of `whole` that it failed, and says then of `whole.part` that `whole` is no attribute set."""
    words = f"broken {tmp_path}"
    (tmp_path / "flake.nix").write_text(
        f"{{ outputs = _: {{ packages.x86_64-linux.whole = throw ''{words}''; }}; }}"
    )
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "x")
    attributes = (".#whole", ".#whole.part", ".#whole", ".#whole.part")
    assert [words in ask(nix, tmp_path, attribute) for attribute in attributes] == [True] * 4


def test_an_unfree_package_is_refused_unless_it_is_allowed(
    nix: Nix, nix_environ: Mapping[str, str], make_flake: MakeFlake
) -> None:
    folder = make_flake()
    error = failed(nix, folder, ".#unfree")
    assert error.message == ".#unfree needs unfree-1.0, whose licence is unfree"
    assert error.hint == "set `allow-unfree: true` to allow it for this build"
    allowed = Nix.find(environ=nix_environ, emit=ignore, allow_unfree=True)
    assert built(allowed, folder, ".#unfree")[0].out_path.endswith("-hello-2.12")


def test_impure_lets_a_build_read_the_environment(
    nix_environ: Mapping[str, str], make_flake: MakeFlake
) -> None:
    environ = {**nix_environ, "FLAVOUR": "mint"}
    impure = Nix.find(environ=environ, emit=ignore, impure=True, pass_env=("FLAVOUR",))
    assert Path(built(impure, make_flake(), ".#impure")[0].out_path).read_text() == "mint\n"


def test_a_package_for_another_system_names_both_systems(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(fresh=True), ".#packages.aarch64-linux.text")
    assert (
        error.message
        == ".#packages.aarch64-linux.text is for aarch64-linux, and this machine is x86_64-linux"
    )


def test_a_failed_download_says_what_to_check(nix: Nix, make_flake: MakeFlake) -> None:
    impatient = nix.with_options((("download-attempts", "1"),))
    error = failed(impatient, make_flake(), ".#unfetched")
    assert (
        error.message
        == "something that .#unfetched needs can't be downloaded: http://127.0.0.1:9/input.tar.gz"
    )
    assert error.exit_code == 6
    assert "127.0.0.1:9" in error.detail


def test_nix_that_disappears_before_the_build_is_an_error(
    nix: Nix, make_flake: MakeFlake, tmp_path: Path
) -> None:
    gone = dataclasses.replace(nix, environ={**nix.environ, "PATH": str(tmp_path)})
    assert shutil.which("nix", path=str(tmp_path)) is None
    assert "can't start nix" in failed(gone, make_flake(), ".#text").message


def test_a_full_disk_is_a_resource_error(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    """The disk is really full: Nix builds in a tmpfs of one megabyte, in a mount namespace of its own."""
    small = tmp_path / "small"
    small.mkdir()
    wrapped = tmp_path / "bin/nix"
    wrapped.parent.mkdir()
    mounted = f'mount -t tmpfs -o size=1m tmpfs {small} && exec {shutil.which("nix")} "$@"'
    wrapped.write_text(f"#!/bin/sh\nTMPDIR={small} exec unshare -m sh -c '{mounted}' -- \"$@\"\n")
    wrapped.chmod(0o755)
    path = f"{wrapped.parent}:{nix.environ['PATH']}"
    nix = dataclasses.replace(nix, environ={**nix.environ, "PATH": path})
    if nix.version >= (2, 22):  # newer ones build below /nix/var instead of TMPDIR
        nix = nix.with_options((("build-dir", str(small)),))
    error = failed(nix, make_flake(), ".#no-space")
    assert isinstance(error, ResourceError), (error.message, error.detail)
    assert "the disk is full" in error.message


def test_a_wrong_attribute_lists_the_packages_of_the_flake(nix: Nix, make_flake: MakeFlake) -> None:
    error = failed(nix, make_flake(), ".#streem")
    assert error.message == "the flake . has no package 'streem'"
    assert error.hint.startswith(
        "write `.#stream` if you meant that; the flake has the images image, layered, layered-plain, layered-zstd, several,"
    )
    assert "chatty, curious, default, fails" in error.hint


@pytest.mark.parametrize("flake", [".#hello^nope", ".#default^nope"])
def test_a_missing_output_is_no_missing_package(nix: Nix, make_flake: MakeFlake, flake: str) -> None:
    folder = make_flake()
    for name in ("hello.tar", "default.tar"):  # which git does not track, and no output is missing for that
        (folder / name).touch()
    error = failed(nix, folder, flake)
    assert error.message == f"{flake} has no output 'nope'"
    assert error.hint.startswith("write an output that the package has")


def test_a_flake_without_a_default_package_says_so(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: { packages.x86_64-linux.tool.x = 1; }; }")
    error = failed(nix, tmp_path, "path:.")
    assert error.message == "the flake path:. has no default package"
    assert error.hint.endswith("packages tool")


@pytest.mark.parametrize("failing", ["a.nix", "flake.nix"])
def test_an_untracked_file_is_named_when_the_build_fails(
    nix: Nix, tmp_path: Path, git: Callable[..., str], failing: str
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "flake.nix").write_text(
        "{ outputs = _: { packages.x86_64-linux.default = import ./a.nix; }; }"
    )
    (tmp_path / "a.nix").write_text("null")
    git(tmp_path, "add", *{"a.nix", "flake.nix"} - {failing})
    error = failed(nix, tmp_path, ".")
    assert error.message == f". reads {failing}, which is not in the flake's source"
    assert f"git add --intent-to-add -- {failing}`" in error.hint


def test_an_untracked_file_is_named_when_the_attribute_is_missing(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake()
    (folder / "packages").mkdir()
    (folder / "packages/images.nix").touch()
    (folder / "notes.txt").touch()
    error = failed(nix, folder, ".#images")
    assert error.hint.startswith(
        "run `git add --intent-to-add -- packages/images.nix`: Nix does not see files that git does not track"
    )
    assert "write `.#image` if you meant that" in error.hint
    assert "git does not track" not in failed(nix, folder, ".#imagos").hint


def test_cancelling_ends_nix_and_its_builder(nix: Nix, make_flake: MakeFlake) -> None:
    """A signal handler raises an exception in the thread that waits, as here."""
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
    """Return the processes whose environment holds `mark`: a builder's holds the attributes of its derivation."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found
