"""`inspect` shows what stands there, of whatever type it is: what is pushed was checked by nobody."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

import pytest

from flakeship.commands.inspect import _of_existing
from flakeship.image.document import decode, encode
from flakeship.image.existing import existing_image
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest
from flakeship.report.inspection import inspection_text, inspections_json

DIGEST: Final = Digest("sha256:" + "a" * 64)
CONFIG: Final = Digest("sha256:" + "c" * 64)
LAYER: Final = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": 5}
MANIFEST: Final = {"config": {"mediaType": OCI.config, "digest": CONFIG, "size": 9}, "layers": [LAYER]}
PLAIN: Final = (
    None,
    True,
    False,
    0,
    5,
    -1.5,
    10**30,
    "",
    "x",
    "\n\x1b[31m\u202e\x9b2J",
    [1],
    [None],
    {"a": 1},
)
KEYS: Final = (
    *(
        "config",
        "Labels",
        "Env",
        "Entrypoint",
        "Cmd",
        "User",
        "WorkingDir",
        "ExposedPorts",
        "Volumes",
        "StopSignal",
    ),
    *(
        "Healthcheck",
        "Test",
        "history",
        "created",
        "created_by",
        "comment",
        "empty_layer",
        "os",
        "architecture",
    ),
    *("variant", "os.version", "os.features", "author", "labels", "ENV", "", "other"),
)


def shown(config: dict[str, Any]) -> tuple[str, str]:
    """The config as it comes out of a registry, shown as text and as JSON."""
    read = decode(encode({**config, "rootfs": {"diff_ids": [DIGEST]}}))
    image = existing_image("x", MANIFEST, read)
    _, found = _of_existing("name", Descriptor(OCI.manifest, DIGEST, 9), image)
    return inspection_text(found), inspections_json([found])


def _value(random: Random, depth: int = 0) -> Any:
    match random.randrange(4) if depth < 4 else 0:
        case 1:
            return [_value(random, depth + 1) for _ in range(random.randrange(3))]
        case 2 | 3:
            return {random.choice(KEYS): _value(random, depth + 1) for _ in range(random.randrange(4))}
        case _:
            return random.choice(PLAIN)


def test_a_config_of_any_types_is_shown() -> None:
    random = Random(13)
    for _ in range(150):
        config = {key: _value(random) for key in random.sample(KEYS, random.randrange(1, 9))}
        text, document = shown(config)
        assert "name" in text
        assert not {"\x1b", "\u202e", "\x9b"} & {*text, *document}
        assert [each["digest"] for each in json.loads(document)] == [DIGEST]


@pytest.mark.parametrize("key", ["Labels", "Env", "Entrypoint", "Volumes", "User", "Healthcheck"])
@pytest.mark.parametrize("value", [5, "x", [1], True, {"a": [{}]}])
def test_a_value_of_another_type_is_shown_as_it_is(key: str, value: Any) -> None:
    text, document = shown({"config": {key: value}})
    assert key.removesuffix("s").lower() in text.lower()
    assert json.loads(document)[0]["config"]["config"][key] == value


def test_control_characters_are_escapes_in_json() -> None:
    _, document = shown({"author": "a\x9b\u202eb\u2028c\tü"})
    assert r"a\u009b\u202eb\u2028c\tü" in document
    assert json.loads(document)[0]["config"]["author"] == "a\x9b\u202eb\u2028c\tü"
