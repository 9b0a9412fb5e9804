"""hping3 floods our host over a TAP: what it holds stays within its limits, and an honest connection goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.host.attacked import KERNEL, OURS, under_attack
from tests.host.namespaces import Namespace

pytestmark = pytest.mark.host

FLOODS = {
    "SYN": ("-S", "-p", "80", "--rand-source"),
    "SYN to all ports": ("-S", "-p", "++1", "--rand-source"),
    "SYN from one": ("-S", "-p", "80"),
    "ACK": ("-A", "-p", "80", "--rand-source"),
    "ACK from one": ("-A", "-p", "7"),
    "RST": ("-R", "-p", "7"),
    "FIN": ("-F", "-p", "7", "--rand-source"),
    "SYN-ACK": ("-S", "-A", "-p", "++1"),
    "christmas trees": ("-F", "-P", "-U", "-S", "-R", "-A", "-X", "-Y", "-p", "7", "--rand-source"),
    "no flags": ("-p", "7", "--rand-source"),
    "SYN with data": ("-S", "-p", "80", "-d", "500", "--rand-source"),
    "UDP to a closed port": ("--udp", "-p", "4242", "-d", "100", "--rand-source"),
    "UDP that nobody reads": ("--udp", "-p", "5353", "-d", "1400"),
    "ping": ("--icmp", "-d", "56", "--rand-source"),
    "fragments": ("--udp", "-p", "5353", "-d", "4000"),
    "fragments that lack the rest": ("--udp", "-p", "5353", "-d", "100", "-x", "--rand-source"),
    "land": ("-S", "-a", OURS, "-s", "80", "-k", "-p", "80"),
    "wrong checksums": ("-S", "-p", "80", "--badcksum", "--rand-source"),
    "ICMP unreachable": ("--icmp", "-C", "3", "-K", "3", "--icmp-ipsrc", OURS, "--icmp-ipdst", KERNEL, "--rand-source"),
    "ICMP redirect": ("--icmp", "-C", "5", "-K", "1", "--icmp-gw", "192.168.5.66", "--icmp-ipsrc", OURS),
}
BRIEF = ("SYN", "ACK from one", "FIN", "RST")  # those that every run has


def frames_in(ns: Namespace) -> int:
    """How many frames the TAP has brought us."""
    return int(ns.ip("-s", "link", "show", "tap0").split("TX:")[1].split()[7])


def flood(ns: Namespace, stack: Any, options: tuple[str, ...], count: int) -> None:
    limits, tcp = stack.limits, stack.tcp
    with under_attack(ns, stack) as honest:
        before = honest.exchanges
        seen = frames_in(ns)
        ns.exec("hping3", "-q", "-n", "-c", str(count), "-i", "u30", *options, OURS, timeout=120.0, check=False)
        assert honest.exchanges - before >= 5  # while it lasted
        honest.goes_on()
        assert frames_in(ns) - seen >= count / 2  # the TAP's queue has its own bound
        assert tcp.half_open <= limits.syn_table
        assert len(tcp.connections) <= limits.syn_table + limits.time_wait + 3
        assert len(stack.interfaces[0].arp.entries) <= limits.arp_entries
        assert len(stack.ip.fragments) <= limits.reassembly_datagrams
        assert stack.ip.fragments.held <= limits.reassembly_bytes
        assert stack.timers.size() <= 3 * (limits.syn_table + limits.arp_entries)


@pytest.mark.parametrize("name", BRIEF)
def test_a_flood_for_a_moment(ns: Namespace, join: Any, name: str):
    flood(ns, join(offload=False), FLOODS[name], 3000)


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_many_thousands(ns: Namespace, join: Any, name: str):
    flood(ns, join(offload=True), FLOODS[name], 20_000 if name in BRIEF else 5000)
