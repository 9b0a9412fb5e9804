"""TCP from the wire's side: any segment at all, and a caller who speaks just enough TCP to open a connection and to
keep it. It believes nothing that the host does not say on the wire."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from netif.wire import ip, options, tcp
from netif.wire.checksum import pseudo_header, verify
from netif.wire.options import Options, emit_timestamp
from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from tests.stack.rig import OUR_MAC, PEER, PEER_MAC, US, Rig, packet

WRAP = 1 << 32
MASK = WRAP - 1
PLAIN = TcpConfig(window_scale=False, timestamps=False, receive_buffer=1 << 20, send_buffer=1 << 20)


def segment(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    *,
    window: int = 65535,
    options: bytes = b"",
    src: bytes = PEER,
    dst: bytes = US,
    urgent: int = 0,
    **where: Any,
) -> bytes:
    """A frame that is right up to TCP's checksum, whatever it says."""
    pseudo = pseudo_header(src, dst, tcp.PROTOCOL, 0)
    numbers = (seq & MASK, ack & MASK, flags, window)
    header = tcp.emit_complete(sport, dport, *numbers, options, (payload,), pseudo=pseudo, urgent=urgent)
    return packet(header + payload, ip.TCP, src=src, dst=dst, **where)


class Heard(NamedTuple):
    """A segment that the host sent."""

    src: bytes
    dst: bytes
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    options: Options
    payload: bytes


def hear(frame: bytes) -> Heard | None:
    """What a frame of the host's says in TCP; None: it is no TCP. Checksums must be right."""
    if frame[12:14] != b"\x08\x00" or frame[23] != tcp.PROTOCOL:
        return None
    _, total_len, _, _, _, _, src, dst, _ = ip.parse(frame, 14)
    end = 14 + total_len
    assert verify(frame, 34, end, pseudo_header(src, dst, tcp.PROTOCOL, end - 34)), "TCP checksum"
    sport, dport, seq, ack, header_len, flags, window, _ = tcp.parse(frame, 34, end)
    said = options.parse(frame, 54, 34 + header_len)
    return Heard(src, dst, sport, dport, seq, ack, flags, window, said, frame[34 + header_len : end])


class Caller:
    """An honest peer of one connection, played by the test."""

    def __init__(
        self,
        rig: Rig,
        dport: int = 80,
        sport: int = 40000,
        *,
        src: bytes = PEER,
        mac: bytes = PEER_MAC,
        iss: int = 5_000_000,
    ) -> None:
        self.rig = rig
        self.dport, self.sport = dport, sport
        self.src, self.mac = src, mac
        self.nxt = iss  # what it says next
        self.ack = 0  # what it expects next
        self.window = 0  # the host's, as on the wire
        self.got = b""
        self.echo: int | None = None  # the host's last timestamp, where both agreed on them
        self.connection: Connection | None = None

    def frame(
        self, flags: int = ACK, payload: bytes = b"", *, seq: int | None = None, ack: int | None = None, **said: Any
    ) -> bytes:
        """A segment of this connection; with the right numbers unless told otherwise. Changes nothing."""
        seq = self.nxt if seq is None else seq
        ack = self.ack if ack is None else ack
        said = {"src": self.src, "mac": self.mac, "to": OUR_MAC, **said}
        if self.echo is not None:
            stamp = emit_timestamp(int(self.rig.stack.now * 1000) & MASK, self.echo)
            said["options"] = stamp + said.get("options", b"")[:28]
        return segment(self.sport, self.dport, seq, ack, flags, payload, **said)

    def says(self, flags: int = ACK, payload: bytes = b"", **said: Any) -> list[Heard]:
        """One segment, and what the host answers to it. Goes on by what it said, unless its numbers were given."""
        frame = self.frame(flags, payload, **said)
        if "seq" not in said:
            self.nxt += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        self.rig.gets(frame)
        return self.hears()

    def hears(self) -> list[Heard]:
        """What the host has sent to this caller since the last look, taken in."""
        heard = [one for frame in self.rig.frames() if (one := hear(frame)) is not None]
        mine = [one for one in heard if (one.dst, one.dport, one.sport) == (self.src, self.sport, self.dport)]
        for one in mine:
            if one.flags & SYN:
                self.ack = one.seq + 1
            elif one.seq == self.ack & MASK:
                self.got += one.payload
                self.ack += len(one.payload) + bool(one.flags & FIN)
            if one.options.timestamp is not None:
                self.echo = one.options.timestamp[0]
            if not one.flags & RST:
                self.window = one.window
        return mine

    def knocks(self, options: bytes = b"\2\4\5\xb4", **said: Any) -> list[Heard]:
        """The SYN."""
        return self.says(SYN, options=options, **said)

    def opens(self, config: TcpConfig = PLAIN, options: bytes = b"\2\4\5\xb4", *, accept: bool = True) -> Connection:
        """The handshake; somebody must listen, or does from now on."""
        layer = self.rig.stack.tcp
        listener = layer.listener_at((US, self.dport), self.rig.interface) or layer.listen(
            (None, self.dport), 128, config
        )
        assert [one.flags for one in self.knocks(options)] == [SYN | ACK]
        self.says(ACK)
        key = (US, self.dport, self.src, self.sport)
        connection = layer.connections[key]
        assert isinstance(connection, Connection)
        if accept:
            assert listener.accept() is connection
        self.connection = connection
        return connection

    def exchanges(self, question: bytes = b"how are you", answer: bytes = b"fine") -> None:
        """Both ways, byte by byte as it was said."""
        connection = self.connection
        assert connection is not None
        self.says(ACK, question)
        assert connection.read(len(question) + 1) == question
        self.got = b""
        assert connection.write(answer) == len(answer)
        self.rig.flush()
        self.hears()
        assert self.got == answer
        self.says(ACK)
        assert connection.sender.buffered == 0


@contextmanager
def growth_below(limit: int) -> Iterator[None]:
    """What is allocated within and not given back stays below so many bytes, at its peak too."""
    gc.collect()  # the rest of the process is not to be freed, or to grow, meanwhile
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < limit, f"{peak - before} bytes"


class Effort:
    """Lines of code that were run: a measure of CPU that is the same on every machine and every day."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.lines += 1
        return self


@contextmanager
def effort() -> Iterator[Effort]:
    spent = Effort()
    before = sys.gettrace()
    sys.settrace(spent)
    try:
        yield spent
    finally:
        sys.settrace(before)


def effort_of(take: Callable[[bytes], object], frames: Iterable[bytes]) -> float:
    """Lines that `take` runs for one of these frames, on average; what it costs to make them is not counted."""
    frames = list(frames)
    with effort() as spent:
        for frame in frames:
            take(frame)
    return spent.lines / len(frames)
