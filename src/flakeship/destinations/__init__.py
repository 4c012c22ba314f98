"""Where images go. Each kind of destination is one module (or package) that satisfies `destinations.kind.Kind`."""

from __future__ import annotations

from typing import Final

# docs/decisions.md#a-destination-is-one-module
DESTINATIONS: Final = (
    "flakeship.destinations.registry",
    "flakeship.destinations.oci_layout",
    "flakeship.destinations.docker_daemon",
    "flakeship.destinations.podman",
    "flakeship.destinations.archive",
)
"""The kinds, in the order in which they are asked whether a scheme is theirs.

A kind is imported when it is asked, so these modules import what opens a destination only when one is opened: a push
to a registry never loads docker's SDK, and an OCI layout needs no HTTP client.
"""
