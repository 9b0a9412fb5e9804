"""How long a Lan of many hosts takes until all have an address by DHCP: `python -m tests.bench.leases HOSTS`.

One thread, the virtual clock, a server of ours. The switch looks at each broadcast once: twice as many hosts take twice
as long.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from resource import getpagesize

from netif import Lan


def resident() -> int:
    """Bytes of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


def bind(hosts: int) -> dict[str, float]:
    """Seconds of wall, CPU and virtual time until the last of them is bound, and bytes for each."""
    before, wall, cpu = resident(), time.perf_counter(), time.process_time()
    with Lan(seed=1, subnet="10.0.0.0/16", dhcp=True) as lan:
        asking = [lan.host(f"host{n}") for n in range(hosts)]
        lan.run_until(lambda: all(host.netif.ip_info for host in asking))
        assert len({host.ip for host in asking}) == hosts
        return {
            "hosts": hosts,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "virtual": lan.now(),
            "memory": (resident() - before) / hosts,
        }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", type=int)
    print(json.dumps({name: round(figure, 3) for name, figure in bind(parser.parse_args(argv).hosts).items()}))


if __name__ == "__main__":
    main()
