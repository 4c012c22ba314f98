"""Which credentials are found where, in which order, and that a broken place is never passed over."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import Error, NotAllowedError, UsageError
from flakeship.http.errors import WireError
from flakeship.http.origin import Origin
from flakeship.registry.challenge import Challenge
from flakeship.registry.credential_search import (
    ExplicitCredentials,
    FoundCredentials,
    OfferedCredentials,
    find_credentials,
)
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import Reference
from flakeship.registry.tokens import fetch_token

GHCR = Reference.parse("ghcr.io/owner/team/image")
JOB = OfferedCredentials("ghcr.io", Credentials("u", "job"), "the job")


def auth(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, document: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def helper(folder: Path, name: str, script: str) -> dict[str, str]:
    """A docker-credential helper, and the environment that finds it."""
    folder.mkdir(exist_ok=True)
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def found(
    reference: Reference | str = GHCR,
    *,
    home: Path | str = "/nonexistent",
    explicit: ExplicitCredentials | None = None,
    authfile: str | None = None,
    offered: Iterable[OfferedCredentials] = (),
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/nonexistent"),
) -> FoundCredentials:
    read = Reference.parse(reference) if isinstance(reference, str) else reference
    return find_credentials(
        read,
        explicit=explicit,
        authfile=authfile,
        environ=environ or {},
        home=str(home),
        offered=offered,
        root=root,
    )


def test_nothing_anywhere_is_anonymous() -> None:
    assert found() == FoundCredentials(None, "anonymous")


def test_the_order_of_the_places(tmp_path: Path) -> None:
    """Each place is asked before those below it; then it is taken away, and the next one answers."""

    def entry(name: str) -> dict[str, object]:
        return {"auths": {"ghcr.io": auth("u", name)}}

    authfile = write(tmp_path / "authfile.json", entry("authfile"))
    docker = write(tmp_path / ".docker/config.json", entry("docker"))
    runtime = write(tmp_path / "run/containers/auth.json", entry("runtime"))
    containers = write(tmp_path / ".config/containers/auth.json", entry("containers"))
    environ = {
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "DOCKER_AUTH_CONFIG": json.dumps(entry("variable")),
    }
    answers = [
        found(
            home=tmp_path,
            explicit=ExplicitCredentials("u", "inputs"),
            authfile=authfile,
            environ=environ,
            offered=[JOB],
        ),
        found(
            home=tmp_path,
            explicit=ExplicitCredentials("u", "inputs", "quay.io"),
            authfile=authfile,
            environ=environ,
        ),
        found(home=tmp_path, environ={"REGISTRY_AUTH_FILE": authfile, **environ}, offered=[JOB]),
        found(home=tmp_path, environ=environ, offered=[JOB]),
    ]
    for path in (docker, runtime, containers):
        Path(path).unlink()
        answers.append(found(home=tmp_path, environ=environ, offered=[JOB]))
    del environ["DOCKER_AUTH_CONFIG"]
    answers.append(found(home=tmp_path, environ=environ, offered=[JOB]))
    assert [answer.credentials.secret for answer in answers if answer.credentials] == [
        "inputs",
        "authfile",
        "authfile",
        "docker",
        "runtime",
        "containers",
        "variable",
        "job",
    ]
    assert [answer.source for answer in answers] == [
        "`username` and `password`",
        authfile,
        authfile,
        docker,
        runtime,
        containers,
        "DOCKER_AUTH_CONFIG",
        "the job",
    ]


@pytest.mark.parametrize(
    ("key", "reference"),
    [
        ("ghcr.io", "ghcr.io/a/b"),
        ("https://ghcr.io", "ghcr.io/a/b"),
        ("https://ghcr.io/v2/", "ghcr.io/a/b"),
        ("ghcr.io/a", "ghcr.io/a/b"),
        ("ghcr.io/a/b", "ghcr.io/a/b"),
        ("https://index.docker.io/v1/", "alpine"),
        ("docker.io", "owner/name"),
        ("registry-1.docker.io", "owner/name"),
        ("127.0.0.1:5000", "127.0.0.1:5000/a"),
    ],
)
def test_keys_in_every_spelling(key: str, reference: str, tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: auth("user", "pass:word")}})
    assert found(reference, home=tmp_path).credentials == Credentials("user", "pass:word")


@pytest.mark.parametrize("key", ["ghcr.io.evil.example", "evil.ghcr.io", "ghcr.io:444", "ghcr.io/ab"])
def test_keys_of_others_do_not_count(key: str, tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: auth("user", "secret")}})
    assert found("ghcr.io/a/b", home=tmp_path).credentials is None


def test_the_most_specific_key_counts(tmp_path: Path) -> None:
    keys = ["ghcr.io", "ghcr.io/owner", "ghcr.io/owner/team", "ghcr.io/owner/team/image"]
    for length in (4, 3, 2, 1):
        entries = {key: auth("u", key) for key in keys[:length]}
        authfile = write(tmp_path / "auth.json", {"auths": entries})
        answer = found(authfile=authfile).credentials
        assert answer
        assert answer.secret == keys[length - 1]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({**auth("u", ""), "identitytoken": "t"}, Credentials("u", "t", "identity")),
        (auth("<token>", "t"), Credentials("", "t", "identity")),
        ({"registrytoken": "t"}, Credentials("", "t", "bearer")),
        ({}, None),
    ],
)
def test_every_kind_of_entry(entry: dict[str, str], expected: Credentials | None, tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"ghcr.io": entry}})
    assert found(home=tmp_path).credentials == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": [1]}',
        '{"auths": {"ghcr.io": "canary"}}',
        '{"auths": {"ghcr.io": {"auth": "canary!"}}}',
        '{"auths": {"ghcr.io": {"auth": "Y2FuYXJ5"}}}',
        '{"auths": {"ghcr.io": {"auth": 7}}}',
        '{"credHelpers": {"ghcr.io": 7}}',
    ],
)
def test_a_broken_file_is_an_error_that_shows_nothing_of_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="not a file of credentials") as raised:
        found(environ={"DOCKER_CONFIG": str(tmp_path)}, offered=[JOB])
    assert str(path) in raised.value.message
    assert "canary" not in f"{raised.value.message}{raised.value.hint}{raised.value.__cause__}"


def test_a_file_that_is_named_and_missing(tmp_path: Path) -> None:
    missing = str(tmp_path / "no")
    for authfile, environ in ((missing, {}), (None, {"REGISTRY_AUTH_FILE": missing})):
        with pytest.raises(UsageError, match="there is no file of credentials") as raised:
            found(authfile=authfile, environ=environ)
        assert "authfile" in raised.value.hint


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError, match="can't be read: Is a directory"):
        found(environ={"DOCKER_CONFIG": str(tmp_path)})


def test_a_helper_is_asked_for_its_registry(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credHelpers": {"ghcr.io": "ok"}, "credsStore": "store"})
    environ = helper(
        tmp_path / "bin",
        "ok",
        'read server; [ "$1" = get ] && echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"for $server\\"}"',
    )
    helper(
        tmp_path / "bin",
        "store",
        'read server; echo "{\\"Username\\": \\"s\\", \\"Secret\\": \\"$server\\"}"',
    )
    answer = found(home=tmp_path, environ=environ)
    assert answer.credentials == Credentials("u", "for ghcr.io")
    assert answer.source == f"docker-credential-ok, named in {tmp_path}/.docker/config.json"
    hub = found("alpine", home=tmp_path, environ=environ).credentials
    assert hub == Credentials("s", "https://index.docker.io/v1/")


def test_a_helper_may_keep_an_identity_token(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "ok"})
    environ = helper(tmp_path / "bin", "ok", 'echo "{\\"Username\\": \\"<token>\\", \\"Secret\\": \\"t\\"}"')
    assert found(home=tmp_path, environ=environ).credentials == Credentials("", "t", "identity")


def test_a_helper_without_credentials_lets_the_next_place_answer(tmp_path: Path) -> None:
    document = {"credsStore": "none", "auths": {"ghcr.io": auth("u", "p")}}
    write(tmp_path / ".docker/config.json", document)
    environ = helper(tmp_path / "bin", "none", "echo credentials not found in native keychain; exit 1")
    assert found(home=tmp_path, environ=environ).credentials == Credentials("u", "p")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo canary; exit 3", "exit code 3"),
        ('echo \'{"Secret": "canary"}\'', "something else than credentials"),
        ("echo canary", "something else than credentials"),
        (None, "can't start docker-credential-broken"),
    ],
)
def test_a_broken_helper_is_never_passed_over(script: str | None, why: str, tmp_path: Path) -> None:
    document = {"credHelpers": {"ghcr.io": "broken"}, "auths": {"ghcr.io": auth("u", "p")}}
    write(tmp_path / ".docker/config.json", document)
    environ = helper(tmp_path / "bin", "broken" if script else "other", script or "true")
    with pytest.raises(NotAllowedError, match=why) as raised:
        found(home=tmp_path, environ=environ)
    assert "canary" not in f"{raised.value.message}{raised.value.hint}{raised.value.detail}"
    assert "docker-credential-broken get" in raised.value.hint


@pytest.mark.parametrize(
    ("document", "login"),
    [
        ({"auths": {}, "credsStore": "desktop"}, False),
        ({"auths": {"quay.io": {}}, "credsStore": "desktop"}, False),
        ({"auths": {"https://ghcr.io": {}}, "credsStore": "desktop"}, True),
        ({"auths": {"ghcr.io/owner": {}}, "credsStore": "desktop"}, True),
        ({"credHelpers": {"ghcr.io": "desktop"}}, True),
    ],
)
def test_a_container_lacks_the_helper_of_its_host(document: object, login: bool, tmp_path: Path) -> None:
    """Docker Desktop names one in every config.json, and leaves an empty entry for each login."""
    write(tmp_path / ".docker/config.json", document)
    environ = {"PATH": "/usr/bin", "container": "docker"}
    if login:
        with pytest.raises(NotAllowedError, match="does not hold") as raised:
            found(home=tmp_path, environ=environ, offered=[JOB])
        assert "-e FLAKESHIP_PASSWORD" in raised.value.hint
    else:
        told = found(home=tmp_path, environ=environ, offered=[JOB])
        assert told.credentials == JOB.credentials
        assert "-e FLAKESHIP_PASSWORD" in told.notice


def test_a_helper_is_a_name_and_no_path(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "../../evil"})
    with pytest.raises(UsageError, match="not the name of a credential helper"):
        found(home=tmp_path)


def test_what_is_offered_goes_to_its_own_registry() -> None:
    """A name of the registry counts in every spelling; the first that fits is taken."""
    hub, ghcr, later = (
        OfferedCredentials(registry, Credentials("u", secret), f"the token {secret}")
        for registry, secret in (("index.docker.io", "hub"), ("ghcr.io", "job"), ("ghcr.io", "later"))
    )
    assert found(offered=[hub, ghcr, later]) == FoundCredentials(Credentials("u", "job"), "the token job")
    assert found("alpine", offered=[hub, ghcr]).credentials == Credentials("u", "hub")
    assert found("quay.io/a/b", offered=[hub, ghcr]) == FoundCredentials(None, "anonymous")


def test_what_is_offered_is_not_read_where_something_else_is_found() -> None:
    offered = iter([OfferedCredentials("ghcr.io", Credentials("u", "job"), "the job")])
    found(explicit=ExplicitCredentials("u", "inputs"), offered=offered)
    assert next(offered).source == "the job"


def test_no_secret_shows() -> None:
    secrets = [
        Credentials("u", "canary"),
        ExplicitCredentials("u", "canary"),
        FoundCredentials(Credentials("u", "canary"), "s"),
        OfferedCredentials("ghcr.io", Credentials("u", "canary"), "s"),
    ]
    assert "canary" not in repr(secrets)
    assert issubclass(UsageError, Error)


@pytest.mark.parametrize("kind", ["password", "identity"])
def test_bytes_that_are_no_text_reach_a_token_server_as_they_are(kind: Any, mocker: Any) -> None:
    transport = mocker.Mock()
    transport.realm.side_effect = lambda _, realm: realm
    transport.exchange.side_effect = WireError("nobody is there")
    credentials = Credentials("\udcfc", "p\udcff", kind)
    challenge = Challenge("bearer", {"realm": "https://token.test/t"})
    with pytest.raises(WireError):
        fetch_token(
            transport,
            challenge,
            registry=Origin.of("https://reg.test"),
            credentials=credentials,
            refresh="",
            scopes=(),
        )
    sent = transport.exchange.call_args
    if kind == "identity":
        assert b"refresh_token=p%FF" in sent.kwargs["body"]
    else:
        assert "account=%FC" in sent.args[1]
        assert base64.b64decode(sent.kwargs["headers"]["Authorization"].split()[1]) == b"\xfc:p\xff"
