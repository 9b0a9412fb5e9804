"""Clients behind relay agents: RFC 2131 4.1, 4.3.1; RFC 1542 4.1; RFC 3046 (82)."""

from __future__ import annotations

import pytest

from netif.dhcp import RelayedPool
from netif.wire import dhcp_options as option
from tests.stack.dhcp.serving import ACK, DISCOVER, INFORM, NAK, OFFER, REQUEST, Heard, Serving
from tests.stack.rig import GATEWAY, US, address, answers

AGENT = "10.1.0.1"
GATEWAY_MAC = bytes.fromhex("0200000000fe")
CIRCUIT = b"\1\4\0\1\2\3\2\6\2\0\0\0\0\xaa"  # circuit and remote id


@pytest.fixture
def relayed() -> Serving:
    """It serves 10.1.0.0/24 too, whose relay agent is behind the gateway."""
    pool = RelayedPool(start="10.1.0.10", end="10.1.0.20", network="10.1.0.0/24", router=AGENT)
    serving = Serving(relayed=[pool], domain="lan", conflict_probe=0.5)
    serving.gets(answers(GATEWAY, US, GATEWAY_MAC))
    return serving


def relays(serving: Serving, kind=DISCOVER, giaddr: str = AGENT, **fields) -> list[Heard]:
    heard = serving.says(kind, src=address(AGENT), dst=US, sport=67, giaddr=address(giaddr), **fields)
    serving.gets(answers(GATEWAY, US, GATEWAY_MAC))  # the first time it is looked for
    return heard or serving.hears()


def test_the_answer_goes_to_the_agent(relayed: Serving):
    (offer,) = relays(relayed, options={option.RELAY_AGENT: CIRCUIT})
    assert (offer.kind, offer.address) == (OFFER, "10.1.0.10")
    assert (offer.to, offer.port, offer.to_mac) == (address(AGENT), 67, GATEWAY_MAC)
    assert offer.message.giaddr == address(AGENT)
    assert offer[option.ROUTER] == address(AGENT)
    assert offer[option.SUBNET_MASK] == address("255.255.255.0")
    asked = {option.SERVER_ID: US, option.REQUESTED_IP: address("10.1.0.10"), option.RELAY_AGENT: CIRCUIT}
    (ack,) = relays(relayed, REQUEST, options=asked)
    assert (ack.kind, ack.to, ack.port) == (ACK, address(AGENT), 67)
    assert ack[option.RELAY_AGENT] == CIRCUIT


def test_what_the_agent_adds_comes_back_whole_and_not_in_an_overloaded_field(relayed: Serving):
    """RFC 3046 2.2"""
    circuit = bytes(range(1, 251))
    relayed.restart(
        relayed=relayed.server.config.relayed, captive_portal="http://" + "x" * 120, domain="y" * 60, conflict_probe=0
    )
    (offer,) = relays(relayed, options={option.RELAY_AGENT: circuit})
    assert offer[option.RELAY_AGENT] == circuit
    assert list(offer.message.options).index(option.RELAY_AGENT) < list(offer.message.options).index(1)


def test_a_refusal_goes_to_the_agent_who_is_to_broadcast_it(relayed: Serving):
    """RFC 2131 4.3.2"""
    (nak,) = relays(relayed, REQUEST, options={option.REQUESTED_IP: address("10.0.0.5")})
    assert (nak.kind, nak.to, nak.port) == (NAK, address(AGENT), 67)
    assert nak.message.broadcast


def test_one_client_may_be_in_two_subnets(relayed: Serving):
    relayed.restart(relayed=relayed.server.config.relayed, conflict_probe=0)
    (offer,) = relays(relayed)
    assert offer.address == "10.1.0.10"
    assert relayed.discovers(1).address == "10.0.0.2"


def test_a_client_renews_with_us_directly(relayed: Serving):
    """4.3.2 RENEWING: no agent is in between, and the gateway leads back."""
    relays(relayed)
    relays(relayed, REQUEST, options={option.SERVER_ID: US, option.REQUESTED_IP: address("10.1.0.10")})
    (ack,) = relayed.renews(1, "10.1.0.10")
    assert (ack.kind, ack.to, ack.port, ack.to_mac) == (ACK, address("10.1.0.10"), 68, GATEWAY_MAC)


def test_an_agent_on_our_own_link_is_served_from_our_own_pool(serving: Serving):
    serving.gets(answers(address("10.0.0.40"), US, GATEWAY_MAC))
    serving.says(DISCOVER, src=address("10.0.0.40"), dst=US, sport=67, giaddr=address("10.0.0.40"))
    serving.gets(answers(address("10.0.0.40"), US, GATEWAY_MAC))
    (offer,) = serving.hears()
    assert (offer.address, offer.to, offer.port) == ("10.0.0.2", address("10.0.0.40"), 67)


def test_who_informs_by_an_agent_is_answered_itself(relayed: Serving):
    """4.3.5: unicast to ciaddr, which is an address that works."""
    (ack,) = relays(relayed, INFORM, ciaddr=address("10.1.0.200"))
    assert (ack.kind, ack.to, ack.port) == (ACK, address("10.1.0.200"), 68)


def test_an_agent_of_a_subnet_that_is_not_served_is_not_answered(relayed: Serving):
    assert relays(relayed, giaddr="10.2.0.1") == []
    assert relayed.stack.stats["dhcps_relay"] == 1


def test_an_agent_to_which_no_way_leads_is_counted():
    pool = RelayedPool(start="10.1.0.10", end="10.1.0.20", network="10.1.0.0/24")
    serving = Serving(begin=False, relayed=[pool])
    serving.interface.set_addresses(US, b"\xff\xff\xff\0", bytes(4))
    serving.server.start()
    serving.says(DISCOVER, src=address(AGENT), dst=US, giaddr=address(AGENT))
    serving.drops(ip_no_route=1)
