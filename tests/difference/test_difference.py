"""Two images as values: which packages, layers and settings differ."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import redaction
from flakeship.commands.publish.changes import Changes
from flakeship.difference.compare import difference
from flakeship.difference.document import document_of
from flakeship.difference.model import Held, HeldLayer, PackageName
from flakeship.report.difference import Differences, change_lines, differences_text, tells_nothing
from tests.testbed.store_images import paths_of


def held(*names: str, **more: object) -> Held:
    """An image with a layer of 1000 bytes for each path; names as `paths_of` takes them."""
    paths = paths_of(*names)
    layers = tuple(HeldLayer(f"blob of {path}", f"tar of {path}", 1000, 3000, (path,)) for path in paths)
    given_: dict[str, object] = {"name": "app", "paths": frozenset(paths), "layers": layers, **more}
    return Held(**given_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (["openssl-3.0.8"], ["openssl-3.0.14"], "openssl changed 3.0.8 → 3.0.14"),
        (["openssl-3.0.8", "openssl-3.0.8-bin"], ["openssl-3.1", "openssl-3.1-bin"], "openssl changed 3.0.8 → 3.1"),
        (["a-1", "b-1"], ["a-1", "b-1", "b-2"], "b changed 1 → 1, 2"),
        (["b-1.9", "b-1.10"], ["b-1.10", "b-1.9", "b-1.10rc1"], "b changed 1.9, 1.10 → 1.9, 1.10, 1.10rc1"),
        (["a-1"], ["a-1", "curl-8.5.0"], "curl added  → 8.5.0"),
        (["a-1", "curl-8.5.0", "curl-8.5.0-lib"], ["a-1"], "curl removed 8.5.0 → "),
        (["a-1"], ["a-1~other"], "a rebuilt 1 → 1"),
        (["a-1"], ["a-1~other", "a-1-man"], "a outputs 1 → 1"),
        (["a-1", "a-1~copy"], ["a-1"], "a outputs 1 → 1"),
        (["a-1", "hook"], ["a-1", "hook~other"], "hook rebuilt  → "),
        (["a-1", "hook"], ["a-1", "hook-2"], "hook changed  → 2"),
        (["python3.11-requests-2.31.0"], ["python3.11-requests-2.32.3"], "python3.11-requests changed 2.31.0 → 2.32.3"),
    ],
)  # fmt: skip
def test_what_became_of_a_package(old: list[str], new: list[str], told: str) -> None:
    (change,) = difference(held(*old), held(*new)).packages
    assert f"{change.name} {change.kind} {', '.join(change.old)} → {', '.join(change.new)}" == told


def test_an_sbom_knows_better_than_a_path() -> None:
    old, new = held("libressl-tests"), held("libressl-tests~2")
    stated = [
        {path: PackageName("libressl", version) for path in side.paths}
        for side, version in ((old, "3"), (new, "4"))
    ]
    (change,) = difference(
        held("libressl-tests", stated=stated[0]), held("libressl-tests~2", stated=stated[1])
    ).packages
    assert (change.name, change.old, change.new) == ("libressl", ("3",), ("4",))


def test_a_package_is_as_large_as_its_layers_if_it_shares_none() -> None:
    (alone,) = difference(held("a-1"), held("a-2", "a-2-bin")).packages
    assert (alone.old_size, alone.new_size, alone.growth) == (1000, 2000, 1000)
    paths = paths_of("a-2", "b-1")
    shared = HeldLayer("both", "both", 5000, None, tuple(paths))
    new = Held(name="new", paths=frozenset(paths), layers=(shared,))
    assert {change.name: change.growth for change in difference(held("a-1"), new).packages} == {
        "a": None,
        "b": None,
    }


def test_a_path_in_two_layers_has_the_bytes_of_both_or_no_size() -> None:
    one, both = paths_of("a-2", "b-1")
    twice = [HeldLayer(name, name, 700, None, (one,)) for name in ("lower", "upper")]
    with_another = HeldLayer("mixed", "mixed", 50, None, (one, both))
    for layers, size in (((*twice, twice[0]), 1400), ((*twice, with_another), None)):
        new = Held(name="new", paths=frozenset({one, both}), layers=layers)
        sizes = {change.name: change.new_size for change in difference(held("a-1"), new).packages}
        assert sizes["a"] == size


@pytest.mark.parametrize("new", [["b-1", "a-1"], ["a-1", "b-1", "a-1"], ["c-1", "b-1", "a-1"]])
def test_layers_in_another_order_are_a_difference(new: list[str]) -> None:
    """A file of an upper layer hides that of a lower one."""
    found = difference(held("a-1", "b-1"), held(*new))
    assert not found.is_empty
    assert not tells_nothing(found)
    assert " in another order" in change_lines(found, 10)[0][0]
    assert document_of(found)["layers_reordered"] is True
    assert document_of(difference(held("a-1", "b-1"), held("c-1", "a-1", "b-1")))["layers_reordered"] is False


def test_packages_that_no_history_tells_are_not_called_the_same() -> None:
    def with_base(blob: str) -> Held:
        known = held("a-1")
        return replace(known, layers=(*known.layers, HeldLayer(blob, blob, 9, None, told=False)))

    found = difference(with_base("old"), with_base("new"))
    line = "packages: no difference, apart from 2 layers of which no history tells the packages"
    assert line in differences_text(Differences((found,)))
    assert change_lines(found, 10)[0][0].startswith(line)
    assert document_of(found)["layers_untold"] == 2
    assert "apart from" not in differences_text(Differences((difference(with_base("x"), with_base("x")),)))


def test_packages_that_are_not_compared_are_not_counted() -> None:
    """0 in a report of metrics would say that none changed."""
    numbers = dict(Changes("app:1", (difference(held(), held(config={"os": "x"})),)).numbers())
    assert set(numbers) == {"new_layer_bytes", "gone_layer_bytes"}
    assert document_of(difference(held(), held()))["packages_compared"] is False
    assert dict(Changes("app:1", (difference(held("a-1"), held("a-2")),)).numbers())["packages_changed"] == 1


def test_a_long_setting_is_cut_where_it_is_seen_and_never_within_a_secret() -> None:
    secret = "CaNaRy-of-a-password"
    begin = "/opt/harbour/share/" * 5

    def image(end: str, extra: str) -> Held:
        return held(
            config={
                "config": {
                    "Env": [f"A={begin}{end}", f"B={'x' * 83}{extra}"],
                    "User": "a\nb" * 3 * len(extra),
                }
            }
        )

    redaction.learn(secret)
    try:
        lines, _ = change_lines(difference(image("one", ""), image("two", secret)), 10)
    finally:
        redaction.forget()
    assert lines[1] == "  env A: …r/share/one → …r/share/two"
    assert lines[2].endswith("xxx***")
    assert all(len(line) <= 100 for line in lines)
    assert r"a\nba\nb" in lines[3]
    assert lines[3].endswith("…")


def test_layers_are_told_apart_by_blob_and_where_there_is_none_by_tar() -> None:
    old = (HeldLayer("gzip", "tar", 10, None), HeldLayer("other", "other tar", 5, None))
    anew = (HeldLayer("zstd", "tar", 8, None), HeldLayer("other", "other tar", 5, None))
    plain = (HeldLayer("", "tar", None, 30), HeldLayer("", "new tar", None, 7))
    both = {"name": "x", "paths": frozenset[str]()}
    packed = difference(Held(**both, layers=old), Held(**both, layers=anew)).layers  # type: ignore[arg-type]
    assert [(part.layers, part.size) for part in packed] == [(1, 8), (1, 5), (1, 10)]
    kept = difference(Held(**both, layers=old), Held(**both, layers=plain)).layers  # type: ignore[arg-type]
    assert [(part.layers, part.size, part.unpacked) for part in kept] == [
        (1, None, 7),
        (1, None, 30),
        (1, 5, None),
    ]


def test_each_setting_that_differs_has_a_line() -> None:
    old = {
        "created": "2026-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin", "A=1"], "Cmd": ["/bin/app"], "Labels": {"a": "1", "b": "2"}, "ExposedPorts": {"80/tcp": {}}, "User": ""},
    }  # fmt: skip
    new = {
        "created": "2026-02-01T00:00:00Z",
        "config": {
            "Env": ["A=2", "PATH=/bin", "B="],
            "Entrypoint": ["/bin/app"],
            "Labels": {"a": "1"},
            "User": "app",
        },
    }
    found = difference(
        held(config=old, annotations={"x": "1", "dev.flakeship.seal": "1"}),
        held(config=new, annotations={"dev.flakeship.seal": "2"}),
    )
    assert [tuple(change) for change in found.config] == [
        ("entrypoint", "", None, '["/bin/app"]'),
        ("cmd", "", '["/bin/app"]', None),
        ("env", "A", "1", "2"),
        ("env", "B", None, ""),
        ("label", "b", "2", None),
        ("user", "", None, "app"),
        ("expose", "80/tcp", "", None),
        ("annotation", "x", "1", None),
        ("created", "", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    "odd", [None, [], "text", {"Env": 5, "Labels": ["x"]}, {"Env": {"a": 1}}, {"Healthcheck": {"Test": [1]}}]
)
def test_a_config_of_any_types_is_compared(odd: object) -> None:
    assert difference(held(config={"config": odd}), held(config={"config": odd})).is_empty
    json.dumps(
        document_of(difference(held(config={"config": odd}), held("a-1", config={"config": {"User": "x"}})))
    )


NAMES = st.lists(
    st.sampled_from(["a-1", "a-2", "a-1-bin", "a-1~x", "b", "b-3.4", "b~x", "lib-doc-2-unstable-2026-01-01", "2-1", "-1"]),
    unique=True,
)  # fmt: skip


@given(NAMES, NAMES)
def test_every_path_of_one_image_alone_is_in_one_row(first: list[str], second: list[str]) -> None:
    old, new = held(*first), held(*second)
    found = difference(old, new)
    gone = [path for change in found.packages for path in change.old_paths]
    came = [path for change in found.packages for path in change.new_paths]
    assert sorted(gone) == sorted(old.paths - new.paths)
    assert sorted(came) == sorted(new.paths - old.paths)
    assert len({change.name for change in found.packages}) == len(found.packages)
    back = difference(new, old)
    assert [(change.name, change.old, change.new) for change in back.packages] == [
        (change.name, change.new, change.old) for change in found.packages
    ]
    assert found.is_empty == (first == second), "the order of layers counts, too"


def test_the_text_of_a_difference() -> None:
    old = held("openssl-3.0.8", "wget-1.21", "app-1", "zlib-1.3", digest="sha256:1", platform="linux/amd64", config={"config": {"Env": ["A=1"]}})  # fmt: skip
    new = held("openssl-3.0.14", "openssl-3.0.14-bin", "curl-8.5.0", "app-1~new", "zlib-1.3", digest="sha256:2", platform="linux/amd64", config={"config": {"User": "x"}})  # fmt: skip
    found = difference(old, new)
    assert differences_text(Differences((found,), (), ("linux/arm64",))).splitlines() == [
        "old  app sha256:1",
        "new  app sha256:2",
        "",
        "packages: 1 changed, 1 added, 1 removed, 1 rebuilt in the same version",
        "  + curl     8.5.0  +1.0 kB",
        "    openssl  3.0.8 → 3.0.14  +1.0 kB",
        "  - wget     1.21  -1.0 kB",
        "  rebuilt, in the same version: app 1",
        "layers: 4 new (4.0 kB, 12.0 kB unpacked), 1 shared (1.0 kB, 3.0 kB unpacked), 3 gone (3.0 kB, 9.0 kB unpacked)",
        "  in all 4.0 kB → 5.0 kB (+1.0 kB, +25.0 %)",
        "settings:",
        "  - env A: 1",
        "  + user: x",
        "",
        "only in app: linux/arm64",
    ]
    lines, left_out = change_lines(found, 3)
    assert left_out == 3
    assert lines[1:] == ("+ curl  8.5.0  +1.0 kB", "  openssl  3.0.8 → 3.0.14  +1.0 kB")


def test_what_images_hold_is_no_control_sequence() -> None:
    evil = "\x1b]0;x\x07\n::error::"
    new = held(
        "a-1", name=f"n{evil}", config={"config": {"Labels": {evil: evil}, "Env": [f"A{evil}={evil}"]}}
    )
    text = differences_text(Differences((difference(held("a-1"), new),)))
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("::")]
