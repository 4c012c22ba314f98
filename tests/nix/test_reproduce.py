"""A second build, compared with the first."""

from __future__ import annotations

import dataclasses

import pytest

from flakeship.errors import BuildError, RejectedError
from flakeship.events import ignore
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.reproduce import check_reproducible
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow


def test_a_second_build_with_the_same_bytes_is_accepted(nix: Nix, make_flake: MakeFlake) -> None:
    installable = Installable.parse(".#text", cwd=make_flake(fresh=True))
    lines: list[object] = []
    check_reproducible(nix, installable, build(nix, installable, emit=ignore), emit=lines.append)
    assert any("checking outputs of" in str(line) for line in lines)


def test_a_second_build_with_other_bytes_is_rejected(nix: Nix, make_flake: MakeFlake) -> None:
    installable = Installable.parse(".#random", cwd=make_flake(fresh=True))
    output = build(nix, installable, emit=ignore)
    with pytest.raises(RejectedError, match=r"-random\.drv is not reproducible") as caught:
        check_reproducible(nix, installable, output, emit=ignore)
    assert output.out_path in caught.value.message
    assert "order of files" in caught.value.hint
    assert f"nix build --rebuild --keep-failed '{output.drv_path}^*'" in caught.value.hint


def test_a_second_build_that_fails_is_explained(nix: Nix, make_flake: MakeFlake) -> None:
    installable = Installable.parse(".#text", cwd=make_flake(fresh=True))
    output = build(nix, installable, emit=ignore)
    failing = dataclasses.replace(installable, attribute="throws")
    with pytest.raises(BuildError, match="broken on purpose"):
        check_reproducible(nix, failing, output, emit=ignore)
