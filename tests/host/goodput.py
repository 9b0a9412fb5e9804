"""The kernel's column of the goodput table: the kernel to itself, over the wires of tests/sim/goodput.py in real time.

    python -m tests.host.goodput [--write] [--jobs 4] [--seeds 1] [--minutes 1] [WORDS]

As root, on a quiet machine. Two namespaces, a TAP in each, and between them our `impair` (forwarder.py). The kernel
uses CUBIC, keeps no metrics and is otherwise as it is. Beyond 100 Mbit/s nothing is measured: the forwarder is Python.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

from tests.host.namespaces import Namespace, end, namespace
from tests.sim.goodput import TABLE, Point, compared, points, read, text

FASTEST = 100  # Mbit/s
NEAR, FAR = "10.78.0.1", "10.78.0.2"


@contextmanager
def joined(point: Point, seed: int) -> Iterator[tuple[Namespace, Namespace]]:
    """Two kernels with this wire between them."""
    with namespace() as near, namespace() as far:
        for side, address in ((near, NEAR), (far, FAR)):
            side.add_tap("tap0", f"{address}/24")
            side.sysctl("net/ipv4/tcp_no_metrics_save", 1)
            side.sysctl("net/ipv4/tcp_ecn", 1 if "ecn" in point.rules else 2)
        module = [sys.executable, "-m", "tests.host.forwarder", near.name, "tap0", far.name, "tap0"]
        forwarder = subprocess.Popen(
            [*module, f"{point.name} {seed}", json.dumps(point.rules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert forwarder.stdout is not None
            assert forwarder.stdout.readline() == "ready\n"
            for side in (near, far):
                side.settle("tap0")
            yield near, far
        finally:
            end(forwarder)


def transfer(point: Point, seed: int, limit: float) -> tuple[int, float]:
    """(bytes, seconds) from the SYN to the end, or to the limit."""
    data = random.Random(f"{point.name} {seed}").randbytes(point.size)
    with joined(point, seed) as (near, far):
        listener = far.listen(FAR)
        sender = near.socket(timeout=limit)
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        start = time.monotonic()
        try:
            sender.connect(listener.getsockname())
            receiver, _peer = listener.accept()
        except TimeoutError:
            return 0, limit
        receiver.settimeout(0.5)
        writing = threading.Thread(target=partial(send, sender, data), daemon=True)
        writing.start()
        at = receive(receiver, data, start + limit)
        seconds = time.monotonic() - start
        for each in (listener, sender, receiver):
            each.close()
        writing.join()
        return at, seconds


def send(sender: socket.socket, data: bytes) -> None:
    try:
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the reader's patience came to an end


def receive(receiver: socket.socket, expected: bytes, until: float) -> int:
    at = 0
    while time.monotonic() < until:
        try:
            part = receiver.recv(1 << 18)
        except TimeoutError:
            continue
        if not part:
            break
        assert part == expected[at : at + len(part)]
        at += len(part)
    return at


def goodput(point: Point, seeds: int, limit: float) -> float:
    """Mbit/s."""
    total, seconds = 0, 0.0
    for seed in range(seeds):
        size, took = transfer(point, seed, limit)
        total += size
        seconds += took
    return total * 8 / seconds / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {TABLE.name}; else it is printed")
    parser.add_argument("--jobs", type=int, default=4, help="wires at the same time (4)")
    parser.add_argument("--seeds", type=int, help="runs of each point (as the table's)")
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="after which a run is measured as far as it came (1)"
    )
    parser.add_argument("words", nargs="*", help="only the points whose name has all of them")
    options = parser.parse_args()
    table = read()
    chosen = [
        point
        for point in points()
        if point.rate <= FASTEST and all(word in point.name.replace(",", "").split() for word in options.words)
    ]
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        seeds = [options.seeds or len(point.seeds) for point in chosen]
        for point, speed in zip(
            chosen, pool.map(goodput, chosen, seeds, [60 * options.minutes] * len(chosen)), strict=True
        ):
            table[point.name] = compared(table[point.name], f"{speed:.3f}")
            print(*table[point.name], sep=" | ", flush=True)
    if options.write:
        TABLE.write_text(text(table[point.name] for point in points() if point.name in table))


if __name__ == "__main__":
    main()
