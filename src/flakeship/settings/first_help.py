"""The first that a command says of itself: a greeting, and help that fits a terminal of 24 lines and 80 columns."""

from __future__ import annotations

from typing import Final

from flakeship import __doc__ as summary
from flakeship import __version__

GREETING: Final = f"""\
flakeship {__version__}: {summary}

  flakeship publish .#image ghcr.io/me/app:1     build it, stamp it, push it
  flakeship publish .#image --to oci:image       write it to the folder ./image

`.#image` is the package `image` of the flake in this folder. `flakeship publish --help`
shows what most people need, `flakeship --help` the other commands.
"""

FIRST: Final = {
    "flake": ("--flake INSTALLABLE", "what to build, as `nix build` takes it; default `.`"),
    "source": ("--source IMAGE", "an image that exists: path, docker://REF, `-` (pipe)"),
    "platforms": ("--platforms LIST", "platforms to build for: linux/amd64,linux/arm64"),
    "tags": ("-t, --tags REFERENCE", "where to push to, or a tag or rule for `--images`"),
    "labels": ("--labels KEY=VALUE", "labels, which win over those of the flake"),
    "to": ("--to DESTINATION", "oci:DIR, docker-archive:FILE, docker-daemon:, `-`"),
    "push": ("--push auto|true|false", "whether to send it to registries; default auto"),
    "username": ("--username NAME", "user at the registry; `docker login` does, too"),
    "password": ("--password-stdin", "from stdin; else --password-file, FLAKESHIP_PASSWORD"),
    "reuse": ("--reuse trust|verify|off", "whether to trust layers that the registry has"),
    "dry-run": ("--dry-run", "build and pack, say what would be sent, send nothing"),
}
"""The inputs that `--help` shows: how each is written, and in a few words what it is."""

_MERGING: Final = {
    "platforms": ("--platforms LIST", "those that there must be: linux/amd64,linux/arm64"),
    "tags": ("-t, --tags REFERENCE", "tags to set; default: those of the files"),
    "images": ("--images NAME", "names without a tag, for rules in `--tags`"),
    "annotations": ("--annotations KEY=VALUE", "annotations of the index"),
    "push": FIRST["push"],
    "username": FIRST["username"],
    "password": FIRST["password"],
    "dry-run": ("--dry-run", "look at everything, set no tag"),
}
_PLANNING: Final = {
    "flake": ("--flake INSTALLABLE", "what to build; NAME=INSTALLABLE for several images"),
    "platforms": FIRST["platforms"],
    "tags": ("-t, --tags REFERENCE", "where it goes, or a tag or rule for `--images`"),
    "images": ("--images NAME", "names without a tag, for rules in `--tags`"),
    "format": ("--format json|github|gitlab", "a list, a matrix, or a child pipeline"),
    "username": FIRST["username"],
    "password": FIRST["password"],
}
_CHECKING: Final = {
    "flake": ("--flake INSTALLABLE", "what to look at, as `nix build` takes it"),
    "source": FIRST["source"],
    "platforms": ("--platforms LIST", "the platforms that it must be there for"),
    "tags": ("-t, --tags REFERENCE", "whether it may be pushed there; nothing is sent"),
    "to": ("--to DESTINATION", "whether it may be written there; nothing is"),
    "username": FIRST["username"],
    "password": FIRST["password"],
    "json": ("--json", "what was found, for programs"),
}
_LOOKING: Final = {
    "platforms": ("--platforms LIST", "of several platforms those to show: linux/amd64"),
    "image-in-archive": ("--image-in-archive NAME", "which image of an archive; a number counts from 1"),
    "username": FIRST["username"],
    "password": FIRST["password"],
    "registry": ("--registry HOST", "whose these are, if not of the image's registry"),
    "plain-http": ("--plain-http HOST", "a registry without TLS; --ca FILE for a certificate"),
    "json": ("--json", "all that is known, for programs"),
}
_COMPARING: Final = {name: row for name, row in _LOOKING.items() if name != "image-in-archive"}
_ASKING: Final = {
    **{name: row for name, row in _LOOKING.items() if name != "json"},
    "substituters": ("--substituters URL", "a binary cache that knows what refers to what"),
    "json": _LOOKING["json"],
}
_BILL: Final = {
    "format": ("--format cyclonedx|spdx", "CycloneDX 1.6 (the default) or SPDX 2.3"),
    "output": ("--output FILE", "the file to write; default stdout"),
    **{name: row for name, row in _LOOKING.items() if name != "json"},
}
_VERIFYING: Final = {
    "key": ("--key FILE", "the public key that must have signed it: cosign.pub"),
    "certificate-identity": ("--certificate-identity URL", "or whose job must have signed it"),
    "certificate-oidc-issuer": ("--certificate-oidc-issuer URL", "and who must have said who that is"),
    **{name: row for name, row in _LOOKING.items() if name not in {"platforms", "image-in-archive", "json"}},
    "json": ("--json", "each check and the verdict, for programs"),
}
_NAMING: Final = {
    "images": ("--images NAME", "image names without a tag: ghcr.io/me/app"),
    "tags": ("-t, --tags RULE", "rules, bare tags or whole references"),
    "flavor": ("--flavor RULE", "for all tags: latest=auto, prefix=TEXT, suffix=TEXT"),
    "labels": FIRST["labels"],
    "annotations": ("--annotations KEY=VALUE", "annotations, with LEVEL: in front for a level"),
    "context": ("--context workflow|git", "where branch, tag and commit are read"),
    "flake": ("--flake INSTALLABLE", "for tags that are made of a hash or version"),
    "explain": ("--explain", "the rule that each tag came from"),
    "bake": ("--bake", "a definition for `docker buildx bake`"),
    "json": ("--json", "tags, labels and annotations as JSON"),
}
SHOWN: Final = {
    "publish": FIRST,
    "doctor": _CHECKING,
    "plan": _PLANNING,
    "merge": _MERGING,
    "inspect": _LOOKING,
    "diff": _COMPARING,
    "why": _ASKING,
    "sbom": _BILL,
    "verify": _VERIFYING,
    "metadata": _NAMING,
}
"""The inputs that `--help` of each command shows; `--help-all` shows every one."""

_EXAMPLES: Final = {
    "publish": """\
  flakeship publish .#image ghcr.io/me/app:1 ghcr.io/me/app:latest
  flakeship publish .#image ghcr.io/me/app:1 --labels vendor=me --dry-run
  flakeship publish --source result --to docker-daemon:app:1
  ./result | flakeship publish - ghcr.io/me/app:1
""",
    "plan": "  flakeship plan .#image ghcr.io/me/app:1 --platforms linux/amd64,linux/arm64\n",
    "merge": """\
  flakeship merge legs/ --platforms linux/amd64,linux/arm64
  flakeship merge a.json b.json --platforms linux/amd64,linux/arm64 -t 1.2
""",
    "doctor": "  flakeship doctor .#image ghcr.io/me/app:1\n",
    "inspect": """\
  flakeship inspect ghcr.io/me/app:1
  flakeship inspect oci:./flakeship-image
  flakeship inspect ./result --json
""",
    "diff": """\
  flakeship diff ghcr.io/me/app:1 ghcr.io/me/app:2
  flakeship diff ghcr.io/me/app:latest ./result --json
""",
    "why": """\
  flakeship why ghcr.io/me/app:1 openssl
  flakeship why ./result 'gcc-*'
""",
    "verify": """\
  flakeship verify ghcr.io/me/app:1 --key cosign.pub
  flakeship verify ghcr.io/me/app:1
""",
    "sbom": """\
  flakeship sbom .#app --output sbom.json
  flakeship sbom ghcr.io/me/app:1 --format spdx
""",
    "metadata": "  flakeship metadata --images ghcr.io/me/app --tags type=sha --explain\n",
}


def first_help(command: str, usage: str, text: str) -> str:
    """What `flakeship COMMAND --help` prints; `text` is what the command does."""
    rows = (*SHOWN[command].values(), ("-h, --help; --help-all", "this; every input"))
    options = "".join(f"  {flag:25} {words}\n" for flag, words in rows)
    return f"usage: {usage}\n\n{text}.\n\n{options}\nexamples:\n{_EXAMPLES[command]}"
