"""One call of the engine's load, under way: an archive that is written here while a thread hands it to the SDK."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from typing import Any, Final

from flakeship.destinations.archive.tar import ImageArchive
from flakeship.image.stream import CHUNK

_PATIENCE: Final = 0.5


class Load:
    """`archive` is what is written to; BrokenPipeError there means that the engine has ended the call: `finish` says why."""

    def __init__(self, api: Any) -> None:
        reader, writer = os.pipe()
        self._writer = os.fdopen(writer, "wb", buffering=CHUNK)
        self._error: Exception | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, args=(api, reader), daemon=True)
        self._thread.start()
        self.archive = ImageArchive(self._writer)

    def finish(self) -> None:
        """Wait for the engine's answer; raises what the SDK raised, or what the engine said was wrong."""
        self._close()
        self._thread.join()
        if self._error:
            raise self._error

    def abandon(self) -> None:
        """Cut the archive off. Who writes to an engine that has stopped reading is not waited for."""
        self._abandoned = True
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        for thread in (closer, self._thread):
            thread.join(_PATIENCE)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()

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
