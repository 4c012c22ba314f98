"""The names that templates can use: `{{branch}}`, `{{sha}}`, `{{date '…' tz='…'}}` and the others.

https://github.com/docker/metadata-action#global-expressions
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from flakeship.metadata.context import Context
from flakeship.metadata.syntax.names import Names

_Formatter: TypeAlias = Callable[..., str]


def global_names(context: Context) -> Names:
    """Return the names for `value`, `prefix`, `suffix`, `enable`, labels and annotations."""
    return {
        "branch": context.branch,
        "tag": context.tag,
        "sha": context.short_sha,
        "base_ref": context.base_ref,
        "is_default_branch": _word(context.is_default_branch),
        "is_not_default_branch": _word(not context.is_default_branch),
        **date_names(context),
    }


def date_names(context: Context) -> Names:
    """Return the names for the pattern of a schedule rule."""
    return {"date": _formatter(context.run_date), "commit_date": _formatter(context.commit_date)}


def _word(value: bool) -> str:
    return "true" if value else "false"


def _formatter(moment: datetime) -> _Formatter:
    def formatted(*formats: str | None, **options: str | None) -> str:
        if len(formats) != 1:
            raise ValueError("one format is needed")
        unknown = sorted(set(options) - {"tz"})
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r}")
        from flakeship.metadata.syntax.moment import format_moment

        zone = options.get("tz", "UTC")
        if zone is None:
            raise ValueError("a time zone needs quotes")
        # docker/metadata-action takes its default format for an argument without quotes, which is None here.
        try:
            there = moment.astimezone(_zone(zone))
        except OverflowError:
            raise ValueError(f"in {zone} the date is before the year 1 or after 9999") from None
        return format_moment(there, formats[0] or "")

    return formatted


def _zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name in any case, in the data that is locked, not in the machine's. ValueError for an unknown one."""
    if name == "UTC":
        return UTC
    import zoneinfo
    from importlib import resources

    data = resources.files("tzdata")
    folded = {zone.casefold(): zone for zone in (data / "zones").read_text(encoding="ascii").split()}
    if name.casefold() not in folded:
        raise ValueError(f"unknown time zone {name!r:.100}")
    zone = folded[name.casefold()]
    with data.joinpath("zoneinfo", *zone.split("/")).open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=zone)
