"""RFC 791, RFC 1122 3.2.1."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP, IPOption
from scapy.layers.l2 import Ether

from netif.link import NONE, PARTIAL, VALID, Offload
from netif.wire import ethernet, ip
from stack.ip import Ip
from stack.udp import UdpEndpoint
from tests.stack.rig import GATEWAY, OTHER_MAC, OUR_MAC, PEER, PEER_MAC, US, Rig, address, datagram, echo, packet

REPLY = "10.0.0.1 > 10.0.0.2: icmp echo reply id 5 seq 1 (4)"
HEADER = 14  # where the IP header starts


def mended(frame: bytes, at: int, value: bytes) -> bytes:
    """The frame with other bytes in its IP header, and the header's checksum right again."""
    changed = bytearray(frame)
    changed[at : at + len(value)] = value
    changed[24:26] = b"\0\0"
    length = (changed[14] & 15) * 4
    changed[24:26] = (-int.from_bytes(changed[14 : 14 + length], "big") % 65535).to_bytes(2, "big")
    return bytes(changed)


def test_options_are_skipped(met: Rig):
    bare = Ether(echo())
    bare[IP].options = [IPOption(b"\x07\x07\x04\0\0\0\0"), IPOption(b"\0")]
    del bare[IP].ihl, bare[IP].len, bare[IP].chksum
    frame = bytes(bare)
    assert frame[14] == 0x47
    met.gets(frame)
    met.sends(REPLY)


def test_padding_behind_the_packet_is_not_part_of_it(met: Rig):
    met.gets(echo() + bytes(18))
    met.sends(REPLY)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (echo()[:30], "ip_header_short"),
        (mended(echo(), HEADER, b"\x65"), "ip_version"),
        (mended(echo(), HEADER, b"\x44"), "ip_header_length"),
        (mended(echo(), HEADER, b"\x4f"), "ip_header_length"),
        (mended(echo(), HEADER + 2, b"\0\x13"), "ip_total_length"),
        (mended(echo(), HEADER + 2, b"\1\0"), "ip_total_length"),
        (echo()[:24] + b"\xff\xff" + echo()[26:], "ip_checksum"),
    ],
)
def test_a_header_that_is_wrong_is_counted_and_not_answered(met: Rig, frame: bytes, reason: str):
    met.gets(frame)
    met.sends()
    met.drops(**{reason: 1})


@pytest.mark.parametrize("ttl", [0, 1])
def test_what_is_for_us_is_taken_whatever_its_time_to_live(met: Rig, ttl: int):
    met.gets(echo(ttl=ttl))  # RFC 1122 3.2.1.7
    met.sends(REPLY)


def test_a_packet_for_another_host_is_counted_and_not_answered(met: Rig):
    met.gets(echo(dst=GATEWAY), datagram(b"x", dst=address("8.8.8.8")))
    met.sends()
    met.drops(ip_not_for_us=2)


@pytest.mark.parametrize(
    "src", ["224.0.0.1", "255.255.255.255", "127.0.0.1", "10.0.0.1", "10.0.0.255", "0.0.0.0", "240.0.0.1"]
)
def test_a_source_that_is_no_host_is_not_answered(met: Rig, src: str):
    met.gets(echo(src=address(src)))
    met.sends()
    met.drops(ip_source=1)


@pytest.mark.parametrize("dst", ["127.0.0.1", "127.9.9.9"])
def test_loopback_addresses_do_not_come_from_a_wire(met: Rig, dst: str):
    met.gets(echo(dst=address(dst)))
    met.sends()
    met.drops(ip_not_for_us=1)


def test_a_unicast_packet_in_a_broadcast_frame_is_dropped(met: Rig):
    met.gets(echo(to=ethernet.BROADCAST))  # RFC 1122 3.3.6
    met.sends()
    met.drops(ip_unicast_in_broadcast=1)


def test_an_unknown_protocol_is_reported(met: Rig):
    met.gets(packet(b"12345678", 99))
    met.sends("10.0.0.1 > 10.0.0.2: icmp protocol unreachable [10.0.0.2 > 10.0.0.1: proto 99]")
    met.drops(ip_protocol=1)


def test_tcp_never_sees_what_is_sent_to_a_broadcast(met: Rig):
    met.gets(packet(bytes(20), ip.TCP, dst=address("10.0.0.255"), to=ethernet.BROADCAST))
    met.sends()
    met.drops(ip_protocol=1)


def test_any_of_our_addresses_is_ours_on_every_link(met: Rig):
    _, other = met.link("eth1", OTHER_MAC)
    other.set_addresses(address("192.168.7.1"), b"\xff\xff\xff\0", bytes(4))
    met.gets(echo(dst=address("192.168.7.1")))
    assert met.stack.stats["echo_replied"] == 1


def sent_datagram(rig: Rig, payload: bytes) -> tuple[bytes, Offload | None]:
    socket = UdpEndpoint(rig.stack)
    socket.bind(bytes(4), 49999)
    socket.send_to(payload, (PEER, 9))
    socket.close()
    ((buffers, offload),) = rig.netif.sent
    rig.netif.sent.clear()
    return b"".join(buffers), offload


@pytest.mark.parametrize("size", [0, 1, 214, 215, 1472])
def test_what_we_send_is_what_scapy_would_send(met: Rig, size: int):
    payload = bytes(range(256)) * 6
    frame, offload = sent_datagram(met, payload[:size])
    ours = Ether(frame)
    assert (ours.dst, ours.src) == ("02:00:00:00:00:02", "02:00:00:00:00:01")
    assert (ours[IP].src, ours[IP].dst, ours[IP].ttl, ours[IP].flags) == ("10.0.0.1", "10.0.0.2", 64, "DF")
    again = Ether(frame)
    del again[IP].chksum, again[IP].len, again[UDP].chksum, again[UDP].len
    assert bytes(again) == frame
    assert offload is not None
    assert offload.checksum == VALID


def test_a_small_frame_is_complete_even_where_the_port_would_finish_it():
    rig = Rig(tx_checksum=True)
    rig.knows_peer()
    frame, offload = sent_datagram(rig, bytes(214))
    assert len(frame) == 256
    assert offload == Offload(VALID)


def test_the_checksum_of_a_large_frame_is_left_to_a_port_that_takes_it():
    rig = Rig(tx_checksum=True)
    rig.knows_peer()
    frame, offload = sent_datagram(rig, bytes(range(215)))
    assert offload == Offload(PARTIAL, 34, 6, 0)
    pseudo = sum(int.from_bytes(word, "big") for word in (US[:2], US[2:], PEER[:2], PEER[2:])) + 17 + 223
    assert frame[40:42] == (pseudo % 65535).to_bytes(2, "big")
    sent_again, same = sent_datagram(rig, bytes(215))
    assert same is offload
    assert sent_again[:14] == frame[:14]


def test_what_the_wire_vouched_for_is_not_verified_and_what_it_did_not_is(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 7)
    wrong = bytearray(datagram(b"hello"))
    wrong[40] ^= 0xFF
    for offload in (Offload(VALID), Offload(PARTIAL, 34, 6)):
        met.gets(bytes(wrong), offload=offload)
        assert socket.receive() == (b"hello", (PEER, 5000))
    for unproven in (None, Offload(NONE)):
        met.gets(bytes(wrong), offload=unproven)
        assert socket.receive() is None
    met.drops(udp_checksum=2)


def test_a_super_frame_goes_out_whole_where_the_port_takes_it_and_is_dropped_where_it_does_not():
    rig = Rig(tx_checksum=True, gso_max=65535)
    rig.knows_peer()
    route = rig.stack.ip.route(PEER)
    header, payload = b"h" * 20, (b"x" * 20000, b"y" * 20000)
    rig.stack.ip.send(route, ip.TCP, header, payload, 40020, partial_at=16, gso_size=1460)
    ((buffers, offload),) = rig.netif.sent
    assert offload == Offload(PARTIAL, 34, 16, 1460)
    assert buffers[1:] == payload
    assert buffers[1] is payload[0]
    assert ip.parse(b"".join(buffers), 14)[1] == 40040
    rig.netif.sent.clear()
    rig.interface.gso_max = 1500
    rig.interface.set_mtu(1500)
    rig.stack.ip.send(route, ip.TCP, header, payload, 40020, partial_at=16, gso_size=1460)
    rig.sends()
    rig.drops(ip_recut=1)


def test_headers_that_go_out_are_fresh_bytes(met: Rig):
    first, _ = sent_datagram(met, b"a")
    second, _ = sent_datagram(met, b"b")
    assert first != second
    assert isinstance(met.stack.ip, Ip)


def test_the_identification_of_an_atomic_datagram_is_zero_and_of_others_is_not_repeated(met: Rig):
    route = met.stack.ip.route(PEER)
    for df in (True, True, False, False):
        met.stack.ip.send(route, 99, b"12345678", (), 8, df=df)
    headers = [ip.parse(frame, 14) for frame in met.frames()]
    assert [header[3] for header in headers] == [ip.DF, ip.DF, 0, 0]
    assert headers[0][2] == headers[1][2] == 0
    assert headers[2][2] != headers[3][2]


def test_each_protocol_and_time_to_live_has_its_own_header(met: Rig):
    route = met.stack.ip.route(PEER)
    for protocol, ttl, tos in ((99, 64, 0), (98, 64, 0), (99, 3, 0), (99, 64, 0xB8)):
        met.stack.ip.send(route, protocol, b"12345678", (), 8, ttl=ttl, tos=tos)
        header = ip.parse(met.frames()[0], 14)  # its checksum is right
        assert (header[5], header[4], header[8]) == (protocol, ttl, tos)


def test_a_packet_to_ourselves_has_our_own_frame_counted_as_foreign(met: Rig):
    met.gets(echo(mac=OUR_MAC, src=US))
    met.drops(ip_source=1)


def test_the_mac_of_the_sender_is_not_where_the_answer_goes(met: Rig):
    met.gets(echo(mac=OTHER_MAC))  # the answer goes to whom ARP knows
    (reply,) = met.frames()
    assert reply[:6] == PEER_MAC
