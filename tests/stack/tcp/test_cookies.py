"""SYN cookies (RFC 4987 3.6): a full table keeps nobody out, and nothing is kept of who does not come back."""

import tracemalloc
from itertools import product

import pytest

from netif.wire.options import Options
from netif.wire.tcp import CWR, ECE
from stack.limits import Limits
from stack.tcp.cookies import SIZES, recall, remember
from stack.tcp.states import CLOSE_WAIT, CLOSED, ESTABLISHED

FULL = Limits(syn_table=0)


def knocks(tcp, text="S 0:0(0) win 65535 <mss 1460>", port=40000):
    """A SYN, and the cookie that answers it."""
    tcp.iss, tcp.peer_port = None, port
    tcp.gets(text)
    return tcp.sends("S. 0:0(0) ack 1")


@pytest.fixture
def full(tcp_):
    """A listener that has no room for half-open connections."""
    tcp_.begin(limits=FULL, window_scale=True, timestamps=True, sack=True, initial_sequence=None)
    tcp_.listens()
    return tcp_


def test_a_full_table_keeps_nobody_out(full):
    knocks(full)
    assert not full.stack.tcp.connections
    full.gets(". 1:1(0) ack 1 win 1000")
    assert full.state is ESTABLISHED
    assert full.stack.tcp.half_open == 0
    assert full.accepts().info().snd_wnd == 1000
    counted = full.stack.stats
    assert (counted["syn_cookies_sent"], counted["syn_cookies_received"], counted["syn_cookies_failed"]) == (1, 1, 0)
    full.writes(3)
    full.sends("P. 1:4(3) ack 1")
    full.gets("P. 1:6(5) ack 4")
    assert len(full.reads()) == 5


def test_without_timestamps_only_the_segment_size_is_remembered(full):
    synack = knocks(full, "S 0:0(0) win 65535 <mss 1300,sackOK,nop,wscale 7>")
    assert synack.options == Options(mss=1460)
    full.gets(". 1:1(0) ack 1 win 1000")
    told = full.accepts().info()
    assert (told.snd_mss, told.snd_wnd, told.send_scale, told.receive_scale) == (1200, 1000, 0, 0)
    assert not told.timestamps


@pytest.mark.parametrize(("offered", "remembered"), [*zip(SIZES, SIZES, strict=True), (1459, 1440)])
def test_a_size_of_the_table_is_remembered_as_it_is(full, offered, remembered):
    knocks(full, f"S 0:0(0) win 65535 <mss {offered}>")
    full.gets(". 1:1(0) ack 1")
    assert full.accepts().info().snd_mss == min(remembered, 1460)


def test_no_mss_option_is_the_default(full):  # RFC 9293 MUST-15
    knocks(full, "S 0:0(0) win 65535")
    full.gets(". 1:1(0) ack 1")
    assert full.accepts().info().snd_mss == 536


def test_the_timestamp_remembers_the_rest(full):
    synack = knocks(full, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 77 ecr 0,nop,wscale 7>")
    assert synack.options.window_scale is not None
    assert synack.options.sack_permitted
    stamp, echo = synack.options.timestamp
    assert echo == 77
    full.gets(f". 1:1(0) ack 1 win 1000 <nop,nop,TS val 78 ecr {stamp}>")
    told = full.accepts().info()
    assert (told.snd_mss, told.snd_wnd, told.send_scale) == (1448, 1000 << 7, 7)
    assert told.receive_scale == synack.options.window_scale
    assert told.timestamps
    full.writes(1)
    later = full.sends("P. 1:2(1) ack 1").options.timestamp
    assert full.connection.sack
    assert later[1] == 78
    assert (later[0] - stamp) & 0xFFFFFFFF < 64


def test_the_window_is_the_one_that_was_offered(full):
    synack = knocks(full)
    full.gets(". 1:1(0) ack 1")
    full.gets("P. 1:2(1) ack 1")
    full.after(0.1)
    assert full.sends(". 1:1(0) ack 2").window >= synack.window - 1


@pytest.mark.parametrize("clock", [0, 63, 64, 1000, 0xFFFFFFFF])
def test_what_a_timestamp_says_is_read_again(clock):
    for scale, sack, flags in product([None, *range(15)], [False, True], [0, ECE | CWR]):
        offer = Options(mss=1460, window_scale=scale, sack_permitted=sack, timestamp=(5, 0))
        stamp = remember(clock, offer, flags)
        assert (clock - stamp) & 0xFFFFFFFF < 64, "it never runs ahead of the clock"
        assert recall(Options(timestamp=(6, stamp)), 1460) == (offer._replace(timestamp=(6, 0)), flags)


def test_the_answer_may_bring_data_and_the_end(full):
    knocks(full)
    full.gets("FP. 1:6(5) ack 1")
    assert full.state is CLOSE_WAIT
    full.accepts()
    assert len(full.reads()) == 5
    assert full.reads() == b""


def test_no_round_trip_is_measured_by_a_cookie(full):  # nobody knows when it was sent
    knocks(full)
    full.after(3)
    full.gets(". 1:1(0) ack 1")
    assert full.accepts().info().srtt is None


def test_a_forged_answer_is_reset(full):  # as a listener does
    knocks(full)
    full.gets(". 1:1(0) ack 1001")
    full.sends("R 1001:1001(0)")
    full.gets(". 2:2(0) ack 1")
    full.sends("R 1:1(0)")
    full.peer_port = 40001
    full.gets(". 1:1(0) ack 1")
    full.sends("R 1:1(0)")
    assert full.stack.stats["syn_cookies_failed"] == 3
    assert not full.stack.tcp.connections


def test_a_reset_that_guesses_a_cookie_is_nothing(full):
    knocks(full)
    full.gets("R. 1:1(0) ack 1")
    full.gets("S. 1:1(0) ack 1")
    full.sends("R 1:1(0)")
    assert not full.stack.tcp.connections


def test_guesses_all_around_a_cookie_fail(full):
    knocks(full)
    for guess in range(1, 1000):  # the nearest eight are the other sizes of the table: whoever has one has them all
        full.gets(f". 1:1(0) ack {guess + 8}", flush=False)
        full.gets(f". 1:1(0) ack {guess << 20 & 0xFFFFFFFF | 1}", flush=False)
    assert not full.stack.tcp.connections
    assert full.stack.stats["syn_cookies_failed"] == 1998


def test_a_cookie_lasts_a_minute_and_no_more_than_two(full):
    knocks(full)
    full.after(60)
    full.gets(". 1:1(0) ack 1")
    assert full.state is ESTABLISHED
    knocks(full, port=40001)
    full.after(120)
    knocks(full, port=40002)
    full.peer_port = 40001
    full.gets(". 1:1(0) ack 1")
    assert full.state is CLOSED
    assert full.stack.stats["syn_cookies_failed"] == 1


def test_a_cookie_of_four_hours_ago_is_worth_nothing(full):  # its eight bits of minutes have come round
    knocks(full)
    full.after(256 * 60)
    iss = full.iss
    knocks(full, port=40001)
    full.iss, full.peer_port = iss, 40000
    full.gets(". 1:1(0) ack 1")
    assert full.state is CLOSED
    assert full.stack.stats["syn_cookies_failed"] == 1


def test_once_the_pressure_is_over_no_answer_is_even_looked_at(full):
    knocks(full)
    full.after(121)
    full.gets(". 1:1(0) ack 1")
    full.sends("R 1:1(0)")
    assert full.stack.stats["syn_cookies_failed"] == 0


def test_whoever_never_sent_one_looks_at_no_answer(tcp):
    tcp.listens()
    tcp.gets(". 1:1(0) ack 1")
    tcp.sends("R 1:1(0)")
    assert tcp.stack.stats["syn_cookies_failed"] == 0


def test_the_same_answer_twice_is_one_connection(full):
    knocks(full)
    full.gets(". 1:1(0) ack 1")
    full.gets(". 1:1(0) ack 1")
    assert len(full.listener.queue) == 1
    full.sends_nothing()


def test_a_full_backlog_takes_no_cookie_and_the_next_segment_asks_again(tcp_):
    tcp_.begin(limits=FULL, initial_sequence=None)
    tcp_.listens(backlog=0)
    knocks(tcp_, port=40001)
    first = tcp_.iss
    knocks(tcp_, port=40002)
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.iss, tcp_.peer_port = first, 40001
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.sends_nothing()
    assert tcp_.drops["tcp_backlog_full"] == 1
    tcp_.accepts()
    tcp_.gets("P. 1:6(5) ack 1")
    assert tcp_.state is ESTABLISHED
    tcp_.accepts()
    assert len(tcp_.reads()) == 5


def test_never_means_never(tcp_):
    tcp_.begin(limits=FULL, syn_cookies="never")
    tcp_.listens()
    tcp_.gets("S 0:0(0)")
    tcp_.sends_nothing()
    assert tcp_.drops["syn_table_full"] == 1


def test_always_means_always(tcp_):
    tcp_.begin(syn_cookies="always", initial_sequence=None)
    tcp_.listens()
    knocks(tcp_)
    assert tcp_.stack.tcp.half_open == 0
    tcp_.gets(". 1:1(0) ack 1")
    assert tcp_.state is ESTABLISHED


@pytest.mark.parametrize("answers", [False, True])
def test_a_flood_costs_no_memory_and_the_honest_come_in(full, answers):
    connection = full_with_an_honest_connection(full)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(3000):
        full.peer_port = 10000 + number
        full.gets(". 1:1(0) ack 77" if answers else "S 0:0(0) <mss 1460>", flush=False)
        full.sent.clear()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 200_000
    assert full.stack.tcp.half_open == 0
    full.after(1)
    full.sent.clear()
    knocks(full, port=40007)
    full.gets(". 1:1(0) ack 1")
    assert full.state is ESTABLISHED
    assert connection.state is ESTABLISHED


def full_with_an_honest_connection(full):
    knocks(full)
    full.gets(". 1:1(0) ack 1")
    return full.accepts()


# the table, where there is one


def test_a_flood_at_one_port_leaves_the_others_their_share(tcp_):
    tcp_.begin(limits=Limits(syn_table=10), syn_cookies="never")
    tcp_.listens()
    tcp_.port = 81
    other = tcp_.listens()
    tcp_.port = 80
    for number in range(50):
        tcp_.peer_port = 10000 + number
        tcp_.gets("S 0:0(0)")
    assert tcp_.stack.tcp.half_open == 10
    tcp_.port = 81
    for number in range(8):
        tcp_.peer_port = 20000 + number
        tcp_.gets("S 0:0(0)")
    assert len(other.half_open) == 5
    assert tcp_.stack.tcp.half_open == 10
    assert tcp_.stack.stats["half_open_evicted"] == 5
    tcp_.sent.clear()
    tcp_.gets(". 1:1(0) ack 1")  # the eighth: it had no place
    tcp_.sends("R 1:1(0)")
    tcp_.peer_port = 20000
    tcp_.gets(". 1:1(0) ack 1")
    assert tcp_.state is ESTABLISHED


def test_who_has_a_place_keeps_all_that_it_offered_though_the_table_is_full(tcp_):
    tcp_.begin(limits=Limits(syn_table=1), window_scale=True, initial_sequence=None)
    tcp_.listens()
    knocks(tcp_, "S 0:0(0) <mss 1460,nop,wscale 3>")
    first = tcp_.iss
    assert knocks(tcp_, "S 0:0(0) <mss 1460,nop,wscale 3>", port=40001).options.window_scale is None
    tcp_.iss, tcp_.peer_port = first, 40000
    tcp_.gets(". 1:1(0) ack 1")
    assert tcp_.accepts().info().send_scale == 3


def test_a_new_incarnation_is_never_begun_by_a_cookie(tcp_):  # its numbers must lie beyond those of the last
    tcp_.established(syn_cookies="always", initial_sequence=None)
    last = tcp_.iss
    tcp_.close()
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.sent.clear()
    tcp_.gets("S 100:100(0)")
    synack = tcp_.all_sent()[-1]
    assert (synack.wire_seq - last) & 0xFFFFFFFF == 2 + 0x10001
