"""The workflows that we run and those that we tell others to run: they are well-formed, safe, and use what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flakeship.rendering.files import main as render
from tests.e2e.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs/gitlab.md"})]
WHOLE = {"README.md", "github.md", "platforms.md", "builders.md", "caches.md"}
"""The pages whose workflows are copied as files; elsewhere a step or a job may be shown alone."""

OF_A_WORKFLOW = re.compile(r"uses:|^jobs:", re.MULTILINE)
OURS = re.compile(r"(?:https://github\.com/)?flakeship/flakeship(?P<folder>/[a-z]+)?@v1")
ZIZMOR = {"rules": {"unpinned-uses": {"config": {"policies": {"*": "ref-pin"}}}}}
"""Readers choose how they pin; what a page shows names a version that people can read."""


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def act_lists(folder: Path) -> set[str]:
    """The files of the workflows that real act reads in a repository."""
    program = Path(sys.executable).with_name("act")
    done = subprocess.run([program, "--list"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"\S+\.yml\b", done.stdout))


def blocks() -> Iterator[tuple[str, str]]:
    """Every YAML block of the docs that holds jobs or steps, by its page and line, except what people wrote before."""
    for page in PAGES:
        text = re.sub(
            r"<summary><b>Before.*?</details>",
            lambda found: "\n" * found[0].count("\n"),
            page.read_text(),
            flags=re.DOTALL,
        )
        for found in re.finditer(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if OF_A_WORKFLOW.search(found[1]):
                yield f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}", found[1]


def as_workflow(block: str) -> dict[str, Any]:
    """A whole workflow out of what a page shows of one: its jobs, a job's keys, or steps."""
    document = yaml.safe_load(block)
    if isinstance(document, list):
        document = {"steps": document}
    if "jobs" not in document:
        document = {"jobs": {"image": {"runs-on": "ubuntu-latest", **document}}}
    return {"on": document.pop(True, "push"), **document}


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document["jobs"].values():
        yield from job["steps"]


@pytest.fixture(params=[pytest.param(block, id=place) for place, block in blocks()])
def shown(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One workflow of the docs."""
    return as_workflow(request.param)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with each workflow of the docs as a file, as it stands there; fragments are completed."""
    root = tmp_path_factory.mktemp("docs")
    folder = root / ".github/workflows"
    folder.mkdir(parents=True)
    (root / "zizmor.yml").write_text(yaml.safe_dump(ZIZMOR))
    for place, block in blocks():
        whole = place.partition(":")[0] in WHOLE
        text = block if whole else yaml.safe_dump({"permissions": {}, **as_workflow(block)})
        (folder / f"{place.replace(':', '-')}.yml").write_text(text)
    return root


@pytest.mark.parametrize(
    "block", [pytest.param(text, id=at) for at, text in blocks() if at.partition(":")[0] in WHOLE]
)
def test_a_workflow_that_readers_copy_is_whole(block: str) -> None:
    document = yaml.safe_load(block)
    document["on"] = document.pop(True)
    assert document["permissions"] == {}
    assert document["on"]
    for job in document["jobs"].values():
        assert job.keys() >= {"runs-on", "permissions", "steps"}


@pytest.mark.slow
def test_workflows_of_the_docs_are_what_github_takes(written: Path) -> None:
    """Those for clouds, too, which no test can run."""
    files = sorted(map(str, (written / ".github/workflows").iterdir()))
    assert len(files) > 15
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_workflows_of_the_docs_are_safe(written: Path) -> None:
    done = tool("zizmor", "--offline", "--no-progress", "--config", str(written / "zizmor.yml"), str(written))
    assert done.returncode == 0, done.stdout


def test_a_workflow_of_the_docs_uses_inputs_and_outputs_that_there_are(shown: dict[str, Any]) -> None:
    outputs: dict[str, list[str]] = {}
    for step in steps(shown):
        if found := OURS.fullmatch(step.get("uses", "")):
            action = yaml.safe_load((ROOT / (found["folder"] or "").strip("/") / "action.yml").read_text())
            assert set(step.get("with", {})) <= set(action["inputs"])
            outputs[step.get("id", "")] = list(action["outputs"])
    for name, output in re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", str(shown)):
        assert output in outputs.get(name, [output]), f"steps.{name} has no output {output}"


def test_inputs_that_the_docs_show_alone_are_inputs() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    seen = 0
    for page in (ROOT / "docs").glob("*.md"):
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            if page.name == "gitlab.md" or OF_A_WORKFLOW.search(block):
                continue
            document = yaml.safe_load(block)
            if "apiVersion" in document:  # a policy for a cluster
                continue
            (component,) = document.get("include", [document])
            assert set(component.get("inputs", document.get("with", component))) <= set(action["inputs"]), (
                block
            )
            seen += 1
    assert seen


def test_the_first_screen_of_the_readme_shows_a_workflow_a_command_and_a_figure() -> None:
    text = (ROOT / "README.md").read_text()
    screen = "\n".join(text.splitlines()[:45])
    workflow = re.findall(r"```yaml\n(on:.*?)```", screen, re.DOTALL)[0]
    events = yaml.safe_load(workflow)[True]  # `on` is a truth value for YAML 1.1
    assert events == {"push": {"branches": ["main"], "tags": ["*"]}, "pull_request": None}
    assert len(yaml.safe_load(workflow)["jobs"]["image"]["steps"]) == 2
    assert "$ nix run github:flakeship/flakeship -- publish " in screen
    assert "](docs/push.svg)" in screen


def test_the_readme_says_how_to_get_it_before_how_to_use_it() -> None:
    text = (ROOT / "README.md").read_text()
    how, use = text.index("\n## Get it\n"), text.index("\n## On the command line\n")
    assert how < text.index("$ docker run --rm", how) < use, (
        "the line for machines without Nix is among the ways"
    )
    for way in ("uses: flakeship/flakeship@v1", "/flakeship@1", "nix run github:", "pipx install", "uvx "):
        assert way in text[how:use]


def test_the_readme_counts_the_lines_of_the_workflow_that_it_compares_with() -> None:
    text = (ROOT / "README.md").read_text()
    _, without = re.findall(r"```yaml\n(on:.*?)```", text, re.DOTALL)[:2]
    assert f"</b>: {without.count(chr(10))} lines" in text


def test_the_figures_of_the_readme_are_those_of_the_measurements() -> None:
    """The row of the table says them with a decimal more, or less."""
    (row,) = re.findall(
        r"^\| one label changed \|(.*)\|$", (ROOT / "docs/measurements.md").read_text(), re.MULTILINE
    )
    ours, skopeo, _, crane, docker = (float(cell.strip(" *s")) for cell in row.split("|"))
    text = (ROOT / "README.md").read_text()
    assert (
        f"**flakeship needs {ours:.1f} s**, skopeo {skopeo} s, crane\n{crane} s and docker {docker} s" in text
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_our_workflows_are_given_no_more_than_they_need(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] == {}
    assert document["concurrency"]["group"]
    for job in document["jobs"].values():
        assert job["timeout-minutes"]
        assert job["permissions"]
    for step in steps(document):
        uses = step.get("uses", "./")
        assert uses.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", uses), uses
    assert "persist-credentials: false" in path.read_text()


def test_zizmor_would_say_something(tmp_path: Path) -> None:
    bad = (
        (ROOT / ".github/workflows/test.yml").read_text().replace("./.ci/run", "echo ${{ github.head_ref }}")
    )
    (tmp_path / "test.yml").write_text(bad)
    assert tool("zizmor", "--offline", "--no-progress", str(tmp_path / "test.yml")).returncode != 0


def test_a_release_names_its_image_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    reference = f"docker://ghcr.io/flakeship/flakeship@sha256:{'a' * 64}"
    assert render(["--image", reference]) == 0
    runs = yaml.safe_load((tmp_path / "action.yml").read_text())["runs"]
    assert (runs["using"], runs["image"]) == ("docker", reference)
