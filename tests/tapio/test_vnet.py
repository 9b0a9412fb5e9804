from __future__ import annotations

import struct

import pytest

from netif.link import NONE, PARTIAL, VALID, Offload
from netif.wire import ethernet, tcp
from tapio import vnet
from tapio.ring import Ring


def header(flags=0, gso_type=0, header_len=0, gso_size=0, start=0, offset=0):
    return struct.pack("=BBHHHH", flags, gso_type, header_len, gso_size, start, offset)


class TestReading:
    @pytest.mark.parametrize(
        ("read", "offload"),
        [
            (header(), None),
            (header(1, 0, 0, 0, 34, 16), Offload(PARTIAL, 34, 16)),
            (header(1, 1, 54, 1440, 34, 16), Offload(PARTIAL, 34, 16, 1440)),
            (header(1, 0x81, 54, 1440, 34, 16), Offload(PARTIAL, 34, 16, 1440)),
            (header(1, 4, 74, 1440, 54, 16), Offload(PARTIAL, 54, 16, 1440)),
            (header(1, 5, 42, 1400, 34, 6), Offload(PARTIAL, 34, 6, 1400)),
            (header(2), Offload(VALID)),
            (header(2, 1, 54, 1440), Offload(VALID, 0, 0, 1440)),
            (header(0, 1, 54, 1440), Offload(NONE, 0, 0, 1440)),
            (header(0, 0, 0, 1440), None),
        ],
    )
    def test_each_header_means_one_offload(self, read, offload):
        assert vnet.Offloads()[read] == offload

    def test_what_is_remembered_is_bounded_and_stays_right(self):
        offloads = vnet.Offloads()
        for size in range(1, 20_000):
            assert offloads[header(1, 1, 54, size, 34, 16)] == Offload(PARTIAL, 34, 16, size)
        assert len(offloads) <= 4096


class TestWriting:
    def head(self, ethertype=ethernet.IP, start=34, words=8, flags=tcp.ACK, tagged=False):
        """Link, IP and TCP headers as far as a virtio-net header depends on them."""
        link = bytes(12) + (
            struct.pack("!HHH", ethernet.VLAN, 5, ethertype) if tagged else struct.pack("!H", ethertype)
        )
        return link.ljust(start, b"\0") + bytes(12) + bytes([words << 4, flags]) + bytes(words * 4 - 14)

    def test_a_partial_frame(self):
        assert vnet.PartialHeaders()[Offload(PARTIAL, 34, 6)] == header(1, 0, 0, 0, 34, 6)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, header(1, vnet.GSO_TCPV4, 66, 1448, 34, 16)),
            ({"words": 5}, header(1, vnet.GSO_TCPV4, 54, 1448, 34, 16)),
            ({"flags": tcp.ACK | tcp.CWR}, header(1, vnet.GSO_TCPV4 | vnet.GSO_ECN, 66, 1448, 34, 16)),
            ({"ethertype": ethernet.IPV6, "start": 54}, header(1, vnet.GSO_TCPV6, 86, 1448, 54, 16)),
            ({"ethertype": ethernet.IPV6, "start": 58, "tagged": True}, header(1, vnet.GSO_TCPV6, 90, 1448, 58, 16)),
        ],
        ids=["timestamps", "no options", "CWR", "IPv6", "IPv6 behind a VLAN tag"],
    )
    def test_a_super_segment(self, options, expected):
        head = self.head(**options)
        offload = Offload(PARTIAL, options.get("start", 34), 16, 1448)
        assert vnet.SuperHeaders().of(head, offload) == expected

    def test_a_super_frame_of_datagrams(self):
        head = self.head(words=0xF)
        assert vnet.SuperHeaders().of(head, Offload(PARTIAL, 34, 6, 1400)) == header(1, 5, 42, 1400, 34, 6)

    def test_the_same_offload_with_other_headers_is_another_header(self):
        headers = vnet.SuperHeaders()
        offload = Offload(PARTIAL, 34, 16, 1448)
        seen = {headers.of(self.head(words=words, flags=flags), offload) for words in (5, 8) for flags in (16, 144)}
        assert len(seen) == 4

    def test_what_is_remembered_is_bounded(self):
        supers, partials = vnet.SuperHeaders(), vnet.PartialHeaders()
        for size in range(1, 10_000):
            supers.of(self.head(), Offload(PARTIAL, 34, 16, size))
            assert partials[Offload(PARTIAL, size, 16)] == header(1, 0, 0, 0, size, 16)
        assert len(supers) <= 4096
        assert len(partials) <= 4096


class TestRing:
    def test_a_buffer_is_used_again_when_its_views_are_gone(self):
        ring = Ring(100)
        seen = set()
        for _ in range(100):
            view = memoryview(ring.take())[10:20].toreadonly()
            seen.add(id(view.obj))
            del view
        assert len(seen) == 1

    def test_a_buffer_that_is_viewed_is_never_handed_out(self):
        ring = Ring(100, most=8)
        held = []
        for n in range(50):
            buffer = ring.take()
            buffer[:] = bytes([n]) * 100
            held.append(memoryview(buffer)[50:51])
            del buffer
        assert [view[0] for view in held] == list(range(50))

    def test_after_a_burst_the_ring_is_used_again(self):
        ring = Ring(100, most=64)
        burst = [ring.take() for _ in range(200)]
        del burst
        seen = {id(ring.take()) for _ in range(1000)}
        assert len(seen) <= 64
