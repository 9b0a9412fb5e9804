"""What this host sends to a group that it hears itself: a copy comes in by the interface that it left by.

Queued where it is sent and received by the same flush, as the loopback's packets are. RFC 1112 6.1, 7.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import VALID, Offload
from netif.wire import Malformed
from stack.endpoint import Endpoint

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

_VOUCHED = Offload(VALID)


class Looped(Endpoint):
    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self._packets: list[tuple[Interface, bytes]] = []
        self._bytes = 0

    def arrived(self, interface: Interface, packet: bytes) -> None:
        limits = self.stack.limits
        if len(self._packets) >= limits.interface_queue_frames or self._bytes >= limits.interface_queue_bytes:
            interface.drop("loopback_queue_full")
            return
        self._packets.append((interface, packet))
        self._bytes += len(packet)
        self.stack.owe(self)

    def flush(self, now: float) -> None:
        packets, self._packets = self._packets, []
        self._bytes = 0
        for interface, packet in packets:
            try:
                self._receive(interface, packet)
            except Malformed as malformed:
                interface.drop(malformed.reason)

    def abort(self, error: OSError) -> None:
        """What is left is not received: it may be what failed."""
        self._packets.clear()
        self._bytes = 0

    def _receive(self, interface: Interface, packet: bytes) -> None:
        handler = self.stack.ip.group_handlers.get(packet[9])
        if handler is not None:
            start = interface.link_length
            frame = bytes(start) + packet
            start += (packet[0] & 15) << 2
            handler(interface, packet[12:16], packet[16:20], frame, start, len(frame), _VOUCHED)
