"""One fault at a time, each by a name of its own, with what is right: how the push ends, how soon, and what it sends."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from flakeship.errors import NotAllowedError, RejectedError, UnreachableError
from tests.faults import wire
from tests.faults.bench import Stage
from tests.faults.case import (
    SIZE,
    STEPS,
    TOKENS,
    Case,
    acted,
    answered,
    asked_again,
    at,
    changed,
    refusal,
    waited,
    with_headers,
)
from tests.testbed.registry_faults import Answer

_BROKEN: Final = UnreachableError.exit_code
_REFUSED: Final = NotAllowedError.exit_code
_REJECTED: Final = RejectedError.exit_code


def _resets() -> Iterator[Case]:
    for step, (method, pattern) in STEPS.items():
        yield Case(
            name=f"reset before an answer to {step}",
            arrange=lambda stage, method=method, pattern=pattern: stage.proxy.reset_next(method, pattern),  # type: ignore[misc]
        )
        yield Case(
            name=f"the answer to {step} is lost",
            arrange=lambda stage, method=method, pattern=pattern: stage.proxy.lose_response(method, pattern),  # type: ignore[misc]
            copies=1 if step != "the data" else 2,
            sessions=int(step == "the start of an upload"),  # nobody was told of it
            long=step not in {"the data", "the commit", "the tag"},
        )
    for step in (
        "the start of an upload",
        "the commit",
    ):  # of the data there is one: the config comes with its commit
        yield Case(
            name=f"reset before an answer to {step}, at the second of its kind",
            arrange=lambda stage, step=step: stage.proxy.reset_next(*at(step), skip=1),  # type: ignore[misc]
            copies=1,
            long=True,
        )
    for share in (0.1, 0.5, 0.99):
        yield Case(
            name=f"reset when {share:.0%} of a layer is sent",
            arrange=lambda stage, share=share: stage.proxy.reset_next(  # type: ignore[misc]
                *at("the data"), after_bytes=int(share * SIZE)
            ),
            long=share != 0.5,
        )
    for code in ("BLOB_UPLOAD_UNKNOWN", "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", ""):
        yield Case(
            name=f"the session is gone at the commit: 404 {code or 'without a code'}",
            arrange=answered("the commit", 404, body=refusal(code) if code else b""),
            long=code in {"BLOB_UPLOAD_INVALID", ""},
        )


def _server_errors() -> Iterator[Case]:
    statuses = (500, 502, 503, 504, 429, 408)
    for number, step in enumerate(STEPS):
        for status in statuses:
            yield Case(
                name=f"{status} once for {step}",
                arrange=answered(step, status, body=b"<html>an error page</html>"),
                long=status != statuses[number % len(statuses)],
            )
    for step in STEPS:
        yield Case(
            name=f"500 for ever for {step}",
            arrange=answered(step, 500, times=999, body=b"the disk is on fire"),
            code=_BROKEN,
            seconds=60,
            copies=6,
            says="the disk is on fire" if not step.startswith("the question") else "500",
            unmet=True,
            long=step != "the start of an upload",
            further=asked_again(step, 7),
        )
    yield Case(
        name="a disk that is full: 507 for the data",
        arrange=answered("the data", 507, times=999, body=b"insufficient storage"),
        code=_BROKEN,
        seconds=60,
        copies=6,
        says="insufficient storage",
        unmet=True,
        long=True,
    )


def _waits() -> Iterator[Case]:
    until_then = waited("the start of an upload", 1.5)

    def soon(*, dated: bool) -> Callable[[Stage], None]:
        def arrange(stage: Stage) -> None:
            now = time.time()
            # without the server's date the time counts from now on, in which the program is only started
            headers = {"Retry-After": email.utils.formatdate(now + (3 if dated else 6), usegmt=True)}
            if dated:
                headers["Date"] = email.utils.formatdate(now, usegmt=True)
            stage.proxy.fail_next(*at("the start of an upload"), status=429, headers=headers)

        return arrange

    for status in (429, 503):
        for step in ("the start of an upload", "the data", "the tag"):
            yield Case(
                name=f"{status} with Retry-After: 2 for {step}",
                arrange=answered(step, status, headers={"Retry-After": "2"}),
                further=waited(step, 2.0),
                long=(status, step) != (429, "the data"),
            )
    yield Case(name="Retry-After as a date", arrange=soon(dated=True), further=until_then)
    yield Case(name="Retry-After as a date without Date", arrange=soon(dated=False), further=until_then)
    yield Case(
        name="Retry-After of a day",
        arrange=answered("the start of an upload", 429, headers={"Retry-After": "86400"}),
        code=_BROKEN,
        says="86400 s",
    )
    for text in ("-5", "soon", "1e9999", "9" * 400):
        yield Case(
            name=f"Retry-After: {text[:12]}",
            arrange=answered("the data", 503, headers={"Retry-After": text}),
            code=_BROKEN if text[0] == "9" else 0,
            long=text != "soon",
        )


def _rights() -> Iterator[Case]:
    def expired(step: str, *, times: int = 1, early: bool = False, skip: int = 0) -> Callable[[Stage], None]:
        return lambda stage: stage.proxy.fail_next(
            *at(step), status=401, headers=stage.challenge, times=times, early=early, skip=skip
        )

    for step in ("the start of an upload", "the data", "the commit", "the tag"):
        yield Case(
            name=f"the token is expired at {step}",
            arrange=expired(step),
            copies=2 if step == "the data" else 1,
            further=asked_again("the token", TOKENS + 1),
            long=step not in {"the data", "the commit"},
        )
    yield Case(
        name="the token is expired, said before the data is read",
        arrange=expired("the data", early=True),
        further=asked_again("the token", TOKENS + 1),
    )
    yield Case(
        name="401 for ever",
        arrange=expired("the start of an upload", times=999),
        code=_REFUSED,
        copies=0,
        unmet=True,
        further=asked_again("the token", TOKENS + 1),
    )
    yield Case(
        name="no right to push",
        arrange=answered(
            "the start of an upload", 403, body=refusal("DENIED", "no write_package"), times=999
        ),
        code=_REFUSED,
        copies=0,
        says="no write_package",
        unmet=True,
        further=asked_again("the start of an upload", 1),
    )
    yield Case(
        name="the quota is used up at the data",
        arrange=answered("the data", 403, body=refusal("DENIED", "quota exceeded"), times=999),
        code=_REFUSED,
        copies=1,
        says="quota exceeded",
        unmet=True,
    )
    yield Case(
        name="wrong password for the token",
        arrange=answered("the token", 401, times=999, body=refusal("UNAUTHORIZED", "wrong password")),
        code=_REFUSED,
        copies=0,
        unmet=True,
        further=asked_again("the token", TOKENS + 1),
    )
    for name, body in (
        ("of HTML", b"<html>"),
        ("without a token", b"{}"),
        ("of a list", b"[]"),
        ("of 20 MB", b" " * 20_000_000),
    ):
        yield Case(
            name=f"an answer {name} for the token",
            arrange=answered("the token", 200, times=999, body=body),
            code=_BROKEN,
            seconds=60,
            copies=0,
            unmet=True,
            long=name != "without a token",
        )
    yield Case(
        name="a token that is expired when it is made",
        arrange=changed("the token", _token_that_expires, times=999),
        unmet=True,
        copies=1,
    )


def _token_that_expires(answer: Answer) -> Answer:
    document = json.loads(answer.body) | {"expires_in": 0, "issued_at": "1999-01-01T00:00:00Z"}
    return replace(answer, body=json.dumps(document).encode())


def _answers() -> Iterator[Case]:
    location, digest = "Location", "Docker-Content-Digest"
    for step in ("the start of an upload", "the data"):
        yield Case(
            name=f"the answer to {step} is cut within its Location",
            arrange=acted(step, wire.cut_after(location, keep=60)),
            sessions=1,
            long=step == "the data",
        )
    for step in ("the commit", "the tag"):
        yield Case(
            name=f"the answer to {step} is cut within its digest",
            arrange=acted(step, wire.cut_after(digest, keep=30)),
            copies=1,
            long=step != "the tag",
        )
    for step in STEPS:
        for share in (0.02, 0.5, 0.98):
            yield Case(
                name=f"the answer to {step} is cut after {share:.0%} of its head",
                arrange=acted(step, wire.cut_in_head(share)),
                sessions=int(step == "the start of an upload"),
                long=(step, share) not in {("the question for a blob", 0.5), ("the tag", 0.98)},
            )
    yield Case(name="the answer with the token is cut", arrange=acted("the token", wire.cut_in_body))
    yield Case(
        name="an answer to the tag that is no HTTP", arrange=acted("the tag", wire.raw(b"nonsense\r\n\r\n"))
    )
    yield Case(
        name="an answer whose lines end in LF alone",
        arrange=acted("the start of an upload", wire.raw(b"HTTP/1.1 503 X\nContent-Length: 0\n\n")),
        long=True,
    )
    yield Case(
        name="a header of 100 kB",
        arrange=acted(
            "the start of an upload",
            wire.raw(b"HTTP/1.1 503 X\r\nA: " + b"a" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n"),
        ),
        long=True,
    )
    yield Case(
        name="an error page without an end",
        arrange=acted("the start of an upload", wire.endless(b"HTTP/1.1 503 X\r\n\r\n", b"e" * 65536)),
    )
    yield Case(
        name="a Content-Length beyond all numbers",
        arrange=acted(
            "the start of an upload",
            wire.raw(b"HTTP/1.1 503 X\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"),
        ),
    )
    yield Case(
        name="another digest in the answer to the commit",
        arrange=changed("the commit", with_headers(Docker_Content_Digest=f"sha256:{'0' * 64}"), times=9),
        code=_REJECTED,
        copies=1,
        unmet=True,
    )
    yield Case(
        name="a bit of the layer is another on its way",
        arrange=acted("the data", wire.flipped),
    )


def _dialects() -> Iterator[Case]:
    yield Case(
        name="blobs may not be asked for",
        arrange=answered("the question for a blob", 405, times=999),
        copies=1,
        unmet=True,
    )
    yield Case(
        name="a blob that is said to be there and is not",
        arrange=answered("the question for a blob", 200, headers={"Content-Length": "0"}),
        copies=1,
    )
    yield Case(
        name="no PATCH: 405",
        arrange=answered("the data", 405, times=999),
        copies=3,
        unmet=True,
    )
    yield Case(
        name="a body that is too large for a proxy: 413 for the data",
        arrange=answered("the data", 413, times=999),
        copies=3,
        unmet=True,
        long=True,
    )
    yield Case(
        name="a body that is too large for a proxy: 413 for all",
        arrange=_too_large,
        code=_BROKEN,
        copies=4,
        says="413",
        unmet=True,
    )
    yield Case(
        name="201 instead of 202 for the data",
        arrange=changed("the data", lambda answer: replace(answer, status=201), times=9),
        copies=1,
        unmet=True,
        long=True,
    )
    yield Case(
        name="no Location once for the start of an upload",
        arrange=changed("the start of an upload", with_headers(Location=None)),
        sessions=1,
    )
    yield Case(
        name="a redirect in a circle",
        arrange=acted(
            "the start of an upload",
            lambda exchange: exchange.answer(Answer(307, {"Location": exchange.path})),
            times=99,
        ),
        code=_BROKEN,
        copies=0,
        says="circle",
        unmet=True,
    )
    yield Case(
        name="the data is redirected again and again",
        arrange=_redirected_data,
        code=_BROKEN,
        copies=3,
        says="redirect",
        unmet=True,
        long=True,
    )
    yield Case(
        name="errors under load, as from a small registry",
        arrange=answered("the start of an upload", 500, times=2),
        long=True,
    )


def _too_large(stage: Stage) -> None:
    stage.proxy.fail_next(*at("the data"), status=413, times=999, body=b"client_max_body_size")
    stage.proxy.fail_next(*at("the commit"), status=413, times=999, body=b"client_max_body_size")


def _redirected_data(stage: Stage) -> None:
    numbers = iter(range(1000))
    stage.proxy.change_next(
        *at("the data"),
        lambda answer: Answer(307, {"Location": f"{answer.headers['Location']}&n={next(numbers)}"}),
        times=999,
    )


def _waiting() -> Iterator[Case]:
    """What tests the patience of the client: each takes a minute or more."""
    yield Case(name="no answer to the data", arrange=acted("the data", wire.silent()), seconds=150, long=True)
    yield Case(
        name="the data is not read",
        arrange=acted("the data", wire.silent(reads=False)),
        seconds=150,
        long=True,
    )
    yield Case(
        name="no answer to the first question",
        arrange=acted("the first question", wire.silent()),
        seconds=150,
        long=True,
    )
    yield Case(
        name="an answer whose head dribbles",
        arrange=acted("the start of an upload", wire.slow_answer(1.0)),
        seconds=180,
        sessions=1,  # nobody was told of it
        long=True,
    )
    yield Case(
        name="100 Continue for ever",
        arrange=acted(
            "the start of an upload", wire.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.02)
        ),
        seconds=180,
        long=True,
    )
    yield Case(
        name="a body that nobody needs dribbles",
        arrange=acted(
            "the question for a blob",
            wire.endless(b"HTTP/1.1 503 X\r\nContent-Length: 9000\r\n\r\n", b".", pause=1.0),
        ),
        seconds=180,
        long=True,
    )
    yield Case(
        name="a line of 50 kB/s",
        arrange=acted("the data", wire.slow_reader(50_000)),
        seconds=120,
        copies=1,
        long=True,
    )


CASES: Final = (
    *_resets(),
    *_server_errors(),
    *_waits(),
    *_rights(),
    *_answers(),
    *_dialects(),
    *_waiting(),
)
"""Every fault that the bench knows."""
