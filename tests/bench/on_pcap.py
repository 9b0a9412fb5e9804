"""Ours on libpcap beside a bare loop on it, each at one end of a veth pair whose other end is the kernel's.

`python -m tests.bench.on_pcap SECONDS ROUNDS` prints one JSON object: by system and row the speed and the server's CPU
time, medians of rounds that alternate. `python -m tests.bench.on_pcap --serve NS [--cpu N] [--profile FILE]` is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.bench.profiles import Profiles
from tests.bench.systems import BARE, OURS, SERVER_CPU, Sample, System, module, server
from tests.host.namespaces import veth

ADDRESS, INTERFACE = "10.77.0.1", "v0"
ROWS = ("from-kernel", "to-kernel")


@contextmanager
def system(name: str, profile: str | None = None) -> Iterator[System]:
    with veth() as (near, far):
        near.ip("address", "flush", "dev", INTERFACE)
        pinned = ("--cpu", str(SERVER_CPU))
        if name == OURS:
            command = module("tests.bench.on_pcap", "--serve", near.name, *pinned)
            command += ["--profile", profile] if profile else []
        else:
            command = module("tests.bench.bare_pcap", "--netns", near.name, *pinned)
        with server(name, *command) as process:
            yield System(name, process, ADDRESS, far.name)


def measure(seconds: float, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """{system: {row: {"speed": MB/s, "cpu": us for 64 KiB}}}."""
    found: dict[str, dict[str, list[Sample]]] = {name: {row: [] for row in ROWS} for name in (OURS, BARE)}
    with ExitStack() as stack:
        running = [stack.enter_context(system(name)) for name in found]
        for _ in range(rounds):
            for row in ROWS:
                for one in running:
                    found[one.name][row].append(one.measure(row, seconds))
    return {name: {row: told(samples) for row, samples in rows.items()} for name, rows in found.items()}


def told(samples: list[Sample]) -> dict[str, float]:
    return {
        "speed": statistics.median(sample.bytes / sample.seconds / 1e6 for sample in samples),
        "cpu": statistics.median(sample.server_cpu * 1e6 / (sample.bytes / 65536) for sample in samples),
    }


def serve(netns: str, profile: str | None) -> None:
    from components.small_services import SmallServices
    from netif import Netif, Stack
    from tapio import Pcap
    from tests.bench.server import ready

    profiles = Profiles() if profile else None
    with (
        Stack() as host,
        Netif(Pcap(INTERFACE, netns=netns), stack=host, ip=f"{ADDRESS}/24"),
        SmallServices(host),
    ):
        ready()
    if profiles and profile:
        profiles.write(profile)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=1.0)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--serve", metavar="NS")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--profile")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    if options.serve:
        serve(options.serve, options.profile)
    else:
        print(json.dumps(measure(options.seconds, options.rounds)))


if __name__ == "__main__":
    main()
