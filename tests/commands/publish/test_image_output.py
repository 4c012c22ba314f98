"""Which output of a package is the image, where several are, or another than was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from flakeship.commands.building.buildable import Buildable
from flakeship.commands.publish import image_output
from flakeship.commands.publish.parts import Obtained
from flakeship.errors import BuildError, NotAnImageError
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.sources.opened import SourceRequest
from tests.testbed import archives

DRV = "/nix/store/601j7zsb9n7irdhhig611z0f3kygzn1a-app-1.0.drv"
FLAKE = Installable(".", "app", (), "/", None)


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, str]:
    """Two images and a text."""
    for name in ("out", "debug"):
        (tmp_path / name).write_bytes(archives.layered())
    (tmp_path / "doc").write_text("no image")
    return {name: str(tmp_path / name) for name in ("out", "debug", "doc")}


def output(known: Mapping[str, str], *names: str) -> BuildOutput:
    return BuildOutput(DRV, {name: known[name] for name in names}, "x86_64-linux")


@pytest.mark.parametrize("names", [("out",), ("out", "doc"), ("doc", "out"), ("doc",)])
def test_one_image_among_the_outputs_is_the_image(outputs: dict[str, str], names: tuple[str, ...]) -> None:
    image_output.check_one_image(output(outputs, *names), FLAKE, place=None)


def test_two_images_are_not_guessed_between(outputs: dict[str, str]) -> None:
    with pytest.raises(NotAnImageError) as caught:
        image_output.check_one_image(output(outputs, "out", "debug", "doc"), FLAKE, place=None)
    assert (
        caught.value.message
        == ".#app has 2 outputs that are images, out, debug, but only one can be published"
    )
    assert caught.value.hint == "name the one to publish: `.#app^out` or `.#app^debug`"


@dataclass
class Knows:
    """Nix that knows these outputs of every derivation."""

    outputs: Mapping[str, Any]
    version: tuple[int, int] = (2, 26)

    def query(self, *_: str) -> Any:
        if not self.outputs:
            raise BuildError("nix derivation show failed")
        return {DRV: {"outputs": {name: {"path": path} for name, path in self.outputs.items()}}}


def refused(
    outputs: Mapping[str, str], asked: str, known: Mapping[str, str | None], *more: str
) -> NotAnImageError:
    buildable = Buildable(cast("Any", None), FLAKE)
    obtained = Obtained(Path(outputs[asked]), buildable, output(outputs, asked, *more))
    opening = image_output.opened(obtained, SourceRequest(), lambda: cast("Nix", Knows(known)))
    with pytest.raises(NotAnImageError) as caught, opening:
        pass
    return caught.value


def test_another_output_that_is_an_image_is_proposed(outputs: dict[str, str]) -> None:
    error = refused(outputs, "doc", outputs)
    assert error.message == f"{outputs['doc']} is not an image: it is of a kind that flakeship does not know"
    assert error.hint.startswith(
        "name another output of the package, which is an image: `.#app^out` or `.#app^debug`; or "
    )


def test_another_output_that_was_asked_for_too_is_proposed(outputs: dict[str, str]) -> None:
    assert "`.#app^debug`; or " in refused(outputs, "doc", {}, "debug").hint


@pytest.mark.parametrize("known", [{}, {"doc": "gone"}, {"out": "hash-nowhere"}, {"out": None}])
def test_without_another_image_the_error_stays(outputs: dict[str, str], known: dict[str, str | None]) -> None:
    assert refused(outputs, "doc", known).hint.startswith("name an image")


def test_what_goes_wrong_while_the_image_is_read_is_not_of_the_opening(outputs: dict[str, str]) -> None:
    buildable = Buildable(cast("Any", None), FLAKE)
    obtained = Obtained(Path(outputs["out"]), buildable, output(outputs, "out"))

    @contextlib.contextmanager
    def reading() -> Iterator[None]:
        with image_output.opened(obtained, SourceRequest(), lambda: cast("Nix", Knows(outputs))):
            yield

    with pytest.raises(NotAnImageError, match="the end is missing"), reading():
        raise NotAnImageError("the end is missing")


def test_a_source_has_no_outputs(outputs: dict[str, str]) -> None:
    obtained = Obtained(Path(outputs["doc"]))
    with (
        pytest.raises(NotAnImageError, match="of a kind that flakeship does not know"),
        image_output.opened(obtained, SourceRequest(), lambda: pytest.fail("Nix is asked")),
    ):
        pass
