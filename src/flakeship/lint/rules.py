"""What images from Nix commonly lack or carry in vain; each rule is a function, and they are listed in RULES."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from flakeship.lint.elf import architecture_of
from flakeship.lint.facts import Facts, Finding
from flakeship.store_paths import STORE, name_of, store_path_of

Rule: TypeAlias = Callable[[Facts], Iterator[Finding]]

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
_RUNTIME_OUTPUTS: Final = frozenset({"-lib", "-libgcc", "-libs", "-out", "-man", "-doc", "-info"})
_MOST_LAYERS: Final = 127
_FEW: Final = 5


def ca_bundle(facts: Facts) -> Iterator[Finding]:
    names = [name_of(path) for path in facts.store_paths]
    libraries = sorted({name for name in names if _TLS.fullmatch(name)})
    env = facts.runtime.get("Env", ())
    if (
        libraries
        and facts.complete
        and not any(map(_BUNDLE.fullmatch, names))
        and not any(map(facts.has, _BUNDLE_FILES))
        and not any(entry.startswith(_BUNDLE_VARIABLES) for entry in env)
    ):
        yield Finding(
            "ca-bundle",
            "warning",
            f"{libraries[0]} is there, but no CA certificates: TLS connections will fail",
            'add pkgs.cacert to `contents`, or config.Env = [ "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt" ];',
        )


def no_tmp(facts: Facts) -> Iterator[Finding]:
    if facts.complete and not facts.has("tmp"):
        yield Finding(
            "tmp",
            "warning",
            "there is no /tmp, which many programs expect",
            'extraCommands = "mkdir -m 1777 tmp";',
        )


def user(facts: Facts) -> Iterator[Finding]:
    name = str(facts.runtime.get("User", "")).partition(":")[0]
    if name in {"", "root", "0"}:
        yield Finding(
            "root",
            "hint",
            "the program runs as root",
            'config.User = "65532:65532";',
        )
    elif _lacks_entry(facts, name):
        numeric = name.isdigit()
        yield Finding(
            "passwd",
            "hint" if numeric else "warning",
            f"user {name} has no entry in /etc/passwd"
            + ("" if numeric else ": no engine will start the program"),
            "contents = [ pkgs.dockerTools.fakeNss ]; or one of your own: "
            f'(pkgs.writeTextDir "etc/passwd" "{"app" if numeric else name}:x:{name if numeric else 1000}:…")',
        )


def _lacks_entry(facts: Facts, name: str) -> bool:
    """False where that can't be known."""
    content = facts.file("etc/passwd")
    if content is None:
        return facts.complete and not facts.has("etc/passwd")
    field = 2 if name.isdigit() else 0
    lines = (line.split(":") for line in content.decode("utf-8", "replace").splitlines())
    return not any(len(line) > field and line[field] == name for line in lines)


def command(facts: Facts) -> Iterator[Finding]:
    entrypoint, cmd = facts.runtime.get("Entrypoint"), facts.runtime.get("Cmd")
    if not entrypoint and not cmd:
        yield Finding(
            "command",
            "warning",
            "there is neither an Entrypoint nor a Cmd: nothing says what to run",
            'config.Entrypoint = [ "${pkgs.lib.getExe package}" ];',
        )
    elif not entrypoint and len(cmd or ()) == 1:
        yield Finding(
            "entrypoint",
            "hint",
            "there is a Cmd and no Entrypoint: arguments of `docker run` replace the program instead of reaching it",
            "say config.Entrypoint instead of config.Cmd, where arguments will be passed",
        )


def many_layers(facts: Facts) -> Iterator[Finding]:
    count = len(facts.packed.layers)
    if count > _MOST_LAYERS:
        yield Finding(
            "layers",
            "warning",
            f"{count} layers: docker's overlay2 takes {_MOST_LAYERS}, sysbox 64",
            "maxLayers = 100;",
        )


def wrong_architecture(facts: Facts) -> Iterator[Finding]:
    """Of the program that is run, where it lies in the store of this very machine."""
    path = facts.program
    found = architecture_of(Path(path)) if path.startswith(STORE) else ""
    said = facts.packed.image.platform.architecture
    if found and found != said:
        yield Finding(
            "architecture",
            "warning",
            f"the config says {said}, but {path} is made for {found}",
            f'architecture = "{found}"; or the input `platform: linux/{found}`',
        )


def not_to_run(facts: Facts) -> Iterator[Finding]:
    """Compilers and headers, the largest first."""
    sized = sorted(
        (
            (-layer.descriptor.size if len(paths) == 1 else 0, path)
            for layer, paths in zip(facts.packed.layers, facts.contents, strict=True)
            for path in paths
            if _is_for_building(name_of(path))
        )
    )
    if not sized:
        return
    names = [name_of(path) for _, path in sized]
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    largest, root = sized[0][1], store_path_of(facts.program)
    way = facts.way_to(root, largest) if root else ()
    shown = "shows where" if way else "shows what refers to it"
    yield Finding(
        "build-tools",
        "warning",
        f"what builds programs is in the image: {', '.join(names[:_FEW])}{more}"
        + (f"; the way to it: {' → '.join(map(name_of, way))}" if way else ""),
        f"`nix why-depends {'--precise ' if way else ''}{root if way else 'RESULT'} {largest}` {shown}; "
        "removeReferencesTo, or another output, mends it",
    )


def _is_for_building(name: str) -> bool:
    hit = _NOT_TO_RUN.fullmatch(name)
    return hit is not None and hit["output"] not in _RUNTIME_OUTPUTS


def no_date(facts: Facts) -> Iterator[Finding]:
    created = str(facts.packed.image.config.get("created", ""))
    if created.startswith(("1970-01-01", "0001-01-01", "1980-01-01")):
        yield Finding(
            "created",
            "hint",
            f"the image is dated {created[:10]}: tools that sort or prune by age are misled",
            "leave the input `created` at `auto` in a git repository, or set SOURCE_DATE_EPOCH",
        )


def compression(facts: Facts) -> Iterator[Finding]:
    if any(layer.descriptor.media_type.endswith("+zstd") for layer in facts.packed.layers):
        yield Finding(
            "zstd",
            "hint",
            "layers are compressed with zstd, which docker before 23 can't pull",
            "compression: gzip, where such engines are in use",
        )


RULES: Final[tuple[Rule, ...]] = (
    command,
    user,
    wrong_architecture,
    ca_bundle,
    no_tmp,
    many_layers,
    not_to_run,
    no_date,
    compression,
)


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Of all rules, warnings first."""
    found = [finding for rule in RULES for finding in rule(facts)]
    return tuple(sorted(found, key=lambda finding: finding.level != "warning"))
