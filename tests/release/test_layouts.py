"""Two layouts of one image each become one of an index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flakeship.errors import Error
from release.layouts import joined


def layout(folder: Path, *platforms: str) -> Path:
    """A layout whose images are for these CPUs; each has a blob of its own, and one that all have."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    manifests = []
    for number, platform in enumerate(platforms):
        system, cpu = platform.split("/")
        digest = f"{number}-{cpu}"
        (blobs / digest).write_text(digest)
        (blobs / "shared").write_text("shared")
        manifests.append(
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": f"sha256:{digest}",
                "size": 1,
                "platform": {"os": system, "architecture": cpu},
                "annotations": {"org.opencontainers.image.ref.name": "main"},
            }
        )
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return folder


def test_the_index_lists_both_in_the_same_order_whoever_comes_first(tmp_path: Path) -> None:
    one, other = layout(tmp_path / "arm", "linux/arm64"), layout(tmp_path / "amd", "linux/amd64")
    made = joined([one, other], tmp_path / "joined")
    index = json.loads((made / "index.json").read_text())
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert all("annotations" not in entry for entry in index["manifests"]), (
        "a layout's names are not the image's"
    )
    assert {path.name for path in (made / "blobs/sha256").iterdir()} == {"0-arm64", "0-amd64", "shared"}
    before = (made / "index.json").read_bytes()
    (made / "blobs/sha256/left-over").write_text("of an earlier run")
    assert (joined([other, one], made) / "index.json").read_bytes() == before
    assert not (made / "blobs/sha256/left-over").exists()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["linux/amd64"], ["linux/amd64"], "the images to join are for linux/amd64, linux/amd64"),
        (["linux/amd64", "linux/arm64"], ["linux/arm64"], "does not hold exactly one image"),
        (["linux/amd64"], [], "does not hold exactly one image"),
    ],
)
def test_what_is_not_one_image_for_each_platform_is_refused(
    tmp_path: Path, first: list[str], second: list[str], said: str
) -> None:
    with pytest.raises(Error, match=said):
        joined([layout(tmp_path / "1", *first), layout(tmp_path / "2", *second)], tmp_path / "joined")
