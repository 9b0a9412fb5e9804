"""Urgent data (RFC 9293 3.8.5, RFC 6093): the pointer both ways, the mark, and the octet apart or in line."""

import errno

import pytest

from netif.wire.tcp import URG
from stack.tcp.states import CLOSE_WAIT, ESTABLISHED
from tests.stack.tcp.conversation import stream


def urges(tcp, count):
    """`count` bytes of the stream, the last of them urgent."""
    accepted = tcp.connection.write_urgent(stream(tcp.written + 1, count))
    tcp.written += accepted
    tcp.flush()
    return accepted


# sending


def test_the_pointer_names_the_byte_that_follows(tcp):  # MUST-62, RFC 6093 3.1
    tcp.established()
    urges(tcp, 1)
    tcp.sends("PU. 1:2(1) ack 1 urg 1")
    tcp.gets(". 1:1(0) ack 2")
    tcp.writes(3)
    tcp.sends("P. 2:5(3) ack 1")


def test_urgent_data_may_be_long_and_every_segment_of_it_points_to_its_end(tcp):  # MUST-31
    tcp.established()
    urges(tcp, 3500)
    tcp.writes(1)
    tcp.sends("U. 1:1461(1460) ack 1 urg 3500")
    tcp.sends("U. 1461:2921(1460) ack 1 urg 2040")
    tcp.sends("PU. 2921:3501(580) ack 1 urg 580")


def test_what_precedes_it_points_to_it_too(tcp_):
    tcp_.established(nodelay=True, syn_window=100, window=100)
    tcp_.writes(150)
    urges(tcp_, 10)
    assert [one.urgent for one in tcp_.all_sent()] == [0, 60]  # an ACK tells of it where the window has no room
    tcp_.gets(". 1:1(0) ack 101 win 100")
    tcp_.sends("PU. 101:161(60) ack 1 urg 60")


def test_a_closed_window_does_not_hide_it(tcp_):  # MUST-66
    tcp_.established(window=0)
    urges(tcp_, 1)
    tcp_.sends("U. 1:1(0) ack 1 urg 1")


def test_the_pointer_survives_retransmission(tcp):
    tcp.established()
    urges(tcp, 5)
    tcp.sends("PU. 1:6(5) ack 1 urg 5")
    tcp.after(3)
    assert {(one.flags & URG, one.urgent, one.seq) for one in tcp.all_sent()} == {(URG, 5, 1)}


def test_no_super_frame_bears_one(tcp_):  # whoever cuts it repeats the pointer
    tcp_.established(gso_max=65536, initial_window=40)
    urges(tcp_, 20_000)
    sent = tcp_.all_sent()
    assert all(one.length <= 1460 for one in sent)
    assert [one.seq + one.urgent for one in sent] == [20_001] * len(sent)
    tcp_.gets(". 1:1(0) ack 20001")
    tcp_.writes(20_000)
    assert max(one.length for one in tcp_.all_sent()) > 1460


def test_a_pointer_reaches_no_further_than_it_can(tcp_):
    tcp_.established(initial_window=2)
    urges(tcp_, 70_000)
    assert tcp_.all_sent()[0].urgent == 65535


# receiving


@pytest.fixture(params=["apart", "inline"])
def either(request, tcp_):
    tcp_.established(oob_inline=request.param == "inline")
    tcp_.inline = request.param == "inline"
    return tcp_


def test_a_read_stops_before_the_mark(either):
    either.gets("PU. 1:6(5) ack 1 urg 3", payload=b"abXde")
    assert not either.connection.at_mark()
    assert either.connection.exceptional()
    assert either.reads() == b"ab"
    assert either.connection.at_mark()
    assert either.reads() == (b"Xde" if either.inline else b"de")
    assert not either.connection.at_mark()
    assert either.connection.read(1) is None


def test_the_octet_is_read_apart_or_not(either):
    either.gets("PU. 1:6(5) ack 1 urg 3", payload=b"abXde")
    if either.inline:
        with pytest.raises(OSError) as caught:
            either.connection.read_urgent(False)
        assert caught.value.errno == errno.EINVAL
        return
    assert either.connection.read_urgent(True) == b"X"
    assert either.connection.read_urgent(False) == b"X"
    assert not either.connection.exceptional()
    with pytest.raises(OSError) as caught:
        either.connection.read_urgent(False)
    assert caught.value.errno == errno.EINVAL
    assert either.reads() == b"ab"
    assert either.connection.at_mark()
    assert either.reads() == b"de"


def test_reading_into_a_buffer_and_peeking_stop_there_too(either):
    either.gets("PU. 1:6(5) ack 1 urg 3", payload=b"abXde")
    room = bytearray(10)
    assert either.connection.peek(10) == b"ab"
    assert either.connection.read_into(memoryview(room)) == 2
    rest = b"Xde" if either.inline else b"de"
    assert either.connection.peek(10) == rest
    assert either.connection.at_mark()
    assert either.connection.read_into(memoryview(room)) == len(rest)
    assert room.startswith(rest)


def test_the_octet_alone_is_nothing_to_read(tcp, waiter):
    tcp.established()
    tcp.gets("PU. 1:2(1) ack 1 urg 1", payload=b"X")
    assert not tcp.connection.readable()
    assert tcp.connection.read(10) is None
    assert tcp.connection.at_mark()
    assert tcp.connection.read_urgent(False) == b"X"
    tcp.gets("P. 2:4(2) ack 1", payload=b"de")
    assert tcp.connection.readable()
    assert tcp.reads() == b"de"


def test_who_waits_is_told_of_the_pointer_before_the_octet_comes(tcp, waiter):  # MUST-32
    tcp.established()
    told = []
    tcp.stack.trace = lambda event, owner, detail: told.append((event, detail)) if event == "urgent" else None
    tcp.connection.wait_readable(waiter)
    tcp.gets("U. 1:1(0) ack 1 urg 4")
    assert waiter.woken
    assert told == [("urgent", 4)]
    assert tcp.connection.urgent_left() == 4  # MUST-33
    assert tcp.connection.read_urgent(False) is None
    assert not tcp.connection.exceptional()
    tcp.gets("P. 1:5(4) ack 1", payload=b"abcX")
    assert tcp.connection.exceptional()
    assert tcp.connection.read_urgent(False) == b"X"
    assert tcp.reads() == b"abc"
    assert told == [("urgent", 4)]


def test_a_pointer_that_advances_is_told_again(tcp):  # MUST-32
    tcp.established()
    told = []
    tcp.stack.trace = lambda event, owner, detail: told.append(detail) if event == "urgent" else None
    tcp.gets("PU. 1:6(5) ack 1 urg 5", payload=b"abcdX")
    tcp.gets("PU. 6:11(5) ack 1 urg 5", payload=b"efghY")
    tcp.gets("PU. 6:11(5) ack 1 urg 5", payload=b"efghY")
    assert told == [5, 10]
    assert tcp.connection.read_urgent(False) == b"Y"
    assert tcp.reads() == b"abcdXefgh"  # of urgent data only the last octet is apart


def test_what_nobody_fetched_is_gone_when_the_next_comes(tcp):  # as in Linux
    tcp.established()
    tcp.gets("PU. 1:2(1) ack 1 urg 1", payload=b"X")
    tcp.gets("PU. 2:3(1) ack 1 urg 1", payload=b"Y")
    assert tcp.connection.read_urgent(False) == b"Y"
    tcp.gets("P. 3:5(2) ack 1", payload=b"de")
    assert tcp.reads() == b"de"


def test_the_octet_may_come_out_of_order(tcp):
    tcp.established()
    tcp.gets("PU. 3:6(3) ack 1 urg 3", payload=b"deX")
    assert tcp.connection.read_urgent(False) == b"X"
    assert tcp.connection.read(10) is None
    tcp.gets("P. 1:3(2) ack 1", payload=b"ab")
    assert tcp.reads() == b"abde"
    assert tcp.connection.at_mark()


def test_an_old_pointer_is_nothing_new(tcp):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1", payload=b"abcde")
    tcp.gets("PU. 1:6(5) ack 1 urg 3", payload=b"abcde")
    tcp.gets("PU. 1:8(7) ack 1 urg 3", payload=b"abcdefg")
    assert not tcp.connection.exceptional()
    assert tcp.reads() == b"abcdefg"


@pytest.mark.parametrize("pointer", [0, 1])
def test_a_pointer_of_nothing_points_to_the_first_byte(tcp, pointer):  # as in Linux
    tcp.established()
    tcp.gets(f"PU. 1:3(2) ack 1 urg {pointer}", payload=b"Xb")
    assert tcp.connection.read_urgent(False) == b"X"
    assert tcp.reads() == b"b"


def test_without_the_flag_a_pointer_is_none(tcp):
    tcp.established()
    tcp.gets("P. 1:3(2) ack 1 urg 1", payload=b"ab")
    assert tcp.reads() == b"ab"


def test_a_pointer_counts_though_our_window_is_closed(tcp_):  # MUST-66
    tcp_.established(receive_buffer=1000)
    tcp_.gets("P. 1:1001(1000) ack 1")
    tcp_.sent.clear()
    tcp_.gets("U. 1001:1001(0) ack 1 urg 1")
    assert tcp_.connection.urgent_left() == 1001


def test_the_end_after_the_octet(tcp):
    tcp.established()
    tcp.gets("FPU. 1:2(1) ack 1 urg 1", payload=b"X")
    assert tcp.state is CLOSE_WAIT
    assert tcp.connection.readable()
    assert tcp.connection.read(10) == b""
    assert tcp.connection.read_urgent(False) == b"X"


def test_the_end_without_it(tcp):
    tcp.established()
    tcp.gets("U. 1:1(0) ack 1 urg 5")
    tcp.gets("F. 1:1(0) ack 1")
    assert tcp.connection.read_urgent(False) == b""


def test_in_line_or_apart_may_be_changed(tcp):
    tcp.established()
    tcp.gets("PU. 1:4(3) ack 1 urg 2", payload=b"aXc")
    tcp.connection.configure(oob_inline=True)
    assert tcp.reads() == b"a"
    assert tcp.reads() == b"Xc"


def test_nobody_has_urgent_data_who_was_sent_none(tcp):
    tcp.established()
    assert not tcp.connection.at_mark()
    assert not tcp.connection.exceptional()
    with pytest.raises(OSError) as caught:
        tcp.connection.read_urgent(False)
    assert caught.value.errno == errno.EINVAL


def test_two_hosts_agree_on_what_is_urgent(pair):
    both = pair(3, loss=0.1, reorder=0.2)
    client, server = both.connected()
    said = heard = b""
    apart = []
    for turn in range(40):
        part = bytes((97 + turn % 26,)) * (1 + turn * 37 % 300)
        client.write(part)
        said += part
        if turn % 8 == 7:
            assert client.write_urgent(bytes((65 + turn // 8,))) == 1
        both.flush()
        for _ in range(60):
            both.step()
            if server.exceptional():
                apart.append(server.read_urgent(False))
            while (more := server.read(10_000)) is not None:
                heard += more
        assert server.state is ESTABLISHED
    assert b"".join(apart) == b"ABCDE"
    assert heard == said


def test_a_super_frame_that_bears_one_is_taken(tcp_):  # from a wire that cuts them so
    tcp_.established(gso_max=65536)
    tcp_.gets("PU. 1:3001(3000) ack 1 urg 3000")
    assert tcp_.connection.read_urgent(False) == stream(3000, 1)
    assert len(tcp_.reads()) == 2999
