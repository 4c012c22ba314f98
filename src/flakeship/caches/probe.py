"""Find out which caches respond, all at once and before the build: Nix would wait minutes for each that does not.

https://nix.dev/manual/nix/latest/store/types/http-binary-cache-store
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from flakeship.caches.plan import PROBE_SECONDS, FetchDocument
from flakeship.errors import Error
from flakeship.outside.reading import read_file

_ABSENT: Final = re.compile(r"\banswers (?:404|410)\b")
_REFUSED: Final = re.compile(r"\banswers 401\b")
_LIMIT: Final = 64 * 1024
"""Bytes of a nix-cache-info, which has three lines."""

_STORE_DIR: Final = re.compile(rb"^StoreDir:[ \t]*(\S+)", re.MULTILINE)


def unusable(urls: Sequence[str], fetch: FetchDocument, *, token: str = "") -> Mapping[str, str]:
    """Return why a cache can't be used, by its URL; a cache that can be used is not in the result."""
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


def unusable_by_nix(urls: Sequence[str], fetch: FetchDocument, netrc: Callable[[], str]) -> Mapping[str, str]:
    """Return the same for Nix, which has passwords: `netrc` returns the text of its file, and is called if one is wanted."""
    down = dict(unusable(urls, fetch))
    if not any(_REFUSED.search(reason) for reason in down.values()):
        return down
    from flakeship.caches.loopback.credentials import HostCredentials

    known = HostCredentials.of((netrc(),))
    return {
        url: reason
        for url, reason in down.items()
        if not _REFUSED.search(reason) or not known.for_host(urlsplit(url).hostname or "")
    }


def is_empty(reason: str) -> bool:
    """Tell whether a server can't be used for the one reason that nothing is there."""
    return bool(_ABSENT.search(reason))


_SILENT: Final = f"it did not answer within {PROBE_SECONDS:g} seconds"


def reason_of(error: Exception) -> str:
    """Describe an exception of any `FetchDocument` in a few words."""
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, Error):
        return error.message
    return str(error) or type(error).__name__


def _reason(url: str, fetch: FetchDocument, token: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _wrong_with_folder(Path(unquote(parts.path)))
    if parts.scheme not in ("http", "https"):
        return ""  # Nix alone knows how to reach it (s3, ssh)
    try:
        answer = fetch(
            f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/nix-cache-info",
            PROBE_SECONDS,
            token=token,
        )
    except Exception as error:  # noqa: BLE001 - the build goes on without a cache, whatever its error is
        return reason_of(error)
    return _other_store(answer) if _STORE_DIR.search(answer) else "its answer is not a nix-cache-info"


def _wrong_with_folder(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder"
    try:
        return _other_store(read_file(folder / "nix-cache-info", _LIMIT))
    except (OSError, ValueError):  # Nix needs none there
        return ""


def _other_store(info: bytes) -> str:
    found = _STORE_DIR.search(info)
    other = found and found[1] != b"/nix/store"
    return f"it is for the store {found[1].decode(errors='replace')[:100]}" if found and other else ""
