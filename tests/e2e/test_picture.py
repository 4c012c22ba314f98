"""The pictures that lie beside the metadata file, of what was really built, and what the log shows of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.testbed.command import Publish
from tests.testbed.nix import NixBuild

pytestmark = pytest.mark.slow

LINE = re.compile(r'data-size="(\d+)" title="([^"]+)"><td>([^<]+)</td><td>([^<]*)</td>')
FILES = {"m.json", "m-picture.svg", "m-picture.html"}


def test_the_picture_of_a_package_has_the_sizes_that_nix_states(
    publish: Publish,
    make_flake: Callable[..., Path],
    shapes: NixBuild,
    nix_environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    folder = make_flake()
    flags = ("--flake", ".#hello", "--to", f"oci:{tmp_path}/image", "--metadata-file", "out/m.json")
    ended = publish(*flags, cwd=folder)
    assert ended.code == 0, ended.stderr
    assert {path.name for path in (folder / "out").iterdir()} == FILES
    page = (folder / "out/m-picture.html").read_text()
    asked = ["nix", "--extra-experimental-features", "nix-command", "path-info", "-rsS", str(shapes("hello"))]
    told = subprocess.run(asked, env=nix_environ, check=True, capture_output=True, text=True).stdout
    sizes = {line.split()[0]: int(line.split()[1]) for line in told.splitlines()}
    lines = {path: int(size) for size, path, _, _ in LINE.findall(page)}
    assert {path: size for path, size in lines.items() if path.startswith("/nix/store/")} == sizes
    assert "links, user and folders" in page
    assert re.search(rf"^package +size +{len(sizes)} packages?, .* unpacked$", ended.stderr, re.MULTILINE)
    assert re.search(r"^hello-\S+ +[0-9.]+ \w?B +█", ended.stderr, re.MULTILINE)

    assert publish(*flags[:2], "--to", "nowhere:x", *flags[4:], cwd=folder).code == 2
    assert not FILES & {path.name for path in (folder / "out").iterdir()}


def test_an_image_of_others_is_drawn_by_its_layers(publish: Publish, archive: Path, tmp_path: Path) -> None:
    flags = ("--source", str(archive), "--to", f"oci:{tmp_path}/image", "--metadata-file", "m.json")
    ended = publish(*flags, cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    blobs = json.loads((tmp_path / "m.json").read_text())["flakeship.destinations"][0]["blobs"]
    lines = LINE.findall((tmp_path / "m-picture.html").read_text())
    told = [int(size) for size, _, _, text in lines if text.endswith(" compressed")]
    assert sorted(told) == sorted(blob["size"] for blob in blobs[:-1])
    assert [text for *_, text in lines].count("") == len(lines) - len(told), (
        "of a package only the layer is known"
    )
    assert "unpacked" not in ended.stderr
