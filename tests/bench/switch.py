"""CPU microseconds of a frame at a switch of many ports: `python -m tests.bench.switch 10 100 1000`."""

from __future__ import annotations

import argparse
import time

from components.lan import Lan
from netif.link import Buffer
from netif.wire import arp, ethernet

FRAMES = 20_000


def cost(lan: Lan, frames: list[Buffer]) -> float:
    """Of one of `frames` from the first host, taken by whoever gets it."""
    port = lan.hosts["host0"].netif.driver
    begun = time.process_time()
    for n in range(0, FRAMES, 10):
        lan.runtime.enter()
        for frame in frames[n % len(frames) : n % len(frames) + 10]:
            port.transmit((frame,), None)
        lan.runtime.leave()
    return 1e6 * (time.process_time() - begun) / FRAMES


def measure(count: int) -> str:
    with Lan(seed=1, subnet="10.0.0.0/16") as lan:
        hosts = [lan.host(f"host{n}") for n in range(count)]
        lan.switch.storm = 1 << 60
        lan.run_for(10)
        one, other = hosts[0].netif, hosts[-1].netif
        unicast: list[Buffer] = [ethernet.emit(other.mac, one.mac, 0x88B5) + bytes(46)] * 10
        ours, theirs, nobodys = one.ip_info.ip.packed, other.ip_info.ip.packed, bytes((10, 0, 255, 254))
        asks: list[list[Buffer]] = [
            [
                ethernet.emit(ethernet.BROADCAST, one.mac, ethernet.ARP)
                + arp.emit(arp.REQUEST, one.mac, ours, bytes(6), target)
            ]
            * 10
            for target in (theirs, nobodys)
        ]
        figures = [cost(lan, frames) for frames in (unicast, *asks)]
        return " ".join(f"{figure:8.1f}" for figure in figures)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ports", type=int, nargs="+")
    print(f"{'ports':>6} {'unicast':>8} {'ARP, one':>8} {'nobody':>8}")
    for ports in parser.parse_args(argv).ports:
        print(f"{ports:6} {measure(ports)}", flush=True)


if __name__ == "__main__":
    main()
