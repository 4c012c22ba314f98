"""THE declaration of inputs and outputs: the command line, action.yml and the tables in the docs are rendered from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, cast

from flakeship.settings.fields import GROUPS, Input
from flakeship.settings.fields import declared as _input
from flakeship.settings.naming import NAMERS, NamingSettings

_READERS: Final = ("publish", "inspect")
"""The commands that speak to registries."""

_ALL: Final = ("publish", "inspect", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(NamingSettings):
    """Every input, read and checked. A list is a tuple of values; a number that is not given is None."""

    flake: tuple[str, ...] = _input(
        "lines",
        "Flake attribute to build: `.`, `.#image`, `github:owner/repo/rev#image`. Of several, each is `NAME=INSTALLABLE`, and "
        "lines of `images`, `tags` and `to` that begin with `NAME=` are its own",
        group=0,
        default=(".",),
        commands=NAMERS,
    )
    file: str = _input(
        "text", "A file of Nix to build from where there is no flake: `default.nix`", group=0, commands=NAMERS
    )
    attr: str = _input(
        "text", "The attribute of `file` to build; default: all of it is the image", group=0, commands=NAMERS
    )
    nix_path: tuple[str, ...] = _input(
        "lines",
        "What `<NAME>` stands for in `file`: NAME=PATH-OR-URL, besides NIX_PATH",
        group=0,
        default=(),
        commands=NAMERS,
    )
    source: str = _input(
        "path",
        "An image that exists already: store path, archive, script, OCI layout, or `docker://REF`. Nothing is built",
        group=0,
        commands=NAMERS,
    )
    image_in_archive: str = _input(
        "text",
        "Which image of an archive that holds several: its name, or its number from 1 on",
        group=0,
        commands=_READERS,
    )

    to: tuple[str, ...] = _input(
        "list",
        "Destinations: `docker://REF`, `docker-daemon:[REF]`, `containers-storage:[REF]`, `docker-archive:FILE[:REF]`, "
        "`oci-archive:FILE[:TAG]`, `oci:DIR[:TAG]`, `-` (stdout). Default: what `tags` name, else `oci:./flakeship-image`",
        group=2,
        default=(),
    )
    load: str = _input(
        "choice",
        "Also load the image into this engine, by the names that `tags` give",
        group=2,
        choices=("docker", "podman"),
    )
    push: str = _input(
        "choice",
        "Whether to send the image: `auto` leaves out what may not be pushed (a fork's pull request, no credentials) and says "
        "so, `true` fails there; `false` builds, packs and verifies, and sends nothing",
        group=2,
        default="auto",
        choices=("auto", "true", "false"),
    )
    allow_untrusted: bool = _input(
        "flag",
        "Push even though the code may be a stranger's: pull requests from forks, pull_request_target",
        group=2,
        default=False,
    )
    media_types: str = _input(
        "choice",
        "Family of media types; `docker` for registries that know no OCI",
        group=2,
        default="oci",
        choices=("oci", "docker"),
    )

    registry: str = _input(
        "text",
        "Registry that `username` and `password` are for. Default: the one that is pushed to",
        group=3,
        commands=_READERS,
    )
    username: str = _input("text", "User name at the registry", group=3, commands=_READERS)
    password: str = _input(
        "text", "Password or token at the registry", group=3, secret=True, commands=_READERS
    )
    github_token: str = _input(
        "text",
        "Token for ghcr.io where no other credentials are given",
        group=3,
        secret=True,
        per_platform={"github": "${{ github.token }}"},
        commands=_ALL,
    )
    authfile: str = _input(
        "path",
        "Credentials in the format of docker's config.json. Default: where docker and podman keep theirs",
        group=3,
        commands=_READERS,
    )
    plain_http: tuple[str, ...] = _input(
        "list",
        "Registries (HOST or HOST:PORT) that are spoken to without TLS",
        group=3,
        default=(),
        commands=_READERS,
    )
    ca: str = _input("path", "Certificates (PEM) to trust besides the system's", group=3, commands=_ALL)

    nix_config: tuple[str, ...] = _input("lines", "Lines for nix.conf", group=4, default=(), commands=NAMERS)
    impure: bool = _input(
        "flag", "Let the evaluation see the environment (`--impure`)", group=4, default=False, commands=NAMERS
    )
    allow_unfree: bool = _input(
        "flag", "Allow packages that are not free; implies `impure`", group=4, default=False, commands=NAMERS
    )
    accept_flake_config: bool = _input(
        "flag",
        "Follow the flake's own nixConfig: only for flakes that you trust like root",
        group=4,
        default=False,
        commands=NAMERS,
    )
    sandbox: str = _input(
        "choice",
        "`required` refuses to build where Nix can't isolate builders",
        group=4,
        default="auto",
        choices=("auto", "required"),
    )

    cachix: str = _input("text", "Name of a Cachix cache to pull from, and with a token to push to", group=5)
    cachix_auth_token: str = _input("text", "Token of the Cachix cache", group=5, secret=True)
    cachix_signing_key: str = _input(
        "text", "Signing key of the Cachix cache, where you keep it yourself", group=5, secret=True
    )
    substituters: tuple[str, ...] = _input("list", "URLs of further binary caches", group=5, default=())
    trusted_public_keys: tuple[str, ...] = _input(
        "list", "Public keys of these caches: `NAME:BASE64`", group=5, default=()
    )

    compression: str = _input(
        "choice",
        "Compression of layers: `auto` is gzip, and none for what is only loaded into an engine; docker before 23 can't "
        "pull zstd",
        group=6,
        default="auto",
        choices=("auto", "gzip", "zstd", "none"),
    )
    compression_level: int | None = _input(
        "number",
        "gzip: 0 to 2, default 2; zstd: 1 to 19, default 3, above 9 with up to 300 MB of memory",
        group=6,
        default=None,
    )
    reuse: str = _input(
        "choice",
        "Use layers again that are published already: `trust` believes what the registry says of them, `verify` "
        "recomputes it, `off` packs all anew",
        group=6,
        default="trust",
        choices=("trust", "verify", "off"),
    )
    reuse_from: tuple[str, ...] = _input(
        "list",
        "Where to look for layers besides the tags that are written: tags, or full references of the same registry. "
        "Default: the default branch, latest, main, edge",
        group=6,
        default=(),
    )
    rebuild: str = _input(
        "choice",
        "`always` builds even where the image in the registry was made from the very same output path",
        group=6,
        default="auto",
        choices=("auto", "always"),
    )
    max_concurrent_uploads: int | None = _input("number", "Layers sent at the same time", group=6, default=4)

    dry_run: bool = _input(
        "flag",
        "Build and pack, look at the registry, print what would be sent, send nothing",
        group=7,
        default=False,
    )
    verify: str = _input(
        "choice",
        "`digests` checks what was written; `rebuild` also builds a second time and compares",
        group=7,
        default="digests",
        choices=("off", "digests", "rebuild"),
    )
    lint: str = _input(
        "choice",
        "What images from Nix commonly lack: said with the Nix line that mends it, or with `strict` refused",
        group=7,
        default="warn",
        choices=("off", "warn", "strict"),
    )
    metadata_file: str = _input(
        "path",
        "Write the result as JSON to this file",
        group=7,
        per_platform={"gitlab": "flakeship-report/metadata.json"},
    )
    log_level: str = _input(
        "choice",
        "How much to say",
        group=7,
        default="info",
        choices=("error", "warn", "info", "debug"),
        commands=(*_ALL, "layers"),
    )

    platform: str = _input(
        "text",
        "Which of several platforms to publish, `linux/arm64`; of a single image that is mislabelled, what it is for",
        group=8,
        commands=_READERS,
    )

    image: str = _input(
        "text",
        "Reference, `oci:DIR`, archive, script or store path to look at",
        group=0,
        commands=("inspect",),
    )
    json: bool = _input(
        "flag", "Print JSON", group=7, default=False, commands=("inspect", "layers", "metadata")
    )

    @property
    def installable(self) -> str:
        """Of a run for one attribute."""
        return self.flake[0] if self.flake else "."


OUTPUTS: Final = {
    "digest": "Digest of the manifest: what to deploy by",
    "imageid": "Digest of the image's config: what `docker images` calls the image",
    "refs": "References with digest of where the image is now, one a line: `ghcr.io/owner/name@sha256:…`",
    "tags": "Full references of the tags that were written, one a line",
    "labels": "Labels of the image, KEY=VALUE, one a line",
    "digests": 'Digest of each platform\'s manifest as JSON: `{"linux/amd64": "sha256:…"}`',
    "pushed": "`true` if the image was sent to a registry",
    "metadata": "The result as JSON, as in `metadata-file`",
}
"""What the command `publish` hands to the next step, and what each of them holds."""


def inputs() -> tuple[Input, ...]:
    """The declaration, group by group."""
    declared = (
        Input(
            name=item.name.replace("_", "-"),
            default=_spelled(item.default),
            **cast("dict[str, Any]", dict(item.metadata)),
        )
        for item in dataclasses.fields(Settings)
    )
    return tuple(sorted(declared, key=lambda item: GROUPS.index(item.group)))


def _spelled(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case None:
            return ""
        case tuple():
            return "\n".join(default)
        case _:
            return str(default)
