"""`flakeship publish` on a terminal: lines that move while it runs, and a tidy screen however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed.archives import layer_tar, outer
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

_COMMANDS = re.compile(r"\x1b\[[0-9;?]*([A-Za-z])")


def on_terminal(
    *flags: str, environ: Mapping[str, str], cwd: Path, type_at: str = "", typed: bytes = b""
) -> tuple[int, str]:
    """Exit code, and all that came to the screen; `typed` is typed once `type_at` is seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        argv = [sys.executable, "-m", "flakeship", "publish", *flags]
        os.execve(sys.executable, argv, {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", **environ})
    screen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            screen += piece
            if type_at and type_at in screen.decode(errors="replace"):
                os.write(terminal, typed)
                type_at = ""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen.decode()


def seen(screen: str) -> list[str]:
    """What stands on the screen in the end: of what a terminal can do, all that such a report uses."""
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])", screen):
        command = _COMMANDS.fullmatch(part)
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif command and command[1] == "A":
            row -= int(part[2:-1] or 1)
        elif command and command[1] == "K":
            lines[row] = ""
        elif not command:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return lines


def cursor_is_back(screen: str) -> bool:
    return screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l") > -1


def test_nothing_that_moved_is_left(nix_environ: Mapping[str, str], make_flake: MakeFlake) -> None:
    code, screen = on_terminal(
        "--flake", ".#stream", "--to", "oci:x", environ=nix_environ, cwd=make_flake(fresh=True)
    )
    assert code == 0, screen
    assert cursor_is_back(screen)
    left = seen(screen)
    assert [line for line in left if line.strip()][-1].startswith("oci:")
    assert not [line for line in left if "building" in line or "━" in line or "0:00:0" in line]
    assert "building .#stream" in screen


@pytest.mark.parametrize(
    ("flake", "code", "words"),
    [(".#fails", 3, "error: "), (".#text", 4, "error: "), (".#streem", 3, "  -> ")],
)
def test_an_error_stands_alone(
    nix_environ: Mapping[str, str], make_flake: MakeFlake, flake: str, code: int, words: str
) -> None:
    returned, screen = on_terminal("--flake", flake, environ=nix_environ, cwd=make_flake())
    assert returned == code, screen
    assert cursor_is_back(screen)
    left = seen(screen)
    assert [line for line in left if line.startswith(words)]
    assert not [line for line in left if "━" in line or "0:00:0" in line]


def test_control_c_on_the_keyboard(nix_environ: Mapping[str, str], make_flake: MakeFlake) -> None:
    """The terminal sends its signal to the whole group, nix is in one of its own: the end is in order all the same."""
    code, screen = on_terminal(
        *("--flake", ".#sleeps"),
        environ=nix_environ,
        cwd=make_flake(fresh=True),
        type_at="asleep",
        typed=b"\x03",
    )
    assert code == 130, screen
    assert cursor_is_back(screen)
    assert "error: cancelled by signal 2; no tag was set" in seen(screen)
    assert "Traceback" not in screen


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_plain_lines_in_ci(
    nix_environ: Mapping[str, str], make_flake: MakeFlake, environ: Mapping[str, str]
) -> None:
    code, screen = on_terminal(
        *("--flake", ".#stream", "--to", "oci:x"), environ={**nix_environ, **environ}, cwd=make_flake()
    )
    assert code == 0, screen
    assert "\x1b" not in screen
    assert "==> building .#stream\r\n" in screen


@pytest.fixture
def sixty_layers(tmp_path: Path) -> list[str]:
    """Writes image.tar; the digests of its layers as a log shows them, packed with gzip."""
    layers = [layer_tar({f"layer/{number}": b"x" * 100}) for number in range(60)]
    ids = [hashlib.sha256(layer).hexdigest() for layer in layers]
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{each}" for each in ids]}
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": rootfs}
    names = [f"{each}/layer.tar" for each in ids]
    manifest = [{"Config": "config.json", "RepoTags": ["a:1"], "Layers": names}]
    members = [
        *zip(names, layers, strict=True),
        ("config.json", json.dumps(config).encode()),
        ("manifest.json", json.dumps(manifest).encode()),
    ]
    (tmp_path / "image.tar").write_bytes(outer(members))
    return ids


@pytest.mark.parametrize(
    "environ",
    [{}, {"COLUMNS": "40"}, {"CI": "true"}, {"GITHUB_ACTIONS": "true", "CI": "true"}],
    ids=["terminal", "narrow", "ci", "github"],
)
def test_no_layer_is_told_twice(
    nix_environ: Mapping[str, str],
    sixty_layers: list[str],
    tmp_path: Path,
    registry: Registry,
    environ: Mapping[str, str],
) -> None:
    """Two destinations, of which one has every layer at the second push; the summary is what stands behind."""
    tag = f"{registry.host}/{registry.new_repository()}:1"
    for _ in range(2):
        code, screen = on_terminal(
            *("--source", "image.tar", "--tags", tag, "--to", "oci:x"),
            environ={**nix_environ, **environ},
            cwd=tmp_path,
        )
        assert code == 0, screen
        before, _, summary = "\n".join(seen(screen)).partition("\nimage ")
        told = re.findall(
            r"^    ([0-9a-f]{12}) +[0-9.]+ k?B  (?:uploaded|written|reused)", before, re.MULTILINE
        )
        assert len(told) == len(set(told)) == (len(sixty_layers) if "CI" in environ else 0)
        assert len(re.findall(r"^[0-9a-f]{12} ", summary, re.MULTILINE)) <= len(sixty_layers)
