"""The pages of several images under each other, as CommonMark reads them: every heading, table and box is one."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flakeship import events
from flakeship.ci.github.outputs import PAGE_LIMIT
from flakeship.ci.github.outputs import summarise as on_github
from flakeship.ci.shipped_folder import summarise as on_gitlab
from flakeship.errors import BuildError
from flakeship.report.markdown import SUMMARY_LIMIT, failure_markdown, summary_markdown
from flakeship.report.markup import shortened
from flakeship.report.run_record import RunRecord
from flakeship.report.summary import Before, LayerRow, Page, Smaller, Summary, difference, summary_text

pytestmark = pytest.mark.slow

DIGEST: Final = "sha256:" + "ab" * 32
MARKDOWN: Final = MarkdownIt("commonmark").enable("table")
FOLD: Final = re.compile(r"<details><summary>[^<>\n]*</summary>\n|</details>\n")
MEANT: Final = re.compile(r"^(?:#+ |\|.*\|$|```)", re.MULTILINE)
"""Lines that are no text of a paragraph: a heading, a row of a table, a fence."""

Append: TypeAlias = "Callable[[str, Mapping[str, str]], None]"
PLATFORMS: Final[Mapping[str, tuple[Append, str, str]]] = {
    "github": (on_github, "GITHUB_STEP_SUMMARY", "page"),
    "gitlab": (on_gitlab, "SHIPPED_FOLDER", "page/summary.md"),
}
HOSTILE: Final = (
    "a | b", "`x", "```", "</details>", "<details>", "<!--", "# no", "> [!NOTE]", "- x", "a\n\nb", "a\n### b", "| a |", "***", "", "1. x",
    "<script>", "&#10;", "\\", "[a](b)", "\u2028x", "x" * 300, "$`a`$", "::error::", "\x1b[2J",
)  # fmt: skip
TEXT: Final = st.sampled_from(HOSTILE)
ROWS: Final = st.builds(
    LayerRow,
    st.just(DIGEST),
    st.integers(0, 10**9),
    st.sampled_from(["uploaded", "reused", "withheld", "written"]),
    TEXT,
)
SUMMARIES: Final = st.builds(
    Summary,
    references=st.lists(st.just(f"ghcr.io/o/app@{DIGEST}"), max_size=3),
    tags=st.lists(TEXT, min_size=1, max_size=3),
    digest=st.just(DIGEST),
    imageid=st.just(DIGEST),
    platform=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    layers=st.lists(ROWS, max_size=13),
    unsent=st.lists(st.lists(TEXT, min_size=1, max_size=2), max_size=2),
    not_pushed=TEXT,
    expected=st.booleans(),
    pulled=st.sampled_from(["", f"ghcr.io/o/app@{DIGEST}"]),
    before=st.one_of(st.none(), st.builds(Before, TEXT, st.integers(0, 10**9))),
    pages=st.lists(st.builds(Page, st.just("Commit"), TEXT, TEXT), max_size=2),
)
TOLD: Final = st.lists(
    st.one_of(
        st.builds(events.Notice, TEXT),
        st.builds(events.Warned, TEXT, TEXT),
        st.builds(events.StageFinished, TEXT, st.floats(0, 100)),
    ),
    max_size=4,
)


def recorded(told: list[events.Event]) -> RunRecord:
    record = RunRecord(events.ignore)
    for event in told:
        record(event)
    return record


def unread(markdown: str) -> list[str]:
    """What was meant as Markdown and is shown as text: within HTML that no empty line ends, or in a paragraph."""
    found = []
    for token in MARKDOWN.parse(markdown):
        if token.type == "html_block" and not FOLD.fullmatch(token.content):
            found.append(token.content)
        if token.type == "inline" and MEANT.search(token.content):
            found.append(token.content)
    return found


def counted(markdown: str) -> dict[str, int]:
    tokens = MARKDOWN.parse(markdown)
    wanted = ("heading_open", "table_open", "blockquote_open", "fence", "tr_open")
    return {name: sum(token.type == name for token in tokens) for name in wanted}


@pytest.mark.parametrize(
    "broken",
    ["</details>\n### x", "text\n| a |", "<details><summary>x</summary>\n| a |\n| - |\n\n</details>"],
)
def test_what_is_shown_as_text_is_found(broken: str) -> None:
    assert unread(broken)


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(max_examples=50, deadline=None)
@given(
    before=st.sampled_from(
        ("", "text", "<details>\n\nx\n\n</details>", "| a |\n| - |\n| b |\n", "> [!NOTE]\n> x\n", "- x\n")
    ),
    images=st.lists(st.tuples(SUMMARIES, TOLD), min_size=1, max_size=3),
    failed=TEXT,
)
def test_every_page_begins_anew(
    platform: str, before: str, images: list[tuple[Summary, list[Any]]], failed: str
) -> None:
    """Also below what another tool has written, and above what it writes after us."""
    pages = [summary_markdown(summary, recorded(told)) for summary, told in images]
    pages.append(failure_markdown(BuildError(f"it {failed}", hint=failed, detail=failed)))
    append, variable, name = PLATFORMS[platform]
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(before)
        for page in pages:
            append(page, {variable: str(path if platform == "github" else path.parent)})
        with path.open("a") as file:
            file.write("### of another tool\n")
        whole = path.read_text()
    assert not unread(whole.removeprefix("<details>\n\nx\n\n</details>"))
    alone = [counted(page) for page in (before, *pages, "### of another tool\n")]
    assert counted(whole) == {key: sum(each[key] for each in alone) for key in alone[0]}
    for (summary, told), parts in zip(images, alone[1:], strict=False):
        assert parts["heading_open"] == 1
        assert parts["fence"] == len(summary.references) + 2 * bool(summary.pulled)
        assert parts["table_open"] == (
            bool(summary.layers)
            + (len(summary.layers) > 10)
            + bool(summary.labels)
            + any(isinstance(event, events.StageFinished) for event in told)
        )


def summary(layers: list[LayerRow], **more: Any) -> Summary:
    known: dict[str, Any] = {
        "references": [f"ghcr.io/o/app@{DIGEST}"], "tags": ["ghcr.io/o/app:1"], "digest": DIGEST, "imageid": DIGEST,
        "platform": "linux/amd64", "labels": {},
    }  # fmt: skip
    return Summary(layers=layers, **known | more)


def test_the_ten_largest_layers_stand_first_and_the_others_are_folded() -> None:
    rows = [LayerRow(DIGEST, number * 1000, "reused", f"path-{number}") for number in range(1, 15)]
    text = summary_markdown(summary(rows), recorded([]))
    shown, _, rest = text.partition("<details>")
    assert re.findall(r"path-\d+", shown) == [f"path-{number}" for number in range(14, 4, -1)]
    assert "<summary>4 smaller layers, 10.0 kB</summary>" in rest
    assert re.findall(r"path-\d+", rest) == [f"path-{number}" for number in range(4, 0, -1)]


def test_what_to_pull_is_a_line_to_copy() -> None:
    text = summary_markdown(summary([], pulled=f"ghcr.io/o/app@{DIGEST}"), recorded([]))
    for engine in ("docker", "podman"):
        assert f"```sh\n{engine} pull ghcr.io/o/app@{DIGEST}\n```" in text
    assert "pull" not in summary_markdown(summary([]), recorded([]))


@pytest.mark.parametrize(
    ("size", "before", "words"),
    [
        (41_200_000, 40_000_000, "+1.2 MB (+3 %) since the last"),
        (40_000_000, 41_200_000, "-1.2 MB (-3 %) since the last"),
        (40_000_000, 40_000_000, "as large as the last"),
        (40_200_000, 40_000_000, "+200.0 kB (+0.5 %) since the last"),
        (40_000_001, 40_000_000, "+1 B since the last"),
        (1000, 0, "+1.0 kB since the last"),
        (0, 1000, "-1.0 kB (-100 %) since the last"),
        (10**9, 1000, "+1.00 GB (+99999900 %) since the last"),
    ],
)
def test_a_difference_of_sizes_in_words(size: int, before: int, words: str) -> None:
    assert difference(size, before) == words


def test_the_size_is_compared_where_there_is_something_to_compare_with() -> None:
    rows = [LayerRow(DIGEST, 41_200_000, "uploaded", "")]
    known = summary(rows, before=Before("ghcr.io/o/app:1", 40_000_000))
    page = summary_markdown(known, recorded([]))
    assert "41.2 MB · +1.2 MB (+3 %) since the last <code>ghcr.io/o/app&#58;1</code>\n" in page
    assert "1 layer, 41.2 MB, +1.2 MB (+3 %) since the last ghcr.io/o/app:1" in summary_text(known)
    for text in (summary_markdown(summary(rows), recorded([])), summary_text(summary(rows))):
        assert "since" not in text
        assert "the last" not in text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "https://h/a)b", "https://h/a b", "https://h/<b>", "https://u:p@h/x", "https://h/a|b", "//h/x", "https://h/`",
        "https://h/a\nb", "https://h/x?y=[", "https://h/\\", "",
    ],
)  # fmt: skip
def test_an_address_that_could_be_markup_is_no_link(url: str) -> None:
    text = summary_markdown(summary([], pages=[Page("Commit", "ab`c", url)]), recorded([]))
    assert "**Commit** ab&#96;c" in text
    assert "](" not in text


def test_links_lead_to_pages() -> None:
    pages = [
        Page("Commit", "abc", "https://github.com/o/r/commit/abc"),
        Page("Package", "a|b", "http://h:80/x%2Fy"),
    ]
    text = summary_markdown(summary([], pages=pages), recorded([]))
    html = MARKDOWN.render(text)
    assert '<a href="https://github.com/o/r/commit/abc">abc</a>' in html
    assert '<a href="http://h:80/x%2Fy">a|b</a>' in html


@pytest.mark.slow
def test_a_page_of_many_large_images_keeps_the_beginning_of_each(tmp_path: Path) -> None:
    """300 layers, 10,000 tags and labels without end, four times: what is left out is said."""
    rows = [LayerRow(DIGEST, number, "reused", "|`<" * 100) for number in range(300)]
    tags = [f"ghcr.io/o/app:{number}{'_' * 120}" for number in range(10_000)]
    labels = {f"{number}{'`|<' * 50}": "&\n|" * 200 for number in range(300)}
    path = tmp_path / "page"
    for number in range(4):
        large = summary(rows, tags=[f"ghcr.io/o/app{number}:1", *tags], labels=labels, references=tags)
        page = summary_markdown(large, recorded([]))
        assert len(page.encode()) <= SUMMARY_LIMIT
        on_github(page, {"GITHUB_STEP_SUMMARY": str(path)})
    text = path.read_text()
    assert len(text.encode()) <= PAGE_LIMIT
    assert not unread(text)
    assert text.count("<details>") == text.count("</details>")
    assert [f"app{number}" in text for number in range(4)] == [True] * 4
    assert "… and 9980 more places, which the log shows" in text
    assert "… and 9871 more<br>" in text
    assert "The rest is left out: it is too long." in text


@pytest.mark.parametrize("limit", [0, 10, 40, 60, 100, 1000, 5000])
def test_what_is_cut_is_never_cut_within_a_block_of_code(limit: int) -> None:
    detail = "\n\n<details>\n\n```\n\nx" * 50
    text = shortened(failure_markdown(BuildError("it", detail=detail)), limit)
    assert len(text) <= limit
    assert not [
        token for token in MARKDOWN.parse(text) if token.type == "fence" and "<details>" not in token.content
    ]
    assert not unread(text)


def test_a_large_image_is_told_what_zstd_would_have_saved() -> None:
    told = summary([], smaller=Smaller(626_000_000, 529_000_000))
    words = "would make the 626.0 MB that were packed about 97.0 MB (15 %) smaller"
    assert f"`compression: zstd` {words}, where all who pull the image can read zstd" in summary_text(told)
    assert words in html.unescape(summary_markdown(told, recorded([])))
    for nothing in (None, Smaller(626_000_000, 600_000_000), Smaller(626_000_000, 626_000_000)):
        told = summary([], smaller=nothing)
        assert "zstd" not in summary_text(told) + summary_markdown(told, recorded([]))
