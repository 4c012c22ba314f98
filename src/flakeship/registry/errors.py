"""The errors of a registry: what was asked, what it answered, and whether another try may succeed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flakeship.errors import NotAllowedError
from flakeship.http.errors import WireError
from flakeship.http.redact import redact_url
from flakeship.http.retry_after import retry_after
from flakeship.http.timeouts import REASON_TIMEOUT
from flakeship.image.model import Digest, parse_digest
from flakeship.printable import one_line

if TYPE_CHECKING:
    from flakeship.http.response import Response

# 499 is the nginx status for a client that went away; 520 to 524 are those of Cloudflare for a server behind it:
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
TRANSIENT: Final = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524})
# The upload session has ended, so a new one may succeed. distribution ends it when the connection of a PATCH breaks:
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
_SESSION_GONE: Final = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_DENIED: Final = frozenset({401, _FORBIDDEN})
_BLOB_GONE: Final = frozenset({"BLOB_UNKNOWN"})
_FOR_GOOD: Final = frozenset({"NAME_INVALID", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED", "UNAUTHORIZED"})
_COMMIT_REFUSED: Final = frozenset({400, 404, 405, 409, 410, 416})
_TRIES_OF_A_COMMIT: Final = 3
"""Each may send the whole blob: a registry that never takes it must not be sent it six times."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer that was not expected, without its body. `url` holds no secrets.

    `codes` are those of the registry in upper case (`MANIFEST_BLOB_UNKNOWN`), `text` is one line for the user, `digests`
    are those that the details of the errors name, and `retry_after` is in seconds.
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """

    method: str
    url: str
    status: int
    codes: tuple[str, ...]
    text: str
    digests: frozenset[Digest]
    retry_after: float | None

    def __str__(self) -> str:
        said = f": {self.text}" if self.text else ""
        return f"{self.method} {self.url} was answered {self.status}{said}"


class RegistryError(WireError):
    """The registry answered with a status that means a failure, other than 401 and 403."""

    def __init__(self, answer: ErrorAnswer, *, transient: bool, tries: int | None = None) -> None:
        super().__init__(
            str(answer), hint=_hint(answer), transient=transient, retry_after=answer.retry_after, tries=tries
        )
        self.answer = answer


class DeniedError(NotAllowedError):
    """The registry answered 401 or 403: credentials are missing, wrong, or do not suffice."""

    usual_hint = "log in before (`docker login HOST`), or set `username` and `password`"

    def __init__(self, answer: ErrorAnswer, *, hint: str = "") -> None:
        super().__init__(str(answer), hint=hint)
        self.answer = answer


def is_passing(error: RegistryError | DeniedError) -> bool:
    """Tell whether another try may succeed; otherwise the registry has refused what it was asked."""
    return isinstance(error, RegistryError) and error.transient


def error_for(response: Response) -> RegistryError | DeniedError:
    """Return the error for an unexpected answer. At most 64 KiB of its body are read, and it is closed."""
    answer = _read(response)
    codes = set(answer.codes)
    if _asks_to_wait(answer):
        return RegistryError(answer, transient=True)
    if answer.status in _DENIED:
        return DeniedError(answer)
    if codes & _SESSION_GONE:
        return RegistryError(answer, transient=True)
    if "DIGEST_INVALID" in codes:  # the data was damaged on its way, or will be each time
        return RegistryError(answer, transient=True, tries=2)
    return RegistryError(answer, transient=answer.status in TRANSIENT)


def _asks_to_wait(answer: ErrorAnswer) -> bool:
    """Tell whether a registry refuses for now only: by its code, or by a wait that it names.

    GitHub limits requests by a 403 too: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
    """
    waits = answer.retry_after is not None and (
        answer.status == _FORBIDDEN or answer.status >= _SERVER_ERRORS
    )
    return waits or "TOOMANYREQUESTS" in answer.codes


def refuses_the_form(error: RegistryError) -> bool:
    """Tell whether the same content may be taken in another form; not where it will pass, or the name is refused."""
    return not error.transient and not set(error.answer.codes) & (_FOR_GOOD - {"UNSUPPORTED"})


def as_lost_commit(error: RegistryError) -> None:
    """Let the refusal of a PUT that ends an upload session be worth another try, which begins with a question.

    A commit whose answer got lost is refused when it is sent again, and so is one that the registry forgot: by a code of
    an ended session, as a blob that is not known (https://github.com/GoogleContainerTools/jib/issues/4301), or by a
    status alone. Whether the blob is there by then tells the two apart. Other refusals hold for good, as of a name.
    """
    codes = set(error.answer.codes)
    if error.transient or codes & _FOR_GOOD:
        return
    if codes & _BLOB_GONE:
        error.transient = True
    elif error.answer.status in _COMMIT_REFUSED:
        error.transient, error.tries = True, _TRIES_OF_A_COMMIT


def _read(response: Response) -> ErrorAnswer:
    wait = retry_after(response.headers)
    try:
        body = response.read(seconds=REASON_TIMEOUT)
    except WireError:
        body = b""  # The status is known, and must not be hidden by a connection that broke later, or by a page that drips.
    errors = _errors(body)
    texts = [": ".join(filter(None, (_word(entry, "code"), _word(entry, "message")))) for entry in errors]
    text = "; ".join(filter(None, texts)) or _plain(body)
    return ErrorAnswer(
        response.method,
        redact_url(response.url),
        response.status,
        tuple(_word(entry, "code").upper() for entry in errors),
        one_line(text),
        frozenset(digest for entry in errors for digest in _digests(entry.get("detail"))),
        wait,
    )


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = document.get("errors") if isinstance(document, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _word(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _plain(body: bytes) -> str:
    """Return the first line of a body that is not JSON, or nothing if it is an HTML page."""
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text.partition("\n")[0]


def _digests(detail: Any) -> list[Digest]:
    """Return the digests in the `detail` of an error: `{"digest": …}`, a digest, or a list of either."""
    entries = detail if isinstance(detail, list) else [detail]
    found = []
    for entry in entries:
        try:
            found.append(parse_digest(entry.get("digest") if isinstance(entry, dict) else entry))
        except ValueError:
            continue
    return found


def _hint(answer: ErrorAnswer) -> str:
    match answer.status:
        case 413:
            return "raise the limit of the proxy in front of the registry for the size of a request (nginx: client_max_body_size)"
        case status if status == _TOO_MANY or _asks_to_wait(answer):
            return "log in, or run again later with a lower `max-concurrent-uploads`: the registry limits how many requests it takes"
        case 404 if "NAME_UNKNOWN" in answer.codes:
            return "create the repository first: it does not exist, and some registries create none by a push"
        case status if status in TRANSIENT:
            return "read the status page of the registry, or ask its operator"
        case _:
            return ""
