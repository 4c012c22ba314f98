"""How Nix is told to use caches: which of them through the loopback server, with whose password, and when not at all."""

from __future__ import annotations

import base64
import dataclasses
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.caches.loopback.budget import Budget
from flakeship.caches.loopback.credentials import HostCredentials
from flakeship.caches.loopback.server import Loopback
from flakeship.events import BuildLog, Detail
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.reach import may_reach_us
from flakeship.nix.substituters import Substituters
from tests.caches.asking import ask
from tests.caches.conftest import EventRecord, SignedCache, tools_of
from tests.caches.faulty import Fault, FaultyCache, FaultyHandler, faulty
from tests.testbed.nix import MakeFlake


def configured(nix: Nix, *lines: str) -> Nix:
    environ = {**nix.environ, "NIX_CONFIG": "\n".join((nix.environ["NIX_CONFIG"], *lines))}
    return dataclasses.replace(nix, environ=environ)


@pytest.fixture
def plain(signed_cache: SignedCache, tmp_path: Path) -> Iterator[FaultyCache]:
    """A cache without a fault, which keeps what it is asked and with which credentials."""
    with faulty(tmp_path / "cache").served() as cache:
        yield cache


def with_nix_26(nix: Nix) -> Nix:
    return dataclasses.replace(nix, version=(2, 26), release="nix (Nix) 2.26.3")


@pytest.mark.slow
def test_the_password_of_nixs_netrc_goes_to_its_host_alone(
    nix: Nix, plain: FaultyCache, record: EventRecord, tmp_path: Path
) -> None:
    netrc = tmp_path / "their-netrc"
    netrc.write_text("machine 127.0.0.1 login me password 'my word'\nmachine other.example password no\n")
    own = configured(nix, f"netrc-file = {netrc}")
    with opened(CacheInputs(substituters=(plain.url,)), tools_of(own, record, tmp_path)) as plan:
        (url,) = plan.substituters.names
        ask(f"{url}/{'0' * 32}.narinfo")
    sent = base64.b64encode(b"me:my word").decode()
    assert plain.requests[-1] == (f"/{'0' * 32}.narinfo", f"Basic {sent}")
    assert "netrc-file" not in dict(plan.options)


@pytest.mark.slow
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_private_cache_is_used_with_the_password_of_nixs_netrc(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path, password: str
) -> None:
    """A wrong one must not look like an empty cache."""
    netrc = tmp_path / "their-netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {password}\n")
    own = configured(nix, f"netrc-file = {netrc}")
    expected = f"Basic {base64.b64encode(b'me:right').decode()}"

    def private(handler: FaultyHandler, data: bytes) -> None:
        allowed = handler.headers.get("Authorization") == expected
        handler.give(data if allowed else b"", status=200 if allowed else 401)

    kinds: dict[str, Fault] = dict.fromkeys(("info", "narinfo", "nar"), private)
    with (
        FaultyCache(tmp_path / "cache", kinds).served() as cache,
        opened(CacheInputs(substituters=(cache.url,)), tools_of(own, record, tmp_path)) as plan,
    ):
        (url,) = plan.substituters.names
        narinfo = next((tmp_path / "cache").glob("*.narinfo"))
        status, _ = ask(f"{url}/{narinfo.name}")
        assert ask(f"{url}/nix-cache-info")[0] == 200
    assert status == (200 if password == "right" else 404)
    told = [warning for warning in record.warnings if cache.url in warning]
    assert len(told) == (password == "wrong")
    assert all("it answers 401" in warning for warning in told)


@pytest.mark.slow
def test_where_only_others_may_read_the_netrc_nix_asks_by_itself(
    nix: Nix, plain: FaultyCache, record: EventRecord, tmp_path: Path, mocker: MockerFixture
) -> None:
    mocker.patch("flakeship.caches.users_netrc", return_value=None)
    with opened(CacheInputs(substituters=(plain.url,)), tools_of(nix, record, tmp_path)) as plan:
        assert dict(plan.substituters.names) == {plain.url: plain.url}


@pytest.mark.slow
@pytest.mark.parametrize(("choose", "shares"), [(False, True), (True, False)])
def test_a_nix_out_of_reach_asks_by_itself(
    nix: Nix,
    plain: FaultyCache,
    record: EventRecord,
    tmp_path: Path,
    mocker: MockerFixture,
    *,
    choose: bool,
    shares: bool,
) -> None:
    mocker.patch("flakeship.caches.may_choose_substituters", return_value=choose)
    mocker.patch("flakeship.caches.through.may_reach_us", return_value=shares)
    with opened(CacheInputs(substituters=(plain.url,)), tools_of(nix, record, tmp_path)) as plan:
        assert plan.substituters == Substituters({plain.url: plain.url})
    assert any("daemon ignores caches" in warning for warning in record.warnings) != choose


@pytest.mark.slow
def test_the_caches_of_nix_conf_are_guarded_where_nix_itself_would_abort(
    nix: Nix, plain: FaultyCache, record: EventRecord, tmp_path: Path
) -> None:
    own = configured(nix, f"substituters = {plain.url}/of-nix-conf?priority=7 daemon")
    inputs = CacheInputs(substituters=(plain.url,))
    with opened(inputs, tools_of(own, record, tmp_path)) as plan:
        assert plan.substituters.replace
        first, daemon, last = plan.substituters.names
        assert first.startswith("http://127.0.0.1:")
        assert first.endswith("?priority=7")
        assert daemon == "daemon"
        assert list(plan.substituters.names.values()) == [f"{plain.url}/of-nix-conf", "daemon", plain.url]
    with opened(inputs, tools_of(with_nix_26(own), record, tmp_path)) as plan:
        assert not plan.substituters.replace
        assert len(plan.substituters.names) == 1
    assert last


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_cache_of_nix_conf_that_fails_does_not_fail_the_build(
    other_store: Nix,
    signed_cache: SignedCache,
    record: EventRecord,
    make_flake: MakeFlake,
    tmp_path: Path,
) -> None:
    """Nix 2.8 alone would end over it: with exit code 1, or 134 with the setting `fallback`."""
    with faulty(tmp_path / "cache", "500 on narinfo").served() as broken:
        own = configured(other_store, f"substituters = {broken.url}")
        inputs = CacheInputs(substituters=(signed_cache.url,), trusted_public_keys=(signed_cache.public_key,))
        with opened(inputs, tools_of(own, record, tmp_path)) as plan:
            build(plan.applied(own), Installable.parse(".#chatty", cwd=str(make_flake())), emit=record)
    log = [event.line for event in record.events if isinstance(event, BuildLog)]
    assert any(line.startswith("copying path") and signed_cache.url in line for line in log), log
    assert len(record.warnings) == 1


@pytest.mark.slow
def test_loopback_is_asked_through_no_proxy(
    other_store: Nix,
    signed_cache: SignedCache,
    closed_port: str,
    record: EventRecord,
    *,
    make_flake: MakeFlake,
    tmp_path: Path,
) -> None:
    own = dataclasses.replace(
        other_store, environ={**other_store.environ, "http_proxy": closed_port, "NO_PROXY": "example.org"}
    )
    inputs = CacheInputs(substituters=(signed_cache.url,), trusted_public_keys=(signed_cache.public_key,))
    with opened(inputs, tools_of(own, record, tmp_path)) as plan:
        build(plan.applied(own), Installable.parse(".#chatty", cwd=str(make_flake())), emit=record)
    log = [event.line for event in record.events if isinstance(event, BuildLog)]
    assert any(line.startswith("copying path") for line in log), log
    assert "chatty> one" not in log


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "127.0.0.1"),
        ({"no_proxy": "a.example"}, "a.example,127.0.0.1"),
        ({"NO_PROXY": "b.example"}, "b.example,127.0.0.1"),
        ({"no_proxy": "a.example", "NO_PROXY": "b.example"}, "a.example,127.0.0.1"),
    ],
)
def test_what_the_user_reaches_directly_stays_so(environ: dict[str, str], expected: str) -> None:
    """Curl reads the lower-case name first."""
    assert Substituters({"u": "u"}).environ(environ)["no_proxy"] == expected
    assert Substituters().environ(environ) == environ


def test_the_settings_follow_those_of_the_user() -> None:
    used = Substituters({"http://a?trusted=1": "our cache", "s3://b": "s3://b"})
    config = used.environ({"NIX_CONFIG": "cores = 1"})["NIX_CONFIG"]
    assert config == "cores = 1\nextra-substituters = http://a?trusted=1 s3://b"
    assert Substituters({"x": "x"}, replace=True).environ({})["NIX_CONFIG"] == "substituters = x"
    assert used.named(b'@nix {"text":"from \'http://a\'"}') == b'@nix {"text":"from \'our cache\'"}'


@pytest.mark.parametrize(
    ("text", "host", "pair"),
    [
        ("machine a login b password c", "a", "b:c"),
        ("machine a password token", "a", ":token"),
        ("machine a login b\n  password 'c d'\nmachine a login x password y", "a", "b:c d"),
        ("# a comment\nmachine z login b password c # another", "z", "b:c"),
        ("default login b password c", "any", "b:c"),
        ("machine a login b password c", "other", ""),
        ("machine a login it's password c", "a", "it's:c"),
        ("machine", "", ""),
        ("login b password c", "", ""),
        ("", "", ""),
    ],
)
def test_netrc_is_read_as_curl_reads_it(text: str, host: str, pair: str) -> None:
    found = HostCredentials.of((text,))
    assert found.for_host(host) == (f"Basic {base64.b64encode(pair.encode()).decode()}" if pair else "")
    assert "token" not in repr(found)


@given(
    st.lists(
        st.sampled_from(
            ["machine", "default", "login", "password", "a", "'", '"', "#", "\\", "\n", "\0", "é"]
        )
    )
)
def test_no_netrc_is_an_error(words: list[str]) -> None:
    assert HostCredentials.of((" ".join(words), "machine z login b password c")).for_host("z")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("", True),
        ("local", True),
        ("/srv/root", True),
        ("daemon", True),
        ("ssh-ng://far", False),
        ("unix:///x", True),
    ],
)
def test_a_store_elsewhere_does_not_reach_us(nix: Nix, remote: str, *, expected: bool) -> None:
    own = dataclasses.replace(nix, environ={"NIX_REMOTE": remote})
    assert may_reach_us(own, {}) == expected
    assert not may_reach_us(own.building_in("ssh-ng://far"), {})


@pytest.mark.slow
@pytest.mark.parametrize("has_address", [True, False])
def test_a_server_that_nothing_arrives_at_is_not_used(
    nix: Nix,
    plain: FaultyCache,
    record: EventRecord,
    tmp_path: Path,
    mocker: MockerFixture,
    *,
    has_address: bool,
) -> None:
    """A firewall leads its port elsewhere, which needs root: here another server stands there. Nix asks by itself."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        elsewhere = mocker.patch.object(Loopback, "_connection")
        elsewhere.side_effect = lambda: socket.create_connection(other.getsockname(), timeout=0.2)
        if not has_address:
            mocker.patch("socket.create_server", side_effect=OSError(99, "Cannot assign requested address"))
        with opened(CacheInputs(substituters=(plain.url,)), tools_of(nix, record, tmp_path)) as plan:
            assert plan.substituters == Substituters({plain.url: plain.url})
    (told,) = (event.text for event in record.events if isinstance(event, Detail))
    assert told == "Nix asks its caches by itself: connections to 127.0.0.1 do not arrive here"


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_budget_counts_each_second_once() -> None:
    clock = Time()
    budget = Budget(8.0, clock)
    clock.now = 105.0
    budget.failed("a", 100.0)
    budget.failed("b", 101.0)
    assert budget.left == pytest.approx(3.0)
    budget.settled("a")
    assert budget.left == pytest.approx(3.0)
    clock.now = 106.0
    budget.settled("b")
    clock.now = 200.0
    assert budget.left == pytest.approx(2.0)
    budget.failed("a", 104.0)
    assert budget.left == pytest.approx(2.0 - 94.0)
    budget.settled("a")
    budget.settled("a")


def test_many_at_once_share_the_budget() -> None:
    clock = Time()
    budget = Budget(5.0, clock)
    began, clock.now = clock.now, clock.now + 0.5

    def fail(cache: int) -> None:
        budget.failed(cache, began)
        budget.settled(cache)

    threads = [threading.Thread(target=fail, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.left == pytest.approx(4.5)
