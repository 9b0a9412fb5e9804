"""The stack's own interface: 127/8, and every packet to one of our own addresses.

What is sent joins a queue within the stack, and is drained by the same flush: nothing is ever received in the middle
of sending. The frames are bare IP packets, whole, and as large as IP allows. RFC 1122 3.2.1.3 (g).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import Malformed
from stack.interface import Interface
from stack.routing import Neighbour

if TYPE_CHECKING:
    from stack.stack import Stack

ADDRESS = b"\x7f\0\0\1"
MTU = 65535


class LoopbackInterface(Interface):
    is_loopback = True

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, "lo", "lo")
        self.address = ADDRESS
        self.prefix_length = 8
        self.mtu = self.gso_max = MTU
        self.tx_checksum = True
        self.is_up = True
        self.packets: list[tuple[Buffer, Offload | None]] = []
        self._bytes = 0
        self._here = Neighbour(b"")

    def neighbour(self, next_hop: bytes) -> Neighbour:
        return self._here

    def transmit(self, frame: tuple[Buffer, ...], offload: Offload | None) -> None:
        limits = self.stack.limits
        if len(self.packets) >= 2 * limits.interface_queue_frames or self._bytes >= 2 * limits.interface_queue_bytes:
            self.drop("loopback_queue_full")
            return
        packet = b"".join(frame)
        self.packets.append((packet, offload))
        self._bytes += len(packet)
        self.blocked = self._half_full()
        self.stack.touch()

    def drain(self) -> None:
        """Receive what is queued now; what that makes us send is for the next round."""
        packets, self.packets = self.packets, []
        self._bytes = 0
        waiting = iter(packets)
        try:
            for packet, offload in waiting:
                self.input(packet, offload)
        finally:  # an exception on its way to the crank must not lose the others
            self.packets[:0] = waiting
            self._bytes = sum(len(packet) for packet, _ in self.packets)
            self.blocked = self._half_full()
        if not self.blocked:
            self.writable()

    def _half_full(self) -> bool:
        """Endpoints stop here; the other half is for the stack's own answers, which do not ask."""
        limits = self.stack.limits
        return len(self.packets) >= limits.interface_queue_frames or self._bytes >= limits.interface_queue_bytes

    def input(self, frame: Buffer, offload: Offload | None) -> None:
        self.stack.current = None
        try:
            self.stack.ip.receive(self, frame, 0, offload, False)
        except Malformed as malformed:
            self.drop(malformed.reason)
