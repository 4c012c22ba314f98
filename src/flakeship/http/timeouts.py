"""How long a server may leave us waiting."""

from __future__ import annotations

from typing import Final

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until it has accepted a connection."""

STALL_TIMEOUT: Final = 60.0
"""Seconds without any progress, sending or receiving, after which a connection is given up."""
