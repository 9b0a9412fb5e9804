"""What RFC 9293's table of requirements (appendix B) asks for, and 5961 and 6298, and no other conversation shows."""

from __future__ import annotations

import pytest

from netif.wire import icmp
from netif.wire.tcp import PSH
from stack.limits import Limits
from stack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT

ONESELF, ANOTHER = b"\x7f\0\0\1", b"\x7f\0\0\x09"


def test_a_window_above_32767_is_no_negative_number(tcp_):  # MUST-1
    tcp_.established(window=40_000, initial_window=100)
    tcp_.writes(100_000)
    assert sum(one.length for one in tcp_.all_sent()) == 27 * 1460  # and no sliver behind


def test_the_maximum_segment_size_is_said_in_a_syn_alone(tcp):  # MUST-65
    tcp.connects()
    assert tcp.all_sent()[0].options.mss == 1460
    tcp.gets("S. 0:0(0) ack 1 <mss 1460>")
    tcp.writes(10)
    tcp.gets("P. 1:11(10) ack 11")
    tcp.after(1)
    said = tcp.all_sent()
    assert len(said) == 3
    assert all(not one.option_bytes for one in said)


def test_a_reset_may_bear_data(tcp):  # SHLD-2
    tcp.established()
    tcp.gets("R. 1:6(5) ack 1", payload=b"sorry")
    assert tcp.connection.state is CLOSED
    with pytest.raises(ConnectionResetError):
        tcp.connection.read(5)


def test_two_hours_pass_before_a_silent_peer_is_asked(tcp_):  # MUST-28
    tcp_.established(keepalive=True)
    tcp_.after(2 * 3600 - 1)
    tcp_.sends_nothing()
    tcp_.after(1)
    tcp_.sends(". 0:0(0) ack 1")


def test_listening_at_a_port_leaves_alone_what_is_there(tcp):  # MUST-41
    first = tcp.listens()
    with pytest.raises(OSError, match="in use"):
        tcp.stack.tcp.listen((None, 80))
    tcp.gets("S 0:0(0)")
    tcp.gets(". 1:1(0) ack 1")
    assert first.accept() is not None


def test_a_port_can_be_listened_at_while_it_is_being_opened(tcp):  # MUST-42
    connection = tcp.connects()
    listener = tcp.stack.tcp.listen((None, tcp.port), 5, tcp.config, reuse=True)
    assert connection.state is SYN_SENT
    tcp.all_sent()
    tcp.gets("S. 0:0(0) ack 1")
    assert connection.state is ESTABLISHED
    tcp.peer_port = 999
    tcp.gets("S 0:0(0)")
    tcp.gets(". 1:1(0) ack 1")
    assert listener.accept() is not None


def test_the_application_may_choose_its_address(tcp):  # MUST-43
    layer = tcp.stack.tcp
    listener = layer.listen((None, 90))
    layer.connect((ANOTHER, 0), (ONESELF, 90))
    tcp.flush()
    assert listener.accept().remote[0] == ANOTHER


def test_an_answer_comes_from_the_address_that_was_asked(tcp):  # MUST-45
    layer = tcp.stack.tcp
    layer.listen((None, 90))
    connection = layer.connect((ONESELF, 0), (ANOTHER, 90))
    tcp.flush()
    assert connection.state is ESTABLISHED


def test_source_quench_is_no_reason_to_give_up(tcp_):  # MUST-55
    tcp_.begin(retries=2)
    tcp_.established()
    tcp_.writes(5)
    tcp_.quotes(icmp.SOURCE_QUENCH, 0, seq=1)
    assert tcp_.drops == {"icmp_type": 1}
    tcp_.after(10)
    with pytest.raises(TimeoutError):
        tcp_.connection.read(1)


def test_many_writes_are_pushed_once(tcp):  # SHLD-27
    tcp.established()
    for _ in range(2):
        tcp.connection.write(bytes(5000))
    tcp.checked = False
    tcp.flush()
    pushed = [bool(one.flags & PSH) for one in tcp.all_sent()]
    assert pushed == [False] * 6 + [True]


def test_a_window_that_shrank_ends_no_connection(tcp):  # SHLD-17: what lies beyond the edge is not to time out
    tcp.established(window=5000)
    tcp.writes(2920)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1 win 1460")
    for _ in range(40):
        tcp.after(130)
        tcp.gets(". 1:1(0) ack 1461 win 0")
    assert tcp.state is ESTABLISHED


def test_a_connection_challenges_ten_times_at_once(tcp):  # RFC 5961 7
    tcp.established()
    for _ in range(100):
        tcp.gets("R 100:100(0)")
    assert len(tcp.all_sent()) == 10
    tcp.after(1)
    for _ in range(100):
        tcp.gets("R 100:100(0)")
    assert len(tcp.all_sent()) == 2


def test_challenges_can_be_switched_off(tcp_):  # RFC 5961 7
    tcp_.begin(limits=Limits(challenge_acks=0))
    tcp_.established()
    tcp_.gets("R 100:100(0)")
    tcp_.sends_nothing()


def test_when_all_is_acknowledged_nothing_is_timed(tcp):  # RFC 6298 5.2
    tcp.established()
    tcp.writes(100)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 101")
    tcp.after(24 * 3600)
    tcp.sends_nothing()
    assert tcp.state is ESTABLISHED


def test_half_a_buffer_less_takes_no_window_back(tcp_):  # SHLD-14
    tcp_.established(receive_buffer=60_000)
    tcp_.connection.configure(receive_buffer=30_000)
    for at in (1, 1001):
        tcp_.gets(f". {at}:{at + 1000}(1000) ack 1")
        tcp_.reads()
    tcp_.sends(". 1:1(0) ack 2001 win 58000")
