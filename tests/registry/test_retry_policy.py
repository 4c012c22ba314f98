"""The retry policy of one host is set in one place; whatever is asked of that host obeys it, and of no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.commands.connections import Connections
from flakeship.commands.registry_image import registry_image
from flakeship.errors import UnreachableError
from flakeship.http.retry import POLICIES, RetryPolicy
from flakeship.settings.declaration import Settings
from tests.destinations.pushing import Pusher, push
from tests.images import random_packed
from tests.runtimes import runtime
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

TWICE = RetryPolicy(tries=2)
USUAL = RetryPolicy().tries


def asked(host: FaultProxy, method: str, part: str) -> int:
    return len([request for request in host.of(method) if part in request.path])


@pytest.fixture
def other(proxy: FaultProxy, proxy_to: Callable[[str], FaultProxy]) -> FaultProxy:
    """A second host in front of the same registry, for which no policy is set."""
    return proxy_to(proxy.upstream)


@pytest.fixture
def policed(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> FaultProxy:
    monkeypatch.setitem(POLICIES, proxy.host, TWICE)
    return proxy


@pytest.mark.parametrize(("method", "pattern"), [("POST", "/blobs/uploads/"), ("PUT", "/manifests/")])
def test_uploads_and_manifests(
    method: str, pattern: str, *, registry: Registry, policed: FaultProxy, other: FaultProxy, pusher: Pusher
) -> None:
    repository = registry.new_repository()
    for host, tries in ((policed, TWICE.tries), (other, USUAL)):
        host.fail_next(method, pattern, status=503, times=USUAL)
        with pytest.raises(UnreachableError, match=f"tried {tries} times"):
            push(random_packed(1, layers=1), pusher.destination(host.host, repository, tags=("latest",)))
        assert asked(host, method, pattern) == tries


def test_tokens(
    token_registry: Registry,
    proxy_to: Callable[[str], FaultProxy],
    pusher: Pusher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policed, other = proxy_to(token_registry.host), proxy_to(token_registry.host)
    monkeypatch.setitem(POLICIES, policed.host, TWICE)
    assert token_registry.tokens
    for host, tries in ((policed, TWICE.tries), (other, USUAL)):
        token_registry.tokens.reset()
        token_registry.tokens.fail_next("GET", "/token", status=503, times=USUAL)
        login = (token_registry.username, token_registry.password)
        with pytest.raises(UnreachableError, match=f"tried {tries} times"):
            pusher.destination(host.host, "a/b", login=login).check()


def test_reading_a_source(policed: FaultProxy, other: FaultProxy, pusher: Pusher, tmp_path: Path) -> None:
    around, _ = runtime(tmp_path)
    for host, tries in ((policed, TWICE.tries), (other, USUAL)):
        host.fail_next("GET", "/manifests/", status=503, times=USUAL)
        connections = replace(Connections.of(Settings(), around), session=pusher.transport())
        with pytest.raises(UnreachableError, match=f"tried {tries} times"):
            registry_image(f"docker://{host.host}/a/b:1", connections, pushed_to=())
        assert asked(host, "GET", "/manifests/") == tries


def test_a_pause_that_a_host_asks_for(
    proxy: FaultProxy, other: FaultProxy, pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that allows no pause of a second makes no other request wait for it."""
    monkeypatch.setitem(POLICIES, proxy.host, RetryPolicy(longest_asked_wait=0.5))
    for host, slept in ((proxy, []), (other, [1])):
        host.fail_next("GET", "/v2/", status=503, headers={"Retry-After": "1"})
        transport = pusher.transport()
        for _ in range(2):
            transport.exchange("GET", f"http://{host.host}/v2/", headers={}).close()
        assert pusher.clock.slept == slept
