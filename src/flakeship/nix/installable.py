"""The grammar of an installable, `FLAKE#ATTRIBUTE^OUTPUTS`, and where a local flake lies on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from flakeship.errors import UsageError

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OUTPUTS: Final = re.compile(r"\*|[A-Za-z0-9+._?=-]+(,[A-Za-z0-9+._?=-]+)*")
_ATTRIBUTE: Final = re.compile(
    r"""\.?(?:"[^"]+"|[^\s".#^,;:()\[\]{}]+)(?:\.(?:"[^"]+"|[^\s".#^,;:()\[\]{}]+))*"""
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_STORE_PATH: Final = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[^/]+")
_PASSWORD: Final = re.compile(r"https?://[^/@]+@|://[^/@]*:[^/@]*@")
_EXAMPLES: Final = (
    "write for example `.`, `.#image`, `./folder#packages.x86_64-linux.image` or `github:owner/repo#image`"
)


@dataclass(frozen=True, slots=True)
class Installable:
    """What to build: `flake` as Nix takes it when it runs in `cwd`, `attribute` empty for the default package.

    `directory` is the folder that holds the flake.nix of a local flake.
    """

    flake: str
    attribute: str
    outputs: tuple[str, ...]
    cwd: str
    directory: Path | None

    @classmethod
    def parse(cls, text: str, *, cwd: str | Path) -> Self:
        """Read the input `flake`. UsageError if it is malformed or names a folder without a flake."""
        text = text.strip() or "."
        if text.startswith("-") or _CONTROL.search(text):
            raise UsageError(f"flake: {text[:200]!r} is not an installable", hint=_EXAMPLES)
        if _PASSWORD.search(text):
            raise UsageError(
                "flake: the address holds a password, and a command line is no secret",
                hint="give the password to Nix: `nix-config: access-tokens = HOST=TOKEN`, or a netrc file",
            )
        if _STORE_PATH.fullmatch(text):
            raise UsageError(
                f"flake: {text} is a store path, built already", hint=f"give it as `source: {text}`"
            )
        flake, _, fragment = text.partition("#")
        attribute, outputs = _fragment(fragment, text=text)
        flake = flake or "."
        return cls(flake, attribute, outputs, str(cwd), _directory(flake, cwd=Path(cwd)))

    def __str__(self) -> str:
        outputs = "^" + ",".join(self.outputs) if self.outputs else ""
        return self.flake + ("#" + self.attribute if self.attribute or outputs else "") + outputs


def _fragment(fragment: str, *, text: str) -> tuple[str, tuple[str, ...]]:
    attribute, caret, outputs = fragment.partition("^")
    if caret and not _OUTPUTS.fullmatch(outputs):
        raise UsageError(
            f"flake: {text!r} names no output after `^`", hint="write `^out`, `^bin,doc` or `^*`"
        )
    if attribute and not _ATTRIBUTE.fullmatch(attribute):
        raise UsageError(f"flake: {attribute[:200]!r} is not an attribute path", hint=_EXAMPLES)
    return attribute, tuple(outputs.split(",")) if caret else ()


def _directory(flake: str, *, cwd: Path) -> Path | None:
    """The folder of a local flake, found as Nix finds it: for a path also above it, up to the repository's top."""
    url = urlsplit(flake)
    if url.scheme in ("path", "git+file"):
        return _flake_folder(
            cwd / unquote(url.path), flake, above=False, dir=parse_qs(url.query).get("dir", [""])[0]
        )
    if flake.startswith((".", "/")):
        path, _, query = flake.partition("?")
        return _flake_folder(cwd / path, flake, above=True, dir=parse_qs(query).get("dir", [""])[0])
    if flake.startswith("~"):
        raise UsageError(
            f"flake: {flake!r}: only a shell knows what `~` is", hint="write the folder's whole path"
        )
    if _NAME.fullmatch(flake) and (cwd / flake / "flake.nix").exists():
        raise UsageError(
            f"flake: {flake!r} is a name in Nix's registry of flakes", hint=f"write ./{flake} for the folder"
        )
    return None


def _flake_folder(folder: Path, flake: str, *, above: bool, dir: str) -> Path:  # noqa: A002 - Nix's name for it
    folder = (folder / dir).resolve()
    if folder.name == "flake.nix" and folder.is_file():
        raise UsageError(
            f"flake: {flake!r} is a file", hint=f"give its folder: {flake.removesuffix('flake.nix') or '.'}"
        )
    if not folder.is_dir():
        raise UsageError(
            f"flake: there is no folder {folder}", hint="a relative path starts at the working folder"
        )
    for candidate in (folder, *folder.parents) if above else (folder,):
        if (candidate / "flake.nix").exists():
            return candidate
        if (candidate / ".git").exists():
            break
    raise UsageError(
        f"flake: there is no flake.nix in {folder}", hint="give the folder that holds it, with ./ in front"
    )
