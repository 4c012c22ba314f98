"""Inputs whose words are about one image that is built, in the words of `merge`, which has images and gives them a name."""

from __future__ import annotations

from typing import Final

MEANT_BY_MERGE: Final = {
    "platforms": "The platforms that the image must have, no more and no fewer: `linux/amd64,linux/arm64`",
    "images": "Image names without a tag, for bare tags and rules in `tags`. Default: where the legs are",
    "tags": "Full references, or bare tags and rules. Default: the tags that the legs would have got",
    "annotations": "Annotations of the index as KEY=VALUE, which win over those of the legs",
    "provenance": "Attach provenance (SLSA v1) to the index: what the jobs that build state of their images, where they were given this input "
    "too, and this run. It is written to `provenance.json` beside `metadata-file` too",
    "push": "Whether to set the tags. `auto`: set them, and fail if that is not possible, but end with a notice (NOT PUSHED) "
    "where CI gave the jobs that build no credentials, so that no leg was pushed. `true`: fail there too. `false`: compare "
    "everything, and set no tag",
    "dry-run": "Compare everything, ask the registry, print what would be tagged, and set no tag",
}
