"""Describes the event of a workflow run on Forgejo or Gitea, whose variables are mostly those of GitHub.

https://forgejo.org/docs/latest/user/actions/reference/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from flakeship.ci.forgejo.recognition import NAME, PREFIXES
from flakeship.ci.github import event as github
from flakeship.metadata.context import Context

if TYPE_CHECKING:
    from flakeship.ci.protocol import Api

_HEAD: Final = re.compile(r"(refs/pull/\d+)/head")


def context(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    """Describe the event. The ref of a pull request ends in `/head` here, and is changed to GitHub's `/merge`."""
    found = github.context(as_github(environ), cwd=cwd, now=now, api=api)
    return replace(found, platform=NAME, invocation=found.run_url, ref=_HEAD.sub(r"\1/merge", found.ref))


def as_github(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with Forgejo's own variables under the names of GitHub, whose values they replace."""
    named = dict(environ)
    for prefix in reversed(PREFIXES):
        named |= {
            f"GITHUB_{name.removeprefix(prefix)}": value
            for name, value in environ.items()
            if name.startswith(prefix) and value
        }
    return named
