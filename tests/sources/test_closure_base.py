"""A package on top of another image: what of that image's config stays, and what gives way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.model import Image, Layer, Platform, digest_of
from flakeship.sources.closure import Closure, opened
from flakeship.sources.opened import SourceRequest
from flakeship.sources.package import Package
from tests.sources.layouts import Layout
from tests.sources.packages import program
from tests.sources.stored_blobs import served
from tests.sources.test_closure_furnishing import last_layer


@dataclass
class Below:
    """An opened image of two layers."""

    runtime: dict[str, Any]
    platform: Platform = field(default_factory=lambda: Platform("linux", "amd64"))
    history: tuple[dict[str, Any], ...] = ()
    forward_only = False

    def layers(self) -> Iterator[Layer]:
        for data in (b"one", b"two"):
            yield Layer(digest_of(data), lambda data=data: io.BytesIO(data), digest_of(data))  # type: ignore[misc]

    def image(self) -> Image:
        diff_ids = tuple(layer.diff_id for layer in self.layers())
        keys = tuple(layer.key for layer in self.layers())
        annotations = {"org.opencontainers.image.title": "the base"}
        config = {"author": "someone", "config": self.runtime}
        return Image(config, self.platform, keys, diff_ids, self.history, annotations)


def test_a_base_image_without_the_platform_of_the_package_is_what_the_error_speaks_of(
    package: Package,
) -> None:
    layout = Layout()
    base = served(layout, layout.platforms("riscv64", "s390x"))
    request = SourceRequest(package=lambda: package, base=base)
    with pytest.raises(
        UsageError, match="`base-image` is for linux/riscv64, linux/s390x, but the package is for linux/"
    ) as caught:
        opened(Path(package.path), request).__enter__()
    assert "`platforms`" not in caught.value.message + caught.value.hint


RUNTIME = {
    "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"],
    "Cmd": ["bash"],
    "Entrypoint": ["/init"],
    "User": "www-data",
    "WorkingDir": "/srv",
    "Labels": {"maintainer": "them"},
}


def test_its_layers_lie_below_and_its_root_stays(package: Package) -> None:
    below = Below(
        RUNTIME, history=({"comment": "a"}, {"comment": "env", "empty_layer": True}, {"comment": "b"})
    )
    closure = Closure(package, below=below)
    image = closure.image()
    assert image.layers[:2] == below.image().layers
    assert image.diff_ids[:3] == (*below.image().diff_ids, None)
    assert [layer.key for layer in closure.layers()] == list(image.layers)
    assert len(image.layers) == 4, "none of links and users"
    assert [entry["comment"] for entry in image.history][:3] == ["a", "env", "b"]
    assert not image.annotations, "the base's title is not ours"


def test_its_config_is_merged(package: Package, tmp_path: Path) -> None:
    program(tmp_path / "tools/bin/sh")
    package = replace(package, contents=(f"{tmp_path}/tools",))
    assert Closure(package, below=Below(RUNTIME)).image().config["config"] == {
        "Env": [f"PATH={package.path}/bin:{tmp_path}/tools/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
        "Entrypoint": [f"{package.path}/bin/app"],
        "User": "www-data",
        "WorkingDir": "/srv",
        "Labels": {"maintainer": "them"},
    }
    user = Closure(replace(package, user="app"), below=Below(RUNTIME)).image().config["config"]["User"]
    assert user == "app"


def test_contents_are_laid_into_its_folders(package: Package, tmp_path: Path) -> None:
    """No link stands where the base may have a folder, nor a folder where it commonly has a link."""
    program(tmp_path / "tools/bin/sh")
    program(tmp_path / "tools/lib/libx.so")
    program(tmp_path / "real/profile.d/tools.sh")
    (tmp_path / "tools/etc").symlink_to(tmp_path / "real")
    (tmp_path / "real/profile.d/loop").symlink_to(".")
    (tmp_path / "real/dangling").symlink_to("nowhere")
    program(tmp_path / "certificates/etc/ssl/certs/ca-bundle.crt")
    package = replace(package, contents=(f"{tmp_path}/tools", f"{tmp_path}/certificates"))
    closure = Closure(package, below=Below({}))
    tools, certificates = f"{tmp_path}/tools/etc", f"{tmp_path}/certificates/etc"
    assert {name: member.linkname for name, member in last_layer(closure).items()} == {
        "etc": "",
        "etc/dangling": f"{tools}/dangling",
        "etc/profile.d": "",
        "etc/profile.d/loop": f"{tools}/profile.d/loop",
        "etc/profile.d/tools.sh": f"{tools}/profile.d/tools.sh",
        "etc/ssl": "",
        "etc/ssl/certs": "",
        "etc/ssl/certs/ca-bundle.crt": f"{certificates}/ssl/certs/ca-bundle.crt",
    }
    assert closure.image().history[-1]["comment"] == "links, user and folders"


def test_a_base_without_history_gets_one(package: Package) -> None:
    image = Closure(package, below=Below({})).image()
    assert len(image.history) == len(image.layers)


def test_its_layers_count(package: Package) -> None:
    assert len(Closure(replace(package, max_layers=3), below=Below({})).image().layers) == 3


def test_a_base_for_another_platform(package: Package) -> None:
    with pytest.raises(NotAnImageError) as caught:
        Closure(package, below=Below({}, platform=Platform("linux", "arm64", "v8")))
    assert "`base-image` is for linux/arm64/v8, but the package is for linux/amd64" in caught.value.message
    assert "build the package for that of the base image" in caught.value.hint
