"""Every reason for a drop, and a frame that meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netif.wire import REASONS, ethernet, icmp, igmp, ip, tcp
from stack.echo import EchoEndpoint
from stack.ethernet import group_mac
from stack.l2tap import L2Tap
from stack.limits import Limits
from stack.raw import RawEndpoint
from stack.stats import DROPS
from stack.udp import UdpEndpoint
from tests.stack.rig import (
    MASK,
    OTHER_MAC,
    OUR_MAC,
    PEER,
    PEER_MAC,
    US,
    Rig,
    address,
    answers,
    asks,
    datagram,
    echo,
    icmp_error,
    packet,
)

BROADCAST = address("10.0.0.255")
NOBODY = bytes((10, 0, 0, 99))
GROUP = address("239.1.2.3")
ELSEWHERE_HOST = address("8.8.8.8")


def tcp_segment(*, flags: int = tcp.ACK, header: bytes | None = None, checksum: int | None = None) -> bytes:
    if header is None:
        pseudo = int.from_bytes(PEER + US, "big") + tcp.PROTOCOL
        header = tcp.emit_complete(5000, 7, 1, 1, flags, 100, pseudo=pseudo)
    if checksum is not None:
        header = header[:16] + checksum.to_bytes(2, "big") + header[18:]
    return packet(header, ip.TCP)


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


def packet_with_options(options: bytes) -> bytes:
    body = datagram(b"x")[34:]
    link = ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IP)
    return link + ip.emit(PEER, US, ip.UDP, len(body), ident=1, options=options) + body


def with_tos(frame: bytes, tos: int) -> bytes:
    """The same packet with another TOS, its header's checksum right."""
    header = frame[14:15] + bytes((tos,)) + frame[16:24] + b"\0\0" + frame[26:34]
    return frame[:14] + header[:10] + (-int.from_bytes(header, "big") % 65535).to_bytes(2, "big") + frame[26:]


def with_checksum(body: bytes) -> bytes:
    """A TCP segment whose checksum is right, whatever else is not."""
    from netif.wire.checksum import complete, partial_sum, pseudo_header

    total = partial_sum(body[:16] + b"\0\0" + body[18:]) + pseudo_header(PEER, US, tcp.PROTOCOL, len(body))
    return body[:16] + complete(total).to_bytes(2, "big") + body[18:]


def fill_interface_queue(rig: Rig) -> None:
    rig.netif.room = 0
    rig.gets(*[echo()] * 3)


def fill_arp_table(rig: Rig) -> None:
    rig.gets(*[asks(bytes((10, 0, 0, last)), US) for last in (3, 4, 5)])


def fill_arp_queue(rig: Rig) -> None:
    socket = UdpEndpoint(rig.stack)
    for _ in range(4):
        socket.send_to(b"x", (NOBODY, 9))


def ask_in_vain(rig: Rig) -> None:
    UdpEndpoint(rig.stack).send_to(b"x", (NOBODY, 9))
    rig.after(10.0)


def lose_the_way(rig: Rig) -> None:
    route = rig.stack.ip.route(address("8.8.8.8"))
    rig.interface.set_addresses(US, b"\xff\xff\xff\0", bytes(4))
    rig.stack.ip.send(route, 99, b"12345678", (), 8)


def outgrow_the_way(rig: Rig) -> None:
    rig.stack.ip.send(rig.stack.ip.route(PEER), 99, bytes(1481), (), 1481)


def fill_loopback(rig: Rig) -> None:
    route = rig.stack.ip.route(US)
    for _ in range(5):
        rig.stack.ip.send(route, 99, b"12345678", (), 8)


def flood_with_pings(rig: Rig) -> None:
    EchoEndpoint(rig.stack).bind(ident=5)
    rig.gets(*[echo(kind=icmp.ECHO_REPLY)] * 3)


def flood_a_socket(rig: Rig) -> None:
    UdpEndpoint(rig.stack).bind(bytes(4), 7)
    rig.gets(*[datagram(b"x")] * 4)


def speak_to_peer(rig: Rig) -> None:
    socket = UdpEndpoint(rig.stack)
    socket.connect(PEER, 9)
    socket.send_to(b"x")


def flood_a_raw_socket(rig: Rig) -> None:
    RawEndpoint(rig.stack, 99)
    rig.gets(*[packet(b"x", 99)] * 4)


def flood_an_l2tap(rig: Rig) -> None:
    L2Tap(rig.interface, 0x88B5)
    rig.gets(*[ethernet.emit(OUR_MAC, PEER_MAC, 0x88B5) + bytes(46)] * 4)


def unplug(rig: Rig) -> None:
    rig.interface.link_down()
    UdpEndpoint(rig.stack).send_to(b"x", (PEER, 9))


def wish_for_another_source(rig: Rig) -> None:
    rig.interface.join(GROUP, (NOBODY,))
    rig.gets(datagram(b"x", dst=GROUP, to=group_mac(GROUP)))


def frames(*given: bytes) -> Callable[[Rig], None]:
    return lambda rig: rig.gets(*given)


HEADER, L4 = 14, 34
SCENES: dict[str, Callable[[Rig], Any]] = {
    "ethernet_header_short": frames(bytes(13)),
    "ethernet_other_host": frames(echo(to=OTHER_MAC)),
    "ethernet_type": frames(ethernet.emit(OUR_MAC, PEER_MAC, ethernet.IPV6) + bytes(40)),
    "arp_short": frames(asks(PEER, US)[:41]),
    "arp_format": frames(changed(asks(PEER, US), 14, b"\0\2")),
    "arp_sender": frames(asks(PEER, US, mac=ethernet.BROADCAST)),
    "arp_not_for_us": frames(asks(NOBODY, address("10.0.0.77"))),
    "arp_second": frames(answers(PEER, US, OTHER_MAC)),
    "arp_table_full": fill_arp_table,
    "arp_queue_full": fill_arp_queue,
    "arp_unresolved": ask_in_vain,
    "ip_header_short": frames(echo()[:33]),
    "ip_version": frames(changed(echo(), HEADER, b"\x65")),
    "ip_header_length": frames(changed(echo(), HEADER, b"\x44")),
    "ip_total_length": frames(changed(echo(), HEADER + 2, b"\xff\xff")),
    "ip_checksum": frames(changed(echo(), HEADER + 10, b"\0\0")),
    "ip_not_for_us": frames(echo(dst=NOBODY)),
    "ip_source": frames(echo(src=US)),
    "ip_unicast_in_broadcast": frames(echo(to=ethernet.BROADCAST)),
    "ip_fragment": frames(echo(fragment=ip.MF)),
    "ip_fragment_tiny": frames(packet(bytes(16), ip.TCP, fragment=ip.MF)),
    "ip_fragment_overlap": frames(packet(bytes(16), 99, fragment=ip.MF), packet(bytes(16), 99, fragment=1)),
    "ip_fragment_oversize": frames(packet(bytes(16), 99, fragment=ip.OFFSET_MASK)),
    "ip_fragment_spoiled": frames(*[packet(bytes(16), 99, fragment=ip.OFFSET_MASK)] * 2),
    "ip_fragment_ecn": frames(packet(bytes(16), 99, fragment=ip.MF), with_tos(packet(bytes(16), 99, fragment=2), 3)),
    "ip_reassembly_full": frames(*(packet(bytes(16), n, fragment=ip.MF) for n in (97, 98, 99))),
    "ip_reassembly_time": lambda rig: (rig.gets(packet(bytes(16), 99, fragment=ip.MF)), rig.after(30.0)),
    "ip_option": frames(packet_with_options(b"\7\0\0\0")),
    "ip_source_route": frames(packet_with_options(b"\x83\7\4\1\2\3\4\0")),
    "ip_protocol": frames(packet(b"12345678", 99)),
    "ip_no_route": lose_the_way,
    "ip_recut": outgrow_the_way,
    "link_down": unplug,
    "interface_queue_full": fill_interface_queue,
    "loopback_queue_full": fill_loopback,
    "icmp_header_short": frames(packet(b"1234567", ip.ICMP)),
    "icmp_checksum": frames(changed(echo(), L4 + 2, b"\0\0")),
    "icmp_quote": frames(packet(icmp.emit(3, 3, 0, b"short"), ip.ICMP)),
    "icmp_type": frames(echo(kind=42)),
    "icmp_broadcast_echo": frames(echo(dst=BROADCAST, to=ethernet.BROADCAST)),
    "icmp_no_route": lambda rig: (rig.interface.set_addresses(US, MASK, bytes(4)), rig.gets(echo(src=ELSEWHERE_HOST))),
    "icmp_mtu": lambda rig: (speak_to_peer(rig), rig.gets(icmp_error(3, 4, rig.frames()[0], rest=9000))),
    "icmp_redirect": lambda rig: (speak_to_peer(rig), rig.gets(icmp_error(5, 1, rig.frames()[0]))),
    "icmp_quote_not_ours": frames(icmp_error(3, 3, datagram(b"x"))),
    "icmp_echo_unknown": frames(echo(kind=icmp.ECHO_REPLY)),
    "icmp_error_rate": frames(*[datagram(b"x")] * 3),
    "echo_queue_full": flood_with_pings,
    "igmp_short": frames(packet(b"1234567", ip.IGMP)),
    "igmp_checksum": frames(packet(b"\x11" + bytes(7), ip.IGMP)),
    "igmp_query": frames(packet(b"\x11\0\xee\xff" + bytes(6), ip.IGMP)),
    "igmp_type": frames(packet(igmp.emit(igmp.LEAVE, US), ip.IGMP)),
    "igmp_misdirected": frames(packet(igmp.emit(igmp.V2_REPORT, GROUP), ip.IGMP)),
    "ip_group_source": wish_for_another_source,
    "udp_header_short": frames(packet(b"1234567", ip.UDP)),
    "udp_length": frames(changed(datagram(b"x"), L4 + 4, b"\xff\xff")),
    "udp_checksum": frames(changed(datagram(b"x"), L4 + 6, b"\1\2")),
    "udp_no_socket": frames(datagram(b"x", dport=0)),
    "udp_queue_full": flood_a_socket,
    "raw_queue_full": flood_a_raw_socket,
    "l2tap_queue_full": flood_an_l2tap,
    "tcp_header_short": frames(packet(with_checksum(bytes(19)), ip.TCP)),
    "tcp_data_offset": frames(packet(with_checksum(bytes(20)), ip.TCP)),
    "tcp_option_length": frames(
        packet(with_checksum(tcp.emit(1, 2, 3, 4, tcp.SYN, 5, b"\2\0\0\0", checksum=0)), ip.TCP)
    ),
    "tcp_checksum": frames(tcp_segment(checksum=1)),
    "tcp_no_connection": frames(tcp_segment()),
    "reset_rate": frames(*[tcp_segment()] * 3),
}
ELSEWHERE = {
    "igmp_record": "only who reads reports of version 3 meets it: hosts do not",
    "gso_format": "segment.py refuses it on the way out; what comes in is never cut",
    # by what a name server says: tests/stack/dns, and tests/netif/wire/test_dns.py
    "dns_mismatch": "",
    "dns_header_short": "",
    "dns_name": "",
    "dns_pointer": "",
    "dns_record_short": "",
    "dns_rdata": "",
    "dns_opt": "",
    "ip6_unsupported": "on a link of bare packets: test_tunif.py",
    # by a router: tests/stack/forwarding
    "forward_ttl": "",
    "forward_martian": "",
    "forward_broadcast": "",
    "forward_no_route": "",
    "forward_too_big": "",
    # by a NAPT: tests/stack/napt
    "napt_no_address": "",
    "napt_protocol": "",
    "napt_no_session": "",
    "napt_full": "",
    "napt_filtered": "",
    # by a DHCP client and server: tests/stack/dhcp
    "dhcp_short": "",
    "dhcp_cookie": "",
    "dhcp_format": "",
    "dhcp_overload": "",
    "dhcp_option_length": "",
    "dhcp_option_value": "",
    "dhcp_message_type": "",
    "dhcp_name": "",
    "dhcps_kind": "",
    "dhcps_sender": "",
    "dhcps_relay": "",
    "dhcps_readdressed": "",
    "dhcps_other_server": "",
    "dhcps_unknown_client": "",
    "dhcps_claim": "",
    "dhcps_pool_empty": "",
    "dhcpc_too_long": "",
    "dhcpc_not_for_us": "",
    "dhcpc_unexpected": "",
    "dhcpc_other_server": "",
    "dhcpc_unusable": "",
    # by connections in a conversation: tests/stack/tcp
    "tcp_unacceptable": "",
    "tcp_paws": "",
    "tcp_reset_in_window": "",
    "tcp_syn_in_window": "",
    "tcp_ack_unsent": "",
    "tcp_backlog_full": "",
    "tcp_out_of_order_full": "",
    "tcp_after_close": "",
    "socket_memory_full": "",
    "challenge_ack_rate": "",
    "syn_table_full": "",
    # by a listener that puts SYNs off: tests/stack/test_anybody.py
    "tcp_syn_held": "",
}
SMALL = Limits(
    arp_entries=3,
    arp_queue_frames=3,
    interface_queue_frames=2,
    echo_queue=2,
    udp_queue_bytes=800,
    icmp_errors=2,
    resets=2,
    reassembly_datagrams=2,
)


@pytest.mark.parametrize("reason", SCENES)
def test_a_drop_is_counted_under_its_name(reason: str):
    rig = Rig(limits=SMALL)
    rig.knows_peer()
    SCENES[reason](rig)
    assert rig.stack.stats[reason] >= 1
    rig.netif.room = None
    rig.interface.writable()
    rig.netif.sent.clear()


def test_every_reason_is_met_or_listed():
    assert SCENES.keys() | ELSEWHERE.keys() == DROPS.keys()
    assert not SCENES.keys() & ELSEWHERE.keys()
    assert REASONS.keys() <= DROPS.keys()
