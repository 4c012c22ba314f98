"""All rows, by the heading that the page has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tests.compatibility import rows_around, rows_read, rows_written
from tests.compatibility.row import Row

SECTIONS: Final[Mapping[str, Sequence[Row]]] = {
    "What Nix hands over": rows_read.NIX_RESULTS,
    "Archives, layouts and images of others": rows_read.ARCHIVES_AND_LAYOUTS,
    "Registries": rows_written.REGISTRIES,
    "Who reads what flakeship writes": rows_written.READERS,
    "Logins, contexts and certificates": rows_around.CREDENTIALS,
    "CI": rows_around.CI,
    "Nix and Python": rows_around.NIX,
}
