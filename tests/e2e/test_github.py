"""`flakeship publish` as a step of a GitHub workflow: what the runner, whose rules tests/testbed/github_runner.py has, makes of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import RunStep
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow


def hostile(folder: Path, git: Callable[..., str], said: str) -> Path:
    """The flake, whose builder says something else."""
    flake = (folder / "flake.nix").read_text()
    (folder / "said").write_text(said)
    (folder / "flake.nix").write_text(flake.replace("echo building hello", "$b cat ${./said}"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "hostile")
    return folder


def test_a_builder_can_not_speak_to_the_runner(
    step: RunStep, make_flake: Callable[..., Path], git: Callable[..., str], registry: Registry
) -> None:
    said = "::set-output name=digest::evil\n   ::add-mask::a\n##[set-env name=PATH;]/evil\n::stop-commands::x\nend\n"
    folder, repository = hostile(make_flake(fresh=True), git, said), registry.new_repository()
    done = step(folder, flake=".#hello", tags=f"{registry.host}/{repository}:1.0")
    assert done.code == 0, done.log.shown
    assert {command.name for command in done.log.obeyed} == {"group", "endgroup"}
    assert any("::set-output name=digest::evil" in line for line in done.log.shown)
    assert done.outputs["digest"] == registry.digest(repository, "1.0")
    assert done.outputs["pushed"] == "true"
    assert done.outputs["digest"] in done.page
    assert "hello" in done.page
    assert "<details><summary>Time</summary>" in done.page


def test_every_secret_is_masked_before_it_is_used(
    step: RunStep, make_flake: Callable[..., Path], token_registry: Registry
) -> None:
    name = f"{token_registry.host}/{token_registry.new_repository()}"
    done = step(
        make_flake(),
        flake=".#layered",
        tags=f"{name}:1",
        username=USERNAME,
        password=PASSWORD,
        cachix_signing_key="line one\nline two\n",
    )
    assert done.code == 0, done.log.shown
    masked = [command.data for command in done.log.named("add-mask")]
    assert {PASSWORD, "line one", "line two"} <= set(masked)
    assert base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode() in masked
    assert len([mask for mask in masked if mask.count(".") == 2 and mask.startswith("ey")]) >= 1
    assert done.log.obeyed[0].name == "add-mask"
    assert not [line for line in done.log.shown for mask in masked if mask in line]
    assert PASSWORD not in done.page + str(done.outputs)


def test_labels_tags_and_annotations_may_hold_anything(
    step: RunStep, make_flake: Callable[..., Path], registry: Registry
) -> None:
    repository = registry.new_repository()
    texts = [
        "$HOME `id` ${{ x",
        "-- --leading",
        "a | <b> 'c' \"d\"",
        "🚢 ü",
        "::set-output name=x::y",
        "EOF",
    ]
    labels = "\n".join(f"key{number}={text}" for number, text in enumerate(texts))
    many = "\n".join(f"many.{number}={'x' * 50}" for number in range(300))
    done = step(
        make_flake(),
        flake=".#layered",
        tags=f"{registry.host}/{repository}:1",
        labels=f"{labels}\n::warning::=z\n{many}",
    )
    assert done.code == 0, done.log.shown
    found = json.loads(done.outputs["metadata"])["flakeship.labels"]
    assert [found[f"key{number}"] for number in range(len(texts))] == texts
    assert found["::warning::"] == "z"
    assert len([key for key in found if key.startswith("many.")]) == 300
    assert f"key1={texts[1]}" in done.outputs["labels"].splitlines()
    assert {command.name for command in done.log.obeyed} <= {"group", "endgroup", "warning"}
    assert all(command.data.startswith("lint: ") for command in done.log.named("warning"))
    assert len(done.page.encode()) < 1 << 20


def test_an_error_of_the_flake_stands_at_its_line(
    step: RunStep, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    folder = make_flake()
    flake = (folder / "flake.nix").read_text()
    (folder / "flake.nix").write_text(flake.replace("rec {\n", "rec {\n          broken = undefinedThing;\n"))
    line = (folder / "flake.nix").read_text().split("undefinedThing")[0].count("\n") + 1
    git(folder, "commit", "-qam", "break it")
    done = step(folder, flake=".#broken")
    assert done.code == 3
    (error,) = done.log.named("error")
    assert error.properties["file"] == "flake.nix"
    assert error.properties["line"] == str(line)
    assert done.page.startswith("### ❌ ")
    assert "undefined" in done.page
    assert not done.outputs


def test_a_wrong_input_is_one_annotation(step: RunStep, make_flake: Callable[..., Path]) -> None:
    done = step(make_flake(), push="perhaps,\n::error::x")
    assert done.code == 2
    (error,) = done.log.obeyed
    assert error.data.startswith("push is 'perhaps,")


def test_outputs_that_can_not_be_written_fail_the_step_and_say_where_the_image_is(
    step: RunStep, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    done = step(make_flake(), flake=".#layered", environ={"GITHUB_OUTPUT": str(tmp_path)})
    assert done.code == 8
    (error,) = done.log.named("error")
    assert "can't write GITHUB_OUTPUT" in error.data
    assert "the image is at its destinations" in error.data
    without = step(
        make_flake("other"), flake=".#layered", environ={"GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": ""}
    )
    assert without.code == 0


def test_any_state_of_the_working_tree_will_do(
    step: RunStep, make_flake: Callable[..., Path], git: Callable[..., str], tmp_path: Path
) -> None:
    """No repository, a shallow clone, a detached head, a submodule."""
    origin = make_flake()
    git(origin, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", "shallow")
    git(tmp_path, "clone", "-q", f"file://{origin}", "detached")
    git(tmp_path / "detached", "checkout", "-q", "HEAD~1")
    git(tmp_path, "init", "-q", "super")
    git(
        tmp_path / "super",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        f"file://{origin}",
        "app",
    )
    git(tmp_path / "super", "commit", "-qm", "with a submodule")
    plain = make_flake("plain", commit=False)
    (plain / ".git").rename(tmp_path / "gone")
    for folder, flake in [("shallow", "."), ("detached", "."), ("super/app", "."), ("plain", "path:.")]:
        sha = git(origin, "rev-parse", "HEAD").strip()
        to = f"oci:{tmp_path}/out-{Path(folder).name}"
        done = step(tmp_path / folder, flake=f"{flake}#layered", to=to, environ={"GITHUB_SHA": sha})
        assert done.code == 0, (folder, done.log.shown)
        labels = json.loads(done.outputs["metadata"])["flakeship.labels"]
        assert labels["org.opencontainers.image.revision"] == sha, folder


def test_a_missing_lock_is_not_written_into_the_working_tree(
    step: RunStep, make_flake: Callable[..., Path], git: Callable[..., str], tmp_path: Path
) -> None:
    folder, other = make_flake(), tmp_path / "other"
    other.mkdir()
    (other / "flake.nix").write_text("{ outputs = _: { }; }")
    flake = (folder / "flake.nix").read_text()
    taken = f'  inputs.other.url = "path:{other}";\n  outputs =\n    {{ self, other }}:'
    (folder / "flake.nix").write_text(flake.replace("  outputs =\n    { self }:", taken))
    git(folder, "commit", "-qam", "an input without a lock")
    done = step(folder, flake=".#layered", to=f"oci:{tmp_path}/out")
    assert done.code == 0, done.log.shown
    assert "not writing modified lock file" in "\n".join(done.log.shown)
    assert not git(folder, "status", "--porcelain")


def test_a_page_that_can_not_be_written_costs_no_outputs(
    step: RunStep, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    done = step(make_flake(), flake=".#layered", environ={"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert done.code == 0, done.log.shown
    assert any(
        command.data.startswith("can't write GITHUB_STEP_SUMMARY") for command in done.log.named("warning")
    )
    assert done.outputs["digest"]
