"""An image that holds a TLS library holds CA certificates too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView
from flakeship.store_paths import name_of

_TLS: Final = re.compile(r"(openssl|gnutls|libressl|mbedtls|nss|boringssl|botan[23]?|wolfssl)-[0-9].*")
_BUNDLE: Final = re.compile(r"(nss-)?cacert-.*|ca-certificates.*")
_BUNDLE_FILES: Final = (
    "etc/ssl/certs/ca-bundle.crt",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
)
_BUNDLE_VARIABLES: Final = ("SSL_CERT_FILE=", "NIX_SSL_CERT_FILE=", "SSL_CERT_DIR=")
_NOT_TO_RUN: Final = re.compile(
    r"(gcc|gcc-wrapper|clang|clang-wrapper|llvm|binutils|binutils-wrapper|rustc|cargo|go|ghc|cmake|gnumake"
    r"|linux-headers|stdenv-linux|jdk|openjdk|nodejs-slim-dev|python3-dev)-[0-9][0-9a-z.+_-]*?(?P<output>-[a-z]+)?"
    r"|.+-dev"
)


def findings(image: ImageView) -> Iterator[Finding]:
    """Report a TLS library without certificates: no package, no usual file and no variable that names one."""
    names = [name_of(path) for path in image.store_paths]
    libraries = sorted({name for name in names if _TLS.fullmatch(name)})
    env = image.runtime.get("Env", ())
    if (
        libraries
        and image.complete
        and not any(map(_BUNDLE.fullmatch, names))
        and not any(map(image.has, _BUNDLE_FILES))
        and not any(entry.startswith(_BUNDLE_VARIABLES) for entry in env)
    ):
        yield Finding(
            "ca-bundle",
            "warning",
            f"{libraries[0]} is there, but no CA certificates: TLS connections will fail",
            "set `contents: nixpkgs#cacert`"
            if image.is_of_package
            else 'add pkgs.cacert to its contents, or `config.Env = [ "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt" ];`',
        )
