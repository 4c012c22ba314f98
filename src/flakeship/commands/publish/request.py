"""One image that is asked for: the inputs, checked once before anything is built, as the values that the steps take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from flakeship.commands.layer_cache import LayerCache
from flakeship.commands.naming import NamingRequest
from flakeship.commands.publish.created import Created
from flakeship.commands.publish.known_origin import known_origin, without_git
from flakeship.commands.publish.opening import DestinationRequest
from flakeship.commands.publish.packing import PackingRequest
from flakeship.commands.publish.reuse import ReuseRequest
from flakeship.commands.publish.stamping import Change, change_of
from flakeship.commands.run import Run
from flakeship.commands.subject import Subject, subject_of
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.registry.reference import TRANSPORT
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.publish.attaching.step import Attaching
    from flakeship.sources.package import Furnishing
    from flakeship.sources.written import WrittenSource


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """Which image of a source is meant, and what a plain package is made into an image with.

    `image_in_archive` is a name or a number from 1 on; `base_image` is empty or `docker://REFERENCE`; `user` is as
    the input says it. `platforms` are those wanted, none for all; `relabelled` is True where one image is to be
    labelled as for another platform. `pass_env` are names of variables for a script of the user's own.
    `wants_program` is False where an entry point was given. `debug_shell` is what the variant of this image will have
    besides `contents`, empty where no variant is asked for. `as_is` is True where this run stamps no facts: then the
    image keeps those that an earlier run stamped, and where nothing else changes it its digest.
    """

    image_in_archive: str = ""
    platforms: tuple[Platform, ...] = ()
    relabelled: bool = False
    contents: tuple[str, ...] = ()
    debug_shell: tuple[str, ...] = ()
    base: Furnishing = "minimal"
    base_image: str = ""
    max_layers: int = 100
    user: str = ""
    wants_program: bool = True
    pass_env: tuple[str, ...] = ()
    as_is: bool = False

    @classmethod
    def of(cls, settings: Settings) -> SourceChoice:
        """UsageError for a platform that is not `OS/ARCHITECTURE`, and for a base image that is in no registry."""
        if settings.base_image and not settings.base_image.startswith(TRANSPORT):
            raise UsageError(
                f"base-image: {settings.base_image!r} is not an image in a registry",
                hint=f"write {TRANSPORT}{settings.base_image.rpartition('://')[2]}",
            )
        return cls(
            image_in_archive=settings.image_in_archive,
            platforms=_platforms(settings.platforms),
            relabelled=bool(settings.override_platform),
            contents=settings.contents,
            debug_shell=(settings.debug_shell,) if settings.debug else (),
            base=cast("Furnishing", settings.base),
            base_image=settings.base_image,
            max_layers=settings.max_layers or 1,
            user=settings.user,
            wants_program=not settings.entrypoint,
            pass_env=settings.pass_env,
            # docs/decisions.md#what-is-not-stamped-keeps-its-digest
            as_is=not settings.auto_labels,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`variant` is appended to every tag (`-debug`). `stays_as_it_is` is True where the source is an image of a registry by its
    digest, and the inputs say that a run stamps nothing.
    """

    variant: str
    destinations: DestinationRequest
    subject: Subject
    naming: NamingRequest
    created: Created
    change: Change
    choice: SourceChoice
    packing: PackingRequest
    reuse: ReuseRequest
    layer_cache: LayerCache
    lint: str
    by_digest: bool
    rebuild_to_compare: bool
    stays_as_it_is: bool = False
    attaching: Attaching | None = None

    @classmethod
    def of(cls, settings: Settings, run: Run, *, variant: str = "", layout_tag: str = "") -> Request:
        """UsageError for what is malformed or contradicts itself; BuildError where there is something to build and no Nix."""
        runtime = run.runtime
        subject = subject_of(settings, run)
        created = Created.parse(settings.created, environ=runtime.environ, now=runtime.now, emit=run.emit)
        context = run.event
        stays = not settings.auto_labels and settings.created == "keep" and _is_by_digest(subject.source)
        match known_origin(subject, context, runtime.cwd):
            case "here":
                pass
            case "another flake":
                context = without_git(context)
            case "unknown":
                settings = replace(settings, auto_labels=False)
                created = replace(created, kind="keep") if created.kind == "auto" else created
        return cls(
            variant=variant,
            created=created,
            change=change_of(settings, run.emit),
            destinations=DestinationRequest.of(
                settings,
                run,
                layout_tag=layout_tag and f"{layout_tag}{variant}",
                unnamed_tag=variant and f"latest{variant}",
            ),
            choice=SourceChoice.of(settings),
            packing=PackingRequest.of(settings),
            reuse=ReuseRequest.of(settings),
            layer_cache=LayerCache.of(settings, runtime),
            lint=settings.lint,
            by_digest=settings.push_by_digest,
            rebuild_to_compare=settings.rebuild == "compare",
            naming=NamingRequest.of(settings, context, runtime.environ),
            subject=subject,
            stays_as_it_is=stays,
            attaching=attaching_of(settings, run),
        )


def attaching_of(settings: Settings, run: Run) -> Attaching | None:
    """What is to be attached to the image, None for nothing. UsageError for a key that can't sign."""
    if not settings.attaches:
        return None
    from flakeship.commands.publish.attaching.step import Attaching

    return Attaching.of(settings, run)


def _is_by_digest(source: WrittenSource | None) -> bool:
    return bool(source and source.place == "registry" and "@" in source.name)


def _platforms(texts: tuple[str, ...]) -> tuple[Platform, ...]:
    if not texts:
        return ()
    from flakeship.commands.platforms import platforms_of

    return platforms_of(texts)
