"""Whether a cache answers: asked before the build and all at once, since Nix itself would wait for each for minutes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from flakeship.caches.plan import PROBE_SECONDS, Fetch
from flakeship.errors import Error

_STORE_DIR: Final = re.compile(rb"^StoreDir:[ \t]*(\S+)", re.MULTILINE)


def unusable(urls: Sequence[str], fetch: Fetch, *, token: str = "") -> Mapping[str, str]:
    """Why a cache is of no use, by its URL; those that answer well are not in it."""
    if not urls:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(len(urls))
    try:
        answers = {url: pool.submit(_reason, url, fetch, token) for url in urls}
        found = {}
        for url, answer in answers.items():
            try:
                found[url] = answer.result(PROBE_SECONDS + 1)
            except TimeoutError:
                found[url] = _SILENT
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {url: reason for url, reason in found.items() if reason}


_SILENT: Final = f"it did not answer within {PROBE_SECONDS:g} seconds"


def reason_of(error: Exception) -> str:
    """An error of any HTTP client, in a few words."""
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, Error):
        return error.message
    return str(error) or type(error).__name__


def _reason(url: str, fetch: Fetch, token: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "" if Path(unquote(parts.path)).is_dir() else "there is no such folder"
    if parts.scheme not in ("http", "https"):
        return ""  # only Nix can tell
    try:
        answer = fetch(
            f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/nix-cache-info",
            PROBE_SECONDS,
            token=token,
        )
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the build goes on without it
        return reason_of(error)
    found = _STORE_DIR.search(answer)
    if not found:
        return "what it answers is no nix-cache-info"
    return "" if found[1] == b"/nix/store" else f"it is for the store {found[1].decode(errors='replace')}"
