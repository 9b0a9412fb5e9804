"""What a router tells of itself: values, that any stack may answer with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from netif.value import Value


@attrs.frozen(eq=False, repr=False)
class ForwardingCounters(Value):
    """Frames (a super-frame is one) and the bytes of their packets that were sent on; drops by their reason. What is
    lost later, at the link that it leaves by, is counted there."""

    frames: int = 0
    bytes: int = 0
    dropped: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(eq=False, repr=False)
class NaptEntry(Value):
    """One row of a NAPT's table: an inside endpoint, what it is outside, and a peer; or a port mapping."""

    protocol: str  # "tcp", "udp", "icmp"
    inside: str  # "192.168.4.2:50000"; for ICMP the number is the ident
    outside: str  # "*:80" of a port mapping: at any outside address
    peer: str  # "*": anybody
    state: str  # "opening", "established", "closing"; "portmap"
    left: float | None = None  # seconds until it is forgotten, if nothing passes

    def __str__(self) -> str:
        time = "" if self.left is None else f" {self.left:.0f} s"
        return f"{self.protocol} {self.inside} = {self.outside} <-> {self.peer} {self.state}{time}"

    def __repr__(self) -> str:
        return f"<NaptEntry {self}>"
