"""The certificate authorities that are trusted: those of the system, or others that the user names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from flakeship.errors import UsageError


def tls_context(ca: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts the authorities of the system, and those in the PEM file `ca`.

    SSL_CERT_FILE and SSL_CERT_DIR of `environ` replace those of the system
    (https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/). UsageError is raised for a file without
    certificates.
    """
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"SSL_CERT_FILE={file} holds no certificates that can be read",
            hint="Unset it, or name a PEM file: -----BEGIN CERTIFICATE----- …",
        ) from error
    if not (file or folder) and not context.cert_store_stats()["x509_ca"]:
        # Minimal container images have no ca-certificates, and python.org's Python for macOS has none either.
        from certifi import where

        context.load_verify_locations(where())
    if ca:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the file {ca} of the input ca holds no certificates that can be read",
                hint="It must be a PEM file: -----BEGIN CERTIFICATE----- …",
            ) from error
    return context
