"""The kernel's TCP as the peer, both ways: what one side wrote is what the other side read, and every way to end."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
SIZE = 6_000_000


def meanwhile(fn: Callable[[], object]) -> Future:
    """Run `fn` in a thread; `.result(timeout)` hands on its exception."""
    future: Future = Future()

    def body() -> None:
        try:
            future.set_result(fn())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future


def read_all(s, block: int = 1 << 17) -> bytes:
    parts = []
    while part := s.recv(block):
        parts.append(part)
    return b"".join(parts)


def same(got: bytes, expected: bytes) -> bool:
    """Compared by digest: a failure prints two lines, not megabytes."""
    assert len(got) == len(expected)
    return hashlib.sha256(got).digest() == hashlib.sha256(expected).digest()


@pytest.fixture
def data(seed) -> bytes:
    return random.Random(seed).randbytes(SIZE)


@contextmanager
def accepted_by_us(ns, host):
    """(kernel's socket, ours) of a connection that the kernel opened."""
    with host.create_server(("", 7000)) as listener:
        future = meanwhile(listener.accept)
        with ns.connect((OURS, 7000)) as theirs:
            ours, _peer = future.result(10)
            ours.settimeout(20)
            with ours:
                yield theirs, ours


@contextmanager
def opened_by_us(ns, host):
    """(kernel's socket, ours) of a connection that we opened."""
    with ns.listen(KERNEL) as listener:
        future = meanwhile(listener.accept)
        with host.create_connection((KERNEL, listener.getsockname()[1]), timeout=20) as ours:
            theirs, _peer = future.result(10)
            theirs.settimeout(20)
            with theirs:
                yield theirs, ours


@pytest.fixture(params=[accepted_by_us, opened_by_us])
def both(request, ns, host):
    """(kernel's socket, ours), whoever opened."""
    with request.param(ns, host) as connected:
        yield connected


@pytest.fixture
def accepted(ns, host):
    with accepted_by_us(ns, host) as connected:
        yield connected


@pytest.fixture
def opened(ns, host):
    with opened_by_us(ns, host) as connected:
        yield connected


def test_what_the_kernel_sends_is_what_we_read(both, data):
    theirs, ours = both
    sending = meanwhile(lambda: (theirs.sendall(data), theirs.shutdown(socket.SHUT_WR)))
    assert same(read_all(ours), data)
    sending.result(10)


def test_what_we_send_is_what_the_kernel_reads(both, data):
    theirs, ours = both
    sending = meanwhile(lambda: (ours.sendall(data), ours.shutdown(socket.SHUT_WR)))
    assert same(read_all(theirs), data)
    sending.result(10)


def test_both_directions_at_once(both, data):
    theirs, ours = both
    backwards = data[::-1]
    sending = [
        meanwhile(lambda: (theirs.sendall(data), theirs.shutdown(socket.SHUT_WR))),
        meanwhile(lambda: (ours.sendall(backwards), ours.shutdown(socket.SHUT_WR))),
    ]
    reading = meanwhile(lambda: read_all(theirs))
    assert same(read_all(ours), data)
    assert same(reading.result(20), backwards)
    for each in sending:
        each.result(10)


def test_after_our_half_close_the_kernel_goes_on_sending(both, data):
    theirs, ours = both
    ours.sendall(b"that is all from me")
    ours.shutdown(socket.SHUT_WR)
    assert read_all(theirs) == b"that is all from me"
    sending = meanwhile(lambda: (theirs.sendall(data), theirs.close()))
    assert same(read_all(ours), data)
    sending.result(10)


def test_after_the_kernels_half_close_we_go_on_sending(both, data):
    theirs, ours = both
    theirs.shutdown(socket.SHUT_WR)
    assert ours.recv(1) == b""
    sending = meanwhile(lambda: (ours.sendall(data), ours.close()))
    assert same(read_all(theirs), data)
    sending.result(10)


def test_a_reader_that_does_not_read_stops_the_writer_and_loses_nothing(opened, data):
    theirs, ours = opened
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    ours.settimeout(0.3)
    sent = 0
    with pytest.raises(TimeoutError):  # noqa: PT012
        while True:
            sent += ours.send(data[sent : sent + 65536])
    assert 65536 <= sent < SIZE
    ours.settimeout(20)
    reading = meanwhile(lambda: read_all(theirs))
    ours.sendall(data[sent:])
    ours.shutdown(socket.SHUT_WR)
    assert same(reading.result(20), data)


def test_the_kernel_stops_when_we_do_not_read(accepted, data):
    theirs, ours = accepted
    theirs.settimeout(0.3)
    sent = 0
    with pytest.raises(TimeoutError):  # noqa: PT012
        while sent < 10 * SIZE:
            sent += theirs.send(data[:65536])
    theirs.shutdown(socket.SHUT_WR)
    assert len(read_all(ours)) == sent


def test_one_byte_at_a_time_there_and_back(both):
    theirs, ours = both
    for byte in range(256):
        theirs.sendall(bytes([byte]))
        assert ours.recv(10) == bytes([byte])
        ours.sendall(bytes([byte]))
        assert theirs.recv(10) == bytes([byte])


def test_the_kernel_refuses_a_port_where_nobody_listens(ns, host):
    with pytest.raises(ConnectionRefusedError):
        host.create_connection((KERNEL, 7001), timeout=5)


def test_we_refuse_a_port_where_nobody_listens(ns, host):
    with pytest.raises(ConnectionRefusedError):
        ns.connect((OURS, 7001), timeout=5)


def test_the_kernels_reset_reaches_our_reader(both):
    theirs, ours = both
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with pytest.raises(ConnectionResetError):
        ours.recv(1)


def test_closing_with_data_unread_resets_the_kernel(both):  # RFC 2525 2.17
    theirs, ours = both
    theirs.sendall(b"nobody will read this")
    assert ours.recv(1) == b"n"
    ours.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)


def test_an_address_that_answers_no_arp_is_unreachable(ns, host):
    with pytest.raises(OSError) as caught:
        host.create_connection(("192.168.5.77", 7), timeout=20)
    assert caught.value.errno in (113, 110), caught.value  # EHOSTUNREACH when ARP gives up before the time-out


def test_fifty_connections_at_once_keep_their_bytes_apart(ns, host):
    def serve(connection) -> None:
        with connection:
            connection.sendall(hashlib.sha256(read_all(connection)).digest())

    def accept_all(listener) -> None:
        for _ in range(50):
            connection, _peer = listener.accept()
            meanwhile(lambda connection=connection: serve(connection))

    def ask(number: int) -> None:
        data = random.Random(number).randbytes(20_000)
        with ns.connect((OURS, 7000), timeout=20) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            assert read_all(s) == hashlib.sha256(data).digest()

    with host.create_server(("", 7000), backlog=50) as listener:
        accepting = meanwhile(lambda: accept_all(listener))
        asking = [meanwhile(lambda number=number: ask(number)) for number in range(50)]
        for each in [*asking, accepting]:
            each.result(30)


def test_our_listener_sees_whom_the_kernel_says_it_is(accepted):
    theirs, ours = accepted
    assert ours.getpeername() == theirs.getsockname()
    assert ours.getsockname() == (OURS, 7000)


def test_a_connection_is_gone_from_both_tables_when_both_have_closed(ns, accepted):
    theirs, ours = accepted
    ours.close()
    assert theirs.recv(1) == b""
    theirs.close()
    wait_until(lambda: OURS not in ns.exec("ss", "-Htan", "state", "established", "state", "last-ack").stdout)
