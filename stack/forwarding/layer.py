"""Which packets go on, and where to: what a router does beside being a host. RFC 1812.

It sits at `Stack.forward`, before the stack's own input: what is for this host, for a group, or for everybody on a link
is left to that (5.3.4, 5.3.5: neither broadcasts nor groups are sent on). The way is the longest prefix's (5.2.4.3);
who sends what cannot go on is told, at the rate of all ICMP errors. Source routes are refused, as the host does.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from netif.link import Buffer, Offload
from netif.wire import Malformed, ethernet, icmp, ip_options
from netif.wire.ip import ANY, UDP
from stack.forwarding.counters import Tally, summed
from stack.forwarding.output import Passage, emit
from stack.forwarding.packet import Packet
from stack.limits import Rates
from stack.routing import Route

if TYPE_CHECKING:
    from netif.router import ForwardingCounters
    from stack.interface import Interface
    from stack.napt.translator import Napt
    from stack.stack import Stack

REDIRECTS = 1  # a second to one host: it has been told
_ADDRESSED = Struct("!6s6xH")  # destination and ethertype
_IP = ethernet.IP
_GROUPS = b"\xe0"  # 224/4 are groups, and what is above them is nobody's
_CLIENT_PORT = b"\0\x44"
_KEPT = 1024  # ways until the cache starts anew


class Forwarding:
    """One stack's. `enabled` holds for all interfaces but those that have a setting of their own."""

    def __init__(self, stack: Stack, enabled: bool = False) -> None:
        self.stack = stack
        self.enabled = False
        self.napt: Napt | None = None  # once an interface asks for it
        self._ways: dict[bytes, Route] = {}
        self._redirects = Rates(REDIRECTS)
        if enabled:
            self.enable()

    def __repr__(self) -> str:
        return f"<Forwarding of {self.stack.name}, {'on' if self.enabled else 'off'}, {self.counters.frames} frames>"

    def enable(self, on: bool = True) -> None:
        """Send on what comes in by any interface that has no setting of its own."""
        self.enabled = on
        if on:
            self.hook()

    def hook(self) -> None:
        """From now on look at what comes in."""
        self.stack.forward = self.arrived

    @property
    def counters(self) -> ForwardingCounters:
        """Of all interfaces that are attached."""
        return summed(link.tally for link in list(self.stack.links.values()))

    def forwards(self, interface: Interface) -> bool:
        """What comes in by it for others is sent on."""
        if interface.forwarding is not None:
            return interface.forwarding
        return self.enabled or interface.inside

    def translate(self) -> Napt:
        """What does it for the interfaces that are `inside`."""
        if self.napt is None:
            from stack.napt.config import NaptConfig
            from stack.napt.translator import Napt

            self.napt = Napt(self.stack, self.stack.napt_config or NaptConfig())
            self.hook()
        return self.napt

    # in

    def arrived(self, interface: Interface, frame: Buffer, offload: Offload | None) -> bool:
        """The hook. False: the stack's own input is to have it."""
        at = interface.link_length
        if len(frame) < at + 20:
            return False
        if at:
            to, ethertype = _ADDRESSED.unpack_from(frame)
            if to != interface.mac or ethertype != _IP:
                return False
        dst = bytes(frame[at + 16 : at + 20])
        try:
            if dst in self.stack.ip.local:
                return self.napt is not None and self.napt.arrived(interface, frame, offload)
            if not self.forwards(interface) or dst >= _GROUPS or dst in interface.broadcasts:
                return False
            if interface.bootstrap is not None and _is_for_a_dhcp_client(frame, at):
                return False
            self._examine(Packet(interface, frame, offload))
        except Malformed as malformed:
            interface.drop(malformed.reason)
        return True

    def _examine(self, packet: Packet) -> None:
        """RFC 1812 5.2.2, 5.3.5, 5.3.7: may it go on at all?"""
        ip = self.stack.ip
        src = packet.src
        if packet.is_martian or src in ip.local or src in ip.broadcasts:
            self.drop(packet, "forward_martian")
        elif packet.dst in ip.broadcasts:
            self.drop(packet, "forward_broadcast")
        elif packet.header_len == 20 or self.bears_options(packet):
            self.onward(packet)

    def bears_options(self, packet: Packet) -> bool:
        """RFC 1812 5.3.13: route and time are recorded on the way, as by the host in its replies; what is unknown goes
        on as it is. Source routes do not (RFC 7126 4.3, 4.4)."""
        head = packet.head
        options = bytes(head[20 : packet.header_len])
        try:
            kinds = {option.kind for option in ip_options.walk(options)}
        except ip_options.BadOptionError as bad:
            self.drop(packet, "ip_option")
            self.report(packet, icmp.PARAMETER_PROBLEM, 0, bad.pointer << 24)
            return False
        if kinds & ip_options.SOURCE_ROUTES:
            self.drop(packet, "ip_source_route")
            return False
        if kinds & ip_options.RECORDED and (route := self.way(packet.dst)) is not None:
            ours = route.interface.source_for(route.next_hop)
            head[20 : packet.header_len] = ip_options.in_transit(options, ours, self.stack.icmp.time())
            packet.checksum()
        return True

    # on

    def onward(self, packet: Packet) -> None:
        """To wherever its destination says."""
        route = self.way(packet.dst)
        if route is None:
            self.drop(packet, "forward_no_route")
            self.report(packet, icmp.UNREACHABLE, icmp.NET_UNREACHABLE)
        elif packet.ttl <= 1:
            self.drop(packet, "forward_ttl")
            self.report(packet, icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED)
        elif not route.interface.is_up:
            self.drop(packet, "link_down")
            self.report(packet, icmp.UNREACHABLE, icmp.HOST_UNREACHABLE)
        elif packet.largest > route.interface.mtu and not packet.may_be_cut:
            self.drop(packet, "forward_too_big")
            self.report(packet, icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, route.interface.mtu)  # RFC 1191 4
        else:
            if route.interface is packet.interface and packet.at:  # not of a point-to-point link
                self._redirect(packet, route)
            self._send(packet, route)

    def _send(self, packet: Packet, route: Route) -> None:
        if packet.interface.inside and not route.interface.inside and self.napt is not None:
            if packet.is_fragment:
                self._put_together(packet)
                return
            translated = self.napt.outward(packet, route)
            if translated is None:
                return
            packet = translated
        packet.hop()
        tally = self._tally(packet.interface)
        tally.frames += 1
        tally.bytes += packet.total_len
        self.stack.stats.count("forwarded")
        emit(self, packet, route)

    def _put_together(self, packet: Packet) -> None:
        """Ports are in the first fragment alone (RFC 4787 REQ-14)."""
        whole = self.stack.ip.fragments.arrived(packet.interface, packet.frame, packet.at)
        if whole is not None:
            self._examine(Packet(packet.interface, whole, None))

    def way(self, dst: bytes) -> Route | None:
        """By the longest prefix; redirects are for hosts (RFC 1812 5.2.7.2)."""
        ip = self.stack.ip
        route = self._ways.get(dst)
        if route is None or route.generation != ip.generation:
            line = ip.table.lookup(dst)
            if line is None:
                return None
            if len(self._ways) >= _KEPT:
                self._ways.clear()
            route = self._ways[dst] = Route(dst, ANY, None, line.interface, line.gateway or dst)
        return route

    # what becomes of the rest

    def drop(self, packet: Packet, reason: str) -> None:
        packet.interface.drop(reason)
        self._tally(packet.interface).drop(reason)

    def report(self, packet: Packet, kind: int, code: int, rest: int = 0) -> None:
        """About the packet as it came in."""
        self.stack.icmp.report_transit(packet.interface, kind, code, packet.frame, packet.at, rest)

    def undelivered(self, passage: Passage) -> None:
        """RFC 1812 5.2.7.1: its next hop does not answer."""
        self.stack.icmp.report_transit(passage.came_by, icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, passage.quote, 0)

    def _redirect(self, packet: Packet, route: Route) -> None:
        """RFC 1812 5.2.7.2: it goes back to where it came from, and its sender is a neighbour of the next hop."""
        stack, src, next_hop = self.stack, packet.src, route.next_hop
        if not stack.ip_config.send_redirects:
            return
        share = any(one.holds(src) and one.holds(next_hop) for one in packet.interface.subnets())
        if share and self._redirects.allows(src, stack.now):
            stack.stats.count("redirects_sent")
            self.report(packet, icmp.REDIRECT, icmp.REDIRECT_HOST, int.from_bytes(next_hop, "big"))

    def _tally(self, interface: Interface) -> Tally:
        if interface.tally is None:
            interface.tally = Tally()
        return interface.tally

    # proxy ARP

    def proxies(self, interface: Interface, asker: bytes, target: bytes) -> bool:
        """RFC 1027: we lead to `target` by another link than that on which somebody asks for its MAC. Not for who asks
        whether an address is free (RFC 5227 2.1.1)."""
        if not interface.proxy_arp or not self.forwards(interface) or not any(asker) or asker == target:
            return False
        route = self.way(target)
        return route is not None and route.interface is not interface and route.interface.is_up


def _is_for_a_dhcp_client(frame: Buffer, at: int) -> bool:
    """RFC 2131 4.1: an offer comes to an address that is not ours yet."""
    port = at + ((frame[at] & 15) << 2) + 2
    return frame[at + 9] == UDP and frame[port : port + 2] == _CLIENT_PORT
