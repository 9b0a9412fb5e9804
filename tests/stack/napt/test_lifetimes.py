"""How long a translation lasts, and how many there may be. RFC 4787 REQ-5, REQ-6; RFC 5382 REQ-5; RFC 5508 REQ-2, 8."""

from __future__ import annotations

import errno
from socket import AF_INET, MSG_WAITALL, SOCK_DGRAM, timeout
from typing import Any

import pytest

from netif.errors import InvalidParams
from stack.echo import EchoEndpoint
from stack.limits import Limits
from stack.napt.config import NaptConfig
from stack.stack import Stack
from tests.stack.napt.home import OUTSIDE, SERVER, Home, says_who
from tests.stack.rig import address


def test_udp_lasts_five_minutes_from_what_went_out_last(home: Home):
    """RFC 4787 REQ-5, REQ-6"""
    home.echoes(home.server)
    seen = home.asks(home.one, 5000)
    assert home.left() == [300.0]
    home.runtime.run_for(200)
    home.asks(home.one, 5000)
    home.runtime.run_for(299)
    home.sends(home.server, b"late", (OUTSIDE, int(seen.partition(":")[2])))
    assert home.left() == [1.0]  # what comes in keeps nothing alive
    home.runtime.run_for(2)
    assert home.rows() == ()


def test_a_ping_lasts_a_minute(home: Home):
    """RFC 5508 REQ-2"""
    ping = EchoEndpoint(home.one)
    home.gated(lambda: ping.send_echo(1, b"", address(SERVER)))
    home.runtime.run_for(1)
    assert home.left() == [59.0]
    home.runtime.run_for(60)
    assert home.rows() == ()


def test_tcp_lasts_four_minutes_until_it_is_open_and_after_its_end(home: Home):
    """RFC 5382 REQ-5: two hours and four minutes when idle"""
    says_who(home, home.server)
    connection = home.do(lambda: home.one.create_connection((SERVER, 80)))
    home.runtime.run_for(1)
    (row,) = home.rows()
    assert row.state == "established"
    assert row.left == pytest.approx(7439, abs=1)
    home.do(connection.close)
    home.runtime.run_for(1)
    (row,) = home.rows()
    assert row.state == "closing"
    assert row.left == pytest.approx(239, abs=1)
    home.runtime.run_for(240)
    assert home.rows() == ()


def test_an_idle_connection_still_stands_after_two_hours(home: Home):
    """RFC 5382 REQ-5"""

    def answer(connection: Any, peer: tuple[str, int]) -> None:
        with connection:
            connection.sendall(connection.recv(100))

    home.serves(home.server, answer)
    connection = home.do(lambda: home.one.create_connection((SERVER, 80)))
    home.runtime.run_for(7400)

    def ask() -> bytes:
        with connection:
            connection.sendall(b"still there?")
            return bytes(connection.recv(100, MSG_WAITALL))

    assert home.do(ask) == b"still there?"


def test_a_connection_that_is_not_answered_is_forgotten(home: Home):
    home.runtime.spawn(lambda: _ignoring(lambda: home.one.create_connection(("203.0.113.99", 80), 100)))
    home.runtime.run_for(50)
    (row,) = home.rows()
    assert row.state == "opening"
    home.runtime.run_for(300)
    assert home.rows() == ()


def _ignoring(act: Any) -> None:
    try:
        act()
    except OSError:
        return


def test_what_was_not_seen_to_open_does_not_go_out(home: Home):
    """A segment of a connection that the table has lost"""
    says_who(home, home.server)
    connection = home.do(lambda: home.one.create_connection((SERVER, 80)))
    home.napt["home"].napt_enable(False)
    home.napt["home"].napt_enable()
    home.do(lambda: connection.sendall(b"x"))
    home.runtime.run_for(1)
    assert home.napt.stack.stats["napt_no_session"] >= 1
    assert home.rows() == ()
    home.do(connection.close)


def test_time_outs_may_be_longer_and_not_shorter():
    """RFC 4787 REQ-5 a, c"""
    home = Home(napt=NaptConfig(udp=600.0))
    home.echoes(home.server)
    home.asks(home.one)
    assert home.left() == [600.0]
    home.close()
    for wrong in ({"udp": 119.0}, {"tcp_established": 3600.0}, {"tcp_transitory": 30.0}, {"icmp": 30.0}):
        with pytest.raises(InvalidParams, match="seconds of the RFC"):
            NaptConfig(**wrong)
    with pytest.raises(InvalidParams, match="is no range of ports"):
        NaptConfig(ports=(2000, 1000))


# how many


def flood(home: Home, host: Stack, ports: range) -> None:
    def send() -> None:
        for port in ports:
            with host.socket(AF_INET, SOCK_DGRAM) as s:
                s.bind(("", port))
                s.sendto(b"x", (SERVER, 9))

    home.do(send)


def test_a_flood_costs_who_floods():
    home = Home(limits=Limits(napt_sessions=50))
    home.echoes(home.server)
    says_who(home, home.server)
    other = home.inside("other", 3)
    kept = home.asks(other, 5000)
    connection = home.do(lambda: home.one.create_connection((SERVER, 80)))
    home.runtime.run_for(1)
    flood(home, home.one, range(10000, 10200))
    assert len(home.rows()) == 50
    assert any(row.outside == kept for row in home.rows())
    assert any(row.protocol == "tcp" for row in home.rows())  # an open connection is the last to go
    assert home.napt.stack.stats["napt_table_full"] == 152
    home.do(connection.close)
    home.close()


def test_without_room_or_a_port_the_sender_is_told():
    """RFC 5508 REQ-8"""
    home = Home(napt=NaptConfig(ports=(40000, 40001)))
    home.echoes(home.server)
    others = [home.inside(f"other{n}", n) for n in range(3, 7)]
    seen = [home.asks(host, 5000) for host in (home.one, *others[:2])]
    assert sorted(seen[1:]) == [f"{OUTSIDE}:40000", f"{OUTSIDE}:40001"]

    def ask() -> None:
        with others[3].socket(AF_INET, SOCK_DGRAM) as s:
            s.bind(("", 5000))
            s.connect((SERVER, 7))
            s.send(b"x")
            s.recv(100)

    with pytest.raises(OSError, match="No route") as caught:
        home.do(ask)
    assert caught.value.errno == errno.EHOSTUNREACH
    assert home.napt.stack.stats["napt_ports_full"] == home.napt.stack.stats["napt_full"] == 1
    home.close()
    home = Home(limits=Limits(napt_sessions=0))
    with pytest.raises(timeout):
        home.asks(home.one)
    assert home.napt.stack.stats["napt_full"] == 1
    home.close()


def test_without_an_address_outside_nothing_goes_out(home: Home):
    home.napt["world"].set_ip_info("0.0.0.0")
    home.napt["world"].set_routes([("203.0.113.0/24", "0.0.0.0")])
    with pytest.raises(timeout):
        home.asks(home.one)
