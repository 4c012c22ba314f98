"""Files of credentials in every form that docker, podman and people give them, and what is broken in them."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import UsageError
from flakeship.registry.auth_file import parse_auth_file, remembering_pipes
from flakeship.registry.credentials import Credentials, basic_authorization
from flakeship.registry.reference import Reference
from tests.registry.test_credential_search import auth, found, write

GOOD = auth("u", "p")
U = Credentials("u", "p")


def asked(document: Any, reference: str = "ghcr.io/owner/team/image") -> Credentials | None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    name = Reference.parse(reference)
    return parse_auth_file(data, "the file").credentials_for(name.registry, name.repository)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    "document",
    [
        {"auths": {"ghcr.io": {"auth": "dTpw"}}},
        {"Auths": {"ghcr.io": {"AUTH": "dTpw"}}},
        {"auths": {"ghcr.io": {"Username": "u", "PassWord": "p", "auth": None}}},
        {"auths": {"ghcr.io": {"auth": "dT\r\npw\n"}}},
        {"auths": {"ghcr.io": {"auth": b64("u:p\0\0")}}},
        {"auths": {"ghcr.io": {"auth": b64("\0u:\0p".replace("\0u", "u"))}}},
        {"auths": {"HTTPS://GHCR.io/v1/": GOOD}},
        {"auths": {"https://ghcr.io/any/page": GOOD}},
        {"auths": {"ghcr.io/v2/": GOOD}},
        {"auths": {"ghcr.io": {}, "https://ghcr.io": GOOD}},
        {"auths": {"https://ghcr.io": {"auth": "broken!"}, "ghcr.io": GOOD}},
        {"auths": {"ghcr.io/owner/team": None, "ghcr.io": GOOD}},
        {"auths": None, "ghcr.io": GOOD},
        {"ghcr.io": {"auth": "dTpw", "email": "me@example.test"}},
        {"https://ghcr.io/v1/": {"username": "u", "password": "p"}},
        b'{"auths": {"ghcr.io": {"auth": "eDp5"}}, "AUTHS": {"ghcr.io": {"auth": "dTpw"}}}',
        b'{"auths": {"ghcr.io": {"auth": "dTpw"}}, "auths": {"quay.io": {}}}',
        b'{"auths": {"ghcr.io": {"auth": "eDp5", "auth": "dTpw"}}}',
        b'\xef\xbb\xbf{"auths": {"ghcr.io": {"auth": "dTpw"}}}',
        '{"auths": {"ghcr.io": {"auth": "dTpw"}}}'.encode("utf-16"),
        b' \r\n{"auths": {"ghcr.io": {"auth": "dTpw"}}}\n}}}}',
    ],
)
def test_what_docker_and_podman_read_is_read(document: Any) -> None:
    assert asked(document) == U


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" \n",
        b"null",
        {},
        {"auths": {}},
        {"auths": None},
        {"auths": {"ghcr.io": None}},
        {"auths": {"ghcr.io": {}}},
        {"auths": {"ghcr.io": {"auth": "", "email": "me"}}},
        {"auths": {"ghcr.io": {"auth": None, "identitytoken": None}}},
        {"auths": {"ghcr.io": {}}, "quay.io": GOOD},
        {"HttpHeaders": {"auth": "dTpw"}},
        {"proxies": {"default": {"httpProxy": "x"}}},
    ],
)
def test_what_says_nothing_of_a_registry(document: Any) -> None:
    assert asked(document) is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        ["a"],
        7,
        True,
        "text",
        {"auth": "%%%"},
        {"auth": b64(b64("u:p"))},
        {"auth": "dTpw="},
        {"auth": 3},
        {"auth": ["dTpw"]},
        {"auth": "dTpw€"},
        {"username": 7},
        {"username": "\ud800", "password": "x"},
        {"registrytoken": "a\nb"},
        {"identitytoken": {}},
    ],
    ids=repr,
)
def test_an_entry_of_another_registry_never_harms(bad: Any) -> None:
    """https://github.com/nektos/act/issues/6121."""
    for key in (
        "other.test",
        "https://index.docker.io/v1/",
        "ghcr.io/other",
        "",
        "://",
        "a b",
        "ghcr.io:444",
    ):
        assert asked({"auths": {key: bad, "ghcr.io": GOOD, "~": bad}}) == U


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([], "it is not an object"),
        (7, "it is not an object"),
        ("canary", "it is not an object"),
        ({"auth": "canary!"}, "its auth is not Base64"),
        ({"auth": "canary€"}, "its auth is not Base64"),
        ({"auth": b64("canary")}, "its auth holds no colon"),
        ({"auth": b64(b64("u:canary"))}, "encoded twice"),
        ({"auth": 3}, "its auth is not a text"),
        ({"auth": "dTpw", "identitytoken": ["canary"]}, "its identitytoken is not a text"),
        ({"USERNAME": {"canary": 1}}, "its username is not a text"),
    ],
)
@pytest.mark.parametrize(
    "key", ["ghcr.io", "https://ghcr.io/v2/", "ghcr.io/owner", "ghcr.io/owner/team/image"]
)
def test_a_broken_entry_that_is_asked_for_is_named(bad: Any, why: str, key: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        asked({"auths": {"other.test": GOOD, key: bad}})
    place = "ghcr.io" if "://" in key else key
    assert f"the file is not a file of credentials as docker login writes it: its entry for {place}" in (
        raised.value.message
    )
    assert "docker login ghcr.io" in raised.value.hint
    assert "canary" not in f"{raised.value.message}{raised.value.hint}{raised.value.__cause__}"


@pytest.mark.parametrize("part", ["auths", "credHelpers", "credsStore"])
def test_a_part_of_another_type_is_named(part: str) -> None:
    document = parse_auth_file(json.dumps({part: [1]}).encode(), "the file")
    with pytest.raises(UsageError, match=f"the file is not a file of credentials .* its {part} is not"):
        document.helper_for("ghcr.io") or document.credentials_for("ghcr.io", "a")


@pytest.mark.parametrize(
    ("document", "helper"),
    [
        ({"credSstore": "desktop"}, "desktop"),
        ({"CredsStore": "desktop.exe"}, "desktop.exe"),
        ({"credsStore": "x", "credHelpers": {"ghcr.io": "gcr.cmd"}}, "gcr.cmd"),
        ({"credsStore": "x", "CREDHELPERS": {"https://ghcr.io": "y"}}, "y"),
        ({"credsStore": "x", "credHelpers": {"ghcr.io": ""}}, ""),
        ({"credsStore": "x", "credHelpers": {"ghcr.io": None}}, "x"),
        ({"credsStore": "x", "credHelpers": {"quay.io": 7}}, "x"),
        ({"credsStore": 7, "credHelpers": {"ghcr.io": "y"}}, "y"),
        ({"credsStore": None, "credHelpers": None}, ""),
    ],
)
def test_the_helper_of_a_registry(document: Any, helper: str) -> None:
    assert parse_auth_file(json.dumps(document).encode(), "it").helper_for("ghcr.io") == helper


def test_of_two_spellings_the_usual_one_counts() -> None:
    hub = "https://index.docker.io/v1/"
    for keys in ([hub, "registry-1.docker.io", f"{hub}access-token"], ["ghcr.io", "https://ghcr.io/v1/"]):
        for order in (keys, keys[::-1]):
            entries = {key: auth("u", key) for key in order}
            answer = asked({"auths": entries}, "alpine" if hub in keys else "ghcr.io/a/b")
            assert answer == Credentials("u", keys[0])
    assert asked({"auths": {f"{hub}refresh-token": GOOD}}, "alpine") is None


def test_bytes_that_are_no_text_are_sent_as_they_are() -> None:
    credentials = asked({"auths": {"ghcr.io": {"auth": b64(b"\xfc:p\xff")}}})
    assert credentials
    assert not credentials.unusable_because
    assert base64.b64decode(basic_authorization(credentials).removeprefix("Basic ")) == b"\xfc:p\xff"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"username": "\ud800", "password": "x"}, "half of a surrogate pair"),
        ({"username": "u", "password": "canary\udfff\ud800"}, "half of a surrogate pair"),
        ({"identitytoken": "canary\ud800"}, "half of a surrogate pair"),
        ({"registrytoken": "canary\nb"}, "line breaks"),
        ({"registrytoken": "canary\n"}, "line breaks"),
        ({"registrytoken": "can ary"}, "blanks"),
        ({"registrytoken": "canary€"}, "outside ASCII"),
        ({"registrytoken": "ключ"}, "outside ASCII"),
        ({"registrytoken": "canary\x7f"}, "line breaks"),
    ],
)
def test_what_cannot_be_sent_is_refused_when_it_is_read(entry: Any, why: str, tmp_path: Path) -> None:
    file = write(tmp_path / "auth.json", {"auths": {"ghcr.io": entry}})
    with pytest.raises(UsageError, match=why) as raised:
        found(authfile=file)
    assert file in raised.value.message
    assert "canary" not in f"{raised.value.message}{raised.value.hint}"


@pytest.mark.parametrize(
    "text", ["[]", "7", '"canary"', "{", '{"a" 1}', "\x00", "deep lists", "deep objects"]
)
def test_what_is_no_document_is_refused(text: str) -> None:
    deep = {"deep lists": "[" * 100_000, "deep objects": '{"auths":' * 50_000}
    with pytest.raises(UsageError, match="is not a file of credentials as docker login writes it"):
        parse_auth_file(deep.get(text, text).encode(), "it")


def test_a_file_without_an_end_is_refused(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_text('{"auths": {}}' + " " * 2_000_000)
    for authfile in ("/dev/zero", str(long)):
        with pytest.raises(UsageError, match="is not a file of credentials"):
            found(authfile=authfile)


def test_a_pipe_is_read_once_in_a_run(tmp_path: Path) -> None:
    """`--authfile <(decrypt …)`: every repository of a run finds there what the first one found."""
    reader, writer = os.pipe()
    os.write(writer, json.dumps({"auths": {"ghcr.io": GOOD}}).encode())
    os.close(writer)
    read = remembering_pipes()
    documents = [read(Path(f"/dev/fd/{reader}"), must_exist=True) for _ in range(2)]
    os.close(reader)
    assert [document.credentials_for("ghcr.io", "a") for document in documents] == [U, U]
    file = tmp_path / "auth.json"
    for secret in ("old", "new"):
        write(file, {"auths": {"ghcr.io": auth("u", secret)}})
        assert read(file, must_exist=True).credentials_for("ghcr.io", "a") == Credentials("u", secret)


# The places, and what is written there instead


@pytest.mark.parametrize("session", [False, True])
def test_podman_keeps_them_in_run_where_there_is_no_session(session: bool, tmp_path: Path) -> None:
    """https://github.com/containers/podman/issues/25464."""
    write(tmp_path / f"run/containers/{os.getuid()}/auth.json", {"auths": {"ghcr.io": GOOD}})
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "session") if session else ""}
    assert found(environ=environ, root=tmp_path).credentials == (None if session else U)


def test_the_old_file_of_docker_and_that_of_the_system_come_last(tmp_path: Path) -> None:
    system = write(tmp_path / "etc/containers/auth.json", {"auths": {"ghcr.io": auth("u", "system")}})
    old = write(tmp_path / ".dockercfg", {"ghcr.io": auth("u", "old")})
    new = write(tmp_path / ".docker/config.json", {"auths": {"ghcr.io": auth("u", "new")}})
    sources = []
    for path in (new, old):
        sources.append(found(home=tmp_path, root=tmp_path).source)
        Path(path).unlink()
    assert sources == [new, old]
    answer = found(home=tmp_path, root=tmp_path)
    assert answer.source == (system if os.getuid() == 0 else "anonymous")


def test_a_variable_that_holds_a_path_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "DOCKER_AUTH_CONFIG", {"auths": {"ghcr.io": GOOD}})
    with pytest.raises(UsageError, match=f"DOCKER_AUTH_CONFIG holds the path {path}") as raised:
        found(environ={"DOCKER_AUTH_CONFIG": f"{path}\n"})
    assert "from File to Variable" in raised.value.hint
    assert found(environ={"REGISTRY_AUTH_FILE": path}).credentials == U, "as the hint says"


def test_a_variable_in_base64_says_so() -> None:
    text = base64.encodebytes(json.dumps({"auths": {"ghcr.io": GOOD}}).encode()).decode()
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG holds Base64"):
        found(environ={"DOCKER_AUTH_CONFIG": text})
    for nothing in ("canary", "canary!", "~/.docker/config.json", "\0", "x" * 5000):
        with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG is not a file of credentials") as raised:
            found(environ={"DOCKER_AUTH_CONFIG": nothing})
        assert "canary" not in f"{raised.value.message}{raised.value.hint}"


def test_a_variable_that_may_be_a_path_of_another_machine_is_not_shown() -> None:
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG looks like the path") as raised:
        found(environ={"DOCKER_AUTH_CONFIG": "/builds/canary.tmp/DOCKER_AUTH_CONFIG"})
    assert "canary" not in f"{raised.value.message}{raised.value.hint}"


@pytest.mark.parametrize("name", ["authfile", "REGISTRY_AUTH_FILE"])
def test_credentials_in_the_place_of_a_path_are_not_shown(name: str) -> None:
    text = '/srv/{ "auths": {"ghcr.io": {"auth": "canary"}}}'
    environ = {} if name == "authfile" else {name: text}
    with pytest.raises(UsageError, match=f"{name} holds credentials, but must hold the path") as raised:
        found(authfile=text if name == "authfile" else None, environ=environ)
    assert "canary" not in f"{raised.value.message}{raised.value.hint}"


# Any file: what is asked for is found, or its place is named; nothing else ever happens


class AnyFile:
    """Files of a grammar: hosts in odd spellings, entries good, odd and broken, keys in any case, parts in any order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def case(self, word: str) -> str:
        return "".join(self.chance.choice((letter.upper(), letter)) for letter in word)

    def broken(self) -> Any:
        return self.chance.choice(
            ([], 7, "x", {"auth": "!"}, {"auth": 1}, {"auth": "eA=="}, {self.case("username"): 1})
        )

    def empty(self) -> Any:
        return self.chance.choice((None, {}, {"auth": None}, {"email": "e"}, {self.case("auth"): ""}))

    def good(self, secret: str) -> dict[str, Any]:
        code = base64.encodebytes(f"u:{secret}".encode()).decode()
        code = code if self.chance.random() < 0.5 else code.strip().replace("\n", "\r\n")
        plain = {self.case("username"): "u", self.case("password"): secret}
        return {
            **self.chance.choice(({self.case("auth"): code}, plain)),
            **self.chance.choice(({}, {"x": [1]})),
        }

    def key(self, place: str) -> str:
        if "/" in place:
            return place
        return self.chance.choice(
            (place, place, place.upper(), f"https://{place}", f"http://{place}/v1/", f"{place}/v2")
        )

    def document(self) -> tuple[bytes, str, str]:
        """A file, what is asked for in it, and what becomes of that: the secret, `none` or `broken`."""
        wanted = "reg.test:5000/a/b"
        places = ["reg.test:5000", "reg.test:5000/a", "reg.test:5000/a/b"]
        others = [
            "quay.io",
            "reg.test",
            "reg.test:500",
            "reg.test:5000/ab",
            "reg.test:5000/a/b/c",
            "",
            "a//b",
            "ключ",
        ]
        entries: list[tuple[str, Any]] = []
        outcome = "none"
        for number, place in enumerate(places):
            match self.chance.choice(("missing", "empty", "good", "broken")):
                case "empty":
                    entries.append((self.key(place), self.empty()))
                case "good":
                    outcome = f"secret-{number}" * self.chance.choice((1, 9))
                    entries.append((self.key(place), self.good(outcome)))
                case "broken":
                    outcome = "broken"
                    entries.append((self.key(place), self.broken()))
                case _:
                    pass
        for other in self.chance.sample(others, 4):
            entry = self.chance.choice((self.broken(), self.empty(), self.good("other")))
            entries.append((other, entry))
        self.chance.shuffle(entries)
        top = [
            (self.case("auths"), dict(entries)),
            ("HttpHeaders", {"a": "b"}),
            (self.case("credHelpers"), {"x": 7}),
        ]
        self.chance.shuffle(top)
        text = json.dumps(
            dict(top), indent=self.chance.choice((None, 2, "\t")), ensure_ascii=self.chance.random() < 0.5
        )
        return text.encode(), wanted, outcome


def outcomes() -> Iterator[tuple[bytes, str, str]]:
    for seed in range(1500):
        yield AnyFile(seed).document()


def answer(data: bytes, wanted: str) -> tuple[str, str]:
    """The secret that is found, `none` or `broken`, and the message."""
    try:
        credentials = asked(data, wanted)
    except UsageError as error:
        return "broken", error.message
    return (credentials.secret if credentials else "none"), ""


def test_in_any_file_what_is_asked_for_is_found_or_named() -> None:
    for data, wanted, outcome in outcomes():
        said, message = answer(data, wanted)
        assert said == outcome, data
        assert ("its entry for reg.test:5000" in message) == (outcome == "broken")


def test_any_bytes_are_read_or_refused() -> None:
    chance = random.Random(5)
    refused = 0
    for data, wanted, _ in outcomes():
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at, length = chance.randrange(len(damaged)), chance.randint(0, 3)
            damaged[at : at + length] = bytes(chance.choices(b'\x00\xff{}[]":,\\u8d\n', k=length))
        refused += answer(bytes(damaged), wanted)[0] == "broken"
    assert 500 < refused < 1500
