"""What can go wrong on the way to a server and back, told apart by what the user can do about it."""

from __future__ import annotations

from flakeship.errors import NotAllowedError, UnreachableError


class WireError(UnreachableError):
    """An exchange failed.

    `transient`: another try may help. `retry_after`: seconds that the server asks us to wait. `tries`: how many
    are worth it at most, where that is fewer than the policy's.
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
        """Append to the message what only the one who retries knows."""
        self.message = f"{self.message}; {remark}"
        self.args = (self.message,)


class UnknownHostError(WireError):
    """DNS knows no such host, or could not be asked."""


class CertificateError(WireError):
    """The server's certificate is not trusted."""


class NotTlsError(WireError):
    """The server does not speak TLS."""


class ProxyRefusedError(WireError):
    """The HTTP proxy of the environment does not let us through."""


class UnsafeUrlError(NotAllowedError):
    """A server points to a place that neither credentials nor data may go to."""
