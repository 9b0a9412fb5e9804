"""The user timeout option (RFC 5482): off unless asked for; then said in every SYN, and adopted within bounds."""

import pytest

from netif.wire import options
from stack.tcp.config import TcpConfig
from stack.tcp.states import CLOSED, ESTABLISHED


def said(seconds):
    """The option in the notation."""
    return "opt-28 0x" + options.emit_syn(user_timeout=seconds)[2:].hex()


def opened(tcp_, theirs, **settings):
    tcp_.begin(user_timeout_option=True, retries=1000, **settings)
    tcp_.listens()
    tcp_.gets("S 0:0(0) <mss 1460" + (f",{said(theirs)}>" if theirs else ">"))
    synack = tcp_.all_sent()[-1]
    tcp_.gets(". 1:1(0) ack 1")
    tcp_.accepts()
    return synack


def lasts(tcp_):
    """Seconds until data that nobody acknowledges ends the connection."""
    tcp_.writes(1)
    begun = tcp_.now
    while tcp_.state is not CLOSED:
        assert tcp_.now - begun < 100_000
        tcp_.after(1)
    return tcp_.now - begun


@pytest.mark.parametrize(("seconds", "wire"), [(1, "0001"), (32767, "7fff"), (32820, "8223"), (1 << 30, "ffff")])
def test_it_is_told_in_seconds_or_where_they_do_not_fit_in_minutes(seconds, wire):  # 3.1
    assert options.emit_syn(user_timeout=seconds).hex() == "1c04" + wire


def test_zero_is_ignored():  # 3.3
    assert options.parse(bytes((28, 4, 0, 0)), 0, 4).user_timeout is None
    assert options.parse(bytes((28, 4, 128, 0)), 0, 4).user_timeout is None


def test_it_is_off_unless_asked_for(tcp):  # 3: ENABLED is false by default
    tcp.listens()
    tcp.gets(f"S 0:0(0) <mss 1460,{said(500)}>")
    assert tcp.all_sent()[-1].options.user_timeout is None
    tcp.gets(f". 1:1(0) ack 1 <{said(500)}>")
    assert tcp.accepts().config.user_timeout is None


def test_a_syn_says_five_minutes_or_what_is_set(tcp_):
    assert opened(tcp_, None).options.user_timeout == 300
    tcp_.begin(user_timeout_option=True, user_timeout=77.0)
    tcp_.connects()
    assert tcp_.all_sent()[0].options.user_timeout == 77


@pytest.mark.parametrize(
    ("theirs", "wanted"), [(50, 300), (500, 500), (100_000, 3600)], ids=["shorter", "longer", "too long"]
)
def test_the_longer_one_holds_within_bounds(tcp_, theirs, wanted):  # 3.1
    opened(tcp_, theirs)
    assert wanted <= lasts(tcp_) <= wanted + 2


def test_no_advice_makes_it_shorter_than_the_lower_bound(tcp_):  # 3.1, L_LIMIT
    tcp_.begin(user_timeout_option=True, user_timeout_bounds=(400.0, 500.0))
    tcp_.listens()
    tcp_.gets(f"S 0:0(0) <mss 1460,{said(5)}>")
    tcp_.gets(". 1:1(0) ack 1")
    assert tcp_.accepts().config.user_timeout == 400


def test_advice_may_come_later(tcp_):  # 3.1: on any segment
    opened(tcp_, None)
    tcp_.gets(f". 1:1(0) ack 1 <{said(1000)}>")
    assert 1000 <= lasts(tcp_) <= 1002


def test_advice_outside_the_window_is_not_taken(tcp_):
    opened(tcp_, None)
    tcp_.gets(f". 9000000:9000000(0) ack 1 <{said(1000)}>")
    assert tcp_.connection.config.user_timeout is None


def test_what_the_application_set_holds(tcp_):  # 3: CHANGEABLE
    opened(tcp_, 1000, user_timeout=20.0)
    assert 20 <= lasts(tcp_) <= 22
    tcp_.sent.clear()
    opened(tcp_, None)
    tcp_.connection.configure(user_timeout=20.0)
    tcp_.gets(f". 1:1(0) ack 1 <{said(1000)}>")
    assert tcp_.state is ESTABLISHED
    assert 20 <= lasts(tcp_) <= 22


def test_the_syn_ack_advises_too(tcp_):
    tcp_.begin(user_timeout_option=True)
    tcp_.connects()
    tcp_.gets(f"S. 0:0(0) ack 1 <mss 1460,{said(1200)}>")
    assert tcp_.connection.config.user_timeout == 1200


def test_a_setting_says_so():
    assert TcpConfig().user_timeout_option is False
