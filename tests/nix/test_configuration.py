"""The configuration of Nix on this machine, and imitations of other machines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.events import ignore
from flakeship.nix import configuration
from flakeship.nix.command import Nix
from flakeship.nix.configuration import SandboxState, may_choose_substituters, sandbox_state, settings
from flakeship.process import Completed


def test_the_settings_of_this_nix_are_read(nix: Nix) -> None:
    assert settings(nix)["build-users-group"] == ""


def test_the_sandbox_of_this_machine_has_a_state(nix: Nix) -> None:
    state = sandbox_state(nix)
    assert (str(state), state.holds) == ("sandbox: on", True)


def test_a_sandbox_that_is_switched_off_does_not_hold(nix_environ: dict[str, str]) -> None:
    nix = Nix.find(environ=nix_environ, emit=ignore, config=("sandbox = false",))
    state = sandbox_state(nix)
    assert "sandbox: off (as Nix is set up)" in str(state)
    assert not state.holds


@pytest.mark.parametrize(
    ("state", "text", "holds"),
    [
        (SandboxState("on", fallback=True, possible=True), "sandbox: on", True),
        (SandboxState("on", fallback=True, possible=None), "sandbox: on", True),
        (
            SandboxState("on", fallback=True, possible=False),
            "allows no namespaces, and Nix builds on without",
            False,
        ),
        (SandboxState("on", fallback=False, possible=False), "a build will fail", False),
        (SandboxState("relaxed", fallback=True, possible=True), "sandbox: relaxed", False),
    ],
)
def test_each_state_of_the_sandbox_is_described(state: SandboxState, text: str, holds: bool) -> None:
    assert text in str(state)
    assert state.holds is holds


def test_a_sandbox_without_namespaces_does_not_hold(nix: Nix, tmp_path: Path) -> None:
    """A container refuses `unshare`; a script that fails stands in for it."""
    (tmp_path / "unshare").write_text(
        "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n"
    )
    (tmp_path / "unshare").chmod(0o755)
    contained = dataclasses.replace(nix, environ={**nix.environ, "PATH": f"{tmp_path}:{nix.environ['PATH']}"})
    assert sandbox_state(contained).possible is False


def test_without_unshare_the_state_is_unknown(nix: Nix, tmp_path: Path) -> None:
    bare = dataclasses.replace(nix, environ={**nix.environ, "PATH": str(tmp_path)})
    assert sandbox_state(bare, known={"sandbox": True, "store": "local"}).possible is None


def test_without_a_daemon_every_user_may_choose_substituters(nix: Nix) -> None:
    assert may_choose_substituters(nix)


@pytest.mark.parametrize(
    ("answer", "trusted_users", "expected"),
    [
        ({"trusted": 1}, [], True),
        ({"trusted": True}, [], True),
        ({"trusted": 0}, ["me"], False),
        (None, ["root"], False),
        (None, ["root", "me"], True),
        (None, ["*"], True),
        (None, ["@wheel"], True),
    ],
)
def test_with_a_daemon_trusted_users_may_choose_substituters(
    nix: Nix,
    mocker: MockerFixture,
    answer: dict[str, Any] | None,
    trusted_users: list[str],
    expected: bool,
) -> None:
    """This machine has no daemon: its answer is recorded, and the user is invented."""
    mocker.patch.object(
        configuration, "settings", return_value={"store": "daemon", "trusted-users": trusted_users}
    )
    stdout = json.dumps({"url": "daemon", **(answer or {})}).encode()
    mocker.patch.object(Nix, "run", return_value=Completed(0 if answer else 1, stdout, b""))
    mocker.patch("pwd.getpwuid").return_value.pw_name = "me"
    mocker.patch("os.getgroups", return_value=[10])
    mocker.patch("grp.getgrgid").return_value.gr_name = "wheel"
    assert may_choose_substituters(nix) is expected


def test_a_daemon_that_is_too_busy_to_answer_is_judged_by_the_settings(
    nix: Nix, mocker: MockerFixture
) -> None:
    mocker.patch.object(configuration, "settings", return_value={"store": "daemon", "trusted-users": ["*"]})
    mocker.patch.object(Nix, "run", side_effect=TimeoutError)
    assert may_choose_substituters(nix)


@pytest.mark.parametrize(
    ("store", "remote", "expected"),
    [
        ("auto", "", False),
        ("daemon", "", True),
        ("auto", "daemon", True),
        ("ssh-ng://builder", "", True),
        ("local", "", False),
        ("/tmp/store", "", False),
    ],
)
def test_a_daemon_is_recognised_by_the_store(nix: Nix, store: str, remote: str, expected: bool) -> None:
    nix = dataclasses.replace(nix, environ={**nix.environ, **({"NIX_REMOTE": remote} if remote else {})})
    assert configuration.uses_daemon(nix, {"store": store}) is expected
