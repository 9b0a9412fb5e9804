"""What each path costs in bytecodes: the one figure that does not depend on who else uses the machine.

`python -m tests.bench.opcodes` prints a line for each path; `python -m tests.bench.opcodes bulk-in round-trip` adds the
functions that have most of it. Our end alone is counted, on a scripted wire (scripted.py), with the application's
thread in blocking calls; `lan` counts two hosts and the switch between them. What tests/bench itself does is not
counted. Each figure is the median of several rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import AF_INET, SO_LINGER, SOCK_DGRAM, SOL_SOCKET
from struct import pack
from types import FrameType
from typing import Any, NamedTuple

from tests.bench.scripted import ACK, FIN, IN_FLIGHT, PEER, PSH, SUPER, Client, Segment, Wire, scene
from tests.bench.systems import ROOT

BLOCK = os.urandom(1 << 20)
HERE = str(Path(__file__).parent)


class Tracer:
    """Counts bytecodes and calls by function, of this thread, but for those of this directory."""

    def __init__(self) -> None:
        self.opcodes: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        place = (code.co_filename, code.co_qualname)
        if place[0].startswith(HERE):
            return None
        self.calls[place] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        opcodes = self.opcodes

        def count(_frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "opcode":
                opcodes[place] += 1
            return count

        return count

    def total(self) -> tuple[int, int]:
        return sum(self.opcodes.values()), sum(self.calls.values())


class Counted(NamedTuple):
    """One path, of its median round."""

    unit: str
    opcodes: float  # of one unit
    calls: float
    places: list[tuple[str, float, float]]  # "file: function", bytecodes and calls of one unit, most first


Once = Callable[[], float]  # does a portion of the path's work and answers how many units that was


def silent(_segment: Segment) -> None:
    """The peer has left."""


class BulkIn(Client):
    """Keeps `IN_FLIGHT` super-frames on their way."""

    def established(self) -> None:
        right = min(self.una + IN_FLIGHT * SUPER, self.limit)
        while self.seq + SUPER <= right:
            self.say(PSH | ACK, BLOCK[:SUPER])

    def arrived(self, segment: Segment, acknowledged: int) -> None:
        self.established()


class BulkOut(Client):
    """Acknowledges each super-frame."""

    def arrived(self, segment: Segment, acknowledged: int) -> None:
        if segment.length:
            self.say()


class PingPong(Client):
    """One byte for each that comes back."""

    def established(self) -> None:
        self.say(PSH | ACK, b"x")

    def arrived(self, segment: Segment, acknowledged: int) -> None:
        if segment.length:
            self.say(PSH | ACK, b"x")


class Connections(Client):
    """Connect, 64 bytes there and back, close; and again."""

    def established(self) -> None:
        self.say(PSH | ACK, BLOCK[:64])

    def arrived(self, segment: Segment, acknowledged: int) -> None:
        if segment.flags & FIN:
            self.say()
            self.open()
        elif segment.length:
            self.say(FIN | ACK)


def settled(wire: Wire, once: Once) -> Once:
    """The background thread leads until the first blocking call is over; then it sleeps."""
    once()
    wire.settled.wait(2.0)
    return once


@contextmanager
def accepted(client: type[Client], work: Callable[[Any], Once]) -> Iterator[Once]:
    """On the connection that our end has with such a client."""
    wire = Wire()
    host, netif = scene(wire)
    with host, netif, host.create_server(("", 7)) as listener:
        client(wire, 7).open()
        connection, _ = listener.accept()
        with connection:
            yield settled(wire, work(connection))
            wire.heard = silent
            connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))


def bulk_in(connection: Any) -> Once:
    buffer = bytearray(1 << 18)
    return lambda: sum(connection.recv_into(buffer) for _ in range(16)) / 65536


def bulk_out(connection: Any) -> Once:
    def once() -> float:
        for _ in range(16):  # several fit the buffer, before the window is what counts
            connection.sendall(BLOCK)
        return 16 * len(BLOCK) / 65536

    return once


def round_trip(connection: Any) -> Once:
    def once() -> float:
        for _ in range(16):
            connection.sendall(connection.recv(1 << 18))
        return 16

    return once


@contextmanager
def connection() -> Iterator[Once]:
    """Accept, echo, close, in one thread."""

    def once() -> float:
        for _ in range(8):
            served, _ = listener.accept()
            with served:
                while data := served.recv(1 << 18):
                    served.sendall(data)
        return 8

    wire = Wire()
    host, netif = scene(wire)
    with host, netif, host.create_server(("", 7)) as listener:
        Connections(wire, 7).open()
        yield settled(wire, once)
        wire.heard = silent


@contextmanager
def datagrams(waves: Callable[[Wire, Any], Once]) -> Iterator[Once]:
    wire = Wire()
    host, netif = scene(wire)
    with host, netif, host.socket(AF_INET, SOCK_DGRAM) as receiver:
        receiver.bind(("", 7))
        receiver.sendto(b"", (PEER, 9))  # ARP is over with that
        yield settled(wire, waves(wire, receiver))
        wire.heard = silent


def datagram_in(wire: Wire, receiver: Any) -> Once:
    """Sixteen at a wake-up."""

    def once() -> float:
        for _ in range(16):
            wire.udp(40000, 7, BLOCK[:64])
        for _ in range(16):
            receiver.recvfrom(2048)
        return 16

    return once


def datagram_out(wire: Wire, sender: Any) -> Once:
    def once() -> float:
        for _ in range(16):
            sender.sendto(BLOCK[:64], (PEER, 9))
        return 16

    return once


def udp_round_trip(wire: Wire, receiver: Any) -> Once:
    def once() -> float:
        wire.udp(40000, 7, BLOCK[:64])
        for _ in range(16):
            receiver.sendto(*receiver.recvfrom(65536))
        wire.heard = silent
        receiver.sendto(*receiver.recvfrom(65536))
        wire.heard = again
        return 17

    def again(_segment: Segment) -> None:
        wire.udp(40000, 7, BLOCK[:64])

    wire.heard = again
    return once


def ping(wire: Wire, receiver: Any) -> Once:
    """Sixty-three of them, while a thread waits for the datagram behind them."""

    def once() -> float:
        for sequence in range(63):
            wire.ping(sequence)
        wire.udp(40000, 7, b"")
        receiver.recvfrom(2048)
        return 63

    return once


@contextmanager
def lan() -> Iterator[Once]:
    """Two hosts and their switch, both driven from one thread on sockets that do not block."""
    from netif import Lan

    with Lan(seed=1, clock="real") as network:
        server, client = network.host("server"), network.host("client")
        with server.create_server(("", 9)) as listener, client.create_connection((server.ip, 9)) as s:
            connection, _ = listener.accept()
            with connection:
                s.settimeout(0)
                connection.settimeout(0)
                yield lambda: pump(s, connection, 4 << 20) / 65536


def pump(sender: Any, receiver: Any, total: int) -> int:
    """`total` bytes, as fast as windows allow."""
    sent = got = 0
    while got < total:
        try:
            while sent < total:
                at = sent % len(BLOCK)
                sent += sender.send(memoryview(BLOCK)[at:] if at else BLOCK)
        except BlockingIOError:
            pass
        try:
            while got < total:
                got += len(receiver.recv(1 << 18))
        except BlockingIOError:
            pass
    return total


PATHS: dict[str, tuple[str, Callable[[], Any]]] = {
    "bulk-in": ("64 KiB", partial(accepted, BulkIn, bulk_in)),
    "bulk-out": ("64 KiB", partial(accepted, BulkOut, bulk_out)),
    "round-trip": ("round trip", partial(accepted, PingPong, round_trip)),
    "connection": ("connection", connection),
    "datagram-in": ("datagram", partial(datagrams, datagram_in)),
    "datagram-out": ("datagram", partial(datagrams, datagram_out)),
    "udp-round-trip": ("round trip", partial(datagrams, udp_round_trip)),
    "ping": ("ping", partial(datagrams, ping)),
    "lan": ("64 KiB", lan),
}


def count(name: str, rounds: int = 7, warm: int = 4) -> Counted:
    """`warm` portions first: windows and buffers grow, caches fill."""
    unit, path = PATHS[name]
    found = []
    with path() as once:
        for _ in range(warm):
            once()
        for _ in range(rounds):
            tracer = Tracer()
            sys.settrace(tracer)
            try:
                units = once()
            finally:
                sys.settrace(None)
            found.append((tracer.total()[0] / units, tracer.total()[1] / units, units, tracer))
    middle = statistics.median_low(one[0] for one in found)
    opcodes, calls, units, tracer = next(one for one in found if one[0] == middle)
    most = tracer.opcodes.most_common()
    places = [(where(place), number / units, tracer.calls[place] / units) for place, number in most]
    return Counted(unit, opcodes, calls, places)


def where(place: tuple[str, str]) -> str:
    path = Path(place[0])
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}: {place[1]}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.opcodes", description=__doc__)
    parser.add_argument("path", nargs="*", choices=[[], *PATHS], help="these alone, with their functions")
    parser.add_argument("--functions", type=int, default=40, help="so many of them")
    options = parser.parse_args(argv)
    for name in options.path or PATHS:
        counted = count(name)
        print(f"{name:16} {counted.opcodes:8,.0f} bytecodes {counted.calls:6,.0f} calls for a {counted.unit}")
        for place, opcodes, calls in counted.places[: options.functions if options.path else 0]:
            print(f"{opcodes:8.1f}  {calls:6.2f} calls  {place}")


if __name__ == "__main__":
    main()
