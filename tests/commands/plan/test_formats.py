"""A plan in the forms that CI platforms read: one job for each image and platform, and none where nothing is to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from flakeship.commands.plan.formats import FORMATS, Planned
from flakeship.commands.platforms import platform_of
from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings
from flakeship.sources.closure.architecture import system_of
from tests.testbed.gitlab import check_schema

ROOT = Path(__file__).parents[3]
SETTINGS = Settings(
    tags=(Placed("type=sha", 1), Placed("type=raw,value=x", 2)),
    impure=True,
    max_layers=50,
    password="hunter2",
)


def planned(image: str, platform: str, *, published: bool = False, several: bool = True) -> Planned:
    known = platform_of(platform)
    tags = (f"ghcr.io/octo/{image}:1",)
    return Planned(image, f".#{image}", known, system_of(known), tags, published, SETTINGS, several)


def test_json_tells_each_platform_apart() -> None:
    document = json.loads(
        FORMATS["json"]([planned("web", "linux/amd64", published=True), planned("web", "linux/arm64")])
    )
    assert [entry["platform"] for entry in document["published"]] == ["linux/amd64"]
    assert document["todo"] == [
        {
            "image": "web",
            "flake": ".#web",
            "platform": "linux/arm64",
            "system": "aarch64-linux",
            "tags": ["ghcr.io/octo/web:1"],
        }
    ]


def test_a_matrix_has_all_platforms_of_an_image_that_lacks_one() -> None:
    """The merge wants legs of one run; the job of the platform that is published builds nothing."""
    text = FORMATS["github"](
        [
            planned("web", "linux/amd64", published=True),
            planned("web", "linux/arm64"),
            planned("api", "linux/amd64", published=True),
        ]
    )
    assert "\n" not in text
    assert json.loads(text)["include"] == [
        {"image": "web", "flake": ".#web", "platform": "linux/amd64", "runner": "ubuntu-24.04"},
        {"image": "web", "flake": ".#web", "platform": "linux/arm64", "runner": "ubuntu-24.04-arm"},
    ]


@pytest.mark.slow
def test_nothing_to_do_is_an_empty_matrix_and_a_pipeline_that_does_nothing(tmp_path: Path) -> None:
    done = [planned("web", "linux/amd64", published=True)]
    assert FORMATS["github"](done) == '{"include":[]}'
    assert list(yaml.safe_load(FORMATS["gitlab"](done))) == ["workflow", "nothing to do"]
    (tmp_path / "child.yml").write_text(FORMATS["gitlab"](done))
    check_schema(tmp_path / "child.yml")


@pytest.mark.slow
def test_a_child_pipeline_includes_the_components_and_no_secret(tmp_path: Path) -> None:
    text = FORMATS["gitlab"](
        [
            planned("web", "linux/amd64"),
            planned("web", "linux/arm64"),
            planned("api", "linux/amd64", several=False),
        ]
    )
    (tmp_path / "child.yml").write_text(text)
    check_schema(tmp_path / "child.yml")
    assert "hunter2" not in text
    document = yaml.safe_load(text)
    assert document["workflow"] == {"rules": [{"when": "always"}]}, "as the children of the docs have it"
    amd, arm, api, merge = document["include"]
    header, _ = yaml.safe_load_all((ROOT / "templates/flakeship.yml").read_text())
    of_merge, _ = yaml.safe_load_all((ROOT / "templates/merge.yml").read_text())
    for each in (amd, arm, api):
        assert set(each["inputs"]) <= set(header["spec"]["inputs"])
    assert set(merge["inputs"]) <= set(of_merge["spec"]["inputs"])
    assert arm["inputs"] == {
        "job-name": "web linux/arm64",
        "flake": ".#web",
        "tags": "type=sha\ntype=raw,value=x",
        "impure": True,
        "max-layers": 50,
        "platforms": "linux/arm64",
        "push-by-digest": True,
    }
    assert not {"push-by-digest", "platforms"} & set(api["inputs"])
    assert merge["inputs"] == {"job-name": "web merge", "platforms": "linux/amd64,linux/arm64"}
    assert document["web merge"]["needs"] == ["web linux/amd64", "web linux/arm64"]
    assert document["web linux/arm64"]["tags"] == ["$RUNNER_ARM64"]
    assert document["variables"]["RUNNER_ARM64"] == "saas-linux-small-arm64"


def test_the_jobs_of_a_child_pipeline_run_in_the_image_of_the_job_that_plans() -> None:
    """A copy of it, on an instance of one's own."""
    mirror = "registry.example.com/mirrors/flakeship:1"
    both = [planned("web", "linux/amd64"), planned("web", "linux/arm64")]
    includes = yaml.safe_load(FORMATS["gitlab"](both, mirror))["include"]
    assert [entry["inputs"]["job-image"] for entry in includes] == [mirror] * 3


def test_a_job_runs_where_its_image_is_built() -> None:
    """What is cross-compiled is built on another platform than it is for."""
    cross = replace(planned("web", "linux/arm64"), flake="linux/arm64=.#web-arm64", system="x86_64-linux")
    (entry,) = json.loads(FORMATS["github"]([cross]))["include"]
    assert (entry["flake"], entry["runner"]) == ("linux/arm64=.#web-arm64", "ubuntu-24.04")
    document = yaml.safe_load(FORMATS["gitlab"]([cross]))
    assert document["web linux/arm64"]["tags"] == ["$RUNNER_AMD64"]


@pytest.mark.parametrize(("form", "most"), [("github", 256), ("gitlab", 150)])
def test_a_plan_with_more_jobs_than_the_platform_takes_is_refused(form: str, most: int) -> None:
    images = [planned(f"n{number}", "linux/amd64", several=False) for number in range(most + 1)]
    assert FORMATS[form](images[:most])
    with pytest.raises(UsageError, match=f"the plan has {most + 1} jobs") as raised:
        FORMATS[form](images)
    assert raised.value.hint
    assert len(json.loads(FORMATS["json"](images))["todo"]) == most + 1


def test_names_of_images_are_told_apart_by_a_number() -> None:
    """An image that is called so already keeps its name."""
    images = ["a b", "a-b", "a:b", "."]
    document = json.loads(FORMATS["github"]([planned(image, "linux/amd64") for image in images]))
    assert [entry["image"] for entry in document["include"]] == ["a-b-2", "a-b", "a-b-3", "image"]


@pytest.mark.parametrize(
    ("platform", "system"),
    [
        ("linux/amd64", "x86_64-linux"),
        ("linux/arm64/v8", "aarch64-linux"),
        ("linux/arm/v7", "armv7l-linux"),
        ("linux/arm/v6", "armv6l-linux"),
        ("linux/386", "i686-linux"),
        ("linux/ppc64le", "powerpc64le-linux"),
        ("windows/amd64", ""),
        ("linux/mips", ""),
    ],
)
def test_nix_has_its_own_names_for_platforms(platform: str, system: str) -> None:
    assert system_of(platform_of(platform)) == system
