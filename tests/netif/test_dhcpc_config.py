"""What a DHCP client may be told, and what it may not."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netif.config import IpInfo
from netif.dhcp import DhcpcConfig
from netif.errors import InvalidParams


def test_values_are_made_of_what_a_person_writes():
    config = DhcpcConfig(requested="10.0.0.5", fallback="192.168.5.2/24", ask=[66, 150], client_id="mac")
    assert config.requested == IPv4Address("10.0.0.5")
    assert config.fallback == IpInfo("192.168.5.2/24")
    assert config.ask == (66, 150)
    assert DhcpcConfig(fallback="link-local").fallback == "link-local"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hostname": "a" * 64}, "DhcpcConfig.hostname: 'a+' is no domain name"),
        ({"hostname": "a b"}, "DhcpcConfig.hostname: 'a b' is no domain name"),
        ({"hostname": 7}, "DhcpcConfig.hostname: 7 is no domain name"),
        ({"client_id": b"\1"}, "DhcpcConfig.client_id: .* give 2 to 255 bytes, or 'mac'"),
        ({"client_id": "duid"}, "DhcpcConfig.client_id: 'duid'"),
        ({"vendor_class": "v" * 256}, "DhcpcConfig.vendor_class: .* too long"),
        ({"requested": "10.0.0"}, "DhcpcConfig.requested: '10.0.0' is not an IPv4 address"),
        ({"ask": (255,)}, "DhcpcConfig.ask: 255 is no option's number"),
        ({"ask": 66}, r"DhcpcConfig.ask: 66 is no list; write \[66\]"),
        ({"tries": 1.5}, "DhcpcConfig.tries: 1.5 is out of range"),
        ({"tries": -1}, "DhcpcConfig.tries: -1 is out of range; take 0 or more"),
        ({"conflict_check": "never"}, "DhcpcConfig.conflict_check: 'never' is unknown; take 'after', 'before' or 'no"),
        ({"fallback": 7}, "DhcpcConfig.fallback: 7 is no address; give an IpInfo or 'link-local'"),
        ({"fallback": IpInfo()}, "DhcpcConfig.fallback: <IpInfo no address> is no address"),
        ({"fallback": "10.0.0.2"}, "IpInfo.netmask: 10.0.0.2 needs a netmask"),
        ({"fallback_after": -1.0}, "DhcpcConfig.fallback_after: -1.0 is out of range"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(given, words):
    with pytest.raises(InvalidParams, match=words):
        DhcpcConfig(**given)
