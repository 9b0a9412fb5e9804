"""A wire with a kernel's TCP, UDP and ICMP at its other end, as far as counting our bytecodes needs one.

What we transmit is answered at once, from inside `transmit`, with the frames that Linux would send: timestamps, super-
frames with PARTIAL checksums, an ACK a super-frame. So one thread in a blocking call always finds its answer waiting,
and a run is the same every time. The clock moves with the frames, never by itself. No loss, no checks, one address.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

from netif.link import Buffer, LinkCaps, Offload, Port
from tapio.wire import grant
from tests.bench.bare import window_scale

US, PEER, PREFIX = "192.168.5.100", "192.168.5.1", 24
OURS, THEIRS = bytes((192, 168, 5, 100)), bytes((192, 168, 5, 1))
MAC = bytes.fromhex("02ba4e0000fe")
MSS = 1448  # 1460 less timestamps
SUPER = 45 * MSS  # what Linux puts into a super-frame
IN_FLIGHT = 8  # super-frames on their way to us
WINDOW, SCALE = 0x7FFF, 7  # 4 MB
TICK = 1e-5  # seconds a frame
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

ARP = Struct("!6s6sHHHBBH6s4s6s4s")
IP = Struct("!6s6sHBBHHHBBH4s4s")  # with the Ethernet header
TCP = Struct("!HHIIHHHH")
UDP = Struct("!HHHH")
STAMPS = Struct("!BBBBII")  # NOP NOP, timestamps
SYN_OPTIONS = Struct("!BBHBBBBIIBBBB")  # MSS, SACK permitted, timestamps, NOP, window scale
PARTIAL_TCP, SUPER_TCP = Offload(1, 34, 16), Offload(1, 34, 16, MSS)
PARTIAL_UDP, VALID = Offload(1, 34, 6), Offload(2)


class Segment(NamedTuple):
    """One that we sent, as the peer sees it."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    length: int
    window: int  # scaled, but in a SYN
    scale: int  # in a SYN
    tsval: int


def folded(data: bytes, total: int = 0) -> int:
    return (total + int.from_bytes(data, "big")) % 65535


class Wire:
    """A driver. `heard` is told each TCP segment, and of each datagram the ports."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.settled = threading.Event()  # the runtime's background thread will not lead any more
        self.heard: Callable[[Segment], None] = lambda segment: None
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._inbox: deque[tuple[bytes, Offload | None]] = deque()
        self._mac = bytes(6)

    # the driver

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._mac = want.mac
        return grant(want)

    def fileno(self) -> int | None:
        return self._event if self._event >= 0 else None

    def wants_write(self) -> bool:
        return False

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        if not self._inbox:
            return None
        self.time += TICK
        frame = self._inbox.popleft()
        if not self._inbox:
            os.eventfd_read(self._event)
        return frame

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        self.time += TICK
        head = buffers[0] if len(buffers[0]) >= 66 or len(buffers) == 1 else b"".join(buffers)
        if head[12:14] == b"\x08\x06":
            self._arp(head)
        elif head[23] == 6:
            self._segment(head)
        elif head[23] == 17:
            sport, dport, _, _ = UDP.unpack_from(head, 34)
            self.heard(Segment(sport, dport, 0, 0, 0, 0, 0, 0, 0))
        return True

    def advance(self, now: float) -> None:
        pass

    def close(self) -> None:
        event, self._event = self._event, -1
        if event >= 0:
            os.close(event)

    # what the peer hears

    def _arp(self, frame: Buffer) -> None:
        _, _, _, _, _, _, _, operation, asker, spa, _, tpa = ARP.unpack_from(frame, 0)
        if operation == 1 and tpa == THEIRS:
            self._put(ARP.pack(asker, MAC, 0x0806, 1, 0x0800, 6, 4, 2, MAC, THEIRS, asker, spa), None)

    def _segment(self, frame: Buffer) -> None:
        length = int.from_bytes(frame[16:18], "big")
        sport, dport, seq, ack, offset_flags, window, _, _ = TCP.unpack_from(frame, 34)
        header = offset_flags >> 12 << 2
        scale = window_scale(bytes(frame), 0) if offset_flags & SYN else 0
        tsval = STAMPS.unpack_from(frame, 54)[4] if header == 32 else 0
        length -= 20 + header
        self.heard(Segment(sport, dport, seq, ack, offset_flags & 0xFF, length, window, scale, tsval))

    # what the peer says

    def _put(self, frame: bytes, offload: Offload | None) -> None:
        if not self._inbox:
            os.eventfd_write(self._event, 1)
        self._inbox.append((frame, offload))

    def _ip(self, protocol: int, length: int) -> bytes:
        total = 20 + length
        checksum = 65535 - (0x4500 + total + 0x4000 + 0x4000 + protocol + folded(OURS + THEIRS)) % 65535
        return IP.pack(self._mac, MAC, 0x0800, 0x45, 0, total, 0, 0x4000, 64, protocol, checksum, THEIRS, OURS)

    def tcp(self, sport: int, dport: int, seq: int, ack: int, flags: int, options: bytes, payload: bytes = b"") -> None:
        """Below 256 bytes with its checksum, as Linux sends it over a wire that has vouched; above, PARTIAL."""
        length = 20 + len(options) + len(payload)
        offset_flags = (20 + len(options)) << 10 | flags
        pseudo = (folded(OURS + THEIRS) + 6 + length) % 65535
        header = TCP.pack(sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset_flags, WINDOW, pseudo, 0)
        offload = SUPER_TCP if len(payload) > MSS else PARTIAL_TCP
        self._put(b"".join((self._ip(6, length), header, options, payload)), offload)

    def udp(self, sport: int, dport: int, payload: bytes) -> None:
        length = 8 + len(payload)
        pseudo = (folded(OURS + THEIRS) + 17 + length) % 65535
        self._put(self._ip(17, length) + UDP.pack(sport, dport, length, pseudo) + payload, PARTIAL_UDP)

    def ping(self, sequence: int, payload: bytes = bytes(56)) -> None:
        head = (8, 0, 1, sequence & 0xFFFF)
        checksum = 65535 - (0x0800 + 1 + head[3] + folded(payload)) % 65535
        message = UDP.pack(0x0800, checksum, 1, head[3]) + payload
        self._put(self._ip(1, len(message)) + message, None)

    def stamp(self) -> int:
        """The peer's timestamp clock, in milliseconds."""
        return int(self.time * 1000) & 0xFFFFFFFF


class Client:
    """One connection of the peer's to a port of ours; what it does then, its subclass says."""

    def __init__(self, wire: Wire, port: int) -> None:
        self.wire = wire
        self.port = port
        self.sport = 40000
        self.tsecr = 0
        self.seq = self.una = self.rcv_nxt = 0
        self.limit = self.scale = 0  # right edge of our window, and how it is scaled
        wire.heard = self.heard

    def open(self) -> None:
        self.sport = 40000 + (self.sport + 1) % 20000
        self.seq = self.una = 0x10000
        self.rcv_nxt = 0
        options = SYN_OPTIONS.pack(2, 4, 1460, 4, 2, 8, 10, self.wire.stamp(), 0, 1, 3, 3, SCALE)
        self.wire.tcp(self.sport, self.port, self.seq, 0, SYN, options)
        self.seq += 1

    def say(self, flags: int = ACK, payload: bytes = b"") -> None:
        options = STAMPS.pack(1, 1, 8, 10, self.wire.stamp(), self.tsecr)
        self.wire.tcp(self.sport, self.port, self.seq, self.rcv_nxt, flags, options, payload)
        self.seq += len(payload) + (flags & FIN)

    def heard(self, segment: Segment) -> None:
        if segment.dport != self.sport:
            return
        self.tsecr = segment.tsval or self.tsecr
        acknowledged = segment.ack - self.una & 0xFFFFFFFF
        self.una += acknowledged
        if segment.flags & SYN:
            self.rcv_nxt, self.scale = segment.seq + 1, segment.scale
            self.limit = self.una + segment.window
            self.say()
            self.established()
            return
        self.limit = self.una + (segment.window << self.scale)
        self.rcv_nxt += segment.length + (segment.flags & FIN)
        self.arrived(segment, acknowledged)

    def established(self) -> None:
        pass

    def arrived(self, segment: Segment, acknowledged: int) -> None:
        pass


def scene(wire: Wire, **options: Any) -> tuple[Any, Any]:
    """(stack, netif) on a clock that only frames move, where the background thread dozes for an hour: else it would
    lead whenever tracing is slower than its patience."""
    from netif import Netif, Stack
    from netif.runtime.threaded import ThreadedRuntime

    runtime = ThreadedRuntime(seed=1, clock=lambda: wire.time, new_lock=lambda: PatientLock(wire.settled))
    host = Stack("host", runtime=runtime, **options)
    return host, Netif(wire, stack=host, ip=f"{US}/{PREFIX}")


class PatientLock:
    """As a lock of threads, but its time-outs take an hour; says when the background thread has come to sleep there."""

    def __init__(self, settled: threading.Event) -> None:
        self._lock = threading.Lock()
        self._settled = settled
        self.release = self._lock.release

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout > 0 and threading.current_thread().daemon:
            self._settled.set()
        return self._lock.acquire(blocking, -1 if timeout < 0 else 3600.0)
