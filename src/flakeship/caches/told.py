"""What a build tells of itself, counted: what was built here, and what came from which cache."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from flakeship import events
from flakeship.printable import counted


class Told:
    """An `Emit` for the events of builds. `built` are derivations in the order in which they ended, `substituted` has
    the cache of each path, `known` counts those that stayed in a cache.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.built: dict[str, str] = {}
        self.substituted: dict[str, str] = {}
        self.known = 0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.DerivationBuilt(derivation=derivation, machine=machine):
                with self._lock:
                    self.built[derivation] = machine or self.built.get(derivation, "")
            case events.PathSubstituted(path=path, cache=cache):
                with self._lock:
                    self.substituted[path] = cache
            case events.PathsKnown(count=count):
                with self._lock:
                    self.known += count
            case _:
                pass

    def forget(self, cache: str, is_lost: Callable[[str], bool]) -> None:
        """Forget what did not come from a cache: Nix tells of a path when it begins to copy it, and builds it if that fails."""
        with self._lock:
            self.substituted = {
                path: name for path, name in self.substituted.items() if name != cache or not is_lost(path)
            }

    def line(self) -> str:
        """Say it in one line: `3 built, 12 from the cache oci:c`."""
        with self._lock:
            caches = Counter(self.substituted.values())
            machines, known = Counter(self.built.values()), self.known
        here = machines.pop("", 0)
        parts = (
            [f"{counted(here, 'derivation')} built here"] if here or not (machines or caches or known) else []
        )
        parts += [f"{count} on {machine}" for machine, count in machines.most_common()]
        parts += [f"{counted(count, 'path')} from {cache}" for cache, count in caches.most_common()]
        parts += [f"{counted(known, 'path')} known by their hashes and not fetched"] if known else []
        return ", ".join(parts)
