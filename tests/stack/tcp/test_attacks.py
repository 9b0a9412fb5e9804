"""RFC 5961, 5927, 6528, 6056 and plain nonsense: what an outsider, or a confused peer, may not achieve."""

import pytest

from netif.wire import icmp, notation
from stack.limits import Limits
from stack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT


def test_a_reset_must_be_exact(tcp):  # RFC 5961 3.2, RFC 9293 3.10.7.4
    tcp.established()
    tcp.gets("R 100:100(0)")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED
    assert tcp.drops["tcp_reset_in_window"] == 1
    tcp.gets("R 1:1(0)")
    assert tcp.state is CLOSED


def test_a_reset_outside_the_window_is_not_even_answered(tcp):  # RFC 5961 3.2 (1)
    tcp.established()
    tcp.gets("R 100000:100000(0)")
    tcp.gets("R 0:0(0)")
    tcp.sends_nothing()
    assert tcp.state is ESTABLISHED


def test_an_exact_reset_counts_though_the_window_is_closed(tcp_):
    tcp_.established(receive_buffer=1000)
    tcp_.gets("P. 1:1001(1000) ack 1")
    tcp_.gets("R 1001:1001(0)")
    assert tcp_.state is CLOSED


@pytest.mark.parametrize("text", ["S 0:0(0)", "S 1:1(0)", "S 500:500(0)", "S. 1:1(0) ack 1", "S 9000000:9000000(0)"])
def test_a_syn_changes_nothing_and_is_challenged(tcp, text):  # RFC 5961 4.2
    tcp.established()
    tcp.gets(text)
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.state is ESTABLISHED


def test_an_acknowledgment_of_the_future_is_challenged(tcp):  # RFC 5961 5.2, RFC 9293 3.10.7.4 fifth
    tcp.established()
    tcp.gets("P. 1:6(5) ack 2")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.reads() is None
    assert tcp.drops["tcp_ack_unsent"] == 1


def test_an_acknowledgment_from_long_ago_is_challenged(tcp):  # RFC 5961 5.2: older than the largest window
    tcp.established(window=1000)
    for at in range(3):
        tcp.writes(1000)
        tcp.gets(f". 1:1(0) ack {1 + 1000 * (at + 1)} win 1000")
    tcp.all_sent()
    tcp.gets("P. 1:6(5) ack 1000")
    tcp.sends(". 3001:3001(0) ack 1")
    assert tcp.reads() is None
    tcp.gets("P. 1:6(5) ack 2001 win 1000")
    assert len(tcp.reads()) == 5


def test_challenges_are_limited(tcp_):  # RFC 5961 7
    tcp_.begin(limits=Limits(challenge_acks=10))
    tcp_.established()
    for _ in range(100):
        tcp_.gets("R 100:100(0)")
    count = len(tcp_.all_sent())
    assert 5 <= count <= 15  # not the same number every second (CVE-2016-5696)
    assert tcp_.drops["challenge_ack_rate"] == 100 - count
    tcp_.after(1)
    tcp_.gets("R 100:100(0)")
    assert len(tcp_.all_sent()) == 1


def test_two_that_disagree_do_not_answer_for_ever(tcp_):
    tcp_.begin(limits=Limits(challenge_acks=10))
    tcp_.established()
    for _ in range(100):
        tcp_.gets(". 900000:900000(0) ack 1")
    assert len(tcp_.all_sent()) <= 15


# segments for nobody


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("S 0:0(0)", "R. 0:0(0) ack 1"),
        (". 7:7(0) ack 9", "R 9:9(0)"),
        ("P. 7:17(10) ack 9", "R 9:9(0)"),
        ("FP 7:17(10)", "R. 0:0(0) ack 18"),
        ("R 7:7(0)", None),
        ("R. 7:7(0) ack 9", None),
    ],
)
def test_what_belongs_to_nobody_is_reset(tcp, text, answer):  # RFC 9293 3.10.7.1
    tcp.gets(text)
    if answer:
        tcp.sends(answer)
    tcp.sends_nothing()


def test_resets_are_limited(tcp_):
    tcp_.begin(limits=Limits(resets=10))
    for _ in range(100):
        tcp_.gets("S 0:0(0)")
    assert len(tcp_.all_sent()) == 10
    assert tcp_.drops["reset_rate"] == 90


def test_a_broadcast_is_never_answered(tcp):  # RFC 9293 MUST-57
    said = notation.parse_segment("S 0:0(0)")
    tcp.interface.input(b"\xff" * 6 + tcp.frame(said, b"")[6:], None)
    for dst in (b"\xff\xff\xff\xff", b"\x0a\0\0\xff", b"\xe0\0\0\1"):
        frame = tcp.frame(said, b"", dst=dst)
        tcp.interface.input(frame, None)
        tcp.interface.input(b"\xff" * 6 + frame[6:], None)
    tcp.flush()
    tcp.sends_nothing()
    assert sum(tcp.drops.values()) == 7
    assert set(tcp.drops) == {"ip_unicast_in_broadcast", "ip_protocol"}


@pytest.mark.parametrize("length", range(0, 37, 3))
def test_a_cut_segment_is_dropped(tcp, length):
    tcp.established()
    frame = tcp.frame(notation.parse_segment("P. 1:6(5) ack 1 <nop,nop,TS val 1 ecr 2>"), b"hello")
    tcp.interface.input(frame[: 34 + length], None)
    tcp.flush()
    assert tcp.reads() is None
    assert sum(tcp.drops.values()) == 1


def test_options_that_cannot_be_walked_are_dropped(tcp):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1 <opt-99 0x00>")
    assert len(tcp.reads()) == 5
    said = notation.parse_segment("P. 6:11(5) ack 1 <nop,nop,nop,nop>")._replace(option_bytes=b"\x01\x01\x63\x00")
    tcp.interface.input(tcp.frame(said, b"world"), None)
    tcp.flush()
    assert tcp.reads() is None
    assert tcp.drops["tcp_option_length"] == 1


# ICMP


def test_port_unreachable_refuses_an_attempt(tcp):  # RFC 1122 4.2.3.9, RFC 5461
    tcp.connects()
    tcp.quotes(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, seq=0)
    assert tcp.state is CLOSED
    with pytest.raises(ConnectionRefusedError):
        tcp.connection.read(1)


@pytest.mark.parametrize("code", [0, 1, 5, 13])
def test_a_soft_error_does_not_end_an_attempt(tcp, code):  # RFC 1122 4.2.3.9, MUST-56
    tcp.connects()
    tcp.quotes(icmp.UNREACHABLE, code, seq=0)
    assert tcp.state is SYN_SENT
    tcp.after(250)
    assert tcp.state is CLOSED
    assert not isinstance(tcp.connection.error, TimeoutError)  # the better reason of the two


@pytest.mark.parametrize("kind", [(3, 1), (3, 2), (3, 3), (11, 0), (12, 0)])
def test_no_error_ends_an_open_connection(tcp, kind):  # RFC 5927 5.2
    tcp.established()
    tcp.writes(5)
    tcp.quotes(*kind, seq=1)
    assert tcp.state is ESTABLISHED


def test_an_error_must_quote_what_is_in_flight(tcp):  # RFC 5927 4.1
    tcp.connects()
    tcp.quotes(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, seq=1)
    tcp.quotes(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, seq=-5)
    assert tcp.state is SYN_SENT
    assert tcp.drops["icmp_quote_not_ours"] == 2


def test_source_quench_is_ignored(tcp):  # RFC 6633
    tcp.established()
    tcp.writes(5)
    before = tcp.connection.info()
    tcp.quotes(icmp.SOURCE_QUENCH, 0, seq=1)
    assert tcp.connection.info() == before


# numbers that should not be guessed


def test_initial_numbers_differ_by_peer_and_grow_with_time(tcp_):  # RFC 6528, RFC 9293 3.4.1
    tcp_.begin(initial_sequence=None)
    numbers = tcp_.stack.tcp.numbers
    here, there = (b"\x0a\0\0\1", 80), (b"\x0a\0\0\2", 40000)
    first = numbers.choose(here, there, 100.0)
    assert numbers.choose(here, there, 100.0) == first
    assert numbers.choose(here, there, 101.0) - first & 0xFFFFFFFF == 250_000
    others = {numbers.choose(here, (b"\x0a\0\0\2", port), 100.0) for port in range(40001, 40101)}
    assert len(others | {first}) == 101
    assert max(others) - min(others) > 1 << 28


def test_initial_numbers_differ_by_host(tcp_):
    tcp_.begin(seed=1)
    here, there = (b"\x0a\0\0\1", 80), (b"\x0a\0\0\2", 40000)
    one = tcp_.stack.tcp.numbers.choose(here, there, 0.0)
    tcp_.begin(seed=2)
    assert tcp_.stack.tcp.numbers.choose(here, there, 0.0) != one


def test_ports_are_drawn_at_random(tcp):  # RFC 6056
    drawn = [tcp.stack.tcp.connect(None, (b"\x0a\0\0\2", 80)).local[1] for _ in range(50)]
    assert len(set(drawn)) == 50
    assert all(49152 <= port <= 65535 for port in drawn)
    assert sorted(drawn) != drawn
