"""The one notation: frames as text, segments as text and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from netif.wire import igmp, notation, options, tcp
from netif.wire.notation import Relative, format_frame, format_segment, parse_segment
from netif.wire.options import Options

OURS, THEIRS = {"src": "10.0.0.2", "dst": "10.0.0.1"}, {"src": "10.0.0.1", "dst": "10.0.0.2"}
ETHER = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
NOPS = [("NOP", None), ("NOP", None)]
STAMP = [*NOPS, ("Timestamp", (1, 2))]
QUOTED = IP(src="1.2.3.4", dst="5.6.7.8")
GROUP, SOURCE = b"\xe9\1\2\3", b"\1\2\3\4"
IGMP_MESSAGES = [
    (igmp.emit(igmp.V1_REPORT, GROUP), "report v1 233.1.2.3"),
    (igmp.emit(igmp.LEAVE, GROUP), "leave 233.1.2.3"),
    (igmp.emit(0x13, GROUP), "type 19 233.1.2.3"),
    (igmp.emit(igmp.QUERY, igmp.ANY, max_resp=1.0), "query v2"),
    (igmp.emit_query(igmp.Query(3, GROUP, 1.0, (SOURCE, SOURCE))), "query v3 233.1.2.3 {1.2.3.4 1.2.3.4}"),
    (
        igmp.emit_report([igmp.Record(igmp.TO_EX, GROUP), igmp.Record(9, GROUP, (SOURCE,))]),
        "report v3 233.1.2.3 to_ex, 233.1.2.3 record 9 {1.2.3.4}",
    ),
]


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (
            IP(**OURS) / TCP(sport=49152, dport=7, flags="PA", seq=1, ack=1, window=512, options=STAMP) / b"hello",
            "10.0.0.2.49152 > 10.0.0.1.7: P. 1:6(5) ack 1 win 512 <nop,nop,TS val 1 ecr 2>",
        ),
        (
            IP(**OURS)
            / TCP(
                sport=1,
                dport=7,
                flags="S",
                seq=9,
                window=512,
                options=[("MSS", 1460), ("SAckOK", b""), ("NOP", None), ("WScale", 7), *NOPS],
            ),
            "10.0.0.2.1 > 10.0.0.1.7: S 9:9(0) win 512 <mss 1460,sackOK,nop,wscale 7,nop,nop>",
        ),
        (
            IP(**OURS)
            / TCP(sport=1, dport=7, flags="A", seq=9, ack=3, window=512, options=[*NOPS, ("SAck", (5, 6, 8, 9))]),
            "10.0.0.2.1 > 10.0.0.1.7: . 9:9(0) ack 3 win 512 <nop,nop,sack 5:6 8:9>",
        ),
        (IP(**OURS) / TCP(sport=1, dport=7, flags="R", seq=9, window=0), "10.0.0.2.1 > 10.0.0.1.7: R 9:9(0) win 0"),
        (
            IP(**OURS) / TCP(sport=1, dport=7, flags="FSRPAUEC", seq=0xFFFFFFFF, ack=3, window=1, urgptr=4) / b"ab",
            "10.0.0.2.1 > 10.0.0.1.7: FSRP.UEW 4294967295:1(2) ack 3 win 1 urg 4",
        ),
        (IP(**OURS) / TCP(sport=1, dport=7, flags=0, seq=5, window=1), "10.0.0.2.1 > 10.0.0.1.7: - 5:5(0) win 1"),
        (IP(**OURS) / UDP(sport=1234, dport=53) / b"query", "10.0.0.2.1234 > 10.0.0.1.53: udp (5)"),
        (IP(**OURS) / ICMP(id=3, seq=4) / b"hello", "10.0.0.2 > 10.0.0.1: icmp echo request id 3 seq 4 (5)"),
        (IP(**THEIRS) / ICMP(type=0, id=3, seq=4) / b"hello", "10.0.0.1 > 10.0.0.2: icmp echo reply id 3 seq 4 (5)"),
        (
            IP(**THEIRS) / ICMP(type=3, code=3) / QUOTED / UDP(sport=1, dport=53),
            "10.0.0.1 > 10.0.0.2: icmp port unreachable [1.2.3.4.1 > 5.6.7.8.53: udp]",
        ),
        (
            IP(**THEIRS) / ICMP(type=3, code=4, nexthopmtu=1400) / QUOTED / TCP(sport=1, dport=53),
            "10.0.0.1 > 10.0.0.2: icmp fragmentation needed mtu 1400 [1.2.3.4.1 > 5.6.7.8.53: tcp]",
        ),
        (
            IP(**THEIRS) / ICMP(type=11, code=0) / QUOTED / ICMP(),
            "10.0.0.1 > 10.0.0.2: icmp time exceeded [1.2.3.4 > 5.6.7.8: icmp]",
        ),
        (
            IP(**THEIRS) / ICMP(type=11, code=1) / QUOTED / ICMP(),
            "10.0.0.1 > 10.0.0.2: icmp reassembly time exceeded [1.2.3.4 > 5.6.7.8: icmp]",
        ),
        (
            IP(**THEIRS) / ICMP(type=3, code=9) / QUOTED / ICMP(),
            "10.0.0.1 > 10.0.0.2: icmp unreachable code 9 [1.2.3.4 > 5.6.7.8: icmp]",
        ),
        (IP(**THEIRS) / ICMP(type=3, code=3) / b"short", "10.0.0.1 > 10.0.0.2: malformed icmp_quote (13)"),
        (IP(**THEIRS) / ICMP(type=13) / b"", "10.0.0.1 > 10.0.0.2: icmp type 13 code 0 (12)"),
        (IP(**OURS, proto=2) / Raw(bytes(8)), "10.0.0.2 > 10.0.0.1: malformed igmp_checksum (8)"),
        *((IP(**OURS, proto=2) / Raw(message), f"10.0.0.2 > 10.0.0.1: igmp {said}") for message, said in IGMP_MESSAGES),
        (IP(**OURS, proto=99) / Raw(b"xyz"), "10.0.0.2 > 10.0.0.1: proto 99 (3)"),
        (IP(**OURS, proto=17, id=7, flags="MF") / Raw(bytes(1480)), "10.0.0.2 > 10.0.0.1: udp frag 0:1480(1480)+ id 7"),
        (IP(**OURS, proto=17, id=7, frag=185) / Raw(bytes(20)), "10.0.0.2 > 10.0.0.1: udp frag 1480:1500(20) id 7"),
        (IP(**OURS, proto=6) / Raw(bytes(12)), "10.0.0.2 > 10.0.0.1: malformed tcp_header_short (12)"),
        (IP(**OURS, proto=17) / Raw(bytes(4)), "10.0.0.2 > 10.0.0.1: malformed udp_header_short (4)"),
        (IP(**OURS, proto=1) / Raw(bytes(9)), "10.0.0.2 > 10.0.0.1: malformed icmp_checksum (9)"),
    ],
)
def test_a_packet_is_one_line_on_every_medium(packet, text):
    assert format_frame(bytes(ETHER / packet)) == text
    assert format_frame(memoryview(bytes(ETHER / packet) + b"padding")) == text
    assert format_frame(bytes(packet), start=0) == text


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (ETHER / ARP(psrc="10.0.0.2", pdst="10.0.0.1"), "who-has 10.0.0.1 tell 10.0.0.2"),
        (ETHER / ARP(op=2, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1"), "10.0.0.1 is-at 02:00:00:00:00:01"),
        (ETHER / ARP(op=3, psrc="10.0.0.1", pdst="10.0.0.2"), "arp operation 3 10.0.0.1 > 10.0.0.2"),
        (ETHER / IPv6(), "02:00:00:00:00:02 > 02:00:00:00:00:01: ethertype 0x86dd (40)"),
        (b"", "malformed ethernet_header_short (0)"),
        (ETHER / IP(chksum=1), "malformed ip_checksum (34)"),
        (bytes(ETHER / ARP())[:30], "malformed arp_short (30)"),
    ],
)
def test_other_frames_are_one_line_too(frame, text):
    assert format_frame(bytes(frame)) == text


@given(st.binary(max_size=120), st.sampled_from([0, 14]))
def test_no_frame_is_refused(noise, start):
    good = bytes(ETHER / IP() / TCP())
    for frame in (noise, good[:34] + noise, good[:14] + noise):
        assert format_frame(frame, start=start)
        assert Relative().format_frame(frame, start=start)


def line(
    relative: Relative,
    addresses: dict[str, str],
    flags: str,
    seq: int,
    ack: int = 0,
    data: bytes = b"",
    **fields: object,
) -> str:
    ports = {"sport": 5, "dport": 7} if addresses is OURS else {"sport": 7, "dport": 5}
    segment = TCP(**ports, flags=flags, seq=seq & 0xFFFFFFFF, ack=ack & 0xFFFFFFFF, window=9, **fields)
    return relative.format_frame(bytes(ETHER / IP(**addresses) / segment / data)).split(": ")[1]


def test_numbers_count_from_each_sides_syn():
    relative = Relative()
    mine, yours = 0xFFFFFFFE, 5000
    assert line(relative, OURS, "S", mine) == "S 0:0(0) win 9"
    assert line(relative, THEIRS, "SA", yours, mine + 1) == "S. 0:0(0) ack 1 win 9"
    assert line(relative, OURS, "A", mine + 1, yours + 1) == ". 1:1(0) ack 1 win 9"
    assert line(relative, OURS, "PA", mine + 1, yours + 1, b"hello") == "P. 1:6(5) ack 1 win 9"
    sack = {"options": [*NOPS, ("SAck", ((mine + 9) & 0xFFFFFFFF, (mine + 12) & 0xFFFFFFFF))]}
    assert line(relative, THEIRS, "A", yours + 1, mine + 6, **sack) == ". 1:1(0) ack 6 win 9 <nop,nop,sack 9:12>"
    assert line(relative, OURS, "S", mine) == "S 0:0(0) win 9"
    assert line(relative, THEIRS, "FA", yours + 1, mine + 6) == "F. 1:1(0) ack 6 win 9"


def test_the_same_ports_may_be_used_again():
    relative = Relative()
    line(relative, OURS, "S", 100)
    line(relative, THEIRS, "SA", 200, 101)
    assert line(relative, OURS, "S", 7000) == "S 0:0(0) win 9"
    assert line(relative, THEIRS, "SA", 9000, 7001) == "S. 0:0(0) ack 1 win 9"
    assert line(relative, OURS, "A", 7001, 9001) == ". 1:1(0) ack 1 win 9"


def test_a_refused_connection_reads_well():
    relative = Relative()
    assert line(relative, OURS, "S", 100) == "S 0:0(0) win 9"
    assert line(relative, THEIRS, "RA", 0, 101) == "R. 0:0(0) ack 1 win 9"


def test_a_conversation_met_half_way_counts_from_its_first_segment():
    relative = Relative()
    assert line(relative, OURS, "PA", 77777, 88888, b"abc") == "P. 1:4(3) ack 1 win 9"
    assert line(relative, THEIRS, "A", 88888, 77780) == ". 1:1(0) ack 4 win 9"


def test_what_relative_remembers_is_bounded_and_the_oldest_flow_is_forgotten():
    relative = Relative()
    line(relative, OURS, "S", 100)
    header = (1, 2, 100, 0, 20, tcp.SYN, 0, 0)
    for flow in range(10000):
        assert relative.bases(flow.to_bytes(4, "big"), 1, b"dest", 2, header) == (100, 0)
    assert line(relative, OURS, "PA", 500, 0, b"abc") == "P. 1:4(3) ack 1 win 9"


NUMBERS = st.integers(0, 0xFFFFFFFF)
EDGES = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2).map(tuple)
OPTIONS = st.builds(
    Options,
    st.none() | st.integers(0, 0xFFFF),
    st.none() | st.integers(0, 14),
    st.booleans(),
    st.none() | st.tuples(NUMBERS, NUMBERS),
    EDGES,
    fast_open=st.none() | st.sampled_from([b"", bytes(4), b"12345678", bytes(16)]),
    user_timeout=st.none() | st.integers(1, 0x7FFF) | st.integers(547, 0x7FFF).map(lambda minutes: 60 * minutes),
).filter(lambda said: len(options.emit(said)) <= options.MAX_LENGTH)


@given(
    st.integers(0, 255),
    NUMBERS,
    st.integers(0, 65535),
    NUMBERS,
    st.none() | st.integers(0, 65535),
    OPTIONS,
    st.integers(0, 65535),
)
@example(tcp.ACK, 0xFFFFFFFF, 1, 0, None, Options(), 0)
def test_what_is_written_is_read_back(flags, seq, length, ack, window, segment_options, urgent):
    text = format_segment(flags, seq, length, ack, window, segment_options, urgent=urgent)
    read = parse_segment(text)
    assert (read.flags, read.seq, read.length, read.window) == (flags, seq, length, window)
    assert read.end == (seq + length) & 0xFFFFFFFF
    assert read.ack == (ack if flags & tcp.ACK else None)
    assert read.urgent == (urgent if flags & tcp.URG else 0)
    assert read.options == segment_options
    assert read.option_bytes == options.emit(segment_options)
    assert format_segment(flags, read.seq, read.length, ack, read.window, read.option_bytes, urgent=urgent) == text


@given(
    st.lists(
        st.sampled_from(
            [
                "nop",
                "eol",
                "mss 1460",
                "sackOK",
                "wscale 7",
                "opt-253 0x0102",
                "opt-30 0x",
                "TS val 1 ecr 2",
                "sack 1:2 3:4",
            ]
        ),
        max_size=4,
    )
)
def test_options_keep_the_order_in_which_they_are_written(names):
    text = ",".join(names)
    if (
        sum(
            {
                "nop": 1,
                "eol": 1,
                "wscale 7": 3,
                "sackOK": 2,
                "opt-30 0x": 2,
                "sack 1:2 3:4": 18,
                "TS val 1 ecr 2": 10,
            }.get(name, 4)
            for name in names
        )
        <= 40
    ):
        data = notation.parse_options(text)
        assert len(data) % 4 == 0
        assert re.sub(r"(^|,)nop(,nop)*$", "", notation.format_options(data)) == re.sub(r"(^|,)nop(,nop)*$", "", text)


def test_options_that_cannot_be_walked_are_shown_as_they_are():
    assert notation.format_options(b"\1\2\x09\1") == "nop,bad 0x020901"
    assert notation.format_options(b"\3") == "bad 0x03"
    assert notation.format_options(b"\2\3\1") == "opt-2 0x01"


def test_a_segment_may_leave_out_what_it_does_not_care_for():
    read = parse_segment(".  2:2(0)")
    assert (read.flags, read.ack, read.window, read.options) == (tcp.ACK, None, None, Options())
    assert parse_segment("F. 1:1(0) ack 1").ack == 1
    read = parse_segment(" S  0:0(0) win 100 <mss 1460, sackOK,TS val 1 ecr 0,nop,wscale 7> ")
    assert read.options == Options(1460, 7, True, (1, 0))
    assert read.option_bytes == options.emit(read.options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "P. 1:6",
        "P. 1:6(4)",
        "X 1:1(0)",
        "P 1:6(5) ack 1",
        "P. 1:6(5) win 1 ack 1",
        "P. 1:6(5) <mss>",
        "P. 1:6(5) <mss 65536>",
        "P. 1:6(5) <mss -1>",
        "P. 1:6(5) <wscale 256>",
        "P. 1:6(5) <sackOK 1>",
        "P. 1:6(5) <nop 1>",
        "P. 1:6(5) <TS val 1>",
        "P. 1:6(5) <TS 1 2>",
        "P. 1:6(5) <TS foo 1 bar 2>",
        "P. 1:6(5) <sack>",
        "P. 1:6(5) <sack 1>",
        "P. 1:6(5) <sack 1:2:3>",
        "P. 1:6(5) <sack 1 2:3:4>",
        "P. 1:6(5) <opt-256 0x01>",
        "P. 1:6(5) <opt-30 0x1>",
        "P. 1:6(5) <fish>",
        "P. 1:6(5) <sack 1:2 3:4 5:6 7:8,TS val 1 ecr 2>",
    ],
)
def test_what_is_no_segment_is_refused_in_one_line_that_quotes_it(text):
    with pytest.raises(ValueError) as caught:
        parse_segment(text)
    assert "\n" not in str(caught.value)
    assert any(part in str(caught.value) for part in (repr(text), text.partition("<")[2][:-1] or repr(text)))
