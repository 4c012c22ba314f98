"""The format letters of Moment.js (English locale), which `{{date '…'}}` of docker/metadata-action takes.

All letters of https://momentjs.com/docs/#/displaying/format/ are read; as in Moment.js, others stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

DEFAULT: Final = "YYYY-MM-DDTHH:mm:ss[Z]"
"""What Moment.js takes for an empty format, for a time in UTC."""
_DEFAULT_ELSEWHERE: Final = "YYYY-MM-DDTHH:mm:ssZ"

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_LONG: Final = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "L": "MM/DD/YYYY",
    "LL": "MMMM D, YYYY",
    "LLL": "MMMM D, YYYY h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "l": "M/D/YYYY",
    "ll": "MMM D, YYYY",
    "lll": "MMM D, YYYY h:mm A",
    "llll": "ddd, MMM D, YYYY h:mm A",
}
_LONG_TOKEN: Final = re.compile(r"\[[^\[]*\]|\\?(?:LTS|LT|LL?L?L?|l{1,4})")
_TOKEN: Final = re.compile(
    r"\[[^\[]*\]|\\?(?:[Hh]mm(?:ss)?|Mo|MM?M?M?|Do|DDDo|DD?D?D?|ddd?d?|do?|w[o|w]?|W[o|W]?|Qo?|N{1,5}"
    r"|YYYYYY|YYYYY|YYYY|YY|y{2,4}|yo?|gg(?:ggg?)?|GG(?:GGG?)?|e|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}"
    r"|x|X|zz?|ZZ?|.)"
)
_Letters: TypeAlias = Callable[[datetime], "str | int"]


def format_moment(moment: datetime, pattern: str) -> str:
    """Format an aware datetime; an empty `pattern` gives ISO 8601, to the second."""
    if not pattern:
        pattern = _DEFAULT_ELSEWHERE if moment.utcoffset() else DEFAULT
    pattern = _LONG_TOKEN.sub(lambda found: _LONG.get(found.group(), found.group()), pattern)
    return "".join(_piece(token, moment) for token in _TOKEN.findall(pattern))


def _piece(token: str, moment: datetime) -> str:
    if token in _LETTERS:
        return str(_LETTERS[token](moment))
    if token.startswith("[") and len(token) > 1:
        return token[1:].removesuffix("]")
    return token.replace("\\", "")


def _ordinal(get: Callable[[datetime], int]) -> _Letters:
    def ordinal(moment: datetime) -> str:
        number = get(moment)
        teen = number // 10 % 10 == 1
        return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"

    return ordinal


def _filled(get: Callable[[datetime], int], width: int) -> _Letters:
    return lambda moment: f"{get(moment):0{width}}"


def _sunday_week(moment: datetime) -> tuple[int, int]:
    """Year and number of the week where weeks begin on Sunday and January 1 lies in the first."""
    day = moment.date()
    saturday = day.toordinal() + 6 - day.isoweekday() % 7  # in numbers: it may be in the year 10000
    last = date(day.year, 12, 31).toordinal()
    if saturday > last:
        return day.year + 1, 1
    return day.year, (saturday - date(day.year, 1, 1).toordinal()) // 7 + 1


def _offset(moment: datetime, separator: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() / 60)
    hours, minutes_left = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{separator}{minutes_left:02}"


def _fraction(digits: int) -> _Letters:
    return lambda moment: f"{moment.microsecond // 1000:03}000000"[:digits]


def _half_day(moment: datetime) -> int:
    return moment.hour % 12 or 12


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _month(moment: datetime) -> str:
    return _MONTHS[moment.month - 1]


def _weekday(moment: datetime) -> int:
    return moment.isoweekday() % 7


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


_NUMBERS: Final[dict[str, Callable[[datetime], int]]] = {
    "M": lambda moment: moment.month,
    "Q": lambda moment: (moment.month + 2) // 3,
    "D": lambda moment: moment.day,
    "DDD": _day_of_year,
    "d": _weekday,
    "w": lambda moment: _sunday_week(moment)[1],
    "W": lambda moment: moment.isocalendar().week,
    "y": lambda moment: moment.year,
}
_PADDED: Final[dict[str, Callable[[datetime], int]]] = {
    "M": _NUMBERS["M"],
    "D": _NUMBERS["D"],
    "w": _NUMBERS["w"],
    "W": _NUMBERS["W"],
    "H": lambda moment: moment.hour,
    "h": _half_day,
    "k": lambda moment: moment.hour or 24,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
}

_LETTERS: Final[dict[str, _Letters]] = {
    **_NUMBERS,
    **{f"{letter}o": _ordinal(get) for letter, get in _NUMBERS.items()},
    **_PADDED,
    **{letter * 2: _filled(get, 2) for letter, get in _PADDED.items()},
    **{"S" * digits: _fraction(digits) for digits in range(1, 10)},
    **{"y" * digits: _filled(_NUMBERS["y"], digits) for digits in range(2, 5)},
    **{"N" * count: (lambda _: "AD") for count in (1, 2, 3, 5)},
    "NNNN": lambda _: "Anno Domini",
    "Y": lambda moment: f"{moment.year:04}",
    "YY": lambda moment: f"{moment.year % 100:02}",
    "YYYY": lambda moment: f"{moment.year:04}",
    "YYYYY": lambda moment: f"{moment.year:05}",
    "YYYYYY": lambda moment: f"+{moment.year:06}",
    "MMM": lambda moment: _month(moment)[:3],
    "MMMM": _month,
    "DDDD": lambda moment: f"{_day_of_year(moment):03}",
    "dd": lambda moment: _DAYS[_weekday(moment)][:2],
    "ddd": lambda moment: _DAYS[_weekday(moment)][:3],
    "dddd": lambda moment: _DAYS[_weekday(moment)],
    "e": _weekday,
    "E": lambda moment: moment.isoweekday(),
    "gg": lambda moment: f"{_sunday_week(moment)[0] % 100:02}",
    "gggg": lambda moment: f"{_sunday_week(moment)[0]:04}",
    "ggggg": lambda moment: f"{_sunday_week(moment)[0]:05}",
    "GG": lambda moment: f"{moment.isocalendar().year % 100:02}",
    "GGGG": lambda moment: f"{moment.isocalendar().year:04}",
    "GGGGG": lambda moment: f"{moment.isocalendar().year:05}",
    "hmm": lambda moment: f"{_half_day(moment)}{moment:%M}",
    "hmmss": lambda moment: f"{_half_day(moment)}{moment:%M%S}",
    "Hmm": lambda moment: f"{moment.hour}{moment:%M}",
    "Hmmss": lambda moment: f"{moment.hour}{moment:%M%S}",
    "a": lambda moment: "am" if moment.hour < 12 else "pm",
    "A": lambda moment: "AM" if moment.hour < 12 else "PM",
    "Z": lambda moment: _offset(moment, ":"),
    "ZZ": lambda moment: _offset(moment, ""),
    "z": lambda moment: moment.tzname() or "",
    "zz": lambda moment: moment.tzname() or "",
    "X": lambda moment: int(moment.timestamp()),
    "x": _milliseconds,
}
