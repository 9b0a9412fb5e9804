"""From `Stack()` to the first ping answered on a TAP: `python -m tests.bench.first_ping` prints one JSON object.

The first time in a process, modules that nobody has needed yet are imported too: "cold"; "warm" is the median of the
times after that. The kernel pings as soon as the constructor of the Netif has returned, every quarter of a millisecond;
what it did before that is its own affair.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import struct
import threading
import time

from tests.bench.systems import CLIENT_CPU, SERVER_CPU
from tests.host.namespaces import in_netns, namespace

US = "192.168.5.100"
PACE = 0.00025  # seconds between two requests
PATIENCE = 5.0
REQUEST = struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800 - 1, 1, 0)


def ping(pinger: socket.socket) -> float:
    """When the first answer came."""
    pinger.settimeout(PACE)
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        try:
            pinger.sendto(REQUEST, (US, 0))
            if pinger.recv(2048)[20:21] == b"\0":
                return time.perf_counter()
        except OSError:  # nothing yet, or no carrier yet
            continue
    raise TimeoutError(f"no ping answered within {PATIENCE:g} s")


def once(netns: str, pinger: socket.socket) -> float:
    from netif import Netif, Stack, open_wire

    answered: list[float] = []
    up = threading.Event()
    os.sched_setaffinity(0, {SERVER_CPU})

    def body() -> None:
        os.sched_setaffinity(0, {CLIENT_CPU})
        up.wait()
        answered.append(ping(pinger))

    thread = threading.Thread(target=body)
    thread.start()
    begun = time.perf_counter()
    with Stack() as host, Netif(in_netns(netns, lambda: open_wire("tap:tap0")), stack=host, ip=f"{US}/24"):
        up.set()
        thread.join()
    return answered[0] - begun


def main() -> None:
    import netif  # noqa: F401  its own time is another figure

    with namespace() as ns:
        ns.add_tap()
        with ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as pinger:
            cold, *warm = (once(ns.name, pinger) for _ in range(6))
    print(json.dumps({"cold": cold, "warm": statistics.median(warm)}))


if __name__ == "__main__":
    main()
