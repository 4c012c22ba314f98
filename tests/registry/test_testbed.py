"""The servers that the other tests stand on do what those tests take for granted."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import requests

from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow


def _upload(host: str, repository: str, data: bytes, **kwargs: Any) -> requests.Response:
    begun = requests.post(f"http://{host}/v2/{repository}/blobs/uploads/", timeout=10, **kwargs)
    begun.raise_for_status()
    location = begun.headers["Location"]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return requests.put(f"{location}&digest={digest}", data=data, timeout=10, **kwargs)


def test_an_open_registry_keeps_what_is_pushed(registry: Registry) -> None:
    repository = registry.new_repository()
    assert _upload(registry.host, repository, b"blob").status_code == 201
    assert registry.blob(repository, f"sha256:{hashlib.sha256(b'blob').hexdigest()}") == b"blob"
    assert registry.open_uploads(repository) == []
    assert [entry.status for entry in registry.accesses(repository)] == [202, 201, 200]


def test_basic_asks_for_the_password(basic_registry: Registry) -> None:
    url = f"http://{basic_registry.host}/v2/"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, auth=("fixture-user", "wrong"), timeout=10).status_code == 401
    assert basic_registry.get("").status_code == 200


def test_bearer_asks_for_a_token_that_its_server_gives(token_registry: Registry) -> None:
    tokens = token_registry.tokens
    assert tokens
    refused = requests.get(f"http://{token_registry.host}/v2/", timeout=10)
    assert refused.headers["WWW-Authenticate"].startswith(f'Bearer realm="http://{tokens.host}/token"')
    repository = token_registry.new_repository()
    token = requests.get(
        f"http://{tokens.host}/token",
        params={"scope": f"repository:{repository}:pull,push"},
        auth=(token_registry.username, token_registry.password),
        timeout=10,
    ).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert _upload(token_registry.host, repository, b"blob", headers=headers).status_code == 201
    tokens.lifetime = -1000
    expired = {"Authorization": f"Bearer {tokens.mint(repository, ['pull', 'push'])}"}
    url = f"http://{token_registry.host}/v2/{repository}/blobs/uploads/"
    assert requests.post(url, headers=expired, timeout=10).status_code == 401


def test_the_proxy_passes_on_and_records(registry: Registry, proxy: FaultProxy) -> None:
    repository = registry.new_repository()
    assert _upload(proxy.host, repository, b"x" * 100_000).status_code == 201
    assert [(entry.method, entry.received) for entry in proxy.requests] == [("POST", 0), ("PUT", 100_000)]


def test_the_proxy_fails_as_told(registry: Registry, proxy: FaultProxy) -> None:
    repository = registry.new_repository()
    proxy.fail_next("POST", "/uploads/", status=503, headers={"Retry-After": "7"}, body=b"busy")
    answer = requests.post(f"http://{proxy.host}/v2/{repository}/blobs/uploads/", timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"], answer.content) == (503, "7", b"busy")
    proxy.reset_next("PUT", "/uploads/", after_bytes=50_000)
    with pytest.raises(requests.ConnectionError, match=r"reset|closed|Broken pipe"):
        _upload(proxy.host, repository, b"y" * 8_000_000)
    proxy.lose_response("PUT", "/uploads/")
    with pytest.raises(requests.ConnectionError, match=r"reset|closed"):
        _upload(proxy.host, repository, b"z")
    assert registry.blob(repository, f"sha256:{hashlib.sha256(b'z').hexdigest()}") == b"z"
    assert proxy.pending == 0
