"""Faults by script: which frames a phrase means, what befalls them, and what is said of a phrase that means none."""

from __future__ import annotations

import pytest

from components.testing import Lab, UnmetFault
from tests.components.testing.scenes import ask, serve_once, talk


@pytest.fixture
def lan():
    with Lan(seed=3) as made:
        yield made


def Lan(**options):
    made = Lab(**options)
    made.host("server")
    made.host("client")
    return made


def test_the_third_syn_is_lost_once_two_were():
    with Lan(seed=1) as lan:
        first, third = lan.drop("first 2 SYNs"), lan.drop("3rd SYN from client to server port 7")
        assert talk(lan) == b"hello"
        assert (first.count, third.count) == (2, 1)
        assert [seen.time for seen in lan.trace if "syn" in seen.facts.kinds] == [0, 1, 3, 7]  # RFC 6298 5.5


@pytest.mark.parametrize(
    ("phrase", "count"),
    [
        ("SYN", 1),
        ("all syn", 1),
        ("1st SYN-ACK from server", 1),
        ("2nd ACK from client", 1),
        ("FIN to server", 1),
        ("every 2nd data", 1),
        ("data from client to server", 1),
        ("data from 10.0.0.2 to port 7", 1),
        ("ARP from client", 1),
        ("1st frame from port 7", 1),
        ("TCP to client port 7", 4),
    ],
)
def test_a_phrase_means_the_frames_that_it_names(lan, phrase, count):
    fault = lan.delay(phrase, 0)
    assert talk(lan) == b"hello"
    assert fault.count == count


def test_names_of_kinds_that_are_ports(lan):
    dns, dhcp = lan.drop("DNS"), lan.drop("2nd DHCP to port 67", optional=True)
    server, client = lan.hosts.values()

    def say():
        with client.socket(type=2) as s:
            s.sendto(b"?", (server.ip, 53))
            s.sendto(b"?", (server.ip, 67))
            s.sendto(b"?", (server.ip, 54))

    lan.run_until(client.spawn(say).done)
    assert (dns.count, dhcp.count) == (1, 0)


def test_a_delayed_segment_is_overtaken(lan):
    lan.delay("1st data from server", "500ms")
    assert talk(lan) == b"hello"
    lan.trace.expect("server > P.", "server > F.", "client > . 6:6(0) ack 1", "server > retransmission")


def test_a_corrupted_segment_is_noticed_and_sent_again(lan):
    lan.corrupt("1st data from client")
    assert talk(lan) == b"hello"
    sent = lan.trace.expect("client > P.", "client > P.")
    assert sent[1].is_repeated
    assert lan.hosts["server"].stack.stats["tcp_checksum"] == 1


def test_a_segment_that_comes_twice_is_answered_twice(lan):
    lan.duplicate("1st data from client")
    assert talk(lan) == b"hello"
    lan.trace.expect("client > P. 1:6(5)", "server > . 1:1(0) ack 6 <sack>")


def test_the_second_retransmission_is_lost_too(lan):
    lan.drop("2nd data")
    again = lan.drop("first 2 retransmissions")
    assert talk(lan) == b"hello"
    assert again.count == 2
    assert lan.trace.count("retransmission") >= 3


def test_retransmissions_are_known_when_they_are_asked_for_late(lan):
    lan.drop("1st SYN")
    serve_once(lan.hosts["server"])
    asked = ask(lan.hosts["client"])
    lan.run_for(0.5)
    late = lan.drop("1st retransmission")
    lan.run_until(asked.done)
    assert (late.count, asked.result()) == (1, b"hello")


def test_a_fault_can_be_stopped(lan):
    hole = lan.drop("all TCP from server")
    serve_once(lan.hosts["server"])
    asked = ask(lan.hosts["client"])
    lan.run_for(2)
    hole.stop()
    met = hole.count
    lan.run_until(asked.done)
    assert met >= 1
    assert hole.count == met


def test_faults_count_what_others_have_met_too(lan):
    first, second = lan.drop("1st SYN"), lan.duplicate("2nd SYN")
    assert talk(lan) == b"hello"
    assert (first.count, second.count) == (1, 1)


def test_a_fault_that_meets_nothing_is_told_at_the_end():
    lan = Lan(seed=1)
    lan.drop("9th data", optional=True)
    lan.drop("3rd SYN")
    talk(lan)
    said = r"lan\.drop\('3rd SYN'\) met none of \d+ frames: there was 1 of that kind; if that may be, say optional=True"
    with pytest.raises(UnmetFault, match=said):
        lan.__exit__(None, None, None)


def test_an_error_in_the_test_comes_before_a_fault_that_met_nothing():
    def test():
        with Lan() as lan:
            lan.drop("3rd SYN")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        test()


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("3rd SIN", "'SIN' is no kind of frame"),
        ("3 SYN", "'3' is no kind of frame"),
        ("", "which frames?"),
        ("every SYN", "'every' is no kind"),
        ("0th SYN", "'0th' makes no sense"),
        ("SYN from bob", "there is no host 'bob': here are server, client"),
        ("SYN from", "there is no host ''"),
        ("SYN port http", "'port http' makes no sense"),
        ("SYN by client", "'by' is none of from, to and port"),
    ],
)
def test_a_phrase_that_means_nothing_is_refused_in_one_line(lan, phrase, said):
    with pytest.raises(ValueError, match=r"write \[3rd") as caught:
        lan.drop(phrase)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("phrase", [None, 3, ["3rd SYN"]])
def test_what_is_no_string_is_no_phrase(lan, phrase):
    with pytest.raises(TypeError, match="say in a string which frames, as in drop") as caught:
        lan.drop(phrase)
    assert str(caught.value).startswith(f"drop({phrase!r}): ")
    with pytest.raises(TypeError, match=r"^delay\(.*as in delay"):
        lan.delay(phrase, "20ms")
    assert not lan.faults


def test_faults_fall_on_segments_of_one_mtu(lan):
    fault = lan.drop("3rd data from client")
    assert len(talk(lan, bytes(20000), reply=b"!")) == 1
    assert fault.count == 1
    assert all(len(seen.frame) <= 1514 for seen in lan.trace)


def test_the_same_seed_makes_the_same_conversation():
    def told(seed):
        with Lab(seed=seed, host={"loss": "20%"}) as lan:
            lan.host("server"), lan.host("client")
            talk(lan)
            return [str(seen) for seen in lan.trace]

    assert told("a") == told("a")
    assert told("a") != told("b")
