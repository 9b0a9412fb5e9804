"""From `Stack()` to the first ping answered on a TAP: `python -m tests.bench.first_ping` prints JSON, in seconds.

"warm" is the median in a process that has done so before. The others are of fresh processes, whose bytecode is cached,
and begin with their first statement, after the interpreter's own start: "imported", `Stack()` made ("stack"), the TAP
open ("open"), the first ping answered ("cold"), and the CPU time until the TAP was open ("cpu"); medians. The kernel
pings as soon as the constructor of the Netif has returned, every quarter of a millisecond; what it did before that is
its own affair.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

from tests.bench.systems import CLIENT_CPU, ROOT, SERVER_CPU
from tests.host.namespaces import Namespace, in_netns, namespace

US = "192.168.5.100"
PACE = 0.00025  # seconds between two requests
PATIENCE = 5.0
REQUEST = struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800 - 1, 1, 0)
ROUNDS = 5

# nothing is imported here but what a program of a user's would import
FRESH = f"""
import os, time
os.sched_setaffinity(0, [{SERVER_CPU}])
begun, spent = time.perf_counter(), time.process_time()
import netif
imported = time.perf_counter()
host = netif.Stack()
made = time.perf_counter()
link = netif.Netif(netif.Tap("tap0"), stack=host, ip="{US}/24")
done, spent = time.perf_counter(), time.process_time() - spent
print(begun, imported, made, done, spent, flush=True)
input()
link.close()
host.close()
"""


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


def fresh(ns: Namespace, pinger: socket.socket, caches: str) -> dict[str, float]:
    """One process, from its first statement on."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": caches}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or all sources would be compiled, every time
    pipe = subprocess.PIPE
    process = ns.start(sys.executable, "-c", FRESH, stdin=pipe, stdout=pipe, text=True, env=environment)
    begun, imported, made, done, spent = map(float, process.stdout.readline().split())
    answered = ping(pinger)
    process.communicate("\n", timeout=PATIENCE)
    return {
        "imported": imported - begun,
        "stack": made - begun,
        "open": done - begun,
        "cold": answered - begun,
        "cpu": spent,
    }


def main() -> None:
    with namespace() as ns, tempfile.TemporaryDirectory() as caches:
        ns.add_tap()
        with ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as pinger:
            os.sched_setaffinity(0, {CLIENT_CPU})
            _first, *cold = (fresh(ns, pinger, caches) for _ in range(1 + ROUNDS))  # the first fills the caches
            _first_here, *warm = (once(ns.name, pinger) for _ in range(1 + ROUNDS))
    found = {name: statistics.median(one[name] for one in cold) for name in cold[0]}
    print(json.dumps({**found, "warm": statistics.median(warm)}))


if __name__ == "__main__":
    main()
