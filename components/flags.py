"""What a person may say about the wire: flags, their environment twins, and how each value is written.

Knows the words (`--loss 1%`, `NETIF_LOSS=1%`) and their bounds; opens nothing. A flag wins over its twin. Whatever is
wrong raises a Complaint that names the flag or the variable and says what it should be.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface
from random import Random, SystemRandom
from typing import Any

import attrs

from components.command import Complaint
from components.wires.kinds import help_lines
from netif.config import MTU_MIN, DnsType, check_hostname
from netif.wire import ethernet, ip

MTU_MAX = 65521  # what a TAP device takes


@attrs.frozen(kw_only=True)
class Choice:
    """What was asked for; None where the wire's own default is to hold."""

    wire: str = "pair:"
    ip: IPv4Interface | None = None
    gateway: IPv4Address | None = None
    dhcp: bool = False
    dns: tuple[IPv4Address, ...] = ()  # the one to ask first in front
    hostname: str = ""
    mac: bytes | None = None
    mtu: int | None = None  # bytes of an IP packet
    loss: float = 0.0  # of the frames, in each direction
    delay: float = 0.0  # seconds, in each direction
    seed: int | None = None
    pcapng: str | None = None
    bpf: str | None = None
    verbose: int = 0
    timeout: float | None = None  # seconds
    once: bool = False
    user: str | None = None  # whose rights alone to keep once the wire is open


def parse_interface(text: str) -> IPv4Interface:
    address, _mask = ip.parse_prefix(text)
    interface = IPv4Interface(text)
    network = interface.network
    if interface.ip.is_multicast or interface.ip.is_loopback or address == ip.ANY or address == ip.BROADCAST:
        raise ValueError(f"{interface.ip} is no address for a host")
    if network.prefixlen < 31 and interface.ip in (network.network_address, network.broadcast_address):
        raise ValueError(f"{interface.ip} names {network} as a whole: choose an address within it")
    return interface


def parse_gateway(text: str) -> IPv4Address:
    return IPv4Address(ip.parse_address(text))


def parse_servers(text: str) -> tuple[IPv4Address, ...]:
    servers = tuple(parse_gateway(one.strip()) for one in text.split(","))
    if len(servers) > len(DnsType):
        raise ValueError(f"{len(servers)} name servers are too many: write at most {len(DnsType)}")
    return servers


def parse_hostname(text: str) -> str:
    try:
        return check_hostname(text)
    except ValueError as error:
        raise ValueError(str(error).partition(": ")[2]) from None  # which flag it is will be said


def parse_truth(text: str) -> bool:
    truth = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}.get(text.lower())
    if truth is None:
        raise ValueError(f"{text} is neither yes nor no: write 1 or 0")
    return truth


def parse_mac(text: str) -> str | bytes:
    if text == "random":
        return text
    mac = ethernet.parse_mac(text)
    if mac[0] & 1 or mac == bytes(6):
        raise ValueError(f"{text} is no station's address: the first octet must be even, as in 02:00:00:00:00:01")
    return mac


def parse_mtu(text: str) -> int:
    if not text.isdecimal() or not MTU_MIN <= int(text) <= MTU_MAX:
        raise ValueError(f"{text} is out of range: write {MTU_MIN} to {MTU_MAX}")
    return int(text)


def parse_share(text: str) -> float:
    """ "1%", or the same as 0.01."""
    number, percent = (text[:-1], 100.0) if text.endswith("%") else (text, 1.0)
    try:
        share = float(number) / percent
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{text} is no share of the frames: write 1% or 0.01")
    return share


def parse_seconds(text: str) -> float:
    """ "20ms", "1.5s", or seconds without a unit."""
    number, unit = text, 1.0
    for suffix, scale in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if text.endswith(suffix):
            number, unit = text[: -len(suffix)], scale
            break
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e6:
        raise ValueError(f"{text} is no time: write 20ms or 1.5s")
    return seconds


def parse_seed(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{text} is no number") from None


# flag, field of Choice, metavar, parse, help; the environment twin is NETIF_ and the flag's name
FLAGS: tuple[tuple[str, str, str, Callable[[str], Any], str], ...] = (
    ("--ip", "ip", "A/LEN", parse_interface, "our address, such as 192.168.5.100/24 (the default on a TAP and a pair)"),
    ("--gw", "gateway", "A", parse_gateway, "the gateway, such as 192.168.5.1"),
    ("--dns", "dns", "A[,A]", parse_servers, "the name servers to ask, before those that DHCP tells of"),
    ("--hostname", "hostname", "H", parse_hostname, "our name, which a DHCP server is told too"),
    ("--mac", "mac", "M", parse_mac, "our MAC address, or `random` (by default the same at every start)"),
    ("--mtu", "mtu", "N", parse_mtu, "the largest IP packet, in bytes (1500)"),
    ("--loss", "loss", "P", parse_share, "lose this share of the frames in each direction, such as 1%%"),
    ("--delay", "delay", "T", parse_seconds, "hold each frame for this long in each direction, such as 20ms"),
    ("--seed", "seed", "N", parse_seed, "seed of what is random: the same losses at every start"),
    ("--pcapng", "pcapng", "FILE", str, "write the frames to FILE, for Wireshark"),
    ("--bpf", "bpf", "EXPR", str, "hear only what matches this filter, on pcap: alone, such as 'tcp port 80 or arp'"),
    ("--user", "user", "NAME", str, "once the wire is open, have no rights but those of user NAME"),
    ("--timeout", "timeout", "S", parse_seconds, "give up when no peer has answered for this long; exit status 1"),
)

WIRES = """\
wires:
{wires}
each flag has a twin in the environment: NETIF_WIRE, NETIF_IP, NETIF_GW, NETIF_DHCP=1, NETIF_MAC, NETIF_LOSS ...

two shells of an ordinary user, a server in one and a client in the other:
  {program} tcp_server -i unix:/tmp/lan --ip 10.0.0.1/24
  {program} tcp_client -i unix:/tmp/lan --ip 10.0.0.2/24 10.0.0.1
"""


def add_flags(parser: argparse.ArgumentParser, *, program: str = "netif") -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = WIRES.format(program=program, wires=help_lines())
    group = parser.add_argument_group("the wire")
    group.add_argument("-i", dest="wire", metavar="WIRE", help="which wire to use, see below")
    group.add_argument("--dhcp", action="store_true", help="ask a DHCP server for our address, instead of --ip")
    for flag, field, metavar, _parse, text in FLAGS:
        group.add_argument(flag, dest=field, metavar=metavar, help=text)
    group.add_argument("--once", action="store_true", help="end after the first exchange or client")
    group.add_argument("-v", dest="verbose", action="count", default=0, help="log what the link does; -vv: every frame")


def choice_of(options: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Choice:
    """The flags and, where one is silent, its twin; validated one by one and together."""
    environment = os.environ if environment is None else environment
    chosen: dict[str, Any] = {"verbose": options.verbose, "once": options.once}
    if options.wire is not None and not options.wire.strip():
        raise Complaint("-i: wants a wire, such as tap:tap0; without -i it is pair:, a second host in this process")
    wire = options.wire or environment.get("NETIF_WIRE")
    if wire:
        chosen["wire"] = wire
    for flag, field, _metavar, parse, _help in FLAGS:
        said, text = flag, getattr(options, field)
        if text is None:
            said = twin(flag)
            text = environment.get(said) or None
        if text is not None:
            chosen[field] = parsed(said, parse, text)
    if chosen.get("mac") == "random":
        chosen["mac"] = random_mac(chosen.get("seed"))
    choose_address(chosen, options, environment)
    return Choice(**chosen)


def twin(flag: str) -> str:
    """The variable that says the same."""
    return "NETIF_" + flag[2:].upper()


def parsed(said: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text.strip())
    except ValueError as error:
        raise Complaint(f"{said}: {error}") from None


def choose_address(chosen: dict[str, Any], options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """--ip or --dhcp: a flag of the one wins over the other's twin, and what goes only with the other is no longer."""
    said = environment.get("NETIF_DHCP")
    wanted = options.dhcp or (parsed("NETIF_DHCP", parse_truth, said) if said else False)
    if wanted and "ip" in chosen:
        if options.dhcp == (options.ip is not None):
            first, other = ("--dhcp", "--ip") if options.dhcp else ("NETIF_DHCP", "NETIF_IP")
            raise Complaint(f"{first} and {other} exclude each other: have an address given, or say one")
        wanted = options.dhcp
    if not wanted:
        ip, gateway = chosen.get("ip"), chosen.get("gateway")
        if ip is not None and gateway is not None and gateway not in ip.network:
            raise Complaint(f"--gw: {gateway} is not in {ip.network}, where --ip puts us")
        return
    if options.gateway is not None:
        raise Complaint("--gw: with --dhcp the server says which gateway there is")
    chosen["dhcp"] = True
    chosen.pop("ip", None)
    chosen.pop("gateway", None)


def random_mac(seed: int | None) -> bytes:
    """Locally administered, a station's."""
    dice = SystemRandom() if seed is None else Random(f"mac {seed}")
    return b"\x02" + dice.randbytes(5)
