"""Each rule on an image that breaks it, on one that does not, and on one that is not known well enough."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship.image.model import Descriptor, Digest, Image, Packed, PackedLayer, Platform
from flakeship.image.program_header import architecture_of
from flakeship.lint.finding import Finding
from flakeship.lint.glimpse import Glimpse
from flakeship.lint.rules import (
    RULES,
    LintRule,
    architecture,
    build_tools,
    ca_bundle,
    command,
    created,
    findings,
    layer_count,
    program,
    tmp,
    user,
    zstd,
)
from flakeship.lint.view import ImageView, contents_of, view_of

HASH = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
TOP = Glimpse(
    frozenset({"tmp", "etc", "etc/passwd", "bin", "bin/app"}),
    files={"etc/passwd": b"app:x:1000:1000::/:/bin/sh\n"},
)
GOOD = {"Entrypoint": ["/bin/app"], "User": "app"}


def store(name: str) -> str:
    return f"/nix/store/{HASH}-{name}"


def view(
    runtime: Mapping[str, Any],
    *contents: Sequence[str],
    top: Glimpse | None = TOP,
    suffix: str = "+gzip",
    created: str = "2026-01-01T00:00:00Z",
) -> ImageView:
    """Return an image with one layer for each of `contents` (names of store paths), and on top a layer with the glimpse `top`."""
    named = [[store(name) for name in names] for names in contents]
    keys = tuple(f"layer{number}" for number in range(len(named) + 1))
    layers = tuple(
        PackedLayer(
            key, Digest(key), Descriptor(f"layer.v1.tar{suffix}", Digest(key), 1000 - number), open=None
        )
        for number, key in enumerate(keys)
    )
    image = Image(
        {"created": created, "config": dict(runtime)},
        Platform("linux", "amd64"),
        keys,
        (None,) * len(keys),
        history=[{"comment": f"store paths: {paths}"} for paths in [*named, []]],  # type: ignore[arg-type]
    )
    described = Descriptor("x", Digest("x"), 1)
    packed = Packed(b"", b"", described, described, layers, image)
    return view_of(packed, {keys[-1]: top} if top else {})


KINDS: Final[tuple[LintRule, ...]] = (
    command,
    program,
    user,
    architecture,
    ca_bundle,
    tmp,
    layer_count,
    build_tools,
    created,
    zstd,
)
"""mypy holds each module against the Protocol."""


def test_every_rule_that_is_listed_satisfies_the_protocol() -> None:
    assert [importlib.import_module(name) for name in RULES] == list(KINDS)


def rules(found: ImageView) -> list[str]:
    return [finding.rule for finding in findings(found)]


def only(found: ImageView) -> Finding:
    (finding,) = findings(found)
    assert finding.fix
    return finding


def test_a_good_image_has_no_findings() -> None:
    assert not findings(view(GOOD, ["glibc-2.40", "openssl-3.0.8"], ["nss-cacert-3.101"]))


def test_a_tls_library_without_certificates_is_reported() -> None:
    finding = only(view(GOOD, ["glibc-2.40", "gnutls-3.8.1"]))
    assert (finding.rule, finding.severity) == ("ca-bundle", "warning")
    assert "gnutls-3.8.1" in finding.text
    assert "pkgs.cacert" in finding.fix


@pytest.mark.parametrize(
    "found",
    [
        view({**GOOD, "Env": ["SSL_CERT_FILE=/etc/my.crt"]}, ["openssl-3.0.8"]),
        view(GOOD, ["openssl-3.0.8"], top=replace(TOP, paths=TOP.paths | {"etc/ssl/certs/ca-bundle.crt"})),
        view(GOOD, ["openssl-3.0.8"], top=None),
        view(GOOD, ["openssl-3.0.8"], top=replace(TOP, whole=False)),
        view(GOOD, ["openssl-book-1.0", "rustls-1.0"]),
    ],
)
def test_certificates_are_recognised_in_every_form_and_not_missed_in_unseen_layers(found: ImageView) -> None:
    assert "ca-bundle" not in rules(found)


def test_a_missing_tmp_is_reported() -> None:
    finding = only(view(GOOD, ["app-1"], top=replace(TOP, paths=TOP.paths - {"tmp"})))
    assert (finding.rule, finding.severity) == ("tmp", "warning")
    assert "mkdir -m 1777 tmp" in finding.fix
    assert "tmp" not in rules(view(GOOD, ["app-1"], top=None))


@pytest.mark.parametrize(
    ("user", "passwd", "rule", "level"),
    [
        ("", b"", "root", "hint"),
        ("root", b"", "root", "hint"),
        ("0:0", b"", "root", "hint"),
        ("nobody", b"app:x:1000:1000::/:\n", "passwd", "warning"),
        ("app2:app", None, "passwd", "warning"),
        ("65532", b"app:x:1000:1000::/:\n", "passwd", "hint"),
    ],
)
def test_root_and_users_without_an_entry_are_reported(
    user: str, passwd: bytes | None, rule: str, level: str
) -> None:
    files = {} if passwd is None else {"etc/passwd": passwd}
    paths = {"tmp", "etc", "bin/app"} | set(files)
    finding = only(view({**GOOD, "User": user}, top=Glimpse(frozenset(paths), files=files)))
    assert (finding.rule, finding.severity) == (rule, level)


@pytest.mark.parametrize("user", ["app", "1000", "app:staff"])
def test_a_user_with_an_entry_is_not_reported(user: str) -> None:
    assert not findings(view({**GOOD, "User": user}))


def test_a_passwd_that_is_a_link_is_not_judged() -> None:
    linked = Glimpse(frozenset({"tmp", "etc/passwd", "bin/app"}), {"etc/passwd": store("passwd/etc/passwd")})
    assert not findings(view({**GOOD, "User": "nobody"}, top=linked))


@pytest.mark.parametrize(
    ("runtime", "rule", "level"),
    [
        ({}, "command", "warning"),
        ({"Cmd": ["/bin/app"]}, "entrypoint", "hint"),
        ({"Entrypoint": [], "Cmd": []}, "command", "warning"),
    ],
)
def test_a_missing_command_is_reported(runtime: dict[str, Any], rule: str, level: str) -> None:
    finding = only(view({"User": "app", **runtime}))
    assert (finding.rule, finding.severity) == (rule, level)


def test_a_cmd_with_arguments_is_not_reported() -> None:
    assert not findings(view({"User": "app", "Cmd": ["/bin/app", "--serve"]}))


def test_too_many_layers_are_reported() -> None:
    assert "layers" not in rules(view(GOOD, *([f"p{n}-1"] for n in range(126))))
    finding = only(view(GOOD, *([f"p{n}-1"] for n in range(127))))
    assert (finding.rule, finding.severity) == ("layers", "warning")
    assert "128 layers" in finding.text
    assert "sysbox" in finding.text


def test_build_tools_are_reported_with_the_command_that_finds_their_referrers() -> None:
    finding = only(view(GOOD, ["zlib-1.3-dev", "glibc-2.40"], ["gcc-13.2.0"], ["binutils-wrapper-2.43"]))
    assert finding.rule == "build-tools"
    assert "gcc-13.2.0, binutils-wrapper-2.43, zlib-1.3-dev" in finding.text
    assert f"nix why-depends RESULT {store('gcc-13.2.0')}" in finding.fix


def test_the_chain_of_references_to_the_largest_build_tool_is_shown() -> None:
    asked: list[tuple[str, str]] = []

    def why_depends(root: str, path: str) -> tuple[str, ...]:
        asked.append((root, path))
        return root, store("middle-1.0"), path

    runtime = {**GOOD, "Entrypoint": [f"{store('app-1.0')}/bin/app"]}
    finding = only(replace(view(runtime, ["gcc-13.2.0"], ["app-1.0"]), why_depends=why_depends))
    assert asked == [(store("app-1.0"), store("gcc-13.2.0"))]
    assert finding.text.endswith("; the way to it: app-1.0 → middle-1.0 → gcc-13.2.0")
    assert f"nix why-depends --precise {store('app-1.0')} {store('gcc-13.2.0')}" in finding.fix


@pytest.mark.parametrize(
    "name",
    ["gcc-13.2.0-lib", "gcc-13.2.0-libgcc", "developer-1.0", "go-migrate-4.1", "golang-x-1", "dev-1.0"],
)
def test_runtime_libraries_are_not_build_tools(name: str) -> None:
    assert not findings(view(GOOD, [name]))


@pytest.mark.parametrize("created", ["1970-01-01T00:00:01+00:00", "0001-01-01T00:00:00Z"])
def test_a_placeholder_date_is_reported(created: str) -> None:
    assert only(view(GOOD, created=created)).rule == "created"


def test_zstd_layers_are_reported() -> None:
    assert only(view(GOOD, suffix="+zstd")).rule == "zstd"


def test_warnings_come_before_hints() -> None:
    levels = [finding.severity for finding in findings(view({"User": ""}, created="1970-01-01"))]
    assert levels == sorted(levels, key=["warning", "hint"].index)
    assert len(levels) == 3


def elf(machine: int, order: str = "<") -> bytes:
    return (
        b"\x7fELF\x02"
        + (b"\x01" if order == "<" else b"\x02")
        + bytes(12)
        + struct.pack(f"{order}H", machine)
    )


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (elf(62), "amd64"),
        (elf(183), "arm64"),
        (elf(22, ">"), "s390x"),
        (elf(21), "ppc64le"),
        (elf(9999), ""),
        (b"#!/bin/sh\n" + bytes(20), ""),
        (b"\x7fELF", ""),
    ],
)
def test_the_cpu_of_a_program_is_read_from_its_elf_header(tmp_path: Path, head: bytes, expected: str) -> None:
    (tmp_path / "program").write_bytes(head)
    assert architecture_of(tmp_path / "program") == expected
    assert architecture_of(tmp_path / "nowhere") == ""
    assert architecture_of(Path("/bin/busybox")) != ""


def test_a_program_for_another_cpu_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    # the store can't be written to by a test; what is read there is the test above
    looked: list[Path] = []

    def arm(path: Path) -> str:
        looked.append(path)
        return "arm64"

    monkeypatch.setattr("flakeship.lint.rules.architecture.architecture_of", arm)
    top = replace(TOP, links={"bin/app": f"{store('app')}/bin/app"})
    finding = only(view(GOOD, ["app"], top=top))
    assert looked == [Path(f"{store('app')}/bin/app")]
    assert (finding.rule, finding.severity) == ("architecture", "warning")
    assert f"says amd64, but {store('app')}/bin/app is made for arm64" in finding.text
    assert not findings(view(GOOD, ["app"]))


def test_store_paths_are_read_from_the_history() -> None:
    one, two = store("a-1"), store("b-2")
    history: list[dict[str, Any]] = [
        {"comment": f"store paths: ['{one}', '{two}']"},
        {"empty_layer": True, "comment": one},
        {"created_by": f"nix2container {two}"},
    ]
    assert contents_of(history, 2) == ((one, two), (two,))
    assert contents_of(history, 5) == ((),) * 5


def test_an_image_of_a_package_is_mended_by_inputs() -> None:
    """Its user wrote no expression for an image."""
    bare = view({"Entrypoint": ["/bin/app"], "User": "app"}, ["openssl-3.0.8"], top=links("bin/app"))
    history = tuple({**entry, "created_by": "flakeship"} for entry in bare.packed.image.history)
    image = replace(bare.packed.image, history=history)
    fixes = {
        each.rule: each.fix for each in findings(replace(bare, packed=replace(bare.packed, image=image)))
    }
    assert fixes == {
        "ca-bundle": "set `contents: nixpkgs#cacert`",
        "passwd": "set `base: minimal`",
    }


def links(*paths: str, **targets: str) -> Glimpse:
    return Glimpse(frozenset({*paths, *targets, "tmp"}), links=targets)


@pytest.mark.parametrize(
    ("runtime", "top", "reported"),
    [
        ({"Entrypoint": ["/bin/app"]}, links(), True),
        ({"Cmd": ["/bin/app", "x"]}, links(), True),
        ({"Entrypoint": ["/bin/app"]}, links("bin", "bin/app"), False),
        ({"Entrypoint": ["app"]}, links("bin", "bin/app"), False),
        ({"Entrypoint": ["app"], "Env": ["PATH=/opt"]}, links("bin", "bin/app"), True),
        ({"Entrypoint": [store("other-1") + "/bin/app"]}, links(), True),
        (
            {"Entrypoint": [store("app-1") + "/bin/app"]},
            links(),
            False,
        ),  # this machine can't say what is in it
        ({"Entrypoint": ["/bin/app"]}, links(bin=store("app-1") + "/bin"), False),
        ({"Entrypoint": ["/bin/app"]}, links(bin=store("other-1") + "/bin"), True),
        ({"Entrypoint": ["/bin/app"]}, links(bin="usr", usr="bin"), False),  # links that lead nowhere
        ({"Entrypoint": ["./app"]}, links(), False),
        ({"Entrypoint": ["/bin/app"]}, None, False),
        ({"Entrypoint": ["/bin/app"]}, replace(links(), whole=False), False),
    ],
)
def test_a_program_that_is_not_in_the_image_is_reported_and_one_that_may_be_is_not(
    runtime: Mapping[str, Any], top: Glimpse | None, reported: bool
) -> None:
    assert ("program" in rules(view({**runtime, "User": "app"}, ["app-1"], top=top))) is reported
