"""All that the lines of `flake` name is evaluated together, before the inputs of each image are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flakeship import events
from flakeship.commands.building.by_platform import flake_lines
from flakeship.commands.building.on_a_mac import linux_of
from flakeship.commands.platforms import buildable_platforms
from flakeship.commands.run import Run
from flakeship.commands.subject import flake_installable
from flakeship.nix.configuration import settings as nix_settings
from flakeship.nix.evaluation import Wanted, describe_together
from flakeship.settings.declaration import Settings
from flakeship.sources.closure.architecture import system_of


# docs/decisions.md#a-plan-evaluates-once
def evaluate(images: Sequence[Settings], run: Run) -> None:
    """Let the run's builder know what the flakes have for these inputs. What it has not is found out by its own evaluation.

    BuildError for an attribute that can't be evaluated, and for a flake.
    """
    if any(settings.file for settings in images):
        return  # its attribute is one
    own = str(nix_settings(run.builder.nix)["system"])
    wanted = list(dict.fromkeys(each for settings in images for each in _wanted(settings, run, own)))
    with run.stage("evaluate", f"evaluating {_listed([str(each.installable) for each in wanted])}"):
        found = describe_together(run.builder.nix, wanted)
    for each, at in found.items():
        run.builder.described[at.installable] = at.description
        if each.system == own:  # as it is written it is the same
            run.builder.described.setdefault(each.installable, at.description)


def _wanted(settings: Settings, run: Run, own: str) -> Iterator[Wanted]:
    """The attributes of one image: those of a line for one platform are this machine's, and of the other line each platform's."""
    lines = flake_lines(settings.flake or (".",))
    platforms = buildable_platforms(settings.platforms, name="platforms") if settings.platforms else ()
    for platform, text in lines.own.items():
        if not platforms or platform in platforms:
            yield Wanted(flake_installable(text, run, events.ignore), own)
    if lines.everywhere is not None:
        installable = flake_installable(lines.everywhere, run, events.ignore)
        systems = [system_of(platform) for platform in platforms if platform not in lines.own]
        here = linux_of(own) if own.endswith("-darwin") else own  # a Mac's attribute is that of its Linux
        for system in filter(None, systems or [here]):
            yield Wanted(installable, system)


def _listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    unique = list(dict.fromkeys(names))
    few = ", ".join(unique[:4])
    return few if len(unique) < 5 else f"{few} and {len(unique) - 4} more"
