"""Stream scripts that are planned: the very image that they would write, told without running them."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import sys
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError, ResourceError
from flakeship.events import Command, Detail, Event
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.model import Image, Layer, Packed, digest_of
from flakeship.sources.opened import SourceRequest
from tests.image.making import check, made
from tests.sources.store_trees import ODD, plant
from tests.sources.stream_scripts import Built, built

NOW = datetime(2026, 11, 21, 1, 53, 13, 858343, tzinfo=UTC)


def trees(folder: Path, *names: str, seed: int = 0) -> list[str]:
    """Store paths: a tree of odd names, a file, a link, and the like."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    paths = [store / name for name in names]
    for number, path in enumerate(paths):
        match number % 3:
            case 0:
                plant(path, {**ODD, "seed": random.Random(seed + number).randbytes(3000)})
                (path / "bin-hard").hardlink_to(path / "bin-first")
            case 1:
                path.write_bytes(b"a file " * 200)
                path.chmod(0o444)
            case _:
                path.symlink_to("nowhere")
    return list(map(str, paths))


def around(script: Built, **more: Any) -> dict[str, Any]:
    return {"environ": {"PATH": os.environ["PATH"]}, "store": script.store, "now": NOW, **more}


def opened(script: Built, **more: Any) -> tuple[Image, list[Layer], list[Event]]:
    """What the source says, and what is told to the log."""
    said: list[Event] = []
    with sources.opened(script.wrapper, SourceRequest(**around(script, emit=said.append, **more))) as source:
        return source.image(), list(source.layers()), said


def reason(said: list[Event]) -> str:
    """Why it was run after all; empty if it was not."""
    return "".join(event.text for event in said if isinstance(event, Detail))


def left_to_the_script(script: Built) -> str:
    """That it is run, and why."""
    said: list[Event] = []
    with sources.opened(script.wrapper, SourceRequest(**around(script, emit=said.append))) as source:
        assert source.forward_only
    assert f"{script.wrapper} is run, and not planned" in reason(said)
    return reason(said)


def base_image(path: Path, config: Mapping[str, Any]) -> str:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("etc"))
    document = {"config": config, "rootfs": {"diff_ids": [digest_of(layer.getvalue())]}}
    entry = {"Config": "c.json", "Layers": ["abc/layer.tar"], "RepoTags": ["base:1"]}
    members = {
        "abc/layer.tar": layer.getvalue(),
        "c.json": json.dumps(document).encode(),
        "manifest.json": json.dumps([entry]).encode(),
    }
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return str(path)


GENERATIONS: Mapping[str, Mapping[str, Any]] = {
    "2022": {
        "owned": False,
        "root_mode": 0o555,
        "without": ("uid", "gid", "uname", "gname", "mtime"),
        "created": "2001-01-01T00:00:00+00:00",
    },
    "2025": {"mtime": "1990-01-01T00:00:00+02:00", "uid": "1000", "gid": "100", "uname": "user", "gname": ""},
    "2026": {"architecture": "arm", "variant": "v7"},
    "to come": {"architecture": "arm", "variant": "v7", "tells_variant": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("based", [False, True])
def test_the_same_image_as_the_script_writes(tmp_path: Path, generation: str, *, based: bool) -> None:
    base = base_image(tmp_path / "store/base", {"Env": ["PATH=/b", "A=base"], "User": "x"}) if based else None
    paths = trees(tmp_path, "aa-tree", "ab-file", "ac-link", "ad-tree")
    layers = [paths[:1], paths[1:], []]
    script = built(tmp_path / "store", layers, from_image=base, **GENERATIONS[generation])
    said: list[Event] = []
    planned = made(script.wrapper, tmp_path / "planned", **around(script, emit=said.append))
    check(planned)
    assert len(script.ran(said)) == 1
    assert str(script.conf) not in script.ran(said), "a trial on other files, and nothing else"
    ran = made(script.hidden(), tmp_path / "ran", **around(script, emit=said.append))
    assert script.ran(said)[1:] == [str(script.store / "hidden")]
    assert planned.config == ran.config
    assert digests(planned) == digests(ran)
    assert planned.image.names == ran.image.names == ("name:tag",)


@pytest.mark.slow
@pytest.mark.parametrize("planned", [True, False])
def test_a_script_of_another_system_is_executed_by_our_python(tmp_path: Path, *, planned: bool) -> None:
    """Its interpreter is a program that this machine can't start: as on a Mac, or of another CPU."""
    ours = built(tmp_path / "store", [trees(tmp_path, "aa-tree")], root_mode=0o755 if planned else 0o700)
    expected = made(ours.wrapper, tmp_path / "ours", **around(ours))
    foreign = tmp_path / "store/python3"
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(200))
    script = tmp_path / "store/script"
    for path in (foreign, script):
        path.chmod(0o755)
    script.write_text(script.read_text().replace(script.read_text().splitlines()[0], f"#!{foreign}", 1))
    said: list[Event] = []
    found = made(ours.wrapper, tmp_path / "foreign", **around(ours, emit=said.append))
    assert digests(found) == digests(expected)
    assert found.config == expected.config
    programs = [event.argv[0] for event in said if isinstance(event, Command)]
    assert programs[-1] == sys.executable
    assert str(ours.wrapper) not in programs


@pytest.mark.slow
@pytest.mark.parametrize(
    "below", [{"env": ["A=base"]}, {"Env": ["A=base"]}, {"ENV": ["A=1"], "Env": ["B=2"]}, {}]
)
@pytest.mark.parametrize(
    "own", [{"env": ["B=own"]}, {"Env": ["B=own"], "CMD": ["x"]}, {"Env": [], "env": ["C=3"]}]
)
def test_keys_in_another_case_are_what_the_script_makes_of_them(
    tmp_path: Path, below: dict[str, Any], own: dict[str, Any]
) -> None:
    """It looks for `Env` alone, and engines then read what it wrote: the two together decide."""
    base = base_image(tmp_path / "store/base", below)
    script = built(tmp_path / "store", [trees(tmp_path, "aa-tree")], from_image=base, config=own)
    said: list[Event] = []
    planned = made(script.wrapper, tmp_path / "planned", **around(script, emit=said.append))
    assert str(script.conf) not in script.ran(said), "a trial on other files, and nothing else"
    ran = made(script.hidden(), tmp_path / "ran", **around(script))
    assert planned.config == ran.config
    assert not {"env", "ENV", "CMD"} & json.loads(planned.config)["config"].keys()


def digests(packed: Packed) -> list[str]:
    return [layer.descriptor.digest for layer in packed.layers]


def test_layers_are_known_before_they_are_read(tmp_path: Path) -> None:
    paths = trees(tmp_path, "aa-tree", "ab-file")
    script = built(tmp_path / "store", [paths[:1], paths[1:], paths[:1]])
    hashes = dict.fromkeys(paths, "sha256:abc")
    image, layers, said = opened(script, nar_hashes=lambda: hashes)
    assert not reason(said)
    first, second, customisation = layers
    assert image.layers == (first.key, second.key, first.key, customisation.key)
    assert image.diff_ids == (None, None, None, customisation.diff_id)
    assert first.annotations == {LAYER_KEY: first.key}
    assert not customisation.annotations
    with first.open() as once, first.open() as again:
        assert once.read() == again.read()


SHAPING: Sequence[Mapping[str, Any]] = (
    {},
    {"uid": "7"},
    {"gname": "g"},
    {"mtime": "2000-01-01T00:00:00Z"},
    {"root_mode": 0o555},
)


@pytest.mark.parametrize("wrapped", ["exec {script} {conf} '$@'", 'exec -a "$0" "{script}"   {conf} "$@"  '])
def test_wrappers_as_makewrapper_writes_them(tmp_path: Path, wrapped: str) -> None:
    script = built(tmp_path / "store", [trees(tmp_path, "aa-tree")], wrapped=wrapped)
    _, _, said = opened(script)
    assert not reason(said)


@pytest.mark.slow
def test_a_key_is_of_all_that_shapes_a_layer(tmp_path: Path) -> None:
    paths = trees(tmp_path, "aa-tree", "ab-file")
    keys = set[str]()
    for asked in SHAPING:
        _, (layer, _), _ = opened(built(tmp_path / "store", [paths], **asked))
        keys.add(layer.key)
    _, (layer, _), _ = opened(built(tmp_path / "store", [paths[::-1]]))
    assert len({*keys, layer.key}) == len(SHAPING) + 1


@pytest.mark.parametrize("other", [{"0": "b"}, {}])
def test_other_contents_are_another_layer(tmp_path: Path, other: Mapping[str, str]) -> None:
    """The same store path may hold other bytes where its build is not reproducible."""
    (path,) = trees(tmp_path, "aa-tree")
    script = built(tmp_path / "store", [[path]])
    _, (layer, _), _ = opened(script, nar_hashes=lambda: {path: "a"})
    _, (twin, _), _ = opened(script, nar_hashes=lambda: {path: "a"})
    _, (foreign, _), _ = opened(script, nar_hashes=lambda: {path: other["0"]} if other else {})
    assert layer.key == twin.key != foreign.key


def test_now_is_the_run_s_and_never_that_of_the_files(tmp_path: Path) -> None:
    paths = trees(tmp_path, "aa-tree")
    image, _, said = opened(built(tmp_path / "store", [paths], created="now"))
    assert not reason(said)
    assert image.config["created"] == "2026-11-21T01:53:13.858343+00:00"
    assert {entry["created"] for entry in image.history} == {image.config["created"]}


UNPLANNED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "an unknown key": ({"squash": True}, "says 'squash'"),
    "no key for the store": ({"without": ["store_dir"]}, "no text where it must"),
    "another store": ({"store_dir": "/"}, "made for linux and /"),
    "another system": ({"os": "windows"}, "made for windows"),
    "files of now": ({"mtime": "now"}, "dates are unknown"),
    "files of a time without a zone": ({"mtime": "2001-01-01T00:00:00"}, "the time of its files"),
    "files from before 1970": ({"mtime": "1960-01-01T00:00:00+00:00"}, "the time of its files"),
    "a user beyond tar": ({"uid": "2097152"}, "the owner's number"),
    "a negative group": ({"gid": "-1"}, "the owner's number"),
    "a long name": ({"uname": "u" * 33}, "the owner's name"),
    "a name beyond ASCII": ({"gname": "caf\u00e9"}, "the owner's name"),
    "more in the wrapper": ({"wrapped": 'export A=b\nexec "{script}" {conf} "$@"'}, "is not a wrapper"),
    "another argument": ({"wrapped": 'exec "{script}" {conf} -t x "$@"'}, "is not a wrapper"),
    "a variable": ({"wrapped": 'CONF={conf}; exec "{script}" "$CONF" "$@"'}, "is not a wrapper"),
    "quotes that do not end": ({"wrapped": "exec '{script} {conf}"}, "is not a wrapper"),
    "another way to write tars": (
        {"prelude": "import tarfile; tarfile.RECORDSIZE = 512"},
        "writes otherwise",
    ),
    "a script that fails": ({"prelude": "raise SystemExit(3)"}, "does not take another conf.json"),
    "a script that talks": ({"prelude": "print('x' * (5 << 20), flush=True)"}, "does not take another"),
    "a script that lies": ({"prelude": "print('no image'); raise SystemExit"}, "can't be tried"),
}


@pytest.mark.parametrize("case", UNPLANNED)
def test_what_is_unknown_is_run(tmp_path: Path, case: str) -> None:
    asked, why = UNPLANNED[case]
    paths = trees(tmp_path, "aa-file", "ab-file")
    script = built(tmp_path / "store", [paths[1:]], **asked)
    assert why in left_to_the_script(script)


@pytest.mark.parametrize("name", [".hidden", "\udcff"])
def test_where_odd_files_can_not_be_made_there_is_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Some file systems have no hard links, for some names are text; here is none such, so that is pretended."""
    write, script = Path.write_text, built(tmp_path / "store", [trees(tmp_path, "ab-file")])

    def refused(path: Any, *arguments: Any, **more: Any) -> Any:
        if Path(path).name == name:
            raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), str(path))
        return write(path, *arguments, **more)

    monkeypatch.setattr("os.link" if name == ".hidden" else "pathlib.Path.write_text", refused)
    assert "odd files can't be made" in left_to_the_script(script)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (["../../etc"], "not in the store"),
        (["/etc/passwd"], "not in the store"),
        (["{store}/.."], "not in the store"),
        (["{store}/a/b"], "not in the store"),
        ([7], "not in the store"),
        ("text", "are not lists"),
    ],
)
def test_layers_of_other_places_are_left_to_the_script(tmp_path: Path, broken: Any, why: str) -> None:
    trees(tmp_path, "aa-tree")
    layer = [str(path).format(store=tmp_path / "store") for path in broken] if broken != [7] else broken
    script = built(tmp_path / "store", [layer if isinstance(broken, list) else broken])
    assert why in left_to_the_script(script)


@pytest.mark.parametrize("file", ["conf.json", "customisation/checksum", "customisation/layer.tar"])
def test_what_is_missing_is_left_to_the_script(tmp_path: Path, file: str) -> None:
    script = built(tmp_path / "store", [trees(tmp_path, "aa-tree")])
    (tmp_path / "store" / file).unlink()
    assert "can't be read" in left_to_the_script(script)


@pytest.mark.parametrize("base", [b"\x1f\x8b\x08 compressed", b"", bytes(10240)])
def test_a_base_that_can_not_be_read_in_place_is_left_to_the_script(tmp_path: Path, base: bytes) -> None:
    (tmp_path / "base").write_bytes(base)
    paths = trees(tmp_path, "aa-tree")
    script = built(tmp_path / "store", [paths], from_image=str(tmp_path / "base"))
    assert "its base image" in left_to_the_script(script)


@pytest.mark.slow
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("what", ["from_image", "customisation_layer"])
def test_what_lies_outside_of_the_store_is_not_read_for_it(tmp_path: Path, what: str, *, link: bool) -> None:
    """We may read what the authors of a flake may not; the script itself is confined."""
    script = built(tmp_path / "store", [trees(tmp_path, "aa-tree")])
    private = tmp_path / "private"
    if what == "from_image":
        base_image(private, {})
    else:
        (script.store / "customisation").rename(private)
    place = script.store / "link" if link else private
    if link:
        place.symlink_to(private)
    script.conf.write_text(json.dumps({**json.loads(script.conf.read_text()), what: str(place)}))
    assert "is not in the store" in left_to_the_script(script)
    with pytest.raises(NotAnImageError, match="failed with exit code"):
        made(script.wrapper, tmp_path / "out", **around(script))


@pytest.mark.parametrize("environment", [None, "A=1", [1], {}])
def test_an_environment_that_can_not_be_merged_is_left_to_the_script(
    tmp_path: Path, environment: Any
) -> None:
    base = base_image(tmp_path / "store/base", {"Env": ["A=1"]})
    script = built(
        tmp_path / "store",
        [trees(tmp_path, "aa-tree")],
        from_image=base,
        config={"Env": environment},
    )
    assert left_to_the_script(script)


def test_a_path_that_vanished(tmp_path: Path) -> None:
    paths = trees(tmp_path, "aa-tree", "ab-file")
    script = built(tmp_path / "store", [paths])
    Path(paths[1]).unlink()
    with pytest.raises(ResourceError) as caught:
        made(script.wrapper, tmp_path / "out", **around(script))
    assert "ab-file vanished from the store" in caught.value.message
    assert "garbage collection" in caught.value.hint


def test_a_customisation_layer_that_is_not_its_checksum_s(tmp_path: Path) -> None:
    script = built(tmp_path / "store", [trees(tmp_path, "aa-tree")])
    (tmp_path / "store/customisation/layer.tar").write_bytes(bytes(10240))
    with pytest.raises(NotAnImageError):
        made(script.wrapper, tmp_path / "out", **around(script))
