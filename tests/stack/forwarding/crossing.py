"""A router on two scripted wires: 10.0.0.1/24 with the peer 10.0.0.2, and 10.1.0.1/24 with the far host 10.1.0.2."""

from __future__ import annotations

from typing import Any

from netif.link import Buffer, Offload
from netif.wire import arp, ethernet
from netif.wire.notation import format_frame
from tests.stack.rig import MASK, PEER, PEER_MAC, Rig, address, datagram

FAR_SIDE_MAC = bytes.fromhex("020000000101")
FAR_MAC = bytes.fromhex("020000000102")
FAR_SIDE, FAR = address("10.1.0.1"), address("10.1.0.2")


class Crossing(Rig):
    """`netif` and `interface` are the near side's. Both hosts are known."""

    def __init__(self, *, far: dict[str, Any] | None = None, known: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.stack.forwarding.enable()
        self.far_netif, self.far_interface = self.link("eth1", FAR_SIDE_MAC, **far or {})
        self.far_interface.set_addresses(FAR_SIDE, MASK, bytes(4))
        self.knows_peer()
        if known:
            self.knows_far()
        self.netif.sent.clear()
        self.far_netif.sent.clear()

    def knows_far(self, mac: bytes = FAR_MAC, who: bytes = FAR) -> None:
        message = arp.emit(arp.REQUEST, mac, who, bytes(6), FAR_SIDE)
        self.gets(ethernet.emit(ethernet.BROADCAST, mac, ethernet.ARP) + message, by=self.far_interface)
        self.far_netif.sent.clear()

    def crossed(self) -> list[tuple[bytes, Offload | None]]:
        """What was sent to the far side since the last look, in one piece each."""
        sent, self.far_netif.sent = self.far_netif.sent, []
        return [(b"".join(buffers), offload) for buffers, offload in sent]

    def sends_far(self, *lines: str) -> None:
        assert [format_frame(frame) for frame, _ in self.crossed()] == list(lines)

    def from_far(self, *frames: Buffer, offload: Offload | None = None) -> None:
        self.gets(*frames, by=self.far_interface, offload=offload)


def across(payload: bytes = b"hello", *, src: bytes = PEER, dst: bytes = FAR, **where: Any) -> bytes:
    """A datagram from the peer to the far host, by way of us."""
    return datagram(payload, 5000, 7, src=src, dst=dst, mac=PEER_MAC, **where)
