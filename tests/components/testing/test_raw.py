"""Machines whose segments a script writes: what a real stack makes of what no stack would send."""

from __future__ import annotations

import pytest

from components.testing import Lab
from tests.components.testing.scenes import ask, serve_once


@pytest.fixture
def lan():
    with Lab(seed=3) as made:
        yield made


def test_a_server_written_by_hand_is_talked_to(lan):
    server, client = lan.raw("server"), lan.host("client")

    def script(tcp):
        tcp.gets("S")
        tcp.sends("S. 0:0(0) ack 1 <mss 536>")
        question = tcp.gets("P.")
        tcp.sends("P. 1:4(3) ack 6", b"yes")
        tcp.sends("F. 4:4(0) ack 6")
        tcp.gets("F.")
        tcp.sends(". 5:5(0) ack 7")
        return question.data

    served = server.listen(7, script)
    asked = ask(client)
    lan.run_until(asked.done)
    lan.run_until(served.done)
    assert (asked.result(), served.result()) == (b"yes", b"hello")
    lan.trace.expect("client > server: S", "server.7 > client: S. <mss 536>", "client > P. 1:6(5) ack 1")


def test_a_client_written_by_hand_is_served(lan):
    client = lan.raw("client")
    server = lan.host("server")
    served = serve_once(server)

    def script(tcp):
        tcp.sends("S 0:0(0) win 100")
        tcp.gets("S.")
        tcp.sends(". 1:1(0) ack 1 win 100")
        tcp.sends("P. 1:3(2) ack 1 win 100", b"hi")
        answer = tcp.gets("server > P.")
        tcp.gets("F.")
        tcp.sends("F. 3:3(0) ack 4")
        return answer.data

    said = client.dial("server", 7, script)
    lan.run_until(said.done)
    assert said.result() == b"hi"
    lan.run_until(served.done)


def test_a_window_that_is_closed_from_the_beginning(lan):  # RFC 9293 3.8.6.1
    server, client = lan.raw("server"), lan.host("client")

    def script(tcp):
        tcp.gets("S")
        tcp.sends("S. 0:0(0) ack 1 win 0")
        tcp.gets(".")
        probe = tcp.gets("client > data", within=2)
        tcp.sends(f". 1:1(0) ack {probe.segment.end} win 100")
        return tcp.gets("client > data").data

    served = server.listen(7, script)
    asked = ask(client, timeout=3)
    lan.run_until(served.done)
    assert served.result() == b"ello"
    with pytest.raises(TimeoutError):
        lan.run_until(asked.done)


def test_a_reset_beside_the_window_is_no_reset(lan):  # RFC 5961 3.2
    server, client = lan.raw("server"), lan.host("client")

    def script(tcp):
        tcp.gets("S")
        tcp.sends("S. 0:0(0) ack 1")
        tcp.gets("P.")
        tcp.sends("R. 100:100(0) ack 6")
        tcp.gets("client > . ack 1")  # the challenge
        tcp.sends("FP. 1:4(3) ack 6", b"yes")

    server.listen(7, script)
    asked = ask(client)
    lan.run_until(asked.done)
    assert asked.result() == b"yes"


def test_a_handshake_that_is_never_finished_leaves_the_server_free(lan):
    station, server, client = lan.raw("rude"), lan.host("server"), lan.host("client")
    served = serve_once(server)
    for n in range(5):
        station.dial("server", 7, lambda tcp: tcp.sends("S 0:0(0)"), sport=50000 + n)
    lan.run_for(0.1)
    assert lan.trace.count("server > S.") == 5
    asked = ask(client)
    lan.run_until(asked.done)
    assert asked.result() == b"hello"
    assert served.done() or lan.run_until(served.done) is None


def test_the_ports_of_another_connection_repeat_nothing(lan):
    station = lan.raw("client")
    lan.host("server")  # which refuses
    for _ in range(4):  # by other numbers each
        station.dial("server", 7, lambda tcp: tcp.sends("S 0:0(0)"), sport=50000)
        lan.run_for(1)
    assert (lan.trace.count("S"), lan.trace.count("server > R.")) == (4, 4)
    assert lan.trace.count("retransmission") == 0


def test_what_does_not_come_is_told_with_what_did(lan):
    server, client = lan.raw("server"), lan.host("client")
    waiting = server.listen(7, lambda tcp: tcp.gets("F", within=2))
    asked = ask(client, timeout=1)
    with pytest.raises(TimeoutError):
        lan.run_until(asked.done)
    with pytest.raises(AssertionError, match=r"'F' did not come within 2 s; what came:\n.*S 0:0\(0\)"):
        lan.run_until(waiting.done)


def test_faults_fall_on_its_frames_too(lan):
    station, server = lan.raw("client"), lan.host("server")
    lost = lan.drop("1st SYN from client to server")
    back = lan.drop("1st SYN-ACK to client")
    served = serve_once(server)

    def script(tcp):
        for _ in range(2):
            tcp.sends("S 0:0(0)")
            lan.sleep(0.5)
        tcp.gets("S.", within=5)
        tcp.sends("R 1:1(0)")

    said = station.dial("server", 7, script)
    lan.run_until(said.done)
    assert (lost.count, back.count) == (1, 1)
    lan.run_for(1)
    assert not served.done()


@pytest.mark.parametrize("text", ["S 0:0", "P. 1:3(5) ack 1"])
def test_what_is_no_segment_is_refused(lan, text):
    station = lan.raw("client")
    lan.host("server")
    said = station.dial("server", 7, lambda tcp: tcp.sends(text))
    with pytest.raises(ValueError, match="is not"):
        lan.run_until(said.done)


def test_names_are_those_of_one_machine(lan):
    lan.raw("a")
    with pytest.raises(ValueError, match="there is a 'a' on this Lan already"):
        lan.raw("a")
    station = lan.raw("b")
    with pytest.raises(ValueError, match="there is no host 'c'"):
        station.dial("c", 7, print)
    conversation = station.listen(7, lambda tcp: tcp.sends("S 0:0(0)"))
    with pytest.raises(ValueError, match="to whom"):
        lan.run_until(conversation.done)
