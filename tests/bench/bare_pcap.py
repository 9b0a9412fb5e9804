"""The bare responder on libpcap: what CPython can do there when it does nothing else.

A hard-coded loop, not a stack, as `bare` is on a TAP: what program.py calls READ and WRITE, at one address. It believes
every checksum, completes those of what it sends, and steps back on three duplicate ACKs.
`python -m tests.bench.bare_pcap --netns NS --interface v0 --ip 10.77.0.1 [--cpu N]`.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import struct
from typing import Any

import cypcap

from netif.wire.checksum import partial_sum
from tests.bench.bare import (
    ACK,
    FIN,
    IP_TCP,
    MAC,
    MSS,
    PSH,
    RST,
    SCALE,
    SYN,
    TAIL,
    WINDOW,
    fold,
    ones_sum,
    window_scale,
)
from tests.bench.client import READ, WRITE
from tests.host.namespaces import in_netns

HELD = 8  # frames that one ACK may answer, while more are waiting
RING = 32 << 20  # bytes


def open_pcap(interface: str) -> Any:
    handle = cypcap.create(interface)
    handle.set_pre_config(snaplen=65553, promisc=True, immediate_mode=True, buffer_size=RING)
    handle.activate()
    handle.set_config(direction=cypcap.Direction.IN, nonblock=True)
    handle.setfilter(f"ether dst {MAC.hex(':')} or ether broadcast", netmask=cypcap.NETMASK_UNKNOWN)
    return handle


class Connection:
    """Only what the two services need."""

    def __init__(self, link: bytes, ours: bytes, theirs: bytes, sport: int, dport: int) -> None:
        self.ports = struct.pack("!HH", sport, dport)
        self.addresses = ours + theirs
        self.port = sport
        self.link = link
        self.pseudo = ones_sum(self.addresses) + 6 + sport + dport
        self.rcv_nxt = self.snd_una = self.snd_nxt = 0
        self.early: dict[int, int] = {}  # sequence number: length
        self.limit = self.duplicates = self.recover = self.peer_scale = self.held = 0
        self.heads = {length: self.head(length) for length in (40, 40 + MSS)}

    def takes(self, seq: int, length: int) -> bool:
        """Whether it is what comes next; what comes early is remembered: a veth reorders."""
        ahead = (seq - self.rcv_nxt + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if ahead > 0:
            self.early[seq] = length
            return False
        if ahead + length <= 0:
            return False
        self.rcv_nxt = self.rcv_nxt + ahead + length & 0xFFFFFFFF
        while self.early:
            seq = min(self.early, key=lambda early: early - self.rcv_nxt + 0x80000000 & 0xFFFFFFFF)
            ahead = (seq - self.rcv_nxt + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if ahead > 0:
                break
            self.rcv_nxt = self.rcv_nxt + max(0, ahead + self.early.pop(seq)) & 0xFFFFFFFF
        return True

    def head(self, length: int) -> bytes:
        checksum = ~fold(0x4500 + length + 0x4000 + 0x4006 + ones_sum(self.addresses)) & 0xFFFF
        ip = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, 6, checksum)
        return self.link + ip + self.addresses + self.ports

    def segment(self, seq: int, flags: int, payload: bytes = b"", offset: int = 0x50, options: bytes = b"") -> bytes:
        length = 20 + len(options) + len(payload)
        total = self.pseudo + length + seq + self.rcv_nxt + (offset << 8 | flags) + WINDOW
        total += (ones_sum(options) if options else 0) + (partial_sum(payload) if payload else 0)
        tail = TAIL.pack(seq & 0xFFFFFFFF, self.rcv_nxt, offset, flags, WINDOW, -total % 65535, 0)
        return (self.heads.get(20 + length) or self.head(20 + length)) + tail + options + payload


class Responder:
    """One interface, one address, one loop."""

    def __init__(self, handle: Any, ip: str) -> None:
        self.handle, self.inject = handle, handle.inject
        self.ip = socket.inet_aton(ip)
        self.connections: dict[tuple[bytes, int, int], Connection] = {}
        self.pattern = os.urandom(MSS)

    def run(self) -> None:
        handle, inject, connections = self.handle, self.inject, self.connections
        poller = select.poll()
        poller.register(handle.get_selectable_fd(), select.POLLIN)
        owed: dict[Connection, None] = {}
        unpack = IP_TCP.unpack_from
        while True:
            header, frame = next(handle)
            if header is None:
                for c in owed:
                    c.held = 0
                    inject(c.segment(c.snd_nxt, ACK))
                owed.clear()
                poller.poll()
                continue
            if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[30:34] != self.ip:
                self.arp(frame)
                continue
            _, _, total, _, _, _, _, _, src, _, sport, dport, seq, ack, offset, flags, window, _ = unpack(frame, 14)
            c = connections.get((src, sport, dport))
            if c is None or flags & (SYN | RST):
                self.unusual(frame, src, sport, dport, seq, flags)
                continue
            length = total - 20 - (offset >> 2)
            if c.port == WRITE:
                self.pour(c, ack, window << c.peer_scale)
            elif length and c.takes(seq, length):
                c.held += 1
                if c.held < HELD and not flags & FIN:
                    owed[c] = None
                else:
                    c.held = 0
                    owed.pop(c, None)
                    inject(c.segment(c.snd_nxt, ACK))
            elif length:
                inject(c.segment(c.snd_nxt, ACK))
            if flags & FIN and (seq + length) & 0xFFFFFFFF == c.rcv_nxt:
                c.rcv_nxt = (c.rcv_nxt + 1) & 0xFFFFFFFF
                inject(c.segment(c.snd_nxt, FIN | ACK))
                owed.pop(c, None)
                del connections[src, sport, dport]

    def pour(self, c: Connection, ack: int, window: int) -> None:
        """Fill the window."""
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
        segment, inject, pattern = c.segment, self.inject, self.pattern
        room = min(c.limit, una + (1 << 19)) - MSS  # more in flight only fills the ring with ACKs
        while c.snd_nxt <= room:
            inject(segment(c.snd_nxt, PSH | ACK, pattern))
            c.snd_nxt += MSS

    def unusual(self, frame: bytes, src: bytes, sport: int, dport: int, seq: int, flags: int) -> None:
        if flags & RST:
            self.connections.pop((src, sport, dport), None)
        elif flags & SYN and dport in (READ, WRITE):
            c = Connection(frame[6:12] + MAC + b"\x08\x00", self.ip, src, dport, sport)
            c.rcv_nxt = (seq + 1) & 0xFFFFFFFF
            options = struct.pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, SCALE)
            self.inject(c.segment(0, SYN | ACK, offset=0x70, options=options))
            c.snd_una = c.snd_nxt = 1
            c.peer_scale = window_scale(frame, front=0)
            self.connections[src, sport, dport] = c

    def arp(self, frame: bytes) -> None:
        if frame[12:14] == b"\x08\x06" and frame[38:42] == self.ip:
            asker = frame[22:32]
            reply = asker[:6] + MAC + bytes.fromhex("08060001080006040002") + MAC + self.ip + asker
            self.inject(reply)


def main(argv: list[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--netns", required=True)
    parser.add_argument("--interface", default="v0")
    parser.add_argument("--ip", default="10.77.0.1")
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    handle = in_netns(options.netns, lambda: open_pcap(options.interface))
    print("ready", flush=True)
    Responder(handle, options.ip).run()


if __name__ == "__main__":
    main()
