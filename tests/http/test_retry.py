"""The retry policy: how often, how long, and what the user is told in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.events import Event, Retry
from flakeship.http.errors import WireError
from flakeship.http.origin import Origin
from flakeship.http.retry import retrying
from flakeship.http.retry_after import retry_after
from flakeship.http.throttle import AdaptiveLimit, Pauses
from tests.destinations.pushing import ManualClock

NOW = "Wed, 21 Oct 2026 07:28:00 GMT"


class Failing:
    """Fails with each of `errors` in turn, and then does not."""

    def __init__(self, *errors: WireError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_it_waits_longer_each_time_and_tells() -> None:
    clock, events = ManualClock(), list[Event]()
    action = Failing(*(WireError("busy") for _ in range(5)))
    assert retrying(action, what="the push", clock=clock.as_clock(lambda: 1.0), emit=events.append) == "done"
    assert clock.slept == [0.5, 1, 2, 4, 8]
    assert events[1] == Retry("the push", "busy", 2, 1)


def test_jitter_spreads_the_waits() -> None:
    clock = ManualClock()
    retrying(Failing(WireError("busy")), what="", clock=clock.as_clock(lambda: 0.25), emit=lambda _: None)
    assert clock.slept == [0.125]


@pytest.mark.parametrize(
    ("error", "calls", "said"),
    [
        (WireError("gone"), 6, "gone; tried 6 times"),
        (WireError("gone", transient=False), 1, "gone"),
        (WireError("gone", tries=2), 2, "gone; tried 2 times"),
        (WireError("gone", retry_after=301), 1, "gone; it asks to wait 301 s, which is more than 300 s"),
        (WireError("gone", retry_after=299), 3, "gone; tried 3 times"),
    ],
)
def test_it_gives_up(error: WireError, calls: int, said: str) -> None:
    clock = ManualClock()
    action = Failing(*[error] * 9)
    with pytest.raises(WireError) as raised:
        retrying(action, what="", clock=clock.as_clock(), emit=lambda _: None)
    assert action.calls == calls
    assert raised.value.message == str(raised.value) == said
    assert sum(clock.slept) <= 600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("86400", 86400.0),
        ("Wed, 21 Oct 2026 07:28:05 GMT", 5.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("1e9", None),
        ("0.5", 0.5),
        ("120s", 120.0),
        ("120 seconds", 120.0),
        ("5, 7", 7.0),
        ("5, soon", None),
        ("9" * 18, 999999999999999999.0),
        ("9" * 19, 1e18),
        ("9" * 400, 1e18),
        ("Wednesday, 21-Oct-26 07:28:05 GMT", 5.0),
        ("Wed Oct 21 07:28:05 2026", 5.0),
        ("Wed, 21 Oct 2026 09:28:05 +0200", 5.0),
        ("2026-10-21T07:28:05Z", 5.0),
        ("1792567685", 5.0),
        ("Wed, 21 Oct 99999 07:28:05 GMT", None),
    ],
)
def test_retry_after_in_every_form(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text, "Date": NOW}) == seconds


MOMENT = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize("date", [{}, {"Date": "lately"}, {"Date": ""}])
@pytest.mark.parametrize(
    "text",
    ["Wed, 21 Oct 2026 07:29:00 GMT", "Wed Oct 21 07:29:00 2026", "2026-10-21T07:29:00Z", "1792567740"],
)
def test_a_moment_is_waited_for_by_our_clock_where_the_server_tells_no_date(
    text: str, date: dict[str, str]
) -> None:
    assert retry_after({"Retry-After": text, **date}, today=lambda: MOMENT) == 60
    assert retry_after({"Retry-After": text, **date}, today=lambda: MOMENT + timedelta(hours=1)) is None


@given(st.integers(0, 10**7), st.sampled_from([0, 1, 2, 3]))
def test_every_form_of_a_moment_is_the_same_wait(seconds: int, form: int) -> None:
    moment = MOMENT + timedelta(seconds=seconds)
    forms = (
        format_datetime(moment, usegmt=True),
        moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        moment.ctime(),
        moment.isoformat(),
    )
    assert retry_after({"Retry-After": forms[form], "Date": NOW}) == seconds


def test_a_server_that_asks_for_no_wait_is_not_asked_again_at_once() -> None:
    clock = ManualClock()
    action = Failing(*(WireError("busy", retry_after=asked) for asked in (0, 0.2, 3)))
    retrying(action, what="", clock=clock.as_clock(lambda: 1.0), emit=lambda _: None)
    assert clock.slept == [0.5, 1, 3]


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_retry_after_breaks_it(text: str, date: str) -> None:
    seconds = retry_after({"Retry-After": text, "Date": date})
    assert seconds is None or seconds >= 0


def test_a_pause_holds_its_origin_alone() -> None:
    clock = ManualClock()
    pauses, busy = Pauses(clock.as_clock()), Origin("https", "busy.example", 443)
    pauses.pause(busy, 5)
    pauses.pause(busy, 2)
    pauses.wait(Origin("https", "other.example", 443))
    assert clock.slept == []
    pauses.wait(busy)
    assert clock.slept == [5]
    pauses.pause(busy, 0.5)
    pauses.wait(busy)
    assert clock.slept == [5, 0.5]


def test_the_limit_halves_on_a_burst_and_grows_again() -> None:
    clock = ManualClock()
    limit = AdaptiveLimit(lambda: clock.now)
    with limit.slot(), limit.slot(), limit.slot(), limit.slot():
        limit.trouble()
        assert limit.limit is None, "one alone is no burst"
        limit.trouble()
        assert limit.limit == 2
        limit.trouble()
        clock.now += 6
        limit.trouble()
        assert limit.limit == 2, "six seconds apart is no burst"
    for _ in range(15):
        limit.success()
    clock.now += 6
    limit.trouble()
    for _ in range(15):
        limit.success()
    assert limit.limit == 2, "an answer that fails begins the count anew"
    for successes, expected in ((1, 3), (15, 3), (1, 4)):
        for _ in range(successes):
            limit.success()
        assert limit.limit == expected


def test_the_limit_never_falls_below_one() -> None:
    limit = AdaptiveLimit(lambda: 0.0)
    for _ in range(6):
        limit.trouble()
    assert limit.limit == 1
    for _ in range(2):
        with limit.slot():
            assert limit._active == 1
    assert limit._active == 0


def test_a_burst_is_two_within_five_seconds() -> None:
    clock = ManualClock()
    limit = AdaptiveLimit(lambda: clock.now)
    for seconds, expected in ((0, None), (5, None), (4.9, 1)):
        clock.now += seconds
        limit.trouble()
        assert limit.limit == expected
