"""Each kind of destination is one module and one line: those that are listed, and one that is added."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from flakeship import destinations
from flakeship.commands.publish import disk_space
from flakeship.commands.publish.attributes import attributes_of
from flakeship.commands.publish.debug_variant import debug_settings
from flakeship.commands.workspace_owner import workspace_owned
from flakeship.destinations import archive, docker_daemon, grammar, oci_layout, podman, registry
from flakeship.destinations.kind import Defaults, Kind, Target
from flakeship.errors import ResourceError, UsageError
from flakeship.image.document import decode_object
from flakeship.image.model import Packed, digest_of
from flakeship.settings.declaration import Settings
from tests.destinations import shelf
from tests.runtimes import publish_one, runtime
from tests.testbed import archives

KINDS: tuple[Kind, ...] = (registry, oci_layout, docker_daemon, podman, archive)
"""The modules as mypy compares them with the Protocol."""

TEXTS = (
    "docker://a.example/b:1",
    "oci:x:1",
    "docker-daemon:a:1",
    "containers-storage:a",
    "docker-archive:x",
    "-",
)


def test_the_list_names_every_kind() -> None:
    assert tuple(grammar.kinds()) == KINDS
    schemes = [scheme for kind in KINDS for scheme in kind.SCHEMES]
    assert len(set(schemes)) == len(schemes)
    for kind in KINDS:
        assert len(kind.SYNTAX) == len(kind.SCHEMES)
        assert all(form.startswith(word) for form, word in zip(kind.SYNTAX, kind.SCHEMES, strict=True))


def test_the_help_of_to_names_every_scheme() -> None:
    (to,) = (field for field in Settings.__dataclass_fields__.values() if field.name == "to")
    assert [word for kind in KINDS for word in kind.SCHEMES if f"`{word}" not in str(to.metadata)] == []


@pytest.mark.parametrize("text", TEXTS)
def test_a_target_is_a_value(text: str, tmp_path: Path) -> None:
    defaults = Defaults(cwd=tmp_path)
    target: Target = grammar.parse(text, defaults)
    assert target == grammar.parse(text, defaults)
    assert len({target, grammar.parse(text, defaults)}) == 1


@pytest.mark.parametrize(
    ("text", "single"),
    [
        ("docker://a.example/b", True),
        ("oci:x:1", True),
        ("oci:x", False),
        ("docker-daemon:a", True),
        ("docker-daemon:", False),
        ("docker-archive:x", True),
        ("-", True),
        ("a.example/b:1", False),
        ("-:x", False),
    ],
)
def test_a_text_that_one_image_alone_can_go_to(text: str, single: bool) -> None:
    assert grammar.holds_one_image(text) is single


@pytest.fixture
def shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "DESTINATIONS", (*destinations.DESTINATIONS, shelf.__name__))


@pytest.fixture
def source(tmp_path: Path) -> str:
    archives.write_all(tmp_path / "archives")
    return str(tmp_path / "archives/layered.tar")


@pytest.mark.usefixtures("shelves")
def test_an_added_kind_is_published_to(source: str, tmp_path: Path) -> None:
    made, _ = runtime(tmp_path)
    result = publish_one(Settings(source=source, to=("shelf:s",)), made)
    place = tmp_path / "s"
    manifest = (place / "manifest").read_bytes()
    assert digest_of(manifest) == result.packed.descriptor.digest
    document = decode_object(manifest)
    for entry in (document["config"], *document["layers"]):
        assert digest_of((place / entry["digest"]).read_bytes()) == entry["digest"]
    assert [item.reference for item in result.published] == [f"shelf:{place}"]
    assert (place / "closed").exists()


@pytest.mark.usefixtures("shelves")
def test_an_added_kind_has_a_dry_run(source: str, tmp_path: Path) -> None:
    made, _ = runtime(tmp_path)
    result = publish_one(Settings(source=source, to=("shelf:s",), dry_run=True), made)
    assert isinstance(result.packed, Packed)
    assert [(item.destination, item.sent) for item in result.published] == [(f"shelf:{tmp_path}/s", False)]


@pytest.mark.usefixtures("shelves")
def test_an_added_kind_is_known_to_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="names no folder"):
        grammar.parse("shelf:", Defaults(cwd=tmp_path))
    with pytest.raises(UsageError) as unknown:
        grammar.parse("s3:x", Defaults(cwd=tmp_path))
    assert "shelf:FOLDER" in unknown.value.hint
    with pytest.raises(UsageError, match="two destinations write"):
        grammar.targets(to=("shelf:s", "shelf:./s", "docker-archive:s"), references=(), cwd=tmp_path)
    with pytest.raises(UsageError, match="would hold a, b"):
        attributes_of(Settings(flake=("a=.#a", "b=.#b"), to=("shelf:s",)))
    with pytest.raises(UsageError, match="holds one image, but `debug` makes two"):
        debug_settings(Settings(to=("shelf:s",), debug=True))
    monkeypatch.setattr(disk_space, "LEAST", 1 << 80)
    with pytest.raises(ResourceError, match=f"{tmp_path}/s has no space for an image"):
        disk_space.check_room(
            Path("/proc/self"), grammar.targets(to=("shelf:s",), references=(), cwd=tmp_path)
        )


@pytest.mark.usefixtures("shelves")
def test_what_an_added_kind_writes_is_given_to_the_owner_of_the_workspace(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(tmp_path, nobody, -1)
    with workspace_owned(Settings(to=("shelf:s",)), tmp_path):
        (tmp_path / "s").mkdir()
        (tmp_path / "s/file").touch()
    assert (tmp_path / "s/file").stat().st_uid == nobody
