"""What a Docker engine builds and saves for each CPU becomes one image: the jobs `build` and `image` of the workflow."""

from __future__ import annotations

from pathlib import Path

import yaml

from release import ROOT
from release.image import PLATFORMS, ActionImage
from release.layouts import joined
from release.version import Version
from tests.release.conftest import lay_out
from tests.testbed import archives
from tests.testbed.docker import Docker
from tests.testbed.registry import Registry

ONE = Version(1, 0, 0)


def flags_of_the_workflow() -> list[str]:
    """Those that the workflow gives flakeship for the layout of one CPU."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    (script,) = (step["run"] for step in jobs["build"]["steps"] if "docker save" in step.get("run", ""))
    words: list[str] = script.partition('"oci:layout-$CPU"')[2].replace("\\\n", " ").split()
    assert words
    return words


def test_archives_of_two_cpus_become_one_image(dockerd: Docker, registry: Registry, tmp_path: Path) -> None:
    flags = flags_of_the_workflow()
    for platform in PLATFORMS:
        cpu = platform.partition("/")[2]
        context = tmp_path / f"context-{cpu}"
        context.mkdir()
        (context / "busybox").write_bytes(archives.BUSYBOX.read_bytes())
        (context / "Dockerfile").write_text(f"FROM scratch\nCOPY busybox /{cpu}\n")
        dockerd("build", "--platform", platform, "--tag", f"release-{cpu}", str(context))
        dockerd("save", "--output", str(tmp_path / f"{cpu}.tar"), f"release-{cpu}")
        dockerd("image", "rm", f"release-{cpu}")
        lay_out(tmp_path, cpu, *flags)
    image = ActionImage(f"{registry.host}/{registry.new_repository()}")
    layout = joined([tmp_path / "arm64", tmp_path / "amd64"], tmp_path / "joined")
    digest = image.publish(layout, ONE, "abc", created="1700000000")
    assert image.named("1.0.0") == (digest, PLATFORMS)
    assert image.published(ONE, "abc") == digest
