"""TCP headers beside scapy's, checksums included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from netif.wire import Malformed, ip, options, tcp
from netif.wire.checksum import pseudo_header, verify

PORTS = st.integers(0, 0xFFFF)
NUMBERS = st.integers(0, 0xFFFFFFFF)
OPTIONS = st.sampled_from(
    [
        b"",
        options.emit_timestamp(1, 0xFFFFFFFF),
        options.emit_syn(mss=1460, window_scale=7, sack_permitted=True, timestamp=(5, 0)),
    ]
)


def scapys(src, dst, sport, dport, seq, ack, flags, window, option_bytes, payload, urgent=0):
    network = IP if len(src) == 4 else IPv6
    segment = TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, window=window, urgptr=urgent)
    segment.options = TCP(bytes(TCP(dataofs=5 + len(option_bytes) // 4))[:20] + option_bytes).options
    packet = network(src=ip.format_address(src), dst=ip.format_address(dst)) / segment / Raw(payload)
    return bytes(packet)[20 if len(src) == 4 else 40 :]


@pytest.mark.parametrize("size", [4, 16])
@given(st.data())
def test_header_is_scapys_both_ways(size, data):
    addresses = st.binary(min_size=size, max_size=size)
    src, dst, sport, dport = data.draw(st.tuples(addresses, addresses, PORTS, PORTS))
    seq, ack, flags, window, urgent = data.draw(st.tuples(NUMBERS, NUMBERS, st.integers(0, 255), PORTS, PORTS))
    option_bytes, payload = data.draw(OPTIONS), data.draw(st.binary(max_size=100))
    theirs = scapys(src, dst, sport, dport, seq, ack, flags, window, option_bytes, payload, urgent)
    pseudo = pseudo_header(src, dst, ip.TCP, 0)
    pieces = (payload,) if payload else ()
    ours = tcp.emit_complete(sport, dport, seq, ack, flags, window, option_bytes, pieces, pseudo=pseudo, urgent=urgent)
    assert ours + payload == theirs
    field = int.from_bytes(theirs[16:18], "big")
    assert (
        tcp.emit(sport, dport, seq, ack, flags, window, option_bytes, checksum=field, urgent=urgent) + payload == theirs
    )
    header_len = 20 + len(option_bytes)
    frame = b"\xee" * 34 + theirs + b"padding"
    assert tcp.parse(frame, 34, 34 + len(theirs)) == (sport, dport, seq, ack, header_len, flags, window, urgent)
    assert verify(frame, 34, 34 + len(theirs), pseudo + len(theirs))


@given(st.lists(st.binary(max_size=9), max_size=5))
def test_a_payload_in_pieces_of_any_length_is_summed_up_like_the_whole(pieces):
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    payload = b"".join(pieces)
    pseudo = pseudo_header(src, dst, ip.TCP, 0)
    views = tuple(memoryview(piece) for piece in pieces)
    header = tcp.emit_complete(1, 2, 3, 4, tcp.ACK, 5, payload=views, pseudo=pseudo)
    assert header + payload == scapys(src, dst, 1, 2, 3, 4, tcp.ACK, 5, b"", payload)


def test_a_checksum_that_comes_out_as_zero_is_sent_as_zero():
    src, dst = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    pseudo = pseudo_header(src, dst, ip.TCP, 0)
    missing = tcp.emit_complete(1, 2, 3, 4, tcp.ACK, 0, pseudo=pseudo)[16:18]
    header = tcp.emit_complete(1, 2, 3, 4, tcp.ACK, int.from_bytes(missing, "big"), pseudo=pseudo)
    assert header[16:18] == b"\0\0"
    assert verify(header, 0, 20, pseudo + 20)


@pytest.mark.parametrize("length", range(20))
def test_a_short_header_is_malformed(length):
    with pytest.raises(Malformed) as caught:
        tcp.parse(bytes(TCP()) + b"data", 0, length)
    assert caught.value.reason == "tcp_header_short"


@pytest.mark.parametrize("words", [0, 1, 4, 7, 15])
def test_a_data_offset_under_five_words_or_past_the_segment_is_malformed(words):
    with pytest.raises(Malformed) as caught:
        tcp.parse(bytes(TCP(dataofs=words)) + b"data" + b"beyond the end", 0, 24)
    assert caught.value.reason == "tcp_data_offset"


def test_a_data_offset_up_to_the_segments_end_is_fine():
    assert tcp.parse(bytes(TCP(dataofs=6)) + b"\1\1\1\1", 0, 24)[4] == 24
