"""Lines of `builders`: what Nix reads in them, and what is refused before anything is built."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.commands.building.remote_builders import RemoteBuilders, read_builders
from flakeship.commands.building.ssh_access import OpenSsh
from flakeship.errors import UsageError
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.machine import Address, Machine
from flakeship.nix.remote_builder import RemoteBuilder, parse_builders
from flakeship.nix.ssh_hosts import WELL_KNOWN
from flakeship.nix.ssh_key import is_read_by_ssh, private_key
from flakeship.settings.declaration import Settings
from tests.testbed.ssh import new_key

HOST_KEY = f"ssh-ed25519 {WELL_KNOWN['github.com']}"
ENCODED = base64.b64encode(f"{HOST_KEY} root@b1\n".encode()).decode()


def test_all_fields_are_read_and_written_for_nix() -> None:
    line = f"ssh://nix@b1:2222?compress=true x86_64-linux,i686-linux /k 4 2 kvm,big-parallel kvm {ENCODED}"
    (builder,) = parse_builders([line], {})
    address = Address("b1", "nix", 2222, "compress=true")
    assert builder == RemoteBuilder(
        Machine(address, "b1", Path("/k"), HOST_KEY),
        ("x86_64-linux", "i686-linux"),
        "4",
        "2",
        ("kvm", "big-parallel"),
        ("kvm",),
    )
    fields = "4 2 kvm,big-parallel kvm"
    assert builder.line == f"ssh-ng://nix@b1?compress=true x86_64-linux,i686-linux - {fields} -"
    for_daemon = builder.line_for_daemon(Path("/run/key"), HOST_KEY).split()
    assert for_daemon[0] == "ssh-ng://nix@b1:2222?compress=true"
    assert for_daemon[2] == "/run/key"
    assert base64.b64decode(for_daemon[7]).decode() == HOST_KEY


def test_several_stand_in_one_line_in_several_and_in_files() -> None:
    lines = ["b1 ; b2 - - 2;", "# nobody", "@machines", "b5 # the last"]
    builders = parse_builders(lines, {"machines": "# ours\nb3\n\nssh-ng://b4 aarch64-linux\n"})
    assert [str(each.machine) for each in builders] == ["b1", "b2", "b3", "b4", "b5"]
    assert builders[0].line == "ssh-ng://b1 - - 1 1 - - -"
    assert builders[1].jobs == "2"


def test_a_line_without_systems_is_for_this_machines(nix: Nix) -> None:
    """By its name: what Nix says in vain is compared with it."""
    builders = parse_builders(["b1 - - 1 1 kvm kvm", "b2 aarch64-linux"], {})
    machines = RemoteBuilders(builders=builders, ssh=None, known={"system": "x86_64-linux"}, emit=ignore)
    told = dict(machines._with(nix, builders).options)["builders"]
    assert told == "ssh-ng://b1 x86_64-linux - 1 1 kvm kvm - ; ssh-ng://b2 aarch64-linux - 1 1 - - -"


def test_speeds_are_whole_numbers_for_nix() -> None:
    """Nix 2.8 refuses a line with a fraction: https://github.com/NixOS/nix/blob/2.8.1/src/libstore/machines.cc."""
    lines = ["b1 - - 1 2.5", "b2", "b3 - - 1 0.25", "b4 - - 1 10"]
    assert [each.speed for each in parse_builders(lines, {})] == ["250", "100", "25", "1000"]
    assert [each.speed for each in parse_builders(["b1 - - 1 3", "b2"], {})] == ["3", "1"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("http://b1", "http:// is no scheme"),
        ("b1 x86", "field 2 of b1 (systems) has 'x86', which is not written like x86_64-linux"),
        ("b1 - - four", "field 4 of b1 (jobs) has 'four', which is not a number above 0"),
        ("b1 - - 0", "field 4 of b1 (jobs)"),
        ("b1 - - 1 fast", "field 5 of b1 (speed)"),
        ("b1 - - 1 0.0", "field 5 of b1 (speed)"),
        ("b1 - - 1 1 k$m", "field 6 of b1 (features)"),
        ("b1 - - 1 1 - k$m", "field 7 of b1 (mandatory)"),
        (
            "b1 - - 1 1 kvm, big-parallel",
            "field 6 of b1 (features) has 'kvm,', which is not a list without blanks",
        ),
        ("b1 x86_64-linux, i686-linux", "field 2 of b1 (systems) has 'x86_64-linux,'"),
        ("nix@fe80::1", "IPv6 without brackets"),
        ("b1 - - 1 1 - - AAAA", "eighth field of b1 is no host key"),
        ("b1 - - 1 1 - - - x", "has 9 fields"),
        ("b1 x86_64-linux ; nix@b1 ; b1:22 aarch64-linux", "b1:22 is named twice"),
        ("@other", "a file names the file other"),
    ],
)
def test_what_nix_would_pass_over_is_refused(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"^builders: ") as caught:
        parse_builders([line], {})
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("@missing", "the file missing can't be read: No such file or directory"),
        ("@.", "can't be read: Is a directory"),
        ("b1; @ ", "no file is named behind `@`"),
        ("b1 - missing", "the key missing of b1 can't be read: No such file"),
        ("b1 - text", "the key text of b1 is no private key"),
        ("b1 - public", "the key public of b1 is the public half of a key"),
        ("b1 - locked", "the key locked of b1 has a passphrase"),
        *(
            (f"b1 - {name}", f"the key {name} of b1 is not as ssh reads one from a file")
            for name in ("windows", "cut", "bom")
        ),
    ],
)
def test_files_that_can_not_be_used_are_named(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hunter2")
    new_key(tmp_path / "locked", "ed25519", "-N", "hunter2")
    (tmp_path / "public").write_text((tmp_path / "locked.pub").read_text())
    key = new_key(tmp_path / "mine")
    (tmp_path / "windows").write_bytes(key.replace("\n", "\r\n").encode())
    (tmp_path / "cut").write_text(key.removesuffix("\n"))
    (tmp_path / "bom").write_text(f"\ufeff{key}")
    with pytest.raises(UsageError, match=r"^builders: ") as caught:
        read_builders(Settings(builders=(line,)), tmp_path)
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "options"), [("ed25519", ()), ("rsa", ("-m", "PEM", "-b", "1024")), ("ecdsa", ("-m", "PKCS8"))]
)
@pytest.mark.parametrize(
    "change", [lambda key: key.replace("\n", "\r\n"), lambda key: key[:-1], lambda key: key + "\n\n"]
)
def test_a_key_that_ssh_reads_is_taken_and_no_other(
    kind: str, options: tuple[str, ...], change: Callable[[str], str], tmp_path: Path
) -> None:
    """As ssh-keygen reads the same file."""
    text = change(new_key(tmp_path / "key", kind, *options))
    (tmp_path / "key").write_bytes(text.encode())
    argv = ["ssh-keygen", "-y", "-f", str(tmp_path / "key")]
    read = subprocess.run(argv, capture_output=True, check=False).returncode == 0
    assert is_read_by_ssh(text, private_key(text)) == read


@pytest.mark.parametrize("line", ["b1 - mine", "b1 - ~/mine"])
def test_a_key_of_one_machine_is_found_from_the_folder_of_the_run_or_of_the_user(
    line: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    mocker.patch("pwd.getpwuid").return_value.pw_dir = str(tmp_path)
    new_key(tmp_path / "mine")
    (builder,) = read_builders(Settings(builders=(line,)), Path("/") if "~" in line else tmp_path)
    assert builder.machine.key == tmp_path / "mine"


def test_a_key_that_only_root_reads_is_for_a_daemon(tmp_path: Path, nix: Nix, mocker: MockerFixture) -> None:
    """As /etc/nix/builder_ed25519 of nix-darwin is. To root itself, who runs these tests, no file is closed: so that is imitated."""
    name = f"{read_builders.__module__}.read_file"
    mocker.patch(name, side_effect=PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    mocker.patch("os.access", return_value=False)
    builders = read_builders(Settings(builders=("b1 - mine",)), tmp_path)
    assert builders[0].line_for_daemon(builders[0].machine.key, "").split()[2] == str(tmp_path / "mine")
    ssh = OpenSsh({}, None, tmp_path / "hosts")
    with pytest.raises(UsageError, match=r"the key \S+/mine of b1 can't be read: Permission denied"):
        RemoteBuilders(builders=builders, ssh=ssh, known={"store": "local"}, emit=ignore).check(nix)


def test_a_file_that_an_editor_of_windows_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "machines").write_bytes(b"\xef\xbb\xbfb1 - - 2\r\n\r\nb2;\r\n")
    builders = read_builders(Settings(builders=("@machines",)), tmp_path)
    assert [str(each.machine) for each in builders] == ["b1", "b2"]
