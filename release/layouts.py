"""Images for one platform each, in OCI layouts → one layout whose index.json is the index of one image.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from release import NotReleasableError

_INDEX: Final = "application/vnd.oci.image.index.v1+json"


def joined(layouts: Sequence[Path], to: Path) -> Path:
    """Write the layout `to`, in the place of what is there. NotReleasableError if two images are for the same platform."""
    manifests = sorted((_manifest(layout) for layout in layouts), key=_platform)
    platforms = [_platform(manifest) for manifest in manifests]
    if len(set(platforms)) != len(layouts):
        raise NotReleasableError(
            f"the images to join are for {', '.join(platforms)}",
            hint="each has to be for a platform of its own",
        )
    shutil.rmtree(to, ignore_errors=True)
    for layout in layouts:
        shutil.copytree(layout, to, dirs_exist_ok=True)
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    (to / "index.json").write_text(json.dumps(index))
    return to


def _manifest(layout: Path) -> dict[str, Any]:
    """The descriptor of the only image of a layout, with its platform and without its name."""
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    if len(manifests) != 1 or "platform" not in manifests[0]:
        raise NotReleasableError(f"{layout} does not hold exactly one image with its platform")
    kept = ("mediaType", "digest", "size", "platform")
    return {name: manifests[0][name] for name in kept}


def _platform(manifest: dict[str, Any]) -> str:
    return f"{manifest['platform']['os']}/{manifest['platform']['architecture']}"
