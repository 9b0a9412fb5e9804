"""One address of an interface, with the subnet that it lies in. RFC 1122 3.2.1.3; RFC 3021 (a /31 has no broadcast)."""

from __future__ import annotations

from typing import NamedTuple


class Subnet(NamedTuple):
    address: bytes  # 4 bytes
    prefix_length: int
    broadcast: bytes  # or empty

    def holds(self, address: bytes) -> bool:
        shift = 32 - self.prefix_length
        return int.from_bytes(address, "big") >> shift == int.from_bytes(self.address, "big") >> shift


def subnet(address: bytes, prefix_length: int) -> Subnet:
    broadcast = b""
    if prefix_length < 31:
        hosts = (1 << 32 - prefix_length) - 1
        broadcast = (int.from_bytes(address, "big") | hosts).to_bytes(4, "big")
    return Subnet(address, prefix_length, broadcast)
