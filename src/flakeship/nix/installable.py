"""The grammar of an installable: `FLAKE#ATTRIBUTE^OUTPUTS`, or a Nix file and an attribute in it.

https://nix.dev/manual/nix/latest/command-ref/new-cli/nix#installables
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from flakeship.errors import UsageError
from flakeship.nix import attribute_path
from flakeship.store_paths import STORE, store_path_of

ALL_OUTPUTS: Final = ("*",)
"""The outputs of `^*`."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OUTPUTS: Final = re.compile(r"\*|[A-Za-z0-9+._?=-]+(,[A-Za-z0-9+._?=-]+)*")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:/[A-Za-z0-9_.-]+)*/?")
"""What Nix looks up in its registry of flakes: a name, and perhaps a branch and a revision behind it."""

_SHELL: Final = re.compile(r"[\s\"'$&;()<>|*?!`\\\[\]{}~]")
_PASSWORD: Final = re.compile(r"https?://[^/@]+@|://[^/@]*:[^/@]*@")
_EXAMPLES: Final = "write an installable such as `.`, `.#image`, `./folder#packages.x86_64-linux.image` or `github:owner/repo#image`"
_MOST_SEEN: Final = 100
_FILES: Final = "write `file: default.nix` and `attr: image`, and pins as `nixpkgs=PATH-OR-URL`"


class NoFlakeError(UsageError):
    """A folder holds no flake.nix."""


@dataclass(frozen=True, slots=True)
class Installable:
    """What to build. `flake` is a flake reference, relative to `cwd`; `attribute` is empty for the default package.

    `directory` is the folder with the flake.nix of a local flake, and None for any other flake.
    """

    flake: str
    attribute: str
    outputs: tuple[str, ...]
    cwd: str
    directory: Path | None
    file: str = ""
    """The Nix file to evaluate, as `nix --file` takes it; then `flake` is empty."""
    search_path: tuple[str, ...] = ()
    """The search path for the file, each entry `NAME=PATH` as `nix -I` takes it."""
    inputs_from: str = ""
    """The flake whose locked inputs stand for the names of the registry, as in `nixpkgs#hello`; empty for the registry's own."""

    @classmethod
    def of_file(
        cls, text: str, attribute: str, *, search_path: tuple[str, ...] = (), cwd: str | Path
    ) -> Self:
        """Read the inputs `file`, `attr` and `nix-path`. UsageError if they are malformed or name no file."""
        for name, value in (("file", text), *(("nix-path", line) for line in search_path)):
            if not value or value.startswith("-") or _CONTROL.search(value):
                raise UsageError(f"{name}: {value[:200]!r} is not a path", hint=_FILES)
            if _PASSWORD.search(value):
                raise _password(name)
        if not text.startswith(("<", "channel:")) and "://" not in text:
            _check_file(Path(cwd, text), text)
        path, outputs = _fragment(attribute, text=attribute, name="attr")
        return cls("", path, outputs, str(cwd), None, text, search_path)

    @property
    def options(self) -> tuple[str, ...]:
        """The options of a nix command line that belong to this installable."""
        pins = (word for pin in self.search_path for word in ("-I", pin))
        inputs = ("--inputs-from", self.inputs_from) if self.inputs_from else ()
        return ("--file", self.file, *pins) if self.file else inputs

    @property
    def spelled(self) -> str:
        """The words that a user would write after `nix build` in a shell."""
        if not self.file:
            return shlex.quote(self.argument) if _SHELL.search(self.argument) else self.argument
        return shlex.join(filter(None, (*self.options, self.attribute + self.caret)))

    @property
    def caret(self) -> str:
        """The outputs as Nix 2.13 and newer spell them, `^bin,doc`; empty if no output is named."""
        return "^" + ",".join(self.outputs) if self.outputs else ""

    @property
    def target(self) -> str:
        """The argument that names the flake or the attribute in the file, without outputs.

        It is empty for a file without an attribute, which stands for the whole file. The attribute of a flake is written in
        characters that every version of Nix takes in a URL.
        """
        if self.file or not self.attribute:
            return self.attribute if self.file else self.flake
        return f"{self.flake}#{attribute_path.on_command_line(self.attribute)}"

    @property
    def argument(self) -> str:
        """`target` with the outputs behind it, as Nix 2.13 and newer take them."""
        if self.file or self.attribute or not self.outputs:
            return self.target + self.caret
        return f"{self.target}#{self.caret}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the attribute path, without quotes."""
        return attribute_path.names_in(self.attribute, encoded=not self.file)

    @classmethod
    def parse(cls, text: str, *, cwd: str | Path) -> Self:
        """Read the input `flake`. UsageError if it is malformed, or names a folder without a flake."""
        text = text.strip() or "."
        if text.startswith("-") or _CONTROL.search(text):
            raise UsageError(f"flake: {text[:200]!r} is not an installable", hint=_EXAMPLES)
        if _PASSWORD.search(text):
            raise _password("flake")
        if store_path_of(text) and text.count("/") == STORE.count("/"):
            raise UsageError(
                f"flake: {text} is a store path, which is built already", hint=f"write `source: {text}`"
            )
        flake, mark, fragment = text.partition("#")
        # Nix would take the default package, and a job of CI means one whose variable is not set.
        if mark and not fragment.strip():
            raise UsageError(
                f"flake: {text!r} names no attribute behind the `#` (an unset variable?)",
                hint=f"write `{flake or '.'}` for the default package, or `{flake or '.'}#image`",
            )
        attribute, outputs = _fragment(fragment, text=text)
        flake = flake or "."
        _check_name(text, cwd=Path(cwd))
        return cls(flake, attribute, outputs, str(cwd), _directory(flake, cwd=Path(cwd)))

    def __str__(self) -> str:
        outputs = self.caret
        if self.file:
            return f"{self.attribute}{outputs} of {self.file}" if self.attribute else self.file + outputs
        return self.flake + ("#" + self.attribute if self.attribute or outputs else "") + outputs


def ordered_outputs(names: Iterable[str]) -> tuple[str, ...]:
    """Return output names that nobody put in order as every version of Nix gets them: `out`, `bin`, then by the alphabet."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: (name != "out", name != "bin", name)))


def _password(name: str) -> UsageError:
    return UsageError(
        f"{name}: the address holds a password, and other users of this machine can read Nix's command line",
        hint="give the password to Nix: `nix-config: access-tokens = HOST=TOKEN`, or a netrc file",
    )


def _check_file(path: Path, text: str) -> None:
    if path.is_dir() and not (path / "default.nix").exists():
        raise UsageError(f"file: there is no default.nix in {path}", hint=_FILES)
    if not path.exists():
        raise UsageError(
            f"file: there is no file {path}",
            hint="check the path: a relative one begins at the working folder",
        )
    if path.name == "flake.nix":
        raise UsageError(f"file: {text!r} is a flake", hint="set `flake` to its folder")


def _fragment(fragment: str, *, text: str, name: str = "flake") -> tuple[str, tuple[str, ...]]:
    attribute, outputs = attribute_path.split_at_caret(fragment)
    if outputs is not None and not _OUTPUTS.fullmatch(outputs):
        raise UsageError(
            f"{name}: {text!r} names no output after `^`", hint="write `^out`, `^bin,doc` or `^*`"
        )
    if attribute and (fault := attribute_path.fault_in(attribute, encoded=name == "flake")):
        raise UsageError(f"{name}: {attribute[:200]!r} is not an attribute path: {fault}", hint=_EXAMPLES)
    return attribute, tuple(outputs.split(",")) if outputs else ()


def _check_name(text: str, *, cwd: Path) -> None:
    """UsageError for a folder with `#` or `?` in its name, where no folder has the name before that."""
    first = re.search("[#?]", text)
    if not first or not text.startswith((".", "/")) or (cwd / text[: first.start()]).exists():
        return
    for end in (*(each.start() for each in re.finditer("[#?]", text)), len(text)):
        folder = cwd / text[:end]
        if end > first.start() and os.path.isdir(folder):  # noqa: PTH112 - Path raises for a name that is too long
            raise UsageError(
                f"flake: there is no folder {cwd / text[: first.start()]}: a `{first[0]}` ends its name here",
                hint=f"change to {folder} and write `.{text[end:]}`",
            )


def _directory(flake: str, *, cwd: Path) -> Path | None:
    """Return the folder of a local flake as Nix finds it; None if the flake is not local.

    For a path without a scheme Nix looks in the folders above too, up to the top of the git repository.
    """
    url = urlsplit(flake)
    if url.scheme in ("path", "git+file"):
        return _folder_of_url(url, flake, cwd=cwd)
    if flake.startswith((".", "/")):
        path, _, query = flake.partition("?")
        below = parse_qs(query).get("dir", [""])[0]
        if below and _flake_above(cwd / path) is None and (cwd / path / below / "flake.nix").exists():
            raise UsageError(
                f"flake: {flake!r}: Nix looks for a flake.nix in {path} before it looks at `dir`, and that file does not exist",
                hint=f"write {_dotted(Path(path, below))} for the folder",
            )
        return _flake_folder(cwd / path, flake, above=True, dir=below)
    if flake.startswith("~"):
        raise UsageError(
            f"flake: {flake!r}: `~` stands for a folder only in a shell", hint="write the folder's whole path"
        )
    if _NAME.fullmatch(flake) and (cwd / flake / "flake.nix").exists():
        raise UsageError(
            f"flake: {flake!r} is read as a name in Nix's registry of flakes",
            hint=f"write `./{flake}` for the folder",
        )
    return None


def _folder_of_url(url: SplitResult, flake: str, *, cwd: Path) -> Path | None:
    if url.netloc:
        raise UsageError(
            f"flake: {flake!r}: between `//` and the next `/` of a URL stands a host, here {url.netloc!r}",
            hint=f"write {_dotted(Path(url.netloc + url.path))} for the folder, or its whole path: {url.scheme}:///PATH",
        )
    query = parse_qs(url.query)
    below = query.get("dir", [""])[0]
    folder = Path(os.path.realpath(cwd / unquote(url.path)))
    if url.scheme == "git+file" and folder.is_dir():
        in_folder, is_tree = (folder / below / "flake.nix").exists(), (folder / ".git").exists()
        if not in_folder and ((folder / "HEAD").is_file() or (is_tree and {"ref", "rev"} & query.keys())):
            return None  # what is built is a commit, and not what lies in the folder
        if in_folder and not is_tree:
            raise UsageError(
                f"flake: {flake!r}: {folder} is not the top of a git repository",
                hint=f"write {_dotted(Path(unquote(url.path)))} for the folder, or git+file:TOP?dir={below or 'FOLDER'}",
            )
    return _flake_folder(cwd / unquote(url.path), flake, above=False, dir=below)


def _dotted(path: Path) -> str:
    """The path as Nix takes it for a folder, which without a dot or slash in front is a name in the registry."""
    return str(path) if path.is_absolute() or str(path).startswith(".") else f"./{path}"


def _flake_above(folder: Path) -> Path | None:
    """The folder with a flake.nix where Nix looks for one: here, or above, up to the top of the git repository."""
    folder = Path(os.path.realpath(folder))
    for candidate in (folder, *folder.parents):
        if (candidate / "flake.nix").exists():
            return candidate
        if (candidate / ".git").exists():
            return None
    return None


def _attribute_meant(flake: str) -> str:
    """Return a hint for `.image`, from which the `#` was left out."""
    names = re.fullmatch(r"\.([A-Za-z_][\w.-]*)", flake)
    return f"write `.#{names[1]}` for an attribute of the flake here, or " if names else ""


def _flake_folder(folder: Path, flake: str, *, above: bool, dir: str) -> Path:  # noqa: A002 - Nix's name for it
    folder = Path(os.path.realpath(folder / dir))
    if folder.name == "flake.nix" and folder.is_file():
        raise UsageError(
            f"flake: {flake!r} is a file",
            hint=f"write its folder: `{flake.removesuffix('flake.nix') or '.'}`",
        )
    if not folder.is_dir():
        raise UsageError(
            f"flake: there is no folder {folder}",
            hint=f"{_attribute_meant(flake)}check the path: a relative one begins at the working folder",
        )
    found = _flake_above(folder) if above else folder if (folder / "flake.nix").exists() else None
    if found:
        return found
    below = _flakes_below(folder)
    there = sorted(folder.iterdir())
    # The folder of a job's report is one that git is told to ignore.
    if not below and all((each / ".gitignore").is_file() for each in there):
        only = f"holds only {', '.join(each.name for each in there)}" if there else "is empty"
        raise NoFlakeError(
            f"flake: there is no flake.nix in {folder}, which {only}",
            hint="check the repository out before this step (on GitHub: actions/checkout; on GitLab: without `GIT_STRATEGY: none`)",
        )
    named = [_dotted(Path(flake, each)) if flake.startswith(".") else str(folder / each) for each in below]
    meant = " or ".join(f"`{each}`" for each in named) or "the folder that holds it, with `./` in front"
    raise NoFlakeError(
        f"flake: there is no flake.nix in {folder}",
        hint=f"write {meant}; a CI job has only files that git tracks (`git add flake.nix`)",
    )


def _flakes_below(folder: Path) -> list[Path]:
    """Up to two folders with a flake.nix, relative to `folder`: in it or one deeper, for a checkout may have a folder of its own."""
    deep = itertools.chain(folder.glob("*/flake.nix"), folder.glob("*/*/flake.nix"))
    shown = (file.parent.relative_to(folder) for file in itertools.islice(deep, _MOST_SEEN))
    return [each for each in shown if not any(part.startswith(".") for part in each.parts)][:2]
