"""What changed since an image that somebody else wrote: its config may hold anything, and an image that is published stays so."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.commands.publish.before import images_before
from flakeship.commands.publish.changes import Changes, changes_since
from tests.commands.publish.test_before import NAME, NEW, OLD, there
from tests.commands.publish.test_metadata_document import SCHEMA
from tests.testbed.store_images import paths_of

DIFFERENCE = {**json.loads(SCHEMA.read_text()), "anyOf": [{"$ref": "#/$defs/difference"}]}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def since(**config: Any) -> Changes:
    before = images_before(NEW.images, [f"{NAME}:1"], [there(OLD, "1", **config)])
    assert before
    return changes_since(NEW.images, before, "new")


@given(
    st.dictionaries(st.sampled_from(["config", "history", "created", "author", "Config", "os.version"]), ANY)
)
def test_a_config_of_any_types_is_compared(config: dict[str, Any]) -> None:
    found = since(**config)
    (document,) = json.loads(json.dumps(found.to_json()))["platforms"]
    jsonschema.Draft202012Validator(DIFFERENCE).validate(document)
    assert all(len(each.lines) <= 10 for each in found.lines())
    assert all(number >= 0 for _, number in found.numbers())


@pytest.mark.parametrize("names", [["a-1"], ["a-1", "b-2"]])
def test_packages_are_not_compared_with_an_image_that_names_none(names: list[str]) -> None:
    """It may hold them all the same."""
    history = [{"comment": " ".join(paths_of(*names))}, {}, {}]
    (found,) = since(history=history).platforms
    assert not found.packages
    assert found.layers.added.layers == 3
