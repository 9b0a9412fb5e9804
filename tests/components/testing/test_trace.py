"""Claims about a conversation, and what is said of one that does not hold."""

from __future__ import annotations

import pytest

from components.testing import Lab
from components.testing.record import Record
from netif.wire import tcp
from tests.components.testing.scenes import ask, serve_once, talk


@pytest.fixture
def lan():
    with Lab(seed=3) as made:
        made.host("server")
        made.host("client")
        yield made


def test_a_handshake_is_expected_in_order_with_gaps(lan):
    talk(lan)
    syn, answer, fin = lan.trace.expect("client > S", "server > S.", "client > F.")
    assert syn.time == answer.time <= fin.time
    assert (syn.src, syn.dst, syn.dport, syn.sender) == ("client", "server", 7, "client")
    assert answer.segment.ack == 1
    assert answer.segment.flags == tcp.SYN | tcp.ACK
    with pytest.raises(AssertionError, match=r"'client > S' did not come behind 'server\.7 > client"):
        lan.trace.expect("server > S.", "client > S")


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("S", 1),
        ("S.", 1),
        ("> S.", 1),
        ("server > S.", 1),
        ("client > S.", 0),
        ("F", 2),
        ("F.", 2),
        ("R", 0),
        ("P.", 2),
        ("server.7 > P. 1:6(5) ack 6", 1),
        ("10.0.0.1 > P. (5)", 1),
        ("> server: S (0)", 1),
        ("> server.8: S", 0),
        ("S <mss 1460", 0),
        ("S 0:0(0) win 65535 <mss 1460,sackOK>", 1),
        ("S <nop,mss>", 0),
        ("S <mss 1460>", 1),
        ("data", 2),
        ("client > SYN", 1),
        ("arp who-has server tell client", 1),
        ("server > arp", 2),
        ("udp", 0),
    ],
)
def test_a_pattern_fits_what_the_notation_says(lan, pattern, count):
    talk(lan)
    if pattern == "S <mss 1460":
        with pytest.raises(ValueError, match="is no pattern"):
            lan.trace.count(pattern)
    else:
        assert lan.trace.count(pattern) == count


def test_never_shows_what_came_and_what_was_before(lan):
    asked = ask(lan.hosts["client"])  # nobody listens
    with pytest.raises(ConnectionRefusedError):
        lan.run_until(asked.done)
    lan.trace.never("S.", "data")
    with pytest.raises(AssertionError, match=r"never 'R', but it came:\n  0\.0.* server\.7 > client.* R\. ") as told:
        lan.trace.never("R")
    assert "client." in str(told.value).partition("behind:")[2]


def test_within_bounds_the_time_between_the_first_and_the_last(lan):
    lan.drop("first 2 SYNs")
    talk(lan)
    lan.trace.expect("S", "S", "S", "S.", within=3)
    lan.trace.expect("S", "S.", within=0)  # of the third
    with pytest.raises(AssertionError, match=r"these came, but in 3\.0+ s, not within 2\.9 s"):
        lan.trace.expect("S", "S", "S", "S.", within=2.9)


def test_what_has_not_come_yet_is_waited_for(lan):
    lan.drop("1st SYN")
    serve_once(lan.hosts["server"])
    asked = ask(lan.hosts["client"])
    lan.trace.expect("client > S", "server > S.", within=2)
    assert 1 <= lan.now() < 1.1
    lan.run_until(asked.done)


def test_what_does_not_come_in_time_is_told_with_what_came_instead(lan):
    lan.drop("all SYN-ACKs")
    serve_once(lan.hosts["server"])
    asked = ask(lan.hosts["client"], timeout=2)
    with pytest.raises(AssertionError, match=r"'client > \.' did not come behind '.*S\. .*' within 1\.5 s") as told:
        lan.trace.expect("client > S", "server > S.", "client > .", within=1.5)
    done, _, instead = str(told.value).partition("what came instead:")
    assert "S 0:0(0)" in done
    assert "1.000000 client." in instead
    assert "[drop('all SYN-ACKs')]" in instead
    with pytest.raises(TimeoutError):
        lan.run_until(asked.done)


def test_claims_may_begin_behind_a_frame_or_a_time(lan):
    talk(lan)
    (syn,) = lan.trace.expect("client > S")
    lan.trace.never("client > S", after=syn)
    assert lan.trace.count("S", after=0.0) == 1
    assert lan.trace.count("S", after=1.0) == 0
    with pytest.raises(AssertionError, match=r"what came instead:\n  nothing"):
        lan.trace.expect("S", after=1.0)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("bob > S", "there is no host 'bob'; here are server, client"),
        ("client S", "'client' is neither flags nor one of"),
        ("Q", "'Q' is neither flags"),
        ("", "write it as in"),
        ("client > ", "neither flags"),
        ("S 1:2(x)", "'S' is neither"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_in_one_line(lan, pattern, said):
    with pytest.raises(ValueError, match="is no pattern") as caught:
        lan.trace.expect(pattern)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pattern", [["client > S", "server > S."], None, b"S"])
def test_what_is_no_string_is_no_pattern(lan, pattern):
    for claim in (lan.trace.expect, lan.trace.never, lan.trace.count):
        with pytest.raises(TypeError, match="is no pattern: write each in a string of its own, as in") as caught:
            claim(pattern)
        assert str(caught.value).startswith(repr(pattern))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("within", [0.5, "500ms", "0.5s", ".5", "500000us"])
def test_within_is_a_duration_as_a_delay_is(lan, within):
    lan.drop("1st SYN")
    talk(lan)
    lan.trace.expect("client > S", "server > S.", within=within)
    with pytest.raises(AssertionError, match=r"these came, but in 1\.0+ s, not within 0\.5 s"):
        lan.trace.expect("client > S", "client > S", within=within)


def test_within_may_be_longer_than_a_delay(lan):
    talk(lan)
    lan.trace.expect("client > S", within=7200)


@pytest.mark.parametrize("within", ["soon", "1h", -1, float("nan"), [1]])
def test_what_is_no_duration_is_refused_in_one_line(lan, within):
    with pytest.raises(ValueError, match=r"is no duration: write 0\.02 or '20ms'") as caught:
        lan.trace.expect("client > S", within=within)
    assert str(caught.value).startswith(f"within={within!r}")
    assert "\n" not in str(caught.value)


def test_no_pattern_is_no_claim(lan):
    with pytest.raises(ValueError, match="which frames"):
        lan.trace.expect()


@pytest.mark.parametrize("side", ["tx", "rx"])
def test_what_the_dice_lost_is_said_beside_it(side):
    with Lab(seed=5, host={side: {"loss": "40%", "only": "tcp", "delay": "1ms"}}) as lan:
        lan.host("server"), lan.host("client")
        talk(lan)
        assert "[lost: 40 % loss]" in lan.trace.tail(1000)
        assert "delayed" not in lan.trace.tail(1000)  # which every frame is


def test_a_trace_that_forgot_answers_for_what_it_knows_alone():
    record = Record(lambda address: None, frames=4)
    for n in range(10):
        record.frame("out", float(n), (bytes(14),), None, "a")
    assert (len(record), record.forgotten) == (4, 6)
    assert [seen.time for seen in record] == [6, 7, 8, 9]
    small = Record(lambda address: None, size=100)
    for n in range(10):
        small.frame("out", float(n), (bytes(30),), None, "a")
    assert len(small) == 3


def test_frames_of_a_host_that_was_given_its_address_bear_its_name():
    with Lab(seed=1, dhcp=True) as lan:
        kettle = lan.host("kettle")
        lost = lan.drop("1st DHCP from kettle")
        lan.run_until(lambda: kettle.netif.ip_info)
        lan.run_for(1)
        assert lost.count == 1
        lan.trace.expect("dhcp > dhcp", "kettle > arp")
