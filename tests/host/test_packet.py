"""Hosts of ours on packet sockets: on a veth, behind a bridge, under a program with a TAP, with the device's MAC."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from netif import InvalidParams, Netif, Packet, Stack, Tap, ThreadedRuntime
from netif.events import DriverFailed
from tests.conftest import ROOT
from tests.host import judge
from tests.host.judge import transmitted
from tests.host.namespaces import heard, namespace, run, veth, wait_until

pytestmark = pytest.mark.host

KERNEL, OURS = "10.77.0.2", "10.77.0.100"
DATA = os.urandom(1 << 20)


@pytest.fixture
def ends():
    """Namespaces with `v0` each: the near one is ours, in the far one the kernel is 10.77.0.2."""
    with veth() as (near, far):
        near.ip("address", "flush", "dev", "v0")
        yield near, far


@pytest.fixture
def host():
    """`host(driver, ip)`: a host of ours; what the crank caught fails the test."""
    with ExitStack() as closing:

        def host(driver, ip=f"{OURS}/24", **options):
            runtime = ThreadedRuntime(strict=True)
            closing.callback(runtime.close)
            closing.callback(runtime.check)
            made = closing.enter_context(Stack(ip, runtime=runtime))
            closing.enter_context(Netif(driver, stack=made, ip=ip, **options))
            return made

        yield host


def exchange(listen, connect, size):
    """So many bytes each way at the same time over one connection, compared."""
    blocks = size // len(DATA)

    def send(s):
        for _ in range(blocks):
            s.sendall(DATA)
        s.shutdown(socket.SHUT_WR)

    def received(s):
        got = b"".join(iter(lambda: s.recv(1 << 18), b""))
        return got == DATA * blocks

    def serve():
        accepted, _ = listener.accept()
        with accepted:
            sending = threading.Thread(target=send, args=(accepted,))
            sending.start()
            outcome.append(received(accepted))
            sending.join()

    outcome = []
    with listen() as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        with connect(listener.getsockname()[1]) as s:
            sending = threading.Thread(target=send, args=(s,))
            sending.start()
            outcome.append(received(s))
            sending.join()
        serving.join()
    assert outcome == [True, True]


def with_the_kernel(host, ns, size=4 << 20, ours=OURS):
    exchange(lambda: host.create_server(("", 0)), lambda port: ns.connect((ours, port)), size)


def with_each_other(one, other, size=8 << 20):
    exchange(lambda: one.create_server(("", 0)), lambda port: other.create_connection(("10.1.0.1", port)), size)


def datagrams(host, ns, kernel=KERNEL, sizes=(0, 1, 1472, 1473, 9000, 60_000)):
    """There and back, those beyond the MTU in fragments."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours, ns.socket(socket.SOCK_DGRAM) as theirs:
        ours.settimeout(5)
        theirs.bind((kernel, 7007))
        for size in sizes:
            ours.sendto(DATA[:size], (kernel, 7007))
            data, address = theirs.recvfrom(65536)
            assert data == DATA[:size]
            theirs.sendto(data, address)
            assert ours.recv(65536) == DATA[:size]


@pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
def test_a_host_on_a_veth_end_and_the_kernel_at_the_other(ends, host, offload, tmp_path):
    near, far = ends
    driver = Packet("v0", netns=near.name, offload=offload)
    here = host(driver)
    with judge.captured(far, "v0", tmp_path / "veth.pcap") as capture:
        assert transmitted(far.exec("ping", "-n", "-f", "-c", "100", OURS).stdout) == (100, 100)
        datagrams(here, far)
        with_the_kernel(here, far, (4 if offload else 1) << 20)
        with pytest.raises(ConnectionRefusedError):
            here.create_connection((KERNEL, 7), timeout=5)
    assert driver.refused == driver.dropped == 0
    odd = judge.frames(capture, "tcp.flags.reset==1 || frame.len > 1514", "ip.src", "tcp.flags.reset")
    resets = [line for line in odd if line.endswith(("1", "True"))]
    assert [line.split()[0] for line in resets] == [KERNEL]  # for a port without a listener; our own kernel sent none
    assert any(line.startswith(OURS) for line in odd) == offload


def test_two_hosts_of_ours_on_the_two_ends(ends, host):
    near, far = (Packet("v0", netns=end.name) for end in ends)
    with_each_other(host(near, "10.1.0.1/24"), host(far, "10.1.0.2/24"))


def test_the_other_side_of_a_program_on_a_tap(host):
    """What the kernel has at its end of a TAP, we have; it need have no address."""
    with namespace() as ns:
        ns.exec("ip", "tuntap", "add", "dev", "tap0", "mode", "tap")
        ns.ip("link", "set", "tap0", "up")
        program = host(Tap("tap0", netns=ns.name), "10.1.0.1/24")
        ns.settle("tap0")
        peer = host(Packet("tap0", netns=ns.name), "10.1.0.2/24")
        with_each_other(program, peer)


def test_a_bridge_its_port_and_what_is_behind_it(ends, host):
    """On a bridge's port we are at its wire, in front of the bridge; on the bridge we are beside its own port."""
    near, far = ends
    near.ip("link", "add", "br0", "type", "bridge")
    near.ip("link", "set", "br0", "up")
    near.ip("link", "set", "v0", "master", "br0")
    run("ip", "link", "add", "in", "netns", near.name, "type", "veth", "peer", "name", "out", "netns", near.name)
    near.ip("link", "set", "out", "master", "br0", "up")
    near.ip("link", "set", "in", "up")
    near.settle_bridge(ports=2)
    for device, ip in (("v0", "10.77.0.101"), ("br0", "10.77.0.102"), ("in", "10.77.0.103")):
        here = host(Packet(device, netns=near.name), f"{ip}/24")
        assert transmitted(far.exec("ping", "-n", "-f", "-c", "20", ip).stdout) == (20, 20)
        with_the_kernel(here, far, 2 << 20, ip)


def test_a_device_of_this_hosts_is_warned_of_once(ends, host, caplog):
    """Others reach us there, this host does not: what it sends is outgoing on the device, as is what we send."""
    near, far = ends
    near.ip("address", "add", "10.77.0.1/24", "dev", "v0")
    with caplog.at_level(logging.WARNING, "tapio.packet"):
        host(Packet("v0", netns=near.name))
    assert [record.getMessage() for record in caplog.records] == [
        "v0 has this host's address 10.77.0.1: others on its wire reach us, this host itself does not;"
        " for that take a TAP, or one end of a veth pair"
    ]
    assert transmitted(far.exec("ping", "-n", "-c", "1", OURS).stdout) == (1, 1)
    assert transmitted(near.exec("ping", "-n", "-c", "1", "-W", "1", OURS, check=False).stdout) == (1, 0)


def test_with_the_mac_address_of_the_device_the_kernel_lives_beside_us(ends, host, tmp_path):
    """Wi-Fi. The kernel has an address of its own there; it resets nothing that is for ours."""
    near, far = ends
    near.ip("address", "add", "10.77.0.1/24", "dev", "v0")
    here = host(Packet("v0", netns=near.name, shared_mac=True))
    with judge.captured(far, "v0", tmp_path / "shared.pcap") as capture:
        for address in (OURS, "10.77.0.1"):
            assert transmitted(far.exec("ping", "-n", "-f", "-c", "20", address).stdout) == (20, 20)
        with_the_kernel(here, far)
        datagrams(here, far)
        with near.listen("10.77.0.1") as listener, far.connect(listener.getsockname()) as theirs:
            accepted, _ = listener.accept()
            with accepted:
                theirs.sendall(b"for the kernel")
                assert accepted.recv(100) == b"for the kernel"
    assert len(set(judge.frames(capture, "ip.src==10.77.0.1 || ip.src==10.77.0.100", "eth.src"))) == 1
    assert judge.frames(capture, "tcp.flags.reset==1 || (icmp.type==3) || (icmp.type==5)") == []


def test_a_device_that_goes_takes_the_netif_down_and_may_come_back(ends):
    near, far = ends
    with Stack("ours") as here, Netif(Packet("v0", netns=near.name), stack=here, ip=f"{OURS}/24") as netif:
        failed = []
        netif.subscribe(DriverFailed, lambda event: failed.append(str(event.error)))
        with here.create_server(("", 7)) as listener, far.connect((OURS, 7)):
            accepted, _ = listener.accept()
            near.ip("link", "delete", "v0")
            with pytest.raises(OSError, match=r"(?i)network is down"), accepted:
                accepted.recv(100)
        wait_until(lambda: failed, what="the event")
        assert failed == ["v0 is gone: deleted, renamed, or moved to another network namespace"]
        assert not netif.is_up
        near.ip("link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", far.name)
        for end in ends:
            end.ip("link", "set", "v0", "up")
        far.ip("address", "add", f"{KERNEL}/24", "dev", "v0")
        netif.start()
        assert transmitted(far.exec("ping", "-n", "-c", "1", OURS).stdout) == (1, 1)


def test_on_a_loopback_device_the_kernel_and_we_are_each_others_other_end(host):
    """Bare packets. An address that the kernel sends there and does not have itself: what it has, it answers for."""
    with namespace() as ns:
        ns.ip("address", "add", "10.9.0.1/32", "dev", "lo")
        for ours in ("10.9.0.2", "10.9.0.3"):
            ns.ip("route", "add", ours, "dev", "lo", "src", "10.9.0.1")
        one, other = (host(Packet("lo", netns=ns.name), f"{ours}/24") for ours in ("10.9.0.2", "10.9.0.3"))
        assert transmitted(ns.exec("ping", "-n", "-f", "-c", "20", "10.9.0.2").stdout) == (20, 20)
        with_the_kernel(one, ns, 4 << 20, "10.9.0.2")
        datagrams(one, ns, "10.9.0.1")
        exchange(lambda: one.create_server(("", 0)), lambda port: other.create_connection(("10.9.0.2", port)), 4 << 20)
        with pytest.raises(InvalidParams, match=r"127\.0\.0\.2"):
            host(Packet("lo", netns=ns.name), "127.0.0.2/8")


def test_the_page_on_it_runs():
    page = (Path(ROOT) / "docs/packet.md").read_text()
    commands, program = (re.search(rf"^```{kind}\n(.*?)^```", page, re.M | re.S)[1] for kind in ("sh", "python"))
    with namespace() as ns:
        for line in commands.splitlines():
            ns.exec(*line.split())
        ns.exec(sys.executable, "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{program}")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the sandbox is written for one machine's system calls")
def test_without_the_virtio_net_header_the_auxiliary_data_must_do(ends):
    """A sandbox that refuses it. The kernel's segments come as super-frames still; ours go out cut and finished."""
    near, far = ends
    server = near.start(sys.executable, "-c", IN_A_SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert heard(server).strip() == b"<Packet v0 without the header>"
    assert transmitted(far.exec("ping", "-n", "-f", "-c", "20", OURS).stdout) == (20, 20)
    with far.connect((OURS, 7)) as s:
        sending = threading.Thread(target=s.sendall, args=(DATA,))
        sending.start()
        got = b""
        while len(got) < len(DATA):
            got += s.recv(1 << 18)
        sending.join()
    assert got == DATA


IN_A_SANDBOX = f"""
import ctypes, struct, sys
sys.path.insert(0, {ROOT!r})
from components.small_services import SmallServices
from netif import InvalidParams, Netif, Packet, Stack
from tapio.packet.endpoint import PACKET_VNET_HDR

code = [  # seccomp(2): setsockopt(_, _, PACKET_VNET_HDR, ...) answers ENOPROTOOPT
    (0x20, 0, 0, 0), (0x15, 0, 3, 54),
    (0x20, 0, 0, 32), (0x15, 0, 1, PACKET_VNET_HDR),
    (0x06, 0, 0, 0x50000 | 92),
    (0x06, 0, 0, 0x7FFF0000),
]
memory = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
program = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(memory)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP
with Stack() as host, Netif(Packet("v0"), stack=host, ip="{OURS}/24") as netif, SmallServices(host):
    print(netif.driver, flush=True)
    sys.stdin.read()
"""
