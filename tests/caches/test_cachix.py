"""Cachix. A script stands in for its client, and a table of responses for its API.

Both follow docs.cachix.org; these tests can't show that the real service behaves so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flakeship.caches import CacheInputs, CachePlan, opened
from flakeship.cancellation import Cancelled
from flakeship.errors import BuildError, UnreachableError, UsageError
from flakeship.events import Command, DerivationBuilt, Notice
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.stored import closure_of, outputs_of
from tests.caches.conftest import Client, EventRecord, tools_of
from tests.testbed.nix import NixBuild

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
    assert (made.built, made.heard) == ((), ())
    assert "netrc-file" not in options
    assert api.asked == [(API, ""), (INFO, "")]
    assert any(isinstance(event, Notice) and "pushes nothing to it" in event.text for event in record.events)


def test_a_private_cache_is_read_with_a_netrc_file_that_only_we_can_read(
    nix: Nix, tmp_path: Path, record: EventRecord, plan: Callable[..., CachePlan], mocker: Any
) -> None:
    """Where Nix asks the cache by itself; else the token is in no file."""
    mocker.patch("flakeship.caches.through.may_reach_us", return_value=False)
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


class Run:
    """One run with the Cachix cache `mine`, to which Nix tells what it built, and which ends with the block."""

    def __init__(self, client: Client, record: EventRecord, folder: Path, api: Api | None = None) -> None:
        self.client, self.record = client, record
        self.tools = tools_of(client.nix, record, folder, api or Api(service()))

    @contextlib.contextmanager
    def building(self, **inputs: Any) -> Iterator[CachePlan]:
        with opened(CacheInputs(cachix="mine", **inputs), self.tools) as plan:
            yield plan

    def ended_by(self, error: BaseException, derivation: str) -> None:
        """A run that ends so when a derivation was built."""
        with self.building(cachix_auth_token=TOKEN) as plan:
            told(plan, derivation)
            raise error


@pytest.fixture
def run(client: Client, record: EventRecord, tmp_path: Path) -> Run:
    return Run(client, record, tmp_path)


@pytest.fixture
def hello(nix: Nix, shapes: NixBuild) -> tuple[str, str]:
    """A path and its derivation."""
    path = str(shapes("hello"))
    (found,) = (each for each in closure_of(nix, [path]) if each.path == path)
    return path, found.deriver


def told(plan: CachePlan, derivation: str, *results: str) -> None:
    for heard in plan.heard:
        heard(DerivationBuilt(derivation))
    for built in plan.built if results else ():
        built(BuildOutput(derivation, dict(enumerate(results)), ""))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("secrets", "seen"),
    [
        ({"cachix_auth_token": TOKEN}, [f"CACHIX_AUTH_TOKEN={TOKEN}"]),
        ({"cachix_signing_key": SIGNING_KEY}, [f"CACHIX_SIGNING_KEY={SIGNING_KEY}"]),
        (
            {"cachix_auth_token": TOKEN, "cachix_signing_key": SIGNING_KEY},
            [f"CACHIX_AUTH_TOKEN={TOKEN}", f"CACHIX_SIGNING_KEY={SIGNING_KEY}"],
        ),
    ],
)
def test_the_client_is_handed_what_was_built_and_the_closure_and_alone_sees_the_secrets(
    run: Run, shapes: NixBuild, hello: tuple[str, str], *, secrets: dict[str, str], seen: list[str]
) -> None:
    """The script of the result needs `hello`, which was built; its sources are not pushed."""
    path, derivation = hello
    script = str(shapes("script-linked"))
    with run.building(**secrets) as plan:
        told(plan, derivation, script)
        assert "hunter2" not in str(plan.applied(run.client.nix).environ)
    assert run.client.noted("argv") == ["push mine"]
    assert run.client.noted("secrets") == seen
    paths = run.client.noted("paths")
    assert sorted(paths) == sorted([*outputs_of(run.client.nix, [derivation])[derivation].paths, script])
    assert paths.index(path) < paths.index(script), "what others need comes first"
    commands = [event.argv for event in run.record.events if isinstance(event, Command)]
    assert ("cachix", "push", "mine") in commands
    assert "hunter2" not in str(run.record.events)
    assert not run.record.warnings


@pytest.mark.slow
def test_what_a_key_of_the_cache_or_of_another_has_signed_is_not_handed_on(
    run: Run, nix: Nix, shapes: NixBuild, hello: tuple[str, str], mocker: Any
) -> None:
    path, _ = hello
    script = str(shapes("script-linked"))
    found = [dataclasses.replace(each, sigs=("mine.cachix.org-1:x",)) for each in closure_of(nix, [script])]
    mocker.patch("flakeship.caches.pushed.closure_of", return_value=found)
    with run.building(cachix_auth_token=TOKEN) as plan:
        told(plan, "/nix/store/none.drv", script)
    assert path not in run.client.noted("paths")
    assert run.client.noted("argv") == []


@pytest.mark.slow
def test_it_is_pushed_while_nix_builds_and_each_path_once(
    run: Run, hello: tuple[str, str], mocker: Any
) -> None:
    mocker.patch("flakeship.caches.cachix_push._GATHER_SECONDS", 0.05)
    path, derivation = hello
    with run.building(cachix_auth_token=TOKEN) as plan:
        told(plan, derivation)
        deadline = time.monotonic() + 20
        while not run.client.noted("paths") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert path in run.client.noted("paths")
        told(plan, derivation, path)
    assert run.client.noted("paths").count(path) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("echo 'cache mine does not exist.' >&2; exit 1", "exit code 1: cache mine does not exist."),
        ("sleep 60", "its client was not done 0.5 seconds after the build"),
        ("trap '' TERM; sleep 60; sleep 60", "its client was not done 0.5 seconds after the build"),
    ],
    ids=["fails", "hangs", "ignores"],
)
def test_a_client_that_fails_or_hangs_is_a_warning(
    run: Run, hello: tuple[str, str], mocker: Any, *, does: str, reason: str
) -> None:
    hangs = "sleep" in does
    mocker.patch("flakeship.caches.cachix_push._PUSH_SECONDS", 0.5 if hangs else 20)
    run.client.does(does)
    with run.building(cachix_auth_token=TOKEN) as plan:
        told(plan, hello[1], hello[0])
        begun = time.monotonic()
    assert time.monotonic() - begun < 50
    (warning,) = run.record.warnings
    assert warning.startswith("not all of this build is in the Cachix cache mine: ")
    assert reason in warning


@pytest.mark.slow
def test_a_signal_leaves_less_than_five_seconds_and_what_was_built_is_handed_over(
    run: Run, hello: tuple[str, str]
) -> None:
    run.client.does("trap '' TERM; sleep 60; sleep 60")
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        run.ended_by(Cancelled(15), hello[1])
    assert time.monotonic() - begun < 50  # the rest is the machine
    assert hello[0] in run.client.noted("paths")


@pytest.mark.slow
def test_what_was_built_before_a_build_failed_is_handed_over(run: Run, hello: tuple[str, str]) -> None:
    with pytest.raises(BuildError):
        run.ended_by(BuildError("it failed"), hello[1])
    assert hello[0] in run.client.noted("paths")


def test_without_a_client_nothing_is_pushed_and_the_cache_is_still_used(
    nix: Nix, record: EventRecord, plan: Callable[..., CachePlan]
) -> None:
    """There is no network here, so Nix cannot get nixpkgs#cachix."""
    quick = nix.with_options((("flake-registry", ""), ("download-attempts", "1")))
    made = plan(quick, Api(service()), cachix_auth_token=TOKEN)
    assert (made.built, made.heard) == ((), ())
    assert list(made.substituters.names.values()) == ["https://mine.cachix.org"]
    assert "no cachix client, and Nix can't get one" in record.warnings[0]


def test_the_client_may_come_from_nixpkgs_and_is_never_built(
    nix: Nix, tmp_path: Path, mocker: Any, plan: Callable[..., CachePlan]
) -> None:
    (tmp_path / "out/bin").mkdir(parents=True)
    (tmp_path / "out/bin/cachix").touch()
    pushes = mocker.patch("flakeship.caches.cachix_push.CachixPush")
    query = mocker.patch.object(
        Nix, "query", return_value=[{"outputs": {"doc": "/none", "bin": str(tmp_path / "out")}}]
    )
    mocker.patch("flakeship.caches.may_choose_substituters", return_value=True)
    mocker.patch("flakeship.caches.plan.settings", return_value={})
    plan(nix, Api(service()), cachix_auth_token=TOKEN)
    assert pushes.call_args.args[0] == str(tmp_path / "out/bin/cachix")
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
