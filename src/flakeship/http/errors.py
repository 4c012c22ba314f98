"""The errors of an exchange with a server: one class for each thing that a user can do about it."""

from __future__ import annotations

from flakeship.errors import UnreachableError, UsageError


class WireError(UnreachableError):
    """The base of all failures of an exchange.

    `transient` is true if another try may succeed. `retry_after` is the number of seconds that the server asks us to
    wait. `tries` limits the number of tries where the retry policy would allow more.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        detail: str = "",
        transient: bool = True,
        retry_after: float | None = None,
        tries: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.transient = transient
        self.retry_after = retry_after
        self.tries = tries

    def add(self, remark: str) -> None:
        """Append a remark to the message: the retry loop knows how often something was tried."""
        self.message = f"{self.message}; {remark}"
        self.args = (self.message,)


class BrokenConnectionError(WireError):
    """The connection broke before the answer was complete: nobody knows whether the request was obeyed."""


class UnknownHostError(WireError):
    """The host has no address in DNS, or no name server answered."""


class CertificateError(WireError):
    """The server's certificate is not trusted."""


class NoAuthoritiesError(UsageError):
    """A variable of this machine names certificates that can't be read, so no server can be verified."""


class NotTlsError(WireError):
    """The server does not speak TLS."""


class ProxyRefusedError(WireError):
    """The HTTP proxy that the environment names did not connect to the server."""


class UnsafeUrlError(WireError):
    """A server sent a URL to which neither credentials nor data may be sent. Another try would get the same answer.

    It is no missing right: a push that it ends must never pass for one that was withheld.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, transient=False)
