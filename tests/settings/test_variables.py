"""Variables that begin as our inputs do: those of services, and secrets of ours that are not for Nix."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.settings.arguments import Invocation, read
from flakeship.settings.declaration import Settings

CANARY = "hunter2-canary"


def given(*flags: str, stdin: str = "", **environ: str) -> Invocation:
    return read(["publish", *flags], environ, io.StringIO(stdin))


@pytest.mark.parametrize("prefix", ["FLAKESHIP_", "INPUT_", "FLAKESHIP_CACHE_", "FLAKESHIP_TAGS_"])
def test_what_kubernetes_tells_of_a_service_of_that_name_is_no_input(prefix: str) -> None:
    told = {
        "SERVICE_HOST": "10.96.12.4",
        "SERVICE_PORT": "8080",
        "SERVICE_PORT_HTTP_METRICS": "9090",
        "PORT": "tcp://10.96.12.4:8080",
        "PORT_8080_TCP": "tcp://10.96.12.4:8080",
        "PORT_8080_TCP_PROTO": "tcp",
        "PORT_8080_TCP_PORT": "8080",
        "PORT_8080_TCP_ADDR": "fd00::4",
        "PORT_53_UDP": "udp://10.96.12.4:53",
        "PORT_53_UDP_PROTO": "udp",
        "PORT_9_SCTP": "sctp://[fd00::4]:9",
    }
    environ = {prefix + name: value for name, value in told.items()}
    assert read(["publish"], environ, None) == Invocation("publish", Settings(), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLAKESHIP_PORT", "8080"),
        ("FLAKESHIP_PORT_8080_TCP_PROTO", "yes"),
        ("FLAKESHIP_SERVICE_HOST", "a registry"),
        ("FLAKESHIP_SERVICE", "tcp://10.96.12.4:8080"),
        ("FLAKESHIP_LABEL", "tcp://10.96.12.4:8080"),
    ],
)
def test_what_nobody_but_a_user_writes_is_still_a_mistake(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is set, but there is no input"):
        given(**{name: value})


@pytest.mark.parametrize(
    "name",
    [
        "FLAKESHIP_PASSWORD",
        "INPUT_PASSWORD",
        "FLAKESHIP_PASSWORD_FILE",
        "FLAKESHIP_CACHIX_AUTH_TOKEN",
        "INPUT_CACHIX-AUTH-TOKEN",
        "INPUT_GITHUB_TOKEN",
        "FLAKESHIP_CACHIX_SIGNING_KEY",
    ],
)
def test_secrets_of_this_run_are_not_passed_on(name: str) -> None:
    with pytest.raises(UsageError, match=f"pass-env: {name}") as raised:
        given("--pass-env", f"MINE\n{name}", **({} if name.endswith("FILE") else {name: CANARY}))
    assert CANARY not in f"{raised.value.message}{raised.value.hint}"
    assert "variable of its own" in raised.value.hint


def test_other_variables_may_be_passed_on() -> None:
    names = ("GITHUB_TOKEN", "MY_PASSWORD", "FLAKESHIP_USERNAME", "PASSWORD")
    assert given("--pass-env", "\n".join(names)).settings.pass_env == names


@pytest.mark.parametrize("source", ["/dev/zero", "a long file", "stdin"])
def test_a_secret_has_an_end(source: str, tmp_path: Path) -> None:
    file = Path(source)
    if source == "a long file":
        file = tmp_path / "long"
        file.write_bytes(b"x" * 2_000_000)
    flags = ["--password-stdin"] if source == "stdin" else ["--password-file", str(file)]
    with pytest.raises(UsageError, match=r"can't read password from .* more than 1048576 bytes"):
        given(*flags, stdin="x" * 2_000_000)


def test_a_secret_is_read_as_before(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"one\r\ntwo\r\n")
    assert given("--password-file", str(file)).settings.password == "one\ntwo"
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="it is not text"):
        given("--password-file", str(file))


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "CACHIX_AUTH_TOKEN"])
@pytest.mark.parametrize("text", ["canary\nmachine evil.test", "canary€", "ключ", "a\tb", "a\x7fb"])
def test_a_token_that_no_header_can_carry_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="so it is not a token") as raised:
        given(**{f"FLAKESHIP_{name}": text})
    assert name.lower().replace("_", "-") in raised.value.message
    assert "canary" not in raised.value.message
    given(**{f"FLAKESHIP_{name}": "canary\r\n"})
    given(FLAKESHIP_PASSWORD="pässwört\nwith two lines", FLAKESHIP_USERNAME="me")
