"""What a DHCP server may be told, and what it says to a mistake."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from math import inf

import attrs
import pytest

from netif.dhcp import DhcpsConfig, RelayedPool
from netif.errors import InvalidParams


def test_text_becomes_addresses():
    config = DhcpsConfig(
        start="192.168.4.2",
        end="192.168.4.101",
        lease_time=inf,
        router="192.168.4.1",
        dns=("1.1.1.1", "9.9.9.9"),
        ntp=["192.168.4.1"],
        routes=[("10.0.0.0/8", "192.168.4.7")],
        reservations={"02:00:00:00:00:05": "192.168.4.200"},
        relayed=[RelayedPool(start="10.1.0.10", end="10.1.0.20", network="10.1.0.0/24")],
    )
    assert config.start == IPv4Address("192.168.4.2")
    assert config.dns == (IPv4Address("1.1.1.1"), IPv4Address("9.9.9.9"))
    assert config.routes == ((IPv4Network("10.0.0.0/8"), IPv4Address("192.168.4.7")),)
    assert config.reservations == {bytes.fromhex("020000000005"): IPv4Address("192.168.4.200")}
    assert config.relayed[0].network == IPv4Network("10.1.0.0/24")


def test_it_evolves():
    """As netif_dhcps_option does it."""
    config = attrs.evolve(DhcpsConfig(), lease_time=60, offer_router=False)
    assert (config.lease_time, config.offer_router) == (60, False)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"start": "192.168.4.2"}, "DhcpsConfig.end: a pool has a first and a last"),
        ({"end": "192.168.4.2"}, "DhcpsConfig.start: a pool has a first and a last"),
        ({"start": "192.168.4.9", "end": "192.168.4.2"}, "DhcpsConfig.end: 192.168.4.2 comes before"),
        ({"start": "192.168.4", "end": "192.168.4.2"}, "DhcpsConfig.start: '192.168.4' is not an IPv4 address"),
        ({"start": "192.168.4.1", "end": "x"}, "DhcpsConfig.end: 'x' is not an IPv4 address"),
        ({"lease_time": -1}, "DhcpsConfig.lease_time: -1 is out of range"),
        ({"lease_time": "2h"}, "DhcpsConfig.lease_time: '2h' is out of range"),
        ({"router": "me"}, "DhcpsConfig.router: 'me' is not an IPv4 address"),
        ({"dns": "1.1.1.1"}, "DhcpsConfig.dns: '1.1.1.1' is no list; write ['1.1.1.1']"),
        ({"dns": IPv4Address("1.1.1.1")}, "DhcpsConfig.dns: IPv4Address('1.1.1.1') is no list"),
        ({"ntp": 7}, "DhcpsConfig.ntp: 7 is no list"),
        ({"ntp": ["pool.ntp.org"]}, "DhcpsConfig.ntp: 'pool.ntp.org' is not an IPv4 address"),
        ({"mtu": 67}, "DhcpsConfig.mtu: 67 is out of range; take 68 or more"),
        ({"domain": "a..b"}, "DhcpsConfig.domain: 'a..b' is no domain name"),
        ({"domain": "a.."}, "DhcpsConfig.domain: 'a..' is no domain name"),
        ({"domain": "a b"}, "DhcpsConfig.domain: 'a b' is no domain name"),
        ({"domain": 7}, "DhcpsConfig.domain: 7 is no domain name"),
        ({"search": ["x" * 64]}, "DhcpsConfig.search: 'xxx"),
        ({"search": "example.org"}, "DhcpsConfig.search: 'example.org' is no list; write ['example.org']"),
        ({"search": [7]}, "DhcpsConfig.search: 7 is no domain name"),
        ({"captive_portal": 7}, "DhcpsConfig.captive_portal: 7 is no ASCII text"),
        ({"routes": [("10.0.0.1/8", "10.0.0.1")]}, "DhcpsConfig.routes: '10.0.0.1/8' is not a network"),
        ({"routes": [("10.0.0.0/8", "")]}, "DhcpsConfig.routes: '' is not an IPv4 address"),
        ({"routes": ["10.0.0.0/8"]}, "DhcpsConfig.routes: ['10.0.0.0/8'] are no pairs; write"),
        ({"routes": 7}, "DhcpsConfig.routes: 7 are no pairs; write"),
        ({"options": 7}, "DhcpsConfig.options: 7 is no dictionary"),
        ({"reservations": ["10.0.0.1"]}, "DhcpsConfig.reservations: ['10.0.0.1'] is no dictionary"),
        ({"reservations": {b"\2": "10.0.0.1"}}, "DhcpsConfig.reservations: b'\\x02' has 1 bytes"),
        ({"relayed": ["10.1.0.0/24"]}, "DhcpsConfig.relayed: '10.1.0.0/24' is no RelayedPool"),
        ({"store": "leases"}, "DhcpsConfig.store: 'leases' keeps no leases; write LeaseFile('leases')"),
        ({"options": {53: b"\1"}}, "DhcpsConfig.options: 53 is none that may be set"),
        ({"options": {66: "tftp"}}, "DhcpsConfig.options: option 66 is 'tftp'; give its bytes"),
        ({"reservations": {"02:00": "10.0.0.1"}}, "DhcpsConfig.reservations: '02:00' is not a MAC address"),
        ({"reservations": {"02:00:00:00:00:05": "x"}}, "DhcpsConfig.reservations: 'x' is not an IPv4 address"),
        (
            {"reservations": {"02:00:00:00:00:05": "10.0.0.1", "02:00:00:00:00:06": "10.0.0.1"}},
            "DhcpsConfig.reservations: two clients cannot have one address",
        ),
        ({"conflict_probe": -0.1}, "DhcpsConfig.conflict_probe: -0.1 is out of range"),
    ],
)
def test_a_mistake_is_told_by_the_field(given, told):
    with pytest.raises(InvalidParams) as caught:
        DhcpsConfig(**given)
    assert str(caught.value).startswith(told)


def test_a_relayed_pool_lies_within_its_network():
    with pytest.raises(InvalidParams, match=r"RelayedPool\.end: 10\.2\.0\.1 is not within 10\.1\.0\.0/24"):
        RelayedPool(start="10.1.0.10", end="10.2.0.1", network="10.1.0.0/24")
