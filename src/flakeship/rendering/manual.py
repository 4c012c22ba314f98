"""The manual page flakeship(1), in roff: man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flakeship import __doc__ as summary
from flakeship import __version__
from flakeship.errors import (
    BuildError,
    NotAllowedError,
    NotAnImageError,
    RejectedError,
    ResourceError,
    UnreachableError,
    UsageError,
)
from flakeship.settings.command_line import COMMANDS, POSITIONAL, SHORT, TAKES_WORDS, WITHOUT_FLAG, takes
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Heading, Input

_ERRORS: Final = (
    UsageError,
    BuildError,
    NotAnImageError,
    NotAllowedError,
    UnreachableError,
    RejectedError,
    ResourceError,
)
_EXAMPLES: Final = {
    "Publish the attribute `image` of the flake in this folder:": "flakeship publish .#image ghcr.io/me/app:1",
    "Write it into a folder, as an OCI image layout:": "flakeship publish .#image --to oci:image",
    "Stamp an image that exists already:": "flakeship publish --source result --labels org.example.team=a --to oci:image",
    "Show what is in an image of a registry:": "flakeship inspect ghcr.io/me/app:1",
}


_LIKE_PUBLISH: Final = frozenset({"publish", "plan", "doctor"})
"""The commands that most options are for, which the page does not say of each."""
_WORDS: Final = "[\\fIINSTALLABLE\\fR [\\fIREFERENCE\\fR ...]] "
_ENVIRONMENT: Final = {
    "FLAKESHIP_NAME": "Sets the option `--name`, with underscores for dashes: FLAKESHIP_DRY_RUN=true. The option wins.",
    "INPUT_NAME": "The same, as GitHub's runner sets the inputs of an action. FLAKESHIP_NAME wins.",
    "DOCKER_CONFIG, REGISTRY_AUTH_FILE": "Where the credentials of docker and podman are looked for.",
    "DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST": "The engine that an image is loaded into.",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The proxy to registries.",
    "NIX_CONFIG, NIX_PATH, NIX_REMOTE": "Are for Nix, which gets them.",
    "SOURCE_DATE_EPOCH": "The image's date, in seconds since 1970, where `--created` is `auto`.",
    "TMPDIR": "Where layers are packed.",
    "NO_COLOR": "Writes without colours.",
}


def manual() -> str:
    """Return the whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Rendered from src/flakeship/settings/declaration.py by `./dev render`; change it there.'
    yield f'.TH FLAKESHIP 1 "" "flakeship {__version__}"'
    yield from (".SH NAME", f"flakeship \\- {_roff(_sentence(summary))}")
    yield from (
        ".SH SYNOPSIS",
        ".B flakeship publish",
        f"{_WORDS}[\\fIOPTION\\fR ...]",
    )
    for command in COMMANDS:
        if command != "publish":
            merging = "\\fILEG\\fR ... " if command == "merge" else ""
            words = merging or (_WORDS if command in TAKES_WORDS else _word_of(command))
            yield from (".br", f".B flakeship {command}", f"{words}[\\fIOPTION\\fR ...]")
    yield ".SH COMMANDS"
    for command, text in COMMANDS.items():
        yield from (".TP", f".B {command}", f"{_roff(text)}.")
    yield from (
        ".PP",
        "The options below are for publish, plan and doctor, unless they name the commands that they are for.",
    )
    for heading in Heading:
        yield f".SH {heading.upper()}"
        for item in inputs():
            if item.heading == heading and item.name not in WITHOUT_FLAG:
                yield from _option(item)
    yield ".SH ENVIRONMENT"
    for names, text in _ENVIRONMENT.items():
        yield from (".TP", f".B {_roff(names)}", _roff(text))
    yield ".SH EXIT STATUS"
    yield from (".TP", ".B 0", "The image is where it should be, or the last line says why it is not pushed.")
    yield from (".TP", ".B 1", "A bug of flakeship, with the traceback of Python.")
    for error in _ERRORS:
        yield from (".TP", f".B {error.exit_code}", _roff((error.__doc__ or "").partition("\n")[0]))
    yield from (".TP", ".B 130, 143", "A signal ended the run, SIGINT or SIGTERM: 128 and its number.")
    yield ".SH EXAMPLES"
    for text, line in _EXAMPLES.items():
        yield from (_roff(text), ".PP", ".RS 4", ".nf", _roff(line), ".fi", ".RE", ".PP")
    yield from (
        ".SH SEE ALSO",
        ".BR nix (1),",
        ".BR skopeo (1)",
        ".PP",
        "https://github.com/flakeship/flakeship",
    )


def _word_of(command: str) -> str:
    """What a command takes without a flag, with a blank behind each; in brackets where it may be left out."""
    return "".join(_word(item) for item in inputs() if item.name in POSITIONAL.get(command, ()))


def _word(item: Input) -> str:
    word = "|".join(f"\\fI{choice}\\fR" for choice in item.choices) or f"\\fI{item.name.upper()}\\fR"
    return f"[{word}] " if item.default else f"{word} "


def _option(item: Input) -> Iterator[str]:
    if item.secret:
        names = [f"--{item.name}-file", "--password-stdin"][: 2 if item.name == "password" else 1]
    else:
        names = [f"--{item.name}", *SHORT.get(item.name, ())]
    value = "|".join(item.choices) or {"flag": "true|false", "number": "N", "size": "SIZE"}.get(
        item.kind, "VALUE"
    )
    yield from (".TP", f".B {_roff(', '.join(names))} \\fI{_roff(value)}\\fR")
    default = f" (default: `{item.default}`)" if item.default else ""
    text = f"{item.help.rstrip('.')}{default}."
    if item.secret:
        text += f" From a file, or from the variable {item.variable}."
    taking = [command for command in COMMANDS if takes(command, item)]
    if taking != [command for command in COMMANDS if command in _LIKE_PUBLISH]:
        text += f" For {', '.join(taking)}."
    yield _roff(text)


def _sentence(text: str | None) -> str:
    return (text or "").strip().rstrip(".")


def _roff(text: str) -> str:
    """Escape what roff would read as its own, and show code in bold."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    if escaped.startswith((".", "'")):
        escaped = "\\&" + escaped
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", escaped)
