"""`python -m tests.bench.router`: bulk and small datagrams between two namespaces of the kernel's, through a router.

The kernel's own router between two veth pairs, ours between two TAPs, ours with NAPT. The router has CPU 0, the
client and the kernel's server share CPU 1. CPU time is our router's, for 64 KiB or a round trip of two packets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.bench.rows import ROWS, Row
from tests.bench.systems import CLIENT_CPU, KERNEL, SERVER_CPU, Sample, System, module, server
from tests.bench.table import figure, ratio
from tests.host.namespaces import in_netns, namespace, run

THROUGH = ("from-kernel", "to-kernel", "udp-ping-pong")
OURS, NAPT = "ours", "ours, NAPT"
NEAR_IP, FAR_IP = "10.81.1.2", "10.81.2.2"
NEAR_ROUTER, FAR_ROUTER = "10.81.1.1", "10.81.2.1"


def route(near: str, far: str, napt: bool) -> None:
    """The router, in a process of its own, until its standard input ends."""
    from netif import Netif, Stack, Tap

    os.sched_setaffinity(0, {SERVER_CPU})
    taps = [in_netns(name, lambda: Tap("tap0")) for name in (near, far)]
    with (
        Stack("router", forwarding=not napt) as stack,
        Netif(taps[0], stack=stack, ip=f"{NEAR_ROUTER}/24") as inside,
        Netif(taps[1], stack=stack, ip=f"{FAR_ROUTER}/24"),
    ):
        inside.napt_enable(napt)
        print("ready", flush=True)
        sys.stdin.read()


@contextmanager
def routed(name: str) -> Iterator[System]:
    """What is asked is the kernel's server in the far namespace; whose CPU time counts is the router's."""
    with ExitStack() as stack:
        near, far = stack.enter_context(namespace()), stack.enter_context(namespace())
        if name == KERNEL:
            middle = stack.enter_context(namespace())
            for number, (side, ip) in enumerate(((near, NEAR_IP), (far, FAR_IP)), 1):
                wire = ("link", "add", "v0", "netns", side.name, "type", "veth", "peer", "name", f"v{number}")
                run("ip", *wire, "netns", middle.name)
                side.ip("address", "add", f"{ip}/24", "dev", "v0")
                side.ip("link", "set", "v0", "up")
                middle.ip("address", "add", f"10.81.{number}.1/24", "dev", f"v{number}")
                middle.ip("link", "set", f"v{number}", "up")
            middle.sysctl("net/ipv4/ip_forward", 1)
        else:
            near.add_tap("tap0", f"{NEAR_IP}/24")
            far.add_tap("tap0", f"{FAR_IP}/24")
        serving = module("tests.bench.server", "kernel", "--netns", far.name, "--cpu", str(CLIENT_CPU))
        process = stack.enter_context(server("the server", *serving))
        if name != KERNEL:
            words = ("--route", near.name, far.name, *["--napt"] * (name == NAPT))
            process = stack.enter_context(server(name, *module("tests.bench.router", *words)))
            near.settle("tap0")
            far.settle("tap0")
        near.ip("route", "add", "default", "via", NEAR_ROUTER)
        far.ip("route", "add", "default", "via", FAR_ROUTER)
        yield System(name, process, FAR_IP, near.name)


def measure(rounds: int, seconds: float) -> dict[str, dict[str, list[Sample]]]:
    """By row and system."""
    with ExitStack() as stack:
        running = {name: stack.enter_context(routed(name)) for name in (KERNEL, OURS, NAPT)}
        return {
            row: {name: [system.measure(row, seconds) for _ in range(rounds)] for name, system in running.items()}
            for row in THROUGH
        }


def lines(found: dict[str, dict[str, list[Sample]]]) -> Iterator[str]:
    yield "| through a router | kernel | ours | ours, NAPT | ours/kernel | CPU us ours | NAPT | per |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    rows: dict[str, Row] = {row.name: row for row in ROWS}
    for name, samples in found.items():
        row = rows[name]
        speed = {who: statistics.median(map(row.value, made)) for who, made in samples.items()}
        cpu = {
            who: statistics.median(sample.server_cpu * 1e6 / row.units(sample) for sample in made)
            for who, made in samples.items()
        }
        cells = [row.title, *map(figure, speed.values()), ratio(speed[OURS], speed[KERNEL])]
        yield f"| {' | '.join([*cells, figure(cpu[OURS]), figure(cpu[NAPT]), row.unit])} |"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.router", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="the samples, not the table")
    parser.add_argument("--route", nargs=2, metavar="NETNS", help=argparse.SUPPRESS)
    parser.add_argument("--napt", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.route:
        route(*options.route, options.napt)
        return
    found = measure(options.rounds, options.seconds)
    print(json.dumps(found) if options.json else "\n".join(lines(found)))


if __name__ == "__main__":
    main()
