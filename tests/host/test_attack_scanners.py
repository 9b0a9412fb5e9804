"""nmap looks at our host over a TAP: it finds what an RFC's host shows, and an honest connection goes on meanwhile."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.host.attacked import OURS, under_attack
from tests.host.namespaces import Namespace

pytestmark = pytest.mark.host

TCP_PORTS, UDP_PORTS = "1-100", "5330-5370"
OPEN = {"7/tcp": "open", "80/tcp": "open"}
SILENT = {"7/tcp": "open|filtered", "80/tcp": "open|filtered"}
FOUND = {  # by scan: what it finds of each port, and of all the others
    "-sS": (OPEN, "98 closed tcp ports (reset)"),  # RFC 9293 3.10.7.1 and 3.10.7.2
    "-sT": (OPEN, "98 closed tcp ports (conn-refused)"),
    "-sN": (SILENT, "98 closed tcp ports (reset)"),  # without SYN, ACK and RST a listener drops it
    "-sF": (SILENT, "98 closed tcp ports (reset)"),
    "-sX": (SILENT, "98 closed tcp ports (reset)"),
    "-sA": ({}, "100 unfiltered tcp ports (reset)"),  # an ACK is reset by a listener, too
    "-sW": ({}, "100 closed tcp ports (reset)"),  # and the reset tells no window
    "-sM": ({}, "100 closed tcp ports (reset)"),
    "-sU": ({"5353/udp": "open|filtered"}, "40 closed udp ports (port-unreach)"),  # RFC 1122 4.1.3.1
    "-sO": (
        {"1": "open", "2": "open|filtered", "6": "open", "17": "open"},
        "57 closed n/a protocols (proto-unreach)",  # RFC 1122 3.2.2.1
    ),
}


BY_ICMP = ("-sU", "-sO")  # answered by ICMP errors, of which a host gets a hundred a second: one after the other


def command(*options: str) -> list[str]:
    return ["nmap", "-n", "-Pn", "--disable-arp-ping", "-T4", *options, OURS]


def finished(process: subprocess.Popen[str], timeout: float = 60.0) -> str:
    report, complaint = process.communicate(timeout=timeout)
    assert process.returncode == 0, complaint
    return report


def states(report: str) -> dict[str, str]:
    """What it says of each port."""
    return dict(re.findall(r"^(\d+(?:/\w+)?) +(\S+)", report, re.MULTILINE))


def look(ns: Namespace, *options: str, timeout: float = 60.0) -> str:
    return ns.exec(*command(*options), timeout=timeout).stdout


def ports(scan: str) -> tuple[str, ...]:
    return ("-p", {"-sO": "1-61", "-sU": UDP_PORTS}.get(scan, TCP_PORTS))


@pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
def test_ten_scans_find_what_is_open_and_what_is_not(ns: Namespace, join: Any, offload: bool):
    stack = join(offload=offload)
    with under_attack(ns, stack):
        at_once = [scan for scan in FOUND if scan not in BY_ICMP]
        looking = {scan: ns.start(*command(scan, *ports(scan)), stdout=subprocess.PIPE, text=True) for scan in at_once}
        reports = {scan: finished(process) for scan, process in looking.items()}
        for scan in BY_ICMP:
            reports[scan] = look(ns, scan, "--max-rate", "60", *ports(scan))
    for scan, (found, others) in FOUND.items():
        assert states(reports[scan]) == found, reports[scan]
        assert f"Not shown: {others}" in reports[scan]
    assert stack.tcp.half_open == 0


def test_the_usual_thousand_ports(ns: Namespace, join: Any):
    """More resets a second than we send: it asks again."""
    stack = join(offload=False)
    with under_attack(ns, stack):
        report = look(ns, "-sS")
    assert states(report) == OPEN
    assert "998 closed tcp ports (reset)" in report


@pytest.mark.slow
def test_a_fingerprint_is_that_of_a_sound_host(ns: Namespace, join: Any):
    """Each of its probes is answered as it must be, and the numbers that it collects tell nothing."""
    stack = join(offload=False)
    with under_attack(ns, stack):
        for _ in range(3):  # on a busy machine it may miss an answer
            report = look(ns, "-sS", "-O", "-p", TCP_PORTS)
            if "SEQ(" in report:
                break
    fingerprint = "".join(line[3:] for line in report.splitlines() if line.startswith("OS:"))
    said = dict(re.findall(r"(\w+)\((.*?)\)", fingerprint))
    sequence = dict(part.split("=") for part in said["SEQ"].split("%"))
    assert int(sequence["SP"], 16) > 0xE0  # how hard the next initial number is to guess, RFC 6528
    assert sequence["TI"] == sequence["CI"] == "Z"  # an atomic datagram's identification tells nothing, RFC 6864
    assert said["T1"].startswith("R=Y")  # a SYN to an open port
    assert said["T2"] == "R=N"  # no flags to an open port
    assert said["T3"] == "R=N"  # SYN with FIN, URG and PSH to an open port: as Linux
    assert "S=A%A=Z%F=R%" in said["T4"]  # an ACK to an open port
    assert "S=Z%A=S+%F=AR%" in said["T5"]  # a SYN to a closed one
    assert "S=A%A=Z%F=R%" in said["T6"]  # an ACK
    assert "S=Z%A=S+%F=AR%" in said["T7"]  # FIN, PSH and URG
    assert all(f"%{part}=G" in said["U1"] for part in ("RIPL", "RID", "RIPCK", "RUCK", "RUD"))  # what it quotes is so
    assert said["IE"].startswith("R=Y")


@pytest.mark.slow
def test_versions_of_services_are_asked_for(ns: Namespace, join: Any):
    stack = join(offload=True)
    with under_attack(ns, stack):
        report = look(ns, "-sV", "--version-intensity", "1", "-p", "7,81", timeout=120.0)
    assert states(report) == {"7/tcp": "open", "81/tcp": "closed"}


@pytest.mark.slow
@pytest.mark.parametrize("trick", [("-f",), ("--mtu", "24"), ("--badsum",), ("-D", "192.168.5.7,ME", "-g", "53")])
def test_tricks_against_filters_do_no_harm(ns: Namespace, join: Any, trick: tuple[str, ...]):
    stack = join(offload=False)
    with under_attack(ns, stack):
        report = look(ns, "-sS", *trick, "-p", "1-30")
    found = states(report)
    assert found.get("7/tcp", "filtered") in ("open", "filtered")
    assert set(found.values()) <= {"open", "filtered"}
    assert stack.tcp.half_open == 0
