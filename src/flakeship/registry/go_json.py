"""JSON as Go reads it: what docker, podman and their helpers take for a document, we take too.

https://pkg.go.dev/encoding/json#Unmarshal: keys match without regard to case, `null` says nothing, of a key that occurs
twice the last counts, and two objects under one key are one. What stands behind the document is not read
(https://pkg.go.dev/encoding/json#Decoder.Decode).
"""

from __future__ import annotations

import json
from typing import Any, Final


class JsonObject(list[tuple[str, Any]]):
    """The pairs of an object, in their order."""

    def text(self, name: str) -> str:
        """Return the text of a field, empty where it is missing. TypeError for a value of another type."""
        found = ""
        for value in self._values(name):
            if not isinstance(value, str):
                raise TypeError(f"{name} is not a text")
            found = value
        return found

    def map(self, name: str) -> dict[str, Any]:
        """Return a field that maps names to values, empty where it is missing. TypeError for a value of another type."""
        found: dict[str, Any] = {}
        for value in self._values(name):
            if not isinstance(value, JsonObject):
                raise TypeError(f"{name} is not an object")
            found.update(value)
        return found

    def holds(self, name: str) -> bool:
        """Tell whether a field is there, and not null."""
        return any(True for _ in self._values(name))

    def _values(self, name: str) -> list[Any]:
        return [value for key, value in self if value is not None and key.casefold() == name.casefold()]


# docs/decisions.md#credentials-are-read-as-go-reads-them
_DECODER: Final = json.JSONDecoder(object_pairs_hook=JsonObject)


def parse_object(data: bytes) -> JsonObject:
    """Return the object that a document begins with; one without a word is empty, as an empty file is to docker.

    ValueError for anything else.
    """
    try:
        text = data.decode(json.detect_encoding(data)).strip(" \t\r\n")
        document = _DECODER.raw_decode(text)[0] if text else JsonObject()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if document is None:
        return JsonObject()
    if not isinstance(document, JsonObject):
        raise ValueError("it is not an object")  # noqa: TRY004 - bad data, not a bug
    return document
