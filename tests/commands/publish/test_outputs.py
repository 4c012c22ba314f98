"""What a run hands on."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship import cli
from flakeship.commands.publish.metadata_file import check_metadata, write_metadata
from flakeship.commands.publish.outputs import not_pushed, outputs, references
from flakeship.destinations.protocol import DeliveredBlob, Published
from flakeship.errors import ResourceError, UsageError
from flakeship.image.index import seal_index
from flakeship.image.model import Platform
from flakeship.settings.outputs import OUTPUTS
from tests.images import random_packed

PACKED = random_packed(1, 1)
DIGEST = PACKED.descriptor.digest
SENT = Published(
    "ghcr.io/o/n", f"ghcr.io/o/n@{DIGEST}", ("ghcr.io/o/n:1", "ghcr.io/o/n:2"), DIGEST,
    (DeliveredBlob(PACKED.layers[0].descriptor.digest, 5, "uploaded"),),
)  # fmt: skip
LAYOUT = Published("oci:/out", "oci:/out:latest", (), DIGEST, ())
WITHHELD = Published(
    "ghcr.io/o/x", f"ghcr.io/o/x@{DIGEST}", ("ghcr.io/o/x:1",), DIGEST, (), sent=False, why="no secrets"
)


def test_outputs_are_those_that_are_declared() -> None:
    found = outputs(PACKED, [SENT, LAYOUT, WITHHELD])
    assert {*found, "metadata"} == set(OUTPUTS)
    assert found["digest"] == DIGEST
    assert found["imageid"] == PACKED.config_descriptor.digest
    assert found["tags"] == "ghcr.io/o/n:1\nghcr.io/o/n:2"
    assert found["refs"].splitlines() == list(references([SENT, LAYOUT]))
    assert json.loads(found["digests"]) == {"linux/amd64": DIGEST}


@pytest.mark.parametrize(
    ("published", "pushed"),
    [
        ([SENT], "true"),
        ([SENT, LAYOUT], "true"),
        ([LAYOUT], "false"),
        ([WITHHELD], "false"),
        ([SENT, WITHHELD], "false"),
        ([LAYOUT, WITHHELD], "false"),
    ],
)
def test_pushed_is_true_if_registries_have_all(published: list[Published], pushed: str) -> None:
    assert outputs(PACKED, published)["pushed"] == pushed


def test_an_image_that_is_nowhere_has_no_digest_to_deploy_by() -> None:
    found = outputs(PACKED, [WITHHELD])
    assert not found["digest"] + found["imageid"] + found["refs"] + found["tags"]
    assert found["digests"] == "{}"


def test_the_last_line_names_places_where_others_have_the_image() -> None:
    other = replace(WITHHELD, destination="quay.io/o/x", why="`push` is false")
    assert not_pushed([SENT, LAYOUT]) == ""
    assert not_pushed([WITHHELD, WITHHELD]) == "NOT PUSHED: no secrets"
    assert not_pushed([WITHHELD, LAYOUT]) == "NOT PUSHED to ghcr.io/o/x: no secrets"
    wanted = "NOT PUSHED to ghcr.io/o/x: no secrets; to quay.io/o/x: `push` is false"
    assert not_pushed([WITHHELD, other]) == not_pushed([SENT, WITHHELD, other]) == wanted


@pytest.mark.parametrize("name", ["folder", "file/below", "/proc/version/below", "loop"])
def test_a_metadata_file_is_looked_at_before_the_build(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("not-yet")
    for fit in ("file", "new", "folder/new/new", "link"):
        check_metadata(tmp_path / fit)
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match=r"can't be written: .+") as caught:
        check_metadata(tmp_path / name)
    assert "a folder that can be written to" in caught.value.hint


def test_a_metadata_file_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="can't write the metadata file") as caught:
        write_metadata(tmp_path / "file" / "meta.json", {})
    assert "the image is at its destinations" in caught.value.message
    assert "can be written to" in caught.value.hint


def test_images_of_one_platform_have_a_digest_each() -> None:
    images = []
    for number, build in enumerate((17763, 20348, 26100)):
        packed = random_packed(number, 1)
        platform = Platform("windows", "amd64", "", f"10.0.{build}.1")
        descriptor = replace(packed.descriptor, platform=platform)
        images.append(replace(packed, descriptor=descriptor, image=replace(packed.image, platform=platform)))
    found = json.loads(outputs(seal_index(images), [SENT])["digests"])
    assert found == {
        "windows/amd64": images[0].descriptor.digest,
        "windows(10.0.20348.1)/amd64": images[1].descriptor.digest,
        "windows(10.0.26100.1)/amd64": images[2].descriptor.digest,
    }


def test_the_metadata_file_of_an_earlier_run_is_gone_when_a_run_fails(tmp_path: Path) -> None:
    """A later step that runs always must not deploy what this run did not push."""
    path, link = tmp_path / "meta.json", tmp_path / "link.json"
    path.write_text('{"containerimage.digest": "sha256:old"}')
    link.symlink_to(path)
    source = tmp_path / "no-image"
    source.write_text("text")
    assert (
        cli.main(
            [
                "publish",
                "--source",
                str(source),
                "--to",
                f"oci:{tmp_path}/layout",
                "--metadata-file",
                str(link),
            ]
        )
        != 0
    )
    assert not path.exists()


@pytest.mark.parametrize("wrong", [["--compression", "bogus"], ["--no-such-option"], ["--push=perhaps"]])
def test_what_an_earlier_run_handed_over_is_gone_when_the_inputs_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: list[str]
) -> None:
    """Neither the metadata file nor GitLab's variables say that this run pushed what an earlier one did."""
    path, variables = tmp_path / "meta.json", tmp_path / "shipped/shipped.env"
    monkeypatch.setattr(
        os, "environ", {"GITLAB_CI": "true", "SHIPPED_FOLDER": "shipped", "CI_PROJECT_DIR": str(tmp_path)}
    )
    for flags in ([f"--metadata-file={path}"], ["--metadata-file", str(path)]):
        variables.parent.mkdir(exist_ok=True)
        variables.write_text("SHIPPED_PUSHED=true\n")
        path.write_text("{}")
        assert cli.main(["publish", *flags, *wrong]) == 2
        assert not path.exists()
        assert variables.read_text().splitlines() == [
            *("SHIPPED_DIGEST=", "SHIPPED_REF=", "SHIPPED_IMAGEID="),
            "SHIPPED_PUSHED=false",
        ]
        assert (variables.parent / "metrics.txt").read_text() == "flakeship_pushed 0\n"
