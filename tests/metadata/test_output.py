"""Metadata as text and JSON, in the shapes that metadata-action gives."""

import json

from flakeship.metadata import output
from tests.metadata.computing import compute
from tests.metadata.test_engine import CONTEXT, MAIN

LABELS = {
    "a": "b",
    "org.opencontainers.image.created": "2020-01-10T00:30:00.000Z",
    "org.opencontainers.image.description": "An app",
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.revision": "860c1904a1ce19322e91ac35af1ab07466440c37",
    "org.opencontainers.image.source": "https://github.com/octo/app",
    "org.opencontainers.image.title": "app",
    "org.opencontainers.image.url": "https://github.com/octo/app",
    "org.opencontainers.image.version": "v1.2.3",
}
FOUND = compute(
    CONTEXT,
    images=["octo/app"],
    labels=["a=b"],
    levels=["manifest", "index"],
    annotations=["a=b", "index[linux/amd64]:c=d"],
)


def test_json_has_metadata_actions_shape() -> None:
    lines = [f"{level}:{key}={value}" for level in ("manifest", "index") for key, value in LABELS.items()]
    assert output.to_json(FOUND) == {
        "tags": ["octo/app:v1.2.3", "octo/app:latest"],
        "tag-names": ["v1.2.3", "latest"],
        "labels": LABELS,
        "annotations": [*lines, "index[linux/amd64]:c=d"],
    }
    assert list(output.to_json(FOUND)["labels"]) == list(LABELS)


def test_outputs_are_lines() -> None:
    outputs = output.outputs(FOUND, separators=(",", ",", ""))
    assert outputs["version"] == "v1.2.3"
    assert outputs["tags"] == "octo/app:v1.2.3,octo/app:latest"
    assert outputs["tag-names"] == "v1.2.3,latest"
    assert outputs["labels"].startswith("a=b,org.opencontainers.image.created=2020")
    assert outputs["annotations"].splitlines()[0] == "manifest:a=b"
    assert json.loads(outputs["json"]) == output.to_json(FOUND)


def test_bake_files_define_one_target() -> None:
    arguments = {"DOCKER_META_IMAGES": "octo/app", "DOCKER_META_VERSION": "v1.2.3"}
    tags = ["octo/app:v1.2.3", "octo/app:latest"]
    both = json.loads(output.bake_file(FOUND, target="t"))
    assert both == {"target": {"t": {"tags": tags, "labels": LABELS, "args": arguments}}}
    assert json.loads(output.bake_file(FOUND, "tags"))["target"]["docker-metadata-action"] == {
        "tags": tags,
        "args": arguments,
    }
    assert json.loads(output.bake_file(FOUND, "labels", target="t"))["target"]["t"] == {"labels": LABELS}
    assert (
        len(json.loads(output.bake_file(FOUND, "annotations", target="t"))["target"]["t"]["annotations"])
        == 19
    )
    nothing = json.loads(output.bake_file(compute(MAIN, tags=["type=schedule"]), "tags", target="t"))
    assert nothing["target"]["t"] == {"tags": [], "args": {"DOCKER_META_IMAGES": ""}}


def test_a_label_that_is_unknown_is_empty_as_theirs_is() -> None:
    found = compute(MAIN, tags=["type=schedule"])
    assert output.all_labels(found)["org.opencontainers.image.version"] == ""
    assert output.all_labels(compute(MAIN, labels=["x=1"], auto_labels=False)) == {"x": "1"}


def test_text_for_people() -> None:
    text = output.as_text(compute(CONTEXT, auto_labels=False))
    assert text == "Version\n  v1.2.3\nTags\n  v1.2.3\n  latest\nLabels\n  (none)\nAnnotations\n  (none)\n"


def test_each_tag_is_explained() -> None:
    found = compute(CONTEXT, images=["a/b", "c/d"], tags=["type=sha", "type=edge", "type=ref,event=tag"])
    assert output.explain(found).splitlines() == [
        "-            type=edge  (the run is not for a branch)",
        "v1.2.3       type=ref,event=tag",
        "sha-860c190  type=sha",
        "latest       flavor latest=auto",
    ]
