"""Several attributes in one run: what each is called, which lines are its own, and what would collide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flakeship.commands.publish.attributes import attributes_of, check_default, names_its_image
from flakeship.errors import UsageError
from flakeship.metadata.context import Context
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings
from tests.metadata.computing import placed
from tests.settings.making import settings_of


def split(**inputs: Any) -> dict[str, Settings]:
    return {each.name: each.settings for each in attributes_of(settings_of(**inputs))}


def texts(lines: tuple[Placed, ...]) -> tuple[str, ...]:
    return tuple(line.text for line in lines)


def test_one_attribute_keeps_every_line() -> None:
    settings = settings_of(flake=(".#team",), images=("ghcr.io/o/n",), tags=("team=1",))
    (only,) = attributes_of(settings)
    assert only.settings == settings
    assert attributes_of(Settings())[0].settings == Settings()
    source = Settings(source="x.tar", flake=(".#a", ".#b"))
    assert attributes_of(source)[0].settings.source == "x.tar"


def test_each_attribute_gets_its_own_lines_and_those_for_all() -> None:
    made = split(
        flake=("api=.#packages.x86_64-linux.api", "web=github:o/r?ref=x#site"),
        images=("api=ghcr.io/o/api", "web=ghcr.io/o/web", "web=quay.io/o/web"),
        tags=("1.0", "type=ref,event=branch", "web=ghcr.io/o/site:1"),
        to=("api=oci:api:1", "oci:both"),
        labels=("api=kept",),
    )
    assert made["api"].flake == (".#packages.x86_64-linux.api",)
    assert made["web"].installable == "github:o/r?ref=x#site"
    assert texts(made["api"].images) == ("ghcr.io/o/api",)
    assert texts(made["web"].images) == ("ghcr.io/o/web", "quay.io/o/web")
    assert texts(made["api"].tags) == ("1.0", "type=ref,event=branch")
    assert texts(made["web"].tags) == ("1.0", "type=ref,event=branch", "ghcr.io/o/site:1")
    assert made["api"].to == ("oci:api:1", "oci:both")
    assert made["web"].to == ("oci:both",)
    assert made["api"].labels == made["web"].labels == placed("api=kept")
    assert made["web"].images[0] == Placed("ghcr.io/o/web", 2, 5)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (".#api", "api"),
        (".#packages.x86_64-linux.web-server", "web-server"),
        ("path:dir#x.image^out", "image"),
        ('.#"quoted"', "quoted"),
        ("one=.#image", "one"),
        ("github:o/r?ref=main", "github:o/r?ref=main"),
    ],
)
def test_an_attribute_goes_by_the_end_of_its_path(line: str, name: str) -> None:
    assert name in split(flake=(line, "other=.#y"))


def test_a_name_may_be_given_to_a_single_one() -> None:
    (only,) = attributes_of(settings_of(flake=("api=.#image",), images=("api=ghcr.io/o/api",)))
    assert (only.name, only.settings.flake, texts(only.settings.images)) == (
        "api",
        (".#image",),
        ("ghcr.io/o/api",),
    )


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"images": ("api=",)}, "images, line 1, column 1: 'api=' gives api nothing"),
        ({"images": ("api=ghcr.io/o/api", "web= ")}, "images, line 2, column 1: 'web= ' gives web nothing"),
        ({"tags": ("1.0", "web=")}, "tags, line 2, column 1: 'web=' gives web nothing"),
        ({"to": ("api=oci:a", "web=")}, "to: 'web=' gives web nothing"),
        ({"flake": ("api=.#api", "web=")}, "flake: 'web=' says nothing to build"),
        ({"flake": ("api=.#api", "=.#web")}, "flake: '=.#web' has no name before its `=`"),
        ({"flake": ("api=",)}, "flake: 'api=' says nothing to build"),
        ({"flake": ("=.#api",)}, "flake: '=.#api' has no name before its `=`"),
    ],
)
def test_a_line_whose_variable_is_not_set_is_refused(inputs: dict[str, tuple[str, ...]], words: str) -> None:
    """Otherwise one of two images would be pushed nowhere, and the run would end well."""
    with pytest.raises(UsageError) as caught:
        split(**{"flake": ("api=.#api", "web=.#web"), **inputs})
    assert caught.value.message == f"{words} (an unset variable?)"


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"flake": ("api=.#image",)}, True),
        ({"flake": ("api=linux/arm64=.#image",)}, True),
        ({"flake": (".#api",)}, False),
        ({"flake": ("linux/arm64=.#api",)}, False),
        ({"flake": ("github:o/r?ref=x#api",)}, False),
        ({}, False),
        ({"source": "x.tar"}, False),
    ],
)
def test_the_only_image_may_have_a_name(inputs: dict[str, Any], named: bool) -> None:
    assert names_its_image(settings_of(**inputs)) == named


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two attributes go by the name 'image'") as caught:
        split(flake=(".#a.image", ".#b.image"))
    assert "one=" in caught.value.hint


@pytest.mark.parametrize(
    "inputs",
    [
        {"images": ("ghcr.io/o/n",)},
        {"tags": ("ghcr.io/o/n:1",)},
        {"to": ("docker-archive:x.tar",)},
        {"to": ("oci-archive:x.tar",)},
        {"to": ("docker://ghcr.io/o/n:1",)},
        {"to": ("docker-daemon:app:1",)},
        {"to": ("containers-storage:app",)},
        {"to": ("oci:dir:tag",)},
        {"to": ("-",)},
    ],
)
def test_a_place_for_one_image_must_say_whose_it_is(inputs: dict[str, tuple[str, ...]]) -> None:
    (place,) = next(iter(inputs.values()))
    with pytest.raises(UsageError) as caught:
        split(flake=(".#a", ".#b"), **inputs)
    assert caught.value.message.startswith(f"{place!r} would hold a, b")
    assert caught.value.hint == f"name the attribute that goes there: a={place}"


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"to": ("oci:dir",)},
        {"to": ("docker-daemon:",), "tags": ("1.0",), "images": ("a=ghcr.io/a", "b=ghcr.io/b")},
        {"load": "docker"},
    ],
)
def test_places_where_images_keep_their_own_names_are_for_all(inputs: dict[str, Any]) -> None:
    assert list(split(flake=(".#a", ".#b"), **inputs)) == ["a", "b"]


def test_what_names_each_in_a_layout() -> None:
    made = attributes_of(Settings(flake=("github:o/r?ref=x", "web=.#b", "."), to=("oci:dir",)))
    assert [each.tag for each in made] == ["github-o-r-ref-x", "web", "image"]
    assert attributes_of(Settings(flake=("web=.#b",)))[0].tag == ""


def test_one_name_for_the_projects_image_is_not_enough_for_two() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    context = Context(now, now, image="registry.example/g/p")
    check_default(
        attributes_of(settings_of(flake=(".#a", ".#b"), images=("a=x.example/a", "b=x.example/b"))), context
    )
    check_default(attributes_of(settings_of(flake=(".#a", ".#b"), images=("a=x.example/a",))), context)
    check_default(attributes_of(settings_of(flake=(".#a", ".#b"), to=("oci:dir",))), context)
    with pytest.raises(UsageError, match="would be that of a, b") as caught:
        check_default(attributes_of(settings_of(flake=(".#a", ".#b"), tags=("1.0",))), context)
    assert caught.value.hint.endswith("a=registry.example/g/p/a")


CROSS = "linux/arm64=.#image-arm64"


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ((CROSS,), {"image-arm64": (CROSS,)}),
        ((".#image", CROSS), {"image": (".#image", CROSS)}),
        ((CROSS, ".#image"), {"image": (".#image", CROSS)}),
        (("linux/amd64=.#image", CROSS), {"image": ("linux/amd64=.#image", CROSS)}),
        (("app=.#image", CROSS), {"app": (".#image", CROSS)}),
        ((f"app={CROSS}",), {"app": (CROSS,)}),
        (("app=.#image", f"app={CROSS}"), {"app": (".#image", CROSS)}),
        (
            ("app=.#image", "web=.#web", f"web={CROSS}", "app=linux/arm/v7=.#arm"),
            {"app": (".#image", "linux/arm/v7=.#arm"), "web": (".#web", CROSS)},
        ),
        ((".#image", f"image={CROSS}", ".#web"), {"image": (".#image", CROSS), "web": (".#web",)}),
    ],
)
def test_lines_of_one_name_are_one_image(lines: tuple[str, ...], made: dict[str, tuple[str, ...]]) -> None:
    """A platform stands behind the name; without a name its line belongs to the one image that there is."""
    assert {name: each.flake for name, each in split(flake=lines).items()} == made


def test_one_image_of_several_lines_has_the_lines_of_its_name() -> None:
    made = split(flake=("app=.#image", f"app={CROSS}"), tags=("app=ghcr.io/o/app:1", "web=1"))
    assert texts(made["app"].tags) == ("ghcr.io/o/app:1", "web=1")


def test_a_platform_without_a_name_is_of_one_image() -> None:
    with pytest.raises(UsageError, match="does not say which of app, web it belongs to") as caught:
        split(flake=("app=.#a", "web=.#b", CROSS))
    assert caught.value.hint == f"begin it with the name: app={CROSS}"


def test_a_line_that_one_of_several_lacks_is_named() -> None:
    made = attributes_of(
        settings_of(flake=("api=.#a", "web=.#b"), images=("api=ghcr.io/me/api",), tags=("type=sha",))
    )
    now = datetime.now(UTC)
    with pytest.raises(UsageError, match="images has no line for web") as caught:
        check_default(made, Context(run_date=now, commit_date=now))
    assert caught.value.hint == "add the line web=ghcr.io/me/web"


def test_a_line_whose_name_is_misspelt_says_what_was_meant() -> None:
    with pytest.raises(UsageError, match="is for an attribute wbe, and there are api, web") as caught:
        split(flake=("api=.#a", "web=.#b"), images=("api=h:1/api", "wbe=h:1/web"))
    assert caught.value.hint == "write web=h:1/web"
