"""Whose certificates are believed: the system's authorities, or others that the user names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from flakeship.errors import UsageError


def tls_context(ca: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR, and those in the file `ca` besides."""
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"SSL_CERT_FILE={file} holds no certificates that can be read",
            hint="Unset it, or name a PEM file: -----BEGIN CERTIFICATE----- …",
        ) from error
    if not (file or folder) and not context.cert_store_stats()["x509_ca"]:
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
