"""A seal tells a manifest that another tool changed from one that is as flakeship wrote it."""

from __future__ import annotations

from typing import Any

import pytest

from flakeship.image.annotations import SEAL
from flakeship.image.document import decode_object
from flakeship.image.seal import is_sealed, sealed
from tests.images import random_packed

MANIFEST = decode_object(random_packed(62, size=10).manifest)
ANNOTATED = {**MANIFEST, "annotations": {"a": "1", "b": "2"}}


@pytest.mark.parametrize("manifest", [MANIFEST, ANNOTATED, {**ANNOTATED, "annotations": {SEAL: "to be"}}])
def test_what_was_sealed_is_intact(manifest: dict[str, Any]) -> None:
    once = sealed(manifest)
    assert is_sealed(once)
    assert sealed(once) == once
    assert is_sealed(dict(reversed(once.items()))), "the order of keys means nothing"
    assert not is_sealed(manifest)


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": {"a": "1", "b": "3"}},
        {"annotations": {"a": "1"}},
        {"annotations": {"a": "1", "b": "2", "c": "3"}},
        {"layers": []},
        {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"},
        {"schemaVersion": 1},
        {"more": None},
    ],
)
def test_every_change_breaks_it(change: dict[str, Any]) -> None:
    whole = sealed(ANNOTATED)
    changed = {**whole, **change}
    changed["annotations"] = {**changed["annotations"], SEAL: whole["annotations"][SEAL]}
    assert not is_sealed(changed)


@pytest.mark.parametrize("annotations", [None, [], "text", {}, {SEAL: ""}, {SEAL: 7}])
def test_what_has_no_seal_is_not_intact(annotations: object) -> None:
    assert not is_sealed({**MANIFEST, "annotations": annotations})
