"""The input `store`: which stores it may name, and which inputs have no place beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.run import open_run
from flakeship.commands.subject import subject_of
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"store": "daemon"}, "is a store of this machine"),
    ({"store": "/tmp/store"}, "is a store of this machine"),
    ({"store": "s3://bucket"}, "keeps archives and builds nothing"),
    ({"store": "s3://bucket?secret=hunter2"}, "keeps archives and builds nothing"),
    ({"store": "ssh-ng://u:hun@hunter2@h"}, "is no address of a machine"),
    ({"store": "file:///tmp/cache"}, "keeps archives and builds nothing"),
    ({"store": "builder.example"}, "is no address of a store"),
    ({"store": "ssh-ng://u@h?ssh-key=key"}, "the parameter 'ssh-key' is not read here"),
    ({"store": "ssh-ng://-oProxyCommand=x"}, "is no address of a machine"),
    ({"store": "ssh-ng://h?remote-program=a;b"}, "remote-program"),
    ({"builders": ("other.example x86_64-linux",)}, "`store` and `builders` are both given"),
    ({"source": "image.tar", "flake": ()}, "`store` and `source` are both given"),
    ({"sandbox": "required"}, "`store` and `sandbox: required` are both given"),
    ({"rebuild": "compare"}, "`store` and `rebuild: compare` are both given"),
    ({"cachix_auth_token": "x"}, "`store` and `cachix-auth-token` are both given"),
]


@pytest.mark.parametrize(("inputs", "words"), REFUSED)
def test_inputs_that_can_not_be(tmp_path: Path, inputs: dict[str, Any], words: str) -> None:
    around, _ = runtime(tmp_path)
    settings = Settings(**{"flake": (".#x",), "store": "ssh-ng://far.example", **inputs})
    with open_run(settings, around) as run, pytest.raises(UsageError) as caught:
        subject_of(settings, run)
    said = f"{caught.value.message}; {caught.value.hint}"
    assert words in said
    assert "hunter2" not in said
