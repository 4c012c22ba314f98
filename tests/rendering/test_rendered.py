"""Whatever repeats the declaration of inputs is what `./dev render` writes."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from flakeship.rendering import files
from flakeship.rendering.files import ACTION_IMAGE
from flakeship.settings.declaration import inputs
from flakeship.settings.outputs import METADATA_OUTPUTS, OUTPUTS
from tests.testbed.gitlab import check_schema

ROOT = Path(__file__).parents[2]
rendered = functools.cache(files.rendered)


@pytest.mark.parametrize("name", sorted(rendered()))
def test_a_rendered_file_is_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text()
    image = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["image"]
    command = "./dev render" if image == ACTION_IMAGE else f"./dev render --image {image}"
    assert text == rendered(image=image)[name], f"{name} is out of date: run `{command}`"
    assert image == ACTION_IMAGE or image.startswith("docker://")
    assert image == ACTION_IMAGE or "@sha256:" in image


def test_the_action_declares_every_input_and_output() -> None:
    action = yaml.safe_load(rendered()["action.yml"])
    assert list(action["inputs"]) == [item.name for item in inputs() if "publish" in item.commands]
    assert list(action["outputs"]) == list(OUTPUTS)
    assert action["inputs"]["github-token"]["default"] == "${{ github.token }}"
    assert all(entry["description"] for entry in action["inputs"].values())


def test_the_marketplace_takes_the_action_and_shows_all_of_its_description() -> None:
    """https://docs.github.com/actions/how-tos/create-and-publish-actions/publish-in-github-marketplace, and what its page asks."""
    action = yaml.safe_load(rendered()["action.yml"])
    assert action["name"] == "flakeship", "an organization's name is its own to use"
    assert len(action["description"]) < 125
    assert set(action["branding"]) == {"icon", "color"}
    colors = {"white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}
    assert action["branding"]["color"] in colors
    named = [
        yaml.safe_load(rendered()[f"{folder}action.yml"])["name"]
        for folder in ("", "native/", "metadata/", "merge/")
    ]
    assert len(set(named)) == 4
    assert not (ROOT / "action.yaml").exists(), "one metadata file at the root"


def test_no_input_of_the_docker_action_is_taken_by_the_runner_itself() -> None:
    """`entrypoint` and `args` are the container's, unless the action says its own: ContainerActionHandler.cs of GitHub's runner."""
    action = yaml.safe_load(rendered()["action.yml"])
    assert "entrypoint" in action["inputs"]
    assert "args" not in action["inputs"]
    assert f'ENTRYPOINT ["{action["runs"]["entrypoint"]}"]' in (ROOT / "Dockerfile").read_text()
    assert action["runs"]["args"] == ["publish"]


def test_the_native_action_hands_over_every_input_and_output() -> None:
    action = yaml.safe_load(rendered()["native/action.yml"])
    docker = yaml.safe_load(rendered()["action.yml"])
    assert action["inputs"] == docker["inputs"]
    (step,) = action["runs"]["steps"]
    assert set(step["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert all(name.removeprefix("INPUT_").replace("_", "").isalnum() for name in step["env"])
    assert {name: entry["value"] for name, entry in action["outputs"].items()} == {
        name: f"${{{{ steps.{step['id']}.outputs.{name} }}}}" for name in OUTPUTS
    }
    assert step["shell"] == "sh"
    assert (
        ROOT / "native" / step["run"].removeprefix('exec "$GITHUB_ACTION_PATH/').strip('"')
    ).stat().st_mode & 0o111


def test_the_native_action_runs_in_the_place_of_the_shell(tmp_path: Path) -> None:
    """GitHub's runner cancels a step by a signal to the process that it has started, `sh -e FILE`, and to no other."""
    (step,) = yaml.safe_load(rendered()["native/action.yml"])["runs"]["steps"]
    (tmp_path / "step.sh").write_text(step["run"])
    (tmp_path / "run").write_text("#!/bin/sh\necho $$\n")
    (tmp_path / "run").chmod(0o755)
    command, environ = ["sh", "-e", str(tmp_path / "step.sh")], {"GITHUB_ACTION_PATH": str(tmp_path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.communicate()[0] == f"{shell.pid}\n"
    assert (ROOT / "native" / "run").read_text().splitlines()[-1].startswith("exec ")


def test_the_native_action_imports_nothing_from_the_workspace(tmp_path: Path) -> None:
    """Whose code may be a stranger's, and would find the secrets in its environment. Python is a stand-in that tells."""
    stand_in = tmp_path / "bin/python3"
    stand_in.parent.mkdir()
    told = 'for last; do :; done\ncase "$*" in *venv*/*) mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;; esac\n'
    stand_in.write_text(f'#!/bin/sh\necho "$1 $2 $3" >>{tmp_path}/calls\n{told}')
    stand_in.chmod(0o755)
    environ = {"PATH": f"{stand_in.parent}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path / "runner")}
    subprocess.run([ROOT / "native/run"], cwd=tmp_path, env=environ, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.partition(" ")[0] for call in calls if call.strip()] == ["-I"] * 4
    assert calls[1:3] == ["-I -m venv", "-I -m pip"]


@pytest.mark.parametrize(
    ("sign", "lock"), [("", "runtime.txt"), ("key", "runtime.txt"), ("keyless-public", "keyless.txt")]
)
def test_the_native_action_has_the_library_that_signs_without_a_key(
    tmp_path: Path, sign: str, lock: str
) -> None:
    stand_in = tmp_path / "bin/python3"
    stand_in.parent.mkdir()
    made = 'for last; do :; done\ncase "$*" in *" venv "*) mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;; esac\n'
    stand_in.write_text(f'#!/bin/sh\n{made}echo "$last" >>{tmp_path}/last\n')
    stand_in.chmod(0o755)
    environ = {"PATH": f"{stand_in.parent}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), "INPUT_SIGN": sign}
    subprocess.run([ROOT / "native/run"], cwd=tmp_path, env=environ, check=True)
    assert f"{ROOT}/requirements/{lock}" in (tmp_path / "last").read_text().splitlines()


@pytest.mark.parametrize(
    ("failing", "code", "said"),
    [("venv", 8, "Python can't make an environment in "), ("pip", 6, "reaches PyPI (proxy: HTTPS_PROXY)")],
)
def test_an_environment_that_can_not_be_made_is_said_and_leaves_nothing(
    tmp_path: Path, failing: str, code: int, said: str
) -> None:
    """Python is a stand-in: an index of packages that can't be reached takes pip half a minute to give up."""
    stand_in = tmp_path / "bin/python3"
    stand_in.parent.mkdir()
    made = 'for last; do :; done\ncase "$*" in *" venv "*) mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;; esac\n'
    stand_in.write_text(f'#!/bin/sh\n{made}case "$*" in *" {failing} "*) exit 1 ;; esac\n')
    stand_in.chmod(0o755)
    cache = tmp_path / "tool-cache"
    environ = {"PATH": f"{stand_in.parent}:/usr/bin:/bin", "RUNNER_TOOL_CACHE": str(cache)}
    done = subprocess.run(
        [ROOT / "native/run"],
        cwd=tmp_path,
        env={**environ, "RUNNER_TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout
    assert done.stdout.startswith("::error title=flakeship::")
    assert not list(cache.iterdir())


def test_the_action_for_metadata_runs_the_same_image_with_the_same_outputs_as_the_original() -> None:
    action = yaml.safe_load(rendered()["metadata/action.yml"])
    docker = yaml.safe_load(rendered()["action.yml"])
    assert action["runs"] == {"using": "docker", "image": "../Dockerfile", "args": ["metadata"]}
    released = yaml.safe_load(rendered(image="docker://host/name@sha256:0")["metadata/action.yml"])
    assert released["runs"]["image"] == "docker://host/name@sha256:0"
    shared = set(action["inputs"]) & set(docker["inputs"])
    assert shared >= {"images", "tags", "flavor", "labels", "annotations", "context", "github-token"}
    assert {name: action["inputs"][name] for name in shared} == {
        name: docker["inputs"][name] for name in shared
    }
    assert set(action["inputs"]) - shared == {
        "explain",
        *("bake-target", "bake-folder", "sep-tags", "sep-labels", "sep-annotations"),
    }
    assert list(action["outputs"]) == list(METADATA_OUTPUTS)


def test_the_action_for_merge_runs_the_same_image_and_puts_out_the_same() -> None:
    action = yaml.safe_load(rendered()["merge/action.yml"])
    assert action["runs"] == {"using": "docker", "image": "../Dockerfile", "args": ["merge"]}
    released = yaml.safe_load(rendered(image="docker://host/name@sha256:0")["merge/action.yml"])
    assert released["runs"]["image"] == "docker://host/name@sha256:0"
    assert list(action["inputs"]) == [item.name for item in inputs() if "merge" in item.commands]
    assert set(action["inputs"]) >= {"legs", "platforms", "images", "tags", "annotations", "password", "push"}
    assert not {"flake", "source", "entrypoint"} & set(action["inputs"])
    assert list(action["outputs"]) == list(OUTPUTS)


def test_the_component_for_merge_leaves_the_folder_with_the_legs_alone() -> None:
    header, jobs = yaml.safe_load_all(rendered()["templates/merge.yml"])
    declared = header["spec"]["inputs"]
    assert declared["legs"]["default"] == "flakeship-report"
    assert declared["metadata-file"]["default"] == "flakeship-merged/metadata.json"
    (job,) = jobs.values()
    assert not [line for line in job["script"] if "flakeship-report" in line]
    assert job["script"][-1] == "/entrypoint merge"


def test_the_component_has_every_input_but_secrets_and_hands_each_over() -> None:
    text = rendered(image="docker://ghcr.io/o/n@sha256:0")["templates/flakeship.yml"]
    header, jobs = yaml.safe_load_all(text)
    declared = header["spec"]["inputs"]
    wanted = [item for item in inputs() if "publish" in item.commands]
    names = [name for name in declared if not name.startswith("job-")]
    assert names == [item.name for item in wanted if not item.secret]
    assert declared["job-image"]["default"] == "ghcr.io/o/n@sha256:0"
    assert all(entry["description"] for entry in declared.values())
    assert all(entry["default"] in entry["options"] for entry in declared.values() if "options" in entry)
    (job,) = jobs.values()
    for item in wanted:
        variable = job["variables"].get(item.variable)
        value = variable["value"] if isinstance(variable, dict) else variable
        assert (value is None) is item.secret
        assert item.secret or value.strip() == f"$[[ inputs.{item.name} ]]"
    assert not job["variables"]["FLAKESHIP_LABELS"]["expand"]
    assert isinstance(declared["dry-run"]["default"], bool)
    assert isinstance(declared["max-concurrent-uploads"]["default"], int)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flakeship", "merge"])
def test_the_component_keeps_to_what_gitlab_documents(name: str, tmp_path: Path) -> None:
    """https://docs.gitlab.com/ci/yaml/#specinputs and https://docs.gitlab.com/ci/inputs/: its own checks, and its schema's."""
    text = rendered()[f"templates/{name}.yml"]
    header, _ = yaml.safe_load_all(text)
    (tmp_path / "header.yml").write_text(yaml.safe_dump(header))
    check_schema(tmp_path / "header.yml")
    declared = header["spec"]["inputs"]
    kinds = {"array": list, "boolean": bool, "number": int, "string": str}
    for entry in declared.values():
        assert set(entry) <= {"default", "description", "options", "regex", "type"}
        assert type(entry["default"]) is kinds[entry.get("type", "string")]
        assert len(entry.get("options", [])) <= 50
        assert re.search(entry.get("regex", ""), str(entry["default"]))
        assert len(entry["description"]) <= 1024
    lines = [line for line in text.partition("\n---\n")[2].splitlines() if "$[[" in line]
    alone = re.compile(
        r" *(?:- |\w+: )?(?:' )?\$\[\[ inputs\.([a-z-]+) ]]'?:?"
    )  # in a longer text `\0` is a reference
    assert {found[1] for line in lines if (found := alone.fullmatch(line))} == set(declared)
    assert all(alone.fullmatch(line) for line in lines)
