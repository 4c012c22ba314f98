"""What a platform answers that lacks something: an API, commands in its log, later steps, a page, a registry.

All of it is true of a laptop. A platform imports what is true of it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from flakeship import events

if TYPE_CHECKING:  # imported on every platform, which may have no use for these
    from flakeship.ci.handover import Handover
    from flakeship.ci.job_credentials import JobCredentials
    from flakeship.ci.protocol import Api, Fetch
    from flakeship.metadata.context import Context

NAME: Final = "local"


def matches(environ: Mapping[str, str]) -> bool:
    """Match always: this platform is asked last."""
    return True


def open_api(environ: Mapping[str, str], *, token: str, fetch: Fetch, emit: events.Emit) -> Api | None:
    """Return None: the event is described without an API."""
    return None


def safe_on_stdout(text: str) -> str:
    """Return `text` as it is: nothing that reads stdout obeys commands in it."""
    return text


def takes_outputs(environ: Mapping[str, str]) -> bool:
    """Return False: there are no later steps."""
    return False


def hand_over(shipped: Handover, environ: Mapping[str, str]) -> None:
    """Do nothing: there are no later steps."""


def hand_over_metadata(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Do nothing: there are no later steps."""


def summarise(markdown: str, environ: Mapping[str, str]) -> None:
    """Do nothing: there is no page, and the log has said it."""


def commit_page(event: Context) -> str:
    """Return an empty text: there is no page to link from."""
    return ""


def package_page(name: str, event: Context, *, source: str) -> str:
    """Return an empty text: the platform has no registry."""
    return ""


def job_credentials(environ: Mapping[str, str], *, token: str) -> Iterable[JobCredentials]:
    """Return nothing: the platform gives its jobs no credentials."""
    return ()


def refusal_hint(host: str, environ: Mapping[str, str]) -> str:
    """Return an empty text: the platform has no registry."""
    return ""


def unreachable_hint(host: str) -> str:
    """Return an empty text: the platform names no host."""
    return ""
