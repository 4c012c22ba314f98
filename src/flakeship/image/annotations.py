"""The annotations that flakeship writes into manifests, by name: all of them and no others.

Later runs read them back, so none may change its name or its meaning. The names begin with a domain, reversed:
https://github.com/opencontainers/image-spec/blob/main/annotations.md#rules.
"""

from __future__ import annotations

from typing import Final

LAYER_KEY: Final = "dev.flakeship.layer.key"
"""On a layer's descriptor: what identifies the layer's tar for all time and before it is made, such as a digest of its
store paths and their NAR hashes. A later run finds the layer by it."""

SOURCE: Final = "dev.flakeship.source"
"""On a manifest: the store paths that the image was made from, with a space between.

They are the outputs that were asked for, the one after which the image is called first."""

PROGRAM: Final = "dev.flakeship.program"
"""On the manifest of a package with several programs: the names that one of them was chosen by, `meta.mainProgram` (`-`
without one) and the package's own. They may change while its store paths don't."""

DERIVATION: Final = "dev.flakeship.derivation"
"""On a manifest: the store path of the derivation (`.drv`) of `SOURCE`."""

NAMES: Final = "dev.flakeship.names"
"""On a manifest: the names that the image gives itself, with a space between. A destination without a tag needs them."""

RECIPE_OF: Final = "dev.flakeship.recipe"
"""On a manifest: how its layers were packed. With another recipe the same store path gives other layers."""

UNSTAMP: Final = "dev.flakeship.unstamp"
"""On a manifest: the JSON merge patch (RFC 7396) that restores the config as Nix made it, so that a later run can stamp
the image again without building it."""

SEAL: Final = "dev.flakeship.seal"
"""On a manifest: a digest of all else that the manifest says; see `flakeship.image.seal`. An image that has this
annotation, with whatever value, gets the real one when its bytes are settled."""

SEAL_LATER: Final = "to be"
"""The value of SEAL until then: it asks `image.pack.seal` for a seal."""
