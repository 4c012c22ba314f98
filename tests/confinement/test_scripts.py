"""What a program that is confined can see and do, on a machine where namespaces can be made and where they can't."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship.confinement import scripts, variables
from flakeship.confinement.scripts import Confinement
from flakeship.errors import BuildError
from flakeship.events import Event, Notice

pytestmark = pytest.mark.slow  # they start programs

SYSTEM: Final = ("/bin", "/lib", "/lib64", "/usr")
STORE: Final = Path("/nix/store")


def run(argv: Sequence[str], environ: Any = variables.SCRIPT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def alone(line: str, *paths: str) -> subprocess.CompletedProcess[str]:
    return run(Confinement(required=True).alone(["/bin/sh", "-c", line], (*SYSTEM, *paths), store=STORE))


def test_it_sees_what_it_is_shown_and_no_other_file(tmp_path: Path) -> None:
    shown, hidden = tmp_path / "shown", tmp_path / "hidden"
    for folder in (shown, hidden):
        folder.mkdir()
        (folder / "file").write_text("text")
    seen = alone(f"cat {shown}/file {hidden}/file; ls -A / {tmp_path}", str(shown))
    assert seen.stdout.startswith("text")
    assert str(hidden) in seen.stderr
    assert set(seen.stdout.split()) >= {"bin", "dev", "etc", "tmp", "usr", "shown"}
    assert not {"root", "home", "proc", "sys", "nix", "var", "run", "hidden"} & set(seen.stdout.split())


@pytest.mark.parametrize(
    "line",
    [
        "cat /proc/self/environ /proc/1/environ",
        "echo x > /usr/file",
        "chmod 777 /usr",
        "mount -t tmpfs none /usr",
        "mount -o remount,rw /usr",
        "mount -t proc proc /tmp",
        "mknod /tmp/disk b 8 0",
        "unshare --net true && ip link add dummy0 type dummy",
        "chroot /usr /bin/true",
    ],
)
def test_what_it_can_not_do(line: str) -> None:
    assert alone(line).returncode != 0


def test_it_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}"
        assert run(["/bin/bash", "-c", line]).returncode == 0
        done = run(Confinement().alone(["/bin/bash", "-c", line], SYSTEM, store=STORE))
        assert done.returncode != 0


def test_it_has_its_variables_and_none_besides() -> None:
    lines = run(Confinement().alone(["/usr/bin/env"], SYSTEM, store=STORE)).stdout.splitlines()
    assert dict(line.split("=", 1) for line in lines) == variables.SCRIPT


def test_it_may_write_where_nobody_sees_it() -> None:
    done = alone("echo x > /tmp/file && cat /tmp/file && ls -A /tmp")
    assert done.stdout.split() == ["x", "file"]
    assert not Path("/tmp/file").exists()


@pytest.mark.parametrize(
    ("line", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -TERM $$", -15), ("sleep 9 & exit 3", 3)],
)
def test_its_end_is_told_as_it_was(line: str, code: int) -> None:
    assert alone(line).returncode == code


def test_a_missing_interpreter_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nowhere\n")
    script.chmod(0o755)
    done = run(Confinement().alone([str(script)], [str(tmp_path)], store=STORE))
    assert (done.returncode, done.stderr) == (scripts.NOT_STARTED, f"{script}: No such file or directory\n")


def test_it_leaves_no_core() -> None:
    limits = alone("ulimit -c").stdout.strip()
    assert limits == "0"
    assert resource.getrlimit(resource.RLIMIT_CORE)  # ours is as it was


@pytest.mark.parametrize("path", ["/sys", "/mnt/x", "/tmp/a/b"])
def test_paths_may_lie_where_the_root_is_made(path: str) -> None:
    assert alone("true", path).returncode == 0


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that refuses unshare(2)."""
    possible = scripts._possible
    monkeypatch.setattr(scripts, "_possible", lambda mode: mode == "nobody" and possible(mode))


@pytest.mark.usefixtures("without_namespaces")
def test_without_namespaces_it_is_nobody_s_and_that_is_told_once() -> None:
    said: list[Event] = []
    confinement = Confinement(emit=said.append)
    outputs = [run(confinement.alone(["/usr/bin/id", "-u"], (), store=STORE)).stdout for _ in range(3)]
    assert outputs == ["65534\n"] * 3
    assert [event.text for event in said if isinstance(event, Notice)] == [
        "scripts of the flake run as the user nobody, with the network: no namespaces can be made here"
    ]


@pytest.mark.usefixtures("without_namespaces")
def test_nobody_reads_neither_private_files_nor_other_processes(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "file").write_text("text")
    line = f"cat {tmp_path}/file /proc/{os.getpid()}/environ"
    done = run(Confinement().alone(["/bin/sh", "-c", line], (), store=STORE))
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.usefixtures("without_namespaces")
def test_where_a_sandbox_is_required_it_is_refused() -> None:
    with pytest.raises(BuildError, match="can't be confined: no namespaces") as caught:
        Confinement(required=True).alone(["/bin/true"], (), store=STORE)
    assert caught.value.exit_code == 3
    assert "buildLayeredImage" in caught.value.hint


def test_a_script_of_the_user_s_own_runs_where_no_other_process_is_seen() -> None:
    said: list[Event] = []
    argv = Confinement(emit=said.append).as_its_user_would(["/bin/sh", "-c", "echo /proc/[0-9]*; pwd; id -u"])
    seen = run(argv).stdout.splitlines()
    assert set(seen[0].split()) <= {"/proc/1", "/proc/2", "/proc/3"}
    assert seen[1:] == [str(Path.cwd()), str(os.geteuid())]
    assert "is not a script of nixpkgs" in str(said)


def test_where_a_sandbox_is_required_a_script_of_the_user_s_own_is_refused() -> None:
    with pytest.raises(BuildError, match="is not a script of nixpkgs") as caught:
        Confinement(required=True).as_its_user_would(["/bin/true"])
    assert caught.value.exit_code == 3


def test_more_paths_than_a_command_line_holds_are_the_whole_store() -> None:
    paths = [f"/nix/store/{'0' * 32}-{number}" for number in range(50_000)]
    argv = Confinement().alone(["/bin/true"], paths, store=STORE)
    assert "/nix/store" in argv
    assert len(argv) < 20
