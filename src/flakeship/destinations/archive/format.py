"""The two formats of an image archive."""

from __future__ import annotations

from typing import Literal, TypeAlias

ArchiveFormat: TypeAlias = Literal["docker-archive", "oci-archive"]
"""`docker-archive` has a manifest.json for `docker load` and is an OCI layout too; `oci-archive` is a layout alone."""
