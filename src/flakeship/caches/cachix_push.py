"""What a run built is handed to Cachix's client in lists of paths: while Nix builds, and the rest behind it.

`cachix push NAME` reads them from stdin, adds what they need at run time, and asks the service which it lacks:
https://github.com/cachix/cachix/blob/master/cachix/src/Cachix/Client/Command/Push.hs
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from flakeship import events
from flakeship.errors import Error
from flakeship.nix.build import BuildOutput
from flakeship.printable import counted
from flakeship.process import Completed, run

_GATHER_SECONDS: Final = 2.0
"""How long what is built is gathered for one list: each costs a process, and questions to the service."""

_PUSH_SECONDS: Final = 298.0
_CANCELLED_SECONDS: Final = 2.0
"""Seconds that pushes may take after the end of the builds. A client that has to be killed may take two more."""

_KILL_SECONDS: Final = 2.2

Choose: TypeAlias = Callable[[Collection[str], Collection[str]], Iterable[str]]
"""Returns the store paths that are to be pushed of derivations that were built, and of results."""


class CachixPush:
    """One run's pushes to one cache. What fails is a warning, and then nothing more is pushed.

    `client` is the program, `environ` holds its secrets too.
    """

    def __init__(
        self, client: str, name: str, environ: Mapping[str, str], choose: Choose, emit: events.Emit
    ) -> None:
        self._argv, self._name, self._environ = (client, "push", name), name, environ
        self._choose, self._emit = choose, emit
        self._lock = threading.Lock()
        self._news, self._ended, self._given_up = threading.Event(), threading.Event(), threading.Event()
        self._derivations: list[str] = []
        self._results: list[str] = []
        self._sent: set[str] = set()
        self._seconds = _PUSH_SECONDS
        self._failed = False
        self._thread: threading.Thread | None = None

    def heard(self, event: events.Event) -> None:
        """Note a derivation that was built, while others may still be."""
        if isinstance(event, events.DerivationBuilt):
            with self._lock:
                self._derivations.append(event.derivation)
            self._start()
            self._news.set()

    def built(self, output: BuildOutput) -> None:
        """Note what a whole build gave."""
        with self._lock:
            self._results.extend(output.paths)

    def ended(self, *, cancelled: bool) -> None:
        """Begin to push the rest, within the time of a run whose builds have ended. Returns at once."""
        self._seconds = _CANCELLED_SECONDS if cancelled else _PUSH_SECONDS
        timer = threading.Timer(self._seconds, self._given_up.set)
        timer.daemon = True
        timer.start()
        if self._derivations or self._results:
            self._start()
        self._ended.set()
        self._news.set()

    def close(self) -> None:
        """Wait until the rest is pushed, or the time is over."""
        if self._thread:
            try:
                self._thread.join(self._seconds + _KILL_SECONDS)
            except BaseException:  # a signal, while the last paths are pushed
                self.ended(cancelled=True)
                self._thread.join(self._seconds + _KILL_SECONDS)
                raise
            if self._thread.is_alive():  # Nix does not answer, or the client can't be ended
                self._fail_late()
        if self._sent and not self._failed:
            self._emit(
                events.Notice(f"handed {counted(len(self._sent), 'path')} to the Cachix cache {self._name}")
            )

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="flakeship-cachix", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        last = False
        while not (last or self._failed):
            self._news.wait()
            self._ended.wait(_GATHER_SECONDS)
            last = self._ended.is_set()
            self._news.clear()
            with self._lock:
                derivations, self._derivations = self._derivations, []
                results = self._results if last else []
            try:
                self._push([path for path in self._choose(derivations, results) if path not in self._sent])
            except (Error, OSError) as error:
                self._fail(error.message if isinstance(error, Error) else str(error))

    def _push(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        if self._given_up.is_set():
            self._fail_late()
            return
        self._emit(events.Command(self._argv))
        try:
            done = run(
                self._argv,
                environ=self._environ,
                stdin="".join(f"{path}\n" for path in paths).encode(),
                given_up=self._given_up,
            )
        except TimeoutError:
            self._fail_late()
            return
        said = _lines(done)
        for line in said:
            self._emit(events.Detail(f"cachix: {line}"))
        if done.returncode != 0:
            why = f": {said[-1][:300]}" if said else ""
            self._fail(f"its client ended with exit code {done.returncode}{why}")
            return
        self._sent.update(paths)

    def _fail_late(self) -> None:
        self._fail(
            f"its client was not done {self._seconds:g} seconds after the build",
            hint="leave it: what is not there is built again",
        )

    def _fail(self, reason: str, hint: str = "check the token, and the name") -> None:
        with self._lock:
            first, self._failed = not self._failed, True
        if first:
            self._emit(
                events.Warned(
                    f"not all of this build is in the Cachix cache {self._name}: {reason}", hint=hint
                )
            )


def _lines(done: Completed) -> list[str]:
    text = (done.stdout + done.stderr).decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
