"""The bytes that `flakeship publish` emits: valid by the image-spec's schemas, and the same however it is run."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.image.schemas import Name, errors
from tests.testbed.command import Publish
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow


def layout(folder: Path) -> Mapping[Name, Any]:
    """Every document of a layout with one image, by the name of its schema."""

    def blob(descriptor: Mapping[str, Any]) -> Any:
        return json.loads(
            (folder / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        )

    index = json.loads((folder / "index.json").read_bytes())
    manifest = blob(index["manifests"][0])
    return {
        "image-layout": json.loads((folder / "oci-layout").read_bytes()),
        "image-index": index,
        "image-manifest": manifest,
        "config": blob(manifest["config"]),
    }


def nulls(document: Any) -> Iterator[None]:
    """Go's tools write null where a list or a map is empty; it is not valid, and not ours to hand on."""
    if document is None:
        yield document
    elif isinstance(document, dict | list):
        for value in document.values() if isinstance(document, dict) else document:
            yield from nulls(value)


@pytest.mark.parametrize(
    "attribute", ["layered", "layered-plain", "layered-zstd", "image", "stream", "hello"]
)
def test_every_document_is_valid(
    publish: Publish, make_flake: MakeFlake, tmp_path: Path, attribute: str
) -> None:
    flags = ("--labels", "team=north", "--annotations", "manifest:team=north", "--user", "65534")
    ended = publish("--flake", f".#{attribute}", "--to", f"oci:{tmp_path}/image", *flags, cwd=make_flake())
    assert ended.code == 0, ended.stderr
    for name, document in layout(tmp_path / "image").items():
        assert not errors(name, json.dumps(document).encode()), name
        assert not list(nulls(document)), name


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_one_core_or_all_of_them(publish: Publish, archive: Path, tmp_path: Path, compression: str) -> None:
    """The number of cores decides how many threads read and pack."""
    flags = ("--source", str(archive), "--compression", compression)
    assert publish(*flags, "--to", "oci:all").code == 0
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert publish(*flags, "--to", "oci:one", "--max-concurrent-uploads", "1").code == 0
    finally:
        os.sched_setaffinity(0, cores)
    assert (tmp_path / "all/index.json").read_text() == (tmp_path / "one/index.json").read_text()


def test_layers_are_those_that_nix_made(publish: Publish, archive: Path, tmp_path: Path) -> None:
    plain = ("--source", str(archive), "--created", "keep")
    for number, flags in enumerate(
        [("--auto-labels", "false"), ("--labels", "a=b", "--entrypoint", "/bin/x")]
    ):
        assert publish(*plain, *flags, "--to", f"oci:{number}").code == 0
    first, second = (layout(tmp_path / name) for name in "01")
    assert first["image-manifest"]["layers"] == second["image-manifest"]["layers"]
    assert first["config"]["rootfs"] == second["config"]["rootfs"]
    assert first["config"]["config"] != second["config"]["config"]


@pytest.mark.parametrize(
    "attribute",
    ["stream", "hello", *(pytest.param(name, marks=pytest.mark.long) for name in ("layered", "image"))],
)
def test_over_an_earlier_image_as_from_nothing(
    publish: Publish, make_flake: MakeFlake, attribute: str
) -> None:
    """The second run finds the image published and builds nothing; nobody can tell by what it writes."""
    folder = make_flake()
    plain = ("--flake", f".#{attribute}", "--labels", "team=north")
    assert (
        publish(*plain, "--labels", "once=1", "--to", "oci:twice", cwd=folder, SOURCE_DATE_EPOCH="5").code
        == 0
    )
    again = publish(*plain, "--to", "oci:twice", cwd=folder)
    assert "nothing is built" in again.stderr
    assert publish(*plain, "--to", "oci:once", cwd=folder).code == 0
    assert (folder / "twice/index.json").read_text() == (folder / "once/index.json").read_text()


def test_source_date_epoch_beats_the_commit(publish: Publish, make_flake: MakeFlake) -> None:
    folder = make_flake()
    for epoch, created in (("5", "1970-01-01T00:00:05Z"), ("", "2026-01-02T03:04:05Z")):
        assert publish("--flake", ".#stream", "--to", "oci:x", cwd=folder, SOURCE_DATE_EPOCH=epoch).code == 0
        assert layout(folder / "x")["config"]["created"] == created


def test_nix_follows_the_flakes_own_settings_only_where_it_is_told_to(
    publish: Publish, make_flake: MakeFlake, tmp_path: Path
) -> None:
    """A hook that runs after each build is what a hostile flake would ask for."""
    folder, hook = make_flake(fresh=True), tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    flake = (folder / "flake.nix").read_text()
    (folder / "flake.nix").write_text(flake.replace("{", f'{{ nixConfig.post-build-hook = "{hook}";', 1))
    refused = publish("--flake", ".#layered", "--to", "oci:x", cwd=folder)
    assert refused.code == 0, refused.stderr
    assert not (tmp_path / "ran").exists()
    (folder / "salt").write_text(str(uuid.uuid4()))
    taken = publish("--flake", ".#layered", "--to", "oci:x", "--accept-flake-config", cwd=folder)
    assert taken.code == 0, taken.stderr
    assert (tmp_path / "ran").exists()
