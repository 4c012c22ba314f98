"""Cachix. A script stands in for its client, and a table of responses for its API.

Both follow docs.cachix.org; these tests can't show that the real service behaves so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flakeship.caches import CacheInputs, CachePlan, opened
from flakeship.cancellation import Cancelled
from flakeship.errors import UnreachableError, UsageError
from flakeship.events import Command, Notice
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.caches.conftest import EventRecord, tools_of
from tests.testbed.nix import MakeFlake

KEY = "mine.cachix.org-1:" + "B" * 43 + "="
API = "https://cachix.org/api/v1/cache/mine"
INFO = "https://mine.cachix.org/nix-cache-info"
TOKEN, SIGNING_KEY = "hunter2-token", "hunter2-key"

Answers = dict[str, bytes | BaseException]


def service(*, public: bool = True, **changes: bytes | BaseException) -> Answers:
    cache = {"name": "mine", "isPublic": public, "publicSigningKeys": [KEY], "uri": "https://mine.cachix.org"}
    answers: Answers = {API: json.dumps(cache).encode(), INFO: b"StoreDir: /nix/store\nPriority: 41\n"}
    return answers | {{"api": API, "info": INFO}[name]: answer for name, answer in changes.items()}


@dataclasses.dataclass
class Api:
    """A `FetchDocument` with a table of responses; `asked` lists each URL and the token sent with it."""

    answers: Answers
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def __call__(self, url: str, seconds: float, /, *, token: str = "") -> bytes:
        assert seconds <= 5
        self.asked.append((url, token))
        answer = self.answers[url]
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def client(nix: Nix, tmp_path: Path) -> Nix:
    """Return a Nix with a script `cachix` in PATH, which writes down its arguments and secrets and runs its command."""
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "cachix").write_text(
        "#!/bin/sh\n"
        f'echo "$1 $2 $3 $CACHIX_AUTH_TOKEN $CACHIX_SIGNING_KEY" > {folder}/seen\n'
        f'shift 3; exec sh -c \'"$@"; s=$?; env > {folder}/after; exit $s\' -- "$@"\n'
    )
    (folder / "cachix").chmod(0o755)
    return dataclasses.replace(nix, environ={**nix.environ, "PATH": f"{folder}:{nix.environ['PATH']}"})


@pytest.fixture
def plan(tmp_path: Path, record: EventRecord) -> Iterator[Callable[..., CachePlan]]:
    """Open the Cachix cache `mine` until the test is over."""
    with contextlib.ExitStack() as scope:

        def make(nix: Nix, api: Api, **inputs: Any) -> CachePlan:
            tools = tools_of(nix, record, tmp_path, api)
            return scope.enter_context(opened(CacheInputs(cachix="mine", **inputs), tools))

        yield make


def test_a_public_cache_is_used_and_nothing_is_pushed_without_a_token(
    nix: Nix, record: EventRecord, plan: Callable[..., CachePlan]
) -> None:
    api = Api(service())
    made = plan(nix, api)
    options = dict(made.options)
    assert list(made.substituters.names.values()) == ["https://mine.cachix.org"]
    assert options["extra-trusted-public-keys"] == KEY
    assert (made.watch, dict(made.environ)) == ((), {})
    assert "netrc-file" not in options
    assert api.asked == [(API, ""), (INFO, "")]
    assert any(isinstance(event, Notice) and "pushes nothing to it" in event.text for event in record.events)


def test_a_private_cache_is_read_with_a_netrc_file_that_only_we_can_read(
    nix: Nix, tmp_path: Path, record: EventRecord, plan: Callable[..., CachePlan], mocker: Any
) -> None:
    """Where Nix asks the cache by itself; else the token is in no file."""
    mocker.patch("flakeship.caches.shares_loopback", return_value=False)
    theirs = tmp_path / "their-netrc"
    theirs.write_text("machine other.example password kept\n")
    config = f"{nix.environ['NIX_CONFIG']}\nnetrc-file = {theirs}"
    nix = dataclasses.replace(nix, environ={**nix.environ, "NIX_CONFIG": config, "PATH": "/usr/bin:/bin"})
    api = Api(service(public=False))
    made = plan(nix, api, cachix_auth_token=TOKEN)
    netrc = Path(dict(made.options)["netrc-file"])
    assert (
        netrc.read_text()
        == f"machine mine.cachix.org password {TOKEN}\nmachine other.example password kept\n"
    )
    assert netrc.stat().st_mode & 0o777 == 0o600
    assert api.asked == [(API, TOKEN), (INFO, TOKEN)]
    assert "hunter2" not in str(made.options) + repr(made) + str(record.events)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("secrets", "seen"),
    [
        ({"cachix_auth_token": TOKEN}, f"watch-exec mine -- {TOKEN} \n"),
        ({"cachix_signing_key": SIGNING_KEY}, f"watch-exec mine --  {SIGNING_KEY}\n"),
        (
            {"cachix_auth_token": TOKEN, "cachix_signing_key": SIGNING_KEY},
            f"watch-exec mine -- {TOKEN} {SIGNING_KEY}\n",
        ),
    ],
)
def test_the_client_runs_the_build_and_nix_does_not_see_its_secrets(
    client: Nix,
    tmp_path: Path,
    record: EventRecord,
    make_flake: MakeFlake,
    plan: Callable[..., CachePlan],
    *,
    secrets: dict[str, str],
    seen: str,
) -> None:
    made = plan(client, Api(service()), **secrets)
    assert made.watch == (
        "cachix",
        "watch-exec",
        "mine",
        "--",
        "env",
        "-u",
        "CACHIX_AUTH_TOKEN",
        "-u",
        "CACHIX_SIGNING_KEY",
    )
    wrapped = tmp_path / "client/nix"
    wrapped.write_text(f'#!/bin/sh\nenv > {tmp_path}/environ\nexec {shutil.which("nix")} "$@"\n')
    wrapped.chmod(0o755)
    options = tuple(option for option in made.options if "substituters" not in option[0])
    output = build(
        dataclasses.replace(client, emit=record).with_options(options),
        Installable.parse(".#text", cwd=make_flake()),
        emit=record,
        watch=made.watch,
        extra_environ=made.environ,
    )
    assert output.out_path.endswith("-notes.txt")
    assert (tmp_path / "client/seen").read_text() == seen
    assert "hunter2" in (tmp_path / "client/after").read_text()
    assert "hunter2" not in (tmp_path / "environ").read_text()
    command = next(event for event in record.events if isinstance(event, Command))
    assert command.argv[:4] == ("cachix", "watch-exec", "mine", "--")
    assert "hunter2" not in str(record.events)
    assert record.warnings == []


def test_without_a_client_nothing_is_pushed_and_the_cache_is_still_used(
    nix: Nix, record: EventRecord, plan: Callable[..., CachePlan]
) -> None:
    """There is no network here, so Nix cannot get nixpkgs#cachix."""
    quick = nix.with_options((("flake-registry", ""), ("download-attempts", "1")))
    made = plan(quick, Api(service()), cachix_auth_token=TOKEN)
    assert (made.watch, dict(made.environ)) == ((), {})
    assert list(made.substituters.names.values()) == ["https://mine.cachix.org"]
    assert "no cachix client, and Nix can't get one" in record.warnings[0]


def test_the_client_may_come_from_nixpkgs_and_is_never_built(
    nix: Nix, tmp_path: Path, mocker: Any, plan: Callable[..., CachePlan]
) -> None:
    (tmp_path / "out/bin").mkdir(parents=True)
    (tmp_path / "out/bin/cachix").touch()
    query = mocker.patch.object(
        Nix, "query", return_value=[{"outputs": {"doc": "/none", "bin": str(tmp_path / "out")}}]
    )
    mocker.patch("flakeship.caches.may_choose_substituters", return_value=True)
    mocker.patch("flakeship.caches.settings", return_value={})
    made = plan(nix, Api(service()), cachix_auth_token=TOKEN)
    assert made.watch[:2] == (str(tmp_path / "out/bin/cachix"), "watch-exec")
    words = query.call_args.args
    assert words[-1] == "nixpkgs#cachix"
    assert words[words.index("--max-jobs") + 1] == "0"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"api": UnreachableError("cachix.org answers 503")}, "cachix.org answers 503"),
        ({"api": TimeoutError("timed out")}, "did not answer within 5 seconds"),
        ({"api": ConnectionRefusedError(111, "Connection refused")}, "Connection refused"),
        ({"api": b"<html>"}, "left out: "),
        ({"api": b"[]"}, "does not describe a cache"),
        ({"info": TimeoutError("timed out")}, "did not answer within 5 seconds"),
        ({"info": b"nothing"}, "not a nix-cache-info"),
    ],
)
def test_a_cache_that_is_down_is_a_warning(
    nix: Nix, record: EventRecord, plan: Callable[..., CachePlan], *, changes: Any, reason: str
) -> None:
    assert plan(nix, Api(service(**changes)), cachix_auth_token=TOKEN) == CachePlan()
    (warning,) = record.warnings
    assert "the Cachix cache mine is left out: " in warning
    assert reason in warning
    assert "the build goes on without it" in warning


def test_the_warning_about_a_private_cache_names_the_token(
    nix: Nix, record: EventRecord, plan: Callable[..., CachePlan]
) -> None:
    assert plan(nix, Api(service(api=UnreachableError("401")))) == CachePlan()
    assert "set `cachix-auth-token` if the cache is private" in record.warnings[0]


def test_cancellation_is_not_mistaken_for_a_broken_cache(nix: Nix, plan: Callable[..., CachePlan]) -> None:
    with pytest.raises(Cancelled):
        plan(nix, Api(service(api=Cancelled(2))))


@pytest.mark.parametrize("name", ["--help", "https://mine.cachix.org", "Mine", "a/b", "a b", "-x"])
def test_a_malformed_name_is_refused(nix: Nix, record: EventRecord, tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(UsageError, match="is not the name of a cache") as caught,
        opened(CacheInputs(cachix=name), tools_of(nix, record, tmp_path, Api({}))),
    ):
        pass
    assert "NAME" in caught.value.hint


def test_the_inputs_print_no_secrets() -> None:
    assert "hunter2" not in repr(CacheInputs(cachix_auth_token=TOKEN, cachix_signing_key=SIGNING_KEY))
