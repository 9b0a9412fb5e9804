"""One TCP conversation with two hosts, ours and the kernel: what either says and what its application sees, to compare.

A case is a list of steps: a segment of the peer's in the project's notation, or a word for the application (`connect`,
`accept`, `shutdown`, `close`, `write N`). All cases are played side by side, each on ports of its own, so that the
kernel's real time passes once for all of them. The kernel's peer is a TAP whose other end this module is.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from netif.wire import ethernet, ip, notation, tcp
from netif.wire.checksum import pseudo_header
from tests.host.namespaces import Namespace
from tests.stack.tcp.conversation import Conversation, Sent

KERNEL, PEER = ip.parse_address("192.168.5.1"), ip.parse_address("192.168.5.100")
PEER_MAC = b"\x02\0\0\0\5\1"
PEER_ISS = 5_000_000
PAUSE = 0.06  # seconds after a step: longer than a delayed ACK, shorter than any retransmission time-out
_AT_ONCE = 150
_TUNSETIFF, _TAP_WITHOUT_INFORMATION = 0x400454CA, 0x1002

Steps = Sequence[str]
Outcome = tuple[tuple[str, ...], ...]  # of each step: what was sent, then what the application saw


def _said(flags: int, seq: int, length: int, ack: int | None) -> str:
    shown = notation.format_flags(flags & ~tcp.PSH)
    return f"{shown} {seq}:{seq + length}({length})" + (f" ack {ack}" if ack is not None else "")


def _name(number: int | None) -> str:
    return errno.errorcode[number] if number else "ok"


class OurHost:
    """A case played with our stack, in virtual time."""

    def __init__(self) -> None:
        self.tcp = Conversation().begin(peer_iss=PEER_ISS, initial_sequence=None)
        self.tcp.checked = False
        self.tcp.iss = None
        self.tcp.listens()

    def play(self, step: str) -> tuple[str, ...]:
        self.do(step)
        self.tcp.after(PAUSE)
        return tuple(_said(one.flags, one.seq, one.length, one.ack) for one in self.tcp.all_sent())

    def do(self, step: str) -> None:
        word, _, number = step.partition(" ")
        match word:
            case "connect":
                self.tcp.listener.close()
                self.tcp.connects()
            case "accept":
                self.tcp.accepts()
            case "shutdown":
                self.tcp.shuts()
            case "close":
                self.tcp.close()
            case "write":
                self.tcp.writes(int(number))
            case _:
                self.tcp.gets(step)

    def sees(self) -> tuple[str, ...]:
        connection = self.tcp.connection
        if connection is None:
            return ("accepts" if self.tcp.listener.queue else "waits",)
        if connection.orphan:
            return ()
        try:
            data = connection.read(1 << 20)
        except OSError as error:
            return (_name(error.errno),)
        return ("waits" if data is None else f"reads {len(data)}",)


class _Flow:
    """The kernel's side of one case: its sockets, and what it sent on its ports."""

    def __init__(self, ns: Namespace, port: int) -> None:
        self.ns = ns
        self.port = port
        self.peer_port = port + 10_000
        self.iss: int | None = None
        self.connected: socket.socket | None = None
        self.closed = False
        self.said: list[str] = []
        self.listener = ns.listen("192.168.5.1", port)
        self.listener.setblocking(False)

    def do(self, step: str) -> bool:
        """True: it was the application's."""
        word, _, number = step.partition(" ")
        match word:
            case "connect":
                self.listener.close()
                self.connected = self.ns.socket(timeout=0.0)
                self.connected.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.connected.bind(("192.168.5.1", self.port))
                self.connected.connect_ex(("192.168.5.100", self.peer_port))
            case "accept":
                self.connected = self.listener.accept()[0]
                self.connected.setblocking(False)
            case "shutdown":
                assert self.connected is not None
                self.connected.shutdown(socket.SHUT_WR)
            case "close":
                assert self.connected is not None
                self.closed = True
                self.connected.close()
            case "write":
                assert self.connected is not None
                self.connected.send(bytes(int(number)))
            case _:
                return False
        return True

    def sees(self) -> tuple[str, ...]:
        if self.connected is None:
            ready = select.select([self.listener], [], [], 0)[0]
            return ("accepts" if ready else "waits",)
        if self.closed:
            return ()
        try:
            return (f"reads {len(self.connected.recv(1 << 20))}",)
        except BlockingIOError:
            return ("waits",)
        except OSError as error:
            return (_name(error.errno),)

    def close(self) -> None:
        self.listener.close()
        if self.connected is not None:
            self.connected.close()


class Kernel:
    """The kernel in a namespace, and the far end of its TAP."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns
        ns.ip("neighbour", "add", "192.168.5.100", "lladdr", ethernet.format_mac(PEER_MAC), "dev", "tap0")
        ns.sysctl("net/ipv4/tcp_timestamps", 0)
        ns.sysctl("net/ipv4/tcp_max_tw_buckets", 4096)
        self.tap = ns.call(self._open)
        ns.settle("tap0")
        self.mac = ethernet.parse_mac(ns.mac("tap0"))
        self.flows: dict[int, _Flow] = {}
        self.ports = itertools.count(2000)

    @staticmethod
    def _open() -> int:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"tap0", _TAP_WITHOUT_INFORMATION))
        return fd

    def play(self, cases: dict[str, Steps], at_once: int = _AT_ONCE) -> dict[str, Outcome]:
        """As many at once as a busy machine hears in time."""
        outcomes: dict[str, Outcome] = {}
        names = iter(cases)
        while batch := {name: cases[name] for name in itertools.islice(names, at_once)}:
            outcomes |= self._play(batch)
        return outcomes

    def _play(self, cases: dict[str, Steps]) -> dict[str, Outcome]:
        flows = {name: _Flow(self.ns, next(self.ports)) for name in cases}
        self.flows = {flow.port: flow for flow in flows.values()}
        outcomes: dict[str, list[tuple[str, ...]]] = {name: [] for name in cases}
        try:
            for number in range(max(map(len, cases.values()))):
                for name, steps in cases.items():
                    if number < len(steps):
                        self._do(flows[name], steps[number])
                self._listen()
                for name, steps in cases.items():
                    if number < len(steps):
                        outcomes[name].append(tuple(flows[name].said))
                    flows[name].said.clear()
            return {name: (*outcome, flows[name].sees()) for name, outcome in outcomes.items()}
        finally:
            for flow in flows.values():
                flow.close()

    def _do(self, flow: _Flow, step: str) -> None:
        if not flow.do(step):
            os.write(self.tap, self._frame(flow, notation.parse_segment(step)))

    def _frame(self, flow: _Flow, said: notation.SegmentText) -> bytes:
        seq = PEER_ISS + said.seq & 0xFFFFFFFF
        ack = (flow.iss or 0) + said.ack & 0xFFFFFFFF if said.ack is not None else 0
        payload = bytes(said.length)
        pseudo = pseudo_header(PEER, KERNEL, tcp.PROTOCOL, 0)
        window = 65535 if said.window is None else said.window
        header = tcp.emit_complete(
            flow.peer_port, flow.port, seq, ack, said.flags, window, said.option_bytes, (payload,), pseudo=pseudo
        )
        packet = ip.emit(PEER, KERNEL, tcp.PROTOCOL, len(header) + len(payload), ident=1)
        return ethernet.emit(self.mac, PEER_MAC, ethernet.IP) + packet + header + payload

    def _listen(self) -> None:
        """Hear what the kernel says within one pause."""
        deadline = time.monotonic() + PAUSE
        while select.select([self.tap], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._hear(os.read(self.tap, 65536))

    def _hear(self, frame: bytes) -> None:
        if frame[12:14] != b"\x08\x00" or frame[23] != tcp.PROTOCOL:
            return
        end = 14 + int.from_bytes(frame[16:18], "big")
        flow = self.flows.get(int.from_bytes(frame[34:36], "big"))
        if flow is None:
            return
        sent = Sent(frame[:end], None, flow.iss or 0, PEER_ISS)
        if sent.flags & tcp.SYN and flow.iss is None:
            flow.iss, sent.seq = sent.wire_seq, 0
        flow.said.append(_said(sent.flags, sent.seq, sent.length, sent.ack))

    def close(self) -> None:
        os.close(self.tap)


def ours(steps: Steps) -> Outcome:
    """The same case with our stack."""
    host: Any = OurHost()
    return (*(host.play(step) for step in steps), host.sees())
