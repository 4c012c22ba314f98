"""What a run that ends before its time says of names."""

from __future__ import annotations

import pytest

from flakeship.commands.publish.tag_record import TagRecord
from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.events import Detail, Event, Tagged, TaggingStarted


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def record(told: list[Event]) -> TagRecord:
    return TagRecord(told.append)


def test_every_event_is_passed_on(record: TagRecord, told: list[Event]) -> None:
    events: list[Event] = [Detail("x"), TaggingStarted(("a",)), Tagged(("a",))]
    for event in events:
        record(event)
    assert told == events


def test_nothing_begun(record: TagRecord) -> None:
    error = record.cancelled(2, None)
    assert (error.message, error.detail) == ("cancelled by signal 2; nothing was tagged", "")
    assert (error.exit_code, record.cancelled(15, None).exit_code) == (130, 143)


def test_an_image_that_was_whole_before_the_next_was_begun(record: TagRecord) -> None:
    record(TaggingStarted(("a", "b")))
    record(Tagged(("a", "b")))
    error = record.cancelled(2, None)
    assert error.message.endswith("what is tagged has all of its names")
    assert error.detail == "set: a\nset: b"


def test_the_second_image_is_given_up(record: TagRecord) -> None:
    record(TaggingStarted(("a",)))
    record(Tagged(("a",)))
    record(TaggingStarted(("b", "c")))
    error = record.cancelled(2, UnreachableError("the line is cut"))
    assert "not got all of its names" in error.message
    assert "run again" in error.hint
    assert error.detail == "set: a\nperhaps set: b\nnot set: c\nthe line is cut"


def test_naming_that_was_begun_again_counts_what_was_set_before(record: TagRecord) -> None:
    """A destination lacked a blob when the second name was written; it is sent once more when the signal comes."""
    record(TaggingStarted(("a", "b")))
    record(Tagged(("a",)))
    assert record.cancelled(2, None).detail == "set: a\nnot set: b"
    record(TaggingStarted(("a", "b")))
    record(Tagged(("a",)))
    record(Tagged(("b",)))
    assert record.cancelled(2, None).detail == "set: a\nset: b"


def test_an_error_says_which_names_it_left_an_image_with(record: TagRecord) -> None:
    record(TaggingStarted(("a", "b")))
    assert record.failed(NotAllowedError("no", detail="line")).detail == "line"
    record(Tagged(("a",)))
    assert record.failed(NotAllowedError("no", detail="line")).detail == "line\nset: a\nnot set: b"
    record(Tagged(("b",)))
    assert record.failed(NotAllowedError("no")).detail == ""
