"""`flakeship publish` where the machine is odd: streams, folders, locales and names that few test with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed.command import Publish

pytestmark = pytest.mark.slow


Shell: TypeAlias = Callable[[str, Path], subprocess.CompletedProcess[bytes]]


@pytest.fixture
def shell(nix_environ: Mapping[str, str], archive: Path) -> Shell:
    """`shell(line, folder)` runs a line of sh, in which $publish publishes the archive."""
    publish = f"{sys.executable} -m flakeship publish --source {archive}"

    def run(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env={**nix_environ, "publish": publish},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("$publish --to oci:x >&-", 8, "stdout is closed"),
        ("$publish --to - >&-", 8, "stdout is closed"),
        ("$publish --to oci:x >/dev/full", 8, "No space left on device; the image is at its destinations"),
        ("$publish --to - >/dev/full", 8, "can't write the archive to stdout: No space left"),
        ("ulimit -f 100; $publish --to oci:x", 8, "File too large"),
        ("$publish --to oci:x 2>&-", 0, ""),
        ("$publish --to oci:x 2>/dev/full", 8, ""),
        ("$publish --to oci:x <&-", 0, ""),
        ("$publish --to oci:x --username me --password-stdin <&-", 2, "the first line of stdin"),
        (
            "mkdir gone; cd gone; rmdir ../gone; $publish --to oci:x",
            2,
            "the working folder can't be determined",
        ),
        ("mkfifo pipe; exec 3<>pipe 4>pipe 3<&-; $publish --to oci:x >&4", 141, ""),
    ],
)
def test_streams_and_folders_that_are_gone(
    script: str, code: int, words: str, shell: Shell, tmp_path: Path
) -> None:
    ended = shell(script, tmp_path)
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr
    if "--to oci:x" in script and code in {0, 141}:
        assert (tmp_path / "x/index.json").is_file()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("RuntimeError('a mistake of ours')", 1, "\nRuntimeError: a mistake of ours\n"),
        ("RuntimeError('can\\'t start new thread')", 8, "error: no further thread can be started\n"),
        ("MemoryError()", 8, "error: this process can get no more memory\n"),
        (
            "OSError(24, 'Too many open files', 'a/b')",
            8,
            "error: a/b: Too many open files\n  -> raise `ulimit -n`, or lower `max-concurrent-uploads`",
        ),
    ],
)
def test_a_bug_is_told_from_a_shortage_and_waits_for_nobody(
    error: str, code: int, words: str, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Raised in the place of the whole run, for a machine without memory can't run tests."""
    script = (
        "import threading, time\n"
        "from flakeship import cli\n"
        "from flakeship.commands.publish import command\n"
        "def publish(*_, **__):\n"
        "    threading.Thread(target=time.sleep, args=(100,)).start()\n"
        f"    raise {error}\n"
        "command.all_asked = publish\n"
        "cli.entry()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "publish"],
        env=nix_environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert ended.returncode == code
    assert words in ended.stderr
    assert ("  -> " in ended.stderr) == (code == 8)
    assert not ended.stdout


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": ""},
        {"HOME": "/nonexistent"},
        {"PATH": ""},
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"COLUMNS": "0", "TERM": ""},
        {"PYTHONIOENCODING": "ascii"},
        {"TZ": "Pacific/Kiritimati"},
    ],
)
def test_the_same_image_in_an_odd_environment(
    environ: Mapping[str, str], publish: Publish, archive: Path, tmp_path: Path
) -> None:
    assert publish("--source", str(archive), "--to", "oci:usual").code == 0
    ended = publish("--source", str(archive), "--to", "oci:odd", **environ)
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "odd/index.json").read_text() == (tmp_path / "usual/index.json").read_text()


@pytest.mark.parametrize(
    "name", ["with space", "ünïcödé ☃", "[bold]x", "per%20cent", "a'b\"c", "-dash", "new\ttab"]
)
def test_names_of_files(name: str, publish: Publish, archive: Path, tmp_path: Path) -> None:
    """Of the archive, of a link to it, of the working folder and of the layout; relative ones start there."""
    folder = tmp_path / name
    folder.mkdir()
    archive.rename(folder / name)
    (folder / "link").symlink_to(name)
    for source in (name, "link", str(folder / name)):
        ended = publish(f"--source={source}", "--to", f"oci:to {name}/image", cwd=folder)
        assert ended.code == 0, ended.stderr
        assert ended.stdout == f"oci:{folder}/to {name}/image:1.0\n"


def test_a_folder_whose_name_is_no_text(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    ended = shell("$publish --to oci:image", folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == b"oci:" + os.fsencode(folder) + b"/image:1.0\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_result_that_the_encoding_of_stdout_lacks(encoding: str, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "ünï ☃"
    folder.mkdir()
    ended = shell(f"PYTHONIOENCODING={encoding} $publish --to oci:image --labels 'a=☃'", folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == b"oci:" + os.fsencode(folder) + b"/image:1.0\n"
    inspect = f"PYTHONIOENCODING={encoding} {sys.executable} -X utf8=0 -m flakeship inspect ./image"
    shown = shell(f"LC_ALL=C PYTHONCOERCECLOCALE=0 {inspect}", folder)
    assert shown.returncode == 0, shown.stderr
    assert b"a=\\u2603" in shown.stdout
