"""What ssh and Nix print where a machine can't be reached, and what it means: recorded from OpenSSH 9.2 and Nix 2.8."""

from __future__ import annotations

import pytest

from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.nix.ssh_failure import SshCause, host_of, ssh_failure

_NIX = "\nerror: cannot open connection to remote store 'ssh-ng://b1': error: unexpected end-of-file"
CHANGED = """\
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /run/ssh-known-hosts:1
Host key for [127.0.0.1]:40221 has changed and you have requested strict checking.
Host key verification failed."""
UNKNOWN = """\
No ED25519 host key is known for [127.0.0.1]:40221 and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize(
    ("said", "cause", "words", "kind"),
    [
        (CHANGED, SshCause.CHANGED_HOST_KEY, "another host key", NotAllowedError),
        (UNKNOWN, SshCause.UNKNOWN_HOST, "host key is not known", NotAllowedError),
        ("root@127.0.0.1: Permission denied (publickey).", SshCause.REFUSED_KEY, "does not take the key", NotAllowedError),
        ('Load key "/k": error in libcrypto\nroot@h: Permission denied (publickey).', SshCause.UNUSABLE_KEY, "error in libcrypto", NotAllowedError),
        ("ssh: Could not resolve hostname b.invalid: Name or service not known", SshCause.NO_NAME, "no address", UnreachableError),
        ("ssh: connect to host 127.0.0.1 port 40229: Connection refused", SshCause.NO_ROUTE, "(Connection refused)", UnreachableError),
        ("ssh: connect to host 10.0.0.9 port 22: No route to host", SshCause.NO_ROUTE, "(No route to host)", UnreachableError),
        ("ssh: connect to host 10.0.0.9 port 22: Connection timed out", SshCause.SILENT, "does not answer", UnreachableError),
        ("Timeout, server b1 not responding.", SshCause.SILENT, "does not answer", UnreachableError),
        ("bash: line 1: nix-daemon: command not found", SshCause.NO_NIX, "no `nix-daemon`", UnreachableError),
        ("fish: Unknown command: nix-daemon\nfish: \nnix-daemon --stdio", SshCause.NO_NIX, "no `nix-daemon`", UnreachableError),
        ("fish: Unknown command: /nope", SshCause.NO_NIX, "(Unknown command: /nope)", UnreachableError),
        ("error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", SshCause.NO_STORE, "reaches no daemon (Connection refused)", UnreachableError),
        ("Permissions 0644 for '/k' are too open.\nLoad key \"/k\": bad permissions", SshCause.UNUSABLE_KEY, "others may read its file (0644)", NotAllowedError),
        ("sh: 1: /nope: not found", SshCause.NO_NIX, "(1: /nope: not found)", UnreachableError),
        ("zsh:1: no such file or directory: /nope", SshCause.NO_NIX, "not there", UnreachableError),
        ("error: protocol mismatch, got 'This account is currently not available.'", SshCause.NO_STORE, "(nologin)", UnreachableError),
        ("error: protocol mismatch, got 'Welcome'", SshCause.NO_STORE, "does not speak", UnreachableError),
        ("Connection closed by 10.0.0.9 port 22", SshCause.LOST, "was closed", UnreachableError),
        ("kex_exchange_identification: Connection closed by remote host", SshCause.LOST, "was closed", UnreachableError),
    ],
)  # fmt: skip
def test_the_most_telling_cause_counts(said: str, cause: SshCause, words: str, kind: type) -> None:
    failure = ssh_failure(said + _NIX)
    assert failure
    assert (failure.cause, failure.is_about_trust) == (cause, kind is NotAllowedError)
    assert words in failure.why
    error = failure.error("the builder b1")
    assert type(error) is kind
    assert error.message.startswith("the builder b1 can't be used: ")
    assert error.hint
    assert "@@@" not in error.detail


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("error: creating directory '/nix/store': Read-only file system", "its Nix ended: creating directory '/nix/store': Read-only file system"),
        ("error: configuration setting 'max-jobs' should be 'auto' or an integer", "its Nix ended: configuration setting 'max-jobs' should be 'auto' or an integer"),
        ("terminate called\n  what():  \x1b[31;1merror:\x1b[0m getting status of /x: Permission denied\nAborted", "its Nix ended: getting status of /x: Permission denied"),
        ("error: writing to file: Broken pipe", "the connection was closed"),
        ("Connection closed by 10.0.0.9 port 22", "the connection was closed"),
        ("", "the connection was closed"),
    ],
)  # fmt: skip
def test_what_nix_said_there_before_it_ended_says_more_than_the_end(said: str, why: str) -> None:
    failure = ssh_failure(said + _NIX)
    assert failure
    assert failure.with_last_words(said + _NIX).why == why
    assert failure.with_last_words(said + _NIX).may_pass, (
        "Nix may fail over a store that another one opens beside it"
    )


def test_what_is_not_of_ssh_is_no_failure_of_it() -> None:
    assert ssh_failure("error: builder for '/nix/store/x.drv' failed with exit code 1") is None
    assert ssh_failure("last 1 log lines:\n       > sh: gcc: not found") is None
    assert host_of(CHANGED) == host_of(UNKNOWN) == "[127.0.0.1]:40221"
    assert not host_of("Host key verification failed.")
