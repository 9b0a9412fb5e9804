"""DHCP and DNS on the kernel's end, for a recipe that offers `--dhcp` and `--dns`: dnsmasq, started and ended.

Knows dnsmasq(8)'s options and which addresses of a subnet are free to give.
"""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from components.command import Complaint, Parser
from components.host.kernel import Host
from components.host.servers import StartServer, StopServer, command_of, running
from components.host.steps import Step

if TYPE_CHECKING:
    import argparse

POOL = 100  # addresses, at most, beside the kernel's own
LEASE_TIME = "1h"


def add_arguments(parse: Parser) -> None:
    parse.add_argument("--dhcp", action="store_true", help="give addresses on it, by dnsmasq")
    parse.add_argument("--pool", metavar="FIRST-LAST", help="these (up to a hundred of the subnet)")
    parse.add_argument("--dns", action="store_true", help="answer for names on it, as this host would, by dnsmasq")


def steps(host: Host, options: argparse.Namespace) -> list[Step]:
    """None where neither was asked for."""
    if options.pool and not options.dhcp:
        raise Complaint("--pool goes with --dhcp")
    if not options.dhcp and not options.dns:
        return []
    if shutil.which("dnsmasq") is None:
        raise Complaint("--dhcp and --dns take dnsmasq: apt install dnsmasq-base")
    stem = f"{options.name}{f'@{options.netns}' if options.netns else ''}"
    pidfile = str(Path(options.directory, f"dnsmasq-{stem}.pid"))
    leases = str(Path(options.directory, f"dnsmasq-{stem}.leases"))
    argv = ["dnsmasq", "--conf-file=/dev/null", f"--pid-file={pidfile}", "--user=root", "--no-hosts", "--no-ping"]
    argv += [f"--interface={options.name}", "--except-interface=lo", "--bind-dynamic"]
    argv += [] if options.dns else ["--port=0"]
    served = []
    if options.dhcp:
        first, last = pool(options.pool, options.addr)
        argv += [f"--dhcp-range={first},{last},{LEASE_TIME}", f"--dhcp-leasefile={leases}", "--dhcp-authoritative"]
        served.append(f"DHCP gives {first} to {last}")
    served += ["DNS answers"] * options.dns
    process = running(pidfile)
    there = process is not None and command_of(process) == " ".join(argv)
    if process is not None and not there:
        raise Complaint(f"{options.name}: dnsmasq runs with other options: --down first")
    start = StartServer(argv=tuple(argv), pidfile=pidfile)
    stop = StopServer(pidfile=pidfile, leaves=(leases,))
    return [Step(do=start, undo=(stop,), report=f"{', '.join(served)} (dnsmasq)", there=there)]


def pool(asked: str | None, address: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    """The first and the last address to give: as asked, else as many as there are from .100 on or after our own."""
    own = ipaddress.IPv4Interface(address)
    if asked is not None:
        try:
            first, last = (ipaddress.IPv4Address(word.strip()) for word in asked.split("-"))
        except ValueError:
            raise Complaint(f"--pool {asked} should be two addresses, such as 192.168.5.100-192.168.5.199") from None
        if first > last or first not in own.network or last not in own.network or first <= own.ip <= last:
            raise Complaint(f"--pool {asked} should lie in {own.network}, first before last, without {own.ip}")
        return first, last
    bottom, top = own.network.network_address + 1, own.network.broadcast_address - 1
    if own.network.num_addresses >= 256 and not 0 <= int(own.ip) - int(bottom) - 99 < POOL:
        bottom += 99
    elif int(own.ip) - int(bottom) < int(top) - int(own.ip):
        bottom = own.ip + 1
    else:
        top = own.ip - 1
    return bottom, min(top, bottom + POOL - 1)
