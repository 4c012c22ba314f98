"""The certificates that are trusted and shown: the system's, those that the user names, and those that one host has for itself."""

from __future__ import annotations

import os
import ssl
import stat
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from flakeship.errors import UsageError
from flakeship.http.errors import NoAuthoritiesError
from flakeship.http.origin import Origin
from flakeship.http.resumption import ResumingContext

_LIMIT: Final = 16 << 20
"""Bytes of a file of certificates: all authorities of a system have 220 kB."""

_ALSO: Final = {"registry-1.docker.io": "docker.io"}
"""The folder that is meant by users for the host that serves the Docker Hub.

https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md
"""


def host_folders(environ: Mapping[str, str], home: str) -> tuple[Path, ...]:
    """Return the folders in which a host may have a folder of its own, in the order of podman; docker's stand behind them.

    https://docs.docker.com/engine/security/certificates/
    """
    own = Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config")
    system = Path("/etc")
    return tuple(base / name / "certs.d" for name in ("containers", "docker") for base in (own, system))


class Trust:
    """The TLS contexts of a run: `usual` for all hosts but those that have a folder `HOST[:PORT]` in one of `folders`.

    `ca` is a PEM file. Its methods may be called by several threads.
    """

    def __init__(self, ca: str | None, environ: Mapping[str, str], folders: Sequence[Path] = ()) -> None:
        """Read the certificates of the system and of the user. UsageError is raised for a `ca` without certificates."""
        self._ca, self._environ, self._folders = ca, environ, folders
        self._usual: ssl.SSLContext | NoAuthoritiesError
        try:
            self._usual = tls_context(ca, environ)
        except NoAuthoritiesError as error:  # which a registry without TLS is not concerned by
            if ca:
                tls_context(ca, {})
            self._usual = error
        self._own: dict[Origin, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def usual(self) -> ssl.SSLContext:
        """The context for all other hosts. NoAuthoritiesError is raised for an SSL_CERT_FILE without certificates."""
        if isinstance(self._usual, NoAuthoritiesError):
            raise self._usual
        return self._usual

    def of(self, origin: Origin) -> ssl.SSLContext:
        """Return the context for one host, to which alone the certificates of its folder count, and are shown.

        UsageError is raised for a folder that cannot be used.
        """
        with self._lock:
            if origin not in self._own:
                folder = self._folder_of(origin)
                self._own[origin] = self._with(folder) if folder else self.usual
            return self._own[origin]

    def _folder_of(self, origin: Origin) -> Path | None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        names = [origin.authority, f"{host}:{origin.port}"]
        names += filter(None, [_ALSO.get(origin.authority)])
        places = (folder / name for folder in self._folders for name in names)
        return next(filter(_is_folder, places), None)

    def _with(self, folder: Path) -> ssl.SSLContext:
        context = tls_context(self._ca, self._environ)
        try:
            names = sorted(path.name for path in folder.iterdir() if path.exists())
        except PermissionError:
            return self.usual
        for name in names:
            path = folder / name
            match path.suffix:
                case ".crt":
                    _trust(context, path, f"the file {path}")
                case ".cert":
                    _show(context, path, path.with_suffix(".key"))
                case ".key" if path.with_suffix(".cert").name not in names:
                    raise UsageError(
                        f"the key {path} has no certificate beside it",
                        hint=f"name the certificate {path.with_suffix('.cert').name}",
                    )
                case _:
                    pass
        return context


def tls_context(ca: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts the authorities of the system, and those in the PEM file `ca`.

    SSL_CERT_FILE and SSL_CERT_DIR of `environ` replace those of the system
    (https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/). One that is not there is passed over, as Nix
    does: builders and `nix-shell --pure` set SSL_CERT_FILE=/no-cert-file.crt. UsageError is raised for a file without
    certificates, of the kind NoAuthoritiesError if SSL_CERT_FILE names it.
    """
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    there = _existing(file, folder)  # docs/decisions.md#a-file-that-is-not-there-replaces-nothing
    # Named a folder, even one that holds nothing, it leaves the system's authorities to us.
    context = ResumingContext.of(ssl.create_default_context(capath=os.devnull))
    if file and there[0]:
        _trust(context, Path(file), f"SSL_CERT_FILE={file}")
    if folder and there[1]:
        context.load_verify_locations(capath=folder)
    if not any(there):
        _trust_the_system(context, without_variables=bool(file or folder))
    if ca:
        _trust(context, Path(ca), f"the file {ca} of the input ca")
    return context


def _existing(file: str | None, folder: str | None) -> tuple[bool, bool]:
    folders = (folder or "").split(os.pathsep)
    return bool(file) and _exists(Path(file or "")), any(_is_folder(Path(each)) for each in folders if each)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises PermissionError before Python 3.12


def _is_folder(path: Path) -> bool:
    """What this user may not look into is passed over, as podman does."""
    return os.path.isdir(path)  # noqa: PTH112 - like Path.exists


def passed_over(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what SSL_CERT_FILE and SSL_CERT_DIR name and is not there, each as `NAME=value`."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    there = _existing(*map(environ.get, names))
    return tuple(
        f"{name}={environ[name]}"
        for name, found in zip(names, there, strict=True)
        if environ.get(name) and not found
    )


def _trust_the_system(context: ssl.SSLContext, *, without_variables: bool) -> None:
    if without_variables:  # OpenSSL would read them once more, and find nothing there
        places = ssl.get_default_verify_paths()
        there = _existing(places.openssl_cafile, places.openssl_capath)
        if any(there):
            context.load_verify_locations(
                places.openssl_cafile if there[0] else None, places.openssl_capath if there[1] else None
            )
    else:
        context.load_default_certs()
    if not context.cert_store_stats()["x509_ca"]:
        # Minimal container images have no ca-certificates, and python.org's Python for macOS has none either.
        from certifi import where

        context.load_verify_locations(where())


def _trust(context: ssl.SSLContext, path: Path, what: str) -> None:
    try:
        kind = path.stat()
        if stat.S_ISREG(kind.st_mode) and kind.st_size <= _LIMIT:
            context.load_verify_locations(path)
            return
        with path.open("rb") as file:  # OpenSSL would read /dev/zero for ever
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise ValueError("it has no end")
        context.load_verify_locations(cadata=data.decode("ascii", "ignore"))
    except (OSError, ValueError) as error:
        kind_of_error = NoAuthoritiesError if what.startswith("SSL_") else UsageError
        raise kind_of_error(
            f"{what} holds no certificates that can be read",
            hint=("unset it, or name a PEM file" if what.startswith("SSL_") else "name a PEM file")
            + ": -----BEGIN CERTIFICATE----- …",
        ) from error


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    if not key.exists():
        raise UsageError(
            f"the client certificate {certificate} has no key {key.name} beside it",
            hint="name certificates of authorities NAME.crt, and client certificates NAME.cert",
        )
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # nobody is there to type one
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the client certificate {certificate} and its key {key.name} can't be used: they can't be read, "
            "do not belong together, or the key has a passphrase",
            hint="name two PEM files that this user may read, the key without a passphrase",
        ) from error
