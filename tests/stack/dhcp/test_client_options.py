"""What a DHCP client makes of the options that a server sends: RFC 2132, 3397, 3442, 8910."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from netif.dhcp import Lease
from netif.wire import dhcp, ethernet, ip, udp
from netif.wire import dhcp_options as option
from netif.wire.dhcp import MessageType, emit
from tests.stack.dhcp.leasing import OFFERED, SERVER, SERVER_MAC, Leasing, answer_to, options_of
from tests.stack.rig import OUR_MAC, address

ROUTER, OTHER = address("10.0.0.1"), address("10.0.0.2")


def leased(**options) -> Lease:
    wire = Leasing().start()
    wire.bind(**options)
    return wire.holder.leases[0]


def ignored(**options) -> tuple[Lease, int]:
    wire = Leasing().start()
    wire.bind(**options)
    return wire.holder.leases[0], wire.stack.stats["dhcpc_option_ignored"] // 2  # in the offer and in the ACK


def classless(*routes: tuple[str, str]) -> bytes:
    networks = [(IPv4Network(network), address(router)) for network, router in routes]
    return option.emit_classless_routes(
        tuple((network.network_address.packed, network.prefixlen, router) for network, router in networks)
    )


def test_everything_that_a_server_may_say():
    lease = leased(
        o3=ROUTER + OTHER,
        o6=ROUTER + OTHER + SERVER,
        o12=b"printer",
        o15=b"example.org\0",
        o26=b"\x05\x00",
        o28=address("10.0.0.255"),
        o42=OTHER,
        o43=b"\1\2\3",
        o66=b"boot.example.org",
        o67=b"pxelinux.0",
        o114=b"https://portal.example.org/api",
        o119=b"\3eng\5apple\3com\0\x09marketing\xc0\4",
        o150=b"raw",
    )
    assert str(lease.ip_info.gw) == "10.0.0.1"
    assert list(map(str, lease.dns)) == ["10.0.0.1", "10.0.0.2", "10.0.0.254"]
    assert (lease.hostname, lease.domain, lease.mtu) == ("printer", "example.org", 1280)
    assert (lease.broadcast, lease.ntp) == (IPv4Address("10.0.0.255"), (IPv4Address(OTHER),))
    assert lease.vendor_specific == b"\1\2\3"
    assert (lease.tftp_server, lease.boot_file) == ("boot.example.org", "pxelinux.0")
    assert lease.captive_portal == "https://portal.example.org/api"
    assert lease.search == ("eng.apple.com", "marketing.apple.com")
    assert lease.options[150] == b"raw"


def test_a_server_of_names_that_is_none_is_left_out():
    assert leased(o6=bytes(4) + OTHER).dns == (IPv4Address(OTHER),)


def test_a_server_that_says_next_to_nothing():
    lease = leased(mask=None)
    assert str(lease.ip_info) == "10.0.0.5/8"  # by its class
    assert (lease.dns, lease.search, lease.mtu, lease.broadcast, lease.routes) == ((), (), None, None, ())
    assert not int(lease.ip_info.gw)


def test_the_fields_of_bootp_serve_where_the_options_are_silent():
    wire = Leasing().start()
    wire.answer(MessageType.OFFER, wire.says(MessageType.DISCOVER))
    wire.answer(MessageType.ACK, wire.says(MessageType.REQUEST), sname=b"tftp", file=b"kernel\0rubbish")
    assert (wire.holder.leases[0].tftp_server, wire.holder.leases[0].boot_file) == ("tftp", "kernel")


@pytest.mark.parametrize(
    ("routers", "gateway"),
    [
        (address("192.168.1.1") + ROUTER, "10.0.0.1"),
        (address("192.168.1.1"), "0.0.0.0"),
        (OFFERED + bytes(4), "0.0.0.0"),
    ],
)
def test_a_router_is_one_that_can_be_reached(routers, gateway):
    assert str(leased(o3=routers).ip_info.gw) == gateway


def test_with_a_mask_of_all_ones_the_router_is_anywhere():
    """As some clouds have it."""
    assert str(leased(mask=b"\xff\xff\xff\xff", o3=ROUTER).ip_info.gw) == "10.0.0.1"


def test_with_classless_routes_the_other_routes_do_not_count():
    """RFC 3442: MUST ignore option 3 and 33; the default route is one of these."""
    routes = classless(("0.0.0.0/0", "10.0.0.2"), ("172.16.0.0/12", "10.0.0.1"), ("10.9.0.0/16", "0.0.0.0"))
    lease = leased(o121=routes, o3=ROUTER, o33=address("192.168.7.0") + ROUTER)
    assert str(lease.ip_info.gw) == "10.0.0.2"
    assert [(str(network), str(router)) for network, router in lease.routes] == [
        ("172.16.0.0/12", "10.0.0.1"),
        ("10.9.0.0/16", "0.0.0.0"),
    ]
    assert not int(leased(o121=classless(("172.16.0.0/12", "10.0.0.1")), o3=ROUTER).ip_info.gw)


def test_microsofts_number_serves_where_the_true_one_is_missing():
    ours, theirs = classless(("10.1.0.0/16", "10.0.0.1")), classless(("10.2.0.0/16", "10.0.0.1"))
    assert str(leased(o249=theirs, o3=ROUTER).routes[0][0]) == "10.2.0.0/16"
    assert str(leased(o121=ours, o249=theirs).routes[0][0]) == "10.1.0.0/16"


def test_routes_of_the_days_of_classes():
    """RFC 2132 5.8: never the default route."""
    pairs = address("192.168.7.0") + ROUTER + address("172.16.0.0") + OTHER + address("10.1.2.3") + OTHER
    lease = leased(o33=pairs + bytes(4) + ROUTER, o3=ROUTER)
    assert [str(network) for network, _ in lease.routes] == ["192.168.7.0/24", "172.16.0.0/16", "10.1.2.3/32"]
    assert str(lease.ip_info.gw) == "10.0.0.1"


@pytest.mark.parametrize(
    "options",
    [
        {"o3": b"\1\2\3"},
        {"o6": b"\1\2\3\4\5"},
        {"o12": b"two names"},
        {"o15": b"\xff\xfe"},
        {"o26": b"\1"},
        {"o28": b"\1"},
        {"o33": bytes(7)},
        {"o42": b""},
        {"o58": b"\1"},
        {"o66": b"\x1b[2J"},
        {"o114": b"\0"},
        {"o119": b"\xc0\0"},
        {"o121": b"\x21\0\0\0\0"},
        {"mask": b"\xff\0\xff\0"},
        {"mask": bytes(4)},
        {"o6": bytes((9, 9, 9, 9)) * 65},
        {"o121": classless(*[("10.0.0.0/8", "10.0.0.1")] * 65)},
        {"o119": b"\1a\0" * 65},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_left_out_and_the_lease_counts(options):
    lease, count = ignored(**options)
    assert lease.ip_info.ip == IPv4Address(OFFERED)
    assert count == 1
    assert (lease.dns, lease.routes, lease.search, lease.domain, lease.hostname) == ((), (), (), "", "")


@pytest.mark.parametrize("mtu", [0, 67])
def test_an_mtu_below_what_every_link_carries_is_none(mtu):
    """RFC 2132 5.1"""
    assert leased(o26=mtu.to_bytes(2, "big")).mtu is None


UNUSABLE = [
    {"server": None},
    {"server": bytes(4)},
    {"server": b"\1\2\3"},
    {"lease_time": None},
    {"lease_time": 0},
]


@pytest.mark.parametrize("options", UNUSABLE, ids=str)
def test_an_offer_without_what_it_must_say_is_none(options):
    """RFC 2131 4.3.1, table 3"""
    wire = Leasing().start()
    wire.answer(MessageType.OFFER, wire.says(MessageType.DISCOVER), options_of(**options))
    wire.silent()
    wire.drops(dhcpc_unusable=1)


@pytest.mark.parametrize(
    "yiaddr", ["0.0.0.0", "224.0.0.5", "127.0.0.1", "255.255.255.255", "10.0.0.0", "10.0.0.255", "240.0.0.1"]
)
def test_an_offer_of_what_cannot_be_an_address_is_none(yiaddr):
    wire = Leasing().start()
    wire.hears(answer_to(MessageType.OFFER, wire.says(MessageType.DISCOVER), yiaddr=address(yiaddr)), to=ip.BROADCAST)
    wire.silent()
    wire.drops(dhcpc_unusable=1)


def test_options_in_pieces_and_in_other_fields_are_read():
    """RFC 3396; RFC 2132 9.3"""
    wire = Leasing().start()
    wire.said()
    wire.client.stop()
    wire = Leasing().start()
    routes = classless(*[(f"10.{n}.0.0/16", "10.0.0.1") for n in range(1, 60)])
    wanted = options_of(o121=routes, o119=option.emit_search(("a.example.org", "b.example.org")), o43=bytes(100))
    for kind, asked in ((MessageType.OFFER, MessageType.DISCOVER), (MessageType.ACK, MessageType.REQUEST)):
        data = emit(answer_to(kind, wire.says(asked), wanted), limit=dhcp.LEAST_ACCEPTED)
        assert len(data) <= dhcp.LEAST_ACCEPTED
        body = udp.emit(SERVER, OFFERED, 67, 68, data) + data
        header = ip.emit(SERVER, OFFERED, ip.UDP, len(body), ident=0)
        wire.gets(ethernet.emit(OUR_MAC, SERVER_MAC, ethernet.IP) + header + body)
    assert len(wire.holder.leases[0].routes) == 59
    assert wire.holder.leases[0].search == ("a.example.org", "b.example.org")
