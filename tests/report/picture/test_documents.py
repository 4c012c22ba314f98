"""The SVG and the page: well-formed, without anything from elsewhere, and deaf to what names in an image say."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flakeship.report.picture.model import Contents
from flakeship.report.picture.notes import facts_of
from flakeship.report.picture.page import page_of
from flakeship.report.picture.svg import svg_of
from tests.report.picture.example import harbour, layer_of, many

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "a]]>b<!--c",
    "x\x00\x07\x1b[31m\x1b]0;t\x07y\ufffe\ud800z",
    "&lt;b&gt; &#0; \"quoted\" 'single' `tick`",
    "\u202egnp.exe\u2028\u2029",
    "javascript:alert(1)//http://evil.example/",
    "é" * 5000,
)


def hostile() -> Contents:
    packages = [(name, 10_000_000 + number) for number, name in enumerate(HOSTILE)]
    texts = [layer_of(number + 2, stored=4_000_000, text=text) for number, text in enumerate(HOSTILE)]
    return Contents(HOSTILE[0], HOSTILE[1], (layer_of(1, *packages), *texts))


TAGS = frozenset(
    "html head meta title style body main h1 h2 form div label input select option output section p svg defs pattern path "  # noqa: SIM905  a list of words
    "g rect text table caption thead tbody tr th td script".split()
)


class Page(HTMLParser):
    """The tags of a page with their attributes, its text, and what stands in script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.inside[self.cdata_elem] = self.inside.get(self.cdata_elem, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


IMAGES = {
    "harbour": [harbour()],
    "one package": [Contents("x", "linux/arm64", (layer_of(1, ("hello-2.12.1", 226_560)),))],
    "nothing": [Contents("empty", "linux/amd64", ())],
    "only layers": [
        Contents("debian", "linux/amd64", (layer_of(1, stored=30_000_000, text="RUN apt-get update"),))
    ],
    "sizes of 0": [Contents("x", "linux/amd64", (layer_of(1, ("a", 0), ("b", 0)), layer_of(2)))],
    "two platforms": [harbour(), Contents("ghcr.io/octo/harbour:1.4.2", "linux/arm64", harbour().layers[3:])],
    "hostile": [hostile()],
}


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
def test_an_svg_is_xml_that_needs_nothing_from_elsewhere(images: list[Contents]) -> None:
    text = svg_of(images)
    text.encode()
    root = ET.fromstring(text)
    elements = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert elements <= {"svg", "title", "desc", "style", "rect", "text", "g", "defs", "pattern", "path"}
    attributes = {(key, value) for element in root.iter() for key, value in element.attrib.items()}
    assert not [key for key, _ in attributes if "href" in key or key.startswith("on")]
    assert {value for _, value in attributes if "url(" in value} <= {
        f"url(#image-{number}-hatch)" for number in range(len(images))
    }
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        x, y, wide, high = (float(rect.attrib.get(key, 0)) for key in ("x", "y", "width", "height"))
        assert -0.01 <= x <= x + wide <= width + 0.01
        assert -0.01 <= y <= y + high <= height + 0.01
        assert min(wide, high) > 0


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
def test_a_page_runs_its_own_script_alone(images: list[Contents]) -> None:
    text = page_of(images)
    text.encode()
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= TAGS
    every = [(key, value or "") for _, attributes in page.tags for key, value in attributes.items()]
    assert not [key for key, _ in every if key in {"src", "href", "action", "style"} or key.startswith("on")]
    (policy,) = (each["content"] or "" for each in page.all("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.inside[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert len(page.all("script")) == len(page.all("style")) == 1
    ids = [value for key, value in every if key == "id"]
    assert len(ids) == len(set(ids))
    assert len(page.all("select")) == (len(images) > 1)


def test_a_page_lists_every_package_and_tells_in_which_box_it_is() -> None:
    contents = many(2_000, 3)
    page = Page(page_of([contents]))
    lines = [attributes for attributes in page.all("tr") if "data-size" in attributes]
    assert {line["title"] for line in lines} == {each.path for each in contents.packages}
    boxes = {each["data-box"] for each in page.all("g")}
    assert {line.get("data-box") for line in lines} <= boxes
    assert sum(int(line["data-size"] or 0) for line in lines) == contents.size


def test_a_layer_whose_sizes_are_not_known_is_one_box_that_holds_its_names() -> None:
    contents = Contents(
        "x", "linux/amd64", (layer_of(1, ("a-1", 500)), layer_of(2, ("b-1", None), ("c-1", None), stored=700))
    )
    page = page_of([contents])
    lines = re.findall(r"<tr data-box=\"(\d)\" data-size=\"(\d+)\".*?<td>([^<]*)</td><td>([^<]*)", page)
    assert lines == [
        ("0", "700", "layer 2", "700 B compressed"),
        ("1", "500", "a-1", "500 B"),
        ("0", "0", "b-1", ""),
        ("0", "0", "c-1", ""),
    ]
    assert "The area of 1 hatched layer is the compressed size" in page
    assert "500 B unpacked and 700 B compressed" in svg_of([contents])
    assert svg_of([contents]).count('fill="url(#image-0-hatch)"') == 1


def test_the_same_image_gives_the_same_pictures() -> None:
    assert svg_of([many(400, 60)]) == svg_of([many(400, 60)])
    assert page_of([many(400, 60)]) == page_of([many(400, 60)])


# docs/decisions.md#a-picture-lies-beside-the-metadata-file
def test_the_readme_shows_what_is_drawn_today() -> None:
    path, drawn = ROOT / "docs/contents.svg", svg_of([harbour()])
    if os.environ.get("FLAKESHIP_RENDER"):
        path.write_text(drawn)
    assert path.read_text() == drawn, "run `FLAKESHIP_RENDER=1 ./dev test tests/report/picture`"
    assert re.search(r"!\[[^\]]{30,}\]\(docs/contents\.svg\)", (ROOT / "README.md").read_text())


def test_a_package_in_two_layers_is_one_package() -> None:
    layers = (layer_of(1, ("a-1", 100)), layer_of(2, ("a-1", 100), ("b-1", 50)))
    assert facts_of(Contents("app", "linux/amd64", layers)).endswith("2 layers · 2 packages")
