"""The inputs of the variant with a shell: the same, but where and under which tags."""

from __future__ import annotations

from typing import Any

import pytest

from flakeship.commands.publish.debug_variant import DEBUG, debug_settings
from flakeship.errors import UsageError
from flakeship.registry.reference import with_tag_suffix
from flakeship.settings.declaration import Settings


@pytest.mark.parametrize(
    ("given", "to"),
    [
        ({}, ()),
        ({"tags": ("a/b:1",)}, ()),
        ({"images": ("a/b",)}, ()),
        ({"load": "docker"}, ()),
        ({"to": ("oci:DIR",)}, ("oci:DIR",)),
        ({"to": ("oci:DIR:1",)}, ("oci:DIR:1-debug",)),
        ({"to": ("docker://a/b:1", "docker://a/b")}, ("docker://a/b:1-debug", "docker://a/b:latest-debug")),
        (
            {"to": ("docker-daemon:", "containers-storage:b:1")},
            ("docker-daemon:", "containers-storage:b:1-debug"),
        ),
    ],
)
def test_where_it_goes(given: dict[str, Any], to: tuple[str, ...]) -> None:
    settings = Settings(debug=True, contents=("x",), debug_shell="nixpkgs#bash", metadata_file="f", **given)
    made = debug_settings(settings)
    assert made.to == to
    assert made.contents == ("x", "nixpkgs#bash")
    assert (made.debug, made.metadata_file, made.tags) == (False, "", settings.tags)


@pytest.mark.parametrize("to", ["-", "docker-archive:FILE", "oci-archive:FILE"])
def test_a_place_for_one_image(to: str) -> None:
    with pytest.raises(UsageError, match="holds one image, but `debug` makes two") as caught:
        debug_settings(Settings(to=(to,), debug=True))
    assert "a run of its own" in caught.value.hint


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1-debug"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest-debug"),
    ],
)
def test_the_end_of_a_tag(reference: str, expected: str) -> None:
    assert with_tag_suffix(reference, DEBUG) == expected
    assert with_tag_suffix(reference, "") == reference
