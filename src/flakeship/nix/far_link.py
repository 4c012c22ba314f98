"""The one ssh connection to a far store: made when it is needed, made anew when it was lost, and what went wrong as errors."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from flakeship import events, process
from flakeship.errors import Error, NotAnImageError, UnreachableError, UsageError
from flakeship.nix import worker_protocol as protocol
from flakeship.nix.machine import Machine
from flakeship.nix.ssh_failure import SshCause, SshFailure, quoted, silent, ssh_failure

_NOBODYS: Final = "/nix/store/00000000000000000000000000000000-flakeship"
"""A path that no store holds, and that one in another folder does not take for a path of its own."""
_LINES: Final = 25
PATIENCE: Final = 30.0
"""Seconds in which the other side says its first word; a machine that was asleep takes some."""
SILENCE: Final = 120.0
"""Seconds in which the next byte of an answer comes. That the network is gone ssh notices earlier; a Nix that stands still it does not."""
_PAUSE: Final = 0.5
"""Seconds after which a machine is reached for again that closed the connection before it had answered."""
_GRACE: Final = 2.0
"""Seconds in which ssh says why it ended."""

HINT_LOST: Final = (
    "check the network and the log of sshd there, and run again: what the registry has is not sent again"
)
_OTHER_FOLDER: Final = ("is not in the Nix store", "is not a store path", "not in store")


class LostError(Exception):
    """The connection ended, or none came about: `said` is what ssh said last. One that is `silent` was ended here, for nothing came."""

    def __init__(self, said: str, *, silent: bool) -> None:
        super().__init__(said)
        self.silent = silent

    def __str__(self) -> str:
        return super().__str__() or (f"nothing came for {SILENCE:g} seconds" if self.silent else "")


@dataclass(slots=True)
class Connection:
    """One conversation with `nix-daemon --stdio`. `said` are the last lines of ssh's stderr."""

    running: process.Running
    answers: protocol.Answers
    said: deque[str]
    scope: contextlib.ExitStack

    def ask(self, operation: int, paths: Iterable[str]) -> None:
        """Send a request about each path."""
        self.say(protocol.requests(operation, paths))

    def say(self, data: bytes) -> None:
        """Send bytes. Where nobody takes them, whoever reads the answer notices, and sees what was said before."""
        assert self.running.stdin, "a program that is tied has one"
        view = memoryview(data)
        with contextlib.suppress(BrokenPipeError):
            while view:
                view = view[self.running.stdin.write(view) or 0 :]


@dataclass(kw_only=True)
class FarLink:
    """`ssh` are the first words of the command line, with the ssh_config that names the machine."""

    machine: Machine
    ssh: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    emit: events.Emit
    held: dict[str, None] = field(default_factory=dict)
    """The paths that each connection keeps from the garbage collector there."""
    connection: Connection | None = None
    ended: bool = False
    """Whether no connection is made any more: the run ends, perhaps under one who reads."""

    def __str__(self) -> str:
        return f"the store of {self.machine}"

    def open(self) -> Connection:
        """The connection; it is made the first time, and again after it was lost. LostError, and the errors of `answering`.

        One that is closed before it has answered is made once more: sshd closes some where many come at once.
        """
        if self.connection is None:
            try:
                return self._begun()
            except LostError as lost:
                failure = ssh_failure(str(lost))
                if self.ended or (failure and not failure.may_pass):
                    raise
            self.emit(events.Notice(f"{self.machine} closed the connection, which is made once more"))
            time.sleep(_PAUSE)
            return self._begun()
        return self.connection

    def _begun(self) -> Connection:
        if self.ended:
            raise UnreachableError(f"{self} is not asked any more", hint=HINT_LOST)
        self.connection = made = self._made()
        with self._patiently(made), self.answering():
            self._greet(made)
        return made

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.scope.close()

    def end(self) -> None:
        """End the connection, and make no other one."""
        self.ended = True
        self.close()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Around whatever speaks: LostError for a connection that ends.

        UnreachableError for what is no answer of Nix, UsageError for a store in another folder, NotAnImageError for what the
        store refuses otherwise.
        """
        try:
            yield
        except (protocol.EndedError, OSError) as error:
            silent = self.connection is not None and bool(self.connection.running.exceeded())
            raise LostError(self._last_words(), silent=silent) from error
        except protocol.ProtocolError as error:
            self.close()
            if failure := ssh_failure(str(error)):
                raise failure.error(str(self)) from error
            raise UnreachableError(
                f"{self} can't be read: {error}",
                hint="let the shell of that user print nothing where no terminal is (.bashrc, a banner), and use Nix 2.8 or newer there",
            ) from error
        except protocol.RefusedError as error:
            self.close()
            raise self._refused(str(error)) from error

    def error(self, lost: LostError) -> Error:
        """The error for a connection that was lost and is not made anew."""
        said = str(lost)
        if lost.silent:
            return silent(SILENCE).error(str(self))
        failure = ssh_failure(said) or SshFailure(
            SshCause.LOST, "the connection was closed", HINT_LOST, quoted(said)
        )
        return failure.with_last_words(said).error(str(self))

    @contextlib.contextmanager
    def _patiently(self, connection: Connection) -> Iterator[None]:
        """UnreachableError for a machine that does not speak: ssh itself is patient once it has a connection."""
        ended = threading.Event()

        def end() -> None:
            ended.set()
            connection.running.end()

        patience = threading.Timer(PATIENCE, end)
        patience.start()
        try:
            yield
        except LostError as error:
            if ended.is_set():
                raise silent(PATIENCE).error(str(self)) from error
            raise
        finally:
            patience.cancel()

    def _last_words(self) -> str:
        connection = self.connection
        if connection is None:
            return ""
        patience = threading.Timer(_GRACE, connection.running.end)
        patience.start()
        with contextlib.suppress(Exception):
            assert connection.running.stdin, "a program that is tied has one"
            connection.running.stdin.close()  # or one that still runs would be waited for
            connection.running.wait()
        patience.cancel()
        self.close()
        return "\n".join(connection.said)

    def _refused(self, said: str) -> Error:
        if any(words in said for words in _OTHER_FOLDER):
            return UsageError(
                f"{self} lies in another folder than /nix/store, so nothing there is what was evaluated here",
                hint="name a store whose paths begin with /nix/store; where its files lie does not matter (`local?root=/data`)",
                detail=said,
            )
        first = said.strip().partition("\n")[0]
        return NotAnImageError(
            f"{self} refuses to be read: {first or 'it does not say why'}",
            hint="run `nix path-info --store ssh-ng://HOST PATH` by hand to see more",
            detail=said,
        )

    def _made(self) -> Connection:
        address = self.machine.address
        query = parse_qs(address.query)
        there = [query.get("remote-program", ["nix-daemon"])[-1], "--stdio"]
        if store := query.get("remote-store", [""])[-1]:
            there += ["--store", f"'{store}'"]
        user = f"{address.user}@" if address.user else ""
        argv = (*self.ssh, "-x", "-T", f"{user}{self.machine.alias}", "--", *there)
        self.emit(events.Command(argv))
        said: deque[str] = deque(maxlen=_LINES)
        scope = contextlib.ExitStack()
        running = scope.enter_context(
            process.running(
                argv,
                environ=self.environ,
                on_stderr=lambda line: said.append(line.decode(errors="replace")),
                bounds=process.Bounds(silence=SILENCE),
                tied=True,
            )
        )
        return Connection(running, protocol.Answers(running.stdout), said, scope)

    def _greet(self, connection: Connection) -> None:
        """All of it takes one round trip."""
        connection.say(protocol.GREETING + protocol.requests(protocol.IS_VALID, [_NOBODYS]))
        connection.ask(protocol.ADD_TEMP_ROOT, self.held)
        connection.answers.greeted()
        connection.answers.flag()
        for _ in self.held:
            connection.answers.flag()
