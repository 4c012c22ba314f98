"""THE declaration of outputs: what a command hands to the next step of a workflow, and what each of them holds."""

from __future__ import annotations

from typing import Final

OUTPUTS: Final = {
    "digest": "The digest of the manifest or index: deploy by it. `digest`, `imageid`, `refs` and `tags` are empty if the image "
    "was written nowhere",
    "imageid": "The digest of the config, which `docker images` shows as the image ID",
    "refs": "References with digest, one a line, of each place that has the image: `ghcr.io/owner/name@sha256:…`",
    "tags": "Full references of the tags that were written, one a line",
    "labels": "The labels of the image, written KEY=VALUE, one a line",
    "digests": 'The digest of each platform\'s manifest, as JSON: `{"linux/amd64": "sha256:…"}`. `{}` if the image was written '
    "nowhere",
    "pushed": "`true` if the registries have everything that was to be pushed, of all images; else `false`",
    "metadata": "The result as JSON, the same as in `metadata-file`, but for `flakeship.difference`, which may be large",
}
"""What the command `publish` hands to the next step, and what each of them holds."""


METADATA_OUTPUTS: Final = {
    "version": "Version of the image: its first tag",
    "tags": "Full references, one a line",
    "tag-names": "Tags without the name of an image, one a line",
    "labels": "Labels, KEY=VALUE, one a line",
    "annotations": "Annotations, LEVEL:KEY=VALUE, one a line",
    "json": "Tags, labels and annotations as JSON",
    "bake-file-tags": "File for `docker buildx bake` with the tags",
    "bake-file-labels": "File for `docker buildx bake` with the labels",
    "bake-file-annotations": "File for `docker buildx bake` with the annotations",
    "bake-file": "File for `docker buildx bake` with tags and labels",
}
"""What the command `metadata` hands to the next step: the outputs of docker/metadata-action, and what they hold."""
