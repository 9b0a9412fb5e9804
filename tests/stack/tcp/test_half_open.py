"""Two ends that disagree on whether there is a connection: they find out, and agree (RFC 9293 3.5.1 to 3.5.3).

The figures are played with two real hosts where both sides are shown, else with one.
"""

import errno

import pytest

from netif.wire.tcp import ACK, FIN, RST, SYN, parse
from stack.tcp.config import TcpConfig
from stack.tcp.states import CLOSE_WAIT, CLOSED, CLOSING, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT
from tests.stack.tcp.conversation import PEER, stream


def said(pair):
    """[(to, flags)] of all TCP segments on the wire."""
    return [(to, parse(frame, 34, len(frame))[5]) for _, to, frame in pair.log if frame[12:14] == b"\x08\x00"]


def until(pair, condition):
    while not condition():
        assert pair.step(), "nothing is left to happen"


def test_an_old_duplicate_syn_is_undone_by_the_reset_of_who_did_not_mean_it(tcp):  # figure 8, seen by TCP B
    tcp.listens()
    tcp.gets("S 90:90(0)")
    tcp.sends("S. 0:0(0) ack 91")
    tcp.gets("R 91:91(0)")
    assert tcp.state is CLOSED
    tcp.gets("S 100:100(0)")
    tcp.sends("S. 0:0(0) ack 101")
    tcp.gets(". 101:101(0) ack 1")
    assert tcp.state is ESTABLISHED


def test_who_did_not_mean_it_resets_it_and_goes_on(tcp):  # figure 8, seen by TCP A
    tcp.connects()
    tcp.sends("S 0:0(0)")
    tcp.gets("S. 0:0(0) ack 4294967287")
    reset = tcp.all_sent()
    assert [(one.flags, one.seq) for one in reset] == [(RST, 4294967287)]
    assert tcp.state is SYN_SENT
    tcp.gets("S. 500:500(0) ack 1")
    assert tcp.state is ESTABLISHED


def test_the_true_syn_may_come_before_that_reset(tcp):  # 3.10.7.4, fourth: back to LISTEN
    tcp.listens()
    tcp.gets("S 90:90(0)")
    tcp.sends("S. 0:0(0) ack 91")
    tcp.gets("S 100:100(0)")
    tcp.sends_nothing()
    assert tcp.state is CLOSED
    assert tcp.listener.state is LISTEN
    tcp.gets("S 100:100(0)")
    tcp.sends("S. 0:0(0) ack 101")


def test_a_syn_from_outside_the_window_is_challenged_while_half_open(tcp):  # 3.10.7.4, first
    tcp.listens()
    tcp.gets("S 1000000:1000000(0)")
    tcp.sends("S. 0:0(0) ack 1000001")
    tcp.gets("S 0:0(0)")
    tcp.sends(". 1:1(0) ack 1000001")
    assert tcp.state is SYN_RECEIVED


def crash(pair):
    """The client's host forgets all it knew, without a word."""
    pair.a.tcp.connections.clear()
    pair.a.tcp.flows.clear()
    pair.a.tcp.ports.held.clear()
    pair.a.tcp.ports._held_at.clear()


def test_who_comes_back_after_a_crash_finds_the_old_connection_and_ends_it(pair):  # figure 9
    both = pair(1)
    client, server = both.connected(initial_sequence=100)
    local = client.local
    crash(both)
    del both.log[:]
    again = both.a.tcp.connect(both.a.tcp.bind(local), (PEER, 7), TcpConfig(initial_sequence=400))
    both.flush()
    until(both, lambda: again.connected())
    assert said(both)[:5] == [(1, SYN), (0, ACK), (1, RST), (1, SYN), (0, SYN | ACK)]
    assert server.state is CLOSED
    assert isinstance(server.error, ConnectionResetError)


def test_who_still_sends_is_told_by_the_one_that_has_forgotten(pair):  # figure 10
    both = pair(1)
    _, server = both.connected()
    crash(both)
    del both.log[:]
    server.write(b"hello")
    both.flush()
    until(both, lambda: server.state is CLOSED)
    assert said(both) == [(0, ACK | 8), (1, RST)]
    assert isinstance(server.error, ConnectionResetError)


def test_an_old_syn_at_two_that_listen_ends_where_it_began(tcp):  # figure 11, seen by TCP B; A is a listener too
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets("R 1:1(0)")
    assert tcp.listener.state is LISTEN
    assert tcp.state is CLOSED
    assert tcp.stack.tcp.half_open == 0


def test_a_listener_resets_a_syn_ack(tcp):  # figure 11, seen by TCP A
    tcp.listens()
    tcp.gets("S. 0:0(0) ack 77")
    tcp.sends("R 77:77(0)")
    assert tcp.listener.state is LISTEN


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("S 5:5(0)", "R. 0:0(0) ack 6"),
        ("S 5:15(10)", "R. 0:0(0) ack 16"),
        ("SF 5:5(0)", "R. 0:0(0) ack 7"),
        ("- 5:15(10)", "R. 0:0(0) ack 15"),
        ("F. 5:5(0) ack 9", "R 9:9(0)"),
        ("S. 5:5(0) ack 9", "R 9:9(0)"),
        ("R 5:5(0)", None),
        ("R. 5:5(0) ack 9", None),
    ],
)
def test_what_is_said_to_nobody_is_reset_by_its_own_numbers(tcp, text, answer):  # 3.5.2 group 1, 3.10.7.1
    tcp.gets(text)
    if answer is None:
        tcp.sends_nothing()
    else:
        sent = tcp.all_sent()[0]
        wanted = answer if "ack" not in answer else "R. 0:0(0)" + answer[answer.index(" ack") :]
        assert str(sent).startswith(wanted)


# what else a SYN brings


def test_text_on_a_syn_waits_for_the_connection(tcp):  # 3.10.7.2, third
    tcp.listens()
    tcp.gets("S 0:5(5)", payload=b"hello")
    tcp.sends("S. 0:0(0) ack 1")
    assert not tcp.listener.queue
    tcp.gets(". 6:6(0) ack 1")
    connection = tcp.accepts()
    assert connection.read(100) == b"hello"
    tcp.after(0.1)
    tcp.sends(". 1:1(0) ack 6")


def test_who_says_it_again_is_heard_once(tcp):
    tcp.listens()
    tcp.gets("S 0:5(5)", payload=b"hello")
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets("P. 1:8(7) ack 1", payload=b"hello, ")
    assert tcp.accepts().read(100) == b"hello, "


def test_of_a_long_text_no_more_is_kept_than_a_segment(tcp):
    tcp.listens()
    tcp.gets("S 0:5000(5000)", payload=stream(1, 5000))
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets(". 1:1(0) ack 1")
    assert len(tcp.accepts().read(10000)) == 1460


def test_text_on_a_crossing_syn_waits_too(tcp):  # 3.10.7.3, fifth
    tcp.connects()
    tcp.all_sent()
    tcp.gets("S 0:5(5)", payload=b"hello")
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets(". 6:6(0) ack 1")
    assert tcp.state is ESTABLISHED
    assert tcp.reads() == b"hello"


def test_a_crossing_syn_may_bring_the_end(tcp):
    tcp.connects()
    tcp.all_sent()
    tcp.gets("SF 0:5(5)", payload=b"hello")
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets(". 7:7(0) ack 1")
    assert tcp.state is CLOSE_WAIT
    assert tcp.reads() == b"hello"
    assert tcp.reads() == b""


def test_a_listener_takes_no_syn_that_is_an_end_too(tcp):  # as Linux
    tcp.listens()
    tcp.gets("SF 0:0(0)")
    tcp.sends_nothing()
    assert not tcp.stack.tcp.connections


def test_a_fin_may_complete_the_handshake(tcp):  # 3.10.7.4: fifth, then eighth
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets("F. 1:1(0) ack 1")
    assert tcp.state is CLOSE_WAIT
    assert tcp.accepts().read(1) == b""


def test_a_fin_alone_does_not(tcp):  # 3.10.7.4: fifth, no ACK bit
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets("F 1:1(0)")
    assert tcp.state is SYN_RECEIVED
    tcp.sends_nothing()


def test_data_before_the_handshakes_end_is_not_taken(tcp):
    tcp.listens()
    tcp.gets("S 0:0(0)")
    tcp.all_sent()
    tcp.gets("P. 1:6(5) ack 5")
    tcp.sends("R 5:5(0)")
    assert tcp.state is SYN_RECEIVED


def test_both_open_and_close_at_once(pair):  # figure 7, then figure 13
    both = pair(1)
    ends = [
        both.a.tcp.connect(both.a.tcp.bind((None, 5000)), (PEER, 6000)),
        both.b.tcp.connect(both.b.tcp.bind((None, 6000)), (b"\x0a\0\0\1", 5000)),
    ]
    both.flush()
    until(both, lambda: all(end.state is ESTABLISHED for end in ends))
    assert [flags for _, flags in said(both)].count(SYN | ACK) == 2
    for end in ends:
        end.close()
    both.flush()
    until(both, lambda: all(end.state is CLOSING for end in ends))
    until(both, lambda: not both.a.tcp.connections and not both.b.tcp.connections)
    assert not any(flags & RST for _, flags in said(both))
    assert sum(flags & FIN for _, flags in said(both)) == 2


def test_two_that_do_not_know_each_other_do_not_answer_for_ever(pair):
    both = pair(1)
    client, server = both.connected()
    server.sender.snd_nxt += 5_000_000  # as if one of them had gone mad
    server.sender.snd_una += 5_000_000
    client.write(b"x")
    server.write(b"y")
    both.flush()
    before = both.packets
    while both.clock.time < 1010.0 and both.step():
        pass
    assert both.packets - before < 100


def test_an_attempt_to_reach_oneself_opens(tcp):  # 3.5: simultaneous open, with oneself
    layer = tcp.stack.tcp
    local = layer.bind((b"\x7f\0\0\1", 5000))
    connection = layer.connect(local, local)
    tcp.flush()
    assert connection.state is ESTABLISHED
    connection.write(b"echo")
    tcp.flush()
    assert connection.read(10) == b"echo"


def test_a_second_attempt_on_the_same_ports_is_refused_here(tcp):
    tcp.connects()
    tcp.stack.tcp.ports.reserved.clear()
    with pytest.raises(OSError) as caught:
        tcp.stack.tcp.connect((None, 49999), (PEER, 80))
    assert caught.value.errno == errno.EADDRNOTAVAIL
