"""An attribute for each platform: what the inputs `flake` and `platforms` mean together, before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship import events
from flakeship.commands.building.on_a_mac import linux_of, mac_system
from flakeship.commands.platforms import (
    buildable_platforms,
    host_platform,
    in_order,
    split_line,
)
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.building.builder import Builder
    from flakeship.nix.derivation import Derivation
    from flakeship.nix.installable import Installable

Parse: TypeAlias = "Callable[[str], Installable]"
"""Reads an installable of the input `flake`."""

_CROSS: Final = "write a line for it, such as `flake: {0}=.#ATTRIBUTE`"


@dataclass(frozen=True, slots=True)
class Member:
    """One platform of an image, and what is built for it. `system` is what Nix calls the platform, empty for one it has not."""

    platform: Platform
    system: str
    buildable: Buildable


@dataclass(frozen=True, slots=True)
class FlakeLines:
    """The lines of `flake` of one image. `everywhere` is the one without a platform, None where each has one."""

    everywhere: str | None
    own: Mapping[Platform, str]


def flake_lines(lines: Sequence[str]) -> FlakeLines:
    """Tell the line without a platform from those that begin with one.

    UsageError where two lines are for the same, or one begins with a platform that can't be.
    """
    split = [split_line(line) for line in lines]
    plain = [installable for text, installable in split if not text]
    if len(plain) > 1:
        raise UsageError(
            f"flake: {plain[0]!r} and {plain[1]!r} are both without a platform",
            hint="begin one of them with the platform that it is for: linux/arm64=.#image-arm64",
        )
    named = [(text, installable) for text, installable in split if text]
    platforms = buildable_platforms([text for text, _ in named], name="flake")
    own = {platform: installable for platform, (_, installable) in zip(platforms, named, strict=True)}
    return FlakeLines(plain[0] if plain else None, own)


def members_of(settings: Settings, builder: Builder, parse: Parse) -> tuple[Member, ...]:
    """What to build for each platform, in the order of an index. It is empty where one attribute is built as it is.

    That is so where no platform is asked for, and for several platforms where the attribute path names its own system:
    then `platforms` chooses among what was built. On a Mac the platform is that of its Linux, where the flake has the
    attribute for that. UsageError for platforms that can't be; BuildError where the flake
    lacks the attribute for one of them.
    """
    if len(settings.flake) > 1 and not any(split_line(line)[0] for line in settings.flake):
        return ()  # several images, each with a name, of which some commands read the first alone
    lines = flake_lines(settings.flake or (".",))
    mac = mac_system(settings.nix_config)
    here = buildable_platforms([linux_of(mac)], name="platforms")[0] if mac else host_platform()
    wanted = buildable_platforms(settings.platforms, name="platforms") if settings.platforms else ()
    if lines.own:
        return _of_lines(lines, wanted or _all_of(lines, here), builder, parse, mac)
    assert lines.everywhere is not None
    installable = parse(lines.everywhere)
    if not wanted:
        return _on_a_mac(installable, mac, here, builder) if mac else ()
    if wanted == (here,) and not mac:
        return (_member(here, installable, builder=builder),)  # Nix finds by itself where that is
    found = _of_systems(installable, wanted, builder, mac)
    alone = len(wanted) == 1 and not found
    return (_member(wanted[0], installable, builder=builder),) if alone else found


def _of_lines(
    lines: FlakeLines, chosen: Sequence[Platform], builder: Builder, parse: Parse, mac: str
) -> tuple[Member, ...]:
    others = [platform for platform in chosen if platform not in lines.own]
    made = [
        _member(platform, parse(lines.own[platform]), builder=builder)
        for platform in chosen
        if platform in lines.own
    ]
    if others and lines.everywhere is None:
        raise UsageError(
            f"platforms names {others[0]}, and no line of `flake` is for it",
            hint=_CROSS.format(others[0]),
        )
    if others and lines.everywhere is not None:
        installable = parse(lines.everywhere)
        found = _of_systems(installable, others, builder, mac)
        made += found or [_member(platform, installable, builder=builder) for platform in others]
    return _sorted(made)


def _all_of(lines: FlakeLines, here: Platform) -> tuple[Platform, ...]:
    """The platforms where none are asked for: those of the lines, and this machine's for the line without one.

    UsageError where that has a line of its own.
    """
    if lines.everywhere is not None and here in lines.own:
        raise UsageError(
            f"flake: nothing is left for {lines.everywhere!r}: each platform has a line of its own",
            hint="leave the line out, or name the platforms that it is for in `platforms`",
        )
    others = (here,) if lines.everywhere is not None else ()
    return tuple(dict.fromkeys((*others, *lines.own)))


def _of_systems(
    installable: Installable, wanted: Sequence[Platform], builder: Builder, mac: str
) -> tuple[Member, ...]:
    from flakeship.nix.system_attributes import states_system

    if states_system(installable):
        return ()
    found = _sorted(_in_systems(installable, wanted, builder))
    if mac:
        _say_what_it_is(installable, found, builder)
    return found


def _in_systems(installable: Installable, wanted: Sequence[Platform], builder: Builder) -> list[Member]:
    from flakeship.nix.system_attributes import attributes_by_system, packages_by_system

    systems = {platform: _system(platform) for platform in wanted}
    known = _described_before(installable, list(systems.values()), builder)
    if packages := known or packages_by_system(builder.evaluating, installable, list(systems.values())):
        return [_member(platform, *packages[system], builder=builder) for platform, system in systems.items()]
    found = attributes_by_system(builder.evaluating, installable, list(systems.values()))
    return [
        _member(platform, found[system], builder=builder) for platform, system in systems.items() if found
    ]


def _described_before(
    installable: Installable, systems: Sequence[str], builder: Builder
) -> Mapping[str, tuple[Installable, Derivation]]:
    """What was evaluated already, by its system; empty unless that is so for all of them."""
    if not builder.described:
        return {}
    from flakeship.nix.system_attributes import installable_in, places

    found: dict[str, tuple[Installable, Derivation]] = {}
    for system in systems:
        at = [installable_in(kind, system, installable) for kind, _ in places(installable)]
        known = next((each for each in at if each in builder.described), None)
        if known is None:
            return {}
        found[system] = known, builder.described[known]
    return found


# docs/decisions.md#on-a-mac-an-attribute-is-its-linuxs
def _on_a_mac(installable: Installable, mac: str, linux: Platform, builder: Builder) -> tuple[Member, ...]:
    """The attribute of the Linux of this Mac, where the flake has one; else what the flake has for the Mac, as Nix takes it."""
    from flakeship.nix.system_attributes import LackingError, attributes_by_system, states_system

    if states_system(installable):
        return ()
    system = _system(linux)
    known = _described_before(installable, [system], builder)
    try:
        found = {each: at for each, (at, _) in known.items()} or attributes_by_system(
            builder.evaluating, installable, [system]
        )
    except LackingError as error:
        if mac not in error.having:
            raise
        builder.emit(
            events.Notice(
                f"on a Mac: the flake has {installable} for {mac} and not for {system}, so it is built for {mac}, and must "
                "hold programs for Linux"
            )
        )
        return ()
    members = tuple(_member(linux, each, builder=builder) for each in found.values())
    _say_what_it_is(installable, members, builder)
    return members


def _say_what_it_is(installable: Installable, members: Sequence[Member], builder: Builder) -> None:
    """On a Mac, where Nix by itself would take another attribute."""
    meant = " and ".join(str(each.buildable) for each in members)
    if meant:
        builder.emit(events.Notice(f"on a Mac: {installable} is {meant}, since containers run Linux"))


def _system(platform: Platform) -> str:
    from flakeship.sources.closure.architecture import system_of

    if system := system_of(platform):
        return system
    raise UsageError(
        f"platforms names {platform}, and Nix has no system for it",
        hint=f"{_CROSS.format(platform)}, whose attribute is cross-compiled for it",
    )


def _member(
    platform: Platform, installable: Installable, described: Derivation | None = None, *, builder: Builder
) -> Member:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.sources.closure.architecture import system_of

    return Member(platform, system_of(platform), Buildable(builder, installable, _description=described))


def _sorted(members: Sequence[Member]) -> tuple[Member, ...]:
    by_platform = {member.platform: member for member in members}
    return tuple(by_platform[platform] for platform in in_order(tuple(by_platform)))
