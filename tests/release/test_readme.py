"""The README as PyPI and the marketplace show it: no link or picture leads nowhere."""

from __future__ import annotations

import re

import pytest
from readme_renderer.markdown import render

from release import ROOT
from release.readme import with_absolute_links
from release.version import Version

ONE = Version(1, 0, 0)
PAGE = "https://github.com/flakeship/flakeship/blob/v1.0.0"
RAW = "https://raw.githubusercontent.com/flakeship/flakeship/v1.0.0"


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("[a](docs/a.md)", f"[a]({PAGE}/docs/a.md)"),
        ("[a](docs/a.md#part) [b](LICENSE)", f"[a]({PAGE}/docs/a.md#part) [b]({PAGE}/LICENSE)"),
        ("![p](docs/p.png)", f"![p]({RAW}/docs/p.png)"),
        ("![p](docs/p.svg)", f"![p]({RAW}/docs/p.svg?sanitize=true)"),
        ("[a](#part) [b](https://x.example/y) [c](mailto:me@x.example)", None),
        ("```md\n[a](docs/a.md)\n```", None),
        ("~~~\n[a](docs/a.md)\n~~~", None),
        ("```\nx\n```\n[a](docs/a.md)", f"```\nx\n```\n[a]({PAGE}/docs/a.md)"),
    ],
)
def test_what_is_relative_leads_to_the_tag(written: str, becomes: str | None) -> None:
    once = with_absolute_links(written, ONE)
    assert once == (becomes or written)
    assert with_absolute_links(once, ONE) == once


def test_every_link_of_the_readme_leads_to_a_file_of_the_tag() -> None:
    text = with_absolute_links((ROOT / "README.md").read_text(), ONE)
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert all(target.startswith("https://") for target in targets)
    ours = [re.split(r"[#?]", target)[0] for target in targets if target.startswith((PAGE, RAW))]
    assert len(ours) > 10
    assert [target for target in ours if not (ROOT / target.split("/v1.0.0/")[1]).is_file()] == []
    assert f"{RAW}/docs/summary.png" in ours


def test_pypi_shows_pictures_tables_and_the_folded_example() -> None:
    """readme_renderer is what PyPI itself uses; None is what it gives for a page that it refuses."""
    html = render(with_absolute_links((ROOT / "README.md").read_text(), ONE))
    assert html
    assert f'src="{RAW}/docs/summary.png"' in html
    for picture in ("push.svg", "contents.svg"):
        assert f'src="{RAW}/docs/{picture}?sanitize=true"' in html
    for element in ("<table>", "<details>", "<summary>", "<code>nix run github:flakeship/flakeship"):
        assert element in html
    assert all(re.match("https://|#", link) for link in re.findall(r'(?:href|src)="([^"]*)"', html))
