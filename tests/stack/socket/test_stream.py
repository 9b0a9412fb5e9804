"""Stream sockets, as a program sees them."""

import errno
import io
import random
import struct
import warnings

import pytest

import stack.socket as socket
from stack.tcp.congestion import NewReno

PATIENCE = 20


def test_bytes_arrive_in_order_both_ways(connection, hosts):
    client, server = connection
    data = random.Random(1).randbytes(5_000_000)

    def echo():
        while block := server.recv(1 << 18):
            server.sendall(block)
        server.shutdown(socket.SHUT_WR)

    echoing = hosts.run(echo)

    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sending = hosts.run(send)
    received = bytearray()
    while block := client.recv(1 << 16):
        received += block
    assert bytes(received) == data
    sending.result(PATIENCE)
    echoing.result(PATIENCE)


def test_a_bytearray_may_change_after_sendall(connection):
    client, server = connection
    data = bytearray(b"x" * 8192)
    client.sendall(data)
    data[:] = b"y" * 8192
    assert server.recv(8192, socket.MSG_WAITALL) == b"x" * 8192


def test_recv_into_fills_what_it_is_given(connection):
    client, server = connection
    client.sendall(b"0123456789")
    buffer = bytearray(b"." * 8)
    assert server.recv_into(memoryview(buffer)[2:], 4) == 4
    assert buffer == b"..0123.."


def test_peek_leaves_the_bytes(connection):
    client, server = connection
    client.sendall(b"look")
    assert server.recv(2, socket.MSG_PEEK) == b"lo"
    assert server.recv(10) == b"look"


def test_half_close_lets_the_other_half_go_on(connection):
    client, server = connection
    client.shutdown(socket.SHUT_WR)
    assert server.recv(10) == b""
    server.sendall(b"still here")
    assert client.recv(10, socket.MSG_WAITALL) == b"still here"
    with pytest.raises(BrokenPipeError):
        client.sendall(b"no")


def test_recv_times_out(connection):
    client, _ = connection
    client.settimeout(0.01)
    with pytest.raises(TimeoutError, match="timed out"):
        client.recv(1)


def test_non_blocking_recv_would_block(connection):
    client, _ = connection
    client.setblocking(False)
    with pytest.raises(BlockingIOError) as caught:
        client.recv(1)
    assert caught.value.errno == errno.EAGAIN
    client.setblocking(True)
    with pytest.raises(BlockingIOError):
        client.recv(1, socket.MSG_DONTWAIT)


def test_non_blocking_send_takes_what_fits_then_would_block(connection):
    client, server = connection
    client.setblocking(False)
    sent = 0
    while True:
        try:
            sent += client.send(b"x" * 100_000)
        except BlockingIOError:
            break
    assert sent >= client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    client.setblocking(True)
    received = 0
    while received < sent:
        received += len(server.recv(1 << 20))
    assert received == sent


def test_connection_refused(hosts):
    with hosts.left.socket() as client:
        with pytest.raises(ConnectionRefusedError):
            client.connect(("10.0.0.2", 1))
        assert client.connect_ex(("10.0.0.2", 1)) == errno.ECONNREFUSED  # and it may be tried again


def test_non_blocking_connect(hosts):
    with hosts.right.create_server(("", 7001)) as listener, hosts.left.socket() as client:
        client.setblocking(False)
        assert client.connect_ex(("10.0.0.2", 7001)) == errno.EINPROGRESS
        server, peer = listener.accept()
        with server:
            client.settimeout(PATIENCE)
            server.sendall(b"hi")
            client.connect(("10.0.0.2", 7001))  # as in Linux: asked again, it says that it is done
            assert client.connect_ex(("10.0.0.2", 7001)) == errno.EISCONN
            assert client.recv(2) == b"hi"
            assert peer == client.getsockname()
            assert server.getpeername() == peer


def test_close_wakes_a_call_that_is_blocked_in_another_thread(connection, hosts):
    client, _ = connection
    started = []

    def wait():
        started.append(True)
        with pytest.raises(OSError) as caught:
            client.recv(1)
        return caught.value.errno

    waiting = hosts.run(wait)
    hosts.left.runtime.run_until(lambda: bool(started), timeout=PATIENCE)
    client.close()
    assert waiting.result(PATIENCE) == errno.EBADF


def test_linger_zero_resets(connection):
    client, server = connection
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    client.close()
    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_close_with_unread_bytes_resets(connection):
    client, server = connection
    client.sendall(b"nobody reads this")
    assert server.recv(1, socket.MSG_PEEK) == b"n"
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_lingering_close_waits_until_all_is_acknowledged(connection, hosts):
    client, server = connection
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, PATIENCE))
    client.sendall(b"x" * 300_000)
    client.close()
    received = b""
    while block := server.recv(1 << 20):
        received += block
    assert len(received) == 300_000


def test_files_keep_the_socket_open(connection):
    client, server = connection
    with client.makefile("rwb") as file:
        client.close()
        file.write(b"line one\nline two\n")
        file.flush()
        with server.makefile("r", encoding="ascii") as lines:
            assert lines.readline() == "line one\n"
            assert lines.readline() == "line two\n"
    assert server.recv(1) == b""


def test_sendfile_sends_what_is_asked(connection, tmp_path):
    client, server = connection
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 100)
    with path.open("rb") as file:
        assert client.sendfile(file, offset=10, count=1000) == 1000
        assert file.tell() == 1010
    assert server.recv(1000, socket.MSG_WAITALL) == (bytes(range(256)) * 100)[10:1010]


def test_sendfile_takes_a_file_from_its_beginning_and_what_is_none_from_where_it_is(connection, tmp_path):
    client, server = connection  # sendfile(2), and the stdlib's fall-back
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert file.read(5) == b"01234"
        assert client.sendfile(file) == 10
        assert file.tell() == 10
    assert server.recv(10, socket.MSG_WAITALL) == b"0123456789"
    memory = io.BytesIO(b"0123456789")
    assert memory.read(5) == b"01234"
    assert client.sendfile(memory) == 5
    assert server.recv(5, socket.MSG_WAITALL) == b"56789"


def test_an_unclosed_socket_warns_and_is_closed(hosts):
    with hosts.right.create_server(("", 7002)) as listener:
        client = hosts.left.create_connection(("10.0.0.2", 7002))
        accepted, _ = listener.accept()
        with accepted:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del client
            assert [str(w.message)[:9] for w in caught] == ["unclosed "]
            assert accepted.recv(1) == b""


def test_options_are_read_as_they_were_set(connection):
    client, _ = connection
    for level, option, value in [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500),
    ]:
        client.setsockopt(level, option, value)
        assert client.getsockopt(level, option) == value
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 131072  # Linux: twice
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert 500 < client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1460
    with pytest.raises(OSError) as caught:
        client.setsockopt(socket.SOL_SOCKET, 12345, 1)
    assert caught.value.errno == errno.ENOPROTOOPT


def test_the_name_tells_the_state(connection):
    client, _ = connection
    assert "ESTABLISHED" in repr(client)
    client.close()
    assert "[closed]" in repr(client)
    assert client.fileno() == -1


def test_the_congestion_control_goes_by_its_name(connection, hosts):  # tcp(7), TCP_CONGESTION
    client, _ = connection
    control = (socket.IPPROTO_TCP, socket.TCP_CONGESTION)
    assert client.getsockopt(*control, 16) == b"cubic".ljust(16, b"\0")
    client.setsockopt(*control, b"reno")
    assert client.getsockopt(*control, 16) == b"reno".ljust(16, b"\0")
    assert client.getsockopt(*control, 4) == b"reno"
    client.setsockopt(*control, b"newreno".ljust(16, b"\0"))
    assert client.getsockopt(*control, 16).rstrip(b"\0") == b"newreno"
    with pytest.raises(FileNotFoundError):
        client.setsockopt(*control, b"vegas")
    client.sendall(b"still here")


def test_a_listener_hands_its_congestion_control_on(hosts):
    with hosts.right.create_server(("", 7003)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        with hosts.left.create_connection(("10.0.0.2", 7003)):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"


def test_a_control_of_ones_own_has_a_name_where_it_was_given_one(connection, hosts):
    class Timid(NewReno):
        name = "timid"

    client, _ = connection
    hosts.left.tcp.controls["timid"] = Timid
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"timid")
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"timid"
    client.sendall(b"x" * 100_000)
