"""The program to be measured: on our stack over a wire, or the same program on the kernel's sockets.

`python -m tests.bench.server ours|kernel --netns NS [--cpu N] [--profile FILE]` says "ready", and serves until its
standard input ends.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from tests.bench.profiles import Profiles
from tests.bench.program import services
from tests.host.namespaces import enter_netns, in_netns


def on_the_kernel() -> None:
    with services(socket, full_sockets):
        ready()


def full_sockets() -> int:
    """Datagrams that found no room in a socket of the kernel's, in the calling thread's namespace."""
    names, values = (
        line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines() if "Udp:" in line
    )
    return int(values[names.index("RcvbufErrors")])


def on_our_stack(netns: str, wire: str, ip: str) -> None:
    from netif import Netif, Stack, open_wire

    driver = in_netns(netns, lambda: open_wire(wire))
    with (
        Stack() as host,
        Netif(driver, stack=host, ip=ip),
        services(host, lambda: sum(host.stats.drops().values())),
    ):
        ready()


def ready() -> None:
    """Serve until whoever measures closes our standard input."""
    print("ready", flush=True)
    sys.stdin.read()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("on", choices=("ours", "kernel"))
    parser.add_argument("--netns", required=True)
    parser.add_argument("--wire", default="tap:tap0")
    parser.add_argument("--ip", default="192.168.5.100/24")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--profile")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    profiles = Profiles() if options.profile else None
    if options.on == "kernel":
        enter_netns(options.netns)
        on_the_kernel()
    else:
        on_our_stack(options.netns, options.wire, options.ip)
    if profiles:
        profiles.write(options.profile)


if __name__ == "__main__":
    main()
