"""What all wires share: how a fault is told to a person, and how far a port's wishes are granted.

Knows no particular wire.
"""

from __future__ import annotations

import attrs

from netif.link import LinkCaps

MTU_MAX = 65535  # bytes; IPv4's total length is 16 bits
MTU_MIN = 576  # bytes; RFC 791 3.1: what every host must take
FRAME_MAX = MTU_MAX + 18  # with an Ethernet header and one VLAN tag


class WireError(OSError):
    """One line for a person: what is wrong with a wire, and the remedy. `errno` says it to a program."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)

    def __str__(self) -> str:
        return str(self.strerror)


def grant(
    want: LinkCaps,
    *,
    mtu: int = MTU_MAX,
    gso_max: int = MTU_MAX,
    tx_checksum: bool = True,
    rx_checksum: bool = True,
) -> LinkCaps:
    """The lesser of what a port wants and what its wire can. Super-frames need checksum offload."""
    mtu = min(want.mtu, mtu)
    tx_checksum = tx_checksum and want.tx_checksum
    return attrs.evolve(
        want,
        mtu=mtu,
        gso_max=max(mtu, min(want.gso_max, gso_max)) if tx_checksum else mtu,
        tx_checksum=tx_checksum,
        rx_checksum=rx_checksum and want.rx_checksum,
    )


# glibc hands freed memory back to the kernel as soon as 128 KiB lie free at the top of its heap, so super-frames that
# wait and are freed in bursts of 16 are faulted in anew every time: 35 us to join one instead of 2.4. Freeing one large
# block, never touched, raises that bound to twice its size (mallopt(3), M_TRIM_THRESHOLD); elsewhere it does nothing.
bytes(4 << 20)
