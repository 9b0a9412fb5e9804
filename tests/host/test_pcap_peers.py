"""Hosts of ours on a Pcap: with the kernel at the other end, with another of ours, and beside this machine's own."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from netif import Netif, Stack, ThreadedRuntime
from netif.events import DriverFailed
from netif.wire.segment import finish
from tapio import Pcap
from tests.components.commands import Running
from tests.conftest import ROOT
from tests.host import judge
from tests.host.namespaces import wait_until
from tests.tapio import conftest

pytest.importorskip("cypcap", reason="libpcap's binding is not installed: docs/pcap.md")
pytestmark = pytest.mark.host

OURS, KERNEL = "10.77.0.1", "10.77.0.2"
BULK = 4 << 20  # bytes
PLAIN = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")
RING = 1 << 24
UDP_SEGMENT = 103

frames = conftest.frames  # a fixture


@pytest.fixture
def join(ends):
    """join(ip=..., interface="v0", **options): a host of ours on the interface; (host, netif, driver)."""
    with contextlib.ExitStack() as closing:

        def on_the_interface(ip=f"{OURS}/24", ns=None, interface="v0", mac=None, **options):
            runtime = ThreadedRuntime(strict=True)
            closing.callback(runtime.close)
            closing.callback(runtime.check)
            driver = Pcap(interface, netns=(ns or ends[0]).name, **{"buffer_size": RING, **options})
            host = closing.enter_context(Stack(ip, runtime=runtime))
            netif = closing.enter_context(Netif(driver, stack=host, ip=ip, mac=mac))
            return host, netif, driver

        yield on_the_interface


def echo(host, port=7):
    """One client's bytes back to it."""

    listener = host.create_server(("", port))

    def serve():
        with listener, listener.accept()[0] as connection:
            while data := connection.recv(1 << 20):
                connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def there_and_back(far, amount=BULK, address=OURS):
    """What the kernel hears of `amount` bytes that it sends to our echo."""
    client = far.connect((address, 7))
    blob = os.urandom(1 << 16)

    def send():
        for _ in range(amount >> 16):
            client.sendall(blob)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    heard = bytearray()
    with client:
        while data := client.recv(1 << 20):
            heard += data
    sender.join()
    return heard == blob * (amount >> 16)


def checksum_errors(ns):
    """TCP segments that the kernel there found wrong."""
    names, values = [line.split() for line in ns.exec("cat", "/proc/net/snmp").stdout.splitlines() if "Tcp:" in line]
    return int(dict(zip(names, values, strict=True))["InCsumErrors"])


def set_offloads(ns, *words):
    ns.exec("ethtool", "-K", "v0", *words)


def send_raw(interface, frame):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        s.send(frame)


class TestPeers:
    @pytest.mark.parametrize("theirs", [True, False], ids=["they leave checksums undone", "they complete them"])
    @pytest.mark.parametrize("ours", [True, False], ids=["offload on our end", "none on our end"])
    def test_bulk_both_ways_and_no_checksum_is_bad(self, ends, join, ours, theirs):
        near, far = ends
        if not theirs:
            set_offloads(far, *PLAIN)
        if not ours:
            set_offloads(near, *PLAIN[:-1], "on")  # that, or any other offload, makes libpcap's slots large enough
        host, _, driver = join()
        server = echo(host)
        assert there_and_back(far)
        server.join()
        assert (driver.bad, driver.refused, driver.truncated, host.stats["tcp_checksum"]) == (0, 0, 0, 0)
        assert checksum_errors(far) == 0
        if theirs:
            assert driver.partial > BULK // 65536

    def test_ping_in_fragments(self, ends, join):
        join()
        _, far = ends
        assert "3 received" in far.exec("ping", "-c", "3", "-i", "0.05", "-s", "3000", OURS).stdout

    def test_two_of_ours_on_the_two_ends(self, ends, join):
        _, far = ends
        far.ip("address", "flush", "dev", "v0")
        server, _, _ = join()
        client, _, driver = join(ip="10.77.0.3/24", ns=far)
        serving = echo(server)
        with client.create_connection((OURS, 7), timeout=5) as connection:
            connection.sendall(bytes(100_000))
            connection.shutdown(socket.SHUT_WR)
            heard = 0
            while data := connection.recv(1 << 20):
                heard += len(data)
        serving.join()
        assert heard == 100_000
        assert (driver.bad, driver.echoed) == (0, 0)

    def test_gathered_datagrams_are_lost_aloud(self, ends, join, caplog):
        _, far = ends
        host, _, driver = join()
        with host.socket(type=socket.SOCK_DGRAM) as ours, far.socket(socket.SOCK_DGRAM) as theirs:
            ours.bind(("", 7))
            ours.settimeout(5)
            theirs.sendto(b"single", (OURS, 7))
            assert ours.recv(100) == b"single"
            theirs.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
            theirs.sendto(bytes(10_000), (OURS, 7))
            wait_until(lambda: driver.uncut == 1, what="the gathered datagrams")
            theirs.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
            theirs.sendto(b"after", (OURS, 7))
            assert ours.recv(20_000) == b"after"
        assert "tx-udp-segmentation off" in caplog.text

    def test_what_is_corrupted_is_dropped_by_the_stack_unless_it_is_trusted(self, ends, join, frames):
        _, far = ends
        segment = bytearray(finish(*frames.tcp(bytes(600))))
        segment[-1] ^= 1
        for trust, bad in ((None, 1), (False, 1), (True, 0)):
            host, netif, driver = join(trust_checksums=trust, mac=frames.THEIRS, ip="10.0.0.2/24")
            far.call(lambda: send_raw("v0", bytes(segment)))
            reason = "tcp_checksum" if bad else "tcp_no_connection"
            wait_until(lambda: host.stats[reason], what=reason)  # noqa: B023
            assert driver.bad == bad
            netif.close()

    def test_distrusted_peers_that_leave_checksums_undone_are_told_of(self, ends, join, caplog):
        _, far = ends
        host, _, driver = join(trust_checksums=False)
        with host.socket(type=socket.SOCK_DGRAM) as ours, far.socket(socket.SOCK_DGRAM) as theirs:
            ours.bind(("", 7))
            for _ in range(30):
                theirs.sendto(b"undone", (OURS, 7))
            wait_until(lambda: driver.bad >= 20, what="a pile")
        (record,) = [record for record in caplog.records if record.name == "tapio.pcap.checksums"]
        assert record.levelno == logging.WARNING
        assert "trust_checksums" in record.getMessage()


class TestBesideTheKernel:
    @pytest.mark.parametrize("shared", [False, True], ids=["a MAC of our own", "the interface's MAC"])
    def test_our_machines_kernel_resets_none_of_our_connections(self, ends, join, tmp_path, shared):
        near, far = ends
        near.ip("address", "add", "10.77.0.9/24", "dev", "v0")
        host, _, _ = join(shared_mac=shared)
        server = echo(host)
        with judge.captured(near, "v0", tmp_path / "v0.pcap") as path:
            assert there_and_back(far, 1 << 17)
            server.join()
        assert len(judge.frames(path, "tcp.flags.fin==1")) >= 2
        assert judge.frames(path, "tcp.flags.reset==1") == []

    def test_on_a_loopback_the_kernel_and_others_of_ours_are_peers(self, ends, join):
        near, _ = ends
        near.ip("address", "add", "10.77.0.9/32", "dev", "lo")
        near.ip("route", "add", "10.77.0.0/24", "dev", "lo")
        host, _, driver = join(interface="lo")
        server = echo(host)
        assert there_and_back(near, 1 << 20)
        server.join()
        assert driver.bad == 0
        assert driver.partial > 0
        assert driver.echoed > 0
        client, _, _ = join(interface="lo", ip="10.77.0.3/24")
        server = echo(host)
        with client.create_connection((OURS, 7), timeout=5) as connection:
            connection.sendall(b"round we go")
            assert connection.recv(100) == b"round we go"
        server.join()


class TestFilter:
    def test_what_the_filter_leaves_out_is_not_heard(self, ends, join):
        _, far = ends
        host, _, _ = join(bpf="not icmp")
        assert "0 received" in far.exec("ping", "-c", "1", "-W", "0.3", OURS, check=False).stdout
        server = echo(host)
        assert there_and_back(far, 1 << 16)
        server.join()

    def test_what_it_takes_in_is_heard(self, ends, join):
        _, far = ends
        join(bpf="icmp or arp")
        assert "1 received" in far.exec("ping", "-c", "1", OURS).stdout


class TestFailure:
    @pytest.mark.parametrize(
        ("words", "says"),
        [("set v0 down", "v0 is down: ip link set v0 up"), ("delete v0", "v0 is (gone|down: ip link set v0 up)")],
        ids=["down", "gone"],  # what goes is down first
    )
    def test_an_interface_that_dies_takes_the_netif_down_and_nothing_spins(self, ends, join, words, says):
        near, _ = ends
        _, netif, _ = join()
        died = threading.Event()
        failures = []
        netif.subscribe(DriverFailed, lambda event: (failures.append(event.error), died.set()))
        near.ip("link", *words.split())
        assert died.wait(5)
        assert re.fullmatch(says, str(failures[0]))
        wait_until(lambda: not netif.is_up, what="the netif's end")
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.1

    def test_it_can_be_opened_again_when_it_is_back(self, ends, join):
        near, far = ends
        _, netif, _ = join()
        died = threading.Event()
        netif.subscribe(DriverFailed, lambda event: died.set())
        near.ip("link", "set", "v0", "down")
        assert died.wait(5)
        netif.close()
        near.ip("link", "set", "v0", "up")
        join()
        assert "1 received" in far.exec("ping", "-c", "1", OURS).stdout


class TestCommands:
    @pytest.fixture
    def netif(self, ends):
        running = []

        def start(*words, **more):
            running.append(Running(ends[0].command(sys.executable, "-u", "-m", "netif", *words), **more))
            return running[-1]

        yield start
        for one in running:
            one.end()

    def test_dnsmasq_gives_the_address_at_which_curl_gets_a_page(self, ends, netif, tmp_path):
        _, far = ends
        words = "--no-daemon -C /dev/null --interface=v0 --bind-dynamic --no-ping --pid-file= --no-resolv --no-hosts"
        leases = f"--dhcp-leasefile={tmp_path / 'leases'}"
        far.start("dnsmasq", *words.split(), f"--dhcp-range={OURS},{OURS},2m", leases, stderr=subprocess.DEVNULL)
        wait_until(lambda: ":67 " in far.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")
        netif("http_server", "-i", "pcap:v0").until(f"http://{OURS}:80/")
        assert "<h1>A host in Python</h1>" in far.exec("curl", "-sS", "--max-time", "10", f"http://{OURS}/").stdout

    def test_where_there_is_no_epoll_the_descriptor_can_be_selected(self, ends):
        program = f"""
import os, select, sys
sys.path.insert(0, {ROOT!r})
del select.epoll, os.eventfd
from netif import Netif, Stack
from netif.runtime.poller import SelectorPoller, make_poller
from tapio import Pcap
made = make_poller()
assert type(made) is SelectorPoller
made.close()
with Stack() as host, Netif(Pcap("v0"), stack=host, ip="{OURS}/24"):
    host.create_connection(("{KERNEL}", 7), timeout=5).close()
print("connected")
"""
        near, far = ends
        with far.listen(port=7):
            assert near.exec(sys.executable, "-c", program).stdout == "connected\n"

    def test_a_bad_filter_is_one_line_and_status_2(self, netif):
        status, _, err = netif("ping", KERNEL, "-i", "pcap:v0", "--bpf", "tcp prot", "--ip", f"{OURS}/24").finish()
        assert status == 2
        assert err.count("\n") == 1
        assert "'tcp prot' is no filter" in err


def test_the_page_on_pcap_runs(ends, capsys):
    near, far = ends
    (program,) = re.findall(r"^```python\n(.*?)^```", Path(ROOT, "docs/pcap.md").read_text(), re.MULTILINE | re.DOTALL)
    program = program.replace('"veth0"', '"v0"').replace('"lan"', repr(near.name))
    with far.listen(port=80):
        exec(compile(program, "docs/pcap.md", "exec"), {"__name__": "pcap"})
    assert capsys.readouterr().out.split()[1:] == ["0", "0"]
