"""The bare responder: what CPython can do on a TAP when it does nothing else.

A hard-coded loop, not a stack: one address, TCP and UDP echo, and what program.py calls READ and WRITE. No checks, no
congestion window, no retransmission but a step back on three duplicate ACKs, or where none come any more. The distance
between it and our stack is the price of being a stack. With --plain, on a TAP without offload: frames of an MTU at
most, whose checksums it verifies and completes.
`python -m tests.bench.bare --netns NS --tap NAME --ip 192.168.5.100 [--cpu N] [--plain]`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import socket
import struct
from typing import Any

from netif.wire import Buffer
from netif.wire.checksum import partial_sum
from tests.bench.client import ECHO, READ, TALK, WRITE
from tests.host.namespaces import in_netns

TAP, NAPI, NO_PI, VNET_HDR = 0x0002, 0x0010, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
OFFLOAD = 0x6F  # CSUM TSO4 TSO6 TSO_ECN USO4 USO6

MSS = 1460
SUPER = 44 * MSS  # payload of the largest super-frame
SCALE = 7
WINDOW = 0x7FFF  # << SCALE: 4 MB
TICK = 0.2  # seconds without an ACK, after which the last frames are sent again
HELD = 8  # frames that one ACK may answer, while more are waiting
MAC = bytes.fromhex("02ba4e000001")

VNET = struct.Struct("<BBHHHH")  # flags gso_type hdr_len gso_size csum_start csum_offset
IP_TCP = struct.Struct("!BBHHHBBH4s4sHHIIBBHH")  # up to the checksum; the urgent pointer follows
TAIL = struct.Struct("!IIBBHHH")  # seq ack offset flags window checksum urgent
TO_SMALL = VNET.pack(1, 0, 54, 0, 34, 16)
TO_SUPER = VNET.pack(1, 1, 54, MSS, 34, 16)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def open_tap(name: str, plain: bool = False) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    flags = TAP | NAPI | NO_PI | (0 if plain else VNET_HDR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    if not plain:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", 10))
        fcntl.ioctl(fd, TUNSETOFFLOAD, OFFLOAD)
    return fd


def ones_sum(data: bytes) -> int:
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def fold(total: int) -> int:
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


class Connection:
    """Only what the three services need."""

    largest = SUPER  # payload of one frame
    vnet_small, vnet_super = TO_SMALL, TO_SUPER

    def __init__(self, link: bytes, ours: bytes, theirs: bytes, sport: int, dport: int) -> None:
        self.pseudo = ones_sum(ours + theirs) + 6
        self.ip_sum = 0x4500 + 0x4000 + 0x4006 + ones_sum(ours + theirs)
        self.before = link, ours, theirs, sport, dport
        self.port = sport
        self.echoes = sport in (ECHO, TALK)
        self.rcv_nxt = self.snd_una = self.snd_nxt = 0
        self.limit = 0  # right edge of the peer's window
        self.peer_scale = 0
        self.held = 0  # frames that no ACK has answered yet
        self.duplicates = 0
        self.recover = 0
        self.ticked = 0  # where snd_una was at the last tick
        self.small = self.head(40)
        self.super = self.head(40 + self.largest)

    def head(self, length: int) -> bytes:
        """Everything before the sequence number, for one total length."""
        vnet = self.vnet_small if length <= 40 + MSS else self.vnet_super
        link, ours, theirs, sport, dport = self.before
        checksum = ~fold(self.ip_sum + length) & 0xFFFF
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, 6, checksum, ours, theirs)
        return vnet + link + ip + struct.pack("!HH", sport, dport)

    def tail(self, seq: int, flags: int, payload: Buffer = b"") -> bytes:
        return TAIL.pack(
            seq & 0xFFFFFFFF, self.rcv_nxt, 0x50, flags, WINDOW, fold(self.pseudo + 20 + len(payload)), 0
        )  # the checksum field holds the pseudo sum: whoever needs it whole completes it

    def syn(self, options: bytes) -> bytes:
        return TAIL.pack(0, self.rcv_nxt, 0x70, SYN | ACK, 0xFFFF, fold(self.pseudo + 20 + len(options)), 0) + options

    def reset(self, seq: int) -> bytes:
        return TAIL.pack(seq, 0, 0x50, RST, 0, fold(self.pseudo + 20), 0)


class PlainConnection(Connection):
    """On a wire without offload."""

    largest = MSS
    vnet_small = vnet_super = b""

    def __init__(self, link: bytes, ours: bytes, theirs: bytes, sport: int, dport: int) -> None:
        super().__init__(link, ours, theirs, sport, dport)
        self.out = self.pseudo + sport + dport + 20 + 0x5000 + WINDOW

    def tail(self, seq: int, flags: int, payload: Buffer = b"") -> bytes:
        seq &= 0xFFFFFFFF
        total = self.out + len(payload) + seq + self.rcv_nxt + flags
        if payload:
            total += partial_sum(payload)
        return TAIL.pack(seq, self.rcv_nxt, 0x50, flags, WINDOW, -total % 65535, 0)

    def syn(self, options: bytes) -> bytes:
        total = self.out - WINDOW + 0xFFFF + 0x2000 + len(options) + self.rcv_nxt + (SYN | ACK) + ones_sum(options)
        return TAIL.pack(0, self.rcv_nxt, 0x70, SYN | ACK, 0xFFFF, -total % 65535, 0) + options

    def reset(self, seq: int) -> bytes:
        return TAIL.pack(seq, 0, 0x50, RST, 0, -(self.out - WINDOW + seq + RST) % 65535, 0)


class Responder:
    """One TAP, one address, one loop."""

    def __init__(self, fd: int, ip: str, plain: bool = False) -> None:
        self.fd = fd
        self.ip = socket.inet_aton(ip)
        self.plain = plain
        self.kind = PlainConnection if plain else Connection
        self.front = 0 if plain else 10  # bytes before the Ethernet header, of the ten that have room in the buffer
        self.connections: dict[tuple[bytes, int, int], Connection] = {}
        self.pattern = os.urandom(self.kind.largest)
        signal.signal(signal.SIGALRM, self.tick)

    def run(self) -> None:
        fd, buffer = self.fd, bytearray(10 + 14 + 65536)
        view = memoryview(buffer)
        connections, unpack = self.connections, IP_TCP.unpack_from
        into, skipped, plain = [view[10 - self.front :]], 10 - self.front, self.plain
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poll = poller.poll
        readv, writev, write = os.readv, os.writev, os.write
        while True:
            n = readv(fd, into) + skipped
            if buffer[22:24] != b"\x08\x00":
                self.arp(buffer, n)
                continue
            _, _, total, _, _, _, protocol, _, src, dst, sport, dport, seq, ack, offset, flags, window, _ = unpack(
                buffer, 24
            )
            if dst != self.ip:
                continue
            if protocol == 17:
                self.udp(view, n, src, sport, dport, total)
                continue
            if protocol != 6:
                continue
            c = connections.get((src, sport, dport))
            if c is None or flags & (SYN | RST):
                self.unusual(buffer, src, sport, dport, seq, ack, flags)
                continue
            if plain and (c.pseudo + total - 20 + partial_sum(view[44 : 24 + total])) % 65535:
                continue
            start = 44 + (offset >> 2)
            length = 24 + total - start
            if c.port == WRITE:
                self.pour(c, ack, window << c.peer_scale)
                if flags & FIN:
                    c.rcv_nxt = (seq + length + 1) & 0xFFFFFFFF
                    write(fd, c.small + c.tail(c.snd_nxt, FIN | ACK))
                continue
            if length:
                if seq == c.rcv_nxt:
                    c.rcv_nxt = (seq + length) & 0xFFFFFFFF
                    if c.echoes:
                        data = view[start : start + length]
                        writev(fd, (c.head(40 + length), c.tail(c.snd_nxt, PSH | ACK, data), data))
                        c.snd_nxt += length
                    elif not flags & FIN:
                        c.held += 1
                        if c.held == HELD or not poll(0):
                            c.held = 0
                            write(fd, c.small + c.tail(c.snd_nxt, ACK))
                else:
                    write(fd, c.small + c.tail(c.snd_nxt, ACK))
            if flags & FIN and (seq + length) & 0xFFFFFFFF == c.rcv_nxt:
                c.rcv_nxt = (c.rcv_nxt + 1) & 0xFFFFFFFF
                write(fd, c.small + c.tail(c.snd_nxt, FIN | ACK))
                del connections[src, sport, dport]

    def pour(self, c: Connection, ack: int, window: int) -> None:
        """Fill the window with super-frames."""
        una = c.snd_una
        advanced = (ack - una) & 0xFFFFFFFF
        if advanced < 0x80000000 and advanced:
            una = c.snd_una = una + advanced
            c.duplicates = 0
        elif una + window == c.limit and c.snd_nxt > una >= c.recover:
            c.duplicates += 1
            if c.duplicates == 3:
                c.duplicates, c.recover, c.snd_nxt = 0, c.snd_nxt, una
        c.limit = una + window
        self.fill(c)

    def fill(self, c: Connection) -> None:
        una, size = c.snd_una, c.largest
        c.snd_nxt = max(c.snd_nxt, una)
        room = (min(c.limit, una + (1 << 19)) if self.plain else c.limit) - size  # more only overflows what has no GSO
        fd, head, tail, pattern, writev = self.fd, c.super, c.tail, self.pattern, os.writev
        while c.snd_nxt <= room:
            writev(fd, (head, tail(c.snd_nxt, PSH | ACK, pattern), pattern))
            c.snd_nxt += size
        if c.snd_nxt == una < c.limit:  # a window that has no room for one, and nothing in flight that would open it
            part = pattern[: c.limit - una]
            writev(fd, (c.head(40 + len(part)), tail(una, PSH | ACK, part), part))
            c.snd_nxt += len(part)

    def tick(self, _signal: int, _frame: Any) -> None:
        """Where nothing was acknowledged since the last one, the last frames were lost: go back."""
        pouring = [c for c in self.connections.values() if c.port == WRITE]
        for c in pouring:
            if c.snd_una == c.ticked < c.snd_nxt:
                c.snd_nxt = c.snd_una
                self.fill(c)
            c.ticked = c.snd_una
        if not pouring:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def unusual(self, frame: bytearray, src: bytes, sport: int, dport: int, seq: int, ack: int, flags: int) -> None:
        """SYN opens, RST forgets, anything else that we do not know is reset (but for the last ACK of a close)."""
        if flags & RST:
            self.connections.pop((src, sport, dport), None)
            return
        link = bytes(frame[16:22]) + MAC + b"\x08\x00"
        c = self.kind(link, self.ip, src, dport, sport)
        if flags & SYN and dport in (ECHO, TALK, READ, WRITE):
            c.rcv_nxt = (seq + 1) & 0xFFFFFFFF
            options = struct.pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, SCALE)
            os.write(self.fd, c.head(48) + c.syn(options))
            c.snd_una = c.snd_nxt = 1
            c.peer_scale = window_scale(frame)
            self.connections[src, sport, dport] = c
            if dport == WRITE:
                signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        elif not flags & FIN and flags != ACK:
            os.write(self.fd, c.small + c.reset(ack))

    def udp(self, frame: memoryview, n: int, src: bytes, sport: int, dport: int, total: int) -> None:
        if dport != ECHO:
            return
        length = total - 20
        link = bytes(frame[16:22]) + MAC + b"\x08\x00"
        checksum = fold(ones_sum(self.ip + src) + 17 + length)
        if self.plain:
            words = checksum + sport + dport + length + partial_sum(frame[52 : 24 + total])
            checksum = -words % 65535 or 65535
        total_sum = 0x4500 + total + 0x4000 + 0x4011 + ones_sum(self.ip + src)
        head = (b"" if self.plain else VNET.pack(1, 0, 42, 0, 34, 6)) + link + struct.pack(
            "!BBHHHBBH4s4sHHHH", 0x45, 0, total, 0, 0x4000, 64, 17, ~fold(total_sum) & 0xFFFF, self.ip, src,
            dport, sport, length, checksum,
        )  # fmt: skip
        os.writev(self.fd, (head, frame[52:n]))

    def arp(self, frame: bytearray, n: int) -> None:
        if frame[22:24] == b"\x08\x06" and frame[48:52] == self.ip:
            asker = bytes(frame[32:42])
            reply = asker[:6] + MAC + bytes.fromhex("08060001080006040002") + MAC + self.ip + asker
            os.write(self.fd, bytes(self.front) + reply)


def window_scale(frame: bytes | bytearray, front: int = 10) -> int:
    """From a SYN's options; `front` bytes (a virtio-net header) stand before the Ethernet header."""
    at, end = front + 54, front + 34 + (frame[front + 46] >> 2)
    while at < end and frame[at]:
        if frame[at] == 3:
            return frame[at + 2]
        at += 1 if frame[at] == 1 else frame[at + 1]
    return 0


def main(argv: list[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--netns", required=True)
    parser.add_argument("--tap", default="tap0")
    parser.add_argument("--ip", default="192.168.5.100")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    fd = in_netns(options.netns, lambda: open_tap(options.tap, options.plain))
    print("ready", flush=True)
    Responder(fd, options.ip, options.plain).run()


if __name__ == "__main__":
    main()
