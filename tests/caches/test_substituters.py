"""A real signed cache on loopback, and caches that are down in every way."""

from __future__ import annotations

import dataclasses
import http.server
import time
from pathlib import Path
from typing import Any

import pytest

from flakeship.caches import CacheInputs, CachePlan, opened
from flakeship.errors import UsageError
from flakeship.events import BuildLog
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.caches.conftest import EventRecord, SignedCache, serving, tools_of
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow
KEY = "cache.example-1:" + "A" * 43 + "="


def plan_of(nix: Nix, record: EventRecord, folder: Path, *urls: str, key: str = KEY) -> CachePlan:
    """Return the plan; its caches are closed."""
    inputs = CacheInputs(substituters=urls, trusted_public_keys=(key,) if key else ())
    with opened(inputs, tools_of(nix, record, folder)) as plan:
        return plan


def build_chatty(
    nix: Nix, record: EventRecord, scratch: Path, folder: Path, *urls: str, key: str = KEY
) -> list[str]:
    """Build a package that prints lines while it is built, with the caches; return the lines of the log."""
    inputs = CacheInputs(substituters=urls, trusted_public_keys=(key,) if key else ())
    with opened(inputs, tools_of(nix, record, scratch)) as plan:
        build(plan.applied(nix), Installable.parse(".#chatty", cwd=str(folder)), emit=record)
    return [event.line for event in record.events if isinstance(event, BuildLog)]


def test_a_package_in_the_cache_is_not_built(
    other_store: Nix, signed_cache: SignedCache, record: EventRecord, make_flake: MakeFlake, tmp_path: Path
) -> None:
    urls, key = (signed_cache.url,), signed_cache.public_key
    log = build_chatty(other_store, record, tmp_path, make_flake(), *urls, key=key)
    assert any(line.startswith("copying path") and signed_cache.url in line for line in log)
    assert "chatty> one" not in log
    assert any(path.endswith(".narinfo") for path in signed_cache.requests)
    assert record.warnings == []


def test_a_package_signed_by_another_key_is_built(
    other_store: Nix, signed_cache: SignedCache, record: EventRecord, make_flake: MakeFlake, tmp_path: Path
) -> None:
    assert "chatty> one" in build_chatty(other_store, record, tmp_path, make_flake(), signed_cache.url)


@pytest.mark.parametrize(
    ("release", "settings"),
    [
        ("2.8.0", {}),
        ("2.18.8", {}),
        ("2.18.9", {"fallback": "true"}),
        ("2.19.1", {"always-allow-substitutes": "true"}),
        ("2.20.8", {"always-allow-substitutes": "true"}),
        ("2.26.3", {"fallback": "true", "always-allow-substitutes": "true"}),
    ],
)
def test_the_options_are_settings_that_this_nix_has_and_survives(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path, *, release: str, settings: Any
) -> None:
    """With `fallback` an old Nix aborts: https://github.com/NixOS/nix/issues/11511."""
    major, minor = map(int, release.split(".")[:2])
    other = dataclasses.replace(nix, version=(major, minor), release=f"nix (Nix) {release}")
    plan = plan_of(other, record, tmp_path, signed_cache.url)
    patient = {"stalled-download-timeout": "5", "download-attempts": "2"} if "fallback" in settings else {}
    assert dict(plan.options) == {
        "extra-trusted-public-keys": KEY,
        "connect-timeout": "4",
        **patient,
        **settings,
    }
    assert plan.substituters.replace == ("fallback" not in settings)


def test_settings_that_the_user_configured_are_kept(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path
) -> None:
    config = nix.environ["NIX_CONFIG"] + "\nfallback = false\nconnect-timeout = 60"
    environ = {**nix.environ, "NIX_CONFIG": config}
    own = dataclasses.replace(nix, environ=environ, version=(2, 26), release="nix (Nix) 2.26.3")
    options = dict(plan_of(own, record, tmp_path, signed_cache.url).options)
    assert not {"fallback", "connect-timeout"} & options.keys()
    assert options["download-attempts"] == "2"


@pytest.mark.parametrize(
    ("fixture", "reason"), [("closed_port", "refused"), ("black_hole", "within 5 seconds")]
)
def test_a_cache_that_is_down_is_a_warning_and_the_build_goes_on(
    request: pytest.FixtureRequest,
    nix: Nix,
    record: EventRecord,
    make_flake: MakeFlake,
    *,
    fixture: str,
    reason: str,
) -> None:
    url = request.getfixturevalue(fixture)
    folder = make_flake(fresh=True)
    started = time.monotonic()
    log = build_chatty(nix, record, folder.parent, folder, url, f"{url}/second")
    assert time.monotonic() - started < 100
    assert "chatty> one" in log
    assert len(record.warnings) == 2
    assert f"the cache {url} is left out: " in record.warnings[0]
    assert reason in record.warnings[0]
    assert "the build goes on without this cache" in record.warnings[0]


def answering(status: int, body: bytes) -> Any:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b"oops", "answers 500"),
        (404, b"", "answers 404"),
        (200, b"<html>Welcome</html>", "not a nix-cache-info"),
        (200, b"", "not a nix-cache-info"),
        (200, b"StoreDir: /srv/store\n", "it is for the store /srv/store"),
    ],
)
def test_a_server_that_is_not_a_cache_for_this_store_is_left_out(
    nix: Nix, record: EventRecord, tmp_path: Path, *, status: int, body: bytes, reason: str
) -> None:
    with serving(answering(status, body)) as url:
        assert plan_of(nix, record, tmp_path, url) == CachePlan()
    assert reason in record.warnings[0]


def test_a_working_cache_is_used_beside_one_that_is_down(
    nix: Nix, signed_cache: SignedCache, closed_port: str, record: EventRecord, tmp_path: Path
) -> None:
    plan = plan_of(nix, record, tmp_path, closed_port, signed_cache.url)
    assert list(plan.substituters.names.values()) == [signed_cache.url]


def test_a_folder_may_be_a_cache(nix: Nix, record: EventRecord, tmp_path: Path) -> None:
    plan = plan_of(
        nix, record, tmp_path, f"file://{tmp_path}", "file:///no/such/folder", "s3://bucket?region=eu"
    )
    assert list(plan.substituters.names.values()) == [f"file://{tmp_path}", "s3://bucket"]
    guarded, other = plan.substituters.names
    assert guarded.startswith("http://127.0.0.1:"), "Nix 2.8 ends over a file that is damaged"
    assert other == "s3://bucket?region=eu"
    assert "file:///no/such/folder is left out: there is no such folder" in record.warnings[0]


def test_a_cache_without_a_public_key_is_a_warning(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path
) -> None:
    plan = plan_of(nix, record, tmp_path, signed_cache.url, key="")
    assert "extra-trusted-public-keys" not in dict(plan.options)
    assert "without `trusted-public-keys`" in record.warnings[0]
    told = len(record.warnings)
    plan_of(nix, record, tmp_path, f"{signed_cache.url}?priority=5&trusted=1", key="")
    assert len(record.warnings) == told, "Nix needs none there"


def test_a_user_that_the_daemon_does_not_trust_is_warned(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path, mocker: Any
) -> None:
    mocker.patch("flakeship.caches.may_choose_substituters", return_value=False)
    plan_of(nix, record, tmp_path, signed_cache.url)
    assert "daemon ignores caches" in record.warnings[0]
    assert "trusted-users" in record.warnings[0]


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("--option", KEY, "'--option' is not the URL of a cache"),
        ("cache.example.org", KEY, "is not the URL of a cache"),
        ("https://a b", KEY, "is not the URL of a cache"),
        ("https://me:hunter2@cache.example", KEY, "a URL holds a password"),
        ("https://cache.example", "not a key", "'not a key' is not a public key"),
        ("https://cache.example", "name:short=", "is not a public key"),
    ],
)
def test_malformed_inputs_are_refused(
    nix: Nix, record: EventRecord, tmp_path: Path, *, url: str, key: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(nix, record, tmp_path, url, key=key)
    assert message in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint
