"""The command line of nix, its environment, and the search for nix."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship import process
from flakeship.errors import BuildError, UsageError
from flakeship.events import Command, Event, ignore
from flakeship.nix import command
from flakeship.nix.command import Nix


def fake_nix(folder: Path, release: str) -> dict[str, str]:
    """Return an environment whose only nix is a script that prints `release` for `--version`."""
    folder.mkdir(exist_ok=True)
    program = folder / "nix"
    program.write_text(f"#!/bin/sh\necho '{release}'\n")
    program.chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder)}


def test_the_real_nix_is_found(nix: Nix) -> None:
    assert nix.version >= command.OLDEST
    assert nix.release.startswith("nix (Nix) ")


def test_an_error_without_nix_says_how_to_install_it(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(command, "_PROFILES", ())
    with pytest.raises(BuildError, match="Nix is not installed") as caught:
        Nix.find(environ={"PATH": str(tmp_path), "HOME": str(tmp_path)}, emit=ignore)
    assert "nixos.org" in caught.value.hint
    assert "apt-get install nix-bin" in caught.value.hint


def test_nix_in_a_profile_is_found_and_put_on_the_path(tmp_path: Path, mocker: MockerFixture) -> None:
    fake_nix(tmp_path / "profile", "nix (Nix) 2.24.1")
    mocker.patch.object(command, "_PROFILES", (str(tmp_path / "profile"),))
    nix = Nix.find(environ={"PATH": str(tmp_path), "HOME": str(tmp_path)}, emit=ignore)
    assert nix.version == (2, 24)
    assert str(tmp_path / "profile") in nix.environ["PATH"].split(":")


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("nix (Nix) 2.8.0", (2, 8)),
        ("nix (Nix) 2.34.8", (2, 34)),
        ("nix (Nix) 2.19pre20231030_abc1234", (2, 19)),
        ("nix (Determinate Nix 3.8.5) 2.30.2", (2, 30)),
        ("nix (Lix, like Nix) 2.91.1", (2, 91)),
    ],
)
def test_the_version_is_read(tmp_path: Path, release: str, version: tuple[int, int]) -> None:
    assert Nix.find(environ=fake_nix(tmp_path, release), emit=ignore).version == version


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ("nix (Nix) 2.3.16", r"Nix 2\.3 is too old: flakes need 2\.8 or newer"),
        ("hello", "'hello', which is not a version of Nix"),
    ],
)
def test_an_old_or_unknown_nix_is_refused(tmp_path: Path, release: str, message: str) -> None:
    with pytest.raises(BuildError, match=message) as caught:
        Nix.find(environ=fake_nix(tmp_path, release), emit=ignore)
    assert "nixos.org" in caught.value.hint


def test_a_nix_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    environ = fake_nix(tmp_path, "")
    (tmp_path / "nix").write_text("#!/no/such/interpreter\n")
    with pytest.raises(BuildError, match="Nix does not run: can't start nix"):
        Nix.find(environ=environ, emit=ignore)


def test_a_nix_that_refuses_its_configuration_is_an_error(nix_environ: Mapping[str, str]) -> None:
    with pytest.raises(BuildError, match="`nix --version` fails with exit code 1") as caught:
        Nix.find(environ={**nix_environ, "NIX_CONFIG": "nonsense"}, emit=ignore)
    assert "nonsense" in caught.value.detail
    assert "nix.conf" in caught.value.hint


def test_command_line_switches_flakes_on_and_their_settings_off(nix: Nix) -> None:
    argv = nix.argv("build", "--json", "--", ".#a")
    assert argv[:4] == ("nix", "build", "--extra-experimental-features", "nix-command flakes")
    assert argv[4:7] == ("--option", "accept-flake-config", "false")
    assert argv[-3:] == ("--json", "--", ".#a")
    assert "--impure" not in argv


def test_command_line_follows_the_inputs(nix_environ: Mapping[str, str]) -> None:
    nix = Nix.find(
        environ=nix_environ,
        emit=ignore,
        config=("max-jobs = 1", "# a comment", "  cores = 2"),
        allow_unfree=True,
        accept_flake_config=True,
        require_sandbox=True,
    ).with_options((("fallback", "true"),))
    assert " ".join(nix.argv("eval")[4:]) == (
        "--option accept-flake-config true --option sandbox true --option sandbox-fallback false "
        "--option fallback true --no-write-lock-file --impure"
    )
    assert nix.argv("path-info")[-1] == "nix-command flakes"
    assert nix.environ["NIXPKGS_ALLOW_UNFREE"] == "1"
    assert nix.environ["NIX_CONFIG"] == nix_environ["NIX_CONFIG"] + "\nmax-jobs = 1\n# a comment\n  cores = 2"


def test_variables_with_paths_of_another_machine_are_removed(
    nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    there = {**nix_environ, "TMPDIR": str(tmp_path), "NIX_SSL_CERT_FILE": "/no/bundle.crt"}
    assert Nix.find(environ=there, emit=ignore).environ.get("TMPDIR") == str(tmp_path)
    assert "NIX_SSL_CERT_FILE" not in Nix.find(environ=there, emit=ignore).environ
    names = (
        "TMPDIR",
        "TMP",
        "TEMP",
        "TEMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_SSL_CAINFO",
        "CURL_CA_BUNDLE",
    )
    gone = Nix.find(environ={**nix_environ, **dict.fromkeys(names, "/no/runner/_temp")}, emit=ignore)
    assert not gone.environ.keys() & {*names}
    assert gone.query("eval", "--json", "--expr", "1 + 1") == 2


def test_settings_reach_nix(nix_environ: Mapping[str, str]) -> None:
    config = ("max-jobs = 7", "access-tokens = a.example=x b.example= # not read")
    nix = Nix.find(environ=nix_environ, emit=ignore, config=config)
    assert nix.query("show-config", "--json")["max-jobs"]["value"] == 7


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max-jobs 7", "is not a setting"),
        ("cores=2", "'cores' is not a setting"),
        ("access-tokens github.com=CaNaRy", "'access-tokens' is not a setting"),
        ("extra-access-tokens: github.com=CaNaRy", "'extra-access-tokens' is not a setting"),
        ("access-tokens=github.com=CaNaRy", "'access-tokens' is not a setting"),
        ("CaNaRy", "a line is not a setting"),
        ("access-tokens = github.com CaNaRy", "access-tokens has a word without `=`"),
        ("access-tokens = github.com= CaNaRy # y", "access-tokens has a word without `=`"),
        ("extra-access-tokens = github.com:CaNaRy", "extra-access-tokens has a word without `=`"),
        ("--option x y", "is not a setting"),
        ("a = b\nc = d", "is not a setting"),
        ("accept-flake-config = true", "accept-flake-config can't be set here"),
    ],
)
def test_a_line_that_is_not_a_setting_is_refused(
    nix_environ: Mapping[str, str], line: str, message: str
) -> None:
    with pytest.raises(UsageError, match=f"nix-config.*{message}") as caught:
        Nix.find(environ=nix_environ, emit=ignore, config=(line,))
    assert "CaNaRy" not in f"{caught.value.message} {caught.value.hint}"


def test_secrets_do_not_reach_nix(nix_environ: Mapping[str, str]) -> None:
    secrets = {"FLAKESHIP_PASSWORD": "hunter2", "GITHUB_TOKEN": "hunter2", "CACHIX_AUTH_TOKEN": "hunter2"}
    nix = Nix.find(environ={**nix_environ, **secrets}, emit=ignore)
    done = nix.run("eval", "--impure", "--raw", "--expr", "builtins.readFile /proc/self/environ")
    assert "hunter2" not in str(nix.environ) + done.stdout.decode(errors="replace")


def test_each_command_is_an_event(nix: Nix, nix_environ: Mapping[str, str]) -> None:
    events: list[Event] = []
    told = Nix.find(environ=nix_environ, emit=events.append)
    assert told.query("eval", "--json", "--expr", "1 + 1") == 2
    assert events == [Command(told.argv("eval", "--json", "--expr", "1 + 1"))]


def test_a_query_that_fails_quotes_stderr(nix: Nix) -> None:
    with pytest.raises(BuildError, match="nix eval failed with exit code 1") as caught:
        nix.query("eval", "--json", "--expr", "throw ''so it is''")
    assert "so it is" in caught.value.detail


def test_a_value_after_two_dashes_is_not_an_option(nix: Nix) -> None:
    done = nix.run("eval", "--json", "--", "--version")
    assert done.returncode != 0
    assert b"(Nix)" not in done.stdout


def test_a_home_of_another_user_is_replaced(nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    mounted = tmp_path / "github-home"
    mounted.mkdir()
    os.chown(mounted, 1001, 127)
    nix = Nix.find(environ={**nix_environ, "HOME": str(mounted)}, emit=ignore)
    assert Path(nix.environ["HOME"]).stat().st_uid == os.geteuid()
    assert b"not owned by you" not in nix.run("eval", "--expr", "1").stderr


def test_a_home_on_a_read_only_file_system_is_replaced(
    nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """`docker run --read-only` makes such a home. Nix fails if it can't write its cache there."""
    assert os.geteuid() == 0, "only root can mount a file system: run as root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)], check=True)
    try:
        nix = Nix.find(environ={**nix_environ, "HOME": str(tmp_path)}, emit=ignore)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert nix.environ["HOME"] != str(tmp_path)


def test_the_spare_home_is_used_if_no_home_belongs_to_this_user(
    nix_environ: Mapping[str, str], tmp_path: Path, mocker: MockerFixture
) -> None:
    mocker.patch("pwd.getpwuid", side_effect=KeyError)  # as with `docker run --user 12345`
    nix = Nix.find(environ={**nix_environ, "HOME": "/nowhere"}, emit=ignore, spare_home=str(tmp_path))
    assert nix.environ["HOME"] == str(tmp_path)


@pytest.mark.slow
def test_root_can_build_without_the_group_of_builders(nix_environ: Mapping[str, str], shapes: object) -> None:
    """Debian's nix-bin on a fresh machine has no daemon and no nixbld, and Nix refuses to build there."""
    assert not Path("/nix/var/nix/daemon-socket/socket").exists()
    assert subprocess.run(["getent", "group", "nixbld"], check=False, capture_output=True).returncode != 0
    environ = {**nix_environ, "NIX_CONFIG": "substituters ="}
    nix = Nix.find(environ=environ, emit=ignore)
    assert nix.environ["NIX_CONFIG"] == "build-users-group =\nsubstituters ="
    kept = Nix.find(environ={**environ, "NIX_CONFIG": "build-users-group = mine"}, emit=ignore)
    assert kept.environ["NIX_CONFIG"] == "build-users-group = mine"


def test_a_file_sees_what_ci_tells_and_no_secret(nix_environ: Mapping[str, str]) -> None:
    """A file is evaluated impurely, whether `impure` is set or not."""
    environ = {
        **nix_environ,
        "GITHUB_SHA": "abc",
        "CI_COMMIT_SHA": "def",
        "CI_PROJECT_ACCESS_TOKEN": "canary",
    }
    seen = Nix.find(environ=environ, emit=ignore, of_file=True).environ
    assert (seen["GITHUB_SHA"], seen["CI_COMMIT_SHA"]) == ("abc", "def")
    assert "canary" not in seen.values()
    assert "GITHUB_SHA" not in Nix.find(environ=environ, emit=ignore).environ


def answering(folder: Path, script: str) -> Nix:
    """A nix of which every command runs this script."""
    environ = fake_nix(folder, "nix (Nix) 2.34.0")
    nix = Nix.find(environ=environ, emit=ignore)
    (folder / "nix").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    return nix


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "echo words",
        "head -c 100000 /dev/zero | tr '\\0' '['",
        "printf '\\377'",
        "exec cat /dev/zero",
    ],
)
def test_whatever_nix_prints_is_an_answer_or_one_error(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 1 << 20)
    nix = answering(tmp_path, script)
    with pytest.raises(BuildError, match="nix eval failed with exit code"):
        nix.query("eval", "--json")
    if "/dev/zero" in script and "exec" in script:
        with pytest.raises(BuildError, match="nix build printed more than 1048576 bytes"):
            nix.stream("build", on_stderr=lambda _: None)
