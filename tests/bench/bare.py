"""The bare responder: what CPython can do on a TAP when it does nothing else.

A hard-coded loop, not a stack: one address, TCP echo 7, discard 9 and chargen 19, UDP echo 7. No timers, no checks, no
congestion window, no retransmission but a step back on three duplicate ACKs. The distance between it and our stack is
the price of being a stack. `python -m tests.bench.bare --netns NS --tap NAME --ip 192.168.5.100 [--cpu N]`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import socket
import struct
from typing import Any

from tests.host.namespaces import in_netns

TAP, NAPI, NO_PI, VNET_HDR = 0x0002, 0x0010, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
OFFLOAD = 0x6F  # CSUM TSO4 TSO6 TSO_ECN USO4 USO6

MSS = 1460
SUPER = 44 * MSS  # payload of the largest super-frame
SCALE = 7
WINDOW = 0x7FFF  # << SCALE: 4 MB
HELD = 8  # frames that one ACK may answer, while more are waiting
MAC = bytes.fromhex("02ba4e000001")

VNET = struct.Struct("<BBHHHH")  # flags gso_type hdr_len gso_size csum_start csum_offset
IP_TCP = struct.Struct("!BBHHHBBH4s4sHHIIBBHH")  # up to the checksum; the urgent pointer follows
TAIL = struct.Struct("!IIBBHHH")  # seq ack offset flags window checksum urgent
TO_SMALL = VNET.pack(1, 0, 54, 0, 34, 16)
TO_SUPER = VNET.pack(1, 1, 54, MSS, 34, 16)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def open_tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP | NAPI | NO_PI | VNET_HDR))
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

    def __init__(self, link: bytes, ours: bytes, theirs: bytes, sport: int, dport: int) -> None:
        self.pseudo = ones_sum(ours + theirs) + 6
        self.ip_sum = 0x4500 + 0x4000 + 0x4006 + ones_sum(ours + theirs)
        self.before = link, ours, theirs, sport, dport
        self.port = sport
        self.rcv_nxt = self.snd_una = self.snd_nxt = 0
        self.limit = 0  # right edge of the peer's window
        self.peer_scale = 0
        self.held = 0  # frames that no ACK has answered yet
        self.duplicates = 0
        self.recover = 0
        self.small = self.head(TO_SMALL, 40)
        self.super = self.head(TO_SUPER, 40 + SUPER)

    def head(self, vnet: bytes, length: int) -> bytes:
        """Everything before the sequence number, for one total length."""
        link, ours, theirs, sport, dport = self.before
        checksum = ~fold(self.ip_sum + length) & 0xFFFF
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, 6, checksum, ours, theirs)
        return vnet + link + ip + struct.pack("!HH", sport, dport)

    def tail(self, seq: int, flags: int, payload: int) -> bytes:
        return TAIL.pack(
            seq & 0xFFFFFFFF, self.rcv_nxt, 0x50, flags, WINDOW, fold(self.pseudo + 20 + payload), 0
        )  # the checksum field holds the pseudo sum: whoever needs it whole completes it


class Responder:
    """One TAP, one address, one loop."""

    def __init__(self, fd: int, ip: str) -> None:
        self.fd = fd
        self.ip = socket.inet_aton(ip)
        self.connections: dict[tuple[bytes, int, int], Connection] = {}
        self.pattern = os.urandom(SUPER)

    def run(self) -> None:
        fd, buffer = self.fd, bytearray(10 + 14 + 65536)
        view = memoryview(buffer)
        connections, unpack = self.connections, IP_TCP.unpack_from
        into = [buffer]
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poll = poller.poll
        readv, writev, write = os.readv, os.writev, os.write
        while True:
            n = readv(fd, into)
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
            start = 44 + (offset >> 2)
            length = 24 + total - start
            if c.port == 19:
                self.pour(c, ack, window << c.peer_scale)
                if flags & FIN:
                    c.rcv_nxt = (seq + length + 1) & 0xFFFFFFFF
                    write(fd, c.small + c.tail(c.snd_nxt, FIN | ACK, 0))
                continue
            if length:
                if seq == c.rcv_nxt:
                    c.rcv_nxt = (seq + length) & 0xFFFFFFFF
                    if c.port == 7:
                        head = c.head(TO_SMALL if length <= MSS else TO_SUPER, 40 + length)
                        writev(fd, (head, c.tail(c.snd_nxt, PSH | ACK, length), view[start : start + length]))
                        c.snd_nxt += length
                    elif not flags & FIN:
                        c.held += 1
                        if c.held == HELD or not poll(0):
                            c.held = 0
                            write(fd, c.small + c.tail(c.snd_nxt, ACK, 0))
                else:
                    write(fd, c.small + c.tail(c.snd_nxt, ACK, 0))
            if flags & FIN and (seq + length) & 0xFFFFFFFF == c.rcv_nxt:
                c.rcv_nxt = (c.rcv_nxt + 1) & 0xFFFFFFFF
                write(fd, c.small + c.tail(c.snd_nxt, FIN | ACK, 0))
                del connections[src, sport, dport]

    def pour(self, c: Connection, ack: int, window: int) -> None:
        """Chargen: fill the window with super-frames."""
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
        room = c.limit - SUPER
        fd, head, tail, pattern, writev = self.fd, c.super, c.tail, self.pattern, os.writev
        while c.snd_nxt <= room:
            writev(fd, (head, tail(c.snd_nxt, PSH | ACK, SUPER), pattern))
            c.snd_nxt += SUPER

    def unusual(self, frame: bytearray, src: bytes, sport: int, dport: int, seq: int, ack: int, flags: int) -> None:
        """SYN opens, RST forgets, anything else that we do not know is reset (but for the last ACK of a close)."""
        if flags & RST:
            self.connections.pop((src, sport, dport), None)
            return
        link = bytes(frame[16:22]) + MAC + b"\x08\x00"
        c = Connection(link, self.ip, src, dport, sport)
        if flags & SYN and dport in (7, 9, 19):
            c.rcv_nxt = (seq + 1) & 0xFFFFFFFF
            options = struct.pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, SCALE)
            tail = TAIL.pack(0, c.rcv_nxt, 0x70, SYN | ACK, 0xFFFF, fold(c.pseudo + 28), 0)
            os.write(self.fd, c.head(TO_SMALL, 48) + tail + options)
            c.snd_una = c.snd_nxt = 1
            c.peer_scale = window_scale(frame)
            self.connections[src, sport, dport] = c
        elif not flags & FIN and flags != ACK:
            os.write(self.fd, c.small + TAIL.pack(ack, 0, 0x50, RST, 0, fold(c.pseudo + 20), 0))

    def udp(self, frame: memoryview, n: int, src: bytes, sport: int, dport: int, total: int) -> None:
        if dport != 7:
            return
        length = total - 20
        link = bytes(frame[16:22]) + MAC + b"\x08\x00"
        total_sum = 0x4500 + total + 0x4000 + 0x4011 + ones_sum(self.ip + src)
        head = VNET.pack(1, 0, 42, 0, 34, 6) + link + struct.pack(
            "!BBHHHBBH4s4sHHHH", 0x45, 0, total, 0, 0x4000, 64, 17, ~fold(total_sum) & 0xFFFF, self.ip, src,
            dport, sport, length, fold(ones_sum(self.ip + src) + 17 + length),
        )  # fmt: skip
        os.writev(self.fd, (head, frame[52:n]))

    def arp(self, frame: bytearray, n: int) -> None:
        if frame[22:24] == b"\x08\x06" and frame[48:52] == self.ip:
            asker = bytes(frame[32:42])
            reply = asker[:6] + MAC + bytes.fromhex("08060001080006040002") + MAC + self.ip + asker
            os.write(self.fd, bytes(10) + reply)


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
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    fd = in_netns(options.netns, lambda: open_tap(options.tap))
    print("ready", flush=True)
    Responder(fd, options.ip).run()


if __name__ == "__main__":
    main()
