"""Which protocols have a fast path in beside the plain one, from the IP header on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from netif.link import Buffer, Offload
from netif.wire.ip import ICMP, TCP, UDP
from stack import icmp_fast, udp_fast
from stack.tcp import fast as tcp_fast

if TYPE_CHECKING:
    from stack.stack import Stack

# (stack, frame, where IP begins, offload), of a packet to our own link-layer address. True: that was all
Arrives: TypeAlias = "Callable[[Stack, Buffer, int, Offload | None], bool]"

FAST: Final[dict[int, Arrives]] = {TCP: tcp_fast.arrives, UDP: udp_fast.arrives, ICMP: icmp_fast.arrives}
