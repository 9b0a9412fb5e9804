"""Connections that nobody owns any more, or nobody reads any more: they end in order, but not for ever."""

import pytest

from stack.tcp.states import CLOSE_WAIT, CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2


def test_an_orphan_is_tried_eight_times(tcp_):  # Linux' tcp_orphan_retries
    tcp_.established()
    tcp_.writes(100)
    tcp_.close()
    tcp_.after(600)
    assert tcp_.state is CLOSED
    assert len({one.at for one in tcp_.all_sent()}) == 1 + 8


def test_who_has_an_owner_is_tried_longer(tcp_):
    tcp_.established()
    tcp_.writes(100)
    tcp_.shuts()
    tcp_.after(600)
    assert tcp_.state is FIN_WAIT_1


def test_an_orphan_is_tried_no_longer_than_others(tcp_):
    tcp_.established(retries=2)
    tcp_.writes(100)
    tcp_.close()
    tcp_.after(60)
    assert tcp_.state is CLOSED


def test_an_orphan_before_a_closed_window_is_given_up(tcp_):
    tcp_.established(window=0)
    tcp_.writes(20)
    tcp_.close()
    for _ in range(30):
        tcp_.after(60)
        if tcp_.state is not CLOSED:
            tcp_.gets(". 1:1(0) ack 1 win 0")
    assert tcp_.state is CLOSED


@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_fin_wait_2_without_an_owner_lasts_as_long_as_is_set(tcp_, seconds):  # Linux' tcp_fin_timeout
    tcp_.established(fin_wait_2=seconds)
    tcp_.close()
    tcp_.gets(". 1:1(0) ack 2")
    tcp_.after(seconds - 1)
    assert tcp_.state is FIN_WAIT_2
    tcp_.after(2)
    assert tcp_.state is CLOSED


def test_fin_wait_2_with_an_owner_lasts(tcp):
    tcp.established()
    tcp.shuts()
    tcp.gets(". 1:1(0) ack 2")
    tcp.after(3600)
    assert tcp.state is FIN_WAIT_2


# shutdown(SHUT_RD)


def test_whose_reader_is_gone_still_takes_data(tcp):  # as Linux: the peer is not told
    tcp.established()
    tcp.connection.shutdown_read()
    tcp.gets("P. 1:6(5) ack 1")
    tcp.after(0.1)
    tcp.sends(". 1:1(0) ack 6")
    assert len(tcp.reads()) == 5


def test_data_for_one_that_is_shut_both_ways_resets(tcp):  # RFC 1122 4.2.2.13
    tcp.established()
    tcp.connection.shutdown_read()
    tcp.shuts()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.gets("P. 1:6(5) ack 2")
    tcp.sends("R. 2:2(0)")
    assert tcp.state is CLOSED
    with pytest.raises(ConnectionResetError):
        tcp.connection.read(1)


def test_the_order_of_the_halves_does_not_matter(tcp):
    tcp.established()
    tcp.shuts()
    tcp.connection.shutdown_read()
    tcp.sends("F. 1:1(0) ack 1")
    tcp.gets("P. 1:6(5) ack 2")
    tcp.sends("R. 2:2(0)")


def test_its_fin_is_welcome(tcp):
    tcp.established()
    tcp.connection.shutdown_read()
    tcp.gets("F. 1:1(0) ack 1")
    assert tcp.state is CLOSE_WAIT
    tcp.shuts()
    tcp.gets(". 2:2(0) ack 2")
    assert tcp.state is CLOSED
    tcp.connection.shutdown_read()


def test_a_copy_of_what_was_read_resets_nothing(tcp):
    tcp.established()
    tcp.gets("P. 1:6(5) ack 1")
    assert tcp.reads()
    tcp.connection.shutdown_read()
    assert tcp.state is ESTABLISHED
    tcp.shuts()
    tcp.gets("P. 1:6(5) ack 1")
    assert tcp.state is FIN_WAIT_1
