"""A canary in every place that holds a secret, on three platforms, and a registry that says aloud whatever it is sent.

Looked for in all that a run leaves or shows: log, outputs, files, arguments, the environment of the programs that it starts and
its own, a core. Programs are started through a shim that notes what it is given and what it sees of its parent.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

CANARY: Final = "CaNaRy"
SHIMMED: Final = ("nix", "git", "podman", "unshare")
PLATFORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "local": {},
    "github": {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "8" * 40,
        "GITHUB_OUTPUT": "{files}/output",
        "GITHUB_STEP_SUMMARY": "{files}/summary",
        "GITHUB_STATE": "{files}/state",
        "GITHUB_ENV": "{files}/env",
    },
    "gitlab": {
        "GITLAB_CI": "true",
        "CI": "true",
        "CI_PROJECT_PATH": "octo/app",
        "CI_COMMIT_SHA": "8" * 40,
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_BRANCH": "main",
        "CI_PROJECT_DIR": "{files}",
    },
}
INPUTS: Final = (
    "password", "github-token", "cachix-auth-token", "cachix-signing-key", "signing-key", "signing-password",
)  # fmt: skip
OTHERS: Final = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "SIGSTORE_ID_TOKEN",
    "CI_JOB_TOKEN",
    "CI_REGISTRY_PASSWORD",
    "CI_JOB_JWT_V2",
    "CI_DEPLOY_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "NIX_GITHUB_PRIVATE_PASSWORD",
    "NIX_NPM_TOKENS",
    "SSH_PRIVATE_KEY",
    "DATABASE_URL",
    "PLAIN_NAME",
]


def canaries() -> dict[str, str]:
    return {
        name: f"{CANARY}-{number}-{name}/+'\"" for number, name in enumerate((*INPUTS, *OTHERS, "auth file"))
    }


def spellings(text: str) -> set[str]:
    """The canary as it is, and as others would write it; base64 of a pair begins at any of three places."""
    quoted = urllib.parse.quote(text, safe="")
    inner = {base64.b64encode(b"x" * shift + text.encode()).decode()[4:-4] for shift in range(3)}
    return {text, quoted, json.dumps(text)[1:-1], *inner}


class _Echo(BaseHTTPRequestHandler):
    """Asks for credentials, and refuses with what it was given."""

    def _answer(self) -> None:
        given = self.headers.get("Authorization", "")
        plain = base64.b64decode(given.removeprefix("Basic ")).decode() if given.startswith("Basic ") else ""
        told = json.dumps(
            {"errors": [{"code": "DENIED", "message": f"{given} {plain} {urllib.parse.quote(plain)}"}]}
        )
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403 if given else 401, f"{plain[:40]!a}")
        if not given:
            self.send_header("WWW-Authenticate", 'Basic realm="echo"')
        self.send_header("X-Echo", given)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode() if self.command != "HEAD" else b"")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@dataclass(frozen=True)
class Seen:
    """Everything that a run left, by where it was found."""

    code: int
    log: str
    places: Mapping[str, str]
    secrets: Mapping[str, str]

    def sightings(self, places: Mapping[str, str]) -> list[str]:
        return [
            f"{name} in {place}"
            for place, text in places.items()
            for name, secret in self.secrets.items()
            if any(spelling in text for spelling in spellings(secret))
        ]


SHIM = """#!/bin/sh
out={notes}/$$-{name}
{{
  tr '\\0' '\\n' </proc/$$/environ
  echo "arguments: $*"
  tr '\\0' '\\n' </proc/$PPID/environ
  tr '\\0' ' ' </proc/$PPID/cmdline
  for cmdline in /proc/[0-9]*/cmdline; do case $(tr '\\0' ' ' <$cmdline) in *"{marker}"*) tr '\\0' ' ' <$cmdline;; esac; done
}} >$out 2>/dev/null
{real}
"""

Canary: TypeAlias = Callable[..., Seen]


@pytest.fixture
def canary(tmp_path: Path, nix_environ: Mapping[str, str], echo: str, make_flake: MakeFlake) -> Canary:
    """`canary("github", …)` publishes a flake with every secret set, through the shims."""
    shims, notes, files, temporary = (tmp_path / name for name in ("shims", "notes", "files", "temporary"))
    for folder in (shims, notes, files, temporary, tmp_path / "home/.docker"):
        folder.mkdir(parents=True)
    for name in SHIMMED:
        real = shutil.which(name, path=nix_environ["PATH"])
        line = f'exec {real} "$@"' if real else "exit 1"
        (shims / name).write_text(SHIM.format(notes=notes, name=name, real=line, marker="-m flakeship"))
        (shims / name).chmod(0o755)
    secrets = canaries()
    helper = shims / "docker-credential-echo"
    answer = json.dumps({"Username": "me", "Secret": secrets["auth file"]}).replace("'", "'\\''")
    helper.write_text(SHIM.format(notes=notes, name="helper", real=f"echo '{answer}'", marker="-m flakeship"))
    helper.chmod(0o755)
    (tmp_path / "home/.docker/config.json").write_text(json.dumps({"credHelpers": {echo: "echo"}}))
    flake = make_flake(fresh=True)

    def run(platform: str, *flags: str, given: tuple[str, ...] = INPUTS) -> Seen:
        prefix = "INPUT_" if platform == "github" else "FLAKESHIP_"
        names = {
            name: f"{prefix}{name.upper() if platform == 'github' else name.upper().replace('-', '_')}"
            for name in INPUTS
        }
        environ = {
            **nix_environ,
            **{name: text.format(files=files) for name, text in PLATFORMS[platform].items()},
            **{name: secrets[name] for name in OTHERS},
            **{names[name]: secrets[name] for name in given},
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(temporary),
            "PATH": f"{shims}:{nix_environ['PATH']}",
        }
        if "password" in given:
            environ[names["password"].replace("PASSWORD", "USERNAME")] = "me"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "flakeship",
                "publish",
                "--flake",
                ".#layered",
                "--sign",
                "false",  # the canary is no key that signs
                *flags,
                "--tags",
                f"{echo}/a/b:1",
            ],
            cwd=flake,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        log = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("::add-mask::"))
        texts = {"stdout": done.stdout, "log": log}
        for folder in (notes, files, temporary, flake, tmp_path / "home/.cache"):
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20:
                    texts[str(path.relative_to(tmp_path))] = path.read_text(errors="replace")
        return Seen(done.returncode, done.stderr, texts, secrets)

    return run


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("log_level", ["info", "debug"])
def test_no_secret_is_left_or_shown(canary: Canary, platform: str, log_level: str) -> None:
    seen = canary(platform, "--log-level", log_level)
    noted = {place.rpartition("-")[2] for place in seen.places if place.startswith("notes/")}
    assert "nix" in noted, seen.log
    assert seen.code, "the registry refuses"
    assert seen.sightings(seen.places) == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_helper_gets_what_is_on_its_list_and_keeps_what_it_says(canary: Canary, platform: str) -> None:
    """One that nobody knows may be for any cloud; never does it get an input of ours."""
    seen = canary(platform, given=("cachix-auth-token", "github-token"))
    helper = {place: text for place, text in seen.places.items() if place.endswith("-helper")}
    assert helper, seen.log
    clouds = {
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "CI_JOB_TOKEN",
        "CI_REGISTRY_PASSWORD",
        "CI_JOB_JWT_V2",
        "CI_DEPLOY_PASSWORD",
    }
    allowed = clouds | {"AWS_SECRET_ACCESS_KEY"}
    assert {found.split(" in ")[0] for found in seen.sightings(helper)} == allowed
    others = {place: text for place, text in seen.places.items() if place not in helper}
    assert seen.sightings(others) == []


def test_pass_env_is_for_nix_alone(canary: Canary) -> None:
    seen = canary("local", "--pass-env", "NIX_GITHUB_PRIVATE_PASSWORD")
    found = seen.sightings(seen.places)
    assert found
    assert {line.split(" in ")[0] for line in found} == {"NIX_GITHUB_PRIVATE_PASSWORD"}
    assert {line.rpartition("-")[2] for line in found} == {"nix"}


def test_there_is_no_core(tmp_path: Path) -> None:
    """Killed by the signal that writes one, where the machine writes them into the working folder."""
    program = (
        "import os, resource, signal\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
        "from flakeship.confinement import exposure\n"
        "exposure.withdraw()\n"
        "os.kill(os.getpid(), signal.SIGABRT)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ), check=False)
    assert done.returncode == -6
    assert list(tmp_path.iterdir()) == []
