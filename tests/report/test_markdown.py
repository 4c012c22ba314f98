"""The summary on a job's page, read back by a Markdown parser."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flakeship import events
from flakeship.errors import BuildError
from flakeship.report.markdown import SUMMARY_LIMIT, failure_markdown, summary_markdown
from flakeship.report.markup import escaped
from flakeship.report.run_record import RunRecord
from flakeship.report.summary import LayerRow, PackageRow, Summary, summary_text

DIGEST = "sha256:" + "ab" * 32
MARKDOWN = MarkdownIt("commonmark").enable("table")


class Text(HTMLParser):
    """The text of an HTML page, and the tags around it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def rendered(markdown: str) -> Text:
    page = Text()
    page.feed(MARKDOWN.render(markdown))
    page.close()
    return page


def layer(number: int = 1, state: str = "uploaded", content: str = "hello-2.12") -> LayerRow:
    return LayerRow(f"sha256:{number:064x}", number * 1_000_000, state, content)


def summary(
    layers: list[LayerRow] | None = None,
    labels: dict[str, str] | None = None,
    *,
    tags: tuple[str, ...] = ("ghcr.io/o/app:1.2", "ghcr.io/o/app:latest"),
    unsent: tuple[tuple[str, ...], ...] = (),
    sent: bool = True,
    expected: bool = False,
) -> Summary:
    return Summary(
        references=[f"ghcr.io/o/app@{DIGEST}"] if sent else [],
        tags=tags if sent else [],
        digest=DIGEST,
        imageid="sha256:" + "cd" * 32,
        platform="linux/amd64",
        labels=labels or {},
        layers=[layer()] if layers is None else layers,
        unsent=unsent,
        not_pushed="NOT PUSHED: a *reason*" if unsent else "",
        expected=expected,
    )


def recorded(*emitted: events.Event) -> RunRecord:
    record = RunRecord(events.ignore)
    for event in emitted:
        record(event)
    return record


def test_bars_show_the_largest_packages() -> None:
    packages = [PackageRow("python3-3.12.7", 80_000_000), PackageRow("<script>|a", 40_000_000)]
    packages += [PackageRow(f"small-{number}", 1000 - number) for number in range(20)]
    with_packages = replace(summary(), packages=packages)
    page = summary_markdown(with_packages, recorded())
    assert "<summary>the 10 largest of 22 packages, 120.0 MB unpacked</summary>" in page
    assert f"| python3-3.12.7 | 80.0 MB | {'█' * 20} | 66.7 % |" in page
    assert f"40.0 MB | {'█' * 10} | 33.3 % |" in page
    assert "<script>" not in page
    assert "small-7 |" in page
    assert "small-8 |" not in page
    text = summary_text(with_packages)
    assert f"python3-3.12.7{' ' * 30}80.0 MB  {'█' * 20}\n" in text
    assert "package" not in summary_text(summary())


def test_the_page_says_what_was_shipped() -> None:
    text = summary_markdown(
        summary([layer(3, "reused"), layer(1)], {"team": "north"}),
        recorded(events.StageFinished("build", 1.5), events.StageFinished("publish", 0.5)),
    )
    page = rendered(text)
    assert "📦 ghcr.io/o/app:1.2" in page.text
    assert "Shipped · linux/amd64 · 2 layers, 4.0 MB · 1 of them sent, 1.0 MB · 2.0 s" in page.text
    assert f"```\nghcr.io/o/app@{DIGEST}\n```" in text
    assert "ghcr.io/o/app:latest" in page.text
    assert (page.tags.count("table"), page.tags.count("details")) == (3, 2)
    for words in ("♻️ reused", "🔼 uploaded", "hello-2.12", "team", "north", "1.50 s", "cd" * 32):
        assert words in page.text
    assert text.count("█" * 20) == 2
    assert f"| {'█' * 6}▋ |" in text


def test_the_command_that_verifies_can_be_copied() -> None:
    command = f"cosign verify --key cosign.pub ghcr.io/o/app@{DIGEST}"
    signed = replace(summary(), verify=command)
    assert f"```sh\n{command}\n```" in summary_markdown(signed, recorded())
    assert f"verify by  {command}" in summary_text(signed)
    assert "cosign" not in summary_markdown(summary(), recorded()) + summary_text(summary())


@pytest.mark.parametrize(("expected", "alert"), [(True, "NOTE"), (False, "WARNING")])
@pytest.mark.parametrize("state", ["withheld", "reused"])
def test_the_page_of_an_image_that_is_nowhere_has_nothing_to_copy(
    state: str, expected: bool, alert: str
) -> None:
    """A dry run may find every layer there, and still has written nothing."""
    unsent = (("ghcr.io/o/app:1", "ghcr.io/o/app:2"), (f"oci:x@{DIGEST}",))
    text = summary_markdown(
        summary([layer(1, state)], unsent=unsent, sent=False, expected=expected), recorded()
    )
    assert text.startswith("### ⏸️ NOT PUSHED: ghcr.io/o/app&#58;1\n")
    assert "**Not pushed** · linux/amd64 · 1 layer, 1.0 MB · nothing was sent\n" in text
    assert f"> [!{alert}]\n> NOT PUSHED&#58; a &#42;reason&#42;" in text
    page = rendered(text)
    assert f"Not set ghcr.io/o/app:1 ghcr.io/o/app:2 oci:x@{DIGEST}" in page.text
    assert f"Digest if it were pushed {DIGEST}" in page.text
    assert "pre" not in page.tags
    for word in ("Tags", "Image ID", "📦", "Shipped", "Time"):
        assert word not in text


def test_the_page_of_an_image_that_is_in_some_places_says_where_it_is_not() -> None:
    text = summary_markdown(summary(unsent=(("r.example/app:1",),)), recorded())
    assert text.startswith("### 📦 ghcr.io/o/app&#58;1.2\n")
    assert "**Shipped in part**" in text
    page = rendered(text)
    assert "Not set r.example/app:1" in page.text
    assert "NOT PUSHED: a *reason*" in page.text
    assert "Tags ghcr.io/o/app:1.2 ghcr.io/o/app:latest" in page.text


def test_the_summary_in_a_log_tells_names_that_are_set_from_those_that_are_not() -> None:
    def rows(made: Summary) -> dict[str, str]:
        lines = summary_text(made).splitlines()
        return {line[:10].strip(): line[10:].strip() for line in lines if line[:10].strip()}

    whole, part = rows(summary()), rows(summary(unsent=(("r.example/app:1",),)))
    none = rows(summary(unsent=(("r.example/app:1",),), sent=False))
    assert set(whole) >= {"image", "tag", "digest"}
    assert set(part) >= {"image", "tag", "digest", "NOT PUSHED"}
    assert set(none) >= {"NOT PUSHED", "would be"}
    assert not {"image", "tag", "digest"} & set(none)
    assert summary_text(summary(unsent=(("r/a:1",),), sent=False)).endswith("1 layer, 1.0 MB; NOT PUSHED")


def test_warnings_and_notices_stand_above_the_tables() -> None:
    text = summary_markdown(
        summary(),
        recorded(
            events.Warned("a cache is down", "look *there*"),
            events.Warned("a cache is down", "look *there*"),
            events.Notice("sandbox: on"),
            events.Notice("not pushed to `x`"),
        ),
    )
    assert text.count("> [!WARNING]\n> a cache is down\n> <br>look &#42;there&#42;") == 1
    assert "> [!NOTE]\n> not pushed to &#96;x&#96;" in text
    assert "sandbox" not in text
    assert text.index("[!NOTE]") < text.index("Layer")


def test_the_run_record_passes_events_on() -> None:
    seen: list[events.Event] = []
    RunRecord(seen.append)(events.Detail("x"))
    assert seen == [events.Detail("x")]


HOSTILE = [
    "a | b", "`code`", "<script>alert(1)</script>", "[x](http://e)", "![x](y)", "**bold** _it_ ~~no~~", "a\nb",
    "# no", "&amp; &#42;", "\\|", "</details>", "<!--", "1. one", "1) one", "- [ ] x", "+ x", "===", ":100:", "$x$ $`y`$", "@octo", "www.e.example", "::error::x", "🚢 ü",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_is_never_markup(text: str) -> None:
    page = rendered(
        summary_markdown(summary([layer(content=text)], {text: text}), recorded(events.Warned(text, text)))
    )
    plain = rendered(
        summary_markdown(summary([layer(content="x")], {"x": "x"}), recorded(events.Warned("x", "x")))
    )
    assert page.tags == plain.tags
    assert page.text.count(" ".join(text.split())) >= 5


@given(st.text(max_size=60))
def test_any_text_is_shown_as_it_is_written(text: str) -> None:
    shown = " ".join(rendered(f"| a |\n| - |\n| x{escaped(text)}x |").text.split())
    expected = " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())
    assert "".join(char for char in shown if char.isprintable()).replace(" ", "") == f"ax{expected}x".replace(
        " ", ""
    )


def test_a_long_text_is_cut() -> None:
    assert escaped("x" * 500) == "x" * 159 + "…"


def test_the_limit_holds_and_no_part_is_cut_in_two() -> None:
    rows = [layer(number, content="*" * 500) for number in range(1, 2000)]
    labels = {f"{'#' * 150}{number}": "|" * 5000 for number in range(300)}
    tags = tuple(f"ghcr.io/o/app:{number}{'-' * 150}" for number in range(1000))
    warnings = [events.Warned("!" * 500 + str(number), "?" * 500) for number in range(1000)]
    text = summary_markdown(summary(rows, labels, tags=tags), recorded(*warnings))
    assert len(text.encode()) <= SUMMARY_LIMIT
    assert text.count("<details>") == text.count("</details>")
    for cut in ("1989 smaller layers", "… and 1859 more |", "… and 870 more<br>", "… and 170 more |"):
        assert cut in text
    assert "… and 980 more warnings, which the log shows" in text


def test_whole_parts_are_left_out_of_a_page_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = summary_markdown(summary(labels={"a": "b"}), recorded())
    monkeypatch.setattr("flakeship.report.markdown.SUMMARY_LIMIT", len(whole.encode()) - 1)
    text = summary_markdown(summary(labels={"a": "b"}), recorded())
    assert text.endswith("\n\nThe rest is left out: it is too long.\n\n")
    assert text.count("<details>") == text.count("</details>") == 0
    assert "labels" not in text
    assert "hello-2.12" in text


def test_a_failure_says_what_to_do() -> None:
    page = rendered(
        failure_markdown(BuildError("it *failed*", hint="do <this>", detail="one\x1b[1m\n````\n# two"))
    )
    assert page.text == "❌ it *failed*\ndo <this>\none\n````\n# two\n\n"
    assert page.tags == ["h3", "p", "pre", "code"]
    assert failure_markdown(BuildError("it")) == "### ❌ it\n\n"
    assert len(failure_markdown(BuildError("it", detail="x\n" * SUMMARY_LIMIT))) < 50_000
