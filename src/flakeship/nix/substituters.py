"""The binary caches that one run adds to those of nix.conf, or puts in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_NO_PROXY: Final = "no_proxy"
"""The spelling that curl reads first: https://everything.curl.dev/usingcurl/proxies/env.html."""


@dataclass(frozen=True, slots=True)
class Substituters:
    """Binary caches by the URL that Nix is given, in the order in which they are listed, and what messages call each.

    A URL may have parameters of Nix's behind a question mark, which Nix leaves out where it names a cache.

    With `replace` they stand in place of those of nix.conf. Their URLs go to Nix by NIX_CONFIG: whoever knows the path of
    one on loopback can read the cache, and every user of the machine can read a command line.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a Nix that uses them. It asks loopback through no proxy."""
        if not self.names:
            return dict(environ)
        setting = "substituters" if self.replace else "extra-substituters"
        lines = (environ.get("NIX_CONFIG", ""), f"{setting} = {' '.join(self.names)}")
        direct = environ.get(_NO_PROXY) or environ.get("NO_PROXY", "")
        return {
            **environ,
            "NIX_CONFIG": "\n".join(filter(None, lines)),
            _NO_PROXY: ",".join(filter(None, (direct, "127.0.0.1"))),
        }

    def named(self, line: bytes) -> bytes:
        """Return a line of Nix's log with the names in place of the URLs. In the log's JSON they stay JSON."""
        for url, name in self.names.items():
            if url != name:
                line = line.replace(url.partition("?")[0].encode(), json.dumps(name)[1:-1].encode())
        return line
