"""Settings → the GitLab component: its inputs, typed, and one job that hands them over as variables.

https://docs.gitlab.com/ci/components/ and https://docs.gitlab.com/ci/inputs/
"""

from __future__ import annotations

from typing import Any, Final

from flakeship.ci.shipped_folder import DOTENV, FOLDER, METRICS
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input
from flakeship.settings.meant_by_merge import MEANT_BY_MERGE

PUBLISHED_IMAGE: Final = "ghcr.io/flakeship/flakeship:1"
_REPORT: Final = "flakeship-report"
_MERGED: Final = "flakeship-merged"
# docs/decisions.md#a-dollar-sign-in-the-gitlab-component
_VERBATIM: Final = frozenset(
    {"labels", "annotations", "env", "entrypoint", "cmd", "healthcheck", "nix-config", "nix-path"}
)
"""Where a `$` may be meant as it stands. Elsewhere it can only be a variable of GitLab's: no reference holds one."""

# docs/decisions.md#component-inputs-begin-with-job
_JOB: Final[dict[str, dict[str, Any]]] = {
    "job-name": {"default": "flakeship", "description": "Name of the job, which later jobs need it by"},
    "job-stage": {"default": "build", "description": "Stage of the job: one of the pipeline's `stages`"},
    "job-image": {
        "default": PUBLISHED_IMAGE,
        "description": "Image that the job runs in, which has flakeship and Nix: this one, or a copy of it",
    },
}
_INHERITED: Final = ("interruptible", "retry", "tags", "timeout")
"""What the pipeline's `default` may say of this job too. Commands, services and caches there are meant for other images."""


def component(image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and job. `image` is what action.yml runs; the component needs one that is published."""
    # An earlier job's artifacts are laid here, and would be this one's if it fails. No later `git add` takes them in.
    begin = [f"rm -rf {_REPORT}", f"mkdir {_REPORT}"]
    ours = _inputs_of("publish")
    return _header(ours, image, {}), {"$[[ inputs.job-name ]]": _job(ours, "publish", _REPORT, begin)}


def merge_component(image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for `merge`, which leaves the folder of the jobs' reports alone: the legs lie there."""
    ours = _inputs_of("merge")
    own = {
        "job-name": {**_JOB["job-name"], "default": "merge"},
        "job-stage": {**_JOB["job-stage"], "default": "deploy"},
        **{
            item.name: {**_declared(item), "description": MEANT_BY_MERGE[item.name]}
            for item in ours
            if item.name in MEANT_BY_MERGE
        },
        "metadata-file": {
            **_declared(next(item for item in ours if item.name == "metadata-file")),
            "default": f"{_MERGED}/metadata.json",
        },
    }
    begin = [f"rm -rf {_MERGED}", f"mkdir {_MERGED}"]
    return _header(ours, image, own), {"$[[ inputs.job-name ]]": _job(ours, "merge", _MERGED, begin)}


def _inputs_of(command: str) -> list[Input]:
    return [item for item in inputs() if command in item.commands and not item.secret]


def _header(ours: list[Input], image: str, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    declared = {**_JOB, **{item.name: _declared(item) for item in ours}, **own}
    if image.startswith("docker://"):
        declared["job-image"] = {**_JOB["job-image"], "default": image.removeprefix("docker://")}
    return {"spec": {"inputs": declared}}


def _job(ours: list[Input], command: str, folder: str, begin: list[str]) -> dict[str, Any]:
    return {
        "stage": "$[[ inputs.job-stage ]]",
        "image": {"name": "$[[ inputs.job-image ]]", "entrypoint": [""]},
        # docs/decisions.md#the-gitlab-job-has-no-rules
        "inherit": {"default": [*_INHERITED]},
        "variables": {
            FOLDER: f"$CI_PROJECT_DIR/{folder}",
            **{item.variable: _variable(item) for item in ours},
        },
        "script": [*begin, f"echo '*' >{folder}/.gitignore", f"/entrypoint {command}"],
        "artifacts": {
            "when": "always",
            "expose_as": "flakeship",
            "paths": [f"{folder}/"],
            "reports": {"dotenv": f"{folder}/{DOTENV}", "metrics": f"{folder}/{METRICS}"},
        },
    }


def _declared(item: Input) -> dict[str, Any]:
    text = item.per_platform.get("gitlab", item.default)
    described = {"description": item.help}
    match item:
        case Input(kind="flag"):
            return {"type": "boolean", "default": text == "true", **described}
        case Input(kind="number") if text:
            return {"type": "number", "default": int(text), **described}
        case Input(kind="number"):
            return {"regex": "^[0-9]*$", "default": "", **described}
        case Input(kind="choice"):
            options = [*([] if text in item.choices else [text]), *item.choices]
            return {"options": options, "default": text, **described}
        case _:
            return {"default": text, **described}


def _variable(item: Input) -> str | dict[str, Any]:
    """Variables are strings. A lone input keeps its type, one beside a blank becomes text; the blank is stripped."""
    value = f"$[[ inputs.{item.name} ]]"
    if item.name in _VERBATIM:
        return {"value": value, "expand": False}
    return f" {value}" if _declared(item).get("type") else value
