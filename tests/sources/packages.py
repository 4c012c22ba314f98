"""Packages of our own, without a store: what the closure's tests make images of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    path: str
    nar_hash: str = "sha256:1"
    nar_size: int = 100
    references: tuple[str, ...] = ()


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
