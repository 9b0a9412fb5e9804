"""What a DHCP server tells beside the address: RFC 2131 4.3.1, RFC 2132, 3046, 3396, 3397, 3442, 6842, 8910."""

from __future__ import annotations

from netif.wire import dhcp_options as option
from tests.stack.dhcp.serving import ACK, NAK, REQUEST, Serving
from tests.stack.rig import US, address

EVERYTHING = {
    "router": "10.0.0.250",
    "dns": ["10.0.0.251", "8.8.8.8"],
    "domain": "example.org",
    "search": ["example.org", "lab.example.org"],
    "ntp": ["10.0.0.252"],
    "mtu": 1400,
    "routes": [("192.168.0.0/16", "10.0.0.253"), ("0.0.0.0/0", "10.0.0.250")],
    "captive_portal": "https://example.org/portal",
    "options": {43: b"\1\2\3", 66: b"10.0.0.7", 67: b"boot.bin"},
}


def asks(*codes: int) -> dict[int, bytes]:
    return {option.PARAMETER_LIST: bytes(codes)}


def test_everything_that_is_configured_is_told():
    offer = Serving(**EVERYTHING).discovers()
    assert offer[option.SUBNET_MASK] == address("255.255.255.0")
    assert offer[option.BROADCAST] == address("10.0.0.255")
    assert offer[option.ROUTER] == address("10.0.0.250")
    assert option.parse_addresses(offer[option.DNS]) == (address("10.0.0.251"), address("8.8.8.8"))
    assert offer[option.DOMAIN_NAME] == b"example.org"
    assert option.parse_search(offer[option.SEARCH], 9) == ("example.org", "lab.example.org")
    assert offer[option.NTP] == address("10.0.0.252")
    assert option.parse_u16(offer[option.MTU]) == 1400
    assert option.parse_classless_routes(offer[option.CLASSLESS_ROUTES]) == (
        (address("192.168.0.0"), 16, address("10.0.0.253")),
        (bytes(4), 0, address("10.0.0.250")),
    )
    assert offer[option.CAPTIVE_PORTAL] == b"https://example.org/portal"
    assert (offer[43], offer[66], offer[67]) == (b"\1\2\3", b"10.0.0.7", b"boot.bin")
    assert offer[option.SERVER_ID] == US
    assert offer.message.siaddr == US


def test_by_default_the_server_is_the_router_and_knows_no_name_server(serving: Serving):
    offer = serving.discovers()
    assert offer[option.ROUTER] == US
    assert offer.said(option.DNS) is None


def test_router_and_dns_are_offered_or_not():
    """OFFER_ROUTER and OFFER_DNS of esp_netif."""
    offer = Serving(dns=["8.8.8.8"], offer_router=False, offer_dns=False).discovers()
    assert offer.said(option.ROUTER) is None
    assert offer.said(option.DNS) is None


def test_a_client_gets_what_it_asks_for_in_its_order():
    """RFC 2132 9.8; the mask comes first whatever it says (3.3)."""
    offer = Serving(**EVERYTHING).discovers(options=asks(option.DOMAIN_NAME, 99, option.ROUTER, option.SUBNET_MASK))
    codes = list(offer.message.options)
    assert codes[-3:] == [option.SUBNET_MASK, option.DOMAIN_NAME, option.ROUTER]
    assert set(codes[:-3]) == {option.SERVER_ID, option.LEASE_TIME, option.RENEWAL_TIME, option.REBINDING_TIME}


def test_offer_and_acknowledgment_agree():
    """RFC 2131 4.3.1"""
    serving = Serving(**EVERYTHING)
    offer = serving.discovers()
    (ack,) = serving.selects(1, offer.address)
    assert ack.message.options == offer.message.options


def test_a_refusal_tells_nothing_but_who_refuses():
    """RFC 2131 table 3"""
    (nak,) = Serving(**EVERYTHING).reboots(1, "192.168.1.1")
    assert nak.kind is NAK
    assert set(nak.message.options) == {option.SERVER_ID, option.MESSAGE}
    assert nak.message.siaddr == bytes(4)


def test_a_message_is_no_longer_than_everybody_takes():
    """RFC 2131 2: 576 bytes of IP; what finds no room goes into `file` and `sname` (RFC 2132 9.3)."""
    names = [f"department-{n}.example.org" for n in range(6)]
    portal = "https://example.org/" + "x" * 200
    serving = Serving(captive_portal=portal, domain="example.org", search=names)
    offer = serving.discovers()
    assert serving.longest <= 576
    assert offer[option.CAPTIVE_PORTAL] == portal.encode()
    assert option.parse_search(offer[option.SEARCH], 9) == tuple(names)


def test_a_client_may_take_longer_ones():
    """Option 57; and one that is longer than 255 bytes comes in pieces (RFC 3396)."""
    names = [f"department-{n}.of-many-more-words-than-that-{n}.org" for n in range(20)]
    serving = Serving(search=names)
    assert serving.discovers().said(option.SEARCH) is None
    offer = serving.discovers(options={option.MAX_SIZE: option.emit_u16(1500)})
    assert option.parse_search(offer[option.SEARCH], 20) == tuple(names)
    assert 576 < serving.longest <= 1500
    offer = serving.discovers(options={option.MAX_SIZE: option.emit_u16(100)})  # RFC 2132 9.10: 576 is the least
    assert offer[option.ROUTER] == US


def test_a_client_cannot_ask_for_more_than_the_link_takes():
    names = [f"department-{n}.of-many-more-words-than-that-{n}.org" for n in range(80)]
    serving = Serving(search=names, captive_portal="http://x")
    offer = serving.discovers(options={option.MAX_SIZE: option.emit_u16(65535)})
    assert serving.longest <= 1500
    assert offer.said(option.SEARCH) is None
    assert offer[option.CAPTIVE_PORTAL] == b"http://x"


def test_a_name_that_cannot_be_one_is_not_believed(serving: Serving):
    wanted = serving.leases(1, options={option.HOST_NAME: b"\xff\xfe<script>"})
    assert serving.given[-1][2] == ""
    serving.reboots(1, wanted)
    (ack,) = serving.says(
        REQUEST, 1, options={option.REQUESTED_IP: address(wanted), option.HOST_NAME: b"printer.lan\0"}
    )
    assert ack.kind is ACK
    assert serving.given[-1][2] == "printer.lan"
