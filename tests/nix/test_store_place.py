"""A store that is not where its paths say is refused before anything is built, and one that is, is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.nix import store_place
from flakeship.nix.command import Nix
from flakeship.nix.store_place import check_store


def nix(**environ: str) -> Nix:
    return Nix((2, 34), "nix (Nix) 2.34.0", environ, lambda _: None)


@pytest.mark.parametrize(
    ("store", "where"),
    [
        ("/people/me/store", "/people/me/store"),
        ("./store", "./store"),
        ("build/store", "build/store"),
        ("local?root=/mnt", "/mnt"),
        ("local://?root=/mnt&real=/mnt/nix/store", "/mnt"),
        ("local?real=/mnt/store", "/mnt/store"),
        ("auto?root=/mnt", "/mnt"),
        ("daemon?root=/mnt", "/mnt"),
        ("unix:///run/nix.sock?root=/mnt", "/mnt"),
        ("ssh-ng://builder.test", "ssh-ng://…"),
        ("ssh://me:canary@builder.test", "ssh://…"),
        ("s3://bucket?region=x", "s3://…"),
        ("https://cache.test", "https://…"),
        ("file:///tmp/cache", "file://…"),
        ("dummy://", "dummy://…"),
    ],
)
def test_a_store_elsewhere_is_refused(store: str, where: str) -> None:
    """https://github.com/NixOS/nix/issues/2264."""
    with pytest.raises(UsageError, match="Nix would build into the store") as raised:
        check_store(nix(), {"store": store})
    assert where in raised.value.message
    assert "NIX_REMOTE" in raised.value.hint
    assert "canary" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "store",
    [
        "auto",
        "",
        "daemon",
        "local",
        "local?root=/",
        "local?real=/nix/store",
        "local?root=",
        "auto?trusted=true",
        "/",
        "unix:///nix/var/nix/daemon-socket/socket",
        "mounted-ssh-ng://builder.test",
        "something-new",
        None,
        {"scheme": "new"},
    ],
)
def test_the_usual_store_is_taken_in_every_spelling(
    store: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store_place, "STATE", tmp_path)
    check_store(nix(), {} if store is None else {"store": store})


def test_another_folder_that_is_called_so_is_the_usual_store() -> None:
    check_store(nix(NIX_STORE_DIR="/my/store"), {"store": "local?real=/my/store"})


@pytest.mark.parametrize(
    ("user", "environ", "folder"),
    [
        (1000, {"HOME": "/people/me"}, "/people/me/.local/share/nix/root"),
        (1000, {"HOME": "/people/me", "XDG_DATA_HOME": "/data"}, "/data/nix/root"),
        (1000, {"HOME": "/people/me", "NIX_STATE_DIR": "/var"}, None),
        (0, {"HOME": "/root"}, None),
    ],
)
def test_the_folder_that_nix_takes_where_there_is_no_nix(
    user: int, environ: dict[str, str], folder: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store_place, "STATE", tmp_path / "none")
    monkeypatch.setattr(store_place, "DAEMON_SOCKET", tmp_path / "socket")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if folder is None:
        check_store(nix(**environ), {"store": "auto"})
        return
    with pytest.raises(UsageError, match=f"below {folder}"):
        check_store(nix(**environ), {"store": "auto"})
    (tmp_path / "socket").touch()
    check_store(nix(**environ), {"store": "auto"})
