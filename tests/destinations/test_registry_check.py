"""What a user is told before anything is built, when a registry cannot be pushed to."""

from __future__ import annotations

import socket

import pytest

from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.sessions import AFTER_ERROR
from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.http.errors import CertificateError, NotTlsError, UnknownHostError
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials
from flakeship.registry.hints import hint_for
from tests.destinations.pushing import Pusher
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_tls import Certified

pytestmark = pytest.mark.slow


def test_a_check_leaves_nothing_behind(registry: Registry, pusher: Pusher) -> None:
    repository = registry.new_repository()
    destination = pusher.destination(registry.host, repository)
    destination.check()
    destination.end(AFTER_ERROR)
    assert registry.open_uploads(repository) == []
    assert registry.tags(repository) == []


def test_who_asks_for_no_credentials_is_asked_once(
    registry: Registry, basic_registry: Registry, pusher: Pusher
) -> None:
    for asked, times in ((registry, 1), (basic_registry, 2)):
        known = len(asked.accesses())
        login = (asked.username, asked.password) if asked.username else None
        pusher.destination(asked.host, asked.new_repository(), login=login).check()
        paths = [access.path for access in asked.accesses()[known:]]
        assert paths.count("/v2/") == times


def test_missing_credentials(basic_registry: Registry, token_registry: Registry, pusher: Pusher) -> None:
    for registry in (basic_registry, token_registry):
        with pytest.raises(NotAllowedError, match="asks for credentials, and none were found") as raised:
            pusher.destination(registry.host, registry.new_repository()).check()
        assert f"docker login {registry.host}" in raised.value.hint


def test_wrong_credentials(basic_registry: Registry, token_registry: Registry, pusher: Pusher) -> None:
    for registry in (basic_registry, token_registry):
        login = (registry.username, "canary-5e1f")
        with pytest.raises(NotAllowedError, match="does not accept the credentials") as raised:
            pusher.destination(registry.host, registry.new_repository(), login=login).check()
        assert "canary" not in f"{raised.value.message} {raised.value.hint} {raised.value.detail}"


def test_credentials_that_may_only_pull(token_registry: Registry, pusher: Pusher) -> None:
    assert token_registry.tokens
    token_registry.tokens.refused_actions = frozenset({"push"})
    login = (token_registry.username, token_registry.password)
    with pytest.raises(NotAllowedError, match="not accept the credentials, or not for") as raised:
        pusher.destination(token_registry.host, token_registry.new_repository(), login=login).check()
    assert raised.value.hint
    assert len(token_registry.tokens.requests) <= 2, "no storm of logins"


def test_a_repository_that_must_exist_first(proxy: FaultProxy, pusher: Pusher) -> None:
    body = b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}'
    proxy.fail_next("POST", "/uploads/", status=404, body=body)
    with pytest.raises(NotAllowedError, match=r"there is no repository .*no such repository"):
        pusher.destination(proxy.host, "a/b").check()


def test_nobody_listens(pusher: Pusher) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="refused the connection; tried 2 times") as raised:
            pusher.destination(host, "a/b").check()
    assert "port" in raised.value.hint


def test_an_unknown_host_is_tried_twice(pusher: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver is the one part that is not real: no test may ask the world's."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(UnknownHostError, match=r"no host registry\.invalid; tried 2 times") as raised:
        pusher.destination("registry.invalid", "a/b").check()
    assert "name" in raised.value.hint


def test_plain_http_is_spoken_to_others_only_where_asked(
    registry: Registry, pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not loopback's, led to loopback, for tests speak to no other address."""
    real, port = socket.getaddrinfo, int(registry.host.rpartition(":")[2])
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: real("127.0.0.1", *rest, **more))
    with pytest.raises(NotTlsError, match="does not speak TLS") as raised:
        pusher.destination(f"registry.invalid:{port}", "a/b").check()
    assert "plain-http" in raised.value.hint
    assert pusher.clock.slept == []
    host = f"registry.invalid:{port}"
    client = RegistryClient(pusher.transport(plain_http=(host,)), host, registry.new_repository(), None)
    RegistryDestination(client, emit=pusher.events.append).check()


def test_a_certificate_nobody_vouches_for(certified: Certified, pusher: Pusher) -> None:
    with pytest.raises(CertificateError, match="is not trusted") as raised:
        pusher.destination(certified.host, "a/b").check()
    assert "by `ca`" in raised.value.hint
    assert pusher.clock.slept == [], "that does not pass"


def test_a_certificate_that_the_input_ca_vouches_for(certified: Certified, pusher: Pusher) -> None:
    transport = pusher.transport(ca=str(certified.authority))
    RegistryDestination(
        RegistryClient(transport, certified.host, "a/b", None), emit=pusher.events.append
    ).check()


def test_the_environment_vouches_too(certified: Certified, pusher: Pusher) -> None:
    transport = pusher.transport(environ={"SSL_CERT_FILE": str(certified.authority)})
    RegistryClient(transport, certified.host, "a/b", None).ping()


@pytest.mark.parametrize(
    ("registry_name", "word"),
    [
        ("docker.io", "access token"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "create the repository"),
        ("europe-docker.pkg.dev", "artifactregistry.writer"),
        ("some.azurecr.io", "AcrPush"),
        ("quay.io", "robot"),
        ("example.org:5000", "docker login example.org:5000"),
    ],
)
def test_each_registry_has_its_own_hint(registry_name: str, word: str) -> None:
    assert word in hint_for(registry_name)


def test_the_platform_is_asked_of_registries_that_are_not_known_otherwise() -> None:
    def hint(host: str) -> str:
        return "" if host == "other.example" else f"the right to push to {host}"

    assert hint_for("ci.example:5000", platform_hint=hint) == "the right to push to ci.example"
    assert "docker login other.example" in hint_for("other.example", platform_hint=hint)
    assert "AcrPush" in hint_for("gitlab.azurecr.io", platform_hint=hint)


def test_no_secret_shows_in_any_representation(pusher: Pusher) -> None:
    credentials = Credentials("me", "canary-77aa")
    client = pusher.client("ghcr.io", "a/b", login=credentials)
    destination = RegistryDestination(client, emit=pusher.events.append)
    assert "canary" not in f"{credentials!r}{client!r}{destination!r}{pusher.events!r}"
