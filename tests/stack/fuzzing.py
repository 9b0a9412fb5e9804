"""A wire with a victim, an honest host and an attacker on it, in virtual time; and the frames that the attacker makes.

Everything follows from the seed. The victim runs on a strict runtime: whatever escapes from its core is raised here.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from contextlib import suppress
from typing import Any

import attrs

from netif.link import NONE, PARTIAL, VALID, Buffer, LinkCaps, Offload, Port
from netif.netif import Netif
from netif.runtime import VirtualRuntime
from netif.wire import ethernet, icmp, ip, tcp, udp
from netif.wire.options import emit_timestamp
from netif.wire.segment import finish
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from stack.echo import EchoEndpoint
from stack.limits import Limits
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.states import ESTABLISHED, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from stack.tcp.time_wait import TimeWait
from stack.udp import UdpEndpoint
from tests.stack.attacker import Caller, segment
from tests.stack.rig import OTHER_MAC, OUR_MAC, US, address, answers, asks, datagram, echo, icmp_error, packet

HONEST, HONEST_MAC = address("10.0.0.2"), bytes.fromhex("020000000002")
HELD = 64  # frames of the victim's that the attacker remembers


class End:
    """A driver: one host's end of the wire."""

    def __init__(self, wire: Wire, mac: bytes) -> None:
        self.wire = wire
        self.mac = mac
        self.inbox: deque[tuple[bytes, Offload | None]] = deque()
        self.port: Port | None = None
        self.room: int | None = None  # frames; None: endless

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self.port = port
        return attrs.evolve(want, mtu=min(want.mtu, 1500))

    def fileno(self) -> int | None:
        return None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[bytes, Offload | None] | None:
        return self.inbox.popleft() if self.inbox else None

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self.room is not None:
            if not self.room:
                return False
            self.room -= 1
        self.wire.carries(self, b"".join(buffers), offload)
        return True

    def takes(self, frame: bytes, offload: Offload | None) -> None:
        if self.port is not None:
            self.inbox.append((frame, offload))
            self.port.readable()

    def advance(self, now: float) -> None:
        """It asks for no time."""

    def close(self) -> None:
        self.port = None


class Wire:
    def __init__(self) -> None:
        self.victim = End(self, OUR_MAC)
        self.honest = End(self, HONEST_MAC)
        self.overheard: deque[tuple[bytes, Offload | None]] = deque(maxlen=HELD)  # what the victim sent

    def carries(self, sender: End, frame: bytes, offload: Offload | None) -> None:
        if sender is self.victim:
            self.overheard.append((frame, offload))
        other = self.honest if sender is self.victim else self.victim
        if frame[0] & 1 or frame[:6] == other.mac:
            other.takes(frame, offload)


TIGHT = Limits(
    arp_entries=32,
    arp_queue_frames=4,
    interface_queue_frames=4,
    icmp_errors=20,
    udp_queue_bytes=8192,
    echo_queue=8,
    syn_table=12,
    time_wait=8,
    challenge_acks=8,
    resets=10,
    orphans=8,
    out_of_order_ranges=4,
    socket_memory=60_000,
)
STRANGERS = tuple(bytes((10, 0, 0, last)) for last in range(16, 32))
STRANGE_MACS = tuple(bytes((2, 0, 0, 0, 1, last)) for last in range(16, 32))
FAR = address("192.0.2.7")
NOWHERE = tuple(
    map(address, ("224.0.0.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.0.255", "10.0.0.1", "240.1.1.1"))
)
GROUPS = tuple(map(address, ("224.0.0.1", "255.255.255.255", "10.0.0.255", "224.1.2.3")))
GROUP_MACS = (ethernet.BROADCAST, bytes.fromhex("01005e000001"), bytes.fromhex("01005e010203"))
OPEN, UNACCEPTED, ECHO = 80, 81, 7  # ports


class Scene:
    """The three of them. To a `Caller` it is what a `Rig` is."""

    def __init__(self, seed: int, limits: Limits = TIGHT) -> None:
        self.runtime = VirtualRuntime(seed=seed, strict=True)
        self.wire = Wire()
        self.stack = Stack("victim", runtime=self.runtime, limits=limits)
        self.honest = Stack("honest", runtime=self.runtime)
        self.netifs = [
            Netif(self.wire.victim, stack=self.stack, ip="10.0.0.1/24", gateway="10.0.0.254", mac=OUR_MAC),
            Netif(self.wire.honest, stack=self.honest, ip="10.0.0.2/24", mac=HONEST_MAC),
        ]
        self.exchanges = 0
        self.resting = self.closing = False
        self.runtime.spawn(self._serve)
        self.client = self.runtime.spawn(self._ask)
        self._occupy()
        self.runtime.run_for(1.0)

    # the honest two

    def _serve(self) -> None:
        with self.stack.create_server(("", ECHO)) as listener:
            connection, _ = listener.accept()
            with connection, suppress(BrokenPipeError):  # at the end the other half goes first
                while data := connection.recv(65536):
                    connection.sendall(data)

    def _ask(self) -> None:
        dice = random.Random("honest")
        with self.honest.create_connection(("10.0.0.1", ECHO)) as connection:
            while True:
                said = dice.randbytes(dice.randrange(1, 5000))
                connection.sendall(said)
                heard = b""
                while len(heard) < len(said):
                    part = connection.recv(65536)
                    if not part and self.closing:
                        return
                    assert part, "the honest connection was ended"
                    heard += part
                assert heard == said
                self.exchanges += 1
                while self.resting:
                    self.runtime.sleep(10.0)
                self.runtime.sleep(0.3)

    def still_serves(self, exchanges: int = 3) -> None:
        self.resting = False
        wanted = self.exchanges + exchanges
        self.runtime.run_until(lambda: self.exchanges >= wanted, timeout=300.0)

    def still_answers(self) -> None:
        """A ping by somebody it has not met, and may have to ask for."""
        newcomer = address("10.0.0.99")
        self.gets(asks(newcomer, US, OTHER_MAC))
        self.frames()
        self.gets(echo(b"still there?", src=newcomer, mac=OTHER_MAC), answers(newcomer, US, OTHER_MAC))
        replies = [frame for frame in self.frames() if frame[:6] == OTHER_MAC and frame[23] == ip.ICMP]
        assert [frame[34] for frame in replies] == [icmp.ECHO_REPLY]
        assert replies[0].endswith(b"still there?")

    # the victim's other sockets

    def _occupy(self) -> None:
        self.runtime.enter()
        stack = self.stack
        self.unread = UdpEndpoint(stack)
        self.unread.bind(bytes(4), 53)
        bound = UdpEndpoint(stack)
        bound.bind(US, 54)
        self.connected = UdpEndpoint(stack)
        self.connected.bind(bytes(4), 55)
        self.connected.connect(STRANGERS[0], 5000)
        self.pinger = EchoEndpoint(stack)
        self.pinger.bind(ident=5)
        small = TcpConfig(receive_buffer=48 << 10, send_buffer=64 << 10)
        self.listener = stack.tcp.listen((None, OPEN), 16, small)
        self.deaf = stack.tcp.listen((None, UNACCEPTED), 1, TcpConfig(timestamps=False))
        self.sockets = [self.unread, bound, self.connected]
        self.runtime.leave()

    # what a Caller needs

    def gets(self, *frames: bytes, offload: Offload | None = None) -> None:
        self.runtime.enter()
        for frame in frames:
            self.wire.victim.takes(frame, offload)
        self.runtime.leave()

    def flush(self) -> None:
        self.runtime.enter()
        self.runtime.touch(self.stack)
        self.runtime.leave()

    def frames(self) -> list[bytes]:
        overheard = [*self.wire.overheard]
        self.wire.overheard.clear()
        return [
            finish((frame,), offload) if offload is not None and offload.checksum == PARTIAL else frame
            for frame, offload in overheard
        ]

    def close(self) -> None:
        self.closing = True
        for netif in self.netifs:
            netif.close()
        self.runtime.close()


class Population:
    """Connections of the victim's with strangers, in all states, each come to by real segments."""

    EACH = 2

    def __init__(self, scene: Scene, dice: random.Random) -> None:
        self.scene = scene
        self.dice = dice
        self.sport = 2000
        self.seen: Counter[str] = Counter()

    def entries(self) -> list[Connection | TimeWait]:
        return [entry for key, entry in self.scene.stack.tcp.connections.items() if key[2] != HONEST]

    def tend(self) -> None:
        """Accept who has come, and look after the numbers of each state."""
        while self.scene.listener.accept() is not None:
            pass
        entries = self.entries()
        states = Counter(entry.state.value for entry in entries)
        self.seen += states
        for way in self.WAYS:
            if states[way] < self.EACH:
                self.WAYS[way](self, self._caller())
        if len(entries) > 60:
            for entry in entries[:20]:
                self._end(entry)
        self._live(entries)

    def _end(self, entry: Connection | TimeWait) -> None:
        if isinstance(entry, Connection) and entry.state not in (SYN_SENT, TIME_WAIT):
            remote, local = entry.remote, entry.local
            self.scene.gets(segment(remote[1], local[1], entry.receiver.rcv_nxt, 0, RST, src=remote[0]))

    def _live(self, entries: list[Connection | TimeWait]) -> None:
        """The applications do something now and then."""
        self.scene.runtime.enter()
        try:
            for entry in entries:
                if isinstance(entry, Connection) and not entry.orphan and self.dice.random() < 0.2:
                    try:
                        if self.dice.random() < 0.5:
                            entry.read(self.dice.randrange(1, 20_000))
                        elif entry.state is ESTABLISHED:
                            entry.write(bytes(self.dice.randrange(1, 20_000)))
                    except OSError:
                        pass  # what the attack has done to it
        finally:
            self.scene.runtime.leave()

    def _caller(self) -> Caller:
        index = self.dice.randrange(len(STRANGERS))
        self.sport = 2000 + (self.sport - 1999) % 50_000
        caller = Caller(
            self.scene,  # type: ignore[arg-type]
            OPEN,
            self.sport,
            src=STRANGERS[index],
            mac=STRANGE_MACS[index],
            iss=self.dice.getrandbits(32),
        )
        self.scene.gets(asks(caller.src, US, caller.mac))
        self.scene.frames()
        return caller

    def _acts(self, action: Any) -> None:
        """The application does something, and the victim is flushed."""
        self.scene.runtime.enter()
        try:
            action()
        except OSError:
            pass
        finally:
            self.scene.runtime.leave()

    def _open(self, caller: Caller) -> Connection | None:
        options = self.dice.choice(
            (b"\2\4\5\xb4", b"\2\4\5\xb4\1\3\3\7", b"\2\4\5\xb4\1\1" + b"\x08\x0a\0\0\0\1\0\0\0\0")
        )
        if not any(one.flags == SYN | ACK for one in caller.knocks(options)):
            return None  # the wire or the table is full
        caller.says(ACK)
        entry = self.scene.stack.tcp.connections.get((US, caller.dport, caller.src, caller.sport))
        return entry if isinstance(entry, Connection) and entry.state is ESTABLISHED else None

    def half_opened(self, caller: Caller) -> None:
        caller.knocks()

    def opening(self, caller: Caller) -> None:
        self._acts(lambda: self.scene.stack.tcp.connect(None, (caller.src, 9)))

    def opened(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None and self.dice.random() < 0.7:
            self._acts(lambda: connection.write(bytes(self.dice.randrange(1, 60_000))))
            if self.dice.random() < 0.5:
                caller.hears()
                caller.says(ACK, window=self.dice.choice((0, 1, 100)))

    def ended_by_peer(self, caller: Caller) -> None:
        if self._open(caller):
            caller.says(FIN | ACK)

    def last_ack(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None:
            caller.says(FIN | ACK)
            self._acts(connection.close)

    def ended_by_us(self, caller: Caller) -> None:
        connection = self._open(caller)
        if connection is not None:
            self._acts(connection.close if self.dice.random() < 0.5 else connection.shutdown_write)

    def half_closed(self, caller: Caller) -> None:
        self.ended_by_us(caller)
        caller.hears()
        caller.says(ACK)

    def closing(self, caller: Caller) -> None:
        self.ended_by_us(caller)
        caller.says(FIN | ACK)

    def time_wait(self, caller: Caller) -> None:
        self.half_closed(caller)
        caller.says(FIN | ACK)

    WAYS = {
        "SYN-RECEIVED": half_opened,
        "SYN-SENT": opening,
        "ESTABLISHED": opened,
        "CLOSE-WAIT": ended_by_peer,
        "LAST-ACK": last_ack,
        "FIN-WAIT-1": ended_by_us,
        "FIN-WAIT-2": half_closed,
        "CLOSING": closing,
        "TIME-WAIT": time_wait,
    }


class Attacker:
    """Makes frames: `aimed` at living connections, `sound` to their last checksum, or `broken`."""

    FLAGS = (ACK, ACK, ACK, ACK | PSH, ACK | FIN, SYN, SYN | ACK, RST, RST | ACK, ACK | URG, 0, FIN, 255, SYN | FIN)

    def __init__(self, scene: Scene, population: Population, dice: random.Random) -> None:
        self.scene = scene
        self.population = population
        self.dice = dice

    def offload(self, frame: bytes) -> Offload | None:
        """What a wire might claim about a frame."""
        dice = self.dice
        return dice.choice(
            (
                Offload(NONE),
                Offload(VALID),
                Offload(VALID, 0, 0, dice.choice((1, 536, 1460, 65535))),
                Offload(PARTIAL, 34, 16, dice.choice((0, 100, 1460))),
                Offload(PARTIAL, dice.randrange(65536), dice.randrange(65536), dice.randrange(65536)),
            )
        )

    # at living connections

    def aimed(self) -> bytes:
        dice = self.dice
        entries = self.population.entries()
        if not entries or dice.random() < 0.05:
            return self.blind()
        entry = dice.choice(entries)
        if isinstance(entry, TimeWait):
            local, remote = entry.key[:2], entry.key[2:]
            rcv_nxt, edge, una, nxt = entry.rcv_nxt, entry.rcv_nxt + 100, entry.snd_nxt, entry.snd_nxt
        else:
            local, remote = entry.local, entry.remote
            receiver, sender = entry.receiver, entry.sender
            rcv_nxt, edge, una, nxt = receiver.rcv_nxt, receiver.edge, sender.snd_una, sender.snd_nxt
        flags = dice.choice(self.FLAGS)
        if flags & RST and dice.random() < 0.7:
            flags = ACK
        if isinstance(entry, Connection) and entry.state is SYN_SENT:
            flags = dice.choice((SYN | ACK, SYN | ACK, SYN, ACK, RST | ACK, RST))
        if isinstance(entry, Connection) and entry.orphan and dice.random() < 0.5:
            flags |= ACK
        seq = dice.choice((rcv_nxt, rcv_nxt, rcv_nxt, rcv_nxt - 1, rcv_nxt + 1, edge - 1, edge, edge + 1))
        if dice.random() < 0.3:
            seq = rcv_nxt + dice.choice((dice.randrange(-3000, max(1, edge - rcv_nxt) + 1), -(1 << 31), 1 << 31))
        ack = dice.choice((una, una, nxt, nxt, (una + nxt) // 2, una + 1, nxt + 1, una - 1, nxt + (1 << 31)))
        payload = b""
        if dice.random() < 0.6 and not flags & SYN:
            payload = dice.randbytes(dice.choice((1, 2, 100, 536, 1460, 1460, max(0, min(edge - rcv_nxt, 20_000)))))
        return segment(
            remote[1],
            local[1],
            seq,
            ack,
            flags,
            payload,
            window=dice.choice((0, 1, 100, 4096, 65535, 65535)),
            options=self._options(entry),
            urgent=dice.choice((0, 0, 1, 65535)),
            src=remote[0],
            mac=dice.choice(STRANGE_MACS),
        )

    def _options(self, entry: Connection | TimeWait) -> bytes:
        dice = self.dice
        kind = dice.random()
        recent = entry.ts_recent or 0
        stamped = entry.ts_recent is not None if isinstance(entry, TimeWait) else entry.stamped
        if stamped and kind < 0.9:
            ahead = dice.choice((0, 1, 1, 10, 10, 1000, -1, -1000, 1 << 31, (1 << 31) - 1))
            return emit_timestamp(recent + ahead & 0xFFFFFFFF, dice.getrandbits(32))
        if kind < 0.8:
            return b""
        if kind < 0.9:
            return dice.choice((b"\2\4\5\xb4", b"\2\4\0\0", b"\3\3\x0e\1", b"\4\2\1\1", b"\5\x0a" + bytes(10)))
        return dice.randbytes(4 * dice.randrange(11))

    def blind(self) -> bytes:
        """At the honest connection, whose numbers nobody but its ends knows."""
        dice = self.dice
        key = next((key for key in self.scene.stack.tcp.connections if key[2] == HONEST), None)
        if key is None:
            return self.sound()
        return segment(
            key[3],
            key[1],
            dice.getrandbits(32),
            dice.getrandbits(32),
            dice.choice(self.FLAGS),
            dice.randbytes(dice.randrange(100)),
            src=HONEST,
            mac=HONEST_MAC,
        )

    def shower(self) -> list[bytes]:
        """At one connection: segments with holes between them."""
        living = [entry for entry in self.population.entries() if entry.state is ESTABLISHED]
        if not living:
            return [self.aimed()]
        entry = self.dice.choice(living)
        assert isinstance(entry, Connection)
        local, remote = entry.local, entry.remote
        return [
            segment(
                remote[1],
                local[1],
                entry.receiver.rcv_nxt + 5 * number,
                entry.sender.snd_una,
                ACK,
                b"drop",
                options=self._options(entry),
                src=remote[0],
            )
            for number in range(1, 9)
        ]

    # sound to the last checksum

    def flood(self) -> list[bytes]:
        """A SYN flood."""
        dice = self.dice
        return [segment(dice.randrange(1, 2000), OPEN, number, 0, SYN, **self._from()) for number in range(30)]

    def sound(self) -> bytes:
        return self.dice.choice(self.KINDS)(self)

    def _from(self) -> dict[str, Any]:
        """Mostly a neighbour who may be one."""
        dice = self.dice
        index = dice.randrange(len(STRANGERS))
        where = {"src": STRANGERS[index], "mac": STRANGE_MACS[index]}
        chance = dice.random()
        if chance < 0.1:
            where["src"] = bytes((10, 0, 0, dice.randrange(100, 254)))
        elif chance < 0.2:
            where["src"] = dice.choice(NOWHERE)
        elif chance < 0.25:
            where["src"] = FAR
        if dice.random() < 0.06:
            where["dst"] = dice.choice((*NOWHERE, *GROUPS, STRANGERS[0]))
        if dice.random() < 0.06:
            where["to"] = dice.choice((*GROUP_MACS, OTHER_MAC))
        if dice.random() < 0.02:
            where["fragment"] = dice.choice((ip.MF, 5, ip.MF | 100, 0))
        return where

    def _ping(self) -> bytes:
        dice = self.dice
        size = dice.choice((0, 1, 56, 1400, 1472, 5000))
        kind = dice.choice((icmp.ECHO, icmp.ECHO, icmp.ECHO_REPLY))
        return echo(dice.randbytes(size), ident=dice.choice((5, 5, 6, 0)), kind=kind, **self._from())

    def _icmp(self) -> bytes:
        dice = self.dice
        message = icmp.emit(dice.randrange(256), dice.randrange(16), dice.getrandbits(32), dice.randbytes(40))
        return packet(message, ip.ICMP, **self._from())

    def _report(self) -> bytes:
        """An ICMP error about what the victim sent, or did not."""
        dice = self.dice
        where = self._from()
        if self.scene.wire.overheard and dice.random() < 0.5:
            about = dice.choice(self.scene.wire.overheard)[0]
        else:
            about = segment(OPEN, 2000, 1, 1, ACK, src=US, dst=where["src"])
        kind = dice.choice((3, 3, 3, 3, 4, 5, 11, 12))
        return icmp_error(kind, dice.randrange(16), about, rest=dice.choice((0, 68, 576, 1400, 65535)), **where)

    def _datagram(self) -> bytes:
        dice = self.dice
        port = dice.choice((53, 53, 54, 55, 0, 4000, dice.randrange(65536)))
        return datagram(dice.randbytes(dice.choice((0, 1, 500, 1472))), dice.choice((5000, 0, 7)), port, **self._from())

    def _knock(self) -> bytes:
        dice = self.dice
        port = dice.choice((OPEN, UNACCEPTED, 4000, 0))
        flags = dice.choice((SYN, SYN, SYN, ACK, SYN | ACK, RST, FIN, 255))
        options = dice.choice((b"", b"\2\4\5\xb4", b"\2\4\0\1\1\3\3\xff", dice.randbytes(4 * dice.randrange(11))))
        numbers = (dice.getrandbits(32), dice.getrandbits(32), flags, dice.randbytes(dice.choice((0, 0, 10))))
        return segment(dice.randrange(1, 2000), port, *numbers, options=options, **self._from())

    def _whole_handshake(self) -> bytes:
        """The last third of it, at a port where nobody accepts."""
        half = [entry for entry in self.population.entries() if entry.state is SYN_RECEIVED]
        if not half:
            return self._knock()
        entry = self.dice.choice(half)
        assert isinstance(entry, Connection)
        local, remote = entry.local, entry.remote
        numbers = (entry.receiver.rcv_nxt, entry.sender.snd_nxt, ACK)
        return segment(remote[1], local[1], *numbers, options=self._options(entry), src=remote[0])

    def _neighbour(self) -> bytes:
        dice = self.dice
        where = self._from()
        mac = dice.choice((where["mac"], where["mac"], OUR_MAC, ethernet.BROADCAST, bytes(6)))
        target = dice.choice((US, US, US, STRANGERS[0], bytes(4)))
        return asks(where["src"], target, mac) if dice.random() < 0.6 else answers(where["src"], target, mac)

    def _protocol(self) -> bytes:
        return packet(self.dice.randbytes(40), self.dice.randrange(18, 256), **self._from())

    def _ethertype(self) -> bytes:
        kind = self.dice.choice((0x86DD, 0x8100, 0x0600, 46, 0x88CC))
        return ethernet.emit(self.dice.choice((OUR_MAC, *GROUP_MACS)), OTHER_MAC, kind) + self.dice.randbytes(60)

    def _with_ip_options(self) -> bytes:
        """The IP header is longer than usual; its options say anything."""
        plain = self.dice.choice((Attacker._ping, Attacker._datagram, Attacker._knock))(self)
        extra = self.dice.randbytes(4 * self.dice.randrange(1, 11))
        return with_ip_header(plain, extra)

    def _fragment_of_aimed(self) -> bytes:
        frame = bytearray(self.aimed())
        frame[20:22] = self.dice.choice((b"\x20\0", b"\0\5", b"\x3f\xff"))
        return with_ip_header(bytes(frame), b"")

    KINDS = (
        _ping, _ping, _icmp, _report, _report, _datagram, _datagram, _knock, _knock, _whole_handshake, _neighbour,
        _neighbour, _protocol, _ethertype, _with_ip_options, _fragment_of_aimed,
    )  # fmt: skip

    # and the rest

    def broken(self) -> bytes:
        dice = self.dice
        chance = dice.random()
        if chance < 0.1:
            return dice.randbytes(dice.randrange(100))
        if chance < 0.2:
            kind = dice.choice((ethernet.IP, ethernet.ARP))
            return ethernet.emit(OUR_MAC, OTHER_MAC, kind) + dice.randbytes(dice.randrange(120))
        if chance < 0.3:
            protocol = dice.choice((ip.ICMP, ip.TCP, ip.UDP))
            return packet(dice.randbytes(dice.randrange(60)), protocol, src=dice.choice(STRANGERS))
        frame = bytearray(self.aimed() if dice.random() < 0.5 else self.sound())
        if chance < 0.7:
            for _ in range(dice.randrange(1, 5)):
                frame[dice.randrange(min(len(frame), 80))] = dice.randrange(256)
            if dice.random() < 0.5:  # deeper in: all checksums are made right again, lengths and offsets are not
                return with_checksums(bytes(frame))
        elif chance < 0.9:
            del frame[dice.randrange(len(frame)) :]
        else:
            start = dice.randrange(len(frame))
            frame[start : start + dice.randrange(20)] = dice.randbytes(dice.randrange(20))
        return bytes(frame)


def with_ip_header(frame: bytes, extra: bytes) -> bytes:
    """The same packet under a header with these options, its checksum right."""
    header = bytearray(frame[14:34])
    header[0] = 0x45 + len(extra) // 4
    header[2:4] = min(len(frame) - 14 + len(extra), 65535).to_bytes(2, "big")
    header[10:12] = b"\0\0"
    header += extra
    header[10:12] = (-int.from_bytes(header, "big") % 65535).to_bytes(2, "big")
    return frame[:14] + bytes(header) + frame[34:]


def with_checksums(frame: bytes) -> bytes:
    """Right checksums wherever the headers, taken at their word, leave room for them."""
    from netif.wire.checksum import complete, partial_sum, pseudo_header

    if len(frame) < 54 or frame[12:14] != b"\x08\0":
        return frame
    changed = bytearray(frame)
    start = 14 + (frame[14] & 15) * 4
    if 34 <= start < len(frame) - 8:
        changed[24:26] = b"\0\0"
        changed[24:26] = complete(partial_sum(bytes(changed[14:start]))).to_bytes(2, "big")
        end = min(14 + int.from_bytes(frame[16:18], "big"), len(frame))
        at = {ip.ICMP: 2, ip.TCP: tcp.CHECKSUM_OFFSET, ip.UDP: udp.CHECKSUM_OFFSET}.get(frame[23])
        if at is not None and start + at + 2 <= end:
            changed[start + at : start + at + 2] = b"\0\0"
            pseudo = 0 if frame[23] == ip.ICMP else pseudo_header(frame[26:30], frame[30:34], frame[23], end - start)
            checksum = complete(partial_sum(bytes(changed[start:end])) + pseudo)
            changed[start + at : start + at + 2] = checksum.to_bytes(2, "big")
    return bytes(changed)

