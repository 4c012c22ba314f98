"""The page in headless Chromium: what a reader sees, finds by keyboard, and what the page may not do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakeship.report.picture.model import Contents
from flakeship.report.picture.page import page_of
from flakeship.report.picture.svg import svg_of
from tests.report.picture.example import harbour, many
from tests.report.picture.test_documents import hostile
from tests.testbed.browser import Browser, browser

pytestmark = [pytest.mark.long, pytest.mark.slow]

SHOWN = "[...document.querySelectorAll('section:not([hidden]) tbody tr:not([hidden]) td:first-child')].map(each => each.textContent)"
MARKED = "[...document.querySelectorAll('section:not([hidden]) .box.on')].map(each => each.dataset.box)"
FOCUSED = "document.activeElement.id"
SPILT = """
[...document.querySelectorAll('.box')].flatMap(box => {
  const frame = box.querySelector('rect').getBBox();
  return [...box.querySelectorAll('text')].filter(text => {
    const words = text.getBBox();
    return words.x < frame.x || words.x + words.width > frame.x + frame.width
      || words.y + words.height * 0.2 < frame.y || words.y + words.height * 0.85 > frame.y + frame.height;
  }).map(text => text.textContent);
})
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def tab(chromium: Browser) -> Browser:
    chromium.said.clear()
    chromium.asked.clear()
    return chromium


def written(folder: Path, *images: Contents) -> Path:
    path = folder / "page.html"
    path.write_text(page_of(images), encoding="utf-8")
    return path


def test_the_search_is_reached_by_keyboard_and_filters_and_marks(tab: Browser, tmp_path: Path) -> None:
    tab.open(written(tmp_path, harbour()))
    assert len(tab.tell(SHOWN)) == 39
    tab.press("Tab")
    assert tab.tell(FOCUSED) == "search"
    tab.press(*"ssl")
    assert tab.tell(SHOWN) == ["openssl-3.3.2"]
    assert len(tab.tell(MARKED)) == 1
    assert tab.tell("document.getElementById('found').textContent") == "1 of 39 lines, 6.9 MB"
    tab.press("Escape")
    assert (len(tab.tell(SHOWN)), tab.tell(MARKED)) == (39, [])
    tab.tell("document.activeElement.blur()")
    tab.press("/", *"python pan")
    assert tab.tell(SHOWN) == ["python3.12-pandas-2.2.2"], "by all words, wherever they stand"
    assert not tab.said
    assert {url.partition(":")[0] for url in tab.asked} == {"file"}
    assert len(tab.asked) == 1


def test_a_box_and_an_address_lead_to_their_lines(tab: Browser, tmp_path: Path) -> None:
    page = written(tmp_path, many(400, 60))
    tab.open(page)
    tab.click(".box[data-box='0']")
    assert tab.tell(SHOWN) == ["package-320-1.29"]
    tab.call("Page.navigate", url="about:blank")
    tab.open(page, "#package-201-")
    assert tab.tell(SHOWN) == ["package-201-1.7"]


def test_the_page_is_read_on_a_phone_in_the_dark_and_on_paper(tab: Browser, tmp_path: Path) -> None:
    tab.open(written(tmp_path, harbour()))
    ground = "getComputedStyle(document.body).backgroundColor"
    width = "document.querySelector('tbody td').getBoundingClientRect().width"
    light = tab.tell(ground)
    try:
        tab.call(
            "Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True
        )
        assert tab.tell(width) > 150, "a name stands on a line or two"
        assert tab.tell("document.documentElement.scrollWidth") <= 390
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        tab.call("Emulation.setEmulatedMedia", features=dark)
        assert tab.tell(ground) != light
        tab.call("Emulation.setEmulatedMedia", media="print", features=[])
        assert tab.tell("getComputedStyle(document.querySelector('form')).display") == "none"
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")
        tab.call("Emulation.setEmulatedMedia", media="", features=[])


def test_a_switch_shows_one_platform_at_a_time(tab: Browser, tmp_path: Path) -> None:
    arm = Contents(harbour().name, "linux/arm64", harbour().layers[3:5])
    tab.open(written(tmp_path, harbour(), arm))
    assert tab.tell("document.querySelectorAll('section:not([hidden])').length") == 1
    tab.press("Tab", "ArrowDown")
    assert tab.tell(SHOWN) == ["bash-5.2p32", "xz-5.6.2"]


def test_hostile_names_are_shown_as_text(tab: Browser, tmp_path: Path) -> None:
    tab.open(written(tmp_path, hostile()))
    assert "<script>alert(1)</script>" in tab.tell(SHOWN)
    assert not tab.said
    assert len(tab.asked) == 1
    assert tab.tell("document.querySelectorAll('img, script').length") == 1


def test_the_policy_runs_nothing_that_is_put_in(tab: Browser, tmp_path: Path) -> None:
    page = written(tmp_path, harbour())
    page.write_text(page.read_text().replace("</main>", "<script>document.title = 'run'</script></main>"))
    tab.open(page)
    assert tab.tell("document.title") == "What is in ghcr.io/octo/harbour:1.4.2"
    assert any("Content Security Policy" in line for line in tab.said)


@pytest.mark.parametrize("contents", [harbour(), many(400, 60), hostile()], ids=["harbour", "400", "hostile"])
def test_words_stay_in_their_boxes(tab: Browser, tmp_path: Path, contents: Contents) -> None:
    path = tmp_path / "picture.svg"
    path.write_text(svg_of([contents]), encoding="utf-8")
    tab.open(path)
    assert tab.tell(SPILT) == []
    tab.open(written(tmp_path, contents))
    assert tab.tell(SPILT) == []


def test_twenty_thousand_packages_are_searched_while_one_types(tab: Browser, tmp_path: Path) -> None:
    tab.open(written(tmp_path, many(20_000, 100)))
    tab.press("/", *"package-1999")
    patience = time.monotonic() + 120  # it tells of the first letters too
    while not tab.tell("document.getElementById('found').textContent").startswith("11 of 20000 lines"):
        assert time.monotonic() < patience
        time.sleep(0.05)
    assert len(tab.tell(SHOWN)) == 11
