"""Keep-alive: RFC 9293 3.8.4."""

import pytest

from stack.tcp.states import CLOSED, ESTABLISHED


@pytest.fixture
def kept(tcp_):
    tcp_.established(keepalive=True, keepalive_idle=10.0, keepalive_interval=2.0, keepalive_count=3)
    return tcp_


def test_it_is_off_unless_asked_for(tcp):  # MUST-25
    tcp.established()
    tcp.after(100_000)
    tcp.sends_nothing()
    assert tcp.stack.next_deadline() is None or tcp.stack.next_deadline() > tcp.now


def test_silence_is_probed(kept):
    kept.after(9.9)
    kept.sends_nothing()
    kept.after(0.1)
    kept.sends(". 0:0(0) ack 1")


def test_who_answers_is_asked_again_after_the_idle_time(kept):
    kept.after(10)
    kept.all_sent()
    kept.gets(". 1:1(0) ack 1")
    kept.after(9.9)
    kept.sends_nothing()
    kept.after(0.2)
    kept.sends(". 0:0(0) ack 1")


def test_who_does_not_answer_is_given_up(kept):  # MUST-26: only after several
    kept.after(15.9)
    assert len(kept.all_sent()) == 3
    assert kept.state is ESTABLISHED
    kept.after(0.2)
    kept.sends("R. 1:1(0) ack 1")
    assert kept.state is CLOSED
    with pytest.raises(TimeoutError):
        kept.connection.read(1)


def test_what_is_said_counts_as_life(kept):
    for at in range(5):
        kept.after(8)
        kept.gets(f"P. {1 + at}:{2 + at}(1) ack 1")
    assert all(one.seq == 1 for one in kept.all_sent())


def test_a_probe_is_answered(tcp):
    tcp.established()
    tcp.gets(". 0:0(0) ack 1")
    tcp.sends(". 1:1(0) ack 1")


def test_a_probe_with_a_byte_is_answered(tcp):  # SHLD-ish: older stacks send one
    tcp.established()
    tcp.gets(". 0:1(1) ack 1", payload=b"x")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.reads() is None


def test_it_may_be_switched_on_and_off(tcp):
    tcp.established()
    tcp.connection.configure(keepalive=True, keepalive_idle=5.0)
    tcp.flush()
    tcp.after(5)
    tcp.sends(". 0:0(0) ack 1")
    tcp.connection.configure(keepalive=False)
    tcp.flush()
    tcp.after(1000)
    tcp.sends_nothing()


def test_while_data_is_in_flight_the_retransmissions_ask(kept):
    kept.after(9)
    kept.writes(5)
    kept.after(3)
    assert all(one.seq == 1 for one in kept.all_sent())


def test_rounding_does_not_put_off_a_probe_for_ever(tcp_):
    """1023.4984265566965 + 1 - 1023.4984265566965 is less than 1."""
    tcp_.begin(keepalive=True, keepalive_idle=1.0)
    tcp_.clock.time = 1023.4984265566965
    tcp_.stack.advance(tcp_.now)
    tcp_.established()
    tcp_.clock.time += 1
    tcp_.stack.advance(tcp_.now)
    tcp_.flush()
    tcp_.sends(". 0:0(0) ack 1")
