"""What is no image, and once was to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError, UsageError
from flakeship.sources.opened import SourceRequest


def test_a_layout_that_was_never_finished(tmp_path: Path) -> None:
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    with (
        pytest.raises(NotAnImageError, match="did not come to its end"),
        sources.opened(tmp_path, SourceRequest(environ={})),
    ):
        pass


def test_a_link_to_nothing_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "result").symlink_to("/nix/store/gone")
    with (
        pytest.raises(UsageError, match="it is a link to /nix/store/gone, and nothing is there"),
        sources.opened(tmp_path / "result", SourceRequest(environ={})),
    ):
        pass
