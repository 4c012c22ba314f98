"""The part of the declaration that says what is in a container and how it starts; `settings` holds the rest."""

from __future__ import annotations

from dataclasses import dataclass

from flakeship.settings.fields import declared as _input
from flakeship.settings.layer_cache import CacheSettings


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False, eq=False)
class ContainerSettings(CacheSettings):
    """Inputs that change the image itself."""

    entrypoint: str = _input(
        "text",
        'What is run: `["/bin/app", "--serve"]`, or words; no shell is added. `[]` takes it away',
        group=8,
    )
    cmd: str = _input("text", "Arguments of the entrypoint, written like it", group=8)
    env: tuple[str, ...] = _input(
        "lines", "Environment: KEY=VALUE adds or replaces, -KEY removes", group=8, default=()
    )
    user: str = _input("text", "User, as `NAME`, `UID` or `USER:GROUP`", group=8)
    workdir: str = _input("text", "Working directory", group=8)
    expose: tuple[str, ...] = _input(
        "list", "Ports: `8080`, `53/udp`, `8000-8010`; `-8080` takes one away", group=8, default=()
    )
    volumes: tuple[str, ...] = _input(
        "list", "Folders that hold data: `/data`; `-/data` takes one away", group=8, default=()
    )
    stop_signal: str = _input("text", "Signal that asks the program to end: `SIGINT`", group=8)
    healthcheck: str = _input(
        "text", 'As in a Dockerfile: `--interval=30s CMD ["/bin/check"]`, or NONE; docker reads it', group=8
    )

    contents: tuple[str, ...] = _input(
        "lines",
        "Installables whose trees are linked into `/`: `nixpkgs#cacert`, `.#tools`, a store path",
        group=9,
        default=(),
    )
    base: str = _input(
        "choice",
        "`minimal` adds /tmp, a user with a home, /etc/passwd, /etc/group and /etc/nsswitch.conf",
        group=9,
        default="minimal",
        choices=("minimal", "none"),
    )
    base_image: str = _input(
        "text",
        "Image to put the package on: `docker://REF`. Its folders stay: `base` is left out, and links to the files of `contents` are laid into them, but for `/bin` and `/lib`",
        group=9,
    )
    max_layers: int | None = _input(
        "number", "Layers at most; store paths beyond that share layers", group=9, default=100
    )
    debug: bool = _input(
        "flag",
        "Also publish the image with a shell in it, under tags that end in `-debug`",
        group=9,
        default=False,
    )
    debug_shell: str = _input(
        "text",
        "Installable whose tree the `-debug` image has linked into `/`",
        group=9,
        default="nixpkgs#busybox",
    )
