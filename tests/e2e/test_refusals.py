"""Bad input to `flakeship publish`: one clear error, the right exit code, nothing sent and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed.command import Publish

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--flake", ".#no-such"), 3, "no-such"),
        (("--flake", ".#packages"), 3, "the flake has the images image"),
        (("--flake", "layered"), 6, "`.#layered`"),
        (("--flake", ".#fails"), 3, "about to fail"),
        (("--flake", ".#text"), 4, "is not an image"),
        (("--flake", ".#stream-fails"), 4, "cannot read the customisation layer"),
        (("--flake", ".#several"), 4, "registry.example/two:2"),
        (("--source", "missing.tar"), 2, "missing.tar"),
        (("--source", "flake.nix"), 4, "is not an image"),
        (("--tags", "Me/App:1"), 2, "Me/App"),
        (("--tags", "ghcr.io/me/app:a b"), 2, "a b"),
        (("--tags", "1.0"), 2, "images"),
        (("--labels", "novalue"), 2, "novalue"),
        (("--annotations", "novalue"), 2, "novalue"),
        (("--created", "yesterday"), 2, "yesterday"),
        (("--compression-level", "9"), 2, "0 to 2"),
        (("--to", "ftp://x"), 2, "ftp"),
        (("--plain-http", "http://x/"), 2, "without http://"),
        (("--flake", ".#random", "--rebuild", "compare"), 7, "is not reproducible"),
        (("--tagz", "x"), 2, "--tags"),
        (("--plain-htpp", "x"), 2, "--plain-http"),
        (("--username", "me", "--tags", "ghcr.io/me/app:1"), 2, "password"),
        (("--ca", "nowhere.pem", "--tags", "ghcr.io/me/app:1"), 2, "nowhere.pem"),
        (("--tags", "no-such-host.invalid/me/app:1", "--push"), 6, "no-such-host.invalid"),
    ],
)
def test_a_bad_input_ends_in_one_error(
    publish: Publish, make_flake: Callable[..., Path], flags: tuple[str, ...], code: int, words: str
) -> None:
    ended = publish(*flags, cwd=make_flake())
    assert ended.code == code, ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in ended.stderr
    assert "  -> " in ended.stderr
    assert not ended.stdout


def test_an_unknown_variable_is_an_error_and_an_unknown_action_input_a_warning(
    publish: Publish, archive: Path
) -> None:
    refused = publish("--source", str(archive), FLAKESHIP_LABLES="a=b")
    assert refused.code == 2
    assert "labels" in refused.stderr
    warned = publish("--source", str(archive), "--to", "oci:x", INPUT_LABLES="a=b")
    assert warned.code == 0
    assert "labels" in warned.stderr


def test_without_nix_it_says_how_to_get_it(
    publish: Publish, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    ended = publish("--flake", ".#layered", cwd=make_flake(), PATH=str(tmp_path))
    if ended.code == 0:  # Nix's own installer keeps it where no PATH leads, and there we look
        assert Path("/nix/var/nix/profiles/default/bin/nix").exists()
        return
    assert ended.code == 3
    assert "install" in ended.stderr
