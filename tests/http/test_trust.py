"""Which authorities are trusted for which host, and who is shown a client certificate."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.http.origin import Origin
from flakeship.http.trust import Trust, host_folders, tls_context
from tests.destinations.pushing import Pusher
from tests.testbed.registry_tls import write_certificate

HERE = Origin.of("https://127.0.0.1:5000")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("pair"), "localhost")


@contextmanager
def serving(pair: tuple[Path, Path], *, clients: Path | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A TLS server that answers 200 to every request: its port, and the client certificates that it was shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    shown: list[bytes] = []

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as stream:
                    shown.append(stream.getpeercert(binary_form=True) or b"")
                    stream.recv(65536)
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                continue

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], shown
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def authorities(environ: dict[str, str], ca: str | None = None) -> int:
    return tls_context(ca, environ).cert_store_stats()["x509_ca"]


def test_what_the_variables_name_replaces_the_system(pair: tuple[Path, Path]) -> None:
    assert authorities({"SSL_CERT_FILE": str(pair[0])}) == 1
    assert authorities({"SSL_CERT_FILE": str(pair[0])}, str(pair[0])) == 1
    assert authorities({"SSL_CERT_DIR": str(pair[0].parent)}) == 0, "a folder is read when it is needed"


@pytest.mark.parametrize(
    "environ",
    [
        {"SSL_CERT_FILE": "/no-cert-file.crt"},
        {"SSL_CERT_DIR": "/no/folder"},
        {"SSL_CERT_DIR": "/no/folder:/no/other"},
        {"SSL_CERT_FILE": "/no-cert-file.crt", "SSL_CERT_DIR": "/no/folder"},
        {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""},
    ],
)
def test_what_is_not_there_replaces_nothing(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Builders and nix-shell --pure set SSL_CERT_FILE so: https://github.com/NixOS/nixpkgs/issues/13744."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    usual = authorities({})
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # OpenSSL reads them by itself
    assert authorities(environ) >= min(usual, 1)
    assert authorities(environ) > 20


def test_one_that_is_there_counts_without_the_other(pair: tuple[Path, Path]) -> None:
    assert authorities({"SSL_CERT_FILE": str(pair[0]), "SSL_CERT_DIR": "/no/folder"}) == 1
    context = tls_context(None, {"SSL_CERT_FILE": "/no-cert-file.crt", "SSL_CERT_DIR": str(pair[0].parent)})
    assert context.cert_store_stats()["x509_ca"] == 0


@pytest.mark.parametrize("content", ["/dev/zero", "a folder", "", "no certificate"])
def test_what_is_there_must_hold_certificates(content: str, tmp_path: Path) -> None:
    path = Path(content) if content.startswith("/") else tmp_path / "file"
    if content == "a folder":
        path.mkdir()
    elif not content.startswith("/"):
        path.write_text(content)
    for ca, environ in ((None, {"SSL_CERT_FILE": str(path)}), (str(path), {})):
        with pytest.raises(UsageError, match="holds no certificates") as raised:
            tls_context(ca, environ)
        assert str(path) in raised.value.message


def test_certificates_may_come_through_a_pipe(pair: tuple[Path, Path]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"# Autorit\xc3\xa9\n" + pair[0].read_bytes())
    os.close(writer)
    assert authorities({"SSL_CERT_FILE": f"/dev/fd/{reader}"}) == 1
    os.close(reader)


def test_the_folders_of_hosts_are_those_of_podman_and_docker() -> None:
    assert [str(path) for path in host_folders({}, "/people/me")] == [
        "/people/me/.config/containers/certs.d",
        "/etc/containers/certs.d",
        "/people/me/.config/docker/certs.d",
        "/etc/docker/certs.d",
    ]
    assert host_folders({"XDG_CONFIG_HOME": "/x"}, "/people/me")[0] == Path("/x/containers/certs.d")


@pytest.mark.parametrize(
    ("folder", "url"),
    [
        ("127.0.0.1:5000", "https://127.0.0.1:5000/v2/"),
        ("reg.test", "https://reg.test/v2/"),
        ("reg.test:443", "https://reg.test/v2/"),
        ("[fd00::9]:5000", "https://[fd00::9]:5000/"),
        ("registry-1.docker.io", "https://registry-1.docker.io/v2/"),
        ("docker.io", "https://registry-1.docker.io/v2/"),
    ],
)
def test_the_folder_of_a_host(folder: str, url: str, tmp_path: Path, pair: tuple[Path, Path]) -> None:
    place = tmp_path / "second" / folder
    place.mkdir(parents=True)
    shutil.copy(pair[0], place / "ca.crt")
    (place / "gone.crt").symlink_to("nowhere")
    (place / "README").write_text("not read")
    trust = Trust(None, {"SSL_CERT_FILE": str(pair[0])}, (tmp_path / "first", tmp_path / "second"))
    assert trust.of(Origin.of(url)) is not trust.usual
    assert trust.of(Origin.of(url)) is trust.of(Origin.of(url))
    for other in ("https://127.0.0.1:5001", "https://other.test", "https://a.reg.test", "https://fd00.test"):
        assert trust.of(Origin.of(other)) is trust.usual


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"ca.crt": "no certificate"}, "ca.crt holds no certificates"),
        ({"client.cert": "certificate"}, "has no key client.key beside it"),
        ({"client.key": "key"}, "has no certificate beside it"),
        ({"client.cert": "certificate", "client.key": "certificate"}, "can't be used"),
        ({"client.cert": "nothing", "client.key": "key"}, "can't be used"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(
    files: dict[str, str], why: str, tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    contents = {"certificate": pair[0].read_text(), "key": pair[1].read_text()}
    folder = tmp_path / "127.0.0.1:5000"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(contents.get(content, content))
    trust = Trust(None, {}, (tmp_path,))
    with pytest.raises(UsageError, match=why) as raised:
        trust.of(HERE)
    assert str(folder) in raised.value.message
    assert trust.of(Origin.of("https://127.0.0.1:5001")) is trust.usual, "others are not concerned"


def test_nobody_is_asked_for_a_passphrase(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(pair[1].read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"canary"),
    )
    folder = tmp_path / "127.0.0.1:5000"
    folder.mkdir()
    shutil.copy(pair[0], folder / "me.cert")
    (folder / "me.key").write_bytes(locked)
    with pytest.raises(UsageError, match="has a passphrase"):
        Trust(None, {}, (tmp_path,)).of(HERE)


def test_certificates_of_a_host_are_for_that_host_alone(
    tmp_path: Path, pair: tuple[Path, Path], pusher: Pusher
) -> None:
    """Another port of the same machine neither sees our client certificate nor may show one of that authority."""
    (tmp_path / "client").mkdir()
    client = write_certificate(tmp_path / "client")
    with (
        serving(pair, clients=client[0]) as (port, shown),
        serving(pair) as (other, seen),
        serving(pair) as (third, _),
    ):
        for name in (f"127.0.0.1:{port}", f"127.0.0.1:{other}"):
            folder = tmp_path / "containers/certs.d" / name
            folder.mkdir(parents=True)
            shutil.copy(pair[0], folder / "ca.crt")
        mine = tmp_path / f"containers/certs.d/127.0.0.1:{port}"
        shutil.copy(client[0], mine / "me.cert")
        shutil.copy(client[1], mine / "me.key")
        transport = pusher.transport(environ={"XDG_CONFIG_HOME": str(tmp_path)}, home="/nonexistent")
        for each in (port, other):
            with transport.exchange("GET", f"https://127.0.0.1:{each}/v2/", headers={}) as answer:
                assert answer.status == 200
        with pytest.raises(Exception, match="is not trusted") as raised:
            transport.exchange("GET", f"https://127.0.0.1:{third}/v2/", headers={})
        assert f"certs.d/127.0.0.1:{third}/ca.crt" in getattr(raised.value, "hint", "")
    assert shown == [ssl.PEM_cert_to_DER_cert(client[0].read_text())]
    assert seen == [b""]
