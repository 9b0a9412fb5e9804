"""Holes: what was lost is sent again, and nothing beside it; what fills a hole is taken, whatever else is not."""

import pytest

from netif.link import LinkCaps
from stack.limits import Limits


def test_ranges_with_something_in_flight_between_them_are_not_put_together(tcp):
    """The first byte was a probe; the last bytes never had room in the window; what is between is in flight."""
    tcp.established()
    tcp.writes(448)
    tcp.gets(". 1:1(0) ack 1 win 0")
    tcp.after(0.3)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1 win 387")
    assert [(one.seq, one.length) for one in tcp.all_sent()] == [(1, 1), (2, 386)]
    for _ in range(3):
        tcp.gets(". 1:1(0) ack 1 win 387")
    assert [(one.seq, one.length) for one in tcp.all_sent()] == [(1, 1)]
    tcp.gets(". 1:1(0) ack 388 win 387")
    assert [(one.seq, one.length) for one in tcp.all_sent()] == [(388, 61)]


def test_a_hole_is_filled_though_memory_is_short(tcp_):
    """Else nobody could ever read what is behind it, and make room."""
    tcp_.begin(limits=Limits(socket_memory=20_000))
    tcp_.established()
    for at in range(1461, 40_000, 1460):
        tcp_.gets(f". {at}:{at + 1460}(1460) ack 1")
    tcp_.gets(". 1:1461(1460) ack 1")
    assert tcp_.connection.info().unread > 16_000
    tcp_.reads()
    assert tcp_.stack.memory.held == 0


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_a_larger_link_leaves_no_congestion_window_below_a_segment(tcp_, mtu):
    tcp_.begin(mtu=576)
    tcp_.established(mtu=576, options_text="mss 8960")
    tcp_.writes(536)
    tcp_.after(0.2)  # a time-out: one segment of those days
    tcp_.interface.link_up(LinkCaps(mac=tcp_.link.mac, mtu=mtu, gso_max=mtu))
    tcp_.gets(". 1:1(0) ack 537")
    tcp_.all_sent()
    tcp_.writes(20_000)
    assert tcp_.all_sent()
