"""Inputs that have no effect, because another that they belong to is missing: mostly a variable of CI that does not exist, and so is empty."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship import events
from flakeship.settings.declaration import Settings


# docs/decisions.md#an-input-without-effect-is-told
def warn_of_no_effect(settings: Settings, emit: events.Emit) -> None:
    """Warn of each such input before anything is built. What would change the image, or where it goes, is an error elsewhere."""
    for given, needed in _without(settings):
        emit(
            events.Warned(
                f"`{given}` is given, and has no effect without `{needed}`",
                f"set `{needed}`, and check the name of the variable if it is one; or leave `{given}` out",
            )
        )


def _without(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.nix_cache_key and not settings.nix_cache:
        yield "nix-cache-key", "nix-cache"
    if not settings.cachix:
        if settings.cachix_auth_token:
            yield "cachix-auth-token", "cachix"
        if settings.cachix_signing_key:
            yield "cachix-signing-key", "cachix"
    if not settings.debug and settings.debug_shell != Settings().debug_shell:
        yield "debug-shell", "debug"
    if settings.reuse_from and settings.reuse == "off":
        yield "reuse-from", "reuse"
