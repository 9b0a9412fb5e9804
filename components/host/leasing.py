"""DHCP and DNS on the kernel's end, for a recipe that offers `--dhcp` and `--dns`: dnsmasq, else a server of our own.

Knows dnsmasq(8)'s options, what our server wants to know, and which addresses of a subnet are free to give. Our own
answers for no names: it tells of the name servers that this machine has.
"""

from __future__ import annotations

import ipaddress
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from components.command import Complaint
from components.host.kernel import Host, inside
from components.host.privilege import as_module
from components.host.servers import StartServer, StopServer, command_of, running
from components.host.steps import Step
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

POOL = 100  # addresses, at most, beside the kernel's own
LEASE_TIME = "1h"


def add_arguments(parse: Parser) -> None:
    parse.add_argument("--dhcp", action="store_true", help="give addresses on it, by dnsmasq, else by our own server")
    parse.add_argument("--pool", metavar="FIRST-LAST", help="these (up to a hundred of the subnet)")
    parse.add_argument("--dns", action="store_true", help="answer for names on it, as this host would, by dnsmasq")
    parse.add_argument("--own", action="store_true", help="by our own server, dnsmasq or not")


def steps(host: Host, options: argparse.Namespace) -> list[Step]:
    """None where neither was asked for."""
    if (options.pool or options.own) and not options.dhcp:
        raise Complaint("--pool and --own go with --dhcp")
    if not options.dhcp and not options.dns:
        return []
    own = options.own or shutil.which("dnsmasq") is None
    if own and options.dns:
        raise Complaint(f"--dns takes dnsmasq{', not --own' if options.own else ': apt install dnsmasq-base'}")
    stem = f"{options.name}{f'@{options.netns}' if options.netns else ''}"
    pidfile = str(Path(options.directory, f"dhcp-{stem}.pid"))
    leases = str(Path(options.directory, f"dhcp-{stem}.leases"))
    before, words = ([], dnsmasq(options, pidfile, leases)) if not own else our_own(options, pidfile)
    process = running(pidfile)
    there = process is not None and command_of(process) == " ".join(words)
    if process is not None and not there:
        raise Complaint(f"{options.name}: a server runs with other options: --down first")
    served = ["DHCP gives {} to {}".format(*pool(options.pool, options.addr))] * options.dhcp
    served += ["DNS answers"] * options.dns
    start = StartServer(argv=(*before, *words), pidfile=pidfile)
    stop = StopServer(pidfile=pidfile, leaves=() if own else (leases,))
    report = f"{', '.join(served)} ({'our own server' if own else 'dnsmasq'})"
    return [Step(do=start, undo=(stop,), report=report, there=there)]


def dnsmasq(options: argparse.Namespace, pidfile: str, leases: str) -> list[str]:
    argv = ["dnsmasq", "--conf-file=/dev/null", f"--pid-file={pidfile}", "--user=root", "--no-hosts", "--no-ping"]
    argv += [f"--interface={options.name}", "--except-interface=lo", "--bind-dynamic"]
    argv += [] if options.dns else ["--port=0"]
    if options.dhcp:
        first, last = pool(options.pool, options.addr)
        argv += [f"--dhcp-range={first},{last},{LEASE_TIME}", f"--dhcp-leasefile={leases}", "--dhcp-authoritative"]
    return argv


def our_own(options: argparse.Namespace, pidfile: str) -> tuple[list[str], list[str]]:
    """(what sets the environment, the command line as the process shows it)."""
    kernels = ipaddress.IPv4Interface(options.addr)
    first, last = pool(options.pool, options.addr)
    taken = {kernels.ip, kernels.network.network_address, kernels.network.broadcast_address}
    below = (kernels.network.broadcast_address - back for back in range(1, POOL + 3))
    free = (one for one in below if one in kernels.network and one not in taken and not first <= one <= last)
    address = next(free, None)
    if address is None:
        raise Complaint(f"{kernels.network} has no address left for our own server: give a smaller --pool")
    words = [pidfile, options.name, f"{address}/{kernels.network.prefixlen}", str(first), str(last), str(kernels.ip)]
    argv = as_module("components.host.dhcp_server", [*words, *name_servers()])
    at = argv.index(sys.executable)
    return argv[:at], argv[at:]


def name_servers() -> list[str]:
    """This machine's, that another may ask too."""
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        return []
    named = [line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1]
    return [one for one in named if ":" not in one and not one.startswith("127.")]


def hint(options: argparse.Namespace, command: str, *more: str) -> str:
    """The command of ours that may come next."""
    kernels = ipaddress.IPv4Interface(options.addr)
    first, _last = pool(options.pool, options.addr)
    ours = ["--dhcp"] if options.dhcp else ["--ip", f"{first}/{kernels.network.prefixlen}", "--gw", str(kernels.ip)]
    wire = f"packet:{options.veth}" if options.veth else options.name
    return f"then: {inside(options.netns, ['netif', command, '-i', wire, *ours, *more])}"


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
