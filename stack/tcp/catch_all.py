"""A passive open at every port that no other listener has, whose SYNs wait until somebody has decided about them.

For whoever has to find out first whether there is anybody to answer for, as a gateway does: a SYN is held, its copies
are dropped, and then it is admitted, and answered as if it came now, or refused with a RST, or forgotten. RFC 9293
3.10.7.2 sets a listener no time; a peer repeats its SYN as long as its patience lasts. There is no `accept`: `admit`
answers with the connection, which is still in SYN-RECEIVED.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EADDRINUSE
from typing import TYPE_CHECKING

import attrs

from netif.wire.ip import ANY
from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.failure import failure
from stack.tcp import half_open
from stack.tcp.connection import Connection
from stack.tcp.listener import Listener
from stack.tcp.states import SYN_RECEIVED

if TYPE_CHECKING:
    from stack.tcp.config import TcpConfig
    from stack.tcp.layer import Address, Key, Tcp
    from stack.tcp.segment import Segment


class CatchAll(Listener):
    __slots__ = ("_asked", "held")

    def __init__(self, layer: Tcp, asked: Callable[[Address, Address], object], config: TcpConfig) -> None:
        """`asked(local, remote)` is called for each SYN; `admit`, `refuse` or `forget_syn` is to follow, then or later.
        OSError(EADDRINUSE): there is one already."""
        here = (ANY, 0)
        if here in layer.listeners:
            raise failure(EADDRINUSE)
        super().__init__(layer, here, 0, attrs.evolve(config, syn_cookies="never", fast_open=False))
        self._asked = asked
        self.held: dict[Key, tuple[Segment, int | None]] = {}
        layer.listeners[self.key] = self
        layer.ports.reserved[here] = (1, False)

    def segment_arrives(self, local: Address, remote: Address, segment: Segment, iss: int | None = None) -> None:
        if segment.flags & (SYN | ACK | RST | FIN) != SYN:
            super().segment_arrives(local, remote, segment, iss)
            return
        key = (*local, *remote)
        if key in self.held:
            self.stack.drop("tcp_syn_held", self)
        elif len(self.held) >= self.layer.max_half_open:
            self.stack.drop("syn_table_full", self)
        else:
            self.held[key] = segment, iss
            self._asked(local, remote)

    def admit(self, local: Address, remote: Address) -> Connection | None:
        """Answer the SYN. None: there is no room, or no way back."""
        segment, iss = self.held.pop((*local, *remote))
        super().segment_arrives(local, remote, segment, iss)
        entry = self.layer.connections.get((*local, *remote))
        return entry if isinstance(entry, Connection) and entry.state is SYN_RECEIVED else None

    def refuse(self, local: Address, remote: Address) -> None:
        """RST."""
        segment, _ = self.held.pop((*local, *remote))
        self.layer.refuse(local, remote, segment)

    def forget_syn(self, local: Address, remote: Address) -> None:
        """As if it had been lost: the next copy asks again."""
        del self.held[*local, *remote]

    def take(self, connection: Connection) -> bool:
        """Whoever admitted it has it already."""
        half_open.leave(self, connection)
        connection.listener = None
        return True

    def close(self) -> None:
        self.held.clear()
        super().close()
