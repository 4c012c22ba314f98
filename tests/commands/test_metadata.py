"""The command `metadata`: what it prints, and the files that it leaves for later steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.metadata import run
from flakeship.errors import ResourceError, UsageError
from flakeship.events import Event, Warned
from flakeship.settings.declaration import Settings
from flakeship.settings.outputs import METADATA_OUTPUTS
from tests.metadata import events
from tests.metadata.computing import placed
from tests.runtimes import runtime
from tests.testbed import github_runner

BAKES = ("bake-file-tags", "bake-file-labels", "bake-file-annotations", "bake-file")


def step(folder: Path, environ: dict[str, str], **inputs: Any) -> tuple[str, list[Event]]:
    made, told = runtime(folder, environ)
    return run(Settings(images=placed("o/n"), **inputs), made), told


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A push of v1.2.3, in a runner that takes outputs."""
    (tmp_path / "temp").mkdir()
    return events.github("tag v1.2.3", tmp_path) | {
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_ENV": str(tmp_path / "env"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
    }


def test_every_output_of_metadata_action_is_handed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    step(tmp_path, environ, sep_tags=",")
    given = github_runner.outputs((tmp_path / "outputs").read_text())
    assert list(given) == list(METADATA_OUTPUTS)
    assert given["version"] == "v1.2.3"
    assert given["tags"] == "o/n:v1.2.3,o/n:latest"
    assert "org.opencontainers.image.licenses=MIT" in given["labels"].splitlines()
    assert all(line.startswith("manifest:") for line in given["annotations"].splitlines())
    assert json.loads(given["json"])["tag-names"] == ["v1.2.3", "latest"]
    definition = json.loads(Path(given["bake-file"]).read_text())["target"]["docker-metadata-action"]
    assert definition["tags"] == ["o/n:v1.2.3", "o/n:latest"]
    assert "labels" in definition
    kinds = [json.loads(Path(given[name]).read_text())["target"].popitem()[1] for name in BAKES[:3]]
    assert [next(iter(kind)) for kind in kinds] == ["tags", "labels", "annotations"]
    assert {Path(given[name]).parent for name in BAKES} == {tmp_path / "temp"}


def test_later_steps_see_them_in_their_environment_too(tmp_path: Path, environ: dict[str, str]) -> None:
    step(tmp_path, environ)
    exported = github_runner.outputs((tmp_path / "env").read_text())
    given = github_runner.outputs((tmp_path / "outputs").read_text())
    assert exported == {
        f"DOCKER_METADATA_OUTPUT_{name.upper().replace('-', '_')}": text for name, text in given.items()
    }
    with pytest.raises(UsageError, match="DOCKER_METADATA_SET_OUTPUT_ENV is 'maybe'") as caught:
        step(tmp_path, environ | {"DOCKER_METADATA_SET_OUTPUT_ENV": "maybe"})
    assert "true or false" in caught.value.hint


@pytest.mark.parametrize(("said", "exported"), [("false", 0), ("F", 0), ("0", 0), ("True", 10), ("t", 10)])
def test_the_environment_of_later_steps_is_left_alone_where_asked(
    tmp_path: Path, environ: dict[str, str], said: str, exported: int
) -> None:
    step(tmp_path, environ | {"DOCKER_METADATA_SET_OUTPUT_ENV": said})
    assert len(github_runner.outputs((tmp_path / "env").read_text())) == exported


def test_a_container_step_leaves_bake_files_where_later_steps_find_them(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    step(tmp_path, environ, bake_folder="a/b", bake_target="app")
    given = github_runner.outputs((tmp_path / "outputs").read_text())
    assert given["bake-file-tags"].startswith("a/b/")
    assert list(json.loads((tmp_path / given["bake-file-tags"]).read_text())["target"]) == ["app"]


def test_without_a_runner_nothing_is_written(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    said, _ = step(tmp_path, {"PATH": "/nowhere"})
    assert said.startswith("Version\n  (none)\nTags\n  (none)\nLabels\n")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("wanted", ["json", "explain", "bake"])
def test_forms(tmp_path: Path, environ: dict[str, str], wanted: str) -> None:
    said, told = step(tmp_path, environ, **{wanted: True})
    assert not told
    match wanted:
        case "json":
            given = github_runner.outputs((tmp_path / "outputs").read_text())
            assert json.loads(said) == json.loads(given["json"])
        case "bake":
            assert json.loads(said)["target"]["docker-metadata-action"]["tags"][0] == "o/n:v1.2.3"
        case _:
            assert "v1.2.3  type=ref,event=tag" in said.splitlines()
            assert "latest  flavor latest=auto" in said.splitlines()


def test_two_forms_are_one_too_many(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="json and bake are both given") as caught:
        step(tmp_path, environ, json=True, bake=True)
    assert caught.value.hint == "leave one of them out"


def test_no_tag_is_a_warning(tmp_path: Path, environ: dict[str, str]) -> None:
    _, told = step(tmp_path, environ, tags=placed("type=edge"))
    assert [event.hint for event in told if isinstance(event, Warned)] == [
        "run `flakeship metadata --explain`, which says why for each rule"
    ]


def test_a_folder_that_can_not_be_written_to(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "temp").rmdir()
    (tmp_path / "temp").write_text("a file")
    with pytest.raises(ResourceError, match="can't write the definition for bake") as caught:
        step(tmp_path, environ)
    assert "bake-folder" in caught.value.hint


def test_an_event_with_halves_of_pairs_is_handed_over_as_text(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    payload = r'{"repository":{"full_name":"octo/app","name":"a\ud800b","description":"\udfff \ud83d\ude00"}}'
    (tmp_path / "event.json").write_text(payload)
    printed, _ = step(tmp_path, environ | {"GITHUB_ACTOR": "\udcff"}, json=True)
    given = github_runner.outputs((tmp_path / "outputs").read_text())
    for labels in (json.loads(printed)["labels"], json.loads(given["json"])["labels"]):
        assert labels["org.opencontainers.image.title"] == "a\ufffdb"
        assert labels["org.opencontainers.image.description"] == "\ufffd 😀"


def test_printed_json_has_no_control_characters(tmp_path: Path, environ: dict[str, str]) -> None:
    printed, _ = step(tmp_path, environ, labels=placed("a=\x9b2J\u202e"), json=True)
    assert r"\u009b2J\u202e" in printed
    assert json.loads(printed)["labels"]["a"] == "\x9b2J\u202e"
