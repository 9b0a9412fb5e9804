"""How long a user lets what he has sent go unacknowledged (RFC 5482): from when it had to wait, and not much longer."""

from stack.tcp.states import CLOSED, ESTABLISHED


def test_it_counts_from_when_a_closed_window_made_data_wait(tcp_):
    tcp_.begin(user_timeout=30.0)
    tcp_.established()
    tcp_.gets(". 1:1(0) ack 1 win 0")
    tcp_.after(3600)
    tcp_.writes(10)
    tcp_.after(29)
    assert tcp_.state is ESTABLISHED
    tcp_.after(2)
    assert tcp_.state is CLOSED


def test_the_last_time_out_comes_in_time(tcp_):
    tcp_.begin(user_timeout=10.0)
    tcp_.established()
    tcp_.writes(10)
    tcp_.after(9.9)
    assert tcp_.state is ESTABLISHED
    tcp_.after(0.3)
    assert tcp_.state is CLOSED


def test_an_attempt_to_connect_ends_in_time(tcp_):
    tcp_.begin(user_timeout=10.0)
    tcp_.connects()
    tcp_.after(9.9)
    assert tcp_.connection.state is not CLOSED
    tcp_.after(0.3)
    assert tcp_.connection.state is CLOSED
