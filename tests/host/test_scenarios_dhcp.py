"""The samples with an address from dnsmasq, on a TAP: what is said on the way to it, and what when none comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.components.commands import CHECKOUT
from tests.host.namespaces import heard, wait_until

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.77"


def nc(ns, *words: str) -> subprocess.Popen[bytes]:
    return ns.start("nc", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_every_step_to_an_address_is_told(ns, netif, leases):
    server = nc(ns, "-l", KERNEL, "3333")
    wait_until(lambda: f"{KERNEL}:3333 " in ns.exec("ss", "-Hlnt").stdout, what="nc's start")
    client = netif("tcp_client", "--once", "--dhcp", "-v", "--hostname", "kitchen-light")
    assert heard(server) == b"Message from netif "
    wait_until(lambda: f" {OURS} kitchen-light " in leases.read_text(), what="the lease in dnsmasq's file")
    os.write(server.stdin.fileno(), b"OK: got it\n")
    status, out, err = client.finish()
    assert status == 0
    said = [re.sub(r"(?i)([0-9a-f]{2}:){5}[0-9a-f]{2}", "A MAC", line) for line in re.findall(r"I \(\d+\) (.*)", out)]
    assert said == [
        "connect: Waiting for IP addresses...",
        f"connect: READY, IP: {OURS}",
        f"connect:        GW: {KERNEL}",
        "connect:       MAC: A MAC",
        f"tcp_client: Socket created, connecting to {KERNEL}:3333",
        "tcp_client: Successfully connected",
        f"tcp_client: Received 11 bytes from {KERNEL}: OK: got it",
    ]
    assert re.findall(r"DHCP: (\w+ -> \w+)", err)[:4] == [
        "STOPPED -> INIT",
        "INIT -> SELECTING",
        "SELECTING -> REQUESTING",
        "REQUESTING -> BOUND",
    ]
    assert f"ARP cache: added {KERNEL} @ {ns.mac('tap0')}" in err


def test_the_servers_are_reached_at_the_leased_address(ns, netif, leases):
    server = netif("tcp_server", "--once", "--dhcp")
    server.until("Socket listening")
    assert nc(ns, "-N", OURS, "3333").communicate(b"Data to ESP\n", timeout=10)[0] == b"Data to ESP\n"
    assert server.finish()[0] == 0
    server = netif("udp_server", "--once", "--dhcp")
    server.until("Waiting for data")
    asking = nc(ns, "-u", OURS, "3333")
    os.write(asking.stdin.fileno(), b"Data to ESP\n")
    assert heard(asking) == b"Data to ESP\n"
    assert server.finish()[0] == 0


def test_udp_client_asks_the_gateway_of_the_lease(ns, netif, leases):
    server = nc(ns, "-u", "-l", KERNEL, "3333")
    wait_until(lambda: f"{KERNEL}:3333 " in ns.exec("ss", "-Hlnu").stdout, what="nc's start")
    client = netif("udp_client", "--once", "--dhcp")
    assert heard(server) == b"Message from netif "
    os.write(server.stdin.fileno(), b"OK: got it\n")
    assert client.finish()[0] == 0


def test_the_http_server_serves_at_the_leased_address_and_gives_it_back(ns, netif, leases):
    server = netif("http_server", "--dhcp")
    server.until(f"http://{OURS}:80/")
    ns.settle("tap0")
    page = ns.exec("curl", "-sS", "--max-time", "10", f"http://{OURS}/").stdout
    assert f"<td>{OURS}/24" in page
    server.signal(15)
    status, _out, err = server.finish()
    assert (status, err) == (143, "")
    wait_until(lambda: OURS not in leases.read_text(), what="the lease's return")


def test_names_are_asked_of_the_server_that_the_lease_names(ns, netif, leases, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "page").write_text("a page of web.test\n")
    words = ("-m", "http.server", "80", "--directory", str(tmp_path / "folder"))
    ns.start(sys.executable, *words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: ":80 " in ns.exec("ss", "-Hlnt").stdout, what="http.server's start")
    assert netif("http_get", "http://web.test/page", "--dhcp").finish()[:2] == (0, "a page of web.test\n")
    assert "64 bytes from 192.168.5.1: " in netif("ping", "web.test", "--once", "--dhcp").finish()[1]
    status, _out, err = netif("ping", "no.such.name.test", "--once", "--dhcp").finish()
    assert status == 2
    assert "no.such.name.test" in err


def test_without_a_dhcp_server_the_remedy_is_told(netif):
    client = netif("tcp_client", "--once", "--dhcp", "--timeout", "1")
    status, out, err = client.finish()
    assert status == 1
    assert "Waiting for IP addresses..." in out
    assert err == (
        "netif: no DHCP server answered within 1 s on tap0: start one "
        "(dnsmasq -d -p 0 -i tap0 -F 192.168.5.100,192.168.5.120), or give --ip 192.168.5.100/24\n"
    )


def test_the_remedy_is_one(ns, netif, tmp_path):
    words = (
        f"-d -p 0 -i tap0 -F 192.168.5.100,192.168.5.120 -C /dev/null --pid-file= --dhcp-leasefile={tmp_path}/leases"
    )
    ns.start("dnsmasq", *words.split(), stderr=subprocess.DEVNULL)
    wait_until(lambda: ":67 " in ns.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")
    status, out, err = netif("ping", "--once", "--dhcp").finish(30.0)
    assert (status, err) == (0, ""), out


PROGRAM = """
from netif import IpInfo, netif_connect, netif_disconnect, netif_deinit, netif_get_ip_info
import stack.socket as socket

tap_netif = netif_connect()
print(netif_get_ip_info(tap_netif).ip)
s = socket.socket()
s.connect(("web.test", 3333))
s.sendall(b"hello")
print(s.recv(100))
s.close()
netif_disconnect()
netif_deinit()
"""


def run(ns, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ns.command(
        "env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", program
    )
    return subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=CHECKOUT)


def test_a_program_is_on_the_network_by_one_call(ns, leases):
    server = nc(ns, "-l", KERNEL, "3333")
    wait_until(lambda: f"{KERNEL}:3333 " in ns.exec("ss", "-Hlnt").stdout, what="nc's start")
    server.stdin.write(b"OK: got it")
    server.stdin.flush()
    done = run(ns, PROGRAM)
    assert (done.stdout, done.stderr) == (f"{OURS}\nb'OK: got it'\n", "")
    assert server.communicate(timeout=10)[0] == b"hello"
    wait_until(lambda: OURS not in leases.read_text(), what="the lease's return")


def test_a_program_without_a_dhcp_server_gets_an_error_that_says_what_to_do(ns):
    done = run(ns, PROGRAM, NETIF_TIMEOUT="1")
    assert done.returncode == 1
    assert "TimeoutError: no DHCP server answered within 1 s on tap0: start one (dnsmasq " in done.stderr
