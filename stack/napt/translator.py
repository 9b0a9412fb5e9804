"""Addresses and ports on their way through, out and in. Mapping is endpoint-independent (RFC 4787 REQ-1), filtering
address-dependent for UDP and ICMP (REQ-8), for TCP by address and port: each connection is a session of its own.

What comes in for one of our addresses and belongs to nobody inside is the router's own. What one inside host sends to
another by its outside address comes from the sender's outside one (hairpinning, REQ-9). Fragments are put together
first, within the bounds of all reassembly (REQ-14), and cut anew where they leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import icmp
from netif.wire.ip import ANY, ICMP, TCP, UDP
from netif.wire.tcp import ACK, SYN
from stack.forwarding.packet import DST, SRC, Packet
from stack.napt import quotes
from stack.napt.config import NaptConfig
from stack.napt.session import IN, OUT
from stack.napt.table import Key, Table, peer_of

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.routing import Route
    from stack.stack import Stack

_PORTS = (0, 2)  # where source and destination port stand behind the IP header
_IDENT = (4, 4)  # an ICMP query's
_NUMBERS = {TCP: _PORTS, UDP: _PORTS, ICMP: _IDENT}
_FLAGS = 13  # of TCP
_REQUESTS = (icmp.ECHO, icmp.TIMESTAMP)
_REPLIES = (icmp.ECHO_REPLY, icmp.TIMESTAMP_REPLY)


class Napt:
    def __init__(self, stack: Stack, config: NaptConfig) -> None:
        self.stack = stack
        self.table = Table(stack, config)

    def __repr__(self) -> str:
        return f"<Napt of {self.stack.name}, {len(self.table)} sessions, {len(self.table.portmaps)} port mappings>"

    # out

    def outward(self, packet: Packet, route: Route) -> Packet | None:
        """It leaves by `route` and came from inside: as it is outside. None: it was dropped. Malformed."""
        address = route.interface.source_for(route.next_hop)
        if address == ANY:
            self._refuse(packet, "napt_no_address")
            return None
        return self._disguised(packet, address)

    def _disguised(self, packet: Packet, address: bytes) -> Packet | None:
        """From our `address`, and a port there."""
        protocol = packet.protocol
        if protocol == ICMP and quotes.is_error(packet):
            made = quotes.outward(self, packet, address)
            if made is None:
                self._drop(packet, "napt_no_session")
            return made
        if protocol not in _NUMBERS or (protocol == ICMP and packet.word(0) >> 8 not in _REQUESTS):
            self._refuse(packet, "napt_protocol")
            return None
        port = self._outside_port(packet, address)
        if port is None:
            return None
        packet.readdress(SRC, address, _NUMBERS[protocol][0], port)
        if packet.may_be_cut:
            packet.identify(self.stack.ip.idents.next(packet.dst, protocol))
        return packet

    def _outside_port(self, packet: Packet, address: bytes) -> int | None:
        protocol, table = packet.protocol, self.table
        mine, theirs = _NUMBERS[protocol]
        inside: Key = protocol, packet.src, packet.word(mine)
        peer = peer_of(protocol, packet.dst, packet.word(theirs))
        flags = packet.head[packet.header_len + _FLAGS] if protocol == TCP else SYN
        session = table.session(inside, address, peer)
        portmap = table.portmap_from(inside)
        if session is None and portmap is not None:
            return portmap.port
        if session is None and flags & (SYN | ACK) != SYN:
            self._drop(packet, "napt_no_session")
            return None
        if session is None and not self._is_inside(packet.src):
            self._drop(packet, "forward_martian")  # RFC 1812 5.3.8
            return None
        session = session or table.open(packet.interface, inside, address, peer)
        if session is None:
            self._refuse(packet, "napt_full")
            return None
        session.passed(OUT, flags, self.stack.now)
        return session.mapping.port

    def _is_inside(self, src: bytes) -> bool:
        """The way back to it is by an inside interface."""
        way = self.stack.forwarding.way(src)
        return way is not None and way.interface.inside

    # in

    def arrived(self, interface: Interface, frame: Buffer, offload: Offload | None) -> bool:
        """It is for one of our addresses. False: for ourselves."""
        at = interface.link_length
        if frame[at + 9] not in _NUMBERS or not (self.table.outside or self.table.portmaps):
            return False
        packet = Packet(interface, frame, offload)
        ip = self.stack.ip
        if packet.is_martian or packet.src in ip.local or packet.src in ip.broadcasts:
            return False
        if not packet.is_fragment:
            return self._inward(packet)
        whole = ip.fragments.arrived(interface, frame, at)
        if whole is not None and not self._inward(Packet(interface, whole, None)):
            ip.receive(interface, whole, at, None, False)
        return True

    def _inward(self, packet: Packet) -> bool:
        """False: it is ours. Malformed."""
        protocol, forwarding = packet.protocol, self.stack.forwarding
        if protocol == ICMP and packet.word(0) >> 8 not in _REPLIES:
            return quotes.is_error(packet) and self._error_inward(packet)
        mine, theirs = _NUMBERS[protocol][::-1]
        port = packet.word(mine)
        target = self._target(packet, port, theirs)
        if target is None:
            return False
        if target and (packet.header_len == 20 or forwarding.bears_options(packet)):
            packet.readdress(DST, target[1], mine, target[2])
            forwarding.onward(packet)
        return True

    def _error_inward(self, packet: Packet) -> bool:
        inner: Packet | None = packet
        if packet.interface.inside:  # REQ-7: about what went back inside
            inner = quotes.outward(self, packet, packet.dst)
        inner = None if inner is None else quotes.inward(self, inner)
        if inner is None:
            return False
        self.stack.forwarding.onward(inner)
        return True

    def _target(self, packet: Packet, port: int, theirs: int) -> Key | tuple[()] | None:
        """The inside endpoint. None: it is ours; (): it has been dropped."""
        protocol, dst = packet.protocol, packet.dst
        mapping = self.table.outside.get((protocol, dst, port))
        portmap = self.table.portmaps.get((protocol, port))
        if portmap is not None and self.stack.ip.local[dst].inside:
            portmap = None  # our address on the inside is no outside address
        if mapping is None and portmap is None:
            return None
        if packet.interface.inside and self._disguised(packet, dst) is None:
            return ()
        if mapping is not None:
            session = mapping.sessions.get(peer_of(protocol, packet.src, packet.word(theirs)))
            if session is not None:
                flags = packet.head[packet.header_len + _FLAGS] if protocol == TCP else 0
                session.passed(IN, flags, self.stack.now)
                return mapping.inside
        if portmap is not None:
            return portmap.inside
        if self.table.is_ours(protocol, port):
            return None
        self._drop(packet, "napt_filtered")
        return ()

    def _drop(self, packet: Packet, reason: str) -> None:
        self.stack.forwarding.drop(packet, reason)

    def _refuse(self, packet: Packet, reason: str) -> None:
        """RFC 5508 REQ-8: its sender is told."""
        self._drop(packet, reason)
        self.stack.forwarding.report(packet, icmp.UNREACHABLE, icmp.ADMINISTRATIVELY_PROHIBITED)
