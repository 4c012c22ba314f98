"""Change how a container is started: functions Image → Image that change the config and never a layer.

The keys are those of https://github.com/opencontainers/image-spec/blob/main/config.md, and docker's Healthcheck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flakeship.image.model import Image, Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """None and empty change nothing; an empty `entrypoint` or `cmd` takes the image's own away.

    `env` is in the order of writing, with None for a variable to remove; `ports` and `volumes` say of each whether it
    is to be there; `healthcheck` is the object that docker knows. `platform` is what an image is labelled as; `chosen`
    is the one that was taken out of an index, whose entry says more of it than its config may.
    """

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    user: str = ""
    workdir: str = ""
    ports: tuple[tuple[str, bool], ...] = ()
    volumes: tuple[tuple[str, bool], ...] = ()
    stop_signal: str = ""
    healthcheck: Mapping[str, Any] | None = None
    platform: Platform | None = None
    chosen: Platform | None = None


def overridden(image: Image, overrides: Overrides) -> Image:
    """The image with all of them; the very same one where nothing changes."""
    runtime = image.config.get("config", {})
    changed = {**runtime, **_texts(overrides), **_sets(runtime, overrides)}
    if overrides.env:
        changed["Env"] = with_env(runtime.get("Env", ()), overrides.env)
    if overrides.healthcheck is not None:
        changed["Healthcheck"] = dict(overrides.healthcheck)
    changed = {key: value for key, value in changed.items() if value or key in runtime}
    result = image if changed == runtime else replace(image, config={**image.config, "config": changed})
    platform = overrides.platform or overrides.chosen
    return with_platform(result, platform) if platform else result


def with_env(env: Iterable[str], changes: Iterable[tuple[str, str | None]]) -> list[str]:
    """A variable that is there keeps its place, a new one goes last; one that occurs several times is there once."""
    entries = [(entry.partition("=")[0], entry) for entry in env]
    for name, value in changes:
        places = [place for place, (known, _) in enumerate(entries) if known == name]
        first = places[0] if places else len(entries)
        written = [] if value is None else [(name, f"{name}={value}")]
        rest = [entry for entry in entries[first:] if entry[0] != name]
        entries = [*entries[:first], *written, *rest]
    return [entry for _, entry in entries]


def with_platform(image: Image, platform: Platform) -> Image:
    """For an image that is labelled wrongly, or was labelled by an index that it leaves; its binaries stay what they are."""
    if image.platform.serves(platform):
        # Engines compare names as text, and know `amd64` alone
        platform = replace(image.platform, os=image.platform.normal[0], architecture=image.platform.normal[1])
        if platform == image.platform and _states_platform(image):
            return image
    replaced = {"variant"}
    if image.platform.os == platform.os:
        own = image.platform
        platform = replace(platform, os_version=own.os_version, os_features=own.os_features)
    else:
        replaced |= {"os.version", "os.features"}
    kept = {key: value for key, value in image.config.items() if key not in replaced}
    return replace(image, platform=platform, config={**kept, **platform.to_json()})


def platform_in(config: Mapping[str, Any]) -> Platform:
    """What a config says itself of OS and CPU; of an image in an index it may be less than the entry says, or another."""
    return Platform.of(str(config.get("os", "linux")), str(config.get("architecture", "amd64")))


def _states_platform(image: Image) -> bool:
    """Whether the config says itself for what the image is: it may be the entry of an index that does, which is left behind."""
    stated = {key: value for key, value in image.platform.to_json().items() if key.startswith("os.")}
    same = platform_in(image.config).normal[:2] == image.platform.normal[:2]
    return same and stated.items() <= image.config.items()


def _texts(overrides: Overrides) -> dict[str, Any]:
    said: dict[str, Any] = {
        "User": overrides.user,
        "WorkingDir": overrides.workdir,
        "StopSignal": overrides.stop_signal,
    }
    lists = {"Entrypoint": overrides.entrypoint, "Cmd": overrides.cmd}
    return {key: value for key, value in said.items() if value} | {
        key: list(value) for key, value in lists.items() if value is not None
    }


def _sets(runtime: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Sets, which the config writes as objects of empty objects."""
    named = {"ExposedPorts": overrides.ports, "Volumes": overrides.volumes}
    return {key: _changed(runtime.get(key, {}), changes) for key, changes in named.items() if changes}


def _changed(present: Mapping[str, Any], changes: Iterable[tuple[str, bool]]) -> dict[str, Any]:
    result = dict(present)
    for name, wanted in changes:
        if wanted:
            result.setdefault(name, {})
        else:
            result.pop(name, None)
    return result
