"""`components.small_services` to be measured: on our stack over a TAP, or the same program on the kernel's sockets.

`python -m tests.bench.server ours|kernel --netns NS [--cpu N] [--profile FILE]` says "ready", and serves until its
standard input ends.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import socket
import sys
import threading
from typing import Any

from components.small_services import SmallServices
from tests.host.namespaces import enter_netns, in_netns


class Profiles:
    """A cProfile for each thread that starts from now on, added up at the end (Python 3.11: one profiler a thread)."""

    def __init__(self) -> None:
        self._all: list[cProfile.Profile] = []
        threading.setprofile(self._begin)
        self._begin()

    def _begin(self, *_event: Any) -> None:
        profile = cProfile.Profile()
        self._all.append(profile)
        profile.enable()

    def write(self, path: str) -> None:
        threading.setprofile(None)  # type: ignore[arg-type]
        self._all[0].disable()
        total = pstats.Stats(*self._all[:1])
        for profile in self._all[1:]:
            try:
                total.add(profile)
            except TypeError:
                continue  # a thread that never ran a function
        total.dump_stats(path)


def on_the_kernel() -> None:
    with SmallServices(socket):
        ready()


def on_our_stack(netns: str, tap: str, ip: str, offload: bool) -> None:
    from netif import Netif, Stack, Tap

    driver = in_netns(netns, lambda: Tap(tap, offload=offload))
    with Stack() as host, Netif(driver, stack=host, ip=ip), SmallServices(host):
        ready()


def ready() -> None:
    """Serve until whoever measures closes our standard input."""
    print("ready", flush=True)
    sys.stdin.read()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("on", choices=("ours", "kernel"))
    parser.add_argument("--netns", required=True)
    parser.add_argument("--tap", default="tap0")
    parser.add_argument("--ip", default="192.168.5.100/24")
    parser.add_argument("--no-offload", action="store_true")
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
        on_our_stack(options.netns, options.tap, options.ip, not options.no_offload)
    if profiles:
        profiles.write(options.profile)


if __name__ == "__main__":
    main()
