"""Ten connections or a hundred thousand: what one more costs, and what a segment costs among so many.

One process, one host on a scripted wire (scripted.py) whose peer keeps a few numbers a connection in arrays, so that
what is measured is one end's alone: the connection, its socket, its place in every table. `python -m tests.bench.scale
10 1000 10000` prints a line for each; `--client` has our end open the connections, `--traced` counts the memory by
tracemalloc (exact, and slow) instead of by the process's resident size. The traffic is 64 bytes in, their echo and its
acknowledgment, on connections at random, eight at a wake-up.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
import tracemalloc
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from stack.limits import Limits
from tests.bench.leases import resident
from tests.bench.scripted import ACK, PEER, PSH, SCALE, STAMPS, SYN, SYN_OPTIONS, Segment, Wire, scene

DATA = bytes(64)
PORT = 7  # the first that is listened on
EACH = 10_000  # connections to one port
BATCH, OPERATIONS, ROUNDS = 8, 4_000, 5
FREEZE = 1000  # connections after which --freeze takes what there is out of the collector's sight
SEGMENTS = 3  # of one operation


class Crowd:
    """The peer of all connections: of each its ports and its next sequence numbers."""

    def __init__(self, wire: Wire, most: int) -> None:
        self.wire = wire
        self.ports: list[array[int]] = [array("H"), array("H")]  # the peer's, and ours
        self.seq, self.ack = array("L"), array("L")
        self.places = array("L", bytes(8 * 65536 * -(-most // EACH)))  # index by the ports
        wire.heard = self.heard

    def place(self, index: int) -> int:
        theirs, ours = self.ports[0][index], self.ports[1][index]
        return (min(theirs, ours) - PORT) * 65536 + max(theirs, ours)

    def knocks(self) -> None:
        """One more opens a connection."""
        index = len(self.seq)
        self._met(1024 + index % EACH, PORT + index // EACH, 0)
        self.wire.tcp(*self._ends(index), 0, 0, SYN, self._offer(0))

    def _met(self, theirs: int, ours: int, ack: int) -> int:
        index = len(self.seq)
        self.ports[0].append(theirs)
        self.ports[1].append(ours)
        self.seq.append(1)
        self.ack.append(ack)
        self.places[self.place(index)] = index
        return index

    def _ends(self, index: int) -> tuple[int, int]:
        return self.ports[0][index], self.ports[1][index]

    def _offer(self, tsecr: int) -> bytes:
        return SYN_OPTIONS.pack(2, 4, 1460, 4, 2, 8, 10, self.wire.stamp(), tsecr, 1, 3, 3, SCALE)

    def says(self, index: int, flags: int = ACK, data: bytes = b"") -> None:
        stamp = self.wire.stamp()
        options = STAMPS.pack(1, 1, 8, 10, stamp, 0)
        self.wire.tcp(*self._ends(index), self.seq[index], self.ack[index], flags, options, data)
        self.seq[index] += len(data)

    def heard(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN:
            index = self._met(segment.dport, segment.sport, segment.seq + 1)
            self.wire.tcp(*self._ends(index), 0, segment.seq + 1, SYN | ACK, self._offer(segment.tsval))
        elif segment.flags & SYN or segment.length:
            low, high = sorted((segment.sport, segment.dport))
            index = self.places[(low - PORT) * 65536 + high]
            self.ack[index] = segment.seq + segment.length + (segment.flags & SYN and 1)
            self.says(index)


class Pauses:
    """How long the collector took at the longest, in CPU time: what others do meanwhile does not count."""

    def __init__(self) -> None:
        self.longest = self._since = 0.0
        gc.callbacks.append(self.told)

    def told(self, phase: str, _info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._since = now
        else:
            self.longest = max(self.longest, now - self._since)

    def end(self) -> None:
        gc.callbacks.remove(self.told)


@contextmanager
def opener(host: Any, crowd: Crowd, count: int, client: bool) -> Iterator[Callable[[int], Any]]:
    """Makes our end of connection `index`."""

    def accept(index: int) -> Any:
        crowd.knocks()
        return listeners[index // EACH].accept()[0]

    if client:
        yield lambda index: host.create_connection((PEER, PORT + index // EACH))
        return
    with ExitStack() as opened:
        listeners = [opened.enter_context(host.create_server(("", PORT + n))) for n in range(-(-count // EACH))]
        yield accept


def exchange(crowd: Crowd, sockets: list[Any], order: Sequence[int]) -> tuple[float, float]:
    """(CPU seconds of an operation, the longest that a batch took)."""
    spent = longest = 0.0
    batch = min(BATCH, len(sockets))
    for at in range(0, len(order), batch):
        chosen = order[at : at + batch]
        for index in chosen:
            crowd.says(index, PSH | ACK, DATA)
        ends = [sockets[index] for index in chosen]
        since = time.thread_time()
        for end in ends:
            end.sendall(end.recv(64))
        lasted = time.thread_time() - since
        spent += lasted
        longest = max(longest, lasted)
    return spent / len(order), longest


def at_random(count: int, dice: random.Random) -> Sequence[int]:
    """Each index as often as the others, and no two of a batch the same."""
    if count > OPERATIONS:
        return dice.sample(range(count), OPERATIONS)
    whole = count // BATCH * BATCH or count
    return [index for _ in range(OPERATIONS // count) for index in dice.sample(range(count), whole)]


def held(traced: bool) -> int:
    """Bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] if traced else resident()


def measure(count: int, *, client: bool = False, traced: bool = False, freeze: bool = False) -> dict[str, float]:
    """Microseconds, milliseconds and bytes of `count` connections."""
    wire = Wire()
    crowd = Crowd(wire, count)
    host, netif = scene(wire, limits=Limits(orphans=count))
    dice = random.Random(1)
    with host, netif, opener(host, crowd, count, client) as make:
        sockets = [make(0)]
        exchange(crowd, sockets, [0] * 100)
        pauses = Pauses()
        if traced:
            tracemalloc.start()
        before = held(traced)
        cpu = time.thread_time()
        for index in range(1, count):
            sockets.append(make(index))
            if freeze and not index % FREEZE:
                gc.freeze()
        opened = time.thread_time() - cpu
        opening_pause = pauses.longest
        gc.unfreeze()
        silent = held(traced) - before
        if freeze:
            gc.freeze()
        exchange(crowd, sockets, range(count))
        spoken = held(traced) - before
        tracemalloc.stop()
        pauses.longest = 0.0
        rounds = [exchange(crowd, sockets, at_random(count, dice)) for _ in range(ROUNDS)]
        pauses.end()
        for each in sockets:
            each.configure(linger=0)
            each.close()
    return {
        "connections": count,
        "open_us": 1e6 * opened / max(count - 1, 1),
        "bytes_silent": silent / max(count - 1, 1),
        "bytes_spoken": spoken / max(count - 1, 1),
        "segment_us": 1e6 * min(spent for spent, _ in rounds) / SEGMENTS,
        "longest_batch_ms": 1e3 * max(longest for _, longest in rounds),
        "longest_collection_ms": 1e3 * pauses.longest,
        "longest_collection_opening_ms": 1e3 * opening_pause,
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", type=int, nargs="+")
    parser.add_argument("--client", action="store_true")
    parser.add_argument("--traced", action="store_true")
    parser.add_argument("--freeze", action="store_true", help="call gc.freeze() now and then while they are opened")
    options = parser.parse_args(argv)
    for count in options.connections:
        figures = measure(count, client=options.client, traced=options.traced, freeze=options.freeze)
        print(json.dumps({name: round(figure, 2) for name, figure in figures.items()}), flush=True)


if __name__ == "__main__":
    main()
