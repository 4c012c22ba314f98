"""A private input, and what holds a part of it, is kept only where not everybody can read it: for each kind of target."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship.caches import CacheInputs, opened
from flakeship.caches.place import LayoutPlace, NixCache, Place, RegistryPlace, StorePlace
from flakeship.caches.plan import KeptResults
from flakeship.events import CachesTold
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.nix.build import BuildOutput, build
from flakeship.nix.command import Nix
from flakeship.nix.input_sources import input_sources
from flakeship.nix.installable import Installable
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import Reference
from tests.caches.conftest import Client, EventRecord, serving, tools_of
from tests.caches.test_cachix import TOKEN, Api, service
from tests.caches.test_pushed import Server
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@dataclasses.dataclass(frozen=True)
class Built:
    """A package that holds a link into the private input `private`."""

    flake: Path
    output: BuildOutput


@pytest.fixture
def built(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> Built:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/x").write_text("secret")
    flake = make_flake()
    text = (flake / "flake.nix").read_text().replace("{ self }:", "{ self, private }:")
    given = f'inputs.private = {{ url = "path:{tmp_path}/private"; flake = false; }};\n  outputs ='
    uses = 'uses = make "uses" "$b ln -s ${private}/x $out" { };'
    text = text.replace("outputs =", given, 1).replace("default = hello;", f"default = hello; {uses}")
    (flake / "flake.nix").write_text(text)
    return Built(flake, build(nix, Installable.parse(".#uses", cwd=flake), emit=lambda event: None))


class Closed(Server):
    """A binary cache that only answers who has a password."""

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if "Authorization" in self.headers:
            return True
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False


@dataclasses.dataclass
class At:
    """Where the results of a run are kept, and what it has for that: `login` for a registry, a file for `netrc`."""

    place: Place
    nix: Nix
    login: Credentials | None = None


MakePlace: TypeAlias = Callable[[str], At]


@pytest.fixture
def at(nix: Nix, tmp_path: Path, registry: Registry, basic_registry: Registry) -> Iterator[MakePlace]:
    with ExitStack() as stack:

        def make(kind: str) -> At:
            folder = tmp_path / "cache"
            match kind:
                case "an open registry" | "a closed registry":
                    where = registry if "open" in kind else basic_registry
                    place = RegistryPlace(Reference(where.host, where.new_repository()))
                    return At(place, nix, Credentials(where.username, where.password))
                case "a layout":
                    return At(LayoutPlace(folder), nix)
                case "a folder":
                    return At(StorePlace(f"file://{folder}"), nix)
                case _:
                    folder.mkdir()
                    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
                    handler = functools.partial(Server if "open" in kind else Closed, directory=str(folder))
                    url = stack.enter_context(serving(handler))
                    netrc = tmp_path / "netrc"
                    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
                    config = f"{nix.environ['NIX_CONFIG']}\nnetrc-file = {netrc}"
                    return At(
                        StorePlace(url),
                        dataclasses.replace(nix, environ={**nix.environ, "NIX_CONFIG": config}),
                    )

        yield make


def kept(at: At, built: Built, record: EventRecord, folder: Path, *, inputs: bool) -> int:
    """The number of paths that a run keeps there."""
    tools = tools_of(at.nix, record, folder)
    if isinstance(at.place, RegistryPlace):
        reference = at.place.reference
        assert reference
        clock = Clock(now=lambda: 0.0, sleep=lambda seconds: None, random=lambda: 0.0)
        transport = Transport(ca=None, plain_http=(reference.registry,), environ={}, emit=record, clock=clock)

        def client(reference: Reference, /, *, actions: str = "pull,push") -> RegistryClient:
            return RegistryClient(
                transport, reference.registry, reference.repository, at.login, actions=actions
            )

        tools = dataclasses.replace(tools, client=client, transport=transport)
    results = KeptResults(cache=NixCache(at.place, inputs=inputs), ref="main", attributes=(".#uses",))
    given = CacheInputs(kept=results, flakes=(".",), cwd=str(built.flake))
    with opened(given, tools) as plan:
        for tell in plan.built:
            tell(built.output)
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    found = re.search(r"(\d+) new in", told)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("inputs", [False, True], ids=["results", "inputs too"])
@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("an open registry", "make the package of the cache private"),
        ("an open server", "let the server ask for a password"),
        ("a closed registry", ""),
        ("a closed server", ""),
        ("a layout", ""),
        ("a folder", ""),
    ],
)
def test_a_private_input_is_kept_where_not_everybody_can_read_it(
    built: Built, at: MakePlace, record: EventRecord, tmp_path: Path, *, kind: str, hint: str, inputs: bool
) -> None:
    count = kept(at(kind), built, record, tmp_path, inputs=inputs)
    if not hint:
        assert count == (2 if inputs else 1)
        assert not record.warnings
        return
    assert count == 0
    (warning,) = record.warnings
    assert "with the source of a private input (private) is not kept in" in warning
    assert "which anybody can read" in warning
    assert hint in warning


@pytest.mark.parametrize("public", [True, False])
def test_a_private_input_is_not_pushed_to_a_public_cachix_cache(
    client: Client, built: Built, record: EventRecord, tmp_path: Path, *, public: bool
) -> None:
    """Its client would push the source with the path that names it."""
    given: dict[str, Any] = {"cachix": "mine", "cachix_auth_token": TOKEN}
    inputs = CacheInputs(**given, flakes=(".",), cwd=str(built.flake))
    with opened(inputs, tools_of(client.nix, record, tmp_path, Api(service(public=public)))) as plan:
        for tell in plan.built:
            tell(built.output)
    assert client.noted("paths") == ([] if public else [built.output.out_path])
    assert len(record.warnings) == public
    assert (
        "is not kept in the Cachix cache mine, which anybody can read" in "".join(record.warnings)
        or not public
    )


def test_the_input_is_known_as_private(nix: Nix, built: Built) -> None:
    (found,) = input_sources(nix, ".", cwd=str(built.flake))
    assert (found.name, found.private) == ("private", True)
    assert Path(found.path, "x").read_text() == "secret"
