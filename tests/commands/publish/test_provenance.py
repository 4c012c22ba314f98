"""What of the inputs is stated in provenance, and what never is; and who is said to have built it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_mock import MockerFixture

from flakeship import redaction
from flakeship.attest.provenance import ImageFacts
from flakeship.commands.building.builder import Builder
from flakeship.commands.publish.attaching.provenance import Provenance, _with_making, artifact_of
from flakeship.commands.publish.attaching.provenance_file import provenance_files
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.run import open_run
from flakeship.errors import BuildError
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor
from flakeship.nix import provided
from flakeship.nix.build import BuildOutput
from flakeship.nix.configuration import SandboxState
from flakeship.nix.provided import Provided
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime

SECRET = "hunter2-hunter2"
OUT = "/nix/store/" + "a" * 32 + "-app"


def stated(folder: Path, **inputs: Any) -> Any:
    with open_run(Settings(), runtime(folder)[0]) as run:
        return Provenance.of(Settings(**inputs), run).inputs


def test_no_value_that_may_be_a_secret_is_stated(tmp_path: Path) -> None:
    found = stated(
        tmp_path,
        env=(f"TOKEN={SECRET}", "-OLD"),
        pass_env=("TOKEN",),
        nix_config=(f"access-tokens = git.example={SECRET}", "# a comment", "sandbox = true"),
        nix_path=(f"nixpkgs=https://git.example/x.tar.gz?token={SECRET}",),
        contents=(f"https://git.example/y.tar.gz?token={SECRET}#tools",),
        debug=True,
    )
    assert found == {
        "env": ["TOKEN", "-OLD"],
        "pass-env": ["TOKEN"],
        "nix-config": ["access-tokens", "sandbox"],
        "nix-path": ["nixpkgs=https://git.example/x.tar.gz?token=***"],
        "contents": ["https://git.example/y.tar.gz?token=***#tools"],
    }


def test_a_secret_that_the_run_knows_is_masked_wherever_it_stands(mocker: MockerFixture) -> None:
    """In what Nix itself has recorded, say, of which nobody knows the form."""
    packed = mocker.Mock(descriptor=Descriptor.of(OCI.manifest, b"{}"), entries=())
    redaction.learn(SECRET)
    try:
        made = artifact_of(packed, {"recorded": [{"by": f"https://x.example/{SECRET}/y"}], "count": 1})
    finally:
        redaction.forget()
    assert SECRET not in made.data.decode()
    assert made.statement == made.data
    assert b'{"count":1,"recorded":[{"by":"https://x.example/***/y"}]}' in made.data


def test_inputs_that_shape_nothing_are_not_stated(tmp_path: Path) -> None:
    assert stated(tmp_path, labels=(), created="now", push="false", lint="off", user="nobody") == {
        "user": "nobody"
    }


class _Builder:
    """Stands for a builder: only who has built is asked of it."""

    def __init__(self, *, far: bool = False) -> None:
        self.far = far or None
        self.nix = cast("Any", type("Nix", (), {"release": "nix (Nix) 2.30.0"}))
        self.sandbox = SandboxState("on", fallback=True, possible=None)


HERE, KNOWN, UNKNOWN = Provided(True), Provided(False, ("cache.example-1",)), Provided(False)


@pytest.mark.parametrize(
    ("found", "built"),
    [
        ({OUT: HERE}, {"built": "here", "sandbox": {"setting": "on", "fallback": True}}),
        (
            {OUT: Provided(True, ("own-1",))},
            {"built": "here", "sandbox": {"setting": "on", "fallback": True}},
        ),
        ({OUT: KNOWN}, {"built": "cache", "keys": ("cache.example-1",)}),
        ({OUT: HERE, f"{OUT}-doc": KNOWN}, {"keys": ("cache.example-1",)}),
        (
            {OUT: Provided(True, ("own-1",)), f"{OUT}-doc": KNOWN},
            {"keys": ("own-1", "cache.example-1")},
        ),
        ({OUT: UNKNOWN, f"{OUT}-doc": KNOWN}, {"keys": ("cache.example-1",)}),
        ({OUT: UNKNOWN}, {}),
        ({}, {}),
        (BuildError("nix path-info failed"), {}),
    ],
)
def test_who_built_it(found: Any, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what comes from a cache, the sandbox of this machine says nothing."""

    def asked(*_: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(provided, "provided", asked)
    obtained = Obtained(Path(OUT), output=BuildOutput("/nix/store/x.drv", {"out": OUT}, "x86_64-linux"))
    nothing = ImageFacts(platform="linux/amd64")
    made = _with_making(nothing, obtained, cast("Builder", _Builder()))
    assert made == replace(nothing, nix="nix (Nix) 2.30.0", **built)
    far = _with_making(nothing, obtained, cast("Builder", _Builder(far=True)))
    assert far == replace(nothing, nix="nix (Nix) 2.30.0", built="far")
    assert _with_making(nothing, replace(obtained, published=True), cast("Builder", _Builder())) == replace(
        nothing, built="published"
    )


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["."], ["provenance.json"]),
        (["app", ".#w/x"], ["provenance-app.json", "provenance-.-w-x.json"]),
    ],
)
def test_names_of_the_files(names: list[str], files: list[str]) -> None:
    """None of them is taken for the file of a leg, of which `merge` reads all in a folder."""
    assert provenance_files(names) == files
    assert not any(each.startswith("flakeship-") for each in files)
