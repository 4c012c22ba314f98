"""A comment on a pull request: however much changed, each platform is told, and nothing is left out without a word."""

from __future__ import annotations

import pytest

from flakeship.difference.compare import difference
from flakeship.difference.model import Difference, Held
from flakeship.report.comment import CommentedImage, comment_text
from tests.testbed.store_images import paths_of

LIMIT = 64_536


def rebuilt(platform: str) -> Difference:
    """300 packages with long names in other versions."""
    names = [f"{'long' * 18}{number}" for number in range(300)]
    sides = (
        Held(
            name="app", platform=platform, paths=frozenset(paths_of(*(f"{name}-{version}" for name in names)))
        )
        for version in (1, 2)
    )
    return difference(*sides)


@pytest.mark.parametrize("platforms", [1, 8])
def test_each_platform_is_told_within_the_limit(platforms: int) -> None:
    names = [f"linux/p{number}" for number in range(platforms)]
    references = [f"host.example/app:{number}" for number in range(12)]
    found = [rebuilt(name) for name in names]
    text = comment_text(
        CommentedImage("app", references, "", "app:main", found, "https://ci.example/7"), LIMIT
    )
    assert len(text) <= LIMIT
    assert text.count("packages&#58; 300 changed") == platforms
    assert all(f", {name}**" in text for name in names[: platforms if platforms > 1 else 0])
    assert "… and 2 more" in text.partition("**Since")[0], "of twelve references ten are shown"
    assert text.endswith("[The run that wrote this](https://ci.example/7)")
    assert text.count("<details>") == text.count("</details>") == platforms
