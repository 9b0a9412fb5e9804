"""Socket options as Linux has them: what may be set when, what is answered, and what each does on the wire."""

import contextlib
import errno
import socket as kernel
import struct

import pytest

from stack.socket import constants as c
from stack.tcp.states import ESTABLISHED, LISTEN

TCP, SOL = c.IPPROTO_TCP, c.SOL_SOCKET

# what is set, on a fresh socket: on the kernel's and on ours the same must come out
BOTH = [
    *((TCP, c.TCP_NODELAY, value) for value in (0, 1, 2)),
    *((TCP, c.TCP_CORK, value) for value in (0, 1, 5)),
    *((TCP, c.TCP_MAXSEG, value) for value in (0, 87, 88, 536, 1460, 32767, 32768, -1)),
    *((TCP, c.TCP_KEEPIDLE, value) for value in (-1, 0, 1, 32767, 32768)),
    *((TCP, c.TCP_KEEPINTVL, value) for value in (-1, 0, 1, 32767, 32768)),
    *((TCP, c.TCP_KEEPCNT, value) for value in (-1, 0, 1, 127, 128)),
    *((TCP, c.TCP_SYNCNT, value) for value in (-1, 0, 1, 127, 128)),
    *((TCP, c.TCP_LINGER2, value) for value in (-1, 0, 1, 60, 119)),
    *((TCP, c.TCP_USER_TIMEOUT, value) for value in (-1, 0, 1, 30_000)),
    *((TCP, c.TCP_WINDOW_CLAMP, value) for value in (0, 1, 1000, 1152, 70_000)),
    *((TCP, c.TCP_NOTSENT_LOWAT, value) for value in (0, 1, 16384)),
    *((SOL, c.SO_KEEPALIVE, value) for value in (0, 1, 7)),
    *((SOL, c.SO_RCVBUF, value) for value in (0, 1, 1000, 1152, 4096, 65536)),
    *((SOL, c.SO_SNDBUF, value) for value in (0, 1, 2304, 4096, 65536)),
    *((SOL, c.SO_RCVLOWAT, value) for value in (0, 1, 1000)),
    *((kernel.IPPROTO_IP, c.IP_TTL, value) for value in (0, 1, 255, 256, -1)),
    *((kernel.IPPROTO_IP, c.IP_TOS, value) for value in (0, 0x10, 0xB8)),
    (TCP, 4711, 1),
    (SOL, 4711, 1),
    (4711, 1, 1),
]


def outcome(made, level, option, value):
    try:
        made.setsockopt(level, option, value)
        return made.getsockopt(level, option)
    except OSError as error:
        return error.errno


@pytest.mark.parametrize("level_option_value", BOTH, ids=str)
def test_a_fresh_socket_answers_as_the_kernels(hosts, level_option_value):
    with kernel.socket() as theirs, hosts.left.socket() as ours:
        assert outcome(ours, *level_option_value) == outcome(theirs, *level_option_value)


@pytest.mark.parametrize(
    "option", [c.TCP_NODELAY, c.TCP_CORK, c.TCP_KEEPIDLE, c.TCP_KEEPINTVL, c.TCP_KEEPCNT, c.TCP_LINGER2, c.TCP_MAXSEG]
)
def test_defaults_are_the_kernels(hosts, option):
    with kernel.socket() as theirs, hosts.left.socket() as ours:
        assert ours.getsockopt(TCP, option) == theirs.getsockopt(TCP, option)


def test_too_short_a_value_is_refused(hosts):
    for made in (kernel.socket(), hosts.left.socket()):
        with made, pytest.raises(OSError) as caught:
            made.setsockopt(TCP, c.TCP_NODELAY, b"\1")
        assert caught.value.errno == errno.EINVAL


def test_a_buffer_may_not_be_larger_than_the_limit(hosts):
    with hosts.left.socket() as made:
        made.setsockopt(SOL, c.SO_RCVBUF, 1 << 30)
        assert made.getsockopt(SOL, c.SO_RCVBUF) == 2 * hosts.left.limits.socket_buffer
    assert hosts.left.stats["socket_buffer_clamped"] == 1


def test_a_clamp_is_taken_back_only_before_there_is_a_connection(connection):
    client, _ = connection
    client.setsockopt(TCP, c.TCP_WINDOW_CLAMP, 4000)
    assert client.getsockopt(TCP, c.TCP_WINDOW_CLAMP) == 4000
    with pytest.raises(OSError) as caught:
        client.setsockopt(TCP, c.TCP_WINDOW_CLAMP, 0)
    assert caught.value.errno == errno.EINVAL


def test_accepted_sockets_begin_with_the_listeners_options(hosts):
    with hosts.right.create_server(("", 7001)) as listener:
        listener.setsockopt(TCP, c.TCP_NODELAY, 1)
        listener.setsockopt(SOL, c.SO_RCVBUF, 20_000)
        listener.configure(delayed_ack=0.1)
        with hosts.left.create_connection(("10.0.0.2", 7001), timeout=20), listener.accept()[0] as made:
            assert made.getsockopt(TCP, c.TCP_NODELAY) == 1
            assert made.getsockopt(SOL, c.SO_RCVBUF) == 40_000
            assert made.tcp_info().ato == 0.1


def test_cork_holds_back_what_fills_no_segment(connection):
    client, server = connection
    client.setsockopt(TCP, c.TCP_CORK, 1)
    client.sendall(b"head ")
    with pytest.raises(BlockingIOError):
        server.recv(10, c.MSG_DONTWAIT)
    client.sendall(b"and body")
    client.setsockopt(TCP, c.TCP_CORK, 0)
    assert server.recv(100) == b"head and body"


def test_cork_is_no_prison(connection):
    """Linux: 200 ms at most."""
    client, server = connection
    client.setsockopt(TCP, c.TCP_CORK, 1)
    client.sendall(b"alone")
    assert server.recv(10) == b"alone"


def test_more_is_a_cork_for_one_call(connection):
    client, server = connection
    client.sendall(b"head ", c.MSG_MORE)
    assert client.send(b"neck ", c.MSG_MORE) == 5
    with pytest.raises(BlockingIOError):
        server.recv(10, c.MSG_DONTWAIT)
    client.sendall(b"and body")
    assert server.recv(100) == b"head neck and body"


def test_the_end_takes_the_cork_out(connection):
    client, server = connection
    client.sendall(b"last", c.MSG_MORE)
    client.shutdown(c.SHUT_WR)
    assert server.recv(10) == b"last"
    assert server.recv(10) == b""


def test_a_read_waits_for_the_low_water_mark(connection, hosts):
    client, server = connection
    client.setsockopt(TCP, c.TCP_NODELAY, 1)
    server.setsockopt(SOL, c.SO_RCVLOWAT, 10)
    client.sendall(b"12345")
    server.settimeout(0.05)
    assert server.recv(100) == b"12345"  # when time is up, what there is
    server.settimeout(20)
    client.sendall(b"12345")
    reading = hosts.run(lambda: server.recv(100))
    client.sendall(b"67890")
    assert reading.result(20) == b"1234567890"
    reading = hosts.run(lambda: server.recv(3))
    client.sendall(b"123")
    assert reading.result(5) == b"123"  # no more was asked for
    client.sendall(b"456")
    assert server.recv(100, c.MSG_DONTWAIT) == b"456"
    client.sendall(b"789")
    client.close()
    assert server.recv(100) == b"789"


def test_a_low_water_mark_above_the_buffer_waits_no_longer_than_for_a_full_one(connection, hosts):
    client, server = connection
    server.setsockopt(SOL, c.SO_RCVBUF, 20_000)
    server.configure(rcvlowat=1 << 20)
    sending = hosts.run(lambda: client.sendall(bytes(50_000)))
    got = 0
    while got < 50_000 - 20_000:
        got += len(hosts.run(lambda: server.recv(1 << 20)).result(5))
    sending.result(20)
    client.close()
    while data := server.recv(1 << 20):
        got += len(data)
    assert got == 50_000


def test_no_more_waits_unsent_than_the_low_water_mark_says(connection):
    client, server = connection
    server.setsockopt(SOL, c.SO_RCVBUF, 4096)
    client.setsockopt(TCP, c.TCP_NOTSENT_LOWAT, 10_000)
    client.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while client.send(bytes(100_000)):
            pass
    assert client.tcp_info().notsent_bytes <= 10_000


def test_info_as_the_kernel_lays_it_out(connection):
    client, server = connection
    client.sendall(b"x" * 5000)
    server.recv(5000)
    raw = client.getsockopt(TCP, c.TCP_INFO, 256)
    info = client.tcp_info()
    assert raw[0] == 1
    assert info.state is ESTABLISHED
    assert len(raw) == 248
    assert struct.unpack_from("@I", raw, 16)[0] == info.snd_mss
    assert client.getsockopt(TCP, c.TCP_INFO, 104) == raw[:104] or len(client.getsockopt(TCP, c.TCP_INFO, 104)) == 104
    assert server.tcp_info().bytes_received == 5000


def test_info_of_listeners_and_of_fresh_sockets(hosts):
    with hosts.left.socket() as made:
        assert made.getsockopt(TCP, c.TCP_INFO, 1) == b"\7"
        made.bind(("", 7002))
        made.listen(5)
        assert made.tcp_info().state is LISTEN
        assert made.tcp_info().sacked == 5


def test_the_kernels_info_is_as_long_or_longer_and_agrees_on_its_beginning(connection):
    with kernel.socket() as listener, kernel.socket() as theirs:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        theirs.connect(listener.getsockname())
        raw = theirs.getsockopt(TCP, c.TCP_INFO, 256)
    ours = connection[0].getsockopt(TCP, c.TCP_INFO, 256)
    fields = struct.Struct("@8B24I")
    for mine, its in ((fields.unpack_from(ours), fields.unpack_from(raw)),):
        assert mine[:2] == its[:2] == (1, 0)
        assert mine[26] == its[26] == 10  # snd_cwnd
        assert mine[25] == its[25] == 0x7FFFFFFF  # snd_ssthresh


def test_what_went_out_with_the_syn_cannot_be_changed(connection):
    client, _ = connection
    with pytest.raises(OSError) as caught:
        client.configure(timestamps=False)
    assert caught.value.errno == errno.EISCONN
    with pytest.raises(TypeError):
        client.configure(no_such_field=1)
    with pytest.raises(ValueError, match="delayed_ack"):
        client.configure(delayed_ack=0.5)


def test_an_observer_hears_of_its_connection(hosts):
    events, theirs = [], []
    with hosts.right.create_server(("", 7003)) as listener, hosts.left.socket() as client:
        listener.observe(theirs.append)
        client.observe(events.append)
        client.settimeout(20)
        client.connect(("10.0.0.2", 7003))
        with listener.accept()[0] as server:
            client.sendall(b"hello")
            assert server.recv(5) == b"hello"
        assert [event.state for event in events if event.kind == "state"][:2] == ["SYN-SENT", "ESTABLISHED"]
        assert "sent" in [event.kind for event in events]
        assert theirs[0].state == "SYN-RECEIVED"


def test_an_observer_may_not_enter_a_socket(hosts):
    caught = []

    def enter(event):
        try:
            event.connection.stack.runtime.enter()
        except RuntimeError as error:
            caught.append(error)

    with hosts.right.create_server(("", 7004)), hosts.left.create_connection(("10.0.0.2", 7004), timeout=20) as client:
        client.observe(enter)
        client.sendall(b"x")
    assert caught


def test_datagrams_have_no_tcp(hosts):
    with hosts.left.socket(type=c.SOCK_DGRAM) as made:
        for act in (made.tcp_info, lambda: made.observe(None), lambda: made.configure(nodelay=True)):
            with pytest.raises(OSError) as caught:
                act()
            assert caught.value.errno == errno.EOPNOTSUPP
