"""Find nix and run it. Every command line, flag and environment of a nix command is made here."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from flakeship import process
from flakeship.confinement import variables
from flakeship.errors import BuildError, UsageError
from flakeship.events import Command, Emit
from flakeship.nix.substituters import Substituters

PROGRAM: Final = "nix"
OLDEST: Final = (2, 8)
_PROFILES: Final = ("/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin")
_OF_CACHES: Final = ("extra-trusted-public-keys", "netrc-file")
_NO_EVALUATION_CACHE: Final = ("eval-cache", "false")
_RUNNERS: Final = (
    "TMPDIR",
    "TMP",
    "TEMP",
    "TEMPDIR",
    "NIX_SSL_CERT_FILE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "NIX_GIT_SSL_CAINFO",
    "SYSTEM_CERTIFICATE_PATH",
)
"""Variables with a path that a container may lack. Steps before ours set them for the host, as install-nix-action does:

https://github.com/cachix/install-nix-action/blob/master/install-nix.sh
"""

_SETTING: Final = re.compile(r"([a-z0-9-]+\s+=(\s.*)?|!?include\s.*)?(#.*)?")
_HINT_INSTALL: Final = (
    "install Nix: the installer that https://nixos.org/download describes, or your distribution's package "
    "(apt-get install nix-bin, dnf install nix, pacman -S nix); in a workflow, a step before this one"
)


@dataclass(frozen=True, slots=True)
class Nix:
    """A nix that was found and runs. `version` is (major, minor), `release` the whole text of `nix --version`.

    `options` are settings (name, value) for the command lines; `environ` holds what Nix may know. `store` is where it builds,
    if that is not this machine; it evaluates here. `substituters` are the caches of this run, which those commands use that
    `options` are for.
    """

    version: tuple[int, int]
    release: str
    environ: Mapping[str, str]
    emit: Emit
    impure: bool = False
    options: tuple[tuple[str, str], ...] = ()
    store: str = ""
    substituters: Substituters = field(default_factory=Substituters)

    @classmethod
    def find(
        cls,
        *,
        environ: Mapping[str, str],
        emit: Emit,
        config: Sequence[str] = (),
        impure: bool = False,
        allow_unfree: bool = False,
        accept_flake_config: bool = False,
        require_sandbox: bool = False,
        spare_home: str = "",
        pass_env: Sequence[str] = (),
        of_file: bool = False,
    ) -> Self:
        """Find nix and ask for its version. `config` holds lines of nix.conf.

        `spare_home` is an empty folder of this run, which becomes HOME if there is no better one. `pass_env` are names of
        variables that Nix is given besides its own. With `of_file` a file is evaluated, which may see the environment.
        Raises BuildError if nix is missing or too old, and UsageError for a line that is not a setting.
        """
        given = (variables.IMPURE if impure or allow_unfree or of_file else variables.NIX).of(
            environ, pass_env
        )
        child = _child_environ(given, config=config, spare_home=spare_home)
        if allow_unfree:
            child["NIXPKGS_ALLOW_UNFREE"] = "1"
        _put_on_path(child)
        release = _release(child)
        options = [("accept-flake-config", str(accept_flake_config).lower())]
        if require_sandbox:
            options += [("sandbox", "true"), ("sandbox-fallback", "false")]
        return cls(_version(release), release, child, emit, impure or allow_unfree, tuple(options))

    def with_options(self, options: Sequence[tuple[str, str]]) -> Self:
        """Return the same nix with more settings (name, value) on its command lines."""
        return replace(self, options=(*self.options, *options))

    def building_in(self, store: str) -> Self:
        """Return the same nix, which builds in another store."""
        return replace(self, store=store)

    def without_evaluation_cache(self) -> Self:
        """Return the same nix, which evaluates anew what it evaluated before."""
        return self.with_options([_NO_EVALUATION_CACHE])

    @property
    def may_answer_from_cache(self) -> bool:
        """Whether an evaluation may be one of an earlier run; False for what `without_evaluation_cache` returned."""
        return _NO_EVALUATION_CACHE not in self.options

    def with_substituters(self, substituters: Substituters) -> Self:
        """Return the same nix with the caches of this run."""
        return replace(self, substituters=substituters)

    def without_caches(self) -> Self:
        """Return the same nix with no caches but those of nix.conf."""
        options = tuple(option for option in self.options if option[0] not in _OF_CACHES)
        return replace(self, options=options, substituters=Substituters())

    def argv(self, verb: str, *arguments: str) -> tuple[str, ...]:
        """Return the command line of `nix VERB`. `verb` may be two words, `flake metadata`."""
        features = ("--extra-experimental-features", "nix-command flakes")
        return (PROGRAM, *verb.split(), *features, *self._flags_of(verb), *arguments)

    def run(
        self,
        verb: str,
        *arguments: str,
        cwd: str | None = None,
        timeout: float | None = None,
        given_up: threading.Event | None = None,
    ) -> process.Completed:
        """Run `nix VERB` to its end, whatever its exit status. TimeoutError after `timeout` seconds, or where it is given up."""
        argv = self.argv(verb, *arguments)
        self.emit(Command(argv))
        return process.run(argv, environ=self._environ_of(verb), cwd=cwd, timeout=timeout, given_up=given_up)

    def query(self, verb: str, *arguments: str, cwd: str | None = None, timeout: float | None = None) -> Any:
        """Run `nix VERB` and return the JSON that it prints.

        BuildError with its stderr if it fails or prints anything else; TimeoutError after `timeout` seconds.
        """
        done = self.run(verb, *arguments, cwd=cwd, timeout=timeout)
        with contextlib.suppress(ValueError, RecursionError):
            if done.returncode == 0:
                return json.loads(done.stdout)
        raise BuildError(
            f"nix {verb} failed with exit code {done.returncode}",
            hint="run the command by hand to see more",
            detail=done.stderr.decode(errors="replace").strip()[-4000:],
        )

    @contextlib.contextmanager
    def running(
        self, verb: str, *arguments: str, on_stderr: Callable[[bytes], None], cwd: str | None = None
    ) -> Iterator[process.Running]:
        """Start `nix VERB`, calling `on_stderr` with each line; it is ended with the block, or before."""
        argv = self.argv(verb, *arguments)
        self.emit(Command(argv))
        with process.running(argv, environ=self._environ_of(verb), cwd=cwd, on_stderr=on_stderr) as child:
            yield child

    def stream(
        self,
        verb: str,
        *arguments: str,
        on_stderr: Callable[[bytes], None],
        cwd: str | None = None,
    ) -> tuple[int, bytes]:
        """Run `nix VERB`, calling `on_stderr` with each line; return the exit status and stdout."""

        def hear(line: bytes) -> None:
            on_stderr(self.substituters.named(line))

        argv = self.argv(verb, *arguments)
        self.emit(Command(argv))
        with process.running(
            argv, environ=self._environ_of(verb), cwd=cwd, on_stderr=hear, dies_with_us=True
        ) as child:
            printed = child.stdout.read(process.OUTPUT_LIMIT)
            if child.stdout.read(1):
                raise BuildError(
                    f"nix {verb} printed more than {process.OUTPUT_LIMIT} bytes",
                    hint="run the command by hand to see what it prints, and check that the `nix` in PATH is Nix",
                )
            return child.wait(), printed

    def _environ_of(self, verb: str) -> Mapping[str, str]:
        return self.substituters.environ(self.environ) if _may_build(verb) else self.environ

    def _flags_of(self, verb: str) -> tuple[str, ...]:
        if not _may_build(verb):
            return ()
        options = (word for name, value in self.options for word in ("--option", name, value))
        # A missing flake.lock is computed in memory: the working tree is the user's, so no file is written there.
        # docs/decisions.md#a-missing-lock-file-is-not-written
        # Without the second Nix would evaluate there too: https://github.com/NixOS/nix/issues/15418
        there = ("--store", self.store, "--eval-store", "auto") if self.store and verb == "build" else ()
        return (*options, *there, "--no-write-lock-file", *(("--impure",) if self.impure else ()))


def _may_build(verb: str) -> bool:
    return verb.split(maxsplit=1)[0] in ("build", "eval", "flake")


def _put_on_path(environ: dict[str, str]) -> None:
    """Look for nix outside PATH too: a step that installs it changes the PATH of later steps, not of this process."""
    path = environ.get("PATH", os.defpath)
    if shutil.which("nix", path=path):
        return
    environ["PATH"] = os.pathsep.join((path, *_PROFILES, f"{environ['HOME']}/.nix-profile/bin"))
    if not shutil.which("nix", path=environ["PATH"]):
        raise BuildError(
            "Nix is not installed: no `nix` is in PATH or in its usual places", hint=_HINT_INSTALL
        )


def _release(environ: Mapping[str, str]) -> str:
    try:
        done = process.run([PROGRAM, "--version"], environ=environ)
    except process.NotStartedError as error:
        raise BuildError(f"Nix does not run: {error.message}", hint=_HINT_INSTALL) from error
    if done.returncode != 0:
        raise BuildError(
            f"Nix does not run: `nix --version` fails with exit code {done.returncode}",
            hint="correct nix.conf, NIX_CONFIG or the installation: Nix's message is above",
            detail=done.stderr.decode(errors="replace").strip(),
        )
    return done.stdout.decode(errors="replace").strip()


def _version(release: str) -> tuple[int, int]:
    """Return (major, minor) of the last number in `nix (Nix) 2.8.0` or `nix (Determinate Nix 3.8.5) 2.30.2`."""
    found = re.search(r"(\d+)\.(\d+)[^ ]*$", release)
    if not found:
        raise BuildError(
            f"`nix --version` answers {release[:200]!r}, which is not a version of Nix", hint=_HINT_INSTALL
        )
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        raise BuildError(
            f"Nix {version[0]}.{version[1]} is too old: flakes need {OLDEST[0]}.{OLDEST[1]} or newer",
            hint="run `nix upgrade-nix`, or " + _HINT_INSTALL,
        )
    return version


def _child_environ(environ: Mapping[str, str], *, config: Sequence[str], spare_home: str) -> dict[str, str]:
    child = dict(environ)
    for name in _RUNNERS:
        if name in child and not Path(child[name]).exists():
            del child[name]
    child["HOME"] = _home(environ.get("HOME", ""), spare=spare_home)
    own = environ.get("NIX_CONFIG", "")
    lines = (*_single_user(own), own, *map(_setting, config))
    child["NIX_CONFIG"] = "\n".join(filter(None, lines))
    return child


def _home(home: str, *, spare: str) -> str:
    """Return a HOME that belongs to this user and is writable.

    Nix warns on every call about a HOME of another user, as a container's mounted /github/home is, and fails where it
    can't write its cache.
    """
    with contextlib.suppress(KeyError):
        for folder in (home, pwd.getpwuid(os.geteuid()).pw_dir, spare):
            with contextlib.suppress(OSError):
                if folder and Path(folder).stat().st_uid == os.geteuid() and os.access(folder, os.W_OK):
                    return folder
    return spare or home or "/"


def _single_user(config: str) -> tuple[str, ...]:
    """Return the setting that lets root build by itself: without the group `nixbld`, which many containers lack, and
    where this root may not become its members, as in a container without capabilities.
    """
    file, socket = Path("/etc/nix/nix.conf"), Path("/nix/var/nix/daemon-socket/socket")
    if os.geteuid() != 0 or "build-users-group" in config or socket.exists():
        return ()
    alone = ("build-users-group =",)
    try:
        members = grp.getgrnam("nixbld").gr_mem
    except KeyError:
        mentioned = file.exists() and "build-users-group" in file.read_text()
        return () if mentioned else alone
    return () if _may_become(members) else alone


_TO_BECOME_ANOTHER: Final = (0, 5, 6, 7)
"""CAP_CHOWN, CAP_KILL, CAP_SETGID and CAP_SETUID: https://man7.org/linux/man-pages/man7/capabilities.7.html"""


def _may_become(users: Sequence[str]) -> bool:
    """Whether this root has the capabilities, and a user namespace that knows these users; True where nobody can tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        mapped = [
            tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()
        ]
        effective = int(re.findall(r"(?m)^CapEff:\s*([0-9a-f]+)$", status)[0], 16)
        numbers = [pwd.getpwnam(user).pw_uid for user in users]
    except (OSError, ValueError, IndexError, KeyError):
        return True
    able = all(effective >> number & 1 for number in _TO_BECOME_ANOTHER)
    return able and all(
        any(first <= number < first + count for first, _, count in mapped) for number in numbers
    )


def _beginning(line: str) -> str:
    """What a line begins with, if that is spelled as names of settings are; all else may be a secret."""
    word = re.split(r"[\s=:]", line.strip(), maxsplit=1)[0][:50]
    return f"the line that begins with {word!r}" if re.fullmatch(r"[a-z]+(-[a-z]+)*", word) else "a line"


def _setting(line: str) -> str:
    """Return a line of the input `nix-config`; UsageError if it is not a setting, or one that may not be set there."""
    if "\n" in line or "\0" in line or not _SETTING.fullmatch(line.strip()):
        raise UsageError(
            f"nix-config: {_beginning(line)} is not a setting as nix.conf has them",
            hint="write one `name = value` on each line, with a space on either side of `=`",
        )
    name, _, value = (part.strip() for part in line.partition("="))
    words = value.partition("#")[0].split()
    if name in ("access-tokens", "extra-access-tokens") and not all("=" in word for word in words):
        raise UsageError(  # Nix passes over such a word, and it may be the token
            f"nix-config: {name} has a word without `=`",
            hint="write HOST=TOKEN, with no space on either side of this `=`",
        )
    if name == "accept-flake-config":
        raise UsageError(
            "nix-config: accept-flake-config can't be set here",
            hint="set the input `accept-flake-config: true`",
        )
    return line
