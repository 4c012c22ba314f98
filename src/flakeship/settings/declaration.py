"""THE declaration of inputs and outputs: the command line, action.yml and the tables in the docs are rendered from it.

It is one flat list, because the inputs are one: users meet them in one table, one `with:` and one `--help`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.fields import Heading, Input, Meaning, declared
from flakeship.settings.sizes import spelled_size

NAMERS: Final = ("publish", "metadata")
"""The commands that give an image its names."""

_METADATA: Final = ("metadata",)
_CACHE_USERS: Final = ("publish", "layers")
_READERS: Final = ("publish", "inspect")
"""The commands that speak to registries."""

_CI_READERS: Final = ("publish", "inspect", "metadata")

_what = partial(declared, Heading.WHAT)
_naming = partial(declared, Heading.NAMING)
_where = partial(declared, Heading.WHERE)
_access = partial(declared, Heading.ACCESS)
_nix = partial(declared, Heading.NIX)
_caches = partial(declared, Heading.CACHES)
_packing = partial(declared, Heading.PACKING)
_run = partial(declared, Heading.RUN)
_start = partial(declared, Heading.CONTAINER)
_package = partial(declared, Heading.PACKAGE)


# docs/decisions.md#settings-are-one-flat-list
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every input, read and checked for its form. A list is a tuple of values, a size is in bytes; a number that is not given is None."""

    flake: tuple[str, ...] = _what(
        "lines",
        "Flake attribute to build: `.`, `.#image`, `github:owner/repo/rev#image`. Of several, each is `NAME=INSTALLABLE`, and "
        "lines of `images`, `tags` and `to` that begin with `NAME=` are its own. A line for one platform is "
        "`linux/arm64=INSTALLABLE`, with a name before it where there are several",
        default=(".",),
        commands=NAMERS,
    )
    file: str = _what(
        "text", "A file of Nix to build from where there is no flake: `default.nix`", commands=NAMERS
    )
    attr: str = _what(
        "text", "The attribute of `file` to build; default: all of it is the image", commands=NAMERS
    )
    nix_path: tuple[str, ...] = _what(
        "lines",
        "What `<NAME>` stands for in `file`: NAME=PATH-OR-URL, besides NIX_PATH",
        default=(),
        commands=NAMERS,
    )
    source: str = _what(
        "path",
        "An image that exists already: store path, archive, script, OCI layout, `docker://REF`, `docker-daemon:NAME`, or on a "
        "command line `-`, for a pipe. Nothing is built",
        commands=NAMERS,
    )
    image_in_archive: str = _what(
        "text",
        "Which image of an archive that holds several: its name, or its number from 1 on",
        commands=_READERS,
        means=("shapes-layers",),
    )
    platforms: tuple[str, ...] = _what(
        "list",
        "Which platforms to build an attribute for: `linux/amd64,linux/arm64` makes one index. Of a `source` that is an index, "
        "which to take; an image alone must be for them. Default: this machine's, and all of an index",
        default=(),
        commands=_READERS,
        means=(
            "shapes-layers",
            "starts-container",
        ),
    )
    image: str = _what(
        "text",
        "Reference, `oci:DIR`, archive, script, store path, `docker-daemon:NAME` or `-` (a pipe) to look at",
        commands=("inspect",),
    )
    layers_action: str = _what(
        "choice",
        "`prune` removes what goes beyond `layer-cache-size` first: with 0, all",
        default="list",
        choices=("list", "prune"),
        commands=("layers",),
    )
    shell: str = _what(
        "choice", "The shell", default="bash", choices=("bash", "zsh", "fish"), commands=("completion",)
    )

    images: tuple[Placed, ...] = _naming(
        "lines",
        "Image names without a tag: `ghcr.io/owner/name`, one a line. Default on GitLab: CI_REGISTRY_IMAGE",
        default=(),
        placed=True,
        commands=NAMERS,
    )
    tags: tuple[Placed, ...] = _naming(
        "lines",
        "Full references, or bare tags and rules (`type=semver,pattern={{version}}`), which are combined with `images`. "
        "Default: a tag for the branch, the Git tag or the pull request",
        default=(),
        placed=True,
        commands=NAMERS,
    )
    flavor: tuple[Placed, ...] = _naming(
        "lines",
        "What holds for all tags: `latest=auto|true|false`, `prefix=TEXT`, `suffix=TEXT`",
        default=(),
        placed=True,
        commands=NAMERS,
    )
    labels: tuple[Placed, ...] = _naming(
        "lines",
        "Labels as KEY=VALUE; they win over the flake's own",
        default=(),
        placed=True,
        commands=NAMERS,
        text_in=("publish",),
    )
    auto_labels: bool = _naming(
        "flag",
        "Add what git, CI and the flake know: revision, source, version, created, title, description, licenses",
        default=True,
        commands=NAMERS,
    )
    annotations: tuple[Placed, ...] = _naming(
        "lines",
        "Annotations as KEY=VALUE, or LEVEL:KEY=VALUE with the level `manifest`, `index`, …",
        default=(),
        placed=True,
        commands=NAMERS,
        text_in=("publish",),
    )
    annotations_levels: tuple[Placed, ...] = _naming(
        "list",
        "Where annotations go that name no level. Default: DOCKER_METADATA_ANNOTATIONS_LEVELS, else `manifest` and, where "
        "there are several platforms, `index`",
        default=(),
        placed=True,
        commands=NAMERS,
    )
    annotations_from_labels: bool = _naming(
        "flag", "Make an annotation of every label", default=False, commands=NAMERS
    )
    context: str = _naming(
        "choice",
        "Where branch, tag and commit are read: from the event that started the `workflow`, or from `git`",
        default="workflow",
        choices=("workflow", "git"),
        commands=NAMERS,
    )
    github_api: bool = _naming(
        "flag",
        "Ask GitHub's API, with `github-token`, for what the event does not tell: description, licence, default branch",
        default=False,
        commands=NAMERS,
    )
    created: str = _naming(
        "text",
        "Creation date: `auto` (SOURCE_DATE_EPOCH, else the commit's date), `keep`, `now`, `commit`, a date, seconds since 1970",
        default="auto",
    )

    to: tuple[str, ...] = _where(
        "list",
        "Destinations: `docker://REF`, `docker-daemon:[REF]`, `containers-storage:[REF]`, `docker-archive:FILE[:REF]`, "
        "`oci-archive:FILE[:TAG]`, `oci:DIR[:TAG]`, `-` (stdout). Default: what `tags` name, else `oci:./flakeship-image`",
        default=(),
    )
    load: str = _where(
        "choice",
        "Also load the image into this engine, by the names that `tags` give",
        choices=("docker", "podman"),
    )
    push: str = _where(
        "choice",
        "Whether to send the image: `auto` fails where it can't be pushed, but for a run that CI keeps credentials from (of a "
        "fork, of Dependabot, on an unprotected ref), which says NOT PUSHED; `true` fails there too; `false` builds, packs and "
        "verifies, and sends nothing",
        default="auto",
        choices=("auto", "true", "false"),
    )
    allow_untrusted: bool = _where(
        "flag",
        "Push even though the code may be a stranger's: pull requests from forks, pull_request_target",
        default=False,
    )
    media_types: str = _where(
        "choice",
        "Family of media types; `docker` for registries that know no OCI",
        default="oci",
        choices=("oci", "docker"),
    )

    registry: str = _access(
        "text",
        "Registry that `username` and `password` are for. Default: the one that is pushed to",
        commands=_READERS,
    )
    username: str = _access("text", "User name at the registry", commands=_READERS)
    password: str = _access("text", "Password or token at the registry", secret=True, commands=_READERS)
    github_token: str = _access(
        "text",
        "Token for ghcr.io where no other credentials are given",
        secret=True,
        per_platform={"github": "${{ github.token }}"},
        commands=_CI_READERS,
    )
    authfile: str = _access(
        "path",
        "Credentials in the format of docker's config.json. Default: where docker and podman keep theirs",
        commands=_READERS,
    )
    plain_http: tuple[str, ...] = _access(
        "list",
        "Registries (HOST or HOST:PORT) that are spoken to without TLS",
        default=(),
        commands=_READERS,
    )
    ca: str = _access("path", "Certificates (PEM) to trust besides the system's", commands=_CI_READERS)

    nix_config: tuple[str, ...] = _nix("lines", "Lines for nix.conf", default=(), commands=NAMERS)
    impure: bool = _nix(
        "flag", "Let the evaluation see the environment (`--impure`)", default=False, commands=NAMERS
    )
    allow_unfree: bool = _nix(
        "flag", "Allow packages that are not free; implies `impure`", default=False, commands=NAMERS
    )
    accept_flake_config: bool = _nix(
        "flag",
        "Follow the flake's own nixConfig: only for flakes that you trust like root",
        default=False,
        commands=NAMERS,
    )
    pass_env: tuple[str, ...] = _nix(
        "list",
        "Names of environment variables that Nix and its builders get besides Nix's own: `NIX_GITHUB_PRIVATE_PASSWORD`",
        default=(),
        commands=NAMERS,
    )
    ssh_key: str = _nix(
        "text",
        "Private key by which Nix fetches flakes and inputs over ssh (`git+ssh://`): its text, without a passphrase. Builders "
        "don't get it",
        secret=True,
        commands=NAMERS,
    )
    ssh_known_hosts: tuple[str, ...] = _nix(
        "lines",
        "Whom ssh may speak to: lines of known_hosts, besides the user's own, github.com, gitlab.com and codeberg.org. No "
        "other host is believed",
        default=(),
        commands=NAMERS,
        text_in=NAMERS,
    )
    sandbox: str = _nix(
        "choice",
        "`required` refuses to build where Nix can't isolate builders, and to execute a script that can't be confined",
        default="auto",
        choices=("auto", "required"),
    )

    cachix: str = _caches(
        "text",
        "Name of a Cachix cache to pull from, and with a token to push to",
    )
    cachix_auth_token: str = _caches("text", "Token of the Cachix cache", secret=True)
    cachix_signing_key: str = _caches(
        "text", "Signing key of the Cachix cache, where you keep it yourself", secret=True
    )
    substituters: tuple[str, ...] = _caches("list", "URLs of further binary caches", default=())
    trusted_public_keys: tuple[str, ...] = _caches(
        "list", "Public keys of these caches: `NAME:BASE64`", default=()
    )

    layer_cache: str = _packing(
        "path",
        "Folder that keeps packed layers for later runs, or `off`. Default: ~/.cache/flakeship, and off in CI",
        commands=_CACHE_USERS,
        per_platform={"gitlab": "off"},  # the component names it as a path of `cache:`, which must be one
    )
    layer_cache_size: int = _packing(
        "size",
        "How much it may hold: `5G`, `512M`; the layers used longest ago go first",
        default=5 << 30,
        commands=_CACHE_USERS,
    )
    compression: str = _packing(
        "choice",
        "Compression of layers: `auto` is gzip, and none for what is only loaded into an engine; docker before 23 can't "
        "pull zstd",
        default="auto",
        choices=("auto", "gzip", "zstd", "none"),
    )
    compression_level: int | None = _packing(
        "number",
        "gzip: 0 to 2, default 2; zstd: 1 to 19, default 3, above 9 with up to 300 MB of memory",
        default=None,
    )
    reuse: str = _packing(
        "choice",
        "Use layers again that are published already: `trust` believes what the registry says of them, `verify` "
        "recomputes it, `off` packs all anew",
        default="trust",
        choices=("trust", "verify", "off"),
    )
    reuse_from: tuple[str, ...] = _packing(
        "list",
        "Where to look for layers besides the tags that are written: tags, or full references of the same registry. "
        "Default: the default branch, latest, main, edge",
        default=(),
    )
    rebuild: str = _packing(
        "choice",
        "`always` builds even where the image in the registry was made from the very same output path; `compare` builds "
        "twice, and refuses what differs",
        default="auto",
        choices=("auto", "always", "compare"),
    )
    max_concurrent_uploads: int | None = _packing("number", "Layers sent at the same time", default=4)

    explain: bool = _run("flag", "Print the rule that each tag came from", default=False, commands=_METADATA)
    bake: bool = _run(
        "flag", "Print a definition for `docker buildx bake`", default=False, commands=_METADATA
    )
    bake_target: str = _run(
        "text",
        "The target's name in definitions for bake",
        default="docker-metadata-action",
        commands=_METADATA,
    )
    bake_folder: str = _run(
        "path",
        "Where the files for bake are written; default: RUNNER_TEMP",
        commands=_METADATA,
        per_platform={"github": ".flakeship"},
    )
    sep_tags: str = _run(
        "verbatim",
        "What stands between tags in the outputs; default: a new line",
        commands=_METADATA,
    )
    sep_labels: str = _run(
        "verbatim",
        "What stands between labels in the outputs; default: a new line",
        commands=_METADATA,
    )
    sep_annotations: str = _run(
        "verbatim",
        "What stands between annotations in the outputs; default: a new line",
        commands=_METADATA,
    )
    dry_run: bool = _run(
        "flag",
        "Build and pack, look at the registry, print what would be sent, send nothing",
        default=False,
    )
    lint: str = _run(
        "choice",
        "What images from Nix commonly lack: said with the Nix line that mends it, or with `strict` refused",
        default="warn",
        choices=("off", "warn", "strict"),
    )
    metadata_file: str = _run(
        "path",
        "Write the result as JSON to this file",
        per_platform={"gitlab": "flakeship-report/metadata.json"},
    )
    log_level: str = _run(
        "choice",
        "How much to say",
        default="info",
        choices=("error", "warn", "info", "debug"),
        commands=(*_CI_READERS, "layers"),
    )
    json: bool = _run(
        "flag", "Print JSON", default=False, commands=("inspect", "layers", "metadata", "doctor")
    )

    entrypoint: str = _start(
        "text",
        'What is run: `["/bin/app", "--serve"]`, or words; no shell is added. `[]` takes it away',
        means=(
            "shapes-layers",
            "starts-container",
        ),
    )
    cmd: str = _start("text", "Arguments of the entrypoint, written like it", means=("starts-container",))
    env: tuple[str, ...] = _start(
        "lines",
        "Environment: KEY=VALUE adds or replaces, -KEY removes",
        default=(),
        means=("starts-container",),
    )
    user: str = _start(
        "text",
        "User, as `NAME`, `UID` or `USER:GROUP`",
        means=(
            "shapes-layers",
            "starts-container",
        ),
    )
    workdir: str = _start("text", "Working directory", means=("starts-container",))
    expose: tuple[str, ...] = _start(
        "list",
        "Ports: `8080`, `53/udp`, `8000-8010`; `-8080` takes one away",
        default=(),
        means=("starts-container",),
    )
    volumes: tuple[str, ...] = _start(
        "list",
        "Folders that hold data: `/data`; `-/data` takes one away",
        default=(),
        means=("starts-container",),
    )
    stop_signal: str = _start(
        "text", "Signal that asks the program to end: `SIGINT`", means=("starts-container",)
    )
    healthcheck: str = _start(
        "text",
        'As in a Dockerfile: `--interval=30s CMD ["/bin/check"]`, or NONE; docker reads it',
        means=("starts-container",),
    )
    override_platform: str = _start(
        "text",
        "What a single image is for that is mislabelled: `linux/arm64`; its programs stay what they are",
        means=("starts-container",),
    )

    contents: tuple[str, ...] = _package(
        "lines",
        "Installables whose trees are linked into `/`: `nixpkgs#cacert`, `.#tools`, a store path",
        default=(),
        means=(
            "shapes-layers",
            "packages-only",
        ),
    )
    base: str = _package(
        "choice",
        "`minimal` adds /tmp, a user with a home, /etc/passwd, /etc/group and /etc/nsswitch.conf",
        default="minimal",
        choices=("minimal", "none"),
        means=(
            "shapes-layers",
            "packages-only",
        ),
    )
    base_image: str = _package(
        "text",
        "Image to put the package on: `docker://REF`. Its folders stay: `base` is left out, and links to the files of `contents` are laid into them, but for `/bin` and `/lib`",
        means=(
            "shapes-layers",
            "packages-only",
        ),
    )
    max_layers: int | None = _package(
        "number",
        "Layers at most; store paths beyond that share layers",
        default=100,
        means=(
            "shapes-layers",
            "packages-only",
        ),
    )
    debug: bool = _package(
        "flag",
        "Also publish the image with a shell in it, under tags that end in `-debug`",
        default=False,
        means=(
            "shapes-layers",
            "packages-only",
        ),
    )
    debug_shell: str = _package(
        "text",
        "Installable whose tree the `-debug` image has linked into `/`",
        default="nixpkgs#busybox",
    )

    @property
    def installable(self) -> str:
        """The first of `flake`: the only one in a run for one attribute."""
        return self.flake[0] if self.flake else "."

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of all secret inputs that are given."""
        return tuple(filter(None, (str(getattr(self, item.name)) for item in _fields(secret=True))))

    def given(self, meaning: Meaning) -> dict[str, Any]:
        """The inputs of one meaning that have another value than their default, by the names of their fields."""
        values = {
            item.name: (getattr(self, item.name), item.default)
            for item in dataclasses.fields(self)
            if meaning in item.metadata["means"]
        }
        return {name: value for name, (value, default) in values.items() if value != default}


def _fields(*, secret: bool) -> list[dataclasses.Field[Any]]:
    return [item for item in dataclasses.fields(Settings) if item.metadata["secret"] == secret]


OUTPUTS: Final = {
    "digest": "Digest of the manifest: what to deploy by. Empty if the image was written nowhere, as are the next three",
    "imageid": "Digest of the image's config: what `docker images` calls the image",
    "refs": "References with digest of where the image is now, one a line: `ghcr.io/owner/name@sha256:…`",
    "tags": "Full references of the tags that were written, one a line",
    "labels": "Labels of the image, KEY=VALUE, one a line",
    "digests": 'Digest of each platform\'s manifest as JSON: `{"linux/amd64": "sha256:…"}`; `{}` if the image is nowhere',
    "pushed": "`true` if registries have all that was to be pushed, of all attributes; `false` if there was nothing to push",
    "metadata": "The result as JSON, as in `metadata-file`",
}
"""What the command `publish` hands to the next step, and what each of them holds."""


METADATA_OUTPUTS: Final = {
    "version": "Version of the image: its first tag",
    "tags": "Full references, one a line",
    "tag-names": "Tags without the name of an image, one a line",
    "labels": "Labels, KEY=VALUE, one a line",
    "annotations": "Annotations, LEVEL:KEY=VALUE, one a line",
    "json": "Tags, labels and annotations as JSON",
    "bake-file-tags": "File for `docker buildx bake` with the tags",
    "bake-file-labels": "File for `docker buildx bake` with the labels",
    "bake-file-annotations": "File for `docker buildx bake` with the annotations",
    "bake-file": "File for `docker buildx bake` with tags and labels",
}
"""What the command `metadata` hands to the next step: the outputs of docker/metadata-action, and what they hold."""


def inputs() -> tuple[Input, ...]:
    """The declaration as data, heading by heading."""
    declared_ = (
        Input(
            name=item.name.replace("_", "-"),
            default=_spelled(item.default, item.metadata["kind"]),
            **cast("dict[str, Any]", dict(item.metadata)),
        )
        for item in dataclasses.fields(Settings)
    )
    return tuple(declared_)


def _spelled(default: object, kind: str) -> str:
    match default:
        case int() if kind == "size":
            return spelled_size(default)
        case bool():
            return str(default).lower()
        case None:
            return ""
        case tuple():
            return "\n".join(default)
        case _:
            return str(default)
