"""Sequence numbers that pass 2**32, on either side, in every part of a connection's life."""

import pytest

from stack.tcp.states import CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2, TIME_WAIT

EDGE = 2**32


@pytest.mark.parametrize("before", [1, 2, 3, 1460, 5000])
def test_our_numbers_wrap(tcp_, before):
    tcp_.established(initial_sequence=EDGE - before)
    tcp_.writes(20_000)
    assert sum(one.length for one in tcp_.all_sent()) == 14_600
    tcp_.gets(". 1:1(0) ack 14601")
    tcp_.all_sent()
    tcp_.gets(". 1:1(0) ack 20001")
    assert tcp_.connection.info().unacknowledged == 0
    tcp_.close()
    tcp_.sends("F. 20001:20001(0) ack 1")
    tcp_.gets(". 1:1(0) ack 20002")
    assert tcp_.state is FIN_WAIT_2


@pytest.mark.parametrize("before", [1, 2, 3, 1460, 5000])
def test_the_peers_numbers_wrap(tcp_, before):
    tcp_.established(peer_iss=EDGE - before)
    for at in range(0, 10_000, 1000):
        tcp_.gets(f". {1 + at}:{1001 + at}(1000) ack 1")
    assert len(tcp_.reads()) == 10_000
    tcp_.gets("F. 10001:10001(0) ack 1")
    assert tcp_.state is CLOSE_WAIT


def test_holes_at_the_wrap(tcp_):
    tcp_.established(peer_iss=EDGE - 150)
    tcp_.gets(". 201:301(100) ack 1")
    tcp_.gets(". 101:201(100) ack 1")
    tcp_.sends(". 1:1(0) ack 1")
    tcp_.sends(". 1:1(0) ack 1")
    tcp_.gets(". 1:101(100) ack 1")
    tcp_.sends(". 1:1(0) ack 301")


def test_loss_at_the_wrap(tcp_):
    tcp_.established(initial_sequence=EDGE - 2000)
    tcp_.writes(14_600)
    tcp_.all_sent()
    for _ in range(3):
        tcp_.gets(". 1:1(0) ack 1")
    assert tcp_.all_sent()[0].seq == 1
    tcp_.gets(". 1:1(0) ack 4381")
    assert tcp_.all_sent()[0].seq == 4381
    tcp_.after(1)
    assert tcp_.all_sent()[0].seq == 4381


def test_windows_and_resets_at_the_wrap(tcp_):
    tcp_.established(peer_iss=EDGE - 1)
    tcp_.gets("R 100:100(0)")
    tcp_.sends(". 1:1(0) ack 1")
    tcp_.gets(". 900000:900001(1) ack 1")
    tcp_.sends(". 1:1(0) ack 1")
    assert tcp_.state is ESTABLISHED


def test_opening_actively_at_the_wrap(tcp_):
    tcp_.begin(initial_sequence=EDGE - 1, peer_iss=EDGE - 1)
    tcp_.connects()
    tcp_.sends("S 0:0(0)")
    tcp_.gets("S. 0:0(0) ack 1")
    tcp_.sends(". 1:1(0) ack 1")
    assert tcp_.state is ESTABLISHED


def test_time_wait_at_the_wrap(tcp_):
    tcp_.established(initial_sequence=EDGE - 2, peer_iss=EDGE - 2)
    tcp_.close()
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.all_sent()
    assert tcp_.state is TIME_WAIT
    tcp_.gets("F. 1:1(0) ack 2")
    tcp_.sends(". 2:2(0) ack 2")
    tcp_.gets("S 10:10(0)")
    assert str(tcp_.all_sent()[0]).startswith("S.")
