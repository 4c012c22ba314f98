"""What is packed already is looked at all the same: of each kind of layer that a store finds, and of a compressed one."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship import events
from flakeship.commands.publish.lint import Lint
from flakeship.commands.publish.reuse import LayerGoneError
from flakeship.image.model import CompressedBlob, Layer, digest_of
from flakeship.image.stream import Reader
from flakeship.lint.programs import Programs
from tests.images import opener
from tests.lint.test_programs import elf, tar_of

PROGRAM = ("bin/app", elf(62), 0o755)
NEAR = tar_of(PROGRAM)
FAR = tar_of(("data", bytes(5 << 20), 0o644), PROGRAM)
FOUND = {
    "cached": SimpleNamespace(open=opener(gzip.compress(NEAR))),
    "there": SimpleNamespace(open=None),
    "new": None,
}


def looked_at(layer: Layer, found: str, *, forward_only: bool = False, far: bool = False) -> Programs:
    programs = Programs()
    store: Any = SimpleNamespace(find=lambda _: FOUND[found])
    Lint("warn", events.ignore).looking(store, programs, forward_only=forward_only, far=far).find(
        programs.watch(layer)
    )
    return programs


@pytest.mark.parametrize(
    ("tar", "found", "seen"),
    [(NEAR, "cached", True), (NEAR, "there", True), (FAR, "cached", True), (FAR, "there", False)],
)
@pytest.mark.parametrize("forward_only", [True, False])
def test_the_program_of_a_layer_that_is_found_is_known(
    tar: bytes, found: str, *, seen: bool, forward_only: bool
) -> None:
    """Of what this run would send, however far behind it stands; and what was not searched to the end is known to be so."""
    programs = looked_at(Layer("key", opener(tar)), found, forward_only=forward_only)
    assert (dict(programs), programs.searched) == (
        ({"key": ("bin/app", "amd64")}, {"key"}) if seen else ({}, set())
    )


@pytest.mark.parametrize("found", FOUND)
def test_a_layer_that_comes_compressed_is_looked_into(found: str) -> None:
    blob = gzip.compress(NEAR)
    compressed = CompressedBlob(digest_of(blob), len(blob), "+gzip", opener(blob))
    layer = replace(Layer("key", opener(NEAR), digest_of(NEAR)), compressed=compressed)
    assert looked_at(layer, found) == {"key": ("bin/app", "amd64")}


@pytest.mark.parametrize(("found", "known"), [("cached", True), ("there", False), ("new", False)])
def test_nothing_is_fetched_from_another_store_to_be_looked_at(found: str, *, known: bool) -> None:
    """The blob that lies in the cache of this machine holds the same."""

    def fetched() -> Reader:
        raise AssertionError

    assert bool(looked_at(Layer("key", fetched), found, far=True)) == known


def test_what_is_to_be_read_anyway_is_not_read_for_this() -> None:
    def unread() -> Reader:
        raise AssertionError

    assert looked_at(Layer("key", unread), "new") == {}


@pytest.mark.parametrize("error", [LayerGoneError(), OSError("no such file")])
def test_what_can_not_be_read_is_not_known(error: Exception) -> None:
    def gone() -> Reader:
        raise error

    assert looked_at(Layer("key", gone), "there").searched == set()


def test_the_names_in_a_small_layer_that_is_found_are_known() -> None:
    lint = Lint("warn", events.ignore)
    (layer,) = lint.watched([Layer("key", lambda: io.BytesIO(NEAR), size=len(NEAR))])
    store: Any = SimpleNamespace(find=lambda _: FOUND["there"])
    lint.looking(store, forward_only=False).find(layer)
    assert lint.glimpses["key"].paths == {"bin/app"}
