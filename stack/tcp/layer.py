"""TCP of one host: which segment belongs to which connection, and what is said to those that belong to none.

Demultiplexes by (local address, local port, remote address, remote port), 4- or 16-byte addresses and ints: exact match
first, then a listener, then RST (RFC 9293 3.10.7.1). Holds what connections share: ports, initial numbers, bounds.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeAlias

from netif.link import NONE, Buffer, Offload, Waiter
from netif.wire import Malformed, options, tcp
from netif.wire.checksum import verify
from netif.wire.tcp import ACK, FIN, RST, SYN, URG
from stack.failure import failure
from stack.limits import Rate
from stack.reports import Report, path_narrowed
from stack.seq import MASK
from stack.tcp import fast, fastopen, half_open, sharing
from stack.tcp.config import TcpConfig
from stack.tcp.congestion import CONTROLS, Factory, NewReno
from stack.tcp.connection import Connection
from stack.tcp.cookies import Cookies
from stack.tcp.ecn import CODE_POINT
from stack.tcp.fastopen import FastOpen
from stack.tcp.handshake import InitialNumbers
from stack.tcp.listener import Listener, ListenerKey, key_of
from stack.tcp.ports import Ports
from stack.tcp.segment import Segment, kept
from stack.tcp.states import SYN_RECEIVED, TIME_WAIT, State
from stack.tcp.templates import Templates
from stack.tcp.time_wait import TimeWait, TimeWaits

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack
    from stack.tcp.events import Hook

Address: TypeAlias = tuple[bytes, int]
Key: TypeAlias = tuple[bytes, int, bytes, int]
_ANY = {4: bytes(4), 16: bytes(16)}


class Tcp:
    def __init__(self, stack: Stack) -> None:
        limits = stack.limits
        self.stack = stack
        self.config = stack.tcp_config
        self.connections: dict[Key, Connection | TimeWait] = {}
        self.listeners: dict[ListenerKey, Listener] = {}
        self.flows: dict[bytes, Connection] = {}  # by src, dst, sport and dport of what comes; of the fast path
        self.fast_in = 0  # frames that took it
        self.plain_in = 0  # and all others, known by their flow or not
        self.fast_out = 0  # frames that a connection sent by it
        self.plain_out = 0  # and otherwise
        self.ports = Ports(stack.dice, *self.config.local_ports)
        self.numbers = InitialNumbers(stack.dice)
        self.fast_open = FastOpen(stack.dice, limits.fast_open_cookies, stack.stats)
        self.cookies = Cookies(stack.dice)
        self.time_waits = TimeWaits(self, limits.time_wait)
        self.templates = Templates(limits.templates, stack.stats)
        self.half_open = 0
        self.max_half_open = limits.syn_table
        self.orphans = 0
        self.memory = stack.memory  # pressed: each connection has to make do with little
        self.max_ranges = limits.out_of_order_ranges
        self.controls: dict[str, Factory] = dict(CONTROLS)  # by the names that TCP_CONGESTION takes; add your own
        self.unopened = NewReno(536, 536)  # what every connection has until it knows its own segment size
        self._challenges = 0  # left in this second
        self._challenge_second = -1
        self._resets = Rate(limits.resets)
        self._draining: dict[Interface, tuple[Waiter, dict[Connection, None]]] = {}
        stack.ip.handlers[tcp.PROTOCOL] = self.receive

    # in

    def receive(
        self, interface: Interface, src: bytes, dst: bytes, frame: Buffer, start: int, end: int, offload: Offload | None
    ) -> None:
        self.plain_in += 1
        if end - start < 20:
            raise Malformed("tcp_header_short")
        sport, dport, seq, ack, flags, window, _, urgent = tcp.HEADER.unpack_from(frame, start)
        header_len = flags >> 12 << 2
        flags &= 0xFF
        if not 20 <= header_len <= end - start:
            raise Malformed("tcp_data_offset")
        gso_size = 0
        if offload is None or offload.checksum == NONE:
            addresses = int.from_bytes(src + dst, "big")
            if not verify(frame, start, end, addresses + tcp.PROTOCOL + end - start):
                raise Malformed("tcp_checksum")
        else:
            gso_size = offload.gso_size
        said = options.parse(frame, start + 20, start + header_len) if header_len > 20 else options.NO_OPTIONS
        length = end - start - header_len
        payload = kept(frame, end - length, end) if length else b""
        segment = Segment(seq, ack, flags, window, said, payload, length, gso_size)
        if flags & URG:
            segment.urgent = urgent
        entry = self.connections.get((dst, dport, src, sport))
        stack = self.stack
        if entry is not None:
            if type(entry) is Connection:
                stack.current = entry
                if entry.ecn is not None:
                    entry.ecn.code_point = frame[interface.link_length + 1] & CODE_POINT
                if stack.trace is not None:
                    stack.trace("receive", entry, segment)
                stack.owe(entry)
            entry.segment_arrives(segment, stack.now)
            return
        local, remote = (dst, dport), (src, sport)
        listener = self.listener_at(local, interface)
        if listener is not None:
            listener.segment_arrives(local, remote, segment)
            return
        stack.drop("tcp_no_connection", interface)
        if not flags & RST:
            self.refuse(local, remote, segment)

    def listener_at(self, local: Address, interface: Interface) -> Listener | None:
        """Bound to the address before bound to any; of those, bound to the interface before bound to none. Port 0 takes
        what is left (`catch_all`)."""
        anywhere, link, get = (_ANY[len(local[0])], local[1]), interface.name, self.listeners.get
        return get((*local, link)) or get(local) or get((*anywhere, link)) or get(anywhere) or get((anywhere[0], 0))

    def icmp_error(self, report: Report) -> bool:
        """About a segment. False: none that is on its way (RFC 5927 4.1)."""
        entry = self.connections.get((report.src, report.first, report.dst, report.second))
        if not isinstance(entry, Connection) or not entry.sender.in_network(report.third):
            return False
        if report.is_too_big:
            if path_narrowed(self.stack, report):
                self.stack.owe(entry)  # which will look at its route
        elif not report.is_redirect:
            entry.icmp_error(report.error, report.is_fatal)
        return True

    # out, for nobody's segments

    def refuse(self, local: Address, remote: Address, segment: Segment) -> None:
        """RST in answer to a segment that belongs to no connection (RFC 9293 3.5.2, group 1)."""
        if segment.flags & RST:
            return
        if not self._resets.allows(self.stack.now):
            self.stack.drop("reset_rate", self)
        elif segment.flags & ACK:
            self.answer((*local, *remote), segment.ack & MASK, 0, RST)
        else:
            length = segment.length + (1 if segment.flags & SYN else 0) + (segment.flags & FIN)
            self.answer((*local, *remote), 0, segment.seq + length & MASK, RST | ACK)

    def answer(self, key: Key, seq: int, ack: int, flags: int, window: int = 0, said: bytes = b"") -> None:
        """A bare segment that no connection sends; `said` are its options."""
        local, lport, remote, rport = key
        route = self.stack.ip.route_back(remote, local)
        if route is None:
            return
        pseudo = int.from_bytes(local + remote, "big") + tcp.PROTOCOL
        header = tcp.emit_complete(lport, rport, seq, ack, flags, window, said, pseudo=pseudo)
        self.stack.ip.send(route, tcp.PROTOCOL, header, (), len(header))

    def clock(self) -> int:
        """The timestamp clock: milliseconds, from a secret beginning."""
        return int(self.stack.now * 1000) + self.numbers.timestamp_base & MASK

    def may_challenge(self) -> bool:
        """RFC 5961 7. How many there are differs from second to second: a known number would tell an outsider whether
        his guess at somebody's sequence numbers used one up (CVE-2016-5696)."""
        second = int(self.stack.now)
        if second != self._challenge_second:
            self._challenge_second = second
            limit = self.stack.limits.challenge_acks
            self._challenges = limit // 2 + self.stack.dice.randrange(0, limit + 1)
        if self._challenges > 0:
            self._challenges -= 1
            return True
        self.stack.drop("challenge_ack_rate", self)
        return False

    # opening

    def bind(self, local: tuple[bytes | None, int], reuse: bool = False) -> Address:
        """Reserve an address of ours, or any (None or zeros), and a port (0: a free one), until `release`, or until
        `listen` or `connect` takes it over. OSError: EADDRNOTAVAIL, EADDRINUSE."""
        address = local[0] or _ANY[4]
        if any(address) and not self.stack.ip.is_local(address):
            raise failure(errno.EADDRNOTAVAIL)
        return self.ports.reserve(address, local[1], reuse)

    def release(self, local: Address) -> None:
        self.ports.release(local)

    def listen(
        self,
        local: tuple[bytes | None, int],
        backlog: int = 128,
        config: TcpConfig | None = None,
        reuse: bool = False,
        interface: Interface | None = None,
        shares: bool = False,
    ) -> Listener:
        """A passive open, on one interface or on all. Takes over what `bind` reserved, or binds. OSError: EADDRINUSE,
        EADDRNOTAVAIL."""
        at = (local[0] or _ANY[4], local[1])
        sharing.check(self.listeners.get(key_of(at, interface)), shares)
        if at not in self.ports.reserved:
            at = self.bind(local, reuse)
        listener = Listener(self, at, backlog, config or self.config, interface, shares)
        sharing.enter(listener)
        return listener

    def unlisten(self, listener: Listener) -> None:
        sharing.leave(listener)
        self.ports.release(listener.local)

    def connect(
        self,
        local: tuple[bytes | None, int] | None,
        remote: Address,
        config: TcpConfig | None = None,
        interface: Interface | None = None,
        on_event: Hook | None = None,
        early: Buffer | None = None,
    ) -> Connection:
        """An active open; takes over what `bind` reserved. What can be of `early` goes with the SYN, if Fast Open is on
        (RFC 7413). OSError: ENETUNREACH, EADDRNOTAVAIL."""
        address, port = local or (None, 0)
        ip = self.stack.ip
        if ip.is_group(remote[0]) or not remote[1]:
            raise failure(errno.ENETUNREACH if remote[1] else errno.EADDRNOTAVAIL)  # RFC 9293 MUST-46; Linux' words
        route = ip.route(remote[0], address if address and any(address) else None, interface)
        here = route.src
        config = config or self.config
        if not port:
            port = self._free_port(here, remote, config)
        elif not self._unused((here, port, *remote), config):
            raise failure(errno.EADDRNOTAVAIL)  # as Linux
        before = self.connections.get((here, port, *remote))
        iss = None
        if isinstance(before, TimeWait):
            iss = before.next_iss()
            self.end_time_wait(before)
        connection = Connection(self, (here, port), remote, route, config, iss=iss)
        self._enter(connection)
        if local is not None and local in self.ports.reserved:
            self.ports.release((address or _ANY[4], port))
        connection.on_event = on_event or connection.on_event
        if early is not None and config.fast_open:
            fastopen.begin(connection, early)
        connection.open()
        return connection

    def _unused(self, key: Key, config: TcpConfig) -> bool:
        entry = self.connections.get(key)
        return entry is None or (isinstance(entry, TimeWait) and entry.may_give_way(config, self.stack.now))

    def _free_port(self, here: bytes, remote: Address, config: TcpConfig) -> int:
        reserved, anywhere = self.ports.reserved, _ANY[len(here)]
        return self.ports.ephemeral(
            lambda port: (
                self._unused((here, port, *remote), config)
                and (here, port) not in reserved
                and (anywhere, port) not in reserved
            ),
            config.local_ports,
        )

    def create(
        self, local: Address, remote: Address, config: TcpConfig, listener: Listener, iss: int | None
    ) -> Connection | None:
        """The connection that a SYN to a listener makes; None if there is no way back."""
        try:
            route = self.stack.ip.route(remote[0], local[0], listener.interface)
        except OSError:
            return None
        connection = Connection(self, listener.shared(local), remote, route, config, listener, iss)
        half_open.enter(listener, connection)
        self._enter(connection)
        return connection

    def _enter(self, connection: Connection) -> None:
        self.connections[connection.key] = connection
        if connection.config.fast_path:
            fast.enter(connection)
        self.ports.hold(connection.local)

    # closing

    def forget(self, connection: Connection, state: State) -> None:
        """A connection that was in `state` is closed."""
        if state is TIME_WAIT:
            self.charge(connection, 0)
            return  # the table has had a TimeWait in its place
        del self.connections[connection.key]
        fast.leave(connection)
        self.ports.unhold(connection.local)
        self._left(connection, state)

    def _left(self, connection: Connection, state: State) -> None:
        self.charge(connection, 0)
        if connection.counted:
            connection.counted = False
            self.orphans -= 1
        if connection.fast is not None:
            fastopen.failed(connection)
        listener = connection.listener
        if listener is not None and state is SYN_RECEIVED:
            half_open.leave(listener, connection)
        if self._draining:
            self._drained(connection)

    @property
    def held(self) -> int:
        """Bytes in the buffers of all sockets."""
        return self.memory.held

    def charge(self, connection: Connection, held: int) -> None:
        """A connection's buffers hold so much now."""
        change = held - connection.charged
        if change:
            connection.charged = held
            self.memory.charge(change)

    def adopt(self, connection: Connection) -> bool:
        """The application has closed it while it still has something to do. False: there are too many such."""
        if self.orphans >= self.stack.limits.orphans:
            self.stack.stats.count("orphans_full")
            return False
        self.orphans += 1
        connection.counted = True
        return True

    def enter_time_wait(self, connection: Connection, now: float) -> None:
        entry = self.connections[connection.key] = TimeWait(self, connection.key, connection, now)
        fast.leave(connection)
        self._left(connection, TIME_WAIT)
        self.time_waits.add(entry)

    def release_time_wait(self, connection: Connection) -> None:
        """The application has no more interest in a connection that is in TIME-WAIT."""
        entry = self.connections.get(connection.key)
        if isinstance(entry, TimeWait) and entry.connection is connection:
            entry.connection = None
        self.charge(connection, 0)

    def end_time_wait(self, entry: TimeWait) -> None:
        del self.connections[entry.key]
        self.ports.unhold(entry.key[:2])
        self.time_waits.remove(entry)
        entry.over()

    def reopen(self, entry: TimeWait, segment: Segment, now: float) -> None:
        """A SYN that is surely new came for a TIME-WAIT (RFC 9293 3.6.1 MAY-2, RFC 6191)."""
        local, remote = entry.key[:2], entry.key[2:]
        interface = self.stack.ip.local.get(local[0], self.stack.loopback)
        listener = self.listener_at(local, interface)
        if listener is None or listener.full() or not half_open.make_room(listener):
            full = "tcp_backlog_full" if listener is not None and listener.full() else "syn_table_full"
            self.stack.drop("tcp_no_connection" if listener is None else full, self)
            return
        self.end_time_wait(entry)
        listener.segment_arrives(local, remote, segment, entry.next_iss())

    # an interface goes

    def finish(self, interface: Interface, waiter: Waiter) -> bool:
        """Close in order what lives by this interface; True if `waiter` will be woken when the last is gone."""
        for connection in self._living_by(interface):
            connection.finish()
        left = dict.fromkeys(self._living_by(interface))
        if left:
            self._draining[interface] = (waiter, left)
        return bool(left)

    def abort(self, interface: Interface, error: OSError, address: bytes | None = None) -> None:
        """The interface is gone, or this address of its: RST, and `error` for the application."""
        for connection in self._living_by(interface, address):
            connection.abort(error)
        for entry in list(self.time_waits.entries.values()):
            if entry.key[0] == address or (address is None and interface.owns(entry.key[0])):
                self.end_time_wait(entry)

    def _living_by(self, interface: Interface, address: bytes | None = None) -> list[Connection]:
        found = [entry for entry in self.connections.values() if isinstance(entry, Connection)]
        if address is not None:
            return [entry for entry in found if entry.key[0] == address]
        return [entry for entry in found if interface.owns(entry.key[0]) or entry.emitter.route.interface is interface]

    def _drained(self, connection: Connection) -> None:
        for interface, (waiter, left) in list(self._draining.items()):
            left.pop(connection, None)
            if not left:
                del self._draining[interface]
                waiter.wake()
