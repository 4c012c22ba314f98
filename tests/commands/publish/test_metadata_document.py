"""The metadata file: its keys are those of its schema, in one order, and it holds no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flakeship import redaction
from flakeship.commands.publish.handover import handover
from flakeship.commands.publish.handover import metadata as of_all
from flakeship.commands.publish.metadata_document import metadata
from flakeship.commands.publish.metadata_file import json_of, write_metadata
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.result import Result
from flakeship.commands.publish.times import Times, times_of
from flakeship.destinations.protocol import Published
from flakeship.image.index import seal_index
from flakeship.image.model import Packed, PackedIndex, Platform
from flakeship.nix.build import BuildOutput
from flakeship.nix.flake import FlakeMetadata
from flakeship.report.run_record import Stage
from tests.commands.publish.test_outputs import DIGEST, LAYOUT, PACKED, SENT, WITHHELD
from tests.metadata.events import NOW
from tests.runtimes import runtime

SCHEMA = Path(__file__).parents[3] / "docs/metadata-file.schema.json"
DERIVATION = f"/nix/store/{'d' * 32}-app.drv"
OUT, DOC = f"/nix/store/{'a' * 32}-app", f"/nix/store/{'b' * 32}-app-doc"
REVISION = "3e7be6a5201e85a0065ca27c92c90e9c2ee51dd8"
FLAKE = FlakeMetadata(f"github:octo/harbour/{REVISION}?narHash=sha256-AAA", REVISION, 5, dirty=False)
BUILT = Obtained(Path(OUT), None, BuildOutput(DERIVATION, {"out": OUT, "doc": DOC}, "x86_64-linux"), FLAKE)
TIMES = Times(NOW, NOW + timedelta(seconds=2.5), ())


@cache
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def made(*published: Published, obtained: Obtained = BUILT, packed: Packed | PackedIndex = PACKED) -> Result:
    return Result(packed, published or (SENT,), "x", obtained, times=TIMES)


def checked(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json_of(metadata(result)))
    validator().validate(document)
    return document


def test_the_names_of_buildx_mean_what_they_mean_there() -> None:
    document = checked(made(SENT))
    assert document["containerimage.digest"] == DIGEST
    assert document["containerimage.config.digest"] == PACKED.config_descriptor.digest
    assert document["containerimage.descriptor"] == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": DIGEST,
        "size": len(PACKED.manifest),
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    assert document["image.name"] == "ghcr.io/o/n:1,ghcr.io/o/n:2"
    assert document["flakeship.destinations"][0]["blobs"] == [
        {"digest": PACKED.layers[0].descriptor.digest, "size": 5, "state": "uploaded"}
    ]


def test_it_says_what_the_image_was_made_from() -> None:
    document = checked(made())
    assert document["flakeship.derivation"] == DERIVATION
    assert document["flakeship.outputs"] == [OUT, DOC]
    assert document["flakeship.flake"] == {"url": FLAKE.url, "revision": REVISION, "dirty": False}
    assert document["flakeship.diff-ids"] == {"linux/amd64": [layer.diff_id for layer in PACKED.layers]}


def test_the_paths_of_all_platforms_are_there_and_the_derivation_of_one_alone(tmp_path: Path) -> None:
    other = f"{OUT}-arm64"
    built = replace(BUILT, output=BuildOutput(f"{other}.drv", {"out": other, "doc": DOC}, "aarch64-linux"))
    document = checked(replace(made(), others=(built,)))
    assert document["flakeship.outputs"] == [OUT, DOC, other]
    assert "flakeship.derivation" not in document


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    known = {"flakeship.derivation", "flakeship.outputs", "flakeship.flake"}
    assert not known & set(checked(made(obtained=Obtained(tmp_path / "image.tar"))))
    assert not known & set(checked(made(obtained=Obtained(Path("docker://r/x")))))
    (tmp_path / "result").symlink_to(OUT)
    of_store = checked(made(obtained=Obtained(tmp_path / "result")))
    assert known & set(of_store) == {"flakeship.outputs"}
    assert of_store["flakeship.outputs"] == [OUT]
    built_before = replace(BUILT, output=BuildOutput("", {"out": OUT}, ""), flake=None)
    assert known & set(checked(made(obtained=built_before))) == {"flakeship.outputs"}
    dirty = checked(made(obtained=replace(BUILT, flake=FlakeMetadata("git+file:///x", None, 5, dirty=True))))
    assert dirty["flakeship.flake"] == {"url": "git+file:///x", "revision": None, "dirty": True}


def test_an_image_that_is_nowhere_has_no_name_that_other_tools_know() -> None:
    document = checked(made(WITHHELD))
    assert not [key for key in document if not key.startswith("flakeship.")]
    assert document["flakeship.not-pushed"] == "NOT PUSHED: no secrets"
    (place,) = document["flakeship.destinations"]
    assert (place["reference"], place["tags"], place["sent"]) == ("", [], False)
    assert place["would-be"] == {"reference": f"ghcr.io/o/x@{DIGEST}", "tags": ["ghcr.io/o/x:1"]}


@pytest.mark.parametrize(
    ("published", "pushed"), [((SENT, LAYOUT), True), ((LAYOUT,), False), ((SENT, WITHHELD), False)]
)
def test_pushed_is_true_if_registries_have_all(published: tuple[Published, ...], pushed: bool) -> None:
    assert checked(made(*published))["flakeship.pushed"] is pushed


def test_an_index_has_the_diff_ids_of_each_platform() -> None:
    arm = Platform("linux", "arm64")
    other = replace(
        PACKED,
        descriptor=replace(PACKED.descriptor, platform=arm),
        image=replace(PACKED.image, platform=arm),
        layers=PACKED.layers[::-1],
    )
    document = checked(made(packed=seal_index([PACKED, other])))
    ids = [layer.diff_id for layer in PACKED.layers]
    assert document["flakeship.diff-ids"] == {"linux/amd64": ids, "linux/arm64": ids[::-1]}
    assert "containerimage.config.digest" not in document


def test_several_images_have_a_document_each() -> None:
    both = {"one": made(SENT), "two": made(WITHHELD)}
    document = of_all(both)
    validator().validate(json.loads(json_of(document)))
    assert list(document) == ["one", "two"]
    assert json.loads(handover(both).outputs["metadata"]) == document
    assert of_all({"one": made(SENT)}) == metadata(made(SENT))


def test_the_schema_refuses_what_it_does_not_name() -> None:
    """Else a key that is added, or that goes, would be noticed by nobody."""
    document = checked(made(SENT, WITHHELD))
    for path in ((), ("flakeship.times",), ("flakeship.flake",), ("flakeship.destinations", 1)):
        changed = json.loads(json.dumps(document))
        part = changed
        for key in path:
            part = part[key]
        part["new"] = 1
        assert not validator().is_valid(changed), path
    for key in (
        "flakeship.times",
        "flakeship.diff-ids",
        "flakeship.pushed",
        "image.name",
        "flakeship.outputs",
    ):
        assert not validator().is_valid({name: value for name, value in document.items() if name != key}), key


def test_the_file_has_its_keys_in_one_order(tmp_path: Path) -> None:
    document = metadata(made())
    backwards = dict(reversed(document.items())) | {
        "flakeship.labels": dict(reversed({"a": "1", "b": "2"}.items()))
    }
    forwards = document | {"flakeship.labels": {"a": "1", "b": "2"}}
    write_metadata(tmp_path / "new" / "one.json", forwards)
    write_metadata(tmp_path / "two.json", backwards)
    text = (tmp_path / "two.json").read_text()
    assert (tmp_path / "new" / "one.json").read_text() == text
    assert json_of(forwards) == json_of(backwards)
    assert "\n" not in json_of(forwards)
    assert list(json.loads(text)) == sorted(document)


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    redaction.learn(secret)
    flake = FlakeMetadata(f"git+https://git.example/{secret}/r", None, None, dirty=False)
    try:
        write_metadata(tmp_path / "file", metadata(made(obtained=replace(BUILT, flake=flake))))
    finally:
        redaction.forget()
    text = (tmp_path / "file").read_text()
    assert secret not in text
    assert json.loads(text)["flakeship.flake"]["url"] == "git+https://git.example/***/r"


def test_times_are_dates_in_utc() -> None:
    """The clock of a run counts seconds from any moment, and the date may be of any zone."""
    machine, _ = runtime(Path())
    machine = replace(
        machine, now=NOW.astimezone(timezone(timedelta(hours=5))), begun=1000.0, clock=lambda: 1003.0
    )
    stages = [Stage("check", 0.25, 1000.5), Stage("build", 1.5, 1002.001)]
    times = times_of(stages, machine)
    assert times.started == NOW
    document = made()
    found = checked(replace(document, times=times))["flakeship.times"]

    def moment(seconds: float) -> str:
        return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    assert found == {
        "started": moment(0),
        "finished": moment(3),
        "stages": [
            {"name": "check", "started": moment(0.25), "finished": moment(0.5)},
            {"name": "build", "started": moment(0.501), "finished": moment(2.001)},
        ],
    }
