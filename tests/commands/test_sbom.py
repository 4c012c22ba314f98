"""`flakeship sbom` with real Nix: what it knows of packages and images, tier by tier."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship import events
from flakeship.commands.sbom.command import run
from flakeship.errors import BuildError, Error, NotAnImageError, UsageError
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.package_meta import package_meta
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.sbom.validators import valid_cyclonedx, valid_spdx
from tests.sources.layouts import Layout
from tests.sources.test_indexes import AMD64, ARM64
from tests.testbed import archives
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

FLAKE = Path(__file__).parent.parent / "flakes/sbom"


def nix_run(environ: Mapping[str, str], *argv: str) -> str:
    return subprocess.run(argv, env=environ, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def flake(tmp_path_factory: pytest.TempPathFactory, nix_environ: Mapping[str, str]) -> Path:
    """The flake, of which app and what it needs are built."""
    folder = tmp_path_factory.mktemp("sbom") / "flake"
    shutil.copytree(FLAKE, folder)
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (folder / "salt").write_text(str(uuid.uuid4()))
    (folder / "crate").write_text("a crate")
    (folder / "CVE-2024-1234.patch").write_text("")
    fetched = folder.parent / "app-1.0.0.crate"
    fetched.write_text("a crate")
    nix_run(nix_environ, "nix-store", "--add-fixed", "sha256", str(fetched))
    target = f"path:{folder}#app"
    nix_run(nix_environ, "nix", "build", target, "--out-link", str(folder.parent / "result"))
    return folder


Told: TypeAlias = list[events.Event]
Print: TypeAlias = Callable[..., tuple[str, Told]]


@pytest.fixture
def printed(tmp_path: Path, nix_environ: Mapping[str, str]) -> Print:
    """`printed(image, …)` is what the command prints, and what it tells."""

    def run_(image: str, **inputs: Any) -> tuple[str, Told]:
        machine, told = runtime(tmp_path, nix_environ)
        return run(Settings(image=image, **inputs), machine), told

    return run_


def by_name(text: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in valid_cyclonedx(text)["components"]}


def facts(component: Mapping[str, Any], name: str) -> list[str]:
    return [fact["value"] for fact in component["properties"] if fact["name"] == name]


def test_what_an_attribute_holds_and_says_of_itself(flake: Path, printed: Print) -> None:
    text, told = printed(f"path:{flake}#app")
    document, found = valid_cyclonedx(text), by_name(text)
    app = found["app"]
    assert app["purl"] == "pkg:cargo/app@1.0.0"
    assert app["description"] == "does it"
    assert app["licenses"] == [{"license": {"id": "MIT"}}, {"license": {"name": "A licence of its own"}}]
    crate = hashlib.sha256(b"a crate").hexdigest()
    assert app["externalReferences"] == [
        {"type": "website", "url": "https://app.example/"},
        {
            "type": "source-distribution",
            "url": "https://crates.io/api/v1/crates/app/1.0.0/download",
            "hashes": [{"alg": "SHA-256", "content": crate}],
        },
    ]
    (patch,) = app["pedigree"]["patches"]
    assert patch["resolves"] == [{"type": "security", "id": "CVE-2024-1234"}]
    outputs = {text.split()[1] for text in facts(app, "nix:output")}
    assert outputs == {"doc", "out"}, "both outputs are one component"
    assert {
        name: facts(each, "flakeship:cpe")
        for name, each in found.items()
        if name in {"openssl", "zlib", "endless"}
    } == {
        "openssl": ["stated"],
        "zlib": ["known"],
        "endless": ["guessed"],
    }
    assert facts(found["openssl"], "nix:source-purl") == ["pkg:github/openssl/openssl@3.0.8"]
    assert found["zlib"]["licenses"] == [{"license": {"id": "Zlib"}}], (
        "what lies behind a meta that throws is told"
    )
    assert "licenses" not in found["broken"]
    (choice,) = found["choice"]["licenses"]
    assert re.fullmatch(
        r"MIT OR Apache-2\.0 WITH LLVM-exception OR LicenseRef-A-licence-of-its-own-[0-9a-f]{8}",
        choice["expression"],
    ), "which is reached through sets within a set"
    assert found["beside"]["licenses"] == [{"license": {"id": "ISC"}}]
    nodes = {node["ref"]: node["dependsOn"] for node in document["dependencies"]}
    assert nodes["image"] == [app["bom-ref"]]
    assert {found[name]["bom-ref"] for name in ("openssl", "broken")} <= set(nodes[app["bom-ref"]])
    (warned,) = [each for each in told if isinstance(each, events.Warned)]
    assert "endless-0.2" in warned.text
    assert printed(f"path:{flake}#app")[0] == text, "there is no clock in it"
    assert {
        each["name"] for each in valid_spdx(printed(f"path:{flake}#app", format="spdx")[0])["packages"]
    } >= {*found}


def test_a_package_by_its_path_has_all_but_its_meta(flake: Path, printed: Print, tmp_path: Path) -> None:
    result = flake.parent / "result"
    text, told = printed(str(result))
    for_builds = {"substituters": ("https://cache.invalid",), "nix_cache": "nonsense", "cachix": "harbour"}
    assert printed(str(result), **for_builds)[0] == text, (
        "caches of another command in the environment of the job"
    )
    found = by_name(text)
    assert found["app"]["purl"] == "pkg:cargo/app@1.0.0"
    assert "licenses" not in found["app"]
    assert not [each for each in told if isinstance(each, events.Warned)]
    assert printed(str(result.resolve()), output="out/sbom.json")[0] == "out/sbom.json"
    assert (tmp_path / "out/sbom.json").read_text() == f"{text}\n"


@pytest.mark.long
def test_a_meta_that_takes_for_ever_costs_itself_alone(flake: Path, nix: Nix) -> None:
    wanted = Installable.parse(f"path:{flake}#slow", cwd=flake)
    found = package_meta(nix, wanted, patience=1.0)
    assert found.whole
    assert {each.pname for each in found.by_path.values()} == {"slow", "zlib"}
    assert ["-slower-1.drv" in path for path in found.left_out] == [True]


def test_an_evaluation_that_is_cut_short_says_so(flake: Path, nix: Nix) -> None:
    found = package_meta(nix, Installable.parse(f"path:{flake}#slow", cwd=flake), limit=0.0)
    assert not found.whole


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        ("{flake}#unbuilt", BuildError, "is not built, so its contents are not known"),
        (
            "/nix/store/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-gone-1",
            UsageError,
            "is not in the store of this machine",
        ),
        ("./gone", UsageError, "there is nothing at"),
        ("", UsageError, "`sbom` needs an image or a package"),
        ("./layout", UsageError, "holds 2 images, for linux/amd64, linux/arm64, and an SBOM is of one"),
        ("./foreign", NotAnImageError, "holds no store path"),
    ],
)
def test_what_has_no_sbom(
    image: str, kind: type[Error], words: str, flake: Path, printed: Print, *, tmp_path: Path
) -> None:
    two, foreign = Layout(), Layout()
    two.listing(two.index_of(two.image("a", platform=AMD64), two.image("b", platform=ARM64)))
    two.folder(tmp_path / "layout")
    foreign.listing(foreign.image("not by Nix")).folder(tmp_path / "foreign")
    with pytest.raises(kind) as caught:
        printed(image.format(flake=f"path:{flake}"))
    assert words in caught.value.message
    assert caught.value.hint


def test_a_form_of_a_plan_is_none_of_an_sbom(printed: Print) -> None:
    with pytest.raises(UsageError, match="a form of a plan"):
        printed("./x", format="gitlab")


def test_an_image_that_nix_does_not_know_is_listed_by_its_paths(printed: Print, tmp_path: Path) -> None:
    archives.write_all(tmp_path / "in")
    text, told = printed("in/layered.tar")
    found = by_name(text)
    assert {name: each["purl"] for name, each in found.items()} == {
        "busybox": "pkg:nix/busybox@1.35",
        "hello": "pkg:nix/hello@2.12",
    }
    assert valid_cyclonedx(text)["metadata"]["component"]["name"] == "registry.example/shapes"
    lines = [each.text for each in told if isinstance(each, events.Notice)]
    assert "2 store paths of the image are not in the store of this machine, and listed alone" in lines
    assert [each for each in told if isinstance(each, events.Warned)], "nothing is known of any derivation"
    of_built, _ = printed("in/docker-image-shapes.tar.gz")
    assert by_name(of_built).keys() == found.keys(), "without a history the layers tell"


def test_an_attribute_that_is_an_image_is_read_as_one(
    make_flake: MakeFlake, printed: Print, nix_environ: Mapping[str, str]
) -> None:
    target = f"path:{make_flake()}#layered"
    nix_run(nix_environ, "nix", "build", target, "--no-link")
    text, _ = printed(target)
    assert by_name(text).keys() == {"busybox", "hello"}
    assert valid_cyclonedx(text)["metadata"]["component"]["name"] == "registry.example/shapes"
