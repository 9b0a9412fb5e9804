"""ICMP with the kernel: every size of echo that the MTU takes, both ways, and errors where they are due."""

from __future__ import annotations

import random
import socket
import struct

import pytest

from tests.host.judge import transmitted

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
LARGEST = 1500 - 20 - 8
EDGES = {0, 1, 7, 8, 15, 16, 17, 56, 254, 255, 256, 257, 1023, 1024, 1471, LARGEST}


@pytest.mark.parametrize("size", sorted(EDGES | set(range(0, LARGEST, 181))))
def test_ping_gets_its_bytes_back(ns, join, size):
    join()
    answer = ns.exec("ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-p", "c0ffee", "-s", str(size), OURS).stdout
    assert transmitted(answer) == (1, 1), answer
    assert "wrong data" not in answer


def test_every_size_comes_back_as_it_went(ns, host, seed):
    data = random.Random(seed).randbytes(LARGEST)
    with ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as raw:
        raw.settimeout(5)
        raw.connect((OURS, 0))
        for size in range(LARGEST + 1):
            payload = data[:size]
            raw.send(echo_request(0x4E45, size, payload))
            while True:
                packet = raw.recv(65536)
                if packet[20:28][4:] == struct.pack("!HH", 0x4E45, size):
                    break
            assert packet[20:22] == b"\0\0"
            assert packet[28:] == payload, size


def test_a_flood_of_pings_is_answered_in_full(ns, host):
    answer = ns.exec("ping", "-n", "-f", "-c", "2000", "-s", "1000", OURS).stdout
    assert transmitted(answer) == (2000, 2000), answer


def test_a_ping_to_another_address_at_our_mac_stays_unanswered(ns, join):
    join()
    ns.ip("neighbour", "replace", "192.168.5.101", "lladdr", host_mac(ns), "dev", "tap0")
    answer = ns.exec("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "192.168.5.101", check=False).stdout
    assert transmitted(answer) == (2, 0), answer


def test_a_datagram_to_a_closed_port_is_refused_by_us(ns, host):
    with ns.socket(socket.SOCK_DGRAM) as s:
        s.connect((OURS, 7002))
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def test_a_datagram_to_a_closed_port_is_refused_by_the_kernel(ns, host):
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((KERNEL, 7002))
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def host_mac(ns) -> str:
    """Of our host, as the kernel learned it."""
    ns.exec("ping", "-n", "-c", "1", "-W", "2", OURS)
    words = ns.ip("neighbour", "show", OURS).split()
    return words[words.index("lladdr") + 1]


def echo_request(ident: int, sequence: int, payload: bytes) -> bytes:
    """Its checksum in its plainest form, so that ours is judged by another."""
    head = struct.pack("!BBHHH", 8, 0, 0, ident, sequence)
    total = sum(word for (word,) in struct.iter_unpack("!H", head + payload + bytes(len(payload) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, ident, sequence) + payload
