"""Real DHCP servers on a device in a namespace, each with 192.168.5.100 to .120 to give, in the foreground."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.host.conftest import KERNEL_IP, TAP
from tests.host.namespaces import Namespace, wait_until

FIRST, LAST = "192.168.5.100", "192.168.5.120"
SEARCH = ("one.test", "two.one.test")
FAR_NET, FAR_ROUTER = "10.99.0.0/16", "192.168.5.2"
_CLASSLESS = "16, 10, 99, 192, 168, 5, 2, 0, 192, 168, 5, 1"  # 10.99/16 by .2, the rest by .1


def dnsmasq(ns: Namespace, directory: Path, lease_time: int, *, device: str = TAP) -> None:
    """Two minutes are the shortest lease it gives."""
    serve(
        ns,
        directory,
        [
            "dnsmasq",
            "--no-daemon",
            "-C",
            "/dev/null",
            f"--interface={device}",
            "--bind-dynamic",
            "--port=0",
            "--no-ping",
        ],
        ["--pid-file=", f"--dhcp-leasefile={directory}/leases", "--log-dhcp"],
        [f"--dhcp-range={FIRST},{LAST},{max(lease_time, 120)}", f"--dhcp-option=119,{','.join(SEARCH)}"],
        [f"--dhcp-option=6,{KERNEL_IP},{FAR_ROUTER}", "--dhcp-option=15,one.test", "--dhcp-option=26,1400"],
        [f"--dhcp-option=121,{FAR_NET},{FAR_ROUTER},0.0.0.0/0,{KERNEL_IP}"],
    )


def dhcpd(ns: Namespace, directory: Path, lease_time: int) -> None:
    search = ", ".join(f'"{name}"' for name in SEARCH)
    (directory / "dhcpd.leases").touch()
    (directory / "dhcpd.conf").write_text(
        f"""ping-check false; authoritative;
        default-lease-time {lease_time}; min-lease-time {lease_time}; max-lease-time {lease_time};
        option classless code 121 = array of integer 8;
        subnet 192.168.5.0 netmask 255.255.255.0 {{
            range {FIRST} {LAST};
            option routers {KERNEL_IP}; option domain-name-servers {KERNEL_IP}, {FAR_ROUTER};
            option domain-name "one.test"; option domain-search {search}; option interface-mtu 1400;
            option classless {_CLASSLESS};
        }}"""
    )
    files = ["-cf", f"{directory}/dhcpd.conf", "-lf", f"{directory}/dhcpd.leases", "-pf", f"{directory}/dhcpd.pid"]
    serve(ns, directory, ["dhcpd", "-f", "-d", "-4"], files, ["--no-pid", TAP])


def kea(ns: Namespace, directory: Path, lease_time: int) -> None:
    options = {
        "routers": KERNEL_IP,
        "domain-name-servers": f"{KERNEL_IP}, {FAR_ROUTER}",
        "domain-name": "one.test",
        "domain-search": ", ".join(SEARCH),
        "interface-mtu": "1400",
    }
    subnet = {
        "subnet": "192.168.5.0/24",
        "pools": [{"pool": f"{FIRST} - {LAST}"}],
        "option-data": [
            *({"name": name, "data": data} for name, data in options.items()),
            {"code": 121, "data": _CLASSLESS, "csv-format": True},
        ],
    }
    config = {
        "interfaces-config": {"interfaces": [TAP], "dhcp-socket-type": "raw"},
        "lease-database": {"type": "memfile", "persist": False},
        "valid-lifetime": lease_time,
        "calculate-tee-times": True,
        "option-def": [{"name": "classless", "code": 121, "type": "uint8", "array": True}],
        "subnet4": [subnet],
        "loggers": [{"name": "kea-dhcp4", "output_options": [{"output": "stderr"}], "severity": "INFO"}],
    }
    (directory / "kea.json").write_text(json.dumps({"Dhcp4": config}))
    environment = {**os.environ, "KEA_PIDFILE_DIR": str(directory), "KEA_LOCKFILE_DIR": "none"}
    serve(ns, directory, ["kea-dhcp4", "-c", f"{directory}/kea.json"], ready="DHCP4_STARTED", env=environment)


SERVERS: dict[str, Callable[[Namespace, Path, int], None]] = {"dnsmasq": dnsmasq, "dhcpd": dhcpd, "kea": kea}


def serve(ns: Namespace, directory: Path, *argv: list[str], ready: str = "", **options: Any) -> None:
    """Until its port is open and it has said `ready`; its log is in `directory`, for whoever looks into a failure."""
    command = [argument for part in argv for argument in part]
    log = directory / "log"
    with log.open("w") as output:
        process = ns.start(*command, stdout=output, stderr=output, **options)

    def is_open() -> bool:
        assert process.poll() is None, log.read_text()
        return ready in log.read_text() and ":0043 " in ns.call(lambda: Path("/proc/thread-self/net/udp").read_text())

    wait_until(is_open, 10.0, f"{command[0]}'s port 67")
