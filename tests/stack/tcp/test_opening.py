"""Opening: active, passive, at the same time; what is refused, and what is said again."""

import errno

import pytest

from netif.wire import notation
from stack.limits import Limits
from stack.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, SYN_SENT

# active


def test_active_open(tcp):  # RFC 9293 figure 6
    tcp.connects()
    tcp.sends("S 0:0(0) win 65535 <mss 1460>")
    assert tcp.state is SYN_SENT
    tcp.gets("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    tcp.sends(". 1:1(0) ack 1 win 65535")
    assert tcp.state is ESTABLISHED
    assert tcp.connection.connected()
    assert tcp.connection.info().snd_mss == 1000
    assert tcp.connection.info().snd_wnd == 1000


def test_a_syn_offers_what_the_configuration_says(tcp_):
    tcp_.begin(window_scale=True, timestamps=True, receive_buffer=1 << 20)
    tcp_.connects()
    syn = tcp_.sends("S 0:0(0) win 65535")
    assert syn.options.mss == 1460
    assert syn.options.window_scale == 5
    assert syn.options.timestamp[1] == 0


def test_the_offered_mss_is_what_the_link_carries(tcp_):
    tcp_.begin(mtu=576)
    tcp_.connects()
    tcp_.sends("S 0:0(0) <mss 536>")


def test_without_an_mss_option_536_is_sent(tcp):  # RFC 9293 MUST-15
    tcp.connects()
    tcp.all_sent()
    tcp.gets("S. 0:0(0) ack 1")
    assert tcp.connection.info().snd_mss == 536


def test_the_mss_is_net_of_options(tcp_):  # RFC 6691
    tcp_.begin(timestamps=True)
    tcp_.connects()
    stamp = tcp_.all_sent()[0].options.timestamp[0]
    tcp_.gets(f"S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 7 ecr {stamp}>")
    assert tcp_.connection.info().snd_mss == 1448


def test_the_syn_is_sent_again_ever_more_slowly(tcp):  # RFC 6298 2.1, 5.5, RFC 9293 MUST-23
    tcp.connects()
    tcp.after(180)
    assert [round(one.at - 1000, 3) for one in tcp.all_sent()] == [0, 1, 3, 7, 15, 31, 63, 127]
    assert tcp.state is SYN_SENT
    tcp.after(70)
    assert tcp.state is CLOSED
    with pytest.raises(TimeoutError):
        tcp.connection.read(1)


def test_a_user_timeout_bounds_the_attempt(tcp_):  # RFC 5482
    tcp_.begin(user_timeout=5.0)
    tcp_.connects()
    tcp_.after(20)
    assert tcp_.state is CLOSED
    assert len(tcp_.all_sent()) == 3


def test_a_lost_syn_is_no_obstacle(tcp):
    tcp.connects()
    tcp.after(1)
    tcp.gets("S. 0:0(0) ack 1")
    assert tcp.state is ESTABLISHED


def test_after_a_lost_syn_the_time_out_is_three_seconds_and_the_window_one_segment(tcp):  # RFC 6298 5.7, 5681 3.1
    tcp.connects()
    tcp.after(1)
    tcp.gets("S. 0:0(0) ack 1 <mss 1460>")
    assert tcp.connection.info().rto == 3.0
    assert tcp.connection.info().cwnd == 1460


def test_a_refusal_is_an_error(tcp):  # RFC 9293 3.10.7.3
    tcp.connects()
    tcp.all_sent()
    tcp.gets("R. 0:0(0) ack 1")
    assert tcp.state is CLOSED
    with pytest.raises(ConnectionRefusedError):
        tcp.connection.read(1)
    assert tcp.connection.read(1) == b""  # raised once


def test_a_refusal_must_acknowledge_our_syn(tcp):
    tcp.connects()
    tcp.all_sent()
    tcp.gets("R 0:0(0)")
    tcp.gets("R. 0:0(0) ack 2")
    assert tcp.state is SYN_SENT
    tcp.sends_nothing()


def test_an_unacceptable_acknowledgment_is_answered_by_a_reset(tcp):  # RFC 9293 3.10.7.3, figure 8
    tcp.connects()
    tcp.all_sent()
    tcp.gets("S. 0:0(0) ack 100")
    tcp.sends("R 100:100(0)")
    assert tcp.state is SYN_SENT
    tcp.gets(". 0:0(0) ack 0")
    tcp.sends("R 0:0(0)")


def test_an_acknowledgment_without_syn_opens_nothing(tcp):
    tcp.connects()
    tcp.all_sent()
    tcp.gets(". 0:0(0) ack 1")
    tcp.sends_nothing()
    assert tcp.state is SYN_SENT


def test_data_on_the_syn_ack_is_taken(tcp):
    tcp.connects()
    tcp.all_sent()
    tcp.gets("SP. 0:5(5) ack 1", payload=b"hello")
    tcp.sends(". 1:1(0) ack 6")
    assert tcp.reads() == b"hello"


def test_writing_waits_for_the_connection(tcp):
    tcp.connects()
    assert tcp.connection.write(b"x") == 0
    assert not tcp.connection.writable()
    assert tcp.connection.read(1) is None


def test_connecting_tells_who_waits(tcp, waiter):
    tcp.connects()
    tcp.connection.wait_writable(waiter)
    tcp.flush()
    assert not waiter.woken
    tcp.gets("S. 0:0(0) ack 1")
    assert waiter.woken


def test_closing_an_attempt_ends_it_silently(tcp):  # RFC 9293 3.10.4
    tcp.connects()
    tcp.all_sent()
    tcp.close()
    tcp.sends_nothing()
    assert tcp.state is CLOSED
    tcp.gets("S. 0:0(0) ack 1")
    tcp.sends("R 1:1(0)")


def test_no_way_is_an_error_at_once(tcp):
    with pytest.raises(OSError) as caught:
        tcp.stack.tcp.connect(None, (b"\x08\x08\x08\x08", 80))
    assert caught.value.errno == errno.ENETUNREACH


@pytest.mark.parametrize("address", [b"\xff\xff\xff\xff", b"\x0a\0\0\xff", b"\xe0\0\0\1"])
def test_a_group_is_no_peer(tcp, address):  # RFC 9293 MUST-46
    with pytest.raises(OSError, match="unreachable"):
        tcp.stack.tcp.connect(None, (address, 80))


def test_a_neighbour_that_never_answers_ends_the_attempt(tcp):
    connection = tcp.stack.tcp.connect(None, (b"\x0a\0\0\x63", 80))
    tcp.flush()
    tcp.after(20)
    with pytest.raises(OSError) as caught:
        connection.read(1)
    assert caught.value.errno == errno.EHOSTUNREACH


# passive


def test_passive_open(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0) win 2000 <mss 1400>")
    tcp.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    assert tcp.state is SYN_RECEIVED
    assert tcp.accepts() is None
    tcp.gets(". 1:1(0) ack 1 win 3000")
    tcp.sends_nothing()
    connection = tcp.accepts()
    assert connection.state is ESTABLISHED
    assert connection.info().snd_wnd == 3000
    assert connection.remote == (b"\x0a\0\0\2", 40000)


def test_only_what_was_offered_is_answered(tcp_):  # RFC 7323 1.3
    tcp_.begin(window_scale=True, timestamps=True)
    tcp_.listens()
    tcp_.gets("S 0:0(0) <mss 1400>")
    synack = tcp_.sends("S. 0:0(0) ack 1")
    assert synack.options.window_scale is None
    assert synack.options.timestamp is None


def test_scales_are_agreed_on(tcp_):
    tcp_.begin(window_scale=True, receive_buffer=1 << 20)
    tcp_.listens()
    tcp_.gets("S 0:0(0) win 1000 <mss 1400,nop,wscale 7>")
    synack = tcp_.sends("S. 0:0(0) ack 1 win 65535")
    assert synack.options.window_scale == 5
    tcp_.gets(". 1:1(0) ack 1 win 100")
    info = tcp_.accepts().info()
    assert info.snd_wnd == 100 << 7
    assert info.send_scale == 7
    assert info.receive_scale == 5


def test_the_window_of_a_syn_is_never_scaled(tcp_):  # RFC 7323 2.2
    tcp_.begin(window_scale=True)
    tcp_.connects()
    tcp_.all_sent()
    tcp_.gets("S. 0:0(0) ack 1 win 1000 <mss 1400,nop,wscale 7>")
    assert tcp_.connection.info().snd_wnd == 1000


def test_the_handshake_may_end_with_data(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets("P. 1:6(5) ack 1", payload=b"hello")
    tcp.accepts()
    assert tcp.reads() == b"hello"


def test_the_syn_ack_is_sent_again_and_given_up(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.after(100)
    assert [round(one.at - 1000, 3) for one in tcp.all_sent()] == [0, 1, 3, 7, 15, 31]
    assert not tcp.stack.tcp.connections
    assert tcp.stack.tcp.half_open == 0


def test_a_syn_that_comes_again_is_answered_again(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets("S 0:0(0)")
    tcp.sends("S. 0:0(0) ack 1")


def test_a_wrong_acknowledgment_of_the_syn_is_reset(tcp):  # RFC 9293 3.10.7.4
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 2")
    tcp.sends("R 2:2(0)")
    assert tcp.state is SYN_RECEIVED


def test_a_reset_returns_to_listening(tcp):  # RFC 9293 3.10.7.4
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets("R 1:1(0)")
    assert not tcp.stack.tcp.connections
    assert tcp.stack.tcp.half_open == 0
    tcp.gets("S 0:0(0)")
    tcp.sends("S. 0:0(0) ack 1")


@pytest.mark.parametrize(("text", "answer"), [(". 5:5(0) ack 9", "R 9:9(0)"), ("R 5:5(0)", None), ("- 5:5(0)", None)])
def test_a_listener_takes_only_syns(tcp, text, answer):  # RFC 9293 3.10.7.2
    tcp.listens()
    tcp.gets(text)
    if answer:
        tcp.sends(answer)
    tcp.sends_nothing()
    assert not tcp.stack.tcp.connections


def test_a_syn_whose_ack_field_is_not_zero_is_a_syn(tcp):
    tcp.listens()
    frame = bytearray(tcp.frame(notation.parse_segment("S 0:0(0)"), b""))
    frame[42:46] = b"\x12\x34\x56\x78"
    total = int.from_bytes(frame[50:52], "big") - 0x1234 - 0x5678
    frame[50:52] = (total % 65535).to_bytes(2, "big")
    tcp.interface.input(bytes(frame), None)
    tcp.flush()
    tcp.sends("S. 0:0(0) ack 1")


def test_the_backlog_bounds_who_waits(tcp):
    tcp.listens(backlog=1)
    for port in range(40000, 40005):
        tcp.peer_port = port
        tcp.gets("S 0:0(0)")
    assert len(tcp.all_sent()) == 5
    for port in range(40000, 40005):
        tcp.peer_port = port
        tcp.gets(". 1:1(0) ack 1")
    assert len(tcp.listener.queue) == 2  # as in Linux, one more than it says
    assert tcp.drops["tcp_backlog_full"] == 3
    tcp.peer_port = 40010
    tcp.gets("S 0:0(0)")
    tcp.sends_nothing()


def test_who_found_the_backlog_full_comes_in_later(tcp):
    tcp.listens(backlog=0)
    for port in (40000, 40001):
        tcp.peer_port = port
        tcp.gets("S 0:0(0)")
    tcp.all_sent()
    for port in (40000, 40001):
        tcp.peer_port = port
        tcp.gets(". 1:1(0) ack 1")
    assert tcp.accepts() is not None
    assert tcp.accepts() is None
    tcp.after(1)
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets(". 1:1(0) ack 1")
    assert tcp.accepts() is not None


def test_the_syn_table_is_bounded(tcp_):
    tcp_.begin(limits=Limits(syn_table=3), syn_cookies="never")
    tcp_.listens()
    for port in range(40000, 40005):
        tcp_.peer_port = port
        tcp_.gets("S 0:0(0)")
    assert len(tcp_.all_sent()) == 3
    assert tcp_.drops["syn_table_full"] == 2
    tcp_.after(100)
    assert tcp_.stack.tcp.half_open == 0


def test_a_closed_listener_refuses(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.listener.close()
    tcp.flush()
    tcp.sends("R. 1:1(0) ack 1")
    tcp.peer_port += 1
    tcp.gets("S 0:0(0)")
    tcp.sends("R. 0:0(0) ack 1")


def test_a_closed_listener_resets_whom_nobody_accepted(tcp):
    tcp.established()
    tcp.peer_port += 1
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1")
    tcp.listener.close()
    tcp.flush()
    tcp.sends("R. 1:1(0) ack 1")
    assert tcp.connection.state is ESTABLISHED  # the accepted one lives on


def test_who_was_reset_before_it_was_accepted_is_still_handed_out(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1")
    tcp.gets("R 1:1(0)")
    tcp.accepts()
    with pytest.raises(ConnectionResetError):
        tcp.connection.read(1)


# at the same time


def test_simultaneous_open(tcp):  # RFC 9293 figure 7
    tcp.connects()
    tcp.sends("S 0:0(0)")
    tcp.gets("S 0:0(0) win 4000")
    tcp.sends("S. 0:0(0) ack 1")
    assert tcp.state is SYN_RECEIVED
    tcp.gets("S. 0:0(0) ack 1 win 5000")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED
    assert tcp.connection.info().snd_wnd == 5000


def test_simultaneous_open_ended_by_a_plain_acknowledgment(tcp):
    tcp.connects()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED


def test_simultaneous_open_refused(tcp):  # RFC 9293 3.10.7.4: SYN-RECEIVED after an active OPEN
    tcp.connects()
    tcp.gets("S 0:0(0)")
    tcp.gets("R 1:1(0)")
    with pytest.raises(ConnectionRefusedError):
        tcp.connection.read(1)


def test_closing_before_it_is_open_sends_fin_when_it_is(tcp):  # RFC 9293 3.10.4, SYN-RECEIVED
    tcp.connects()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.close()
    assert tcp.state is SYN_RECEIVED
    tcp.gets(". 1:1(0) ack 1")
    tcp.sends("F. 1:1(0) ack 1")
    assert tcp.state is FIN_WAIT_1


def test_a_connection_to_oneself(tcp):
    layer = tcp.stack.tcp
    local = layer.bind((b"\x7f\0\0\1", 5555))
    connection = layer.connect(local, local)
    tcp.flush()
    assert connection.state is ESTABLISHED
    connection.write(b"me")
    tcp.flush()
    assert connection.read(10) == b"me"
