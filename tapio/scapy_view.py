"""Frames as scapy's packets, for a `Hook`: `Hook(driver, scapy_view(fn))`. The one module that imports scapy.

`fn(direction, packet)` gets an `Ether` (an `IP` where the wire has no Ethernet: `scapy_view(fn, IP)`), and answers as a
hook does, with packets where that has bytes. Lengths and checksums of a packet that it answers with are computed anew.
scapy is installed with the extra: pip install 'netif[scapy]'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapio.hook import Answer, Function
from tapio.script import Direction

try:
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet
except ImportError as error:
    raise ImportError(f"scapy is not here ({error}): pip install 'netif[scapy]'") from None

_COMPUTED = {IP: ("len", "chksum"), TCP: ("chksum",), UDP: ("len", "chksum"), ICMP: ("chksum",)}


def scapy_view(fn: Callable[[Direction, Any], Any], first: Any = Ether, *, recompute: bool = True) -> Function:
    """`fn` as a hook's function. `first`: the layer that a frame begins with. Without `recompute` an answer's lengths
    and checksums go out as they are, wrong ones too."""

    def see(direction: Direction, frame: bytes) -> Answer:
        answer = fn(direction, first(frame))
        if isinstance(answer, Packet):
            return raw(answer, recompute)
        if isinstance(answer, (list, tuple)):
            return [raw(one, recompute) if isinstance(one, Packet) else one for one in answer]
        verdict: Answer = answer
        return verdict

    see.__qualname__ = getattr(fn, "__qualname__", repr(fn))
    return see


def raw(packet: Any, recompute: bool) -> bytes:
    """A packet's bytes."""
    layer = packet if recompute else None
    while layer:
        for name in _COMPUTED.get(type(layer), ()):
            layer.delfieldval(name)
        layer = layer.payload
    return bytes(packet)
