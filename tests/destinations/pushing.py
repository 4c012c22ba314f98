"""A pusher whose waits are counted and not slept, and whose events are kept."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from flakeship.destinations.protocol import Published
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.events import Event
from flakeship.http.retry import RetryPolicy
from flakeship.http.session import Transport, open_session
from flakeship.image.model import Packed
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials

E = TypeVar("E")


@dataclass
class Clock:
    """Time that passes by sleeping alone."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def policy(self, **changes: Any) -> RetryPolicy:
        usual = RetryPolicy(clock=self, sleep=self.sleep, random=random.Random(1).random)
        return replace(usual, **changes)


@dataclass
class Pusher:
    stack: ExitStack
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)

    def transport(
        self,
        *,
        ca: str | None = None,
        plain_http: Collection[str] = (),
        environ: Mapping[str, str] | None = None,
        **policy: Any,
    ) -> Transport:
        opened = open_session(
            ca=ca,
            plain_http=plain_http,
            environ=environ or {},
            emit=self.events.append,
            policy=self.clock.policy(**policy),
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
def pusher() -> Iterator[Pusher]:
    with ExitStack() as stack:
        yield Pusher(stack)


def push(packed: Packed, destination: RegistryDestination, *, threads: int = 1) -> Published:
    """As the pipeline does: each layer once, from several threads, then the rest."""
    with ThreadPoolExecutor(threads) as pool:
        for delivered in [pool.submit(destination.take, layer) for layer in packed.layers]:
            delivered.result()
    return destination.prepare(packed).finish()
