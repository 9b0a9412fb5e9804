"""A packet socket on a network device as a live wire: super-frames and offload to the other end of its cable."""

from __future__ import annotations

from tapio.packet.driver import Packet

__all__ = ["Packet"]
