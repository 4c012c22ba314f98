"""Images to draw: the one that the README shows, and odd ones."""

from __future__ import annotations

import hashlib
import random

from flakeship.report.picture.model import Contents, LayerContents, Package

_SIZES = {
    "libunistring-1.2": 1_906_560,
    "libidn2-2.3.7": 389_208,
    "xgcc-13.3.0-libgcc": 195_424,
    "glibc-2.39-52": 31_318_280,
    "bash-5.2p32": 1_654_688,
    "zlib-1.3.1": 143_480,
    "xz-5.6.2": 931_848,
    "bzip2-1.0.8": 79_992,
    "gcc-13.3.0-lib": 9_426_264,
    "ncurses-6.4.20221231": 3_622_944,
    "readline-8.2p13": 501_152,
    "openssl-3.3.2": 6_905_608,
    "libffi-3.4.6": 73_568,
    "mpdecimal-4.0.0": 328_240,
    "expat-2.6.4": 253_056,
    "sqlite-3.46.0": 1_631_928,
    "gdbm-1.24-lib": 1_023_816,
    "tzdata-2024b": 1_790_320,
    "mailcap-2.1.54": 117_664,
    "libxcrypt-4.4.36": 151_824,
    "util-linux-minimal-2.39.4-lib": 1_141_160,
    "python3-3.12.7": 114_219_152,
    "coreutils-9.5": 1_909_064,
    "gmp-6.3.0": 759_608,
    "acl-2.3.2": 104_072,
    "attr-2.5.2": 85_120,
    "nss-cacert-3.104": 501_576,
    "postgresql-16.4-lib": 1_262_520,
    "python3.12-psycopg-3.2.1": 2_730_112,
    "python3.12-numpy-1.26.4": 38_812_904,
    "python3.12-pandas-2.2.2": 57_236_528,
    "openblas-0.3.28": 33_203_928,
    "gfortran-13.3.0-lib": 6_731_176,
    "python3.12-flask-3.0.3": 1_028_480,
    "python3.12-werkzeug-3.0.6": 1_957_184,
    "python3.12-jinja2-3.1.4": 1_493_056,
    "gunicorn-23.0.0": 1_003_256,
    "harbour-1.4.2": 9_822_344,
}
_TOGETHER = 24
"""Packages with a layer of their own, as `max-layers` would have it; the others share one."""


def path_of(name: str) -> str:
    letters = hashlib.sha256(name.encode(errors="replace")).hexdigest()
    return f"/nix/store/{''.join('0123456789abcdfghijklmnpqrsvwxyz'[int(each, 16)] for each in letters[:32])}-{name}"


def layer_of(number: int, *sizes: tuple[str, int | None], stored: int = 0, text: str = "") -> LayerContents:
    """A layer of packages with their sizes; without them all its size is that of its blob."""
    packages = tuple(Package(name, path_of(name), size) for name, size in sizes)
    digest = f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"
    known = bool(sizes) and all(size is not None for _, size in sizes)
    size = sum(size or 0 for _, size in sizes) if known else stored
    return LayerContents(number, digest, size, "unpacked" if known else "compressed", packages, text)


def harbour() -> Contents:
    """A web application in Python; what is small shares a layer, and the last holds links, whose sizes nobody knows."""
    largest = sorted(_SIZES, key=lambda name: -_SIZES[name])
    small = [name for name in _SIZES if name in largest[_TOGETHER:]]
    alone = [name for name in _SIZES if name in largest[:_TOGETHER]]
    layers = [layer_of(1, *((name, _SIZES[name]) for name in small))]
    layers += [layer_of(number, (name, _SIZES[name])) for number, name in enumerate(alone, start=2)]
    last = layer_of(len(layers) + 1, stored=712, text="links, user and folders")
    return Contents("ghcr.io/octo/harbour:1.4.2", "linux/amd64", (*layers, last))


def many(packages: int, layers: int, *, seed: int = 1, name: str = "registry.example/app:1") -> Contents:
    """Packages whose sizes are spread as those of real closures are: few large ones, many of some kilobytes."""
    chance = random.Random(seed)
    sizes = [
        (f"package-{number}-1.{number % 97}", int(chance.lognormvariate(11.5, 2.4)))
        for number in range(packages)
    ]
    return Contents(
        name, "linux/amd64", tuple(layer_of(place + 1, *sizes[place::layers]) for place in range(layers))
    )
