"""Datagrams between the kernel and us: content, boundaries and addresses survive, whatever the size."""

from __future__ import annotations

import random
import socket

import pytest

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
LARGEST = 1500 - 20 - 8
SIZES = sorted({0, 1, 2, 7, 8, 63, 64, 65, 255, 256, 257, LARGEST - 1, LARGEST} | set(range(0, LARGEST, 61)))


@pytest.fixture
def ends(ns, host):
    """(the kernel's socket, ours), each bound to its address."""
    with ns.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        theirs.bind((KERNEL, 0))
        ours.bind((OURS, 7003))
        ours.settimeout(5)
        theirs.settimeout(5)
        yield theirs, ours


def test_every_size_arrives_from_the_kernel(ends, seed):
    theirs, ours = ends
    data = random.Random(seed).randbytes(LARGEST)
    for size in SIZES:
        theirs.sendto(data[:size], (OURS, 7003))
        assert ours.recvfrom(2000) == (data[:size], theirs.getsockname())


def test_every_size_arrives_at_the_kernel(ends, seed):
    theirs, ours = ends
    data = random.Random(seed).randbytes(LARGEST)
    for size in SIZES:
        assert ours.sendto(data[:size], theirs.getsockname()) == size
        assert theirs.recvfrom(2000) == (data[:size], (OURS, 7003))


def test_a_burst_keeps_its_boundaries_and_its_order(ends):
    theirs, ours = ends
    theirs.sendto(b"who has?", (OURS, 7003))  # ARP first: what the kernel queues for it may be overtaken
    assert ours.recv(100) == b"who has?"
    for number in range(100):
        theirs.sendto(b"%d" % number, (OURS, 7003))
    assert [ours.recv(100) for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_segmented_datagrams_of_the_kernel_arrive_as_many(ends):
    theirs, ours = ends
    theirs.setsockopt(socket.SOL_UDP, 103, 1000)  # UDP_SEGMENT: with offload the TAP hands us one super-frame
    data = random.Random(5).randbytes(9500)
    theirs.sendto(data, (OURS, 7003))
    assert [ours.recv(2000) for _ in range(10)] == [data[at : at + 1000] for at in range(0, 9500, 1000)]


def test_segmented_datagrams_of_ours_arrive_as_many(ends):
    theirs, ours = ends
    ours.setsockopt(socket.SOL_UDP, 103, 1000)
    data = random.Random(5).randbytes(9500)
    for _ in range(2):  # the first waits for ARP
        assert ours.sendto(data, theirs.getsockname()) == 9500
        assert [theirs.recv(2000) for _ in range(10)] == [data[at : at + 1000] for at in range(0, 9500, 1000)]


def test_what_is_segmented_is_refused_as_the_kernel_refuses_it(ends):
    theirs, ours = ends
    for segment, size in ((100, 12_801), (1473, 2000), (600, 600 * 128)):
        told = []
        for one, other in ((theirs, ours), (ours, theirs)):
            one.setsockopt(socket.SOL_UDP, 103, segment)
            with pytest.raises(OSError) as caught:
                one.sendto(bytes(size), other.getsockname())
            told.append(caught.value.errno)
        assert told[0] == told[1]


def test_a_broadcast_reaches_a_socket_that_is_bound_to_any_address(ns, host):
    with ns.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("", 7004))
        ours.settimeout(5)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        theirs.sendto(b"all of you", ("192.168.5.255", 7004))
        assert ours.recvfrom(100)[0] == b"all of you"


def test_a_socket_bound_to_loopback_does_not_hear_the_wire(ns, host):
    with ns.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 7005))
        theirs.connect((OURS, 7005))
        theirs.send(b"let me in")
        with pytest.raises(ConnectionRefusedError):
            theirs.recv(1)
