"""`netif host doctor`: what is missing or in the way, and the one command that mends each.

Knows the order in which to ask; what to ask is in components/host/checks. Changes nothing. Exit status 0: nothing is
wrong (hints aside), 1: something is.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address

import attrs

from components.command import Complaint, explain, run
from components.host.checks import bridge, device, passage, programs, rights
from components.host.checks.facts import Facts, look
from components.host.checks.finding import Finding, Severity
from components.parser import Parser
from components.wires.grammar import BadWire, parse
from tapio.netns import in_netns
from tapio.wire import WireError

Check = Callable[[Facts], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (
    *rights.CHECKS,
    *device.CHECKS,
    *bridge.CHECKS,
    *passage.CHECKS,
    *programs.CHECKS,
)
KINDS = ("tap", "tun", "packet", "pcap")


def examine(facts: Facts, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What the checks find, the worst first; commands are worded for the namespace that was looked at."""
    found = [finding for check in checks for finding in check(facts)]
    order = list(Severity)
    return sorted((_worded(finding, facts.netns) for finding in found), key=lambda one: order.index(one.severity))


def _worded(finding: Finding, netns: str | None) -> Finding:
    if netns is None:
        return finding
    command = finding.command
    if "&&" in command or ";" in command:
        command = f"sh -c {shlex.quote(command)}"
    return attrs.evolve(finding, command=f"ip netns exec {shlex.quote(netns)} {command}")


def device_of(wire: str) -> tuple[str, str]:
    """("packet", "veth0") of "sniff(packet:veth0,...)"; of a bare name ("", name): the kernel knows its kind."""
    try:
        kind, colon, rest = parse(wire).head.rpartition(":")
    except BadWire as error:
        raise Complaint(f"-i {wire}: {error}") from None
    name = rest.partition(",")[0]
    if (colon and kind not in KINDS) or not name:
        raise Complaint(f"-i {wire}: name a device: {', '.join(f'{kind}:NAME' for kind in KINDS)}, or NAME alone")
    return kind, name


def parser() -> Parser:
    parse = Parser(
        prog="netif host doctor", description="Say what is missing or in the way, and the one command that mends each."
    )
    parse.add_argument("-i", dest="wire", metavar="WIRE", default="", help="the wire to look at, such as tap:tap0")
    parse.add_argument("--ip", metavar="A", help="our host's address there, to see whether it is another's")
    parse.add_argument("--netns", metavar="NS", help="look into this network namespace")
    parse.add_argument("--json", action="store_true", help="a list of findings, for a program")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv), prefix="netif host doctor")


def _main(argv: Sequence[str] | None) -> int:
    options = parser().parse_args(argv)
    if sys.platform != "linux":
        raise Complaint("the doctor knows Linux alone")
    kind, name = device_of(options.wire) if options.wire else ("", "")
    try:
        ip = IPv4Address(options.ip.partition("/")[0]) if options.ip else None
    except ValueError:
        raise Complaint(f"--ip {options.ip} should be an address, such as 192.168.5.100") from None
    netns = options.netns
    try:
        found = in_netns(netns, lambda: examine(look(kind=kind, device=name, ip=ip, netns=netns)))
    except WireError as error:
        raise Complaint(explain(error)) from None
    if options.json:
        print(json.dumps([attrs.asdict(one, value_serializer=_plain) for one in found], indent=2))
    else:
        print("\n".join(one.line() for one in found) or "nothing is missing, and nothing in the way")
    return int(any(one.severity is not Severity.HINT for one in found))


def _plain(_instance: object, _field: object, value: object) -> object:
    return value.value if isinstance(value, Severity) else value


if __name__ == "__main__":
    raise SystemExit(main())
