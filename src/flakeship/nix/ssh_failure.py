"""Why ssh could not reach a machine, or would not speak to it: from what ssh and Nix print.

https://github.com/openssh/openssh-portable/blob/master/sshconnect.c
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from flakeship.errors import Error, NotAllowedError, UnreachableError


class SshCause(Enum):
    """What stood in the way. The first four are about trust, and do not pass by themselves."""

    CHANGED_HOST_KEY = auto()
    UNKNOWN_HOST = auto()
    REFUSED_KEY = auto()
    UNUSABLE_KEY = auto()
    NO_NAME = auto()
    NO_ROUTE = auto()
    SILENT = auto()
    NO_NIX = auto()
    NO_STORE = auto()
    LOST = auto()


TRUST: Final = frozenset(
    {SshCause.CHANGED_HOST_KEY, SshCause.UNKNOWN_HOST, SshCause.REFUSED_KEY, SshCause.UNUSABLE_KEY}
)
"""Causes that somebody must look at: they are errors (exit code 5), also where another machine could do the work."""


@dataclass(frozen=True, slots=True)
class SshFailure:
    """`why` is a clause about the machine (`it refuses the connection`), `hint` says what to do, `detail` quotes ssh."""

    cause: SshCause
    why: str
    hint: str
    detail: str = ""

    def with_last_words(self, text: str) -> SshFailure:
        """The same; of a connection that was closed with what Nix said there before it ended, if that stands in `text`.

        `text` is what ssh printed, and nothing else but what Nix here says of the connection.
        """
        found = (
            _LAST_WORDS.findall(re.sub(r"\x1b\[[0-9;]*m", "", text)) if self.cause is SshCause.LOST else []
        )
        if not found:
            return self
        return replace(self, why=f"its Nix ended: {found[-1].strip()}", hint=_CORRECT)

    @property
    def is_about_trust(self) -> bool:
        return self.cause in TRUST

    @property
    def may_pass(self) -> bool:
        """Whether the machine was reached and closed the connection, which it may not do the next time."""
        return self.cause is SshCause.LOST

    def error(self, what: str) -> Error:
        """The error for `what`, such as `the builder b1.example`: exit code 5 where it is about trust, else 6."""
        kind = NotAllowedError if self.is_about_trust else UnreachableError
        return kind(f"{what} can't be used: {self.why}", hint=self.hint, detail=self.detail)


_HOST_KEY: Final = (
    "compare the key that it shows with the one that belongs to it; if it has a new one, mend its line of ssh-known-hosts, "
    "of ~/.ssh/known_hosts, or the eighth field of `builders`"
)
_LINE: Final = (
    "give its line by the input ssh-known-hosts: `ssh-keyscan HOST` prints it (`-p PORT`); "
    "compare it with the key of the machine, /etc/ssh/ssh_host_ed25519_key.pub"
)
_KEY: Final = (
    "put the public half of the key into ~/.ssh/authorized_keys of that user, "
    "and check that `ssh-key` is that key, and the user the right one (USER@HOST)"
)
_WAY: Final = "start it, and check its name and port, and that a firewall lets this machine in"
_LOGS: Final = (
    "read the log of sshd and of nix-daemon there: something ended before it answered, or sshd lets no more in "
    "(`MaxStartups` and `PerSourcePenalties` of its sshd_config)"
)

_CORRECT: Final = "correct that on the machine: `ssh USER@HOST nix-daemon --stdio` says it too"
_LAST_WORDS: Final = re.compile(
    r"(?m)^[^\S\n]*(?:what\(\): +)?error: *(?!cannot open connection|failed to start SSH|unexpected end-of-file|Nix daemon disconnected)"
    r"(?P<words>(?!.*Broken pipe)\S[^\n]*)"
)
"""What Nix says before it ends, on the other side; the rest is said of the connection, here."""

_CAUSES: Final = (
    (
        SshCause.CHANGED_HOST_KEY,
        r"[Hh]ost key for (?P<host>\S+) has changed|Host key \S+ is revoked|marked as revoked",
        "it shows another host key than the one that is known, so somebody may be in its place",
        _HOST_KEY,
    ),
    (
        SshCause.UNKNOWN_HOST,
        r"No \S+ host key is known for (?P<host>\S+) and|Host key verification failed",
        "its host key is not known",
        _LINE,
    ),
    (
        SshCause.UNUSABLE_KEY,
        r"UNPROTECTED PRIVATE KEY FILE|Permissions (?P<reason>0\d+) for '[^'\n]+' are too open",
        "ssh does not use the key, since others may read its file{reason}",
        "let nobody else read it: `chmod 600 FILE`",
    ),
    (
        SshCause.UNUSABLE_KEY,
        r"(?i)Load key \"[^\"\n]*\": (?!No such file)(?P<reason>[^\n]+)|read_passphrase",
        "ssh can't use the key{reason}",
        "give a key without a passphrase that only you may read (chmod 600): `ssh-keygen -t ed25519 -N '' -f FILE` makes one",
    ),
    (
        SshCause.REFUSED_KEY,
        r"Permission denied \((?P<reason>[^)\n]*)\)|Too many authentication failures",
        "it does not take the key (Permission denied)",
        _KEY,
    ),
    (
        SshCause.NO_NAME,
        r"Could not resolve hostname|Name or service not known|Temporary failure in name resolution",
        "no address is known for its name",
        "check how its name is written, and that this machine's name server knows it",
    ),
    (
        SshCause.NO_STORE,
        r"cannot connect to (?:socket|daemon) at '[^'\n]+'(?:: (?P<reason>[^\n]+))?",
        "its `nix-daemon --stdio` reaches no daemon{reason}",
        "start it there (`sudo systemctl start nix-daemon`), and check that the user may connect to it (`allowed-users`)",
    ),
    (
        SshCause.SILENT,
        r"Connection timed out|Operation timed out|timed out during banner exchange|not responding",
        "it does not answer",
        _WAY,
    ),
    (
        SshCause.NO_ROUTE,
        r"connect to \S+ (?:\S+ )?port \d+: (?P<reason>[^\n]+)|(?P<reason2>Connection refused|No route to host|Network is unreachable)",
        "no connection comes about{reason}",
        _WAY,
    ),
    (
        SshCause.NO_NIX,
        r"nix-(?:daemon|store)[^\n]*(?:not found|No such file)|(?:not found|No such file|[Uu]nknown command)[^\n]*nix-(?:daemon|store)",
        "no `nix-daemon` is in the PATH that ssh sees there",
        "install Nix there for all users, or name the program: `ssh-ng://HOST?remote-program=/nix/var/nix/profiles/default/bin/nix-daemon`",
    ),
    (
        SshCause.NO_NIX,
        r"(?m)^(?:/\S+/)?(?:ba|da|z|k|a|fi)?sh: ?(?P<reason>[^\n]*(?:not found|[Nn]o such file or directory|Unknown command)[^\n]*)",
        "the program is not there that should answer{reason}",
        "correct `remote-program` in its address, or the command before its key in ~/.ssh/authorized_keys",
    ),
    (
        SshCause.NO_STORE,
        r"account is currently not available|account is not available",
        "its user may not log in there (nologin)",
        "name another user (USER@HOST), or give this one a shell: `sudo usermod --shell /bin/sh USER`",
    ),
    (
        SshCause.NO_STORE,
        r"protocol mismatch|wrong protocol|mismatch in the remote protocol",
        "what answers there does not speak Nix's protocol",
        "let the shell of that user print nothing where no terminal is (.bashrc, a banner), and install Nix there",
    ),
    (
        SshCause.LOST,
        r"unexpected end-of-file|Broken pipe|Connection (?:reset|closed)|closed by remote host|client_loop|Nix daemon disconnected",
        "the connection was closed",
        _LOGS,
    ),
)


def ssh_failure(text: str) -> SshFailure | None:
    """Find why ssh failed in what it and Nix printed; None where nothing of it is ssh's.

    The most telling cause counts, wherever it stands: Nix adds `unexpected end-of-file` to each of them.
    """
    for cause, pattern, why, hint in _CAUSES:
        if found := re.search(pattern, text):
            groups = found.groupdict()
            reason = (groups.get("reason") or groups.get("reason2") or "").strip()
            shown = why.replace("{reason}", f" ({reason})" if reason else "")
            return SshFailure(cause, shown, hint, quoted(text))
    return None


def silent(seconds: float) -> SshFailure:
    """The failure of a machine that accepted a connection and said nothing, or that never did."""
    return SshFailure(SshCause.SILENT, f"it did not answer within {seconds:g} seconds", _WAY)


def host_of(text: str) -> str:
    """The host, as ssh writes it (`[name]:port`), whose key ssh refuses in this text; empty where it names none."""
    for _, pattern, *_ in _CAUSES[:2]:
        if (found := re.search(pattern, text)) and found["host"]:
            return found["host"]
    return ""


def quoted(text: str) -> str:
    """What ssh printed, without its frame of @ and at most a screen of it."""
    return "\n".join([line for line in text.splitlines() if line.strip() and "@@@" not in line][-25:])
