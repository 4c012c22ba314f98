"""Stamping: exactness, and that no layer is touched."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.annotations import SEAL, UNSTAMP
from flakeship.image.document import merge_patch
from flakeship.image.model import Digest, Image, Platform
from flakeship.image.stamp import (
    rfc3339,
    unstamped,
    with_annotations,
    with_created,
    with_labels,
    with_record,
)

LABELS = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.text(max_size=3))
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))


def image(labels: dict[str, str] | None = None, **config: Any) -> Image:
    runtime = {"Cmd": ["/bin/true"]} | ({} if labels is None else {"Labels": labels})
    document = {"architecture": "amd64", "os": "linux", "config": runtime, **config}
    return Image(document, Platform("linux", "amd64"), ("l",), (Digest("sha256:" + "a" * 64),))


@given(st.none() | LABELS, LABELS, MOMENTS, st.booleans())
def test_the_record_gives_back_the_config_exactly(
    own: Any, labels: Any, moment: datetime | None, dated: bool
) -> None:
    before = image(own, **({"created": "1970-01-01T00:00:01+00:00"} if dated else {}))
    stamped = with_created(with_labels(before, labels), moment)
    recorded = with_record(stamped, before)
    patch = json.loads(recorded.annotations.get(UNSTAMP, "{}"))
    assert merge_patch(dict(recorded.config), patch) == before.config
    assert (UNSTAMP in recorded.annotations) == (stamped.config != before.config)


@given(LABELS, LABELS, MOMENTS)
def test_stamping_leaves_layers_and_its_input_alone(own: Any, user: Any, moment: datetime | None) -> None:
    before = image(own)
    text = json.dumps(before.config)
    after = with_annotations(with_created(with_labels(before, user), moment), user)
    assert (after.layers, after.diff_ids, after.platform, after.history) == (
        before.layers, before.diff_ids, before.platform, before.history,
    )  # fmt: skip
    assert json.dumps(before.config) == text


def test_nothing_to_say_gives_the_same_object() -> None:
    before = image({"a": "1"})
    assert with_labels(before, {"a": "1"}) is before
    assert with_labels(image(), {}).config == image().config
    assert with_annotations(before, {}) is before
    assert with_created(before, None) is before
    assert with_record(before, before) is before


def test_an_empty_value_is_a_value() -> None:
    assert with_labels(image({"a": "1"}), {"a": ""}).config["config"]["Labels"] == {"a": ""}


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC), "2026-01-02T03:04:05Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(987, 6, 5, 4, 3, 2, tzinfo=UTC), "0987-06-05T04:03:02Z"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00Z"),
    ],
)
def test_rfc3339(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


@pytest.mark.parametrize("record", ["{", "[]", "7", ""])
def test_a_record_that_means_nothing_is_left_alone(record: str) -> None:
    config = {"os": "linux", "author": "me"}
    assert unstamped(config, {UNSTAMP: record, SEAL: "x", "a": "b"}) == (config, {"a": "b"})
    assert unstamped(config, {"a": "b"}) == (config, {"a": "b"})


def test_a_record_changes_no_layer() -> None:
    config = {"os": "linux", "rootfs": {"diff_ids": []}, "history": []}
    forged = '{"rootfs":{"diff_ids":["x"]},"history":null,"os":"plan9"}'
    assert unstamped(config, {UNSTAMP: forged}) == ({**config, "os": "plan9"}, {})
