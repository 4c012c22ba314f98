"""Options of other tools that people write by habit, and what is written here in their place."""

from __future__ import annotations

from typing import Final, NamedTuple

_CREDENTIALS: Final = (
    "set FLAKESHIP_PASSWORD or give --password-stdin, with --username NAME and, of several, --registry HOST"
)
_PLAIN: Final = (
    "write --plain-http HOST for a registry without TLS, or --ca FILE for a certificate of your own"
)
_NO_PLAIN: Final = (
    "write --ca FILE for a certificate of your own, or --plain-http HOST: certificates are always checked"
)
_PLATFORMS: Final = (
    "write --platforms OS/ARCHITECTURE for those of an index to publish, --override-platform OS/ARCHITECTURE for an image "
    "that is mislabelled"
)
_MORE: Final = "write --log-level debug"
_LESS: Final = "write --log-level warn"
_INSPECT: Final = "write `flakeship inspect IMAGE --json`"


class Habit(NamedTuple):
    """The tool that an option belongs to, and what to write here."""

    tool: str
    hint: str


_HABITS: Final[dict[str, Habit]] = {
    "--dest-creds": Habit("skopeo", _CREDENTIALS),
    "--src-creds": Habit("skopeo", _CREDENTIALS),
    "--creds": Habit("skopeo and podman", _CREDENTIALS),
    "--dest-tls-verify": Habit("skopeo", _NO_PLAIN),
    "--src-tls-verify": Habit("skopeo", _NO_PLAIN),
    "--tls-verify": Habit("skopeo and podman", _NO_PLAIN),
    "--dest-authfile": Habit("skopeo", "write --authfile FILE"),
    "--src-authfile": Habit("skopeo", "write --authfile FILE"),
    "--dest-cert-dir": Habit("skopeo", _PLAIN),
    "--insecure-policy": Habit("skopeo", "leave it out: no policy of the machine is asked"),
    "--insecure": Habit("crane", _PLAIN),
    "--all": Habit("skopeo", "leave it out: an index is published with every platform"),
    "-a": Habit("skopeo", "leave it out: an index is published with every platform"),
    "--multi-arch": Habit(
        "skopeo", "leave it out: an index is published with every platform, or choose with --platforms"
    ),
    "--platform": Habit("docker, podman and crane", _PLATFORMS),
    "--override-os": Habit("skopeo", _PLATFORMS),
    "--override-arch": Habit("skopeo", _PLATFORMS),
    "--override-variant": Habit("skopeo", _PLATFORMS),
    "--arch": Habit("podman", _PLATFORMS),
    "--digestfile": Habit("skopeo and podman", "write --metadata-file FILE, or read the digest on stdout"),
    "--iidfile": Habit("docker and podman", "write --metadata-file FILE"),
    "--raw": Habit("skopeo", _INSPECT),
    "--format": Habit("skopeo, docker and podman", "write --media-types oci or --media-types docker"),
    "-f": Habit(
        "docker, skopeo and podman", "write --file FILE for a file of Nix, --media-types for the format"
    ),
    "--remove-signatures": Habit("skopeo", "leave it out: signatures of the image before are not copied"),
    "--image": Habit("crane", "write --source IMAGE"),
    "--label": Habit("docker", "write --labels KEY=VALUE, as often as there are labels"),
    "-l": Habit("docker and crane", "write --labels KEY=VALUE, as often as there are labels"),
    "--annotation": Habit(
        "docker and crane", "write --annotations KEY=VALUE, as often as there are annotations"
    ),
    "--output": Habit("docker", "write --to oci:DIR, oci-archive:FILE or docker-archive:FILE"),
    "-o": Habit("docker and crane", "write --to oci:DIR, oci-archive:FILE or docker-archive:FILE"),
    "--no-cache": Habit("docker", "write --reuse off for layers, --rebuild always for the build"),
    "--build-arg": Habit(
        "docker", "a flake takes no arguments: use `--labels`, `--env` and the like, or another attribute"
    ),
    "-A": Habit("nix-build", "write --attr NAME beside --file FILE"),
    "-I": Habit("nix-build", "write --nix-path NAME=PATH"),
    "--option": Habit("nix", "write --nix-config 'NAME = VALUE'"),
    "--no-link": Habit("nix", "leave it out: no link to the result is made"),
    "--print-build-logs": Habit("nix", "leave it out: the log of a build is shown"),
    "-L": Habit("nix", "leave it out: the log of a build is shown"),
    "--override-input": Habit(
        "nix",
        "build with it first (`nix build`), then publish the link: `flakeship publish ./result REFERENCE`",
    ),
    "--show-trace": Habit("nix", "leave it out; `nix build` takes it, and shows where an evaluation fails"),
    "--system": Habit("nix", "name the system in the attribute: `.#packages.aarch64-linux.image`"),
    "--verbose": Habit("nix and docker", _MORE),
    "-v": Habit("nix and docker", _MORE),
    "--quiet": Habit("docker and skopeo", _LESS),
    "-q": Habit("docker and skopeo", _LESS),
    "-e": Habit("docker and podman", "write --env KEY=VALUE, as often as there are variables"),
    "--password": Habit("docker", f"a command line is no secret: {_CREDENTIALS}"),
    "-p": Habit("docker", f"a command line is no secret: {_CREDENTIALS}"),
    "-u": Habit("docker", "write --username NAME"),
    "--json": Habit(
        "nix", "write --metadata-file FILE; the references with their digests are printed on stdout"
    ),
}


_TO_INSPECT: Final[dict[str, Habit]] = {
    "--raw": Habit("skopeo", "write --json"),
    "--config": Habit("skopeo", "write --json, which has the config as `config`"),
    "--format": Habit("skopeo, docker and podman", "write --json, and let jq choose"),
    "-f": Habit("skopeo, docker and podman", "write --json, and let jq choose"),
    "--no-tags": Habit("skopeo", "leave it out: no tags are listed"),
    "-n": Habit("skopeo", "leave it out: no tags are listed"),
}
"""What they mean to those who look at an image."""

_LOGIN: Final = "log in with `docker login` or `podman login`: flakeship reads what they write"
_PUBLISH: Final = "write `flakeship publish INSTALLABLE REFERENCE`"
_COPY: Final = (
    "write `flakeship publish docker://FROM TO`: what is there already is a source, and nothing is built"
)
_LIST: Final = "list tags with `crane ls` or `skopeo list-tags`, or on the page of the registry"
_DELETE: Final = "delete it on the page of the registry, or as its API says"
_COMMANDS: Final = {
    "push": _PUBLISH,
    "build": f"{_PUBLISH}; with `--to oci:DIR` in place of references it stays on this machine",
    "bundle": _PUBLISH,
    "deploy": _PUBLISH,
    "load": "write `flakeship publish INSTALLABLE --to docker-daemon:NAME:TAG`",
    "save": "write `flakeship publish INSTALLABLE --to docker-archive:FILE`",
    "login": _LOGIN,
    "logout": "log out with `docker logout` or `podman logout`: flakeship keeps no credentials",
    "copy": _COPY,
    "cp": _COPY,
    "sync": _COPY,
    "tag": f"{_COPY}; on a laptop it keeps its digest, in CI with `--auto-labels false --created keep`",
    "pull": "write `flakeship publish docker://REFERENCE --to oci:DIR`, or to docker-daemon:",
    "version": "write `flakeship --version`",
    "run": "load it with `flakeship publish INSTALLABLE --to docker-daemon:NAME:TAG`, then `docker run NAME:TAG`",
    "prune": "write `flakeship layers prune`",
    "digest": "write `flakeship inspect IMAGE --json`, which has it as `digest`",
    "manifest": "write `flakeship inspect IMAGE --json`",
    "config": "write `flakeship inspect IMAGE --json`, which has it as `config`",
    "mutate": f"{_COPY}; `--labels`, `--annotations`, `--env`, `--entrypoint` and the like change it",
    "ls": _LIST,
    "list-tags": _LIST,
    "catalog": _LIST,
    "delete": _DELETE,
    "rm": _DELETE,
    "sign": f"{_PUBLISH} with the key in FLAKESHIP_SIGNING_KEY: an image is signed before a tag names it",
    "attest": "write `flakeship publish INSTALLABLE REFERENCE --sbom true --provenance true`",
    "init": "run `nix flake init -t github:flakeship/flakeship`",
    "images": "write `flakeship inspect IMAGE` for one image; images are listed by the engine or the registry",
}
"""Commands of other tools, and what is written here for each."""


def of_other_tools(option: str, *, command: str = "publish") -> Habit | None:
    """Find an option of skopeo, crane, docker, podman or Nix; None for any other word."""
    habits = _HABITS | _TO_INSPECT if command == "inspect" else _HABITS
    return habits.get(option)


def command_by_habit(word: str) -> str:
    """What to write here for a command of another tool; empty for any other word."""
    return _COMMANDS.get(word, "")
