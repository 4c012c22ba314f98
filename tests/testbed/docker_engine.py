"""A Docker engine apart from the machine's own: it has a network, mounts, and a state of its own, and no file outside its folder.

slirp4netns connects its network to the machine's as an ordinary program would: no address, route or rule appears outside.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOOPBACK: Final = "10.0.2.2"
"""Where containers find the machine's 127.0.0.1, if their network is the engine's bridge; see slirp4netns(1)."""

_OWN_PORTS: Final = (20000, 29999)
"""Those of servers that start behind this engine and take any port: their clients are there too, and not where the tests' are."""

_APART: Final = f"""
root=$1
shift
ip link set lo up
# The machine's engine keeps sockets and locks there, and containerd's would be taken for ours.
mount -t tmpfs tmpfs /run
[ ! -d /opt ] || mount -t tmpfs tmpfs /opt
mkdir -p "$root/etc"
cp -a /etc/. "$root/etc"
rm -rf "$root/etc/docker" "$root/etc/resolv.conf"
echo nameserver 10.0.2.3 >"$root/etc/resolv.conf"
mount --bind "$root/etc" /etc
echo apart
read connected
# Containers without a network of their own, and the engine, reach the servers of the tests where these are: on loopback.
echo {_OWN_PORTS[0]} {_OWN_PORTS[1]} >/proc/sys/net/ipv4/ip_local_port_range
iptables -t nat -A OUTPUT -d 127.0.0.0/8 -p tcp ! --dport {_OWN_PORTS[0]}:{_OWN_PORTS[1]} -j DNAT --to-destination {LOOPBACK}
iptables -t nat -A POSTROUTING -o tap0 -j MASQUERADE
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
exec setpriv --pdeathsig TERM dockerd "$@" >"$root/dockerd.log" 2>&1 </dev/null
"""


@contextlib.contextmanager
def engine(root: Path) -> Iterator[None]:
    """Run dockerd inside the folder `root`; it listens on `root`/docker.sock.

    In the end no mount, process or file outside of `root` is left.
    """
    assert os.geteuid() == 0, "only root can start a Docker engine: run as root"
    (root / "daemon.json").write_text("{}")
    apart = ("unshare", "--net", "--mount", "--propagation", "slave", "sh", "-euc", _APART, "engine", root)
    with subprocess.Popen((*apart, *_flags(root)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdin
        assert daemon.stdout
        try:
            assert daemon.stdout.readline() == b"apart\n", "no namespace for an engine: why is said above"
            with _connected(daemon.pid, root / "slirp4netns.log"):
                daemon.stdin.write(b"\n")
                daemon.stdin.flush()
                _await(daemon, root)
                yield
                _end(daemon)
        finally:
            _end(daemon)


def _flags(root: Path) -> list[str]:
    places = {
        "host": f"unix://{root}/docker.sock",
        "config-file": root / "daemon.json",
        "data-root": root / "data",
        "exec-root": "/run/engine",  # its own /run: containerd's sockets there need a short path
        "pidfile": root / "dockerd.pid",
    }
    return [f"--{flag}={place}" for flag, place in places.items()]


@contextlib.contextmanager
def _connected(process: int, log: Path) -> Iterator[None]:
    """Give the network of that process a way out."""
    # The signal ends it with the tests, however they end.
    argv = ("setpriv", "--pdeathsig", "TERM", "slirp4netns", "--configure", "--mtu=65520", "--ready-fd=1")
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            (*argv, str(process), "tap0"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream
        ) as slirp,
    ):
        assert slirp.stdout
        try:
            assert slirp.stdout.read(1) == b"1", f"no network for an engine:\n{log.read_text()}"
            yield
        finally:
            _end(slirp)


def _await(daemon: subprocess.Popen[bytes], root: Path) -> None:
    asked = ("docker", "--config", root, "--host", f"unix://{root}/docker.sock", "version")
    log = root / "dockerd.log"
    deadline = time.monotonic() + 60
    while subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode != 0:
        over = daemon.poll() is not None
        said = (
            log.read_text()[-4000:] if log.exists() else "its network could not be set up: why is said above"
        )
        assert not over, f"dockerd ended:\n{said}"
        assert time.monotonic() < deadline, f"dockerd does not answer:\n{said}"
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)
