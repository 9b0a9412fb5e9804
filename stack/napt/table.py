"""Which inside endpoint is which outside one, by whom it may be reached, and which ports are forwarded for good.

A mapping is the endpoint's, whatever its peers (RFC 4787 REQ-1); it lives as long as a session of it. When there are
too many sessions, the inside host that has most of them loses one, of those that are no open connection if it has any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from netif.errors import InvalidParams, NoMem, NotFound
from netif.router import NaptEntry
from netif.wire.ip import ICMP, TCP, UDP, format_address
from stack.napt.session import ESTABLISHED, Session

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.napt.config import NaptConfig
    from stack.stack import Stack

Key: TypeAlias = tuple[int, bytes, int]  # protocol, address, port or ident
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp"}
_WELL_KNOWN = range(1, 1024)
_GUESSES = 64


class Portmap(NamedTuple):
    """What comes for the port, at any outside address and from whomever, goes to an endpoint behind `interface`."""

    interface: Interface
    port: int
    inside: Key

    @property
    def protocol(self) -> int:
        return self.inside[0]


class Mapping:
    __slots__ = ("address", "inside", "interface", "port", "protocol", "sessions")

    def __init__(self, interface: Interface, inside: Key, address: bytes, port: int) -> None:
        self.interface = interface  # the inside one
        self.protocol = inside[0]
        self.inside = inside
        self.address = address  # the outside one
        self.port = port
        self.sessions: dict[bytes, Session] = {}  # by peer


class Table:
    def __init__(self, stack: Stack, config: NaptConfig) -> None:
        self.stack = stack
        self.config = config
        self.outside: dict[Key, Mapping] = {}
        self.portmaps: dict[tuple[int, int], Portmap] = {}  # by protocol and port
        self._inside: dict[tuple[Key, bytes], Mapping] = {}  # by the endpoint and the outside address
        self._forwarded: dict[Key, Portmap] = {}  # by the inside endpoint
        self._hosts: dict[bytes, dict[Session, None]] = {}  # by the inside address, the oldest first
        self._sessions = 0

    def __len__(self) -> int:
        return self._sessions

    # look-ups

    def session(self, inside: Key, address: bytes, peer: bytes) -> Session | None:
        mapping = self._inside.get((inside, address))
        return None if mapping is None else mapping.sessions.get(peer)

    def outside_port(self, inside: Key, address: bytes) -> int | None:
        """What the endpoint is known by outside, under that address of ours."""
        portmap = self._forwarded.get(inside)
        if portmap is not None:
            return portmap.port
        mapping = self._inside.get((inside, address))
        return None if mapping is None else mapping.port

    def inside_of(self, outside: Key, peer: bytes, number: int) -> Key | None:
        """Who is known as that, outside, to whom it has spoken with `peer`, or to all."""
        protocol, _, port = outside
        mapping = self.outside.get(outside)
        if mapping is not None and peer_of(protocol, peer, number) in mapping.sessions:
            return mapping.inside
        portmap = self.portmaps.get((protocol, port))
        return None if portmap is None else portmap.inside

    def portmap_from(self, inside: Key) -> Portmap | None:
        return self._forwarded.get(inside)

    # sessions

    def open(self, interface: Interface, inside: Key, address: bytes, peer: bytes) -> Session | None:
        """None: no room, or no port."""
        limits, count = self.stack.limits, self.stack.stats.count
        if not limits.napt_sessions:
            count("napt_table_full")
            return None
        mapping = self._inside.get((inside, address))
        port = self._choose(inside, address) if mapping is None else mapping.port
        if port is None:
            count("napt_ports_full")
            return None
        while self._sessions >= limits.napt_sessions:
            count("napt_table_full")
            self.end(self._victim())
        mapping = self._inside.get((inside, address))  # its last session may have been the victim
        if mapping is None:
            mapping = Mapping(interface, inside, address, port)
            self._inside[inside, address] = mapping
            self.outside[inside[0], address, port] = mapping
        session = mapping.sessions[peer] = Session(self, mapping, peer)
        self._hosts.setdefault(inside[1], {})[session] = None
        self._sessions += 1
        return session

    def end(self, session: Session) -> None:
        mapping = session.mapping
        del mapping.sessions[session.peer]
        if not mapping.sessions:
            del self._inside[mapping.inside, mapping.address]
            del self.outside[mapping.protocol, mapping.address, mapping.port]
        host = self._hosts[mapping.inside[1]]
        del host[session]
        if not host:
            del self._hosts[mapping.inside[1]]
        self._sessions -= 1
        self.stack.timers.forget(session)

    def forget(self, interface: Interface) -> None:
        """All that belongs to hosts behind it."""
        for session in list(chain.from_iterable(self._hosts.values())):
            if session.mapping.interface is interface:
                self.end(session)
        for portmap in list(self.portmaps.values()):
            if portmap.interface is interface:
                self.remove_portmap(portmap.protocol, portmap.port)

    def _victim(self) -> Session:
        sessions = max(self._hosts.values(), key=len)
        oldest = iter(sessions)
        first = next(oldest)
        if first.mapping.protocol != TCP or first.state is not ESTABLISHED:
            return first
        loose = (one for one in oldest if one.mapping.protocol != TCP or one.state is not ESTABLISHED)
        return next(loose, first)

    # ports

    def _choose(self, inside: Key, address: bytes) -> int | None:
        """Its own, if that is free (port preservation); else a free one at random (RFC 6056), of the same parity for
        UDP (RFC 4787 REQ-4), well-known for well-known if there is any (REQ-3a). Never one that another has."""
        protocol, _, wanted = inside
        if self._is_free(protocol, address, wanted):
            return wanted
        first, last = self.config.ports
        ranges = [range(first, last + 1)]
        if protocol == UDP:
            ranges.insert(0, range(first + ((first ^ wanted) & 1), last + 1, 2))
        if protocol != ICMP and wanted in _WELL_KNOWN:
            ranges.insert(0, _WELL_KNOWN)
        tried = chain.from_iterable(map(self._tried, ranges))
        return next((port for port in tried if self._is_free(protocol, address, port)), None)

    def _tried(self, ports: range) -> Iterator[int]:
        """A few at random, since a host may have taken a long block of them; then all."""
        dice, count = self.stack.dice, len(ports)
        if count:
            yield from (ports[dice.randrange(0, count)] for _ in range(_GUESSES))
            yield from ports

    def _is_free(self, protocol: int, address: bytes, port: int) -> bool:
        return not (
            (protocol, address, port) in self.outside
            or (protocol, port) in self.portmaps
            or self.is_ours(protocol, port)
        )

    def is_ours(self, protocol: int, port: int) -> bool:
        """A socket of the router itself has it."""
        stack = self.stack
        held: dict[int, Callable[[int], bool]] = {
            TCP: stack.tcp.ports.is_used,
            UDP: stack.udp.ports.__contains__,
            ICMP: stack.icmp.sockets.__contains__,
        }
        return held[protocol](port)

    # port mapping

    def add_portmap(self, portmap: Portmap) -> None:
        """InvalidParams: the port, or the inside endpoint, has one already; NoMem."""
        name = f"{NAMES[portmap.protocol]} port {portmap.port}"
        inside = portmap.inside
        if (portmap.protocol, portmap.port) in self.portmaps:
            raise InvalidParams(f"portmap: {name} is mapped already; portmap_remove it first")
        if inside in self._forwarded:
            port = self._forwarded[inside].port
            raise InvalidParams(f"portmap: {_text(inside)} has port {port} already; portmap_remove that first")
        if len(self.portmaps) >= self.stack.limits.napt_portmaps:
            self.stack.stats.count("napt_portmaps_full")
            raise NoMem(f"portmap: there are {len(self.portmaps)} already; raise Limits.napt_portmaps")
        self.portmaps[portmap.protocol, portmap.port] = self._forwarded[inside] = portmap

    def remove_portmap(self, protocol: int, port: int) -> None:
        portmap = self.portmaps.pop((protocol, port), None)
        if portmap is None:
            raise NotFound(f"portmap: {NAMES[protocol]} port {port} is not mapped")
        del self._forwarded[portmap.inside]

    # what is in it

    def rows(self, now: float) -> Iterator[NaptEntry]:
        """Port mappings, then sessions by inside host, the oldest first."""
        for portmap in self.portmaps.values():
            yield NaptEntry(NAMES[portmap.protocol], _text(portmap.inside), f"*:{portmap.port}", "*", "portmap")
        for session in chain.from_iterable(self._hosts.values()):
            yield _row(session, now)


def _row(session: Session, now: float) -> NaptEntry:
    mapping = session.mapping
    peer = format_address(session.peer[:4])
    if len(session.peer) > 4:
        peer += f":{int.from_bytes(session.peer[4:], 'big')}"
    outside = f"{format_address(mapping.address)}:{mapping.port}"
    left = 0.0 if session.deadline is None else session.deadline - now
    return NaptEntry(NAMES[mapping.protocol], _text(mapping.inside), outside, peer, session.state.value, left)


def _text(inside: Key) -> str:
    return f"{format_address(inside[1])}:{inside[2]}"


def peer_of(protocol: int, address: bytes, port: int) -> bytes:
    """By whom a mapping may be reached: RFC 4787 REQ-8, RFC 5382 REQ-3, RFC 5508 REQ-1."""
    return address + port.to_bytes(2, "big") if protocol == TCP else address
