"""The times after which a connection is given up."""

from __future__ import annotations

from typing import Final

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a server must have accepted a connection."""

STALL_TIMEOUT: Final = 60.0
"""Seconds of waiting in which a peer must send the head of an answer, and each 64 KiB that it sends or takes."""

DRAIN_TIMEOUT: Final = 1.0
"""Seconds for the rest of a body that nobody needs. After them a new connection is cheaper than this one."""

REASON_TIMEOUT: Final = 10.0
"""Seconds for the page that explains an error whose status is known already."""
