"""UDP of one host: who gets which datagram.

A connected socket is found by both addresses, another by its own, bound to one address before bound to any; what is
sent to a group goes to every socket that fits. Keys are addresses of 4 or 16 bytes. RFC 768; RFC 1122 4.1.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Callable
from errno import EADDRINUSE
from typing import TYPE_CHECKING, TypeVar

from netif.link import NONE, Buffer, Offload
from netif.wire import Malformed, icmp
from netif.wire.checksum import pseudo_header, verify
from netif.wire.ip import UDP
from netif.wire.udp import parse
from stack.failure import failure
from stack.path_mtu import DONT
from stack.reports import Report, path_narrowed

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack
    from stack.udp import Address, UdpEndpoint
    from stack.udp_fast import Flow

Key = TypeVar("Key")

_ANY = {4: bytes(4), 16: bytes(16)}
_FLOWS = 1024  # kept, until they are found anew
_EPHEMERAL_FIRST, _EPHEMERAL_COUNT = 49152, 16384  # RFC 6335 6


class Udp:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ports: dict[int, list[UdpEndpoint]] = {}  # who holds a port, in order of binding
        self._bound: dict[Address, list[UdpEndpoint]] = {}  # not connected, in order of binding
        self._connected: dict[tuple[bytes, int, bytes, int], UdpEndpoint] = {}
        self.flows: dict[bytes, Flow] = {}  # by src, dst, sport and dport as they come; of the fast path
        self.fast_in = 0  # frames that took it
        self.plain_in = 0  # and those that came here instead
        self.unclaimed: Callable[[Address, Address], UdpEndpoint | None] | None = None  # makes a socket that is missing
        stack.ip.handlers[UDP] = self.receive
        stack.ip.group_handlers[UDP] = self.receive_group

    # in

    def receive(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        self.plain_in += 1
        sport, dport, end = open_datagram(src, dst, frame, start, end, offload)
        endpoint = self._connected.get((dst, dport, src, sport))
        anyhow = not interface.is_loopback  # the next of its flow goes there too, whatever link it comes by
        if endpoint is None:
            held = self._bound.get((dst, dport)) or self._bound.get((_ANY[len(dst)], dport))
            if held is not None:
                endpoint = held[0]
                if endpoint.interface is not None or len(held) > 1:
                    anyhow = False
                    endpoint = self._among(interface, dst, dport, src, sport)
        if endpoint is None and self.unclaimed is not None:
            endpoint = self.unclaimed((dst, dport), (src, sport))
        if endpoint is not None:
            source = (src, sport)
            endpoint.arrived(interface, frame, start, end, source, offload)
            if anyhow and len(src) == 4:
                if len(self.flows) >= _FLOWS:
                    self.flows.clear()
                addresses = src + dst
                key = addresses + bytes(frame[start : start + 4])
                self.flows[key] = endpoint, source, int.from_bytes(addresses, "big")
            return
        interface.drop("udp_no_socket")
        if len(dst) == 4:
            self.stack.icmp.unreachable(interface, icmp.PORT_UNREACHABLE, src, dst, frame, interface.link_length)

    def _among(self, interface: Interface, dst: bytes, dport: int, src: bytes, sport: int) -> UdpEndpoint | None:
        """Bound to the address before bound to any; of those, bound to this interface before bound to none; the last
        one of those, or the one that has this sender among those that share it."""
        for address in (dst, _ANY[len(dst)]):
            held = self._bound.get((address, dport), ())
            here = [one for one in held if one.interface is not None and one.interface.name == interface.name]
            fits = here or [one for one in held if one.interface is None]
            if fits:
                return fits[crc32(src, sport) % len(fits)] if fits[-1].shares else fits[-1]
        return None

    def receive_group(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        sport, dport, end = open_datagram(src, dst, frame, start, end, offload)
        source = (src, sport)
        taken = False
        for endpoint in self.ports.get(dport, ()):
            if endpoint.takes_group(interface, dst, source):
                endpoint.arrived(interface, frame, start, end, source, offload)
                taken = True
        if not taken:
            interface.drop("udp_no_socket")

    def icmp_error(self, report: Report) -> bool:
        """About a datagram. Only a connected socket is told, as the kernel does; False: nobody is."""
        src, sport = report.src, report.first
        endpoint = self._connected.get((src, sport, report.dst, report.second))
        if report.is_too_big or report.is_redirect:
            bound = self._bound.get((src, sport)) or self._bound.get((_ANY[len(src)], sport))
            if endpoint is None and not bound:
                return False
            if report.is_redirect:
                return True
            path_narrowed(self.stack, report)
            if endpoint is None or endpoint.discover == DONT:
                return True
        if endpoint is not None:
            endpoint.unreachable(report.error)
        return endpoint is not None

    def readdressed(self) -> None:
        """Other addresses are ours, or a socket wants something else: who gets what has to be found again."""
        self.flows.clear()

    # who holds what

    def hold(self, endpoint: UdpEndpoint, local: Address) -> Address:
        """Give `endpoint` this address, or an ephemeral port where the port is 0. OSError: EADDRINUSE."""
        address, port = local
        if not port:
            port = self._ephemeral()
        elif not self._free(endpoint, address, port):
            raise failure(EADDRINUSE)
        if port not in self.ports:
            self.ports[port] = []
            self.stack.heard(port, True)
        self.ports[port].append(endpoint)
        self.readdressed()
        self._bound.setdefault((address, port), []).append(endpoint)
        return address, port

    def pair(self, endpoint: UdpEndpoint, local: Address, remote: Address) -> Address:
        """`endpoint` is to be found by both addresses from now on, and holds no other. OSError: EADDRINUSE."""
        if self._connected.get((*local, *remote), endpoint) is not endpoint:
            raise failure(EADDRINUSE)
        if endpoint.local[1]:
            self.unhold(endpoint)
        local = self.hold(endpoint, local)
        _remove(self._bound, local, endpoint)
        self._connected[(*local, *remote)] = endpoint
        return local

    def unhold(self, endpoint: UdpEndpoint) -> None:
        """Take back what `hold` or `pair` gave."""
        self.readdressed()
        port = endpoint.local[1]
        if port in self.ports:
            _remove(self.ports, port, endpoint)
            if port not in self.ports:
                self.stack.heard(port, False)
        _remove(self._bound, endpoint.local, endpoint)
        if endpoint.remote is not None:
            self._connected.pop((*endpoint.local, *endpoint.remote), None)

    def _free(self, endpoint: UdpEndpoint, address: bytes, port: int) -> bool:
        """Nobody holds the port for an address that is the same or covers it; sockets that all reuse may share."""
        return all(
            other is endpoint
            or (endpoint.reuse and other.reuse)
            or (endpoint.shares and other.shares)
            or (endpoint.interface and other.interface and endpoint.interface is not other.interface)
            or len(other.local[0]) != len(address)
            or (other.local[0] != address and any(other.local[0]) and any(address))
            for other in self.ports.get(port, ())
        )

    def _ephemeral(self) -> int:
        """RFC 6056 3.3.1: a random start, then the next that is free."""
        first = self.stack.dice.randrange(0, _EPHEMERAL_COUNT)
        for n in range(_EPHEMERAL_COUNT):
            port = _EPHEMERAL_FIRST + (first + n) % _EPHEMERAL_COUNT
            if port not in self.ports:
                return port
        raise failure(EADDRINUSE)


def _remove(table: dict[Key, list[UdpEndpoint]], key: Key, endpoint: UdpEndpoint) -> None:
    holders = table.get(key)
    if holders and endpoint in holders:
        holders.remove(endpoint)
        if not holders:
            del table[key]


def open_datagram(
    src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
) -> tuple[int, int, int]:
    """(sport, dport, end of the payload), once the checksum is right or vouched for."""
    sport, dport, length, checksum = parse(frame, start, end)
    end = start + length
    if (
        checksum
        and (offload is None or offload[0] == NONE)
        and not verify(frame, start, end, pseudo_header(src, dst, UDP, length))
    ):
        raise Malformed("udp_checksum")
    return sport, dport, end
