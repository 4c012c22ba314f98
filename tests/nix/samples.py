"""What Nix 2.8, 2.26 and 2.34 print for the same flake: recorded output, shortened to what flakeship reads."""

from __future__ import annotations

from typing import Any, Final

DRV: Final = "/nix/store/601j7zsb9n7irdhhig611z0f3kygzn1a-app-1.0.drv"
OUT: Final = "/nix/store/cbrip8831h52jwfj9xa783z59iq9dn9r-app-1.0"
DEP: Final = "/nix/store/jkw5hyj6nvwryi0k9rsjrjb70y3k4zzm-dep-1.0"
FAILS: Final = "/nix/store/21qd0drjw899azgcrbfdlxpdmd4ck7ii-fails.drv"
OUT_HASH: Final = "sha256-jBRGqNh/2H24fGJLeOGUKzYq3X72Gt8p8YV/Be0EdT0="
DEP_HASH: Final = "sha256-SUza0DfPfQp17oFvwGC5JmPeEwlgKv9DwvnOVdreTEA="
REVISION: Final = "b5ca9ad64537eb0f19bd4530f57cee69e940040a"

BUILD: Final[dict[str, Any]] = {
    "2.8": [{"drvPath": DRV, "outputs": {"out": OUT}}],
    "2.26": [{"drvPath": DRV, "outputs": {"out": OUT}, "startTime": 0, "stopTime": 0}],
    "2.34": [{"drvPath": DRV, "outputs": {"out": OUT}}],
}

SHOWN_DERIVATION: Final[dict[str, Any]] = {
    "2.8": {DRV: {"outputs": {"out": {"path": OUT}}, "system": "x86_64-linux", "env": {"name": "app-1.0"}}},
    "2.26": {DRV: {"name": "app-1.0", "outputs": {"out": {"path": OUT}}, "system": "x86_64-linux"}},
    "2.34": {
        "derivations": {DRV.rpartition("/")[2]: {"name": "app-1.0", "system": "x86_64-linux", "version": 4}},
        "version": 4,
    },
}

PATH_INFO: Final[dict[str, Any]] = {
    "2.8": [
        {
            "path": OUT,
            "narHash": OUT_HASH,
            "narSize": 512,
            "references": [DEP],
            "deriver": DRV,
            "ultimate": True,
        },
        {"path": DEP, "narHash": DEP_HASH, "narSize": 1982736, "references": []},
    ],
    "2.26": {
        OUT: {
            "ca": None,
            "deriver": DRV,
            "narHash": OUT_HASH,
            "narSize": 512,
            "references": [DEP],
            "signatures": [],
        },
        DEP: {"ca": None, "deriver": None, "narHash": DEP_HASH, "narSize": 1982736, "references": []},
    },
    "2.34": {
        OUT: {"deriver": DRV, "narHash": OUT_HASH, "narSize": 512, "references": [DEP], "version": 1},
        DEP: {"deriver": None, "narHash": DEP_HASH, "narSize": 1982736, "references": [DEP], "version": 1},
    },
}
INVALID: Final[dict[str, Any]] = {
    "2.8": [{"path": OUT, "valid": False}],
    "2.26": {OUT: None},
    "2.34": {OUT: None},
}

_LOCKED: Final = {"lastModified": 1795227135, "rev": REVISION, "type": "git", "url": "file:///facts/flake"}
METADATA: Final[dict[str, Any]] = {
    "2.8": {
        "lastModified": 1795227135,
        "locked": _LOCKED | {"ref": "main"},
        "revision": REVISION,
        "resolvedUrl": "git+file:///facts/flake",
        "url": f"git+file:///facts/flake?ref=main&rev={REVISION}",
    },
    "2.26": {
        "fingerprint": "0523e092072721f95c2f909676024789ae715c6c0f8c32c406406e9498d6bfba",
        "lastModified": 1795227135,
        "locked": _LOCKED | {"__final": True, "ref": "refs/heads/main"},
        "revision": REVISION,
        "url": f"git+file:///facts/flake?ref=refs/heads/main&rev={REVISION}",
    },
    "2.34": {
        "lastModified": 1795227135,
        "locked": _LOCKED | {"__final": True, "ref": "refs/heads/main"},
        "revision": REVISION,
        "url": f"git+file:///facts/flake?ref=refs/heads/main&rev={REVISION}",
    },
}

_RED, _MAGENTA, _END = "\x1b[31;1m", "\x1b[35;1m", "\x1b[0m"
BUILDER_FAILED: Final[dict[str, str]] = {
    "2.8": f"{_RED}error:{_END} {_MAGENTA}{_END}builder for '{_MAGENTA}{FAILS}{_END}' failed with exit code 3{_END}",
    "2.26": f"{_RED}error:{_END} {_MAGENTA}{_END}builder for '{_MAGENTA}{FAILS}{_END}' failed with exit code 3{_END}",
    "2.34": (
        f"{_RED}error:{_END} Cannot build '{_MAGENTA}{FAILS}{_END}'.\n"
        f"       Reason: {_RED}builder failed with exit code 3{_END}.\n       Output paths:\n"
        f"         {_MAGENTA}/nix/store/gbkdl2znqf8qz86p0khfdvfxaifm46gv-fails{_END}"
    ),
}
WRONG_SYSTEM: Final[dict[str, str]] = {
    "2.8": (
        f"{_RED}error:{_END} a '{_MAGENTA}aarch64-linux{_END}' with features {{{_MAGENTA}{_END}}} is required to build "
        f"'{_MAGENTA}{DRV}{_END}', but I am a '{_MAGENTA}x86_64-linux{_END}' with features {{{_MAGENTA}kvm{_END}}}"
    ),
    "2.30": (
        f"error: Cannot build '{DRV}'.\n       Reason: required system or feature not available\n"
        "       Required system: 'aarch64-linux' with features {}\n"
        "       Current system: 'x86_64-linux' with features {benchmark, big-parallel, kvm, nixos-test}"
    ),
    "2.34": (
        f"{_RED}error:{_END} Cannot build '{_MAGENTA}{DRV}{_END}'.\n       Reason: {_RED}platform mismatch{_END}\n"
        f"       Required system: '{_MAGENTA}aarch64-linux{_END}'\n       Current system: '{_MAGENTA}x86_64-linux{_END}'"
    ),
}
MISSING_FEATURE: Final[dict[str, str]] = {
    "2.8": (
        f"error: a 'x86_64-linux' with features {{kvm}} is required to build '{DRV}', "
        "but I am a 'x86_64-linux' with features {benchmark}"
    ),
    "2.34": (
        f"error: Cannot build '{DRV}'.\n       Reason: missing system features\n"
        "       Required features: {kvm}\n       Available features: {benchmark, uid-range}"
    ),
}
