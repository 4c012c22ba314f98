"""Ctrl-C and its like, at the moments where a run waits for somebody: it ends at once, in order, and leaves nobody behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.starting import LAST_OF_THREE, THREE, Start, ended, wait_for
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGINT, signal.SIGINT], 130),
    ],
)
def test_while_nix_builds(start: Start, make_flake: MakeFlake, signals: list[int], code: int) -> None:
    process = start("--flake", ".#sleeps", cwd=make_flake(fresh=True))
    wait_for(process, "asleep")
    returned, said, seconds = ended(process, *signals)
    assert returned == code
    assert "cancelled by signal" in said
    assert seconds < 60


def test_while_a_script_streams(start: Start, tmp_path: Path, archive: Path) -> None:
    script = tmp_path / "stream"
    script.write_text(f"#!/bin/sh\nhead -c 100000 {archive}\nsleep 1000\n")
    script.chmod(0o755)
    process = start("--source", str(script), "--to", "oci:x", "--log-level", "debug")
    wait_for(process, " reading ")
    returned, _, seconds = ended(process, signal.SIGINT)
    assert returned == 130
    assert seconds < 60
    assert not (tmp_path / "x/index.json").exists()


def test_while_a_registry_keeps_silent(start: Start, archive: Path) -> None:
    with silent_server() as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        process = start("--source", str(archive), "--tags", f"{host}/a:1")
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            returned, _, seconds = ended(process, signal.SIGTERM)
    assert returned == 143
    assert seconds < 60


def test_while_a_name_is_looked_up(nix_environ: Mapping[str, str], archive: Path) -> None:
    """The C library waits for a dead name server for half a minute, and Python hears of no signal in it; as here."""
    script = (
        "import hashlib, socket, sys\n"
        "def getaddrinfo(*_):\n"
        "    print('asked', file=sys.stderr, flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
        "socket.getaddrinfo = getaddrinfo\n"
        "from flakeship.__main__ import entry\n"
        "entry()\n"
    )
    flags = ("publish", "--source", str(archive), "--tags", "registry.example/a:1")
    with subprocess.Popen(
        [sys.executable, "-c", script, *flags],
        env=nix_environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(process, "asked")
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "no tag was set" in said


def test_the_third_signal_is_final(start: Start, tmp_path: Path) -> None:
    """A program that does not end by SIGTERM is given some seconds; who can't wait for them need not."""
    script, stubborn = tmp_path / "bin/nix", tmp_path / "stubborn"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntrap '' TERM INT\n: >{stubborn}\nwhile :; do sleep 0.1; done\n")
    script.chmod(0o755)
    process = start("--flake", ".", "--to", "oci:x", PATH=f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    while not stubborn.exists():
        assert process.poll() is None
        time.sleep(0.01)
    for each in THREE:  # at once: the program that is waited for is ended in two seconds
        process.send_signal(each)
    returned, said, _ = ended(process)
    assert returned in LAST_OF_THREE
    assert "cancelled" not in said, "it waited for the program, and told how it ended"
    for number in _sessions(str(script)):
        with contextlib.suppress(ProcessLookupError):  # a child of it, which ended with it
            os.killpg(number, signal.SIGKILL)
    for folder in (tmp_path / "temporary").iterdir():
        folder.rmdir()


def _sessions(words: str) -> list[int]:
    listed = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=False).stdout
    return [int(number) for number in listed.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_program_is_still_loaded(number: signal.Signals, nix_environ: Mapping[str, str]) -> None:
    """Sent when the first of our modules is looked for."""
    script = (
        "import os, sys\n"
        "class Sender:\n"
        "    @staticmethod\n"
        "    def find_spec(name, *_):\n"
        f"        if name == 'flakeship.cli': os.kill(os.getpid(), {number:d})\n"
        "sys.meta_path.insert(0, Sender)\n"
        "from flakeship.__main__ import entry\n"
        "entry()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "publish"], env=nix_environ, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, b"", b"")


def test_what_an_interrupted_import_makes_of_it(nix_environ: Mapping[str, str]) -> None:
    """Python's own modules in C raise an ImportError instead of what interrupted them."""
    script = (
        "import os, sys\n"
        "class Sender:\n"
        "    @staticmethod\n"
        "    def find_spec(name, *_):\n"
        "        if name != 'flakeship.commands.publish.pipeline': return\n"
        f"        try: os.kill(os.getpid(), {signal.SIGTERM:d}); sum(range(1000))\n"
        "        except Exception: raise ImportError('torn')\n"
        "sys.meta_path.insert(0, Sender)\n"
        "from flakeship.__main__ import entry\n"
        "entry()\n"
    )
    command = [sys.executable, "-c", script, "publish"]
    ended = subprocess.run(command, env=nix_environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 143
    assert "error: cancelled by signal 15; no tag was set\n" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_after_the_last_word_a_signal_changes_nothing(nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom flakeship import cli\ncode = cli.main(['layers', '--layer-cache', sys.argv[1]], last=True)\n"
        "os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGTERM)\nprint('code', code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=dict(nix_environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("code 0\n"), done.stderr
    assert done.returncode == 0
