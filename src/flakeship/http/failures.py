"""The translation of the exceptions of requests, urllib3, ssl and socket into a WireError."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests
import urllib3.exceptions as lib

from flakeship.errors import ResourceError, advice, is_out_of_files
from flakeship.http.errors import (
    BrokenConnectionError,
    CertificateError,
    NotTlsError,
    ProxyRefusedError,
    UnknownHostError,
    WireError,
)
from flakeship.http.origin import Origin
from flakeship.http.pace import EndlessAnswerError
from flakeship.printable import one_line

_NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")


def wire_error(error: BaseException, origin: Origin) -> WireError | ResourceError:
    """Return the WireError for an exception in an exchange with `origin`, with a hint if the user can do something.

    It is a ResourceError if this machine could not open a connection for want of a file descriptor.
    """
    causes = list(_causes(error))
    for cause in causes:
        if found := _known(cause, origin):
            return found
    deepest = next(
        (cause for cause in reversed(causes) if isinstance(cause, OSError) and cause.strerror), None
    )
    reason = (deepest.strerror if deepest else "") or "the connection broke before the answer was complete"
    return BrokenConnectionError(f"{origin}: {one_line(reason)}", hint=advice(deepest, "") if deepest else "")


def _known(cause: BaseException, origin: Origin) -> WireError | ResourceError | None:
    match cause:
        case OSError() if is_out_of_files(cause):
            return ResourceError(f"{origin} can't be reached: {cause.strerror}", hint=advice(cause, ""))
        case EndlessAnswerError():
            return WireError(
                f"{origin} does not come to an end with {cause}",
                hint="check that it is the registry that listens there",
            )
        case requests.exceptions.ProxyError() | lib.ProxyError():
            return _proxy(cause, origin)
        case socket.gaierror():
            return _unknown_host(cause, origin)
        case ssl.SSLCertVerificationError():
            return _untrusted(cause, origin)
        case ssl.SSLError() if cause.reason in _NOT_TLS:
            return NotTlsError(
                f"{origin} does not speak TLS",
                hint="set `plain-http` to the host if this registry is meant to be reached without TLS",
                transient=False,
            )
        case ConnectionRefusedError():
            return WireError(
                f"{origin} refused the connection",
                hint="check that the registry is running, and that the port is right",
                tries=2 if origin.is_loopback else None,  # what does not run on this machine won't by waiting
            )
        case lib.NewConnectionError():  # a subclass of ConnectTimeoutError in urllib3; its cause says more
            return None
        case lib.ConnectTimeoutError():
            return WireError(f"{origin} did not accept a connection in time")
        case lib.ReadTimeoutError() | TimeoutError():
            return WireError(f"{origin} stopped answering")
        case _:
            return None


def _unknown_host(error: socket.gaierror, origin: Origin) -> UnknownHostError:
    passing = error.errno == socket.EAI_AGAIN
    return UnknownHostError(
        f"the host {origin.host} could not be looked up" if passing else f"there is no host {origin.host}",
        hint="check the name of the registry in the reference, and this machine's DNS",
        tries=None if passing else 2,
    )


def _untrusted(error: ssl.SSLCertVerificationError, origin: Origin) -> CertificateError:
    match error.verify_code:
        case 9 | 10:  # not yet valid, expired: X509_STORE_CTX_get_error(3)
            hint = "compare this machine's clock with the time of day (`date -u`); if it is right, ask who runs the registry to renew the certificate"
        case 62 | 64:  # of another name, of another address
            hint = (
                f"write the registry's name as its certificate has it, and check what {origin.host} leads to"
            )
        case _:
            hint = (
                "name the certificate of its authority by `ca` (a PEM file), by SSL_CERT_FILE, or put it into "
                f"/etc/containers/certs.d/{origin.authority}/ca.crt"
            )
    reason = one_line(error.verify_message or str(error))
    return CertificateError(
        f"the certificate of {origin} is not trusted: {reason}", hint=hint, transient=False
    )


def _proxy(error: BaseException, origin: Origin) -> ProxyRefusedError:
    text = next((str(cause) for cause in _causes(error) if "Tunnel connection failed" in str(cause)), "")
    status = text.partition("Tunnel connection failed: ")[2][:3]
    return ProxyRefusedError(
        f"the HTTP proxy did not connect to {origin}" + (f" (it answered {status})" if status else ""),
        hint="check HTTPS_PROXY and NO_PROXY"
        + (", and the proxy's user and password" if status == "407" else ""),
        transient=status != "407",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and everything that it wraps, the outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [
                *current.args,
                getattr(current, "reason", None),
                current.__cause__,
                current.__context__,
            ]
