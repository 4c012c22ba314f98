"""Credential helpers of any name, and whatever they answer: read as docker reads it, or one error without a secret."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from flakeship.errors import NotAllowedError, UsageError
from flakeship.registry.credential_helper import ask_helper
from flakeship.registry.credentials import Credentials
from tests.registry.test_credential_search import found, helper, write

U = Credentials("u", "p")
PAIR = '{"ServerURL":"x","Username":"u","Secret":"p"}'


def asked(folder: Path, script: str, name: str = "it") -> Credentials | None:
    return ask_helper(name, "ghcr.io", helper(folder / "bin", name, script))


@pytest.mark.parametrize(
    "name",
    [
        "desktop.exe",
        "gcr.cmd",
        "ecr-login",
        "my helper",
        "a+b",
        "über",
        "$(id)",
        "-x",
        "..",
        "a\\b",
        "x" * 150,
    ],
)
def test_a_helper_may_have_any_name(name: str, tmp_path: Path) -> None:
    """WSL calls docker's `desktop.exe`: https://github.com/docker/for-win/issues/12091."""
    assert asked(tmp_path, f"echo '{PAIR}'", name) == U


@pytest.mark.parametrize("name", ["../../evil", "/bin/sh", "a/b", "a\0b", "\ud800", "x" * 5000])
def test_a_helper_is_in_the_path(name: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a credential helper") as raised:
        ask_helper(name, "ghcr.io", {})
    (raised.value.message + raised.value.hint).encode()


@pytest.mark.parametrize("key", ["credsStore", "credSstore", "CREDSSTORE"])
def test_a_helper_of_windows_is_asked_where_the_file_names_it(key: str, tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"ghcr.io": {}}, key: "desktop.exe"})
    environ = helper(tmp_path / "bin", "desktop.exe", f"echo '{PAIR}'")
    assert found(home=tmp_path, environ=environ).credentials == U


@pytest.mark.parametrize(
    "answer", [{"Username": "u", "Secret": "p"}, {"username": "u", "SECRET": "p", "Other": [1]}]
)
@pytest.mark.parametrize("form", ["%s", "\n %s\r\n", "%s\nAnd a word more", "\ufeff%s"])
def test_what_docker_takes_for_an_answer(answer: dict[str, object], form: str, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(form % json.dumps(answer), encoding="utf-8")
    assert asked(tmp_path, f"cat {tmp_path}/answer") == U


@pytest.mark.parametrize(
    "answer",
    ["{}", '{"Username":"","Secret":""}', '{"ServerURL":"ghcr.io","Username":"u","Secret":""}', "null"],
)
def test_an_answer_without_a_secret_keeps_none(answer: str, tmp_path: Path) -> None:
    assert asked(tmp_path, f"echo '{answer}'") is None


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        "echo error: credentials not found in native keychain >&2; exit 1",
        "head -c 3000 /dev/zero | tr '\\0' w; echo; echo credentials not found in native keychain; exit 1",
    ],
)
def test_a_helper_that_knows_of_none_keeps_none(script: str, tmp_path: Path) -> None:
    assert asked(tmp_path, script) is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 0", "something else"),
        ("echo", "something else"),
        ("echo canary", "something else"),
        ("echo '[\"canary\"]'", "something else"),
        ('echo \'{"Username": "u", "Secret": ["canary"]}\'', "something else"),
        ('echo \'{"Username": 7, "Secret": "canary"}\'', "something else"),
        ('echo \'{"Username": "u", "Secret": "canary\'', "something else"),
        ('echo \'{"Secret": "canary"}\'', "something else"),
        ('echo \'{"Username": "u"}\'', "something else"),
        ("printf 'canary\\377'", "something else"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "something else"),
        ("exec cat /dev/zero", "printed more than 1048576 bytes"),
        ("kill -9 $$", "exit code -9"),
        ("echo canary >&2; exit 3", "exit code 3"),
    ],
)
def test_whatever_else_a_helper_does_is_one_error(script: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match=why) as raised:
        asked(tmp_path, script)
    said = f"{raised.value.message}{raised.value.hint}{raised.value.detail}{raised.value.__cause__}"
    assert "canary" not in said
    assert "echo ghcr.io | docker-credential-it get" in raised.value.hint


def test_half_a_surrogate_pair_is_refused_and_not_sent(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "it"})
    environ = helper(tmp_path / "bin", "it", 'printf \'{"Username":"u","Secret":"canary\\\\ud800"}\'')
    with pytest.raises(UsageError, match=r"from docker-credential-it, named in .* can't be sent") as raised:
        found(home=tmp_path, environ=environ)
    assert "canary" not in f"{raised.value.message}{raised.value.hint}"


def test_what_a_helper_prints_does_not_fill_our_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAllowedError, match="printed more than"):
        asked(tmp_path, "exec head -c 500000000 /dev/zero")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kB"


def test_a_helper_that_lacks_a_variable_is_told_where_the_list_is(tmp_path: Path) -> None:
    """By hand the command of the hint would work, and nobody would know why."""
    environ = helper(tmp_path / "bin", "it", '[ -n "$MY_KEYS" ] && echo \'{"Username":"u","Secret":"p"}\'')
    with pytest.raises(NotAllowedError) as raised:
        ask_helper("it", "ghcr.io", environ | {"MY_KEYS": "/keys"})
    assert "helpers get only those of the list at https://" in raised.value.hint
    assert "/keys" not in raised.value.hint
    with pytest.raises(NotAllowedError) as raised:
        ask_helper("it", "ghcr.io", environ)
    assert "/docs/security.md" not in raised.value.hint


@pytest.mark.parametrize("name", ["ecr-login", "ecr-login.exe", "ecr-login.CMD"])
def test_a_helper_of_windows_gets_what_its_twin_gets(name: str, tmp_path: Path) -> None:
    environ = helper(
        tmp_path / "bin",
        name,
        'echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$AWS_SECRET_ACCESS_KEY$ECR_LOGIN_X$VAULT_TOKEN\\"}"',
    )
    given = {"AWS_SECRET_ACCESS_KEY": "a", "ECR_LOGIN_X": "b", "VAULT_TOKEN": "c", "FLAKESHIP_PASSWORD": "d"}
    assert ask_helper(name, "ghcr.io", environ | given) == Credentials("u", "ab")
