"""A signal while an image gets its names: it gets all of them, or none, and the run says which within two seconds."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.starting import LAST_OF_THREE, THREE, Running, Start, ended, entries
from tests.sources.layouts import Layout
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import LONGEST_HOLD, Hold

pytestmark = pytest.mark.slow

TAGS = ("one", "two", "three")
WHOLE = "all tags of the image are set"
HALF = "an image did not get all of its tags"
NOTHING = "no tag was set"
GRACE = 1.4
"""Seconds after which what is under way is given up, and what was set is told; a little less, for the clock of the test."""

PATIENT = 60.0
"""So many where what is under way is not to be given up, however busy the machine is."""

HURRIED = 3.0
"""So many where it is to be given up, but what comes before it is not."""


@pytest.fixture
def pushed(start: Start, proxy: FaultProxy, archive: Path) -> Callable[..., Running]:
    """Start a push of an image to these repositories, under three tags each."""

    def push(*repositories: str, flags: tuple[str, ...] = (), grace: float | None = PATIENT) -> Running:
        names = [f"{proxy.host}/{name}" for name in repositories]
        words = ("--source", str(archive), "--images", "\n".join(names), "--tags", "\n".join(TAGS))
        return start(*words, *flags, grace=grace)

    return push


def arrived(hold: Hold) -> None:
    assert hold.arrived.wait(30), "the request never came"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("tag", TAGS)
def test_from_the_first_name_on_all_are_set(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry, tag: str, number: int
) -> None:
    repository = registry.new_repository()
    hold = proxy.hold_next("PUT", f"/manifests/{tag}$")
    process = pushed(repository)
    arrived(hold)
    process.send_signal(number)
    time.sleep(0.2)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert returned == 128 + number
    assert seconds < 60
    assert registry.tags(repository) == sorted(TAGS)
    assert f"error: cancelled by signal {number:d}; {WHOLE}\n" in said
    digest = registry.digest(repository, "one")
    for each in TAGS:
        assert f"    set: {proxy.host}/{repository}:{each}@{digest}\n" in said


@pytest.mark.parametrize(
    ("method", "request_", "number"),
    [
        ("POST", "/blobs/uploads/", signal.SIGTERM),
        ("PATCH", "/blobs/uploads/", signal.SIGTERM),
        ("PUT", "/blobs/uploads/", signal.SIGINT),
        ("HEAD", "/manifests/two$", signal.SIGINT),
    ],
)
def test_before_the_first_name_none_is_set(  # noqa: PLR0917 - what is tried, and the fixtures
    pushed: Callable[..., Running],
    proxy: FaultProxy,
    registry: Registry,
    method: str,
    request_: str,
    number: int,
) -> None:
    """Up to the look at what the tags name, the last question before the first is set. And no session stays open."""
    repository = registry.new_repository()
    # behind the check, which opens a session and cancels it
    hold = proxy.hold_next(method, request_, skip=1 if method == "POST" else 0)
    # the answer to a POST, which opens a session, is waited for
    grace = None if method == "POST" else PATIENT
    process = pushed(repository, flags=("--max-concurrent-uploads", "1"), grace=grace)
    arrived(hold)
    returned, said, seconds = ended(process, number)
    assert registry.open_uploads(repository) == []
    hold.let_pass()
    assert returned == 128 + number
    assert seconds < 60
    assert f"error: cancelled by signal {number:d}; {NOTHING}\n" in said
    time.sleep(0.2)
    assert not registry.tags(repository)
    assert not [put for put in proxy.of("PUT") if put.path.endswith(TAGS)]


def test_a_registry_that_keeps_silent_is_given_up_and_told_of(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry
) -> None:
    repository = registry.new_repository()
    hold = proxy.hold_next("PUT", "/manifests/two$")
    process = pushed(repository, grace=HURRIED)
    arrived(hold)
    returned, said, seconds = ended(process, signal.SIGINT)
    assert returned == 130
    assert HURRIED - 0.1 < seconds < LONGEST_HOLD / 2  # the rest is the machine
    name, digest = f"{proxy.host}/{repository}", registry.digest(repository, "one")
    assert said.endswith(
        f"error: cancelled by signal 2; {HALF}\n"
        f"    set: {name}:one@{digest}\n"
        f"    set: {name}:three@{digest}\n"
        f"    perhaps set: {name}:two@{digest}\n"
        "  -> run again to set the others; those that are set name a complete image\n"
    )
    assert registry.tags(repository) == ["one", "three"], "those behind the first are set at once"


def test_a_retry_that_is_soon_is_waited_for_and_one_that_is_late_is_not(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry
) -> None:
    soon, late = registry.new_repository(), registry.new_repository()
    for repository, wait in ((soon, "0"), (late, "30")):
        hold = proxy.hold_next("PUT", f"{repository}/manifests/one$")
        proxy.fail_next("PUT", f"{repository}/manifests/two$", status=503, headers={"Retry-After": wait})
        process = pushed(repository, grace=PATIENT if repository == soon else HURRIED)
        arrived(hold)
        process.send_signal(signal.SIGTERM)
        hold.let_pass()
        returned, said, seconds = ended(process)
        assert returned == 143
        assert seconds < 60
        assert (WHOLE if repository == soon else f"    perhaps set: {proxy.host}/{late}:two@") in said
    assert registry.tags(soon) == sorted(TAGS)
    assert registry.tags(late) in (["one"], ["one", "three"]), (
        "a server that asks to wait is not asked for others either"
    )


def test_a_refusal_after_the_signal_says_why_a_name_is_missing(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry
) -> None:
    repository = registry.new_repository()
    hold = proxy.hold_next("PUT", "/manifests/one$")
    proxy.fail_next("PUT", "/manifests/two$", status=403)
    process = pushed(repository)
    arrived(hold)
    process.send_signal(signal.SIGINT)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert returned == 130
    assert seconds < 60
    assert f"    set: {proxy.host}/{repository}:one@" in said
    assert f"    set: {proxy.host}/{repository}:three@" in said
    assert f"    perhaps set: {proxy.host}/{repository}:two@" in said
    assert "403" in said


def test_a_refusal_without_a_signal_says_which_names_are_set(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry
) -> None:
    repository = registry.new_repository()
    proxy.fail_next("PUT", "/manifests/two$", status=403)
    returned, said, _ = ended(pushed(repository))
    assert returned == 5
    assert f"    set: {proxy.host}/{repository}:one@" in said
    assert f"    not set: {proxy.host}/{repository}:two@" in said


def test_all_destinations_get_their_names(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    """The layouts are named before the registries, and the second of these before the first."""
    first, second = registry.new_repository(), registry.new_repository()
    hold = proxy.hold_next("PUT", f"{second}/manifests/one$")
    process = pushed(first, second, flags=("--to", "oci:x:a\noci:x:b\ndocker-archive:image.tar"))
    arrived(hold)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert returned == 130
    assert seconds < 60
    assert registry.tags(first) == registry.tags(second) == sorted(TAGS)
    assert entries(tmp_path / "x") == ["a", "b"]
    assert (tmp_path / "image.tar").exists()
    assert said.count("    set: ") == 2 * len(TAGS) + 3


def test_nothing_is_named_before_all_destinations_have_the_image(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    first, second = registry.new_repository(), registry.new_repository()
    hold = proxy.hold_next("PUT", f"{second}/manifests/sha256:")
    process = pushed(first, second, flags=("--to", "oci:x:a\ndocker-archive:image.tar"))
    arrived(hold)
    returned, said, seconds = ended(process, signal.SIGTERM)
    assert (returned, seconds < 60) == (143, True)
    assert NOTHING in said
    assert registry.tags(first) == registry.tags(second) == entries(tmp_path / "x") == []
    assert not (tmp_path / "image.tar").exists()
    assert not list(tmp_path.glob(".image.tar*"))


def test_a_second_signal_breaks_nothing_and_the_third_ends_it(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    repository, other = registry.new_repository(), registry.new_repository()
    hold = proxy.hold_next("PUT", f"{repository}/manifests/two$")
    process = pushed(repository)
    arrived(hold)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.1)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert (returned, seconds < 60) == (130, True)
    assert WHOLE in said
    assert registry.tags(repository) == sorted(TAGS)

    hold = proxy.hold_next("PUT", f"{other}/manifests/two$")
    process = pushed(other)
    arrived(hold)
    for number in THREE:
        process.send_signal(number)
    assert process.wait(PATIENT / 2) in LAST_OF_THREE
    for folder in (tmp_path / "temporary").iterdir():
        shutil.rmtree(folder)


def test_of_several_attributes_the_next_is_not_begun(
    start: Start, make_flake: MakeFlake, proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    """And nothing is handed over of a run that was cancelled: neither outputs nor the metadata file."""
    first, second = registry.new_repository(), registry.new_repository()
    hold = proxy.hold_next("PUT", f"{first}/manifests/one$")
    images = f"layered={proxy.host}/{first}\nstream={proxy.host}/{second}"
    process = start(
        *("--flake", ".#layered\n.#stream", "--images", images, "--tags", "one\ntwo"),
        *("--metadata-file", str(tmp_path / "metadata.json")),
        cwd=make_flake(),
        grace=PATIENT,
    )
    arrived(hold)
    process.send_signal(signal.SIGINT)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert (returned, seconds < 60) == (130, True)
    assert WHOLE in said
    assert registry.tags(first) == ["one", "two"]
    assert not registry.tags(second)
    assert not (tmp_path / "metadata.json").exists()


def test_an_index_gets_all_of_its_names(
    start: Start, proxy: FaultProxy, registry: Registry, tmp_path: Path
) -> None:
    layout = Layout()
    layout.listing(layout.platforms("amd64", "arm64")).folder(tmp_path / "several")
    repository = registry.new_repository()
    hold = proxy.hold_next("PUT", f"{repository}/manifests/one$")
    images = f"{proxy.host}/{repository}"
    words = ("--source", str(tmp_path / "several"), "--images", images, "--tags", "one\ntwo")
    process = start(*words, grace=PATIENT)
    arrived(hold)
    process.send_signal(signal.SIGINT)
    hold.let_pass()
    returned, said, seconds = ended(process)
    assert (returned, seconds < 60) == (130, True)
    assert WHOLE in said
    assert registry.digest(repository, "one") == registry.digest(repository, "two") != ""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_at_any_moment_an_image_has_all_of_its_names_or_none(
    pushed: Callable[..., Running], proxy: FaultProxy, registry: Registry, seed: int
) -> None:
    """Ten moments each, half of them from the first tag's request on, when all is to be there.

    A machine that is so busy that the grace ends before a tag is set has to be told of the others instead.
    """
    chosen = random.Random(seed)
    for whole in (True, False) * 5:
        repository = registry.new_repository()
        first = ("*", f"{repository}/") if whole else ("PUT", f"{repository}/manifests/one$")
        hold = proxy.hold_next(*first)
        process = pushed(repository, grace=None)
        arrived(hold)
        hold.let_pass()
        time.sleep(chosen.uniform(0, 0.2 if whole else 0.02))
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, said = process.communicate(timeout=120)
        seconds = time.monotonic() - begun
        assert seconds < 60
        tags = registry.tags(repository)
        if 0 < len(tags) < len(TAGS):
            assert seconds > GRACE, "it gave up before its time"
            assert f"error: cancelled by signal 2; {HALF}\n" in said
            assert all(f"set: {proxy.host}/{repository}:{tag}@" in said for tag in tags)
            continue
        assert tags == sorted(TAGS) or (whole and not tags)
        if process.returncode:
            assert process.returncode == 130
            assert f"error: cancelled by signal 2; {WHOLE if tags else NOTHING}\n" in said
