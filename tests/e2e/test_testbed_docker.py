"""The engine that the other tests stand on: it runs containers, builds with a network, and leaves the machine as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.testbed.docker import Docker
from tests.testbed.docker_engine import LOOPBACK, engine

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server on the machine's loopback, which answers `reached`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"reached\n")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_port
        listening.shutdown()


def asks(host: str, port: int) -> str:
    """A line of bash that prints what a web server answers: the base image has nothing that could ask."""
    return f"exec 3<>/dev/tcp/{host}/{port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"


@pytest.mark.parametrize(("network", "host"), [("host", "127.0.0.1"), ("default", LOOPBACK)])
def test_what_it_builds_and_runs_reaches_the_servers_of_the_tests(
    dockerd: Docker, base_image: str, server: int, network: str, host: str
) -> None:
    recipe = f'FROM {base_image}\nSHELL ["bash", "-c"]\nRUN {asks(host, server)} >/answer\n'
    built = dockerd(
        "build", "--no-cache", "--quiet", "--network", network, "-", stdin=recipe.encode()
    ).strip()
    try:
        assert dockerd("run", "--rm", built, "cat", "/answer") == "reached\n"
        run = ("run", "--rm", "--network", network, built, "bash", "-c", asks(host, server))
        assert dockerd(*run) == "reached\n"
    finally:
        dockerd("image", "rm", built)


def test_what_listens_in_a_container_on_the_machines_network_is_reached_there(
    dockerd: Docker, base_image: str
) -> None:
    """As Nix asks the server that our command starts beside it. The base image has no Python, but Perl's base."""
    server = "IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')"
    client = "IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport)"
    program = f"my $server = {server}; print {client} ? 'reached' : $@"
    run = ("run", "--rm", "--network", "host", base_image, "perl", "-MIO::Socket::INET", "-e", program)
    assert dockerd(*run) == "reached"


def test_what_it_builds_reaches_the_mirrors_of_debian(dockerd: Docker, base_image: str) -> None:
    dockerd("run", "--rm", base_image, "apt-get", "-qq", "update")


def what_an_engine_notices() -> dict[str, object]:
    told = ("ip -4 -o address", "cat /proc/sys/net/ipv4/ip_forward")
    places = map(Path, ("/run", "/run/docker", "/run/containerd", "/etc/docker", "/opt", "/var/lib"))
    rules = subprocess.run("iptables-save", capture_output=True, text=True, check=True).stdout
    routes = subprocess.check_output(("ip", "route"), text=True)
    devices = Path("/proc/self/net/dev").read_text()
    return {
        **{line: subprocess.check_output(line.split(), text=True) for line in told},
        **{
            str(place): place.is_dir() and sorted(entry.name for entry in place.iterdir()) for place in places
        },
        # A bridge goes down when its last container ends, which may be just now.
        "routes": routes.replace(" linkdown", ""),
        "devices": sorted(line.partition(":")[0] for line in devices.splitlines()),
        "rules": [line.partition(" [")[0] for line in rules.splitlines() if not line.startswith("#")],
    }


BESIDE = """
import sys
from pathlib import Path
from tests.e2e.test_testbed_docker import what_an_engine_notices
from tests.testbed.docker_engine import engine
before = what_an_engine_notices()
assert "docker0" in before["ip -4 -o address"]
with engine(Path(sys.argv[1])):
    during = what_an_engine_notices()
    assert sys.argv[1] not in Path("/proc/mounts").read_text()
after = what_an_engine_notices()
for name, value in before.items():
    assert during[name] == after[name] == value, f"{name}: {value}, then {during[name]}, then {after[name]}"
"""


def test_an_engine_leaves_another_alone(dockerd: Docker, tmp_path: Path) -> None:
    """A second one is started where the first one has its bridge, rules and files, as it would be on a machine that has one."""
    first = Path(dockerd.host.removeprefix("unix://")).with_name("dockerd.pid").read_text()
    entered = ("nsenter", "--target", first, "--net", "--mount", "--wd=.")
    done = subprocess.run(
        [*entered, sys.executable, "-c", BESIDE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line]


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(AssertionError, match=r"dockerd ended(?s:.*)data"), engine(tmp_path):
        pass
