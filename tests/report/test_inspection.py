"""What a registry says of an image reaches stdout without a character that a terminal would obey."""

from __future__ import annotations

import json
import re

from flakeship.image.model import Digest
from flakeship.report.inspection import (
    InspectedArtifact,
    InspectedLayer,
    Inspection,
    inspection_text,
    inspections_json,
)

OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
EVIL = "a\x1b[31m\x9b31m\x07\r\x7f\u202e\u2028b"
DIGEST = Digest(f"sha256:{'1' * 64}")


def test_nothing_of_it_is_obeyed() -> None:
    runtime = {"Cmd": [EVIL], "User": EVIL, "Env": [EVIL], "Labels": {EVIL: EVIL}}
    config = {"created": EVIL, "os.version": EVIL, "config": runtime, EVIL: [EVIL]}
    layers = (InspectedLayer(DIGEST, DIGEST, 1, (), EVIL),)
    image = Inspection(EVIL, DIGEST, EVIL, (EVIL,), config, {EVIL: EVIL}, layers)
    artifact = InspectedArtifact(EVIL, DIGEST, EVIL, EVIL, 1, {EVIL: EVIL})
    for each in (image, artifact):
        assert not OBEYED.search(inspection_text(each))
    text = inspections_json((image, artifact))
    assert not OBEYED.search(text)
    first, second = json.loads(text)
    assert first["config"] == config
    assert second["annotations"] == {EVIL: EVIL}
