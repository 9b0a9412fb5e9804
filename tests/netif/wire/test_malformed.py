"""Every reason to be malformed is named in one table, has its explanation, and can be met."""

from __future__ import annotations

import pytest

from netif.link import PARTIAL, Offload
from netif.wire import (
    REASONS,
    Malformed,
    arp,
    dhcp,
    dhcp_options,
    dns,
    ethernet,
    icmp,
    igmp,
    ip,
    options,
    segment,
    tcp,
    udp,
)

IP_HEADER = ip.emit(bytes(4), bytes(4), ip.UDP, 0, ident=0)
ONE_QUESTION = dns.HEADER.pack(1, 0, 1, 0, 0, 0)
DHCP_HEADER = bytes((dhcp.BOOTREPLY, 1, 6)) + bytes(233) + dhcp.COOKIE


def parse_dhcp(message: bytes) -> None:
    dhcp.parse(message, 0, len(message))


PROVOKED = {
    "ethernet_header_short": lambda: ethernet.parse(bytes(13)),
    "arp_short": lambda: arp.parse(bytes(27), 0),
    "arp_format": lambda: arp.parse(bytes(28), 0),
    "ip_header_short": lambda: ip.parse(bytes(19), 0),
    "ip_version": lambda: ip.parse(b"\x60" + bytes(19), 0),
    "ip_header_length": lambda: ip.parse(b"\x44" + bytes(19), 0),
    "ip_total_length": lambda: ip.parse(b"\x45" + bytes(19), 0),
    "ip_checksum": lambda: ip.parse(b"\x45\1" + IP_HEADER[2:], 0),
    "icmp_header_short": lambda: icmp.parse(bytes(7), 0, 7),
    "icmp_checksum": lambda: icmp.parse(bytes(8), 0, 8),
    "icmp_quote": lambda: icmp.parse_quote(bytes(28), 0, 28),
    "igmp_short": lambda: igmp.parse(bytes(7), 0, 7),
    "igmp_checksum": lambda: igmp.parse(bytes(8), 0, 8),
    "igmp_query": lambda: igmp.parse_query(bytes(11), 0, 11),
    "igmp_record": lambda: list(igmp.parse_records(b"\0\0\0\0\0\0\0\1", 0, 8)),
    "udp_header_short": lambda: udp.parse(bytes(7), 0, 7),
    "udp_length": lambda: udp.parse(bytes(8), 0, 8),
    "dhcp_short": lambda: parse_dhcp(bytes(239)),
    "dhcp_cookie": lambda: parse_dhcp(bytes(300)),
    "dhcp_format": lambda: parse_dhcp(b"\x03" + DHCP_HEADER[1:]),
    "dhcp_overload": lambda: parse_dhcp(DHCP_HEADER + b"\x34\1\4"),
    "dhcp_option_length": lambda: parse_dhcp(DHCP_HEADER + b"\x35\2\1"),
    "dhcp_option_value": lambda: dhcp_options.parse_addresses(b"\1\2\3"),
    "dhcp_message_type": lambda: parse_dhcp(DHCP_HEADER + b"\xff"),
    "dhcp_name": lambda: dhcp_options.parse_search(b"\xc0\0", 1),
    "tcp_header_short": lambda: tcp.parse(bytes(19), 0, 19),
    "tcp_data_offset": lambda: tcp.parse(bytes(20), 0, 20),
    "tcp_option_length": lambda: options.parse(b"\2\0\0\0", 0, 4),
    "dns_header_short": lambda: dns.parse(bytes(11)),
    "dns_name": lambda: dns.parse(ONE_QUESTION + b"\x80"),
    "dns_pointer": lambda: dns.parse(ONE_QUESTION + b"\xc0\x0c"),
    "dns_record_short": lambda: dns.parse(ONE_QUESTION + bytes(4)),
    "dns_rdata": lambda: dns.parse(dns.emit(dns.Message(answers=(dns.Record(b"\0", dns.A, 0, b"short"),)))),
    "dns_opt": lambda: dns.parse(dns.emit(dns.Message(answers=(dns.Record(b"\0", dns.OPT, 0, b""),)))),
    "gso_format": lambda: segment.cut((bytes(60),), Offload(PARTIAL, 34, 16, 10)),
}


def test_every_reason_can_be_met():
    assert PROVOKED.keys() == REASONS.keys()


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_what_it_is_called(reason):
    with pytest.raises(Malformed, match=f"^{reason}$") as caught:
        PROVOKED[reason]()
    assert caught.value.reason == reason
    assert REASONS[reason]
