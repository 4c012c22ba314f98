"""One request to load an image: the archive is written to a pipe, from which a thread hands it to docker's SDK."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from typing import Any, Final

from flakeship.image.stream import CHUNK

_ABANDON_SECONDS: Final = 0.5


class Load:
    """`archive` is a file for the bytes of a docker-archive.

    BrokenPipeError from it means that the engine has ended the request early; `finish` raises the reason.
    """

    def __init__(self, api: Any) -> None:
        reader, writer = os.pipe()
        self.archive = os.fdopen(writer, "wb", buffering=CHUNK)
        self._error: Exception | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, args=(api, reader), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """End the archive and wait for the engine's answer. Raises what the SDK raised, or what the engine reports."""
        self._close()
        self._thread.join()
        if self._error:
            raise self._error

    def abandon(self) -> None:
        """Cut the archive off, and wait half a second at most for an engine that has stopped reading."""
        self._abandoned = True
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        for thread in (closer, self._thread):
            thread.join(_ABANDON_SECONDS)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self.archive.close()

    def _run(self, api: Any, handle: int) -> None:
        import docker.errors

        try:
            with os.fdopen(handle, "rb", buffering=0) as reader:
                for line in api.load_image(self._pieces(reader), quiet=False):
                    # a refusal before the first line comes as a `message`, one after it as an `error`
                    if message := line.get("error") or line.get("message"):
                        raise docker.errors.APIError(message, explanation=message)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            self._error = error

    def _pieces(self, reader: io.FileIO) -> Iterator[bytes]:
        while not self._abandoned and (data := reader.read(CHUNK)):
            yield data
