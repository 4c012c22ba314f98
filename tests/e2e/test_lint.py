"""What lint says through the command, with the Nix that built the image to ask."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.testbed import archive_shapes, archives
from tests.testbed.archives import BUSYBOX
from tests.testbed.command import Publish
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

FLAKE = """{
  outputs = _:
    let
      make = name: script: derivation {
        inherit name;
        system = "x86_64-linux";
        builder = "${./bin}/busybox";
        args = [ "sh" "-euc" "${./bin}/busybox mkdir -p $out/bin; ${script}" ];
      };
      gcc = make "gcc-13.2.0" "echo compiler > $out/bin/gcc";
      library = make "library-1.0" "echo ${gcc} > $out/bin/library";
    in {
      packages.x86_64-linux.default = make "app-1.0" "echo ${library} > $out/bin/app; ${./bin}/busybox chmod +x $out/bin/app";
    };
}
"""


def test_the_way_to_a_compiler_is_shown(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "flake/bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, tmp_path / "flake/bin/busybox")
    (tmp_path / "flake/flake.nix").write_text(FLAKE)
    ended = publish("--flake", "path:flake", "--to", "oci:out")
    assert ended.code == 0, ended.stderr
    assert "gcc-13.2.0; the way to it: app-1.0 → library-1.0 → gcc-13.2.0\n" in ended.stderr
    assert "-> `nix why-depends --precise /nix/store/" in ended.stderr
    wrong = ("--entrypoint", "/bin/app")  # there is no /bin in the image of a package
    strict = publish("--flake", "path:flake", "--to", "oci:strict", "--lint", "strict", *wrong)
    assert strict.code == 7
    assert "lint rejects the image: program, build-tools" in strict.stderr
    assert "write `--entrypoint app`" in strict.stderr
    assert not (tmp_path / "strict/index.json").exists()


LINKED = """{
  outputs = _: {
    packages.x86_64-linux.default = derivation {
      name = "image.tar%s"; system = "x86_64-linux"; builder = "${./bin}/busybox";
      args = [ "sh" "-c" "${./bin}/busybox cp ${./archives}/layered.tar%s $out" ];
    };
  };
}
"""


@pytest.fixture(params=["", ".gz", ".zst"])
def image(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A flake whose image has no /tmp, as an archive that is read at any place or forward alone."""
    (tmp_path / "flake/bin").mkdir(parents=True)
    shutil.copy(archives.BUSYBOX, tmp_path / "flake/bin/busybox")
    archives.write_all(tmp_path / "flake/archives")
    (tmp_path / "flake/flake.nix").write_text(LINKED % (request.param, request.param))
    return ("--flake", "path:flake", "--lint", "strict")


REFUSED = "lint rejects the image: tmp"


def test_what_is_refused_once_is_refused_again_from_the_layer_cache(
    publish: Publish, image: tuple[str, ...], tmp_path: Path
) -> None:
    for number in range(2):
        ended = publish(*image, "--to", f"oci:out{number}", "--layer-cache", str(tmp_path / "cache"))
        assert (ended.code, REFUSED in ended.stderr) == (7, True), ended.stderr


@pytest.mark.parametrize("flags", [(), ("--rebuild", "always"), ("--reuse", "verify"), ("--reuse", "off")])
def test_what_was_published_without_strict_is_refused_with_it(
    publish: Publish, image: tuple[str, ...], registry: Registry, flags: tuple[str, ...]
) -> None:
    tag = ("--tags", f"{registry.host}/{registry.new_repository()}:1")
    assert publish(*image, "--lint", "warn", *tag).code == 0
    for labels in ("a=1", "a=2"):
        ended = publish(*image, *tag, "--labels", labels, *flags)
        assert (ended.code, REFUSED in ended.stderr) == (7, True), ended.stderr
    assert publish(*image, "--lint", "off", *tag).code == 0


def test_layers_in_a_layout_that_is_there_are_looked_at(publish: Publish, image: tuple[str, ...]) -> None:
    assert publish(*image, "--lint", "warn", "--to", "oci:out").code == 0
    ended = publish(*image, "--to", "oci:out")
    assert (ended.code, REFUSED in ended.stderr) == (7, True), ended.stderr


def test_layers_of_a_registry_are_looked_at(
    publish: Publish, image: tuple[str, ...], registry: Registry
) -> None:
    there, other = (f"{registry.host}/{registry.new_repository()}:1" for _ in range(2))
    assert publish(*image, "--lint", "warn", "--tags", there).code == 0
    for where in (("--tags", there), ("--tags", other), ("--to", "oci:out")):
        ended = publish("--source", f"docker://{there}", "--lint", "strict", *where)
        assert (ended.code, REFUSED in ended.stderr) == (7, True), ended.stderr
        assert publish("--source", f"docker://{there}", *where).code == 0


def blobs_read(registry: Registry, repository: str, before: int) -> int:
    """How many blobs were read after the first `before` requests."""
    since = registry.accesses(repository)[before:]
    return sum("/blobs/" in each.path and each.method == "GET" for each in since)


def test_what_passes_once_passes_again_and_without_a_build(
    publish: Publish, tmp_path: Path, registry: Registry
) -> None:
    """A package has its /tmp in a layer of its own, which alone is read again."""
    (tmp_path / "flake/bin").mkdir(parents=True)
    shutil.copy(archives.BUSYBOX, tmp_path / "flake/bin/busybox")
    (tmp_path / "flake/flake.nix").write_text(FLAKE.replace("gcc-13.2.0", "fine-1.0"))
    repository = registry.new_repository()
    flags = ("--flake", "path:flake", "--lint", "strict", "--tags", f"{registry.host}/{repository}:1")
    assert publish(*flags).code == 0
    before = len(registry.accesses(repository))
    ended = publish(*flags)
    assert ended.code == 0, ended.stderr
    assert "published already" in ended.stderr
    assert blobs_read(registry, repository, before) == 2
    before = len(registry.accesses(repository))
    # without `strict` no blob is asked for, and what the layers of a package hold is known all the same
    warned = publish(*flags, "--lint", "warn", "--entrypoint", '["/bin/nothere"]')
    assert warned.code == 0, warned.stderr
    assert "lint: program: the image starts '/bin/nothere'" in warned.stderr
    assert blobs_read(registry, repository, before) == 1


def test_what_was_not_looked_at_is_said(publish: Publish, tmp_path: Path) -> None:
    import io
    import tarfile

    big = io.BytesIO()
    with tarfile.open(fileobj=big, mode="w") as tar:
        info = tarfile.TarInfo("data")
        info.size = 3 << 20
        tar.addfile(info, io.BytesIO(bytes(3 << 20)))
    archive_shapes_image = archive_shapes.archive([big.getvalue()])
    (tmp_path / "image.tar").write_bytes(archive_shapes_image)
    ended = publish("--source", "image.tar", "--to", "oci:out", "--lint", "strict", "--entrypoint", '["/x"]')
    assert ended.code == 0, ended.stderr
    assert "lint: 1 of 1 layer" in ended.stderr
