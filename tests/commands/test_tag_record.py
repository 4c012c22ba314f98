"""What a run that ends before its time says of names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from flakeship.commands.tag_record import TagRecord
from flakeship.errors import NotAllowedError, UnreachableError


@pytest.fixture
def record() -> TagRecord:
    made = TagRecord()
    made.begin()
    return made


def begin(record: TagRecord, *references: str) -> None:
    """Begin to name an image; what is set then stands in other calls."""
    with record.naming(references):
        pass


def put(record: TagRecord, *references: str) -> None:
    record.begun(references)
    record.done(references)


def test_a_run_that_sets_no_names_tells_of_none() -> None:
    assert TagRecord().cancelled(2, None).message == "cancelled by signal 2"


def test_an_image_is_named_without_interruption() -> None:
    entered: list[str] = []

    @contextlib.contextmanager
    def uninterrupted() -> Iterator[None]:
        entered.append("begun")
        yield
        entered.append("ended")

    with TagRecord(uninterrupted).naming(("a",)) as note:
        assert entered == ["begun"]
        note.begun(("a",))
        note.done(("a",))
    assert entered == ["begun", "ended"]


def test_nothing_begun(record: TagRecord) -> None:
    error = record.cancelled(2, None)
    assert (error.message, error.detail) == ("cancelled by signal 2; no tag was set", "")
    assert (error.exit_code, record.cancelled(15, None).exit_code) == (130, 143)


def test_an_image_that_was_whole_before_the_next_was_begun(record: TagRecord) -> None:
    begin(record, "a", "b")
    put(record, "a", "b")
    error = record.cancelled(2, None)
    assert error.message.endswith("all tags of the image are set")
    assert error.detail == "set: a\nset: b"


def test_the_second_image_is_given_up(record: TagRecord) -> None:
    begin(record, "a")
    put(record, "a")
    begin(record, "b", "c")
    record.begun(("b",))
    error = record.cancelled(2, UnreachableError("the line is cut"))
    assert "did not get all of its tags" in error.message
    assert "run again" in error.hint
    assert error.detail == "set: a\nperhaps set: b\nnot set: c\nthe line is cut"


def test_naming_that_was_begun_again_counts_what_was_set_before(record: TagRecord) -> None:
    """A destination lacked a blob when the second name was written; it is sent once more when the signal comes."""
    begin(record, "a", "b")
    put(record, "a")
    assert record.cancelled(2, None).detail == "set: a\nnot set: b"
    begin(record, "a", "b")
    put(record, "a")
    put(record, "b")
    assert record.cancelled(2, None).detail == "set: a\nset: b"


def test_an_error_says_which_names_it_left_an_image_with(record: TagRecord) -> None:
    begin(record, "a", "b")
    assert record.failed(NotAllowedError("no", detail="line")).detail == "line"
    put(record, "a")
    assert record.failed(NotAllowedError("no", detail="line")).detail == "line\nset: a\nnot set: b"
    put(record, "b")
    assert record.failed(NotAllowedError("no")).detail == ""
