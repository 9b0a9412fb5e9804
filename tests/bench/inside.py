"""What is measured in memory: a Lan of two, or with --pair two stacks on a pair, without a switch.

`python -m tests.bench.inside SECONDS [--cpu N] [--pair]` prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

from tests.bench.profiles import Profiles

BLOCK = os.urandom(1 << 20)
TWICE = BLOCK + BLOCK


def lan_of_two(seconds: float, clock: str = "real") -> tuple[int, float]:
    """Bytes received and compared with what was sent, and the seconds that took."""
    from netif import Lan

    with Lan(seed=1, clock=clock) as lan:
        server, client = lan.host("server"), lan.host("client")

        receive, send = ends(server, client, server.ip, seconds)
        receiver = server.spawn(receive)
        begun = time.perf_counter()
        client.spawn(send)
        lan.run_until(receiver.done)
        return receiver.result(), time.perf_counter() - begun


def pair_of_two(seconds: float) -> tuple[int, float]:
    from netif import Netif, Stack
    from tapio import pair

    near, far = pair()
    with (
        Stack("server") as server,
        Stack("client") as client,
        Netif(near, stack=server, ip="10.0.0.1/24"),
        Netif(far, stack=client, ip="10.0.0.2/24"),
    ):
        receive, send = ends(server, client, "10.0.0.1", seconds)
        begun = time.perf_counter()
        receiver = server.runtime.spawn(receive)
        client.runtime.spawn(send)
        return receiver.result(), time.perf_counter() - begun


def ends(server: Any, client: Any, address: str, seconds: float) -> tuple[Callable[[], int], Callable[[], None]]:
    listener = server.create_server(("", 9))

    def receive() -> int:
        with listener:
            connection, _ = listener.accept()
            with connection:
                return compare(connection)

    def send() -> None:
        with client.create_connection((address, 9)) as s:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                s.sendall(BLOCK)

    return receive, send


def compare(connection: Any) -> int:
    """A bytearray with a memoryview: compared where they stand. (Two memoryviews: 40 times slower)"""
    expected, size = memoryview(TWICE), len(BLOCK)
    buffer = bytearray(1 << 18)
    room = memoryview(buffer)
    total = 0
    while True:
        got = 0
        while got < len(buffer) and (count := connection.recv_into(room[got:])):
            got += count
        at = total % size
        if (buffer if got == len(buffer) else buffer[:got]) != expected[at : at + got]:
            raise AssertionError(f"what came differs from what was sent, near byte {total}")
        total += got
        if got < len(buffer):
            return total


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--clock", default="real", choices=("real", "virtual"))
    parser.add_argument("--pair", action="store_true")
    parser.add_argument("--profile")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    profiles = Profiles() if options.profile else None
    size, taken = pair_of_two(options.seconds) if options.pair else lan_of_two(options.seconds, options.clock)
    if profiles:
        profiles.write(options.profile)
    print(json.dumps({"bytes": size, "times": 1, "seconds": taken}))


if __name__ == "__main__":
    main()
