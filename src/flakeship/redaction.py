"""The one place where secrets are taken out of text: everything that writes asks here first, on every platform.

What is known belongs to the process, as the secrets themselves do: a log, an error, a page, outputs and files have nothing
else in common. A server may echo what it was sent, in whatever encoding it likes, so each secret is known in several:
docs/decisions.md#secrets-are-hidden-in-one-place.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

MASK: Final = "***"

_SHORTEST: Final = 4
"""Characters of a line of a secret that is hidden in a log: hiding a line such as `{` would hide half of the log."""

_SHORTEST_IN_RESULTS: Final = 8
"""Characters. Programs read the results: a password that is a word must not break the name of an image."""

_SHORTEST_ENCODED: Final = 6
"""Characters of Base64 that are enough to tell a secret within something longer."""

_SHORTEST_CUT: Final = 6
"""Characters of a secret's beginning that are hidden where a text was cut behind them."""

_LINES: Final = (76, 64)
"""Characters of a line of Base64 where base64(1), MIME and PEM break it."""

_CUT: Final = "…"


class Redaction:
    """The secrets that are known so far. Its methods may be called by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._forms: tuple[tuple[str, int], ...] = ()
        """What is hidden, the longest first because one may contain another, and the length of its secret."""

    def learn(self, secret: str) -> None:
        """Hide a secret from now on: as a whole, and each of its lines."""
        with self._lock:
            if secret in self._secrets:
                return
            self._secrets.add(secret)
            parts = {
                part
                for line in (secret, *secret.splitlines())
                for part in (line, line.strip())
                if len(part) >= _SHORTEST
            }
            forms = dict(self._forms)
            for part in parts:
                for form in forms_of(part):
                    forms[form] = max(len(part), forms.get(form, 0))
            self._forms = tuple(sorted(forms.items(), key=lambda item: len(item[0]), reverse=True))

    def forget(self) -> None:
        """Begin anew: another run begins in this process."""
        with self._lock:
            self._secrets, self._forms = set(), ()

    def hidden(self, text: str, *, shortest: int = _SHORTEST) -> str:
        """Return the text with a mask in place of each secret of at least `shortest` characters."""
        for form, length in self._forms:
            if length >= shortest and form in text:
                text = text.replace(form, MASK)
        return self._without_beginnings(text, shortest) if _CUT in text and self._forms else text

    def _without_beginnings(self, text: str, shortest: int) -> str:
        """Hide what is left of a secret where a text was cut within it."""
        first, *others = text.split(_CUT)
        pieces = [first, *others]
        for index, piece in enumerate(pieces[:-1]):
            beginnings = (
                form[:size]
                for form, length in self._forms
                if length >= shortest
                for size in range(min(len(form) - 1, len(piece)), _SHORTEST_CUT - 1, -1)
            )
            found = max((each for each in beginnings if piece.endswith(each)), key=len, default="")
            if found:
                pieces[index] = piece.removesuffix(found) + MASK
        return _CUT.join(pieces)


def forms_of(secret: str) -> frozenset[str]:
    """Return a secret as it is, and in the encodings in which others may show it."""
    return frozenset(form for form in _forms(secret) if form)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for escaped in (
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    ):
        yield escaped
        yield escaped.replace("/", r"\/")
    yield (
        json.dumps(secret)[1:-1].replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    )  # Go
    yield re.sub(r"\\u[0-9a-f]{4}", lambda hit: r"\u" + hit[0][2:].upper(), json.dumps(secret)[1:-1])
    yield re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", secret).strip()  # on one line
    try:
        data = secret.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a pair of UTF-16, as JSON can hold it
        data = secret.encode(errors="surrogatepass")
    for safe in ("", "/", "!'()*/", "!$&'()*+,;=:@/"):  # form, path, JavaScript, path of RFC 3986
        encoded = quote(data, safe=safe)
        yield from (
            encoded,
            encoded.replace("%20", "+"),
            _lower_hex(encoded),
            _lower_hex(encoded).replace("%20", "+"),
        )
    page = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield page.replace('"', "&quot;").replace("'", "&#x27;")
    yield page.replace('"', "&#34;").replace("'", "&#39;")  # Go
    yield from _base64(data)


def _lower_hex(encoded: str) -> str:
    first, *others = encoded.split("%")
    return "%".join([first, *(other[:2].lower() + other[2:] for other in others)])


def _base64(data: bytes) -> Iterator[str]:
    """Yield the Base64 of some bytes, and what is the same in that of anything that holds them, such as `user:secret`."""
    for encoded in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        yield from (encoded, encoded.rstrip("="))
        for width in _LINES:
            lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
            yield from (
                line for line in lines if len(line) == width < len(encoded)
            )  # a log is written line by line
            yield from (line_break.join(lines) for line_break in ("\n", "\r\n", r"\n", " "))
        yield from (quote(encoded, safe=""), encoded.replace("/", r"\/"))
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        # Characters that share bits with what stands before or behind differ.
        inner = whole[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        if len(inner) >= _SHORTEST_ENCODED:
            yield from (inner, inner.translate(str.maketrans("+/", "-_")))
            yield from (quote(inner, safe=""), inner.replace("/", r"\/"))


_PROCESS: Final = Redaction()

learn = _PROCESS.learn
forget = _PROCESS.forget
redacted = _PROCESS.hidden


def redacted_result(text: str) -> str:
    """Return text that programs read, such as an output or the metadata file, without secrets of eight or more characters."""
    return redacted(text, shortest=_SHORTEST_IN_RESULTS)
