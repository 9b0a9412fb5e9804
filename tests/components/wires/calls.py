"""Functions for hooks, by name."""

from __future__ import annotations

from scapy.layers.inet import IP


def with_ttl_9(direction, packet):
    packet[IP].ttl = 9
    return packet
