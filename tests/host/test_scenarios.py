"""The samples on a TAP, as ESP-IDF's own are tried by hand: the kernel's nc at 192.168.5.1, ours at 192.168.5.100."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.host.namespaces import Namespace, heard, wait_until

pytestmark = pytest.mark.host

KERNEL, OURS, TAP = "192.168.5.1", "192.168.5.100", "tap0"


def flags(ns: Namespace, device: str = TAP) -> list[str]:
    """What `ip link` shows between < and >; nothing where there is no such device."""
    shown = ns.exec("ip", "link", "show", device, check=False).stdout
    return shown.partition("<")[2].partition(">")[0].split(",") if shown else []


def nc(ns: Namespace, *words: str) -> subprocess.Popen[bytes]:
    return ns.start("nc", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def listening(ns: Namespace, kind: str) -> bool:
    return f"{KERNEL}:3333 " in ns.exec("ss", f"-Hln{kind}").stdout


def test_tcp_client_talks_to_nc(ns, netif):
    server = nc(ns, "-l", KERNEL, "3333")
    wait_until(lambda: listening(ns, "t"), what="nc's start")
    client = netif("tcp_client", "--once")
    assert heard(server) == b"Message from netif "
    os.write(server.stdin.fileno(), b"OK: got it\n")
    status, out, err = client.finish()
    assert (status, err) == (0, "")
    lines = re.findall(r"I \(\d+\) tcp_client: (.*)", out)
    assert lines == [
        f"Socket created, connecting to {KERNEL}:3333",
        "Successfully connected",
        f"Received 11 bytes from {KERNEL}: OK: got it",
    ]
    assert server.wait(10) == 0  # nc has seen our FIN


def test_nc_reaches_tcp_server(ns, netif):
    server = netif("tcp_server", "--once")
    server.until("Socket listening")
    asking = nc(ns, "-N", OURS, "3333")
    assert asking.communicate(b"Data to ESP\n", timeout=10)[0] == b"Data to ESP\n"
    status, out, err = server.finish()
    assert (status, err) == (0, "")
    lines = [re.sub(rf"{KERNEL}:\d+", "NC", line) for line in re.findall(r"I \(\d+\) tcp_server: (.*)", out)]
    assert lines == [
        "Socket created",
        "Socket bound, port 3333",
        "Socket listening",
        "Socket accepted ip address: NC",
        "Received 12 bytes from NC: Data to ESP",
        "Connection closed by NC",
    ]


def test_udp_client_talks_to_nc(ns, netif):
    server = nc(ns, "-u", "-l", KERNEL, "3333")
    wait_until(lambda: listening(ns, "u"), what="nc's start")
    client = netif("udp_client", "--once")
    assert heard(server) == b"Message from netif "
    os.write(server.stdin.fileno(), b"OK: got it\n")
    status, out, err = client.finish()
    assert (status, err) == (0, "")
    assert re.findall(r"I \(\d+\) udp_client: (.*)", out) == [
        f"Socket created, sending to {KERNEL}:3333",
        "Message sent",
        f"Received 11 bytes from {KERNEL}: OK: got it",
        "Received expected message, reconnecting",
    ]


def test_nc_reaches_udp_server(ns, netif):
    server = netif("udp_server", "--once")
    server.until("Waiting for data")
    asking = nc(ns, "-u", OURS, "3333")
    os.write(asking.stdin.fileno(), b"Data to ESP\n")
    assert heard(asking) == b"Data to ESP\n"
    status, out, err = server.finish()
    assert (status, err) == (0, "")
    lines = [re.sub(rf"{KERNEL}:\d+", "NC", line) for line in re.findall(r"I \(\d+\) udp_server: (.*)", out)]
    assert lines[-1] == "Received 12 bytes from NC: Data to ESP"


def test_the_device_has_a_carrier_while_the_program_runs(ns, netif):
    assert "NO-CARRIER" in flags(ns)
    server = netif("tcp_server")
    server.until("Socket listening")
    wait_until(lambda: "LOWER_UP" in flags(ns) and "NO-CARRIER" not in flags(ns), what="the carrier")
    server.signal(15)
    assert server.finish()[0] == 143
    wait_until(lambda: "NO-CARRIER" in flags(ns), what="the end of the carrier")


def test_a_device_that_the_program_made_is_gone_after_it(ns, netif):
    assert flags(ns, "tap7") == []
    server = netif("tcp_server", wire="tap:tap7,create")
    server.until("Socket listening")
    assert flags(ns, "tap7") != []
    server.signal(15)
    assert server.finish()[0] == 143
    assert flags(ns, "tap7") == []
