"""`flakeship publish` where the environment was set by others: what does no harm, and what ends before a build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed.command import Publish
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("certificates", ["/no-cert-file.crt", "/dev/null"])
def test_what_others_set_does_no_harm(
    publish: Publish, archive: Path, registry: Registry, certificates: str
) -> None:
    """A file of certificates that is not there or holds none, proxies that are not needed, a Kubernetes service of our name."""
    name = f"{registry.host}/{registry.new_repository()}:1"
    ended = publish(
        *("--source", str(archive), "--tags", name, "--lint", "off"),
        SSL_CERT_FILE=certificates,
        SSL_CERT_DIR="/no/folder",
        HTTPS_PROXY="socks5://127.0.0.1:1",
        HTTP_PROXY="http://[::1",
        FLAKESHIP_PORT="tcp://10.96.12.4:8080",
        FLAKESHIP_SERVICE_HOST="10.96.12.4",
    )
    assert ended.code == 0, ended.stderr
    assert "warning" not in ended.stderr


_PUSHED = ("--tags", "registry.invalid/me/app:1")
_KEPT = ("--to", "oci:image")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            (_PUSHED, {"HTTPS_PROXY": "socks5://127.0.0.1:1"}),
            "HTTPS_PROXY names a proxy of the kind 'socks5'",
        ),
        ((_PUSHED, {"all_proxy": "http://u:canary@[::1"}), "all_proxy does not hold the URL of a proxy"),
        ((_PUSHED, {"SSL_CERT_FILE": "/dev/null"}), "SSL_CERT_FILE=/dev/null holds no certificates"),
        ((_KEPT, {"FLAKESHIP_NIX_CONFIG": "store = {tmp}/store"}), "Nix would build into the store below"),
    ],
    ids=["another kind of proxy", "a malformed proxy", "no authorities", "a store elsewhere"],
)
def test_what_cannot_work_ends_before_anything_is_built(
    given: tuple[tuple[str, ...], dict[str, str]],
    words: str,
    publish: Publish,
    make_flake: Callable[..., Path],
    tmp_path: Path,
) -> None:
    flags, variables = given
    environ = {name: value.format(tmp=tmp_path) for name, value in variables.items()}
    ended = publish("--flake", ".#image", *flags, cwd=make_flake(), **environ)
    assert ended.code == 2, ended.stderr
    assert words in ended.stderr
    assert "  -> " in ended.stderr
    assert "canary" not in ended.stderr
    assert "sandbox:" not in ended.stderr, "it is said before the build"
    assert not (tmp_path / "store").exists()
