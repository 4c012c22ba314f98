"""The times after which a connection is given up."""

from __future__ import annotations

from typing import Final

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a server must have accepted a connection."""

STALL_TIMEOUT: Final = 60.0
"""Seconds that a connection may pass without any byte sent or received."""
