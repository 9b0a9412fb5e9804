"""What flags of recv(2) do where it takes more than one call to see it; buffers of several calls."""

import errno
import socket
import struct

import pytest

from stack.socket.linux import MSG_ERRQUEUE
from tests.stack.socket.conftest import PATIENCE

LINGER = socket.SOL_SOCKET, socket.SO_LINGER


def waits(hosts, server, flags):
    """`recv(6, flags)` of a socket without a time-out, which nobody has written to yet."""
    server.settimeout(None)
    return hosts.run(lambda: server.recv(6, flags))


@pytest.mark.parametrize("flags", [socket.MSG_WAITALL, socket.MSG_WAITALL | socket.MSG_PEEK])
def test_waitall_waits_for_all(hosts, connection, flags):
    client, server = connection
    client.send(b"abc")
    reading = waits(hosts, server, flags)
    while not client.tcp_info().bytes_acked >= 3:
        pass
    assert not reading.done()
    client.send(b"def")
    assert reading.result(PATIENCE) == b"abcdef"
    if flags & socket.MSG_PEEK:
        assert server.recv(6, socket.MSG_DONTWAIT) == b"abcdef"


@pytest.mark.parametrize("flags", [socket.MSG_WAITALL, socket.MSG_WAITALL | socket.MSG_PEEK])
def test_waitall_has_less_where_no_more_will_come(hosts, connection, flags):
    client, server = connection
    client.send(b"abc")
    reading = waits(hosts, server, flags)
    client.close()
    assert reading.result(PATIENCE) == b"abc"


def test_waitall_keeps_the_error_for_the_next_call(hosts, connection):
    client, server = connection
    client.send(b"abc")
    reading = waits(hosts, server, socket.MSG_WAITALL)
    while server.tcp_info().bytes_received < 3 or not client.tcp_info().bytes_acked >= 3:
        pass
    client.setsockopt(*LINGER, struct.pack("ii", 1, 0))
    client.close()
    try:
        assert reading.result(PATIENCE) == b"abc"
    except ConnectionResetError:
        return  # the reset came before the first read
    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_waitall_means_nothing_with_a_time_out(connection):  # as in CPython, whose socket does not block then
    client, server = connection
    client.send(b"abc")
    assert server.recv(6, socket.MSG_WAITALL) == b"abc"


def test_a_truncated_datagram_tells_its_length(hosts):
    with hosts.left.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.bind(("127.0.0.1", 0))
        s.connect(s.getsockname())
        s.send(b"hello")
        buffer = bytearray(2)
        assert s.recv_into(buffer, 0, socket.MSG_TRUNC | socket.MSG_PEEK) == 5
        assert buffer == b"he"
        assert s.recvmsg(2)[::2] == (b"he", socket.MSG_TRUNC)


def test_one_message_fills_several_buffers(hosts):
    with hosts.left.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.bind(("127.0.0.1", 0))
        s.sendmsg([b"hel", bytearray(b"lo"), memoryview(b"!")], [], 0, s.getsockname())
        one, other = bytearray(2), bytearray(9)
        assert s.recvmsg_into([one, other]) == (6, [], 0, s.getsockname())
        assert (one, other[:4]) == (b"he", b"llo!")


def test_there_are_no_errors_in_the_queue(connection):
    client, _ = connection
    with pytest.raises(BlockingIOError) as caught:
        client.recv(1, MSG_ERRQUEUE)
    assert caught.value.errno == errno.EAGAIN
