"""`flakeship inspect` as a user runs it: one picture of an image, wherever it lies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests

from tests.sources.layouts import CONFIG, Layout
from tests.sources.test_indexes import artifact
from tests.testbed import archives
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `flakeship ARGV` in tmp_path, without Nix or a user's configuration."""

    def flakeship(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flakeship", *argv],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return flakeship


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    archives.write_all(tmp_path / "archives")
    return tmp_path / "archives"


def seen(run: Run, *argv: str, stdin: str = "") -> dict[str, Any]:
    done = run("inspect", "--json", *argv, stdin=stdin)
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)
    return dict(image)


def test_the_same_image_looks_the_same_everywhere(run: Run, archive: Path, registry: Registry) -> None:
    name = f"{registry.host}/{registry.new_repository()}:1.0"
    plain = str(archive / "layered.tar")
    done = run(
        *("publish", "--source", plain, "--tags", name, "--labels", "team=north", "--annotations", "a=b"),
        *("--to", "oci:layout", "--to", "docker-archive:out/image.tar"),
    )
    assert done.returncode == 0, done.stderr
    images = [seen(run, place) for place in (name, f"docker://{name}", "oci:layout", "out/image.tar")]
    for image in images:
        assert image["platform"] == "linux/amd64"
        assert image["config"]["config"]["Labels"]["team"] == "north"
        assert [layer["diff_id"] for layer in image["layers"]] == [
            f"sha256:{digest}" for digest in archives.DIFF_IDS
        ]
        assert [layer["store_paths"] for layer in image["layers"]] == [
            [archives.STORE_BUSYBOX],
            [archives.STORE_HELLO],
            [],
        ]
        assert image["annotations"]["a"] == "b"
    published, _, layout, _ = images
    printed = [seen(run, place) for place in done.stdout.split()]
    assert [image["config"] for image in printed] == [published["config"]] * 3
    assert published["digest"] == registry.digest(name.partition("/")[2][:-4], "1.0")
    assert [layer["digest"] for layer in published["layers"]] == [
        layer["digest"] for layer in layout["layers"]
    ]
    assert seen(run, f"{name[:-4]}@{published['digest']}")["layers"] == published["layers"]


def test_nothing_but_documents_is_fetched_from_a_registry(
    run: Run, archive: Path, registry: Registry
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1.0"
    assert run("publish", "--source", str(archive / "layered.tar"), "--tags", name).returncode == 0
    before = len(registry.accesses(repository))
    seen(run, name)
    asked = [access.method for access in registry.accesses(repository)[before:]]
    assert asked == ["GET", "GET"]


@pytest.mark.parametrize("name", ["layered.tar", "layered.tar.gz", "docker-image-shapes.tar.gz"])
def test_an_archive_is_shown_to_people(run: Run, archive: Path, name: str) -> None:
    done = run("inspect", str(archive / name))
    assert done.returncode == 0, done.stderr
    assert "registry.example/shapes:1.0" in done.stdout
    assert 'Cmd       ["/bin/hello"]' in done.stdout
    assert "3 layers, 2.0 MB" in done.stdout
    if name.startswith("layered"):
        assert "busybox-1.35" in done.stdout
    assert not done.stderr


def test_credentials_are_used_as_for_a_push(run: Run, archive: Path, basic_registry: Registry) -> None:
    name = f"{basic_registry.host}/{basic_registry.new_repository()}:1"
    login = ("--username", USERNAME, "--password-stdin")
    pushed = run("publish", "--source", str(archive / "layered.tar"), "--tags", name, *login, stdin=PASSWORD)
    assert pushed.returncode == 0, pushed.stderr
    assert seen(run, name, *login, stdin=PASSWORD)["layers"]
    assert run("inspect", name).returncode == 5


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ((), 2, "needs the image to show"),
        (("./nowhere.tar",), 2, "nowhere.tar"),
        (("oci:nowhere",), 2, "nowhere"),
        (("Not/A Reference",), 2, "not an image reference"),
        (("docker-daemon:",), 2, "names no image"),
        (("-",), 4, "nothing came through stdin"),
        (("docker-archive:archives/layered.tar:other:1",), 2, "names no image of the archive"),
        (("archives/layered.tar", "--platforms", "linux/s390x"), 2, "linux/s390x"),
        (("archives/layered.tar", "--tags", "x"), 2, "--tags"),
        (("127.0.0.1:1/x/y:1",), 6, "127.0.0.1:1"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_what_cannot_be_looked_at(run: Run, argv: tuple[str, ...], code: int, words: str) -> None:
    done = run("inspect", *argv)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "  -> " in done.stderr
    assert not done.stdout


def test_a_tag_that_is_not_there(run: Run, registry: Registry) -> None:
    done = run("inspect", f"{registry.host}/{registry.new_repository()}:1")
    assert done.returncode == 2
    assert "there is no " in done.stderr


def everything(run: Run, *argv: str) -> list[dict[str, Any]]:
    """All that is shown: images, and what stands beside them."""
    done = run("inspect", "--json", *argv)
    assert done.returncode == 0, done.stderr
    shown = run("inspect", *argv)
    assert shown.returncode == 0, shown.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(re.findall(r"^image ", shown.stdout, re.MULTILINE)) == len(found)
    assert shown.stdout.startswith("index ") == bool(found[0]["index"])
    return found


def put(registry: Registry, repository: str, layout: Layout, entry: dict[str, Any], tag: str) -> str:
    """Push what an entry of a layout leads to, blobs and manifests; its name."""
    manifests = {digest for digest, data in layout.blobs.items() if b"schemaVersion" in data}
    for digest, data in layout.blobs.items():
        if digest not in manifests:
            begun = registry.request("POST", f"{repository}/blobs/uploads/")
            url = begun.headers["Location"]
            where = f"{url}{'&' if '?' in url else '?'}digest={digest}"
            assert requests.put(where, data=data, timeout=30).ok
    for digest in filter(manifests.__contains__, layout.blobs):  # what lists another was made after it
        name = tag if digest == entry["digest"] else digest
        data = layout.blobs[digest]
        headers = {"Content-Type": str(json.loads(data)["mediaType"])}
        answer = registry.request("PUT", f"{repository}/manifests/{name}", data=data, headers=headers)
        assert answer.ok, answer.text
    return f"{registry.host}/{repository}:{tag}"


def with_artifacts(layout: Layout) -> dict[str, Any]:
    """An index of two images, one of which says its variant, with what buildkit and ORAS put beside them."""
    arm64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    images = [
        layout.image("a", platform={"os": "linux", "architecture": "amd64"}),
        layout.image("b", architecture="arm64", platform=arm64),
    ]
    attestation = artifact(
        layout,
        "application/vnd.in-toto+json",
        CONFIG,
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": images[0]["digest"],
        },
    )
    subject = {key: images[1][key] for key in ("mediaType", "digest", "size")}
    return layout.index_of(*images, attestation, artifact(layout, more={"subject": subject}))


@pytest.mark.parametrize("where", ["registry", "layout"])
def test_artifacts_are_listed_beside_images(run: Run, registry: Registry, tmp_path: Path, where: str) -> None:
    layout = Layout()
    entry = with_artifacts(layout)
    name = str(layout.listing(entry).folder(tmp_path / "layout"))
    if where == "registry":
        name = put(registry, registry.new_repository(), layout, entry, "1")
    found = everything(run, name)
    children = json.loads(layout.blobs[entry["digest"]])["manifests"]
    assert {image["index"]["digest"] for image in found} == {entry["digest"]}
    assert [image["digest"] for image in found] == [child["digest"] for child in children]
    assert [image["platform"] for image in found] == ["linux/amd64", "linux/arm64/v8", None, None]
    beside = {image["artifact_type"]: image for image in found[2:]}
    assert beside["attestation-manifest"]["digest"] == children[2]["digest"]
    assert beside["attestation-manifest"]["subject"] == children[0]["digest"]
    assert beside["application/vnd.oci.empty.v1+json"]["subject"] == children[1]["digest"]
    for wanted in ("linux/arm64", "linux/arm64/v8", "linux/aarch64"):
        (image,) = everything(run, name, "--platforms", wanted)
        assert image["platform"] == "linux/arm64/v8"
    done = run("inspect", name, "--platforms", "linux/s390x")
    assert done.returncode == 2
    assert "holds linux/amd64, linux/arm64/v8" in done.stderr


def test_an_index_in_an_index_is_followed_as_by_publish(run: Run, registry: Registry) -> None:
    layout = Layout()
    entry = layout.index_of(with_artifacts(layout))
    found = everything(run, put(registry, registry.new_repository(), layout, entry, "1"))
    assert [image["platform"] for image in found] == ["linux/amd64", "linux/arm64/v8", None, None]


ODD: Sequence[dict[str, Any]] = (
    {"Labels": 5},
    {"Labels": ["a"]},
    {"Env": "A=1"},
    {"Env": True},
    {"Env": {"A": "1"}},
    {"Entrypoint": 5},
    {"Healthcheck": {"Interval": "30s"}},
    {"labels": {"a": 1}},
)


@pytest.mark.parametrize("runtime", ODD)
def test_a_published_config_that_no_engine_loads_is_shown_as_it_is(
    run: Run, registry: Registry, runtime: dict[str, Any]
) -> None:
    layout = Layout()
    name = put(registry, registry.new_repository(), layout, layout.image(runtime=runtime), "1")
    (image,) = everything(run, name)
    assert list(image["config"]["config"].values()) == list(runtime.values())


def test_keys_are_shown_as_engines_read_them(run: Run, registry: Registry) -> None:
    layout = Layout()
    runtime = {
        "entrypoint": ["/app"],
        "env": ["A=1"],
        "LABELS": {"a": "b"},
        "healthCheck": {"test": ["NONE"]},
    }
    name = put(registry, registry.new_repository(), layout, layout.image(runtime=runtime), "1")
    (image,) = everything(run, name)
    assert image["config"]["config"] == {
        "Entrypoint": ["/app"],
        "Env": ["A=1"],
        "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["NONE"]},
    }
    assert "label        a=b" in run("inspect", name).stdout
