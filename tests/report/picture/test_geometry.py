"""Areas are in proportion, nothing overlaps, nothing lies outside, and what can't be seen is folded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.report.picture.boxes import LEAST, Box, boxes_of
from flakeship.report.picture.model import Contents, Package
from flakeship.report.picture.palette import colour_of, contrast, ink_on, luminance
from flakeship.report.picture.squarified import Rect, squarified
from tests.report.picture.example import harbour, layer_of, many

WITHIN = Rect(16, 58, 960, 540)
SIZES = st.integers(1, 2**40)
LAYERS = st.lists(st.lists(st.integers(0, 2**40), max_size=12), min_size=1, max_size=20)


def overlap(one: Rect, other: Rect) -> float:
    """How far two rectangles overlap, in pixels of the shorter side."""
    return min(
        min(one.x + one.width, other.x + other.width) - max(one.x, other.x),
        min(one.y + one.height, other.y + other.height) - max(one.y, other.y),
    )


def check(rects: list[Rect], sizes: list[int], within: Rect) -> None:
    scale = within.area / sum(sizes)
    for rect, size in zip(rects, sizes, strict=True):
        assert rect.area == pytest.approx(size * scale, rel=1e-6, abs=1e-3)
        assert rect.x >= within.x - 1e-6
        assert rect.y >= within.y - 1e-6
        assert rect.x + rect.width <= within.x + within.width + 1e-6
        assert rect.y + rect.height <= within.y + within.height + 1e-6
    assert all(overlap(one, other) < 1e-6 for one, other in itertools.combinations(rects, 2))


@given(st.lists(SIZES, min_size=1, max_size=40))
def test_rectangles_fill_a_place_in_proportion(sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    check(squarified(sizes, WITHIN), sizes, WITHIN)


def test_the_example_of_the_paper_is_squarified() -> None:
    """6, 6, 4, 3, 2, 2, 1 in 6 by 4: no rectangle is longer than 25/9 of its width, which is that of the smallest."""
    rects = squarified([6, 6, 4, 3, 2, 2, 1], Rect(0, 0, 6, 4))
    ratios = [max(rect.width / rect.height, rect.height / rect.width) for rect in rects]
    assert [(round(rect.width, 2), round(rect.height, 2)) for rect in rects[:3]] == [
        (3, 2),
        (3, 2),
        (1.71, 2.33),
    ]
    assert max(ratios) == pytest.approx(25 / 9)


@given(LAYERS)
def test_boxes_of_layers_fill_a_picture_in_proportion(layers: list[list[int]]) -> None:
    contents = Contents(
        "x",
        "linux/amd64",
        tuple(
            layer_of(number, *((f"p{place}", size) for place, size in enumerate(sizes)), stored=number % 3)
            for number, sizes in enumerate(layers, start=1)
        ),
    )
    boxes = boxes_of(contents, WITHIN)
    if not contents.size:
        assert boxes == ()
        return
    assert sum(box.size for box in boxes) == contents.size
    check([box.rect for box in boxes], [box.size for box in boxes], WITHIN)
    assert boxes == boxes_of(Contents("x", "", contents.layers[::-1]), WITHIN), (
        "whatever the order of the layers"
    )


@pytest.mark.parametrize(
    "contents",
    [harbour(), many(400, 60), many(10_000, 3), many(20_000, 127)],
    ids=["harbour", "400", "10k", "20k"],
)
def test_what_is_too_small_to_be_seen_is_folded(contents: Contents) -> None:
    boxes = boxes_of(contents, WITHIN)
    assert len(boxes) < WITHIN.area / LEAST + 2 * len(contents.layers)
    small = [box.layers[0].number for box in boxes if not box.is_folded and box.rect.area < LEAST * 0.999]
    assert len(small) == len(set(small)), "at most one in a layer, where folding would gain nothing"
    shown = [each.path for box in boxes for each in packages_in(box)]
    assert sorted(shown) == sorted(each.path for layer in contents.layers for each in layer.packages)


def packages_in(box: Box) -> list[Package]:
    return [*(box.packages or (each for layer in box.layers for each in layer.packages))]


def test_a_fold_says_how_many_it_holds() -> None:
    sizes = [("big", 10**9), *((f"p{number}", 900 - number) for number in range(37))]
    (large, others) = boxes_of(Contents("x", "", (layer_of(1, *sizes),)), WITHIN)
    assert (large.label, others.label) == ("big", "37 others")
    (whole,) = boxes_of(Contents("x", "", (layer_of(1, *((f"p{n}", 1) for n in range(10_000))),)), WITHIN)
    assert whole.label == "10000 packages"


@pytest.mark.parametrize("count", [1, 2, 8, 127])
def test_colours_rise_in_lightness_and_words_are_read_on_them(count: int) -> None:
    """Without any hue the order of the layers is seen; 4.5 is what WCAG 2 asks of small text."""
    colours = [colour_of(place, count) for place in range(count)]
    lightness = [luminance(colour) for colour in colours]
    assert lightness == sorted(lightness)
    assert len(set(colours)) == count
    for colour, light in zip(colours, lightness, strict=True):
        ink = luminance(ink_on(colour))
        assert contrast(max(ink, light), min(ink, light)) >= 4.5
