"""A link-local IPv4 address for one interface (RFC 3927): which one, and what happens when another host has it.

Probes, announcements and the slowing down after many conflicts are those of every claim (`acd`, `arp`). Nothing here
sets an address: whoever asked for one is told.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.acd import Claim
    from stack.ethernet import EthernetInterface

MASK = b"\xff\xff\0\0"
_PREFIX = b"\xa9\xfe"  # 169.254/16
_FIRST, _COUNT = 256, 254 * 256  # RFC 3927 2.1: the first and the last 256 are reserved


def is_link_local(address: bytes) -> bool:
    return address[:2] == _PREFIX


def choice(mac: bytes, tried: int) -> bytes:
    """RFC 3927 2.1: random among hosts, the same for one host every time."""
    number = _FIRST + zlib.crc32(mac + tried.to_bytes(4, "big")) % _COUNT
    return _PREFIX + number.to_bytes(2, "big")


class LinkLocal:
    """`claimed(address)`: it may be used; `lost(mac)`: no longer, and another is being looked for already."""

    def __init__(
        self, interface: EthernetInterface, claimed: Callable[[bytes], None], lost: Callable[[bytes], None]
    ) -> None:
        self.interface = interface
        self.address = choice(interface.mac, 0)
        self._tried = 0
        self._claimed = claimed
        self._lost = lost
        self._claim: Claim | None = None

    def claim(self) -> None:
        """Begin, or make sure again: the link has come back (RFC 3927 2.2)."""
        self._claim = self.interface.arp.claim(self.address, self._told)

    def conflict(self, mac: bytes) -> None:
        """RFC 3927 2.5: give it up, and look for another."""
        self._tried += 1
        self.address = choice(self.interface.mac, self._tried)
        self._lost(mac)
        self.claim()

    def cancel(self) -> None:
        if self._claim is not None:
            self._claim.cancel()
            self._claim = None

    def _told(self, mac: bytes | None) -> None:
        if mac is None:
            self._claimed(self.address)
        else:
            self.conflict(mac)
