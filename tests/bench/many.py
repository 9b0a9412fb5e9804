"""What many hosts behind one TAP cost: `python -m tests.bench.many 10 100 500` (root; in a namespace of its own).

All of them on the real clock, in one process, with addresses from dnsmasq. CPU time is that of this process; a
broadcast is an ARP request of the kernel's side, for an address that nobody has or for one of theirs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
from socket import AF_PACKET, SOCK_RAW, socket

from components.lan import Lan
from netif.wire import arp, ethernet
from tapio import Tap
from tests.bench.leases import resident
from tests.host.namespaces import Namespace, namespace, wait_until

GATEWAY, NOBODY = "10.7.0.1", "10.7.255.1"
RANGE = "10.7.0.10,10.7.15.254"
BROADCASTS = 1000
IDLE = 5.0  # seconds
SETTLED = 12.0  # seconds after which the announcements of addresses (RFC 5227) are over
PACE = 0.0005  # seconds between two broadcasts, so that none is lost on the TAP


def dnsmasq(ns: Namespace) -> None:
    words = "--no-daemon -C /dev/null --port=0 --interface=tap0 --bind-dynamic --no-ping --pid-file= --leasefile-ro"
    ns.start("dnsmasq", *words.split(), f"--dhcp-range={RANGE},255.255.0.0,1h", stderr=subprocess.DEVNULL)
    wait_until(lambda: ":67 " in ns.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")


def broadcast(ns: Namespace, target: str, count: int = BROADCASTS) -> float:
    """Seconds of CPU for one."""
    octets = [bytes(map(int, address.split("."))) for address in (GATEWAY, target)]
    mac = ethernet.parse_mac(ns.mac("tap0"))
    request = ethernet.emit(ethernet.BROADCAST, mac, ethernet.ARP)
    request += arp.emit(arp.REQUEST, mac, octets[0], bytes(6), octets[1])
    with ns.call(lambda: socket(AF_PACKET, SOCK_RAW)) as s:
        s.bind(("tap0", 0))
        before, own = time.process_time(), time.thread_time()
        for _ in range(count):
            s.send(request)
            time.sleep(PACE)
        own = time.thread_time() - own
        time.sleep(0.2)
        return (time.process_time() - before - own) / count


def measure(hosts: int) -> dict[str, float]:
    with namespace() as ns:
        ns.add_tap("tap0", f"{GATEWAY}/16")
        driver = ns.call(lambda: Tap("tap0"))
        ns.settle("tap0")
        dnsmasq(ns)
        memory, threads = resident(), threading.active_count()
        wall, cpu = time.perf_counter(), time.process_time()
        with Lan(seed=1, clock="real", subnet="10.7.0.0/16", dhcp="uplink", uplink=driver) as lan:
            made = [lan.host(f"host{n}") for n in range(hosts)]
            lan.run_until(lambda: all(host.netif.ip_info for host in made), timeout=120)
            figures = {
                "hosts": hosts,
                "bound_wall": time.perf_counter() - wall,
                "bound_cpu": time.process_time() - cpu,
                "threads": threading.active_count() - threads,
                "memory": (resident() - memory) / hosts,
            }
            time.sleep(SETTLED)
            idle = time.process_time()
            time.sleep(IDLE)
            figures["idle_cpu"] = (time.process_time() - idle) / IDLE
            figures["broadcast_nobody_us"] = 1e6 * broadcast(ns, NOBODY)
            figures["broadcast_one_us"] = 1e6 * broadcast(ns, made[-1].ip)
            return figures


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", type=int, nargs="+")
    for hosts in parser.parse_args(argv).hosts:
        print(json.dumps({name: round(figure, 4) for name, figure in measure(hosts).items()}), flush=True)


if __name__ == "__main__":
    main()
