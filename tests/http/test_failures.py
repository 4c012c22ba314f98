"""What failed on the way to a server, why, and what to do: from the exceptions of the libraries below."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest
import requests
import urllib3
import urllib3.exceptions as lib

from flakeship.errors import ResourceError
from flakeship.http.errors import (
    BrokenConnectionError,
    CertificateError,
    NotTlsError,
    ProxyRefusedError,
    UnknownHostError,
    WireError,
)
from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin
from flakeship.http.pace import EndlessAnswerError

ORIGIN = Origin.of("https://registry.example:5000")
POOL = urllib3.HTTPSConnectionPool("registry.example")


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] it failed")
    error.reason = reason
    return error


def untrusted(reason: str, code: int) -> ssl.SSLCertVerificationError:
    """The codes are those of X509_STORE_CTX_get_error(3)."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message, error.verify_code = reason, code
    return error


def wrapped(error: BaseException) -> requests.exceptions.ConnectionError:
    """As requests hands on what urllib3 says."""
    return requests.exceptions.ConnectionError(lib.MaxRetryError(POOL, "/", error))  # type: ignore[arg-type]


def new_connection(cause: BaseException) -> lib.NewConnectionError:
    error = lib.NewConnectionError(None, "failed")  # type: ignore[arg-type]
    error.__cause__ = cause
    return error


def tunnel(status: str) -> lib.ProxyError:
    return lib.ProxyError("Cannot connect to proxy.", OSError(f"Tunnel connection failed: {status}"))


@pytest.mark.parametrize(
    ("error", "kind", "message", "hint", "transient"),
    [
        (system(errno.ECONNRESET), BrokenConnectionError, f": {os.strerror(errno.ECONNRESET)}", "", True),
        (lib.ProtocolError("x", system(errno.EPIPE)), BrokenConnectionError, ": Broken pipe", "", True),
        (system(errno.ENETUNREACH), BrokenConnectionError, ": Network is unreachable", "", True),
        (OSError("x"), BrokenConnectionError, "broke before the answer was complete", "", True),
        (lib.IncompleteRead(3, 4), BrokenConnectionError, "broke before the answer", "", True),
        (EndlessAnswerError("its head"), WireError, "does not come to an end with its head", "that it is the registry", True),
        (socket.gaierror(socket.EAI_NONAME, "x"), UnknownHostError, "there is no host registry.example", "DNS", True),
        (socket.gaierror(socket.EAI_AGAIN, "x"), UnknownHostError, "could not be looked up", "DNS", True),
        (untrusted("unable to get local issuer certificate", 20), CertificateError, "is not trusted: unable to get", "certs.d/registry.example:5000/ca.crt", False),
        (untrusted("certificate has expired", 10), CertificateError, "is not trusted: certificate has expired", "this machine's clock", False),
        (untrusted("certificate is not yet valid", 9), CertificateError, "is not yet valid", "this machine's clock", False),
        (untrusted("Hostname mismatch", 62), CertificateError, "Hostname mismatch", "write the registry's name", False),
        (tls("WRONG_VERSION_NUMBER"), NotTlsError, "does not speak TLS", "plain-http", False),
        (tls("HTTP_REQUEST"), NotTlsError, "does not speak TLS", "plain-http", False),
        (tls("TLSV1_ALERT_INTERNAL_ERROR"), BrokenConnectionError, "it failed", "", True),
        (ConnectionRefusedError(111, "x"), WireError, "refused the connection", "port", True),
        (new_connection(ConnectionRefusedError(111, "x")), WireError, "refused the connection", "port", True),
        (new_connection(TimeoutError()), WireError, "stopped answering", "", True),
        (lib.ConnectTimeoutError(), WireError, "did not accept a connection in time", "", True),
        (lib.ReadTimeoutError(POOL, "/", "x"), WireError, "stopped answering", "", True),
        (TimeoutError(), WireError, "stopped answering", "", True),
        (tunnel("407 Proxy Authentication Required"), ProxyRefusedError, "(it answered 407)", "user and password", False),
        (tunnel("403 Forbidden"), ProxyRefusedError, "(it answered 403)", "NO_PROXY", True),
        (lib.ProxyError("x", system(errno.ECONNREFUSED)), ProxyRefusedError, "did not connect to", "HTTPS_PROXY", True),
    ],
)  # fmt: skip
def test_what_is_told(
    error: BaseException, kind: type[WireError], message: str, hint: str, transient: bool
) -> None:
    for raised in (error, wrapped(error)):
        told = wire_error(raised, ORIGIN)
        assert type(told) is kind
        assert message in told.message
        assert "registry.example" in told.message
        assert hint in told.hint if hint else not told.hint
        assert told.transient == transient


def test_a_name_that_is_not_there_is_looked_up_twice_and_one_that_nobody_tells_as_often_as_any() -> None:
    tries = [
        wire_error(socket.gaierror(number, "x"), ORIGIN).tries  # type: ignore[union-attr]
        for number in (socket.EAI_NONAME, socket.EAI_AGAIN)
    ]
    assert tries == [2, None]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_machine_that_can_open_no_socket_is_named(number: int) -> None:
    told = wire_error(wrapped(new_connection(system(number))), ORIGIN)
    assert isinstance(told, ResourceError)
    assert told.message == f"{ORIGIN} can't be reached: {os.strerror(number)}"
    assert told.hint


def test_an_error_that_holds_itself_is_read_to_its_end() -> None:
    error = OSError("x")
    error.args = (error,)
    assert isinstance(wire_error(error, ORIGIN), BrokenConnectionError)


def test_the_reason_is_one_line() -> None:
    assert "\n" not in wire_error(OSError(5, "a\nb\x1b[31m"), ORIGIN).message


@pytest.mark.parametrize(
    ("url", "tries"),
    [
        ("http://127.0.0.1:1", 2),
        ("http://localhost:5000", 2),
        ("http://[::1]:1", 2),
        ("https://h.example", None),
    ],
)
def test_what_does_not_run_on_this_machine_is_not_waited_for(url: str, tries: int | None) -> None:
    error = wire_error(ConnectionRefusedError(111, "x"), Origin.of(url))
    assert isinstance(error, WireError)
    assert error.tries == tries
