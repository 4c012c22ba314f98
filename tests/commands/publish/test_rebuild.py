"""The input `rebuild`: when a build is not left out although what it makes is published, and what is built twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.commands.publish.reuse import ReuseRequest
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings
from tests.runtimes import publish_one, runtime


@pytest.mark.parametrize(
    ("rebuild", "reuse", "skips"),
    [
        ("auto", "trust", True),
        ("always", "trust", False),
        ("compare", "trust", False),
        ("auto", "verify", False),
        ("auto", "off", False),
    ],
)
def test_what_is_published_is_not_built_again_unless_it_is_asked_for(
    rebuild: str, reuse: str, *, skips: bool
) -> None:
    assert ReuseRequest.of(Settings(rebuild=rebuild, reuse=reuse)).may_skip_build is skips


def test_a_source_can_not_be_built_twice(tmp_path: Path) -> None:
    machine, _ = runtime(tmp_path)
    with pytest.raises(UsageError, match="`rebuild` is `compare`, but a `source` is not built") as caught:
        publish_one(Settings(source="image.tar", rebuild="compare", to=("oci:out",)), machine)
    assert "leave `rebuild` out" in caught.value.hint
    assert not (tmp_path / "out").exists()
