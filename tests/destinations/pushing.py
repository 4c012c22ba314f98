"""A pusher whose waits are counted and not slept, and whose events are kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from flakeship.destinations.protocol import Published
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.events import Event
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.image.model import Packed
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials

E = TypeVar("E")


@dataclass
class ManualClock:
    """Time that passes by sleeping alone."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def as_clock(self, chance: Callable[[], float] | None = None) -> Clock:
        return Clock(now=lambda: self.now, sleep=self.sleep, random=chance or random.Random(1).random)


@dataclass
class Pusher:
    stack: ExitStack
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    environ: Mapping[str, str] = field(default_factory=dict)

    def transport(
        self,
        *,
        ca: str | None = None,
        plain_http: Collection[str] = (),
        environ: Mapping[str, str] | None = None,
        home: str = "",
    ) -> Transport:
        opened = Transport(
            ca=ca,
            plain_http=plain_http,
            environ=self.environ if environ is None else environ,
            emit=self.events.append,
            clock=self.clock.as_clock(),
            home=home,
        )
        return self.stack.enter_context(opened)

    def client(
        self, host: str, repository: str, *, login: tuple[str, str] | Credentials | None = None, **kwargs: Any
    ) -> RegistryClient:
        credentials = Credentials(*login) if isinstance(login, tuple) else login
        return RegistryClient(self.transport(), host, repository, credentials, **kwargs)

    def destination(
        self,
        host: str,
        repository: str,
        *,
        tags: tuple[str, ...] = (),
        mount_from: tuple[str, ...] = (),
        login: tuple[str, str] | Credentials | None = None,
    ) -> RegistryDestination:
        client = self.client(host, repository, login=login, pull_from=mount_from)
        return RegistryDestination(client, tags=tags, mount_from=mount_from, emit=self.events.append)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def pusher(one_authority: str) -> Iterator[Pusher]:
    with ExitStack() as stack:
        yield Pusher(stack, environ={"SSL_CERT_FILE": one_authority})


def push(packed: Packed, destination: RegistryDestination, *, threads: int = 1) -> Published:
    """As the pipeline does: each layer once, from several threads, then the rest."""
    with ThreadPoolExecutor(threads) as pool:
        for delivered in [pool.submit(destination.take, layer) for layer in packed.layers]:
            delivered.result()
    return destination.prepare(packed).finish()
