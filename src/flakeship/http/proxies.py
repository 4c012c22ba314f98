"""Which HTTP proxy a URL goes through, by the environment that is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from flakeship.http.origin import is_loopback


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case; the lower one wins. Never one to loopback."""
    known = {
        name.lower(): value for name, value in sorted(environ.items()) if name.lower().endswith("_proxy")
    }
    parts = urlsplit(url)
    proxy = known.get(f"{parts.scheme}_proxy") or known.get("all_proxy")
    if not proxy or is_loopback(parts.hostname or ""):
        return None
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    without = {"no": known.get("no_proxy", "")}
    if proxy_bypass_environment(
        parts.netloc.rpartition("@")[2], without
    ):  # given this, it leaves os.environ alone
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
