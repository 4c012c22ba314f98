"""How many questions are asked of a registry at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final

from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient

_NEAR: Final = 8
FAR: Final = 40
"""Questions that are asked at once of a registry that is near, and of one that is far away: see docs/measurements.md."""


@contextmanager
def asking(client: RegistryClient, *, bodies: int) -> Iterator[Executor]:
    """Yield what asks questions of a registry that `bodies` layers are sent to at a time."""
    # who lets one layer be sent at a time has a registry that takes little at once
    many = client.is_far and bodies > 1
    with workers("ask", min(FAR, 10 * bodies) if many else _NEAR) as pool:
        yield pool
