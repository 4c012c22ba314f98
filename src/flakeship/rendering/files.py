"""Settings → everything that repeats it: action.yml and the tables of the docs. A test compares them byte for byte."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from flakeship.rendering.github import action, merge_action, metadata_action, native_action
from flakeship.rendering.gitlab import component, merge_component
from flakeship.rendering.manual import manual
from flakeship.settings.completion import COMPLETIONS
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Heading, Input
from flakeship.settings.outputs import OUTPUTS

HEADER: Final = "# Rendered from src/flakeship/settings/declaration.py by `./dev render`; change it there.\n"
ACTION_IMAGE: Final = "Dockerfile"
_FILE: Final = f"image: ../{ACTION_IMAGE}"
_NO_IMAGE: Final = "# zizmor: ignore[unpinned-images] a file of this repository, not an image"


_PAGES: Final = {
    Heading.WHAT: ("What flakeship publishes", "sources.md"),
    Heading.NAMING: ("Tags, labels and annotations", "metadata.md"),
    Heading.WHERE: ("Where an image goes", "destinations.md"),
    Heading.VOUCHING: ("Signing", "signing.md"),
    Heading.ACCESS: ("Credentials", "destinations.md#credentials"),
    Heading.NIX: ("What a flake can do", "security.md#what-a-flake-can-do"),
    Heading.CACHES: ("Binary caches", "sources.md#binary-caches"),
    Heading.PACKING: ("How it works", "how-it-works.md"),
    Heading.RUN: ("What a run tells", "results.md"),
    Heading.CONTAINER: ("How the container starts", "destinations.md#how-the-container-starts"),
    Heading.PACKAGE: ("A plain package", "sources.md#a-plain-package"),
}
"""The page that explains the inputs of a heading: its words, and its address below docs."""


def rendered(*, image: str = ACTION_IMAGE) -> dict[str, str]:
    """Every rendered file by its path. `image` is what the action runs: the Dockerfile, or `docker://…@sha256:…`."""
    gitlab = HEADER + "---\n".join(map(_yaml, component(image)))
    return {
        "action.yml": HEADER + _yaml(action(image)),
        "native/action.yml": HEADER + _yaml(native_action()),
        "metadata/action.yml": HEADER + _yaml(metadata_action(image)).replace(_FILE, f"{_FILE} {_NO_IMAGE}"),
        "merge/action.yml": HEADER + _yaml(merge_action(image)).replace(_FILE, f"{_FILE} {_NO_IMAGE}"),
        "docs/inputs.md": tables(),
        "templates/flakeship.yml": gitlab,
        "gitlab-component.yml": gitlab,
        "templates/merge.yml": HEADER + "---\n".join(map(_yaml, merge_component(image))),
        "data/share/man/man1/flakeship.1": manual(),
        "data/share/bash-completion/completions/flakeship": COMPLETIONS["bash"](),
        "data/share/zsh/site-functions/_flakeship": COMPLETIONS["zsh"](),
        "data/share/fish/vendor_completions.d/flakeship.fish": COMPLETIONS["fish"](),
    }


def tables() -> str:
    """Inputs by group, and outputs."""
    parts = [
        "# Inputs and outputs",
        "",
        "<!-- Rendered from src/flakeship/settings/declaration.py by `./dev render`; change it there. -->",
        "",
        "Every input and every output of `publish`, with its default. They have the same names everywhere; each part links",
        "to the page that explains it.",
        "",
        "| you write | where |",
        "| --- | --- |",
        "| `with:` and `compression-level: 2` | a workflow on GitHub or Forgejo |",
        '| `inputs:` and `compression-level: "2"` | a pipeline on GitLab |',
        "| `--compression-level 2` | the command line |",
        "| `FLAKESHIP_COMPRESSION_LEVEL=2` | the environment, anywhere |",
        "",
        "If an input is set in several places, the command line wins, then `FLAKESHIP_*`, then the action's `with:`. An input",
        "that holds several values takes one a line; a line that begins with `#` is ignored. A secret is never written on the",
        "command line: give it in the environment, or in a file that `--NAME-file` names, such as `--password-file`.",
        "",
        " · ".join(f"[{heading}](#{_anchor(heading)})" for heading in (*Heading, "Outputs")),
    ]
    for heading in Heading:
        more = f"[{_PAGES[heading][0]}]({_PAGES[heading][1]}) tells more."
        parts += [
            "",
            f"## {heading}",
            "",
            more,
            "",
            "| input | what it does | default |",
            "| --- | --- | --- |",
        ]
        parts += [_row(item) for item in inputs() if item.heading == heading and "publish" in item.commands]
    parts += [
        "",
        "## Outputs",
        "",
        "[What a run tells](results.md#the-metadata-file) has the keys of `metadata`.",
        "",
    ]
    parts += ["| output | what it holds |", "| --- | --- |"]
    parts += [f"| `{name}` | {text} |" for name, text in OUTPUTS.items()]
    return "\n".join(parts) + "\n"


def main(argv: Sequence[str]) -> int:
    """Write every rendered file below the current folder."""
    parser = argparse.ArgumentParser(prog="./dev render", description=__doc__)
    parser.add_argument("--image", default=ACTION_IMAGE, help="what action.yml runs (default: %(default)s)")
    image = parser.parse_args(argv).image
    for name, text in rendered(image=image).items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return 0


def _row(item: Input) -> str:
    default = f"`{item.default}`" if item.default else ""
    words = [item.help.replace("|", r"\|")]
    if item.choices:
        words.append(f"One of {', '.join(f'`{choice}`' for choice in item.choices)}.")
    if item.secret:
        words.append("Secret.")
    text = ". ".join(word.rstrip(".") for word in words) + "."
    return f"| `{item.name}` | {text} | {default} |"


def _anchor(heading: str) -> str:
    """Return what GitHub makes of a heading without punctuation."""
    return heading.lower().replace(" ", "-")


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
