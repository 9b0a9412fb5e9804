"""Which addresses a DHCP server gives: RFC 2131 4.3.1, and how it is configured."""

from __future__ import annotations

import pytest

from netif.dhcp import DHCPS_LEASE_TIME
from netif.errors import DhcpsStartFailed
from netif.wire import dhcp_options as option
from stack.dhcp.server_leases import OFFER_TIME
from stack.limits import Limits
from stack.udp import UdpEndpoint
from tests.stack.dhcp.serving import ACK, DECLINE, DISCOVER, NAK, RELEASE, Serving, mac_of
from tests.stack.rig import US, address

A_DAY = 86400.0


@pytest.mark.parametrize(
    ("own", "prefix_length", "first"),
    [
        ("192.168.4.1", 24, "192.168.4.2"),
        ("192.168.4.100", 24, "192.168.4.101"),
        ("192.168.4.200", 24, "192.168.4.100"),  # more room below
        ("192.168.4.254", 24, "192.168.4.154"),
        ("192.168.4.1", 30, "192.168.4.2"),
        ("192.168.4.2", 30, "192.168.4.1"),
    ],
)
def test_the_pool_is_beside_the_server(own, prefix_length, first):
    """ESP-IDF: a hundred addresses above its own, or below it."""
    serving = Serving(begin=False)
    mask = ((1 << 32) - (1 << 32 - prefix_length)).to_bytes(4, "big")
    serving.interface.set_addresses(address(own), mask, bytes(4))
    serving.server.start()
    assert serving.discovers().address == first


def test_a_derived_pool_has_a_hundred_addresses(serving: Serving):
    given = [serving.leases(n) for n in range(100)]
    assert given == [f"10.0.0.{n}" for n in range(2, 102)]
    assert serving.says(DISCOVER, 100) == []
    serving.drops(dhcps_pool_empty=1)


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ({"start": "10.0.1.2", "end": "10.0.1.9"}, "DhcpsConfig.start: 10.0.1.2 is no host's address in 10.0.0.0/24"),
        ({"start": "10.0.0.2", "end": "10.0.1.9"}, "DhcpsConfig.end: 10.0.1.9 is no host's address"),
        ({"start": "10.0.0.0", "end": "10.0.0.9"}, "DhcpsConfig.start: 10.0.0.0 is no host's address"),
        ({"start": "10.0.0.9", "end": "10.0.0.255"}, "DhcpsConfig.end: 10.0.0.255 is no host's address"),
    ],
)
def test_a_pool_of_another_subnet_is_refused(configured, told):
    serving = Serving(begin=False, **configured)
    with pytest.raises(DhcpsStartFailed) as caught:
        serving.server.start()
    assert str(caught.value).startswith(told)


def test_without_an_address_or_room_there_is_no_server():
    serving = Serving(begin=False)
    serving.interface.set_addresses(bytes(4), bytes(4), bytes(4))
    with pytest.raises(DhcpsStartFailed, match="eth0 has no address"):
        serving.server.start()
    serving.interface.set_addresses(US, b"\xff\xff\xff\xfe", bytes(4))
    with pytest.raises(DhcpsStartFailed, match=r"10\.0\.0\.0/31 has no address left"):
        serving.server.start()


def test_a_port_that_is_taken_is_told_of():
    serving = Serving(begin=False)
    UdpEndpoint(serving.stack).bind(bytes(4), 67)
    with pytest.raises(DhcpsStartFailed, match="UDP port 67 of us is taken"):
        serving.server.start()


def test_addresses_of_others_are_left_out():
    """The server's own, the gateway, the router and name servers that clients are told of."""
    serving = Serving(start="10.0.0.1", end="10.0.0.254", router="10.0.0.3", dns=["10.0.0.4", "8.8.8.8"])
    given = {serving.leases(n) for n in range(250)}
    assert given == {f"10.0.0.{n}" for n in range(1, 255)} - {"10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.254"}
    assert serving.says(DISCOVER, 250) == []


def test_an_offer_lapses():
    serving = Serving(start="10.0.0.10", end="10.0.0.10")
    serving.discovers(1)
    assert serving.says(DISCOVER, 2) == []
    serving.after(OFFER_TIME + 0.1)
    assert serving.discovers(2).address == "10.0.0.10"
    (nak,) = serving.selects(1, "10.0.0.10")
    assert nak.kind is NAK


def test_an_offer_that_lapses_does_not_cost_a_former_client_its_address(serving: Serving):
    serving.restart(lease_time=100)
    wanted = serving.leases(1)
    serving.after(101)
    serving.discovers(1)
    serving.after(OFFER_TIME + 0.1)
    (ack,) = serving.reboots(1, wanted)
    assert ack.kind is ACK


def test_asking_again_prolongs_an_offer():
    serving = Serving(start="10.0.0.10", end="10.0.0.10")
    serving.discovers(1)
    serving.after(OFFER_TIME - 1)
    serving.discovers(1)
    serving.after(OFFER_TIME - 1)
    assert serving.says(DISCOVER, 2) == []


def test_a_lease_ends_by_time_and_is_kept_for_its_client():
    serving = Serving(start="10.0.0.10", end="10.0.0.11", lease_time=100)
    first, second = serving.leases(1), serving.leases(2)
    serving.after(101)
    assert serving.server.client_address(mac_of(1)) is None
    assert serving.discovers(2).address == second
    assert serving.discovers(1).address == first


def test_whoever_was_away_longest_loses_its_address():
    serving = Serving(start="10.0.0.10", end="10.0.0.12", lease_time=100)
    wanted = {}
    for n in (1, 2, 3):
        wanted[n] = serving.leases(n)
        serving.after(10)
    serving.after(1)
    serving.renews(1, wanted[1])
    serving.after(100)
    assert serving.leases(4) == wanted[2]
    assert serving.leases(5) == wanted[3]
    assert serving.leases(6) == wanted[1]


def test_fresh_addresses_come_before_those_that_somebody_had():
    serving = Serving(start="10.0.0.10", end="10.0.0.12", lease_time=100)
    serving.leases(1)
    serving.after(101)
    assert [serving.leases(n) for n in (2, 3, 4)] == ["10.0.0.11", "10.0.0.12", "10.0.0.10"]


def test_a_lease_lasts_as_configured_or_shorter_as_asked():
    def lease(configured: float, asked: float | None) -> float:
        options = {} if asked is None else {option.LEASE_TIME: option.emit_seconds(asked)}
        offer = Serving(lease_time=configured).discovers(options=options)
        t1, t2 = (option.parse_seconds(offer[code]) for code in (option.RENEWAL_TIME, option.REBINDING_TIME))
        seconds = option.parse_seconds(offer[option.LEASE_TIME])
        assert (t1, t2) == (seconds // 2, seconds * 7 // 8)  # RFC 2131 4.4.5
        return seconds

    assert lease(0, None) == DHCPS_LEASE_TIME == 7200
    assert lease(A_DAY, None) == A_DAY
    assert lease(A_DAY, 600) == 600
    assert lease(A_DAY, 2 * A_DAY) == A_DAY
    assert lease(A_DAY, 1) == 60  # nobody gets us to work every second
    assert lease(30, 1) == 30


def test_a_lease_may_last_for_ever():
    """RFC 2131 3.3; and T1 and T2 would make no sense."""
    serving = Serving(lease_time=float("inf"))
    offer = serving.discovers(1)
    assert offer[option.LEASE_TIME] == b"\xff\xff\xff\xff"
    assert offer.said(option.RENEWAL_TIME) is None
    serving.leases(1)
    assert serving.stack.next_deadline() is None
    serving.after(1000 * A_DAY)
    assert serving.server.client_address(mac_of(1)) is not None


# reservations


def test_a_reserved_address_is_its_clients_alone():
    serving = Serving(start="10.0.0.10", end="10.0.0.11", reservations={mac_of(5): "10.0.0.10"})
    assert serving.leases(1) == "10.0.0.11"
    assert serving.says(DISCOVER, 2, options={option.REQUESTED_IP: address("10.0.0.10")}) == []
    assert serving.leases(5) == "10.0.0.10"


def test_a_reserved_address_may_lie_outside_the_pool():
    serving = Serving(start="10.0.0.10", end="10.0.0.11", reservations={mac_of(5): "10.0.0.200"})
    like = {option.REQUESTED_IP: address("10.0.0.10")}
    assert serving.discovers(5, options=like).address == "10.0.0.200"
    assert serving.leases(5) == "10.0.0.200"
    (ack,) = serving.reboots(5, "10.0.0.200")
    assert ack.kind is ACK


def test_firmware_and_system_of_one_machine_share_its_reservation():
    """They call themselves by different names (61)."""
    serving = Serving(reservations={mac_of(5): "10.0.0.200"})
    assert serving.leases(5, options={option.CLIENT_ID: b"\0firmware"}) == "10.0.0.200"
    assert serving.leases(5, options={option.CLIENT_ID: b"\0system"}) == "10.0.0.200"


def test_a_client_moves_to_its_reservation_when_it_renews():
    serving = Serving()
    wanted = serving.leases(5)
    serving.restart(reservations={mac_of(5): "10.0.0.200"})
    (nak,) = serving.renews(5, wanted)
    assert nak.kind is NAK
    assert serving.leases(5) == "10.0.0.200"


def test_while_another_has_the_reserved_address_there_are_others():
    serving = Serving(reservations={mac_of(5): "10.0.0.200"}, decline_time=100)
    wanted = serving.leases(5)
    serving.says(DECLINE, 5, options={option.REQUESTED_IP: address(wanted)})
    assert serving.leases(5) == "10.0.0.2"
    serving.after(101)
    assert serving.leases(5) == "10.0.0.200"
    assert serving.discovers(6, options={option.REQUESTED_IP: address("10.0.0.2")}).address == "10.0.0.2"


# hard times


def test_a_pool_that_is_empty_is_silent_and_counted():
    serving = Serving(start="10.0.0.10", end="10.0.0.11")
    serving.leases(1)
    serving.leases(2)
    for n in range(3, 6):
        assert serving.says(DISCOVER, n) == []
    serving.drops(dhcps_pool_empty=3)
    serving.says(RELEASE, 1, src=address("10.0.0.10"), dst=US, ciaddr=address("10.0.0.10"))
    assert serving.discovers(3).address == "10.0.0.10"


def test_starvation_ends_soon_and_does_not_touch_who_has_a_lease():
    """Thousands of MACs ask: what they are offered lapses, and nothing of them is remembered."""
    serving = Serving()
    wanted = serving.leases(1)
    for n in range(1000, 4000):
        serving.says(DISCOVER, n)
    assert serving.says(DISCOVER, 2) == []
    (ack,) = serving.reboots(1, wanted)
    assert ack.kind is ACK
    serving.after(OFFER_TIME + 0.1)
    assert serving.discovers(2).address != wanted
    (subnet,) = serving.server.subnets
    assert len(subnet.pool.bindings) == 2


def test_what_is_remembered_is_bounded():
    serving = Serving(limits=Limits(dhcp_leases=10), lease_time=100)
    for n in range(20):
        serving.says(DISCOVER, n)
    assert serving.stack.stats["dhcps_leases_full"] == 10
    serving.after(11)
    for n in range(10):
        serving.leases(n)
    serving.after(101)
    for n in range(10, 20):  # in place of those whose lease is over
        serving.leases(n)
    (subnet,) = serving.server.subnets
    assert len(subnet.pool.bindings) == 10
