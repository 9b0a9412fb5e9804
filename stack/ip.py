"""IPv4 of one host: what comes in goes to a protocol's handler, what goes out finds its interface.

Several interfaces: a packet is ours if its destination is any of our addresses; which way one takes is `selection`'s to
choose. What is too large for its way goes in fragments, unless its sender said otherwise. RFC 791; RFC 1122 3.2.1 and
3.3; RFC 6864 (an atomic datagram's identification is 0).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

from netif.link import PARTIAL, VALID, Buffer, Offload
from netif.wire import Malformed, icmp, ip_options
from netif.wire.fragment import cut
from netif.wire.ip import ANY, BROADCAST, DF, HEADER, IGMP, MF, OFFSET_MASK, TCP, UDP, emit, parse
from stack import igmp
from stack.fragments import Fragments
from stack.idents import Idents
from stack.looped import Looped
from stack.path_mtu import PathMtus
from stack.redirects import Redirects
from stack.routing import Route, RoutingTable
from stack.selection import fill, find, source
from stack.tcp import fast

if TYPE_CHECKING:
    from stack.any_ip import AnyIp
    from stack.interface import Interface
    from stack.stack import Stack
    from stack.subscriptions import Subscriptions

# (interface, src, dst, frame, start, end, offload): the payload is frame[start:end]
Handler: TypeAlias = "Callable[[Interface, bytes, bytes, Buffer, int, int, Offload | None], None]"

_WORDS = Struct("!IQ4s4s")  # version to length, ident to checksum, src, dst
_FRAGMENT = (MF | OFFSET_MASK) << 32  # of ident to checksum
_int = int.from_bytes
_GROUPS = b"\xe0"  # 224/4 are groups
_RESERVED = b"\xf0"  # 240/4 is reserved but for the broadcast
_LOOPBACK_NET = 127
VOUCHED = Offload(VALID)
_LEAST_MTU = 68  # RFC 791 3.2: what every link carries in one piece
_KEPT = 1024  # entries of a cache until it starts anew
_WAYS = 256  # of the one whose entries are large


class Ip:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.handlers: dict[int, Handler] = {}  # unicast to us, by protocol number
        self.group_handlers: dict[int, Handler] = {}  # to a broadcast or group address: never TCP
        self.handlers[IGMP] = self.group_handlers[IGMP] = igmp.receive
        self.generation = 0  # changes with every interface, address and route
        self.default: Interface | None = None  # as decided above, attached or not; its gateway is the default route
        self.table = RoutingTable()
        self.local: dict[bytes, Interface] = {}  # our addresses but for 127/8
        self.broadcasts: dict[bytes, Interface] = {}  # of the subnets that we are in
        self.any_ip: AnyIp | None = None  # takes what is to nobody here
        self._never_a_source: dict[bytes, None] = {}
        self.fragments = Fragments(stack)
        self.idents = Idents(stack.dice, _KEPT)
        self.paths = PathMtus(stack)
        self.redirects = Redirects(stack)
        self.looped = Looped(stack)
        self.subscribers: dict[Subscriptions, None] = {}  # of the sockets that have to do with groups
        self._back: dict[tuple[bytes, bytes], Route] = {}
        self._ways: dict[tuple[bytes, bytes | None], Route] = {}  # found lately, the asker insisting on no interface
        self._offloads: dict[tuple[int, int, int], Offload] = {}

    # in

    def receive(self, interface: Interface, frame: Buffer, offset: int, offload: Offload | None, group: bool) -> None:
        """`group`: the link-layer destination was a broadcast or group address."""
        size = len(frame) - offset
        if size < 20:
            raise Malformed("ip_header_short")
        first, middle, src, dst = _WORDS.unpack_from(frame, offset)
        total_len = first & 0xFFFF
        protocol = middle >> 16 & 0xFF
        if first >> 24 != 0x45 or not 20 <= total_len <= size or (first + middle + _int(src + dst, "big")) % 65535:
            header_len, *_ = parse(frame, offset)  # there are options, or it says what is wrong
        else:
            header_len = 20
        if (src in self._never_a_source or src >= _GROUPS or src[0] == _LOOPBACK_NET) and not (
            interface.is_loopback
            or (src == ANY and dst == BROADCAST and protocol == UDP)  # a DHCP client's
            or (src == ANY and protocol == IGMP)  # a snooping switch's, or a host's without an address
        ):
            interface.drop("ip_source")
            return
        if dst in self.local:
            if group:
                interface.drop("ip_unicast_in_broadcast")
                return
            handler = self.handlers.get(protocol)
        elif dst in interface.broadcasts or dst in interface.groups:
            if protocol != IGMP and dst in interface.groups and not interface.groups.admits(dst, src):
                interface.drop("ip_group_source")
                return
            handler = self.group_handlers.get(protocol)
        elif interface.is_loopback:
            handler = self.handlers.get(protocol)
        elif interface.bootstrap is not None and protocol == UDP:
            handler = interface.bootstrap
        elif self.any_ip is not None and not group and self.any_ip.adopts(interface, dst, protocol):
            handler = self.handlers.get(protocol)
        else:
            interface.drop("ip_not_for_us")
            return
        if header_len > 20 and not self._bears_options(interface, src, dst, frame, offset, header_len):
            return
        if middle & _FRAGMENT:
            whole = self.fragments.arrived(interface, frame, offset)
            if whole is None:
                return
            frame, offload = whole, None
            header_len = (frame[offset] & 15) << 2
            total_len = len(frame) - offset
        if handler is not None:
            handler(interface, src, dst, frame, offset + header_len, offset + total_len, offload)
        else:
            interface.drop("ip_protocol")
            self.stack.icmp.unreachable(interface, icmp.PROTOCOL_UNREACHABLE, src, dst, frame, offset)

    def _bears_options(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, offset: int, header_len: int
    ) -> bool:
        """RFC 1122 3.2.1.8: what we do not know is ignored, what cannot be read reported (3.2.2.5).

        Source routes are refused without a word, as RFC 7126 4.3 and 4.4 advise and Linux does.
        """
        try:
            kinds = {option.kind for option in ip_options.walk(bytes(frame[offset + 20 : offset + header_len]))}
        except ip_options.BadOptionError as bad:
            interface.drop("ip_option")
            self.stack.icmp.parameter_problem(interface, bad.pointer, src, dst, frame, offset)
            return False
        if kinds & ip_options.SOURCE_ROUTES:
            interface.drop("ip_source_route")
            return False
        return True

    # who and where

    def is_never_a_source(self, address: bytes) -> bool:
        """Ours, or nobody's."""
        return address in self._never_a_source

    def is_local(self, address: bytes) -> bool:
        """One of our own addresses, loopback included."""
        return address in self.local or (len(address) == 4 and address[0] == _LOOPBACK_NET)

    def is_group(self, address: bytes) -> bool:
        """A multicast group, the broadcast, or that of a subnet that we are in."""
        if len(address) == 16:
            return address[0] == 0xFF
        return _GROUPS <= address < _RESERVED or self.is_broadcast(address)

    def is_broadcast(self, address: bytes) -> bool:
        return address == BROADCAST or address in self.broadcasts

    def outdate(self) -> None:
        """Every Route is to be looked up again."""
        self.generation += 1

    def rebuild(self) -> None:
        """An interface, an address or the default has changed: all that is derived from them."""
        self.outdate()
        self._ways.clear()
        self.paths.clear()
        self.redirects.clear()
        fill(self)
        if self.any_ip is not None:
            self.any_ip.restore()
        self._never_a_source = dict.fromkeys((ANY, *self.local, *self.broadcasts))
        fast.readdressed(self.stack.tcp)
        self.stack.udp.readdressed()

    def route(self, dst: bytes, src: bytes | None = None, interface: Interface | None = None) -> Route:
        """The way to `dst`, from our address `src` and by `interface` where the asker insists on them.

        OSError: ENETUNREACH; EADDRNOTAVAIL when `src` is not ours. Set `owner` on a route that an endpoint keeps.
        """
        known = self._ways.get((dst, src))
        if known is not None and interface is None and known.generation == self.generation:
            return known.twin()
        chosen, next_hop = find(self, dst, src, interface)
        route = Route(dst, src or source(self, dst, chosen, next_hop), interface, chosen, next_hop)
        if interface is None:
            if len(self._ways) >= _WAYS:
                self._ways.clear()
            _prepare(route, 0, 64, TCP)  # as most will go there, who then share the sum
            self._ways[dst, src] = route.twin()
        return route

    def route_back(self, src: bytes, dst: bytes) -> Route | None:
        """The way to answer a packet that `src` sent to our `dst`, or if that is empty, through us; kept for a while.
        It has no owner."""
        route = self._back.get((src, dst))
        if route is None or route.generation != self.generation:
            try:
                route = self.route(src, dst or None)
            except OSError:
                return None
            if route.src == ANY:
                route.src = next(iter(self.local), ANY)  # RFC 1812 5.2.7: a link without an address has the router's
            if len(self._back) >= _KEPT:
                self._back.clear()
            self._back[src, dst] = route
        return route

    def doubt(self, route: Route) -> None:
        """A transport sends by it again and again and hears nothing (RFC 1122 3.3.1.4)."""
        route.neighbour.doubt(self.stack.now)
        self.redirects.failed(route.next_hop)

    def renew(self, route: Route) -> bool:
        """Look again, the generation having changed. False: no way any more, and its owner will be told."""
        try:
            route.lead(*find(self, route.dst, route.src, route.via))
        except OSError as error:
            if route.owner is not None:
                self.stack.strand(route.owner, error)
            return False
        return True

    # out

    def send(
        self,
        route: Route,
        protocol: int,
        header: bytes,
        payload: tuple[Buffer, ...],
        length: int,
        *,
        partial_at: int | None = None,
        gso_size: int = 0,
        ttl: int = 64,
        tos: int = 0,
        df: bool = True,
    ) -> None:
        """Send `header` (the layer 4 header) and `payload`, `length` bytes together.

        partial_at: where in `header` the checksum field stands, when it holds the pseudo-header sum alone (only with
        `route.tx_checksum`); None: complete. gso_size: cut into segments of that much payload (at most
        `route.gso_max`). df: not to be fragmented, so that it must fit the link; else it is where `route.mtu` is less.
        A route that has become stale is renewed in place; where that fails, or the neighbour does not answer, the
        packet is dropped and `route.owner.unreachable(error)` follows, never within this call. Raises nothing.
        """
        if route.generation != self.generation and not self.renew(route):
            route.interface.drop("ip_no_route")
            return
        interface = route.interface
        total_len = length + 20
        if total_len > (route.gso_max if gso_size else route.mtu) or (partial_at is not None and not route.tx_checksum):
            if not df and not gso_size and partial_at is None:
                self.send_apart(route, protocol, (header, *payload), length, ttl=ttl, tos=tos)
                return
            if not df or gso_size or total_len > interface.mtu or (partial_at is not None and not route.tx_checksum):
                interface.drop("ip_recut")
                return  # else it asks how large the path is
        key = tos << 16 | ttl << 8 | protocol
        if route.key != key:
            _prepare(route, tos, ttl, protocol)
        if df and route.df:
            ident, fragment = 0, DF
        else:
            ident = self.idents.next(route.dst, protocol)
            fragment = 0
        checksum = -(route.base + total_len + ident + fragment) % 65535
        packet = (
            HEADER.pack(0x45, tos, total_len, ident, fragment, ttl, protocol, checksum, route.src, route.dst) + header
        )
        if partial_at is None:
            offload = VOUCHED
        else:
            offload = self.partial(interface.link_length + 20, partial_at, gso_size)
        link = route.neighbour.link
        if link is not None:
            interface.transmit((link + packet, *payload), offload)
        else:
            interface.resolve(route, [(packet, *payload)], offload)

    def send_apart(
        self,
        route: Route,
        protocol: int,
        body: tuple[Buffer, ...],
        length: int,
        *,
        ttl: int = 64,
        tos: int = 0,
        df: bool = False,
        options: bytes = b"",
    ) -> None:
        """As `send`, for what is rare: in fragments as the path's MTU asks for, or with options. Checksums complete."""
        if route.generation != self.generation and not self.renew(route):
            route.interface.drop("ip_no_route")
            return
        header = emit(
            route.src,
            route.dst,
            protocol,
            length,
            ident=0 if df else self.idents.next(route.dst, protocol),
            ttl=ttl,
            tos=tos,
            fragment=DF if df else 0,
            options=options,
        )
        mtu = route.interface.mtu if df else route.mtu
        if mtu < _LEAST_MTU or (df and len(header) + length > mtu):
            route.interface.drop("ip_recut")
        else:
            self.send_packets(route, list(cut(header, body, mtu)))

    def made(self, route: Route, header: bytes, payload: bytes) -> bytes:
        """A packet whose header is the application's: length, checksum, and a source and ident of zero are set."""
        first, tos, _, ident, fragment, ttl, protocol, _, src, dst = HEADER.unpack_from(header)
        length = len(header) + len(payload)
        ident = ident or self.idents.next(dst, protocol)
        src = route.src if src == ANY else src
        blank = HEADER.pack(first, tos, length, ident, fragment, ttl, protocol, 0, src, dst) + header[20:]
        checksum = (-int.from_bytes(blank, "big") % 65535).to_bytes(2, "big")
        return blank[:10] + checksum + blank[12:] + payload

    def send_packets(self, route: Route, packets: list[tuple[Buffer, ...]]) -> None:
        """One packet that is made already, or the fragments of one."""
        if len(packets) > 1:
            self.stack.stats.count("fragmented")
        link = route.neighbour.link
        if link is None:
            route.interface.resolve(route, packets, VOUCHED)
            return
        for packet in packets:
            route.interface.transmit((link + bytes(packet[0]), *packet[1:]), VOUCHED)

    def partial(self, start: int, offset: int, gso_size: int) -> Offload:
        """The one that there is of this kind."""
        key = (start, offset, gso_size)
        offload = self._offloads.get(key)
        if offload is None:
            if len(self._offloads) >= _KEPT:
                self._offloads.clear()
            offload = self._offloads[key] = Offload(PARTIAL, start, offset, gso_size)
        return offload


def _prepare(route: Route, tos: int, ttl: int, protocol: int) -> None:
    """The sum of what stays the same in its headers."""
    route.key = tos << 16 | ttl << 8 | protocol
    route.base = 0x4500 + tos + (ttl << 8) + protocol + int.from_bytes(route.src + route.dst, "big") % 65535
