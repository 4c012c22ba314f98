"""The words of the input `sbom`."""

from __future__ import annotations

import pytest

from flakeship.commands.publish.attaching.bill import forms_of
from flakeship.errors import UsageError


@pytest.mark.parametrize(
    ("words", "forms"),
    [
        ((), ()),
        (("false",), ()),
        (("true",), ("cyclonedx",)),
        (("spdx",), ("spdx",)),
        (("spdx", "true", "cyclonedx"), ("cyclonedx", "spdx")),
    ],
)
def test_cyclonedx_is_first_whatever_the_order(words: tuple[str, ...], forms: tuple[str, ...]) -> None:
    assert forms_of(words) == forms


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cyclone",), "sbom: 'cyclone' is not a format of an SBOM"),
        (("true", "false"), "sbom: true, false asks for an SBOM and for none"),
    ],
)
def test_what_is_no_format_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        forms_of(words)
    assert raised.value.message == said
