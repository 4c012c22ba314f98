"""THE declaration of inputs: the command line, action.yml and the tables in the docs are rendered from it.

It is one flat list, because the inputs are one: users meet them in one table, one `with:` and one `--help`, in the order that
they have here. Outputs stand in `outputs`.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.fields import Heading, Input, Meaning, declared
from flakeship.settings.sizes import spelled_size

NAMERS: Final = ("publish", "metadata")
"""The commands that give an image its names."""

_METADATA: Final = ("metadata",)
_PUSHERS: Final = ("publish", "merge")
_CACHE_USERS: Final = ("publish", "layers")
_TAGGERS: Final = (*NAMERS, "merge")
"""The commands that work out tags and annotations."""

_LOOKERS: Final = ("inspect", "sbom", "diff", "why")
"""The commands that look at images which exist."""

_READERS: Final = ("publish", "merge", *_LOOKERS)
"""The commands that read images."""

_VERIFY: Final = ("verify",)

_CACHE: Final = ("cache",)
_SPEAKERS: Final = (*_READERS, *_VERIFY, *_CACHE)
"""The commands that speak to registries."""

_CI_READERS: Final = (*_SPEAKERS, "metadata")

_what = partial(declared, Heading.WHAT)
_naming = partial(declared, Heading.NAMING)
_where = partial(declared, Heading.WHERE)
_vouching = partial(declared, Heading.VOUCHING)
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
        "The flake attribute to build: `.`, `.#image`, `github:owner/repo/rev#image`. For several images write one "
        "`NAME=INSTALLABLE` a line; lines of `images`, `tags` and `to` that begin with `NAME=` belong to that image. "
        "A line for one platform is `linux/arm64=INSTALLABLE`, with a name before it where there are several images",
        default=(".",),
        commands=NAMERS,
    )
    file: str = _what(
        "text", "A file of Nix to build from, where there is no flake: `default.nix`", commands=NAMERS
    )
    attr: str = _what(
        "text", "The attribute of `file` to build. Default: the whole file is the image", commands=NAMERS
    )
    nix_path: tuple[str, ...] = _what(
        "lines",
        "What `<NAME>` means in `file`, written NAME=PATH-OR-URL. It is searched before NIX_PATH",
        default=(),
        commands=NAMERS,
    )
    source: str = _what(
        "path",
        "An image that exists already, and nothing is built: a store path, an archive, a script, an OCI layout, "
        "`docker://REF`, `docker-daemon:NAME`, or on a command line `-` (a pipe)",
        commands=NAMERS,
    )
    image_in_archive: str = _what(
        "text",
        "The image to take from an archive that holds several: its name, or its number, counted from 1",
        commands=("publish", "inspect", "sbom", "why"),
        means=("shapes-layers",),
    )
    platforms: tuple[str, ...] = _what(
        "list",
        "The platforms to build an attribute for: `linux/amd64,linux/arm64` makes one index. Of a `source` that is an index, "
        "the platforms to take; a single image must be for the platform that is named. Default: this machine's, and all of an "
        "index",
        default=(),
        commands=_READERS,
        means=("shapes-layers", "starts-container"),
    )
    image: str = _what(
        "text",
        "The image to show: a reference, `oci:DIR`, an archive, a script, a store path, `docker-daemon:NAME` or `-` (a pipe); for "
        "`sbom`, `diff` and `why` also what Nix built: `.#app`; for `verify` a reference",
        commands=(*_LOOKERS, *_VERIFY),
    )
    newer: str = _what(
        "text", "The image that is compared with `image`, written likewise", commands=("diff",)
    )
    package: str = _what(
        "text",
        "What to look for: a name (`openssl`, `openssl-3.0.8`), the hash of a store path, a whole one, or a pattern "
        "(`openssl*`)",
        commands=("why",),
    )
    legs: tuple[str, ...] = _what(
        "lines",
        "What to merge, one platform a line: the file of a `push-by-digest`, a folder of such files, the output `metadata` of "
        "such a job, or a reference, with `PLATFORM=` before it where the platform is to be compared",
        default=(),
        commands=("merge",),
        per_platform={"gitlab": "flakeship-report"},
        text_in=("merge",),
    )
    layers_action: str = _what(
        "choice",
        "What to do: `list` shows the layers that are kept, and `prune` removes the oldest until `layer-cache-size` is "
        "left, or all of them if that is 0",
        default="list",
        choices=("list", "prune"),
        commands=("layers",),
    )
    nix_cache_action: str = _what(
        "choice",
        "What to do: `list` shows the roots of `nix-cache`, `prune` removes what its `days` and `size` do not keep, and "
        "`verify` reads everything and compares it",
        default="list",
        choices=("list", "prune", "verify"),
        commands=_CACHE,
    )
    shell: str = _what(
        "choice", "The shell", default="bash", choices=("bash", "zsh", "fish"), commands=("completion",)
    )

    images: tuple[Placed, ...] = _naming(
        "lines",
        "Image names without a tag, one a line: `ghcr.io/owner/name`. Default on GitLab: CI_REGISTRY_IMAGE",
        default=(),
        placed=True,
        commands=(*_TAGGERS, *_CACHE),
    )
    tags: tuple[Placed, ...] = _naming(
        "lines",
        "Tags for the image: full references, or bare tags and rules (`type=semver,pattern={{version}}`) that are "
        "combined with `images`. Default: a tag for the branch, the Git tag or the pull request",
        default=(),
        placed=True,
        commands=_TAGGERS,
    )
    flavor: tuple[Placed, ...] = _naming(
        "lines",
        "Settings for all tags: `latest=auto|true|false`, `prefix=TEXT`, `suffix=TEXT`",
        default=(),
        placed=True,
        commands=_TAGGERS,
    )
    labels: tuple[Placed, ...] = _naming(
        "lines",
        "Labels for the image, written KEY=VALUE. They replace labels of the same name that the flake sets",
        default=(),
        placed=True,
        commands=NAMERS,
        text_in=("publish",),
    )
    auto_labels: bool = _naming(
        "flag",
        "Add the labels that git, CI and the flake provide: revision, source, version, created, title, description, "
        "licenses",
        default=True,
        commands=NAMERS,
    )
    annotations: tuple[Placed, ...] = _naming(
        "lines",
        "Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, "
        "`manifest-descriptor` or `index-descriptor`",
        default=(),
        placed=True,
        commands=_TAGGERS,
        text_in=("publish",),
    )
    annotations_levels: tuple[Placed, ...] = _naming(
        "list",
        "The levels for annotations that name none. Default: DOCKER_METADATA_ANNOTATIONS_LEVELS, else `manifest`, and "
        "also `index` where there are several platforms",
        default=(),
        placed=True,
        commands=_TAGGERS,
    )
    annotations_from_labels: bool = _naming(
        "flag", "Write every label as an annotation too", default=False, commands=_TAGGERS
    )
    context: str = _naming(
        "choice",
        "Where to read branch, tag and commit: from the event that started the `workflow`, or from `git`",
        default="workflow",
        choices=("workflow", "git"),
        commands=_TAGGERS,
    )
    github_api: bool = _naming(
        "flag",
        "Ask GitHub's API, with `github-token`, for what the event lacks: description, licence, default branch",
        default=False,
        commands=_TAGGERS,
    )
    created: str = _naming(
        "text",
        "The creation date of the image: `auto` (SOURCE_DATE_EPOCH, else the date of the commit), `keep` (what the flake "
        "set), `now`, `commit`, a date, or seconds since 1970",
        default="auto",
    )

    to: tuple[str, ...] = _where(
        "list",
        "Where to write the image: `docker://REF`, `docker-daemon:[REF]`, `containers-storage:[REF]`, "
        "`docker-archive:FILE[:REF]`, `oci-archive:FILE[:TAG]`, `oci:DIR[:TAG]`, or `-` (stdout). Default: the registries "
        "that `tags` name, else `oci:./flakeship-image`",
        default=(),
    )
    load: str = _where(
        "choice",
        "Load the image into this engine too, under the names in `tags`",
        choices=("docker", "podman"),
    )
    push: str = _where(
        "choice",
        "Whether to push the image. `auto`: push, and fail if that is not possible, but skip the push with a notice (NOT PUSHED) "
        "where CI gives the run no credentials: forks, Dependabot, refs that are not protected. `true`: fail there too. "
        "`false`: build, pack and check the image, and send nothing",
        default="auto",
        choices=("auto", "true", "false"),
        commands=_PUSHERS,
    )
    allow_untrusted: bool = _where(
        "flag",
        "Push even if a stranger may have written the code: pull requests from forks, pull_request_target",
        default=False,
        commands=_PUSHERS,
    )
    push_by_digest: bool = _where(
        "flag",
        "Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to "
        "`flakeship-IMAGE-PLATFORM.json`, beside `metadata-file`",
        default=False,
    )
    media_types: str = _where(
        "choice",
        "The family of media types. Take `docker` for a registry that does not accept OCI",
        default="oci",
        choices=("oci", "docker"),
    )

    sbom: tuple[str, ...] = _vouching(
        "list",
        "The SBOMs to attach to the image: `true` or `cyclonedx` (1.6), `spdx` (2.3), or both. Where the image goes to no registry they "
        "are files beside `metadata-file`",
        default=(),
    )
    sign: str = _vouching(
        "choice",
        "Whether to sign the image before a tag names it. `key`: by `signing-key`, which alone means it too. `keyless`: as this job of GitHub or "
        "GitLab, by Sigstore. `keyless-public`: also for a private repository, of which the public log then tells name, workflow and time",
        choices=("key", "keyless", "keyless-public", "false"),
        commands=_PUSHERS,
    )
    signing_key: str = _vouching(
        "text",
        "The private key that signs: EC P-256 in PEM, or the text of `cosign.key`",
        secret=True,
        commands=_PUSHERS,
    )
    signing_password: str = _vouching("text", "The password of `signing-key`", secret=True, commands=_PUSHERS)

    provenance: bool = _vouching(
        "flag",
        "Attach provenance (SLSA v1): the flake and its locked inputs, the derivation, Nix, and the run that built it. It is written to "
        "`provenance.json` beside `metadata-file` too",
        default=False,
        commands=_PUSHERS,
    )

    key: str = _vouching(
        "path", "The public key that must have signed the image: `cosign.pub`", commands=_VERIFY
    )
    certificate_identity: str = _vouching(
        "text",
        "Who must have signed the image without a key: the address of the workflow with its ref, as Sigstore certifies it",
        commands=_VERIFY,
    )
    certificate_oidc_issuer: str = _vouching(
        "text",
        "Who must have told Sigstore who that is: `https://token.actions.githubusercontent.com`",
        commands=_VERIFY,
    )

    registry: str = _access(
        "text",
        "The registry that `username` and `password` are for. Default: the registry that is pushed to",
        commands=_SPEAKERS,
    )
    username: str = _access("text", "The user name at the registry", commands=_SPEAKERS)
    password: str = _access("text", "The password or token at the registry", secret=True, commands=_SPEAKERS)
    github_token: str = _access(
        "text",
        "The token for ghcr.io, used where no other credentials are given",
        secret=True,
        per_platform={"github": "${{ github.token }}"},
        commands=_CI_READERS,
    )
    authfile: str = _access(
        "path",
        "A file with credentials, in the format of docker's config.json. Default: the files of docker and podman",
        commands=_SPEAKERS,
    )
    plain_http: tuple[str, ...] = _access(
        "list",
        "Registries to speak to without TLS, written HOST or HOST:PORT",
        default=(),
        commands=_SPEAKERS,
    )
    ca: str = _access(
        "path",
        "A file with certificates (PEM) to trust in addition to those of the system",
        commands=_CI_READERS,
    )

    nix_config: tuple[str, ...] = _nix("lines", "Lines to add to nix.conf", default=(), commands=NAMERS)
    impure: bool = _nix(
        "flag",
        "Evaluate with `--impure`: the flake may read files of this machine, and the variables that Nix is given",
        default=False,
        commands=NAMERS,
    )
    allow_unfree: bool = _nix(
        "flag", "Allow packages with an unfree licence. This implies `impure`", default=False, commands=NAMERS
    )
    accept_flake_config: bool = _nix(
        "flag",
        "Accept the nixConfig of the flake (`accept-flake-config` of Nix). Only for flakes that you trust like root",
        default=False,
        commands=NAMERS,
    )
    pass_env: tuple[str, ...] = _nix(
        "list",
        "Names of environment variables to give to Nix and its builders: `NIX_GITHUB_PRIVATE_PASSWORD`",
        default=(),
        commands=NAMERS,
    )
    builders: tuple[str, ...] = _nix(
        "lines",
        "Machines that build for this one, as Nix writes them: `HOST SYSTEMS KEY JOBS SPEED FEATURES MANDATORY HOST-KEY`, of which "
        "HOST alone is needed (`USER@HOST:PORT`). Several by `;` or one a line, or `@FILE`. They are reached by `ssh-key` and "
        "`ssh-known-hosts`",
        default=(),
        commands=NAMERS,
        text_in=NAMERS,
    )
    store: str = _nix(
        "text",
        "The machine where Nix builds and keeps everything: `ssh-ng://USER@HOST`. The image is shipped from there, and only "
        "what the registry lacks comes here. It is reached by `ssh-key` and `ssh-known-hosts`",
        commands=NAMERS,
    )
    ssh_key: str = _nix(
        "text",
        "The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh://`): its text, without a "
        "passphrase. What is built does not get it",
        secret=True,
        commands=NAMERS,
    )
    ssh_known_hosts: tuple[str, ...] = _nix(
        "lines",
        "The hosts that ssh may speak to, as lines of known_hosts. github.com, gitlab.com, codeberg.org and the user's own "
        "are known already. Any other host is refused",
        default=(),
        commands=NAMERS,
        text_in=NAMERS,
    )
    sandbox: str = _nix(
        "choice",
        "`required`: fail if Nix cannot build in its sandbox, or if a script of the flake cannot be confined. `auto`: go "
        "on without, and say so in the log",
        default="auto",
        choices=("auto", "required"),
    )

    cachix: str = _caches(
        "text",
        "The name of a Cachix cache to pull from. With `cachix-auth-token` the results are pushed to it too",
    )
    cachix_auth_token: str = _caches("text", "The token of the Cachix cache", secret=True)
    cachix_signing_key: str = _caches(
        "text", "The signing key of the Cachix cache, if you keep the key yourself", secret=True
    )
    substituters: tuple[str, ...] = _caches(
        "list", "URLs of further binary caches", default=(), commands=("publish", "why")
    )
    trusted_public_keys: tuple[str, ...] = _caches(
        "list", "The public keys of these binary caches, written NAME:BASE64", default=()
    )

    nix_cache: str = _caches(
        "text",
        "Where the results of builds are kept for later runs: `registry` (the repository IMAGE/nix-cache), `docker://REFERENCE`, "
        "or `oci:DIR`, with `?days=14&size=5G` for what is kept; or a plain binary cache, `file:///DIR` or `https://HOST/PATH`",
        commands=("publish", *_CACHE),
    )
    nix_cache_key: str = _caches(
        "text",
        "The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it. Then nothing is taken from it "
        "that another key signed",
        secret=True,
    )

    layer_cache: str = _packing(
        "path",
        "The folder that keeps packed layers for later runs, or `off`. Default: ~/.cache/flakeship, and `off` in CI",
        commands=_CACHE_USERS,
        per_platform={"gitlab": "off"},  # the component names it as a path of `cache:`, which must be one
    )
    layer_cache_size: int = _packing(
        "size",
        "The size that the layer cache may have: `5G`, `512M`. The layers that were used longest ago are removed first",
        default=5 << 30,
        commands=_CACHE_USERS,
    )
    compression: str = _packing(
        "choice",
        "The compression of layers. `auto` is gzip, and no compression if the image is only loaded into an engine. "
        "docker before 23 cannot pull zstd",
        default="auto",
        choices=("auto", "gzip", "zstd", "none"),
    )
    compression_level: int | None = _packing(
        "number",
        "The level of compression. gzip: 0 to 2, default 2. zstd: 1 to 19, default 3; levels above 9 need up to 300 MB of "
        "memory",
        default=None,
    )
    reuse: str = _packing(
        "choice",
        "Whether to use layers again that are published. `trust`: believe the manifest and config in the registry. "
        "`verify`: read layer and blob, and compare them. `off`: pack all layers again",
        default="trust",
        choices=("trust", "verify", "off"),
    )
    reuse_from: tuple[str, ...] = _packing(
        "list",
        "Further images of the same registry to take layers from: tags, or full references. Default: the default "
        "branch, latest, main, edge",
        default=(),
    )
    rebuild: str = _packing(
        "choice",
        "Whether to build an image that is published. `auto`: not if it was made from the same output path. `always`: "
        "build it. `compare`: build it twice, and fail if the results differ",
        default="auto",
        choices=("auto", "always", "compare"),
    )
    max_concurrent_uploads: int | None = _packing(
        "number", "How many layers are sent at the same time", default=4
    )

    explain: bool = _run("flag", "Print the rule that gave each tag", default=False, commands=_METADATA)
    bake: bool = _run(
        "flag", "Print a definition for `docker buildx bake`", default=False, commands=_METADATA
    )
    bake_target: str = _run(
        "text",
        "The name of the target in definitions for bake",
        default="docker-metadata-action",
        commands=_METADATA,
    )
    bake_folder: str = _run(
        "path",
        "The folder for the files for bake. Default: RUNNER_TEMP",
        commands=_METADATA,
        per_platform={"github": ".flakeship"},
    )
    sep_tags: str = _run(
        "verbatim",
        "The text between two tags in the outputs. Default: a new line",
        commands=_METADATA,
    )
    sep_labels: str = _run(
        "verbatim",
        "The text between two labels in the outputs. Default: a new line",
        commands=_METADATA,
    )
    sep_annotations: str = _run(
        "verbatim",
        "The text between two annotations in the outputs. Default: a new line",
        commands=_METADATA,
    )
    dry_run: bool = _run(
        "flag",
        "Build and pack the image, ask the registry, print what would be sent, and send nothing",
        default=False,
        commands=_PUSHERS,
    )
    lint: str = _run(
        "choice",
        "Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd). `warn` prints the line of "
        "Nix that adds it, `strict` fails",
        default="warn",
        choices=("off", "warn", "strict"),
    )
    metadata_file: str = _run(
        "path",
        "The file to write the result to, as JSON. Pictures of what is in the image lie beside it, as SVG and HTML",
        commands=_PUSHERS,
        per_platform={"gitlab": "flakeship-report/metadata.json"},
    )
    pr_comment: bool = _run(
        "flag",
        "Keep a comment on the pull request that says what changed in the image. GitHub needs `permissions: pull-requests: write`",
        default=False,
        commands=_PUSHERS,
    )
    log_level: str = _run(
        "choice",
        "How much to write to the log",
        default="info",
        choices=("error", "warn", "info", "debug"),
        commands=(*_CI_READERS, "layers"),
    )
    format: str = _run(
        "choice",
        "How to print it. A plan: `json` (the default), `github` (a matrix for `fromJSON`) or `gitlab` (a child pipeline). An "
        "SBOM: `cyclonedx` (1.6, the default) or `spdx` (2.3)",
        choices=("json", "github", "gitlab", "cyclonedx", "spdx"),
        commands=("plan", "sbom"),
    )
    output: str = _run("path", "The file to write the SBOM to. Default: stdout", commands=("sbom",))
    json: bool = _run(
        "flag",
        "Print JSON",
        default=False,
        commands=("inspect", "diff", "why", "layers", "metadata", "doctor", "cache", "verify"),
    )

    entrypoint: str = _start(
        "text",
        'The program to run: `["/bin/app", "--serve"]`, or words. No shell is added. `[]` removes it',
        means=("shapes-layers", "starts-container"),
    )
    cmd: str = _start(
        "text", "The arguments of the entrypoint, written like `entrypoint`", means=("starts-container",)
    )
    env: tuple[str, ...] = _start(
        "lines",
        "Environment variables: KEY=VALUE adds or replaces one, -KEY removes one",
        default=(),
        means=("starts-container",),
    )
    user: str = _start(
        "text",
        "The user that the program runs as: `NAME`, `UID` or `USER:GROUP`",
        means=("shapes-layers", "starts-container"),
    )
    workdir: str = _start("text", "The working directory", means=("starts-container",))
    expose: tuple[str, ...] = _start(
        "list",
        "Ports: `8080`, `53/udp`, `8000-8010`. `-8080` removes one",
        default=(),
        means=("starts-container",),
    )
    volumes: tuple[str, ...] = _start(
        "list",
        "Folders for data: `/data`. `-/data` removes one",
        default=(),
        means=("starts-container",),
    )
    stop_signal: str = _start(
        "text", "The signal that asks the program to end: `SIGINT`", means=("starts-container",)
    )
    healthcheck: str = _start(
        "text",
        'The health check, written as in a Dockerfile: `--interval=30s CMD ["/bin/check"]`, or NONE. Docker runs it',
        means=("starts-container",),
    )
    override_platform: str = _start(
        "text",
        "The platform to write into a single image that states a wrong one: `linux/arm64`. The programs in it do not "
        "change",
        means=("starts-container",),
    )

    contents: tuple[str, ...] = _package(
        "lines",
        "Packages to link into `/`: `nixpkgs#cacert`, `.#tools`, a store path",
        default=(),
        means=("shapes-layers", "packages-only"),
    )
    base: str = _package(
        "choice",
        "What to add to the root. `minimal`: /tmp, a user with a home, /etc/passwd, /etc/group and /etc/nsswitch.conf",
        default="minimal",
        choices=("minimal", "none"),
        means=("shapes-layers", "packages-only"),
    )
    base_image: str = _package(
        "text",
        "An image to put the package on: `docker://REF`. Its folders stay, so `base` adds nothing, and the files of "
        "`contents` are linked into them one by one, except those for `/bin` and `/lib`",
        means=("shapes-layers", "packages-only"),
    )
    max_layers: int | None = _package(
        "number",
        "The largest number of layers. Store paths beyond it share layers",
        default=100,
        means=("shapes-layers", "packages-only"),
    )
    debug: bool = _package(
        "flag",
        "Publish a second image that has a shell, under the same tags with `-debug` at the end",
        default=False,
        means=("packages-only",),
    )
    debug_shell: str = _package(
        "text",
        "The package that the `-debug` image has linked into `/`",
        default="nixpkgs#busybox",
    )

    @property
    def installable(self) -> str:
        """The first of `flake`: the only one in a run for one attribute."""
        return self.flake[0] if self.flake else "."

    @property
    def attaches(self) -> bool:
        """Whether anything is to be attached to the image."""
        signs = self.sign != "false" and bool(self.sign or self.signing_key or self.signing_password)
        return signs or self.provenance or bool(set(self.sbom) - {"false"})

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


@functools.cache
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
