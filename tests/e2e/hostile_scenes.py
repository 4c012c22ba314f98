"""Hostile scenes: a registry, or what it names, sends us somewhere. The table, the world in which they run, and who saw what.

Run by `test_hostile_hosts` as a program in a network namespace of its own, where every address is this machine: whoever is
dialled answers, notes it, and does what an attacker would. Names are those of NAMES, and nothing else is looked up.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, ClassVar, Final
from urllib.parse import quote

USER: Final = "canaryUser7x"
PASSWORD: Final = "CaNaRy+pa/ss=9&q"
IDENTITY: Final = "tOkEnCaNaRy-8842-zz"
REFRESH: Final = "rEfReShCaNaRy-5571"
PORTS: Final = (80, 443, 5000, 5001, 8443)
LAST: Final = "127.9.9.9"
"""Dialled by nobody but the stage itself."""

PAUSE: Final = time.sleep

NAMES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "registry.example": (("8.8.8.8",),),
    "storage.example": (("8.8.4.4",),),
    "evil.example": (("9.9.9.9",),),
    "xn--bcher-kva.example": (("9.9.9.9",),),
    "registry.corp": (("10.0.0.1",),),
    "auth.corp": (("10.0.0.2",),),
    "plain.corp": (("10.0.0.3",),),
    "evil.corp": (("10.0.0.2",),),
    "ula.corp": (("fd12::2",),),
    "mixed.example": (("9.9.9.9", "10.0.0.2"),),
    "mapped.example": (("::ffff:10.0.0.2",),),
    "nat64.example": (("64:ff9b::a00:2",),),
    "loop.example": (("127.0.0.1",),),
    "zero.example": (("0.0.0.0",),),
    "meta.example": (("169.254.169.254",),),
    "meta6.example": (("fd00:ec2::254",),),
    "evil.localhost": (("9.9.9.9",),),
    "localhost": (("127.0.0.1",),),
    "turns.example": (("9.9.9.9",), ("10.0.0.2",)),
}
"""Each name with its answers, one after the other; the last one stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`point` is where the answer of `registry` (or of its token server) leads to `target`.

    `may_dial` are addresses beside those of the registry and its token server to which a connection is no fault; only the
    registry and its token server may see a secret. `exit_code` is None where more than one is right.
    """

    name: str
    registry: str
    address: str
    point: str
    target: str
    token_server: str = ""
    token_address: str = ""
    identity: bool = False
    may_dial: tuple[str, ...] = ()
    plain_http: tuple[str, ...] = ()
    source: str = ""
    environ: tuple[tuple[str, str], ...] = ()
    exit_code: int | None = 6


PUBLIC: Final = {"registry": "registry.example", "address": "8.8.8.8"}
PRIVATE: Final = {"registry": "registry.corp", "address": "10.0.0.1"}
LOCAL: Final = {"registry": "127.0.0.1:5000", "address": "127.0.0.1"}
POINTS: Final = ("location", "realm", "manifest", "token")

INNER: Final = (
    "https://10.0.0.2/x",
    "https://192.168.1.171/x",
    "https://100.64.0.2/x",
    "https://127.0.0.1:5001/x",
    "https://localhost:5001/x",
    "https://169.254.169.254/x",
    "https://100.100.100.200/x",
    "https://168.63.129.16/x",
    "https://[::1]:5001/x",
    "https://[fd12::2]/x",
    "https://[fd00:ec2::254]/x",
    "https://[fe80::1]/x",
    "https://[fe80::1%25lo]/x",
    "https://[::ffff:10.0.0.2]/x",
    "https://[::ffff:a00:2]/x",
    "https://[64:ff9b::a00:2]/x",
    "https://[2002:a00:2::1]/x",
    "https://[::10.0.0.2]/x",
    "https://0.0.0.0:5001/x",
    "https://[::]:5001/x",
    "https://0x0a000002/x",
    "https://167772162/x",
    "https://012.0.0.2/x",
    "https://10.2/x",
    "https://10.0.0.2./x",
    "https://0xA.0.0x0.2/x",
    "https://10%2E0%2E0%2E2/x",
    "https://%31%30.0.0.2/x",
    "https://\uff11\uff10.0.0.2/x",
    "https://10\u30020\u30020\u30022/x",
    "https://auth.corp/x",
    "https://AUTH.corp./x",
    "https://ula.corp/x",
    "https://mixed.example/x",
    "https://mapped.example/x",
    "https://nat64.example/x",
    "https://loop.example:5001/x",
    "https://zero.example:5001/x",
    "https://meta.example/x",
    "https://meta6.example/x",
    "https://evil.localhost:5001/x",
    "https://registry.example\\@10.0.0.2/x",
    "https://registry.example@10.0.0.2/x",
    "https://10.0.0.2\\.registry.example/x",
    "https://10.0.0.2\t/x",
    "http://evil.example/x",
    "http://10.0.0.2/x",
    "HTTP://EVIL.example/x",
    "ftp://evil.example/x",
)
"""What a public registry may not name, in many spellings."""

PLAIN: Final = (
    "http://evil.example/x",
    "http://9.9.9.9/x",
    "http://10.0.0.2/x",
    "http://[fd12::2]/x",
    "http://0x09090909/x",
    "http://evil.localhost:5001/x",
    "http://xn--bcher-kva.example/x",
    "http://registry.example/x",
)
"""Plain http that nobody asked for, named by a registry on this machine that is asked in plain http."""

DEEPER: Final = (
    "https://127.0.0.1:5001/x",
    "https://localhost:5001/x",
    "https://loop.example:5001/x",
    "https://[::1]:5001/x",
    "https://169.254.169.254/x",
    "https://0xa9fea9fe/x",
    "https://meta.example/x",
    "https://[fe80::1]/x",
    "https://[fd00:ec2::254]/x",
    "http://evil.corp/x",
)
"""What not even a registry with a private address may name."""


def _scenes() -> Iterator[Scene]:
    yield from (_led("public", PUBLIC, "location", target) for target in INNER)
    yield from (_led("public", PUBLIC, "realm", target) for target in INNER[::2])
    for point in ("location", "realm"):
        yield from (_led("local", LOCAL, point, target) for target in PLAIN)
    for number, point in enumerate(
        ("manifest", "token")
    ):  # what checks a URL is the same: a part of them is enough
        yield from (_led("public", PUBLIC, point, target) for target in INNER[number::4])
        yield from (_led("local", LOCAL, point, target) for target in PLAIN[number::3])
    for point in ("location", "realm"):
        yield from (_led("private", PRIVATE, point, target) for target in DEEPER)
    # Another public host may be dialled. It sees no secret.
    for point in ("location", "patch", "manifest", "put", "token", "ping", "session"):
        for status in (307, 302):
            yield _led(
                f"elsewhere {status}",
                PUBLIC,
                f"{point} {status}",
                "https://evil.example/x",
                may_dial=("9.9.9.9",),
                exit_code=None,
            )
    # Tokens in a body are credentials.
    for name, target in {
        "other host": "https://evil.example/token",
        "other port": "https://storage.example:8443/token",
        "trailing dot": "https://evil.example./token",
        "plain": "http://storage.example/token",
    }.items():
        for point in ("token 307", "token 308", "refresh 307"):
            yield _led(
                f"identity, {name}",
                PUBLIC,
                point,
                target,
                identity=not point.startswith("refresh"),
                may_dial=("9.9.9.9",),
            )
    # The password is for the registry that is pushed to.
    for point in ("source", "source-realm"):
        for other, address in {"evil.example": "9.9.9.9", "registry.corp": "10.0.0.1"}.items():
            yield _led(
                f"source {other}",
                PUBLIC,
                point,
                f"https://{other}/token",
                source=f"docker://{other}/base/x:1",
                may_dial=(address,),
                exit_code=None,
            )
    # DNS rebinding: what was checked is what is dialled.
    for point in POINTS:
        yield _led(
            "rebinding",
            PUBLIC,
            point,
            "https://turns.example/x",
            token_server="https://storage.example/t" if point == "token" else "",
            may_dial=("9.9.9.9",),
            exit_code=None,
        )


def _led(name: str, registry: Mapping[str, str], point: str, target: str, **more: Any) -> Scene:
    if point.partition(" ")[0] in {"token", "refresh"}:
        local = registry is LOCAL
        server = "http://127.0.0.1:5001/t" if local else "https://storage.example/t"
        more = (
            {"token_server": server, "token_address": "127.0.0.1" if local else "8.8.4.4"}
            | {key: value for key, value in more.items() if value}
            | {"exit_code": more.get("exit_code", 6)}
        )
    if point == "realm" and name == "rebinding":  # a token server that a registry names may have the password
        more |= {"token_address": "9.9.9.9"}
    return Scene(name=f"{name}: {point} {target}", point=point, target=target, **{**registry, **more})


SCENES: Final = {scene.name: scene for scene in _scenes()}


@dataclass(slots=True)
class Stage:
    """The scene that is played, what was seen, and the answers of DNS that were given."""

    scene: Scene
    seen: list[tuple[str, int, str]] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)


class Host(BaseHTTPRequestHandler):
    """Everybody in this world."""

    protocol_version = "HTTP/1.1"
    server: Everywhere
    stage: ClassVar[Stage]
    tls: ClassVar[ssl.SSLContext]

    def setup(self) -> None:
        self.at, self.port = (
            self.request.getsockname()[0].removeprefix("::ffff:"),
            self.request.getsockname()[1],
        )
        self.noted = self.server.stages.pop(self.client_address)
        with contextlib.suppress(OSError):
            if self.request.recv(1, socket.MSG_PEEK) == b"\x16":
                self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *_: object) -> None:
        pass

    def go(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = f"{self.command} {self.path}\n{self.headers}\n{body.decode('latin-1')}"
        self.noted.seen.append((self.at, self.port, said))
        scene = self.noted.scene
        if self.at == scene.address and not self.path.startswith("/t?") and self.path != "/t":
            self._registry(scene)
        elif scene.token_address == self.at:
            self._token_server(scene)
        elif scene.source and self.path.startswith("/v2/"):
            self._source(scene)
        else:
            self._json(
                200, {"token": "abc", "access_token": "abc"}, {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
            )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = go  # noqa: N815

    def _registry(self, scene: Scene) -> None:
        point, _, status = scene.point.partition(" ")
        authorization = self.headers.get("Authorization", "")
        if point == "ping" and self.path == "/v2/":
            return self._lead(scene.target, int(status))
        if point in {"realm", "token", "refresh"}:
            realm = scene.target if point == "realm" else scene.token_server
            if not authorization.startswith("Bearer ") or (point == "refresh" and "manifests" in self.path):
                error = ', error="insufficient_scope", scope="repository:t/x:pull,push,delete"'
                more = error if authorization else ""
                return self._json(401, {}, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"{more}'})
        elif not authorization:
            return self._json(401, {}, {"WWW-Authenticate": 'Basic realm="r"'})
        if "/manifests/" in self.path:
            if point == "manifest" and self.command in {"HEAD", "GET"}:
                return self._lead(scene.target, int(status or 307))
            if self.command == "PUT":
                return self._lead(scene.target, int(status)) if point == "put" else self._json(201, {})
            return self._json(404, {})
        if self.command == "POST":
            if point == "session":
                return self._lead(scene.target, int(status))
            own = f"{self.path}u?_state=s"
            return self._json(202, {}, {"Location": scene.target if point == "location" else own})
        if self.command == "PATCH":
            if point == "patch":
                return self._lead(scene.target, int(status))
            return self._json(202, {}, {"Location": self.path})
        if self.command == "PUT":
            return self._json(201, {})
        return self._json(200 if self.path == "/v2/" else 404, {})

    def _token_server(self, scene: Scene) -> None:
        point, _, status = scene.point.partition(" ")
        if point == "token" or (point == "refresh" and self.command == "POST"):
            return self._lead(scene.target, int(status or 307))
        return self._json(200, {"token": "abc", "refresh_token": REFRESH})

    def _source(self, scene: Scene) -> None:
        if not self.headers.get("Authorization"):
            challenge = (
                f'Bearer realm="{scene.target}"' if scene.point == "source-realm" else 'Basic realm="r"'
            )
            return self._json(401, {}, {"WWW-Authenticate": challenge})
        return self._json(404, {})

    def _lead(self, location: str, status: int) -> None:
        self._json(status, {}, {"Location": location})

    def _json(self, status: int, document: object, headers: Mapping[str, str] = {}) -> None:
        body = json.dumps(document).encode()
        head = [
            f"HTTP/1.1 {status} X",
            f"Content-Length: {len(body)}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + (b"" if self.command == "HEAD" else body))


class Everywhere(ThreadingTCPServer):
    """One port of all addresses, of both families."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def __init__(self, port: int) -> None:
        self.stages: dict[Any, Stage] = {}
        super().__init__(("::", port), Host)

    def get_request(self) -> tuple[Any, Any]:
        """Note a connection at once, whatever becomes of it, and whose it is."""
        connection, peer = super().get_request()
        at = connection.getsockname()[0].removeprefix("::ffff:")
        self.stages[peer] = Host.stage
        Host.stage.seen.append((at, self.server_address[1], ""))
        return connection, peer

    def handle_error(self, *_: object) -> None:
        pass


def canaries() -> tuple[str, ...]:
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return (
        PASSWORD,
        quote(PASSWORD, safe=""),
        basic,
        base64.b64encode(PASSWORD.encode()).decode()[:16],
        IDENTITY,
        REFRESH,
    )


def leaks(stage: Stage, output: str) -> list[str]:
    """What went where it may not go."""
    scene = stage.scene
    trusted = {scene.address, scene.token_address}
    dialled = {at for at, _, _ in stage.seen} - trusted - set(scene.may_dial)
    told = {
        f"{at}:{port} was told {canary!r}: {said.splitlines()[0]}"
        for at, port, said in stage.seen
        for canary in canaries()
        if canary in said and (at not in trusted or (at == "127.0.0.1" and port not in {5000, 5001}))
    }
    written = {f"{canary!r} was written" for canary in canaries() if canary in output}
    return sorted({f"{at} was dialled" for at in dialled} | told | written)


def resolve(stage: Callable[[], Stage], real: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        with contextlib.suppress(OSError):
            return real(name, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        answers = NAMES.get(str(name).rstrip(".").lower())
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        answered = stage().answered
        count = answered[name] = answered.get(name, -1) + 1
        return [
            entry
            for address in answers[min(count, len(answers) - 1)]
            for entry in real(address, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        ]

    return getaddrinfo


def play(scene: Scene, archive: Path, home: Path) -> dict[str, Any]:
    """Run the command as a user does, in this process."""
    from flakeship.cli import main

    Host.stage = Stage(scene)
    os.environ.update(dict(scene.environ))
    login = {"FLAKESHIP_USERNAME": USER, "FLAKESHIP_PASSWORD": PASSWORD}
    config = home / "config.json"
    if scene.identity:
        config.write_text(json.dumps({"auths": {scene.registry: {"identitytoken": IDENTITY}}}))
        for name in login:
            os.environ.pop(name, None)
    else:
        config.write_text("{}")
        os.environ.update(login)
    command = ["publish", "--source", scene.source or str(archive), "--tags", f"{scene.registry}/t/x:1"]
    command += ["--lint", "off", "--layer-cache", "off", "--log-level", "debug"]
    command += [word for host in scene.plain_http for word in ("--plain-http", host)]
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    sys.stdout, sys.stderr = out, err
    try:
        code = main(command)
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    settle()
    out.flush()
    output = out.buffer.getvalue().decode() + err.getvalue()
    return {"code": code, "leaks": leaks(Host.stage, output), "output": output, "seen": len(Host.stage.seen)}


def settle() -> None:
    """Return when every connection that was begun before is noted: they are taken in their order."""
    for port in PORTS:
        with socket.create_connection((LAST, port)):
            while not any(at == LAST and where == port for at, where, _ in [*Host.stage.seen]):
                PAUSE(0.001)
    Host.stage.seen = [entry for entry in Host.stage.seen if entry[0] != LAST]


def world(certificate: str, key: str) -> None:
    Host.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Host.tls.load_cert_chain(certificate, key)
    Host.stage = Stage(next(iter(SCENES.values())))
    for port in PORTS:
        threading.Thread(target=Everywhere(port).serve_forever, daemon=True).start()
    socket.getaddrinfo = resolve(lambda: Host.stage, socket.getaddrinfo)
    time.sleep = lambda _: None


def main_() -> None:
    certificate, key, archive, home, results = sys.argv[1:]
    world(certificate, key)
    played = {}
    for name, scene in SCENES.items():
        played[name] = play(scene, Path(archive), Path(home))
    Path(results).write_text(json.dumps(played))
    os._exit(0)


if __name__ == "__main__":
    main_()
