"""What `created` may be, and the moment it means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flakeship import events
from flakeship.commands.publish.created import Created
from flakeship.errors import UsageError
from flakeship.metadata.context import Context
from flakeship.nix.command import Nix
from flakeship.nix.flake import source_of
from flakeship.nix.installable import Installable

NOW = datetime(2026, 6, 1, tzinfo=UTC)
COMMIT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def moment(text: str, *, epoch: str = "", commit: datetime | None = COMMIT) -> datetime | None:
    return created(text, epoch).moment(commit)


def created(text: str, epoch: str = "") -> Created:
    return Created.parse(text, environ={"SOURCE_DATE_EPOCH": epoch}, now=NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keep", None),
        ("now", NOW),
        ("commit", COMMIT),
        ("auto", COMMIT),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1767323045", COMMIT),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05", COMMIT),
        ("2026-01-02T03:04:05Z", COMMIT),
        ("2026-01-02T05:04:05+02:00", COMMIT),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime | None) -> None:
    assert moment(text) == expected


def test_auto_takes_the_first_that_is_known() -> None:
    assert moment("auto", epoch="5") == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert moment("auto", commit=None) is None
    assert moment("now", epoch="5") == NOW


@pytest.mark.parametrize(
    ("text", "epoch", "shell", "expected"),
    [
        ("auto", "315532800", {"IN_NIX_SHELL": "impure"}, COMMIT),
        ("auto", "315532800", {"IN_NIX_SHELL": "pure"}, COMMIT),
        ("auto", "315532801", {"IN_NIX_SHELL": "impure"}, datetime(1980, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("auto", "315532800", {}, datetime(1980, 1, 1, tzinfo=UTC)),
        ("315532800", "315532800", {"IN_NIX_SHELL": "impure"}, datetime(1980, 1, 1, tzinfo=UTC)),
        ("keep", "315532800", {"IN_NIX_SHELL": "impure"}, None),
    ],
)
def test_the_date_that_every_nix_shell_sets_is_nobodys_wish(
    text: str, epoch: str, shell: dict[str, str], expected: datetime | None
) -> None:
    """NixOS/nixpkgs#241522: stdenv's setup.sh sets it where it is not set."""
    said: list[events.Event] = []
    read = Created.parse(text, environ={"SOURCE_DATE_EPOCH": epoch, **shell}, now=NOW, emit=said.append)
    assert read.moment(COMMIT) == expected
    assert len(said) == (expected == COMMIT)
    assert all('`created: "315532800"`' in str(event) for event in said)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "Now", "2026-13-01", "2026-01-02T25:00:00Z", "1e9", "١٢", "9" * 30, "-", "--5", "-9" + "9" * 12,
     "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"],
)  # fmt: skip
def test_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        created(text)
    assert caught.value.message.startswith(f"created is {text!r}, which is ")
    assert "seconds since 1970" in caught.value.hint


@pytest.mark.parametrize("epoch", ["soon", "1.5", "9" * 30])
def test_a_source_date_epoch_that_is_no_number(epoch: str) -> None:
    with pytest.raises(UsageError, match=r"SOURCE_DATE_EPOCH is .* not a number of seconds") as caught:
        created("auto", epoch)
    assert caught.value.hint
    created("keep", epoch)


@pytest.mark.parametrize(
    ("sha", "date", "known"), [("a" * 40, COMMIT, COMMIT), ("", COMMIT, None), ("a" * 40, NOW, None)]
)
def test_the_date_of_the_run_is_never_taken_for_the_commits(
    sha: str, date: datetime, known: datetime | None
) -> None:
    context = Context(run_date=NOW, commit_date=date, sha=sha)
    assert context.committed == known
    created("auto").check_commit(context.committed, lambda: None)
    if known:
        created("commit").check_commit(context.committed, lambda: pytest.fail("Nix is asked"))
    else:
        with pytest.raises(UsageError, match="there is no git repository"):
            created("commit").check_commit(context.committed, lambda: None)


@pytest.mark.slow
def test_nix_is_asked_where_nobody_else_knows(nix: Nix, make_flake: Callable[..., Path]) -> None:
    folder = make_flake()
    versioned = Installable.parse(f"{folder}#fails", cwd="/")
    created("commit").check_commit(None, lambda: source_of(nix, versioned))
    unversioned = Installable.parse(f"path:{folder}#fails", cwd="/")
    with pytest.raises(UsageError, match="there is no git repository") as caught:
        created("commit").check_commit(None, lambda: source_of(nix, unversioned))
    assert "created: auto" in caught.value.hint


def test_a_commit_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="there is no git repository") as caught:
        moment("commit", commit=None)
    assert "fetch-depth" in caught.value.hint
