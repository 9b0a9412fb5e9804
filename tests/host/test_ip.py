"""IP with the kernel: fragments both ways, options, and a path that is narrower than either link, by a real router."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from components.ping import ping
from netif.wire import icmp
from tests.host.judge import transmitted
from tests.host.namespaces import namespace, run

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
ROUTER, FAR = "10.88.0.1", "10.88.0.2"
LARGEST = 65507
IP_MTU_DISCOVER, IP_MTU = 10, 14


@pytest.mark.parametrize("size", [1473, 8000, 60000, LARGEST])
def test_a_large_ping_of_the_kernels_is_answered(ns, host, size):
    answer = ns.exec("ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", "-p", "c0ffee", "-s", str(size), OURS).stdout
    assert transmitted(answer) == (3, 3), answer
    assert "wrong data" not in answer


@pytest.mark.parametrize("size", [1473, 8000, 60000, LARGEST])
def test_the_kernel_answers_a_large_ping_of_ours(ns, host, size):
    said: list[str] = []
    pinged = ping(host, KERNEL, count=3, interval=0.05, size=size, say=said.append)
    assert len(pinged.answers) == 3, said
    assert not any("wrong" in line for line in said)


@pytest.mark.parametrize("asked", [["-R"], ["-T", "tsonly"], ["-T", "tsandaddr"]])
def test_the_kernel_reads_the_options_of_our_replies(ns, join, asked):
    join()
    answer = ns.exec("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", *asked, OURS).stdout
    assert transmitted(answer) == (2, 2), answer
    assert asked == ["-T", "tsonly"] or OURS in answer.partition("icmp_seq")[2].partition(":")[2]


def test_datagrams_of_every_order_of_size_both_ways(ns, host, seed):
    data = random.Random(seed).randbytes(LARGEST)
    with ns.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        theirs.bind((KERNEL, 0))
        ours.bind((OURS, 7003))
        ours.settimeout(5)
        for size in (1472, 1473, 2952, 2953, 9000, 40000, 65000, LARGEST):
            theirs.sendto(data[:size], (OURS, 7003))
            assert ours.recvfrom(70000) == (data[:size], theirs.getsockname()), size
            ours.sendto(data[:size], theirs.getsockname())
            assert theirs.recvfrom(70000) == (data[:size], (OURS, 7003)), size


def test_a_raw_socket_of_the_kernels_and_one_of_ours(ns, host):
    with (
        ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 123)) as theirs,
        host.socket(socket.AF_INET, socket.SOCK_RAW, 123) as ours,
    ):
        theirs.settimeout(5)
        ours.settimeout(5)
        theirs.sendto(b"hello", (OURS, 0))
        packet, source = ours.recvfrom(100)
        assert (packet[20:], source) == (b"hello", (KERNEL, 0))
        ours.sendto(bytes(5000), (KERNEL, 0))
        packet, source = theirs.recvfrom(6000)
        assert (len(packet), source) == (5020, (OURS, 0))


def test_the_kernel_takes_our_times(ns, join):
    join()
    with ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as raw:
        raw.settimeout(5)
        raw.sendto(icmp.emit(icmp.TIMESTAMP, 0, 0x00010002, bytes(12)), (OURS, 0))
        while (packet := raw.recv(100))[20] != icmp.TIMESTAMP_REPLY:
            pass
        icmp.parse(packet, 20, len(packet))
        assert packet[24:28] == b"\0\1\0\2"


@pytest.fixture
def far(ns, host):
    """A namespace behind the kernel as a router, by a link of 1280 bytes that announces segments of 1460."""
    with namespace() as made:
        run("ip", "link", "add", "r0", "netns", ns.name, "type", "veth", "peer", "name", "v0", "netns", made.name)
        for side, device, address in ((ns, "r0", ROUTER), (made, "v0", FAR)):
            side.ip("address", "add", f"{address}/24", "dev", device)
            side.ip("link", "set", device, "mtu", "1280")
            side.ip("link", "set", device, "up")
        made.ip("route", "add", "default", "via", ROUTER, "advmss", "1460")
        ns.sysctl("net/ipv4/ip_forward", 1)
        yield made


def test_a_connection_adapts_to_a_narrow_path(far, host, seed):
    """RFC 1191 6"""
    data = random.Random(seed).randbytes(400_000)
    got = bytearray()

    def take() -> None:
        with listener.accept()[0] as taken:
            taken.settimeout(10)
            while block := taken.recv(65536):
                got.extend(block)

    with far.listen(FAR, 7010) as listener:
        reader = threading.Thread(target=take)
        reader.start()
        with host.create_connection((FAR, 7010), timeout=10) as ours:
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
            assert ours.recv(1) == b""
            assert host.ip.route(socket.inet_aton(FAR)).mtu == 1280
        reader.join(10)
    assert bytes(got) == data


def test_a_datagram_socket_adapts_to_a_narrow_path(far, host):
    with far.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        theirs.bind((FAR, 7011))
        ours.settimeout(5)
        ours.connect((FAR, 7011))
        assert ours.getsockopt(socket.IPPROTO_IP, IP_MTU) == 1500
        ours.send(bytes(1472))
        with pytest.raises(OSError, match="too long"):
            ours.recv(1)
        assert ours.getsockopt(socket.IPPROTO_IP, IP_MTU) == 1280
        for size in (1472, 20000):
            ours.send(bytes(size))
            assert theirs.recv(70000) == bytes(size)
        ours.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 2)
        with pytest.raises(OSError, match="too long"):
            ours.send(bytes(1472))
        ours.send(bytes(1252))
        assert len(theirs.recv(2000)) == 1252


def test_a_ping_of_ours_adapts_to_a_narrow_path(far, host):
    said: list[str] = []
    pinged = ping(host, FAR, count=4, interval=0.1, size=1472, say=said.append)
    assert len(pinged.answers) == 3
    assert any("Frag" in line for line in said), said


def test_hops_are_told_from_each_other(far, host):
    """As traceroute does."""
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as listener:
        listener.settimeout(5)
        with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for ttl, who, kind in ((1, KERNEL, (11, 0)), (2, FAR, (3, 3))):
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                probe.sendto(b"anybody?", (FAR, 33434))
                packet, source = listener.recvfrom(1000)
                assert (source[0], (packet[20], packet[21])) == (who, kind)
