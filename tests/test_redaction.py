"""Secrets in whatever encoding a server may echo them, out of whatever is written."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import events
from flakeship.errors import RejectedError
from flakeship.printable import one_line
from flakeship.redaction import MASK, Redaction, forget, learn
from flakeship.report.markdown import failure_markdown
from flakeship.report.markup import escaped

SECRET = "CaNaRy+pa/ss=9&q <ü>\"'\\x"

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": json.dumps,
    "json-unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "json-slash": lambda text: json.dumps(text).replace("/", r"\/"),
    "json of Go": lambda text: (
        json.dumps(text).replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    ),
    "json-upper": lambda text: json.dumps(text).replace("\\u00fc", "\\u00FC"),
    "repr": lambda text: repr(text)[1:-1],
    "url": lambda text: quote(text, safe=""),
    "url-path": quote,
    "url-form": quote_plus,
    "url-lower": lambda text: (
        quote(text, safe="").replace("%C3%BC", "%c3%bc").replace("%2F", "%2f").replace("%3C", "%3c")
    ),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64-url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64-bare": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64-quoted": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "base64-lines": lambda text: base64.encodebytes(text.encode()).decode().rstrip("\n"),
    "base64-pem": lambda text: "\n".join(re.findall(".{1,64}", base64.b64encode(text.encode()).decode())),
    "html": html.escape,
}


def known(*secrets: str) -> Redaction:
    redaction = Redaction()
    for secret in secrets:
        redaction.learn(secret)
    return redaction


@pytest.mark.parametrize(
    "name",
    [
        "raw",
        "json",
        "json-unicode",
        "json-upper",
        "json-slash",
        "json of Go",
        "repr",
        "url",
        "url-path",
        "url-form",
    ],
)
@pytest.mark.parametrize("secret", [SECRET.replace("ü", "u").replace("%", ""), SECRET, "plain-token-1234"])
def test_a_secret_is_hidden_in_every_encoding(name: str, secret: str) -> None:
    shown = known(secret).hidden(f"got <{ENCODINGS[name](secret)}>, no")
    assert MASK in shown
    assert secret[:6] not in shown


@pytest.mark.parametrize("name", ["base64", "base64-url", "base64-bare", "base64-quoted", "html"])
def test_a_secret_is_hidden_in_what_headers_and_pages_carry(name: str) -> None:
    encoded = ENCODINGS[name](SECRET)
    shown = known(SECRET).hidden(f"got {encoded} no")
    assert shown.startswith("got ***")
    assert encoded[4:12] not in shown


@given(
    before=st.text(max_size=5),
    secret=st.text(alphabet="abcXYZ019-_+/=", min_size=8, max_size=40),
    after=st.text(max_size=5),
)
def test_base64_of_what_holds_a_secret_is_hidden(before: str, secret: str, after: str) -> None:
    """`user:secret` in a header, wherever in it the secret begins."""
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    shown = known(secret).hidden(encoded)
    assert MASK in shown
    assert len(shown) <= len(encoded) - len(secret) + len(MASK)


def test_each_line_of_a_secret_is_hidden() -> None:
    shown = known("{\n  first line\n  x\n}").hidden("first line; x; {")
    assert shown == "***; x; {"


def test_the_longest_secret_is_hidden_first() -> None:
    assert (
        known("hunter2", "hunter2hunter2").hidden("it is hunter2hunter2, not hunter2") == "it is ***, not ***"
    )


@pytest.mark.parametrize("width", [64, 76])
def test_each_full_line_of_base64_is_hidden_where_a_log_is_written_line_by_line(width: int) -> None:
    secret = "".join(f"{number:04}line of a key{number:04}\n" for number in range(12))
    encoded = base64.b64encode(secret.encode()).decode()
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    redaction = known(secret)
    assert {redaction.hidden(f"  > {line}") for line in lines[:-1]} == {f"  > {MASK}"}


@pytest.mark.parametrize("name", ["base64-lines", "base64-pem"])
def test_a_secret_is_hidden_in_base64_of_several_lines(name: str) -> None:
    secret = SECRET * 4
    assert known(secret).hidden(f"got {ENCODINGS[name](secret)} no") == "got *** no"


def test_a_secret_that_was_cut_is_hidden() -> None:
    text = one_line(f"{'x' * 480} {SECRET}", 490)
    assert text.endswith("…")
    assert known(SECRET).hidden(text) == f"{'x' * 480} ***…"


def test_results_keep_words_that_are_passwords() -> None:
    redaction = known("main", "correct horse")
    assert redaction.hidden("x:main correct horse", shortest=8) == "x:main ***"
    assert redaction.hidden("x:main") == "x:***"


def test_events_lose_secrets_once_these_are_told() -> None:
    seen: list[events.Event] = []
    emit = events.redacting(seen.append)
    forget()
    emit(events.Secret("hunter2hunter2"))
    emit(events.Notice("it is hunter2hunter2"))
    emit(events.Warned("hunter2hunter2", "hunter2hunter2"))
    emit(events.Command(("nix", "hunter2hunter2")))
    emit(events.Retry("hunter2hunter2", "hunter2hunter2", 1, 0.5))
    forget()
    assert seen[1:] == [
        events.Notice("it is ***"),
        events.Warned("***", "***"),
        events.Command(("nix", "***")),
        events.Retry("***", "***", 1, 0.5),
    ]


def test_a_page_escapes_no_secret_out_of_sight() -> None:
    """Markdown is escaped by references, in which a secret would not be found afterwards."""
    learn("pass*word_[1]")
    assert escaped("it is pass*word_[1]") == "it is &#42;&#42;&#42;"
    assert "word" not in failure_markdown(RejectedError("got pass*word_[1]", hint="pass*word_[1]"))
    forget()


def test_control_characters_hide_no_secret_from_redaction() -> None:
    redaction = known("CaNaRy\tpass\x7fword9")
    assert redaction.hidden(one_line("got CaNaRy\tpass\x7fword9, no")) == f"got {MASK}, no"
    assert known("CaNaRypassword9").hidden(one_line("\x01" * 1992 + "CaNaRypassword9")) == f"{MASK}…"
    forget()
    learn("CaNaRypassword9")
    said: list[events.Event] = []
    events.redacting(said.append)(events.BuildLog("got CaNaRy\b\x1b[1mpassword9"))
    forget()
    assert said == [events.BuildLog(f"got {MASK}")]


def test_a_secret_that_is_no_text_is_learned() -> None:
    assert known("CaNaRy\ud800x").hidden("CaNaRy\ud800x") == MASK
