"""What an image of a closure has beside the store: links, user, folders."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.errors import UsageError
from flakeship.sources.closure import Closure
from flakeship.sources.closure.furnishing import user_of
from flakeship.sources.package import Package
from tests.sources.packages import program


def last_layer(closure: Closure) -> dict[str, tarfile.TarInfo]:
    with (
        list(closure.layers())[-1].open() as reader,
        tarfile.open(fileobj=io.BytesIO(reader.read())) as archive,
    ):
        return {member.name: member for member in archive}


def text_of(closure: Closure, name: str) -> str:
    with (
        list(closure.layers())[-1].open() as reader,
        tarfile.open(fileobj=io.BytesIO(reader.read())) as archive,
    ):
        file = archive.extractfile(name)
        assert file
        return file.read().decode()


def test_what_lies_beside(package: Package) -> None:
    members = last_layer(Closure(package))
    assert {name: (member.mode, member.uid, member.gid) for name, member in members.items()} == {
        "etc": (0o755, 0, 0),
        "etc/group": (0o644, 0, 0),
        "etc/nsswitch.conf": (0o644, 0, 0),
        "etc/passwd": (0o644, 0, 0),
        "home": (0o755, 0, 0),
        "home/nonroot": (0o700, 65532, 65532),
        "tmp": (0o1777, 0, 0),
    }
    home = "home/nonroot"
    assert f"nonroot:x:65532:65532:nonroot:/{home}:" in text_of(Closure(package), "etc/passwd")


@pytest.mark.parametrize(
    ("user", "spelled", "entries", "home"),
    [
        ("", "65532:65532", ("nonroot:x:65532:65532:", "nonroot:x:65532:"), "home/nonroot"),
        ("1000", "1000", ("nonroot:x:1000:1000:", "nonroot:x:1000:"), "home/nonroot"),
        ("1000:100", "1000:100", ("nonroot:x:1000:100:", "nonroot:x:100:"), "home/nonroot"),
        ("app", "app", ("app:x:65532:65532:", "app:x:65532:"), "home/app"),
        ("app:staff", "app:staff", ("app:x:65532:65532:", "staff:x:65532:"), "home/app"),
        ("app:0", "app:0", ("app:x:65532:0:", "root:x:0:"), "home/app"),
        ("root", "root", ("root:x:0:0:", "root:x:0:"), "root"),
        ("0", "0", ("root:x:0:0:", "root:x:0:"), "root"),
    ],
)
def test_the_user(package: Package, user: str, spelled: str, entries: tuple[str, str], home: str) -> None:
    closure = Closure(replace(package, user=user))
    assert closure.image().config["config"]["User"] == spelled == user_of(user).spelled
    for file, start in zip(("etc/passwd", "etc/group"), entries, strict=True):
        assert any(line.startswith(start) for line in text_of(closure, file).splitlines())
    assert last_layer(closure)[home].mode == 0o700


def test_contents_are_linked_into_the_root(tmp_path: Path, package: Package) -> None:
    tools, certificates = tmp_path / "tools", tmp_path / "certificates"
    program(tools / "bin/sh")
    (tools / "nix-support").mkdir()
    program(tools / "etc/profile")
    bundle = program(certificates / "etc/ssl/certs/ca-bundle.crt")
    program(certificates / "etc/passwd", "from the contents\n")
    closure = Closure(replace(package, contents=(str(tools), str(certificates))))
    members = last_layer(closure)
    assert {name: member.linkname for name, member in members.items() if member.issym()} == {
        "bin": f"{tools}/bin",
        "etc/passwd": f"{certificates}/etc/passwd",
        "etc/profile": f"{tools}/etc/profile",
        "etc/ssl": f"{certificates}/etc/ssl",
    }
    assert members["etc"].isdir()
    assert members["etc/group"].isreg()
    assert closure.image().config["config"]["Env"] == [
        f"PATH={package.path}/bin:/bin",
        f"SSL_CERT_FILE={bundle}",
    ]


def test_a_folder_that_several_hold_becomes_one_of_links(tmp_path: Path, package: Package) -> None:
    places = [tmp_path / name for name in ("a", "b", "c")]
    for place in places:
        program(place / "share/doc" / place.name)
        program(place / "share/same", "same").unlink()
        (place / "share/same").symlink_to(tmp_path / "app/bin/app")
    members = last_layer(Closure(replace(package, base="none", contents=tuple(map(str, places)))))
    assert {name: member.linkname for name, member in members.items()} == {
        "share": "",
        "share/doc": "",
        "share/same": f"{places[0]}/share/same",
        **{f"share/doc/{place.name}": f"{place}/share/doc/{place.name}" for place in places},
    }


@pytest.mark.parametrize("other", ["bin/sh", "bin/sh/inner"])
def test_contents_that_want_the_same_place(tmp_path: Path, package: Package, other: str) -> None:
    program(tmp_path / "a/bin/sh")
    program(tmp_path / "b" / other)
    with pytest.raises(UsageError) as caught:
        Closure(replace(package, contents=(f"{tmp_path}/a", f"{tmp_path}/b")))
    assert f"both {tmp_path}/b/bin/sh and {tmp_path}/a/bin/sh" in caught.value.message
    assert "leave one" in caught.value.hint


def test_contents_without_a_tree(tmp_path: Path, package: Package) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is a file") as caught:
        Closure(replace(package, contents=(f"{tmp_path}/file",)))
    assert "bin/" in caught.value.hint
