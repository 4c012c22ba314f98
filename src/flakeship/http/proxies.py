"""The choice of the HTTP proxy for a URL, from the variables of a given environment."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from flakeship.http.origin import is_loopback


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for `url`, or None for a direct connection, as always to loopback.

    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are read in upper and lower case; the lower-case one wins, as in curl
    (https://everything.curl.dev/usingcurl/proxies/env.html).
    """
    known = {
        name.lower(): value for name, value in sorted(environ.items()) if name.lower().endswith("_proxy")
    }
    parts = urlsplit(url)
    proxy = known.get(f"{parts.scheme}_proxy") or known.get("all_proxy")
    if not proxy or is_loopback(parts.hostname or ""):
        return None
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    # With a second argument it does not read os.environ.
    if proxy_bypass_environment(parts.netloc.rpartition("@")[2], {"no": known.get("no_proxy", "")}):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
