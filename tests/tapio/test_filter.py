"""Which frames a filter's words mean."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netif.wire import arp, ethernet, icmp, ip, tcp, udp
from netif.wire.checksum import pseudo_header
from tapio.filter import KINDS, filter_of, look

HERE, THERE = ip.parse_address("10.0.0.1"), ip.parse_address("10.0.0.2")
LINK = ethernet.emit(b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01", ethernet.IP)


def segment(sport=1000, dport=80, flags=tcp.ACK, payload=b"", fragment=ip.DF):
    pseudo = pseudo_header(HERE, THERE, ip.TCP, 0)
    header = tcp.emit_complete(sport, dport, 1, 1, flags, 512, payload=(payload,), pseudo=pseudo)
    return ip.emit(HERE, THERE, ip.TCP, len(header) + len(payload), ident=1, fragment=fragment) + header + payload


def datagram(sport=53, dport=1000, payload=b"x"):
    return (
        ip.emit(THERE, HERE, ip.UDP, 8 + len(payload), ident=1) + udp.emit(THERE, HERE, sport, dport, payload) + payload
    )


WEB = LINK + segment(payload=b"GET")
SSH = LINK + segment(sport=22, dport=999)
DNS = LINK + datagram()
PING = LINK + ip.emit(HERE, THERE, ip.ICMP, 8, ident=1) + icmp.emit(8, 0, 0, b"")
ASK = ethernet.emit(b"\xff" * 6, b"\x02\0\0\0\0\x01", ethernet.ARP) + arp.emit(
    1, b"\x02" + bytes(5), HERE, bytes(6), THERE
)
ODD = ethernet.emit(b"\xff" * 6, b"\x02\0\0\0\0\x01", 0x88B5) + b"what"
ALL = {"web": WEB, "ssh": SSH, "dns": DNS, "ping": PING, "ask": ASK, "odd": ODD}


def meant(text):
    wanted = filter_of(text)
    return " ".join(name for name, frame in ALL.items() if wanted.holds(look(frame)))


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("frame", "web ssh dns ping ask odd"),
        ("tcp", "web ssh"),
        ("ip", "web ssh dns ping"),
        ("arp", "ask"),
        ("icmp", "ping"),
        ("tcp port 80", "web"),
        ("TCP and Port 80", "web"),
        ("port 53 or port 22", "ssh dns"),
        ("src port 22", "ssh"),
        ("dst port 22", ""),
        ("tcp not port 80", "ssh"),
        ("not ip", "ask odd"),
        ("not not arp", "ask"),
        ("not tcp and not udp", "ping ask odd"),
        ("host 10.0.0.2", "web ssh dns ping ask"),
        ("src host 10.0.0.2", "dns"),
        ("dst host 10.0.0.2 icmp", "ping"),
        ("data port 80 or arp or udp src port 53", "web dns ask"),
        ("ack", "ssh"),
        ("not host 10.0.0.1", "odd"),
    ],
)
def test_the_frames_that_are_meant(text, frames):
    assert meant(text) == frames


def test_a_tag_does_not_hide_what_is_behind_it():  # IEEE 802.1Q 9.3, 9.6
    tagged = WEB[:12] + struct.pack("!HH", 0x8100, 10) + WEB[12:]
    twice = WEB[:12] + struct.pack("!HHHH", 0x88A8, 7, 0x8100, 10) + WEB[12:]
    assert look(tagged) == look(twice) == look(WEB)


def test_a_later_fragment_has_no_ports():  # RFC 791 3.2
    assert look(LINK + segment(fragment=3)).ports == ()
    assert look(LINK + segment(fragment=3)).kinds == ("frame", "ip")


def test_bare_packets_have_nothing_in_front_of_ip():
    assert look(segment(), link=0) == look(LINK + segment())
    assert look(b"\x60" + bytes(39), link=0).kinds == ("frame",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a term is missing"),
        ("sctp", "'sctp' is no term: write one of frame arp"),
        ("tcp port", "port wants a number, such as port 80, not ''"),
        ("tcp port http", "port wants a number, such as port 80, not 'http'"),
        ("port 65536", "port wants a number"),
        ("host example.org", "host wants an IPv4 address, such as host 10.0.0.1, not 'example.org'"),
        ("tcp and", "nothing follows the `and`"),
        ("tcp or", "'or' is no term"),
        ("not", "'' is no term"),
        ("src tcp", "'tcp' is no term"),
    ],
)
def test_what_means_no_frames_is_told(text, says):
    with pytest.raises(ValueError) as told:
        filter_of(text)
    assert says in str(told.value)


WORDS = st.sampled_from([*KINDS, "not", "and", "or", "src", "dst", "host", "port", "80", "10.0.0.1", "²", "x"])


@given(
    st.lists(WORDS, max_size=9).map(" ".join), st.one_of(st.binary(max_size=80), st.sampled_from(list(ALL.values())))
)
def test_any_words_are_a_filter_or_a_complaint_and_any_bytes_a_frame(text, frame):
    for link in (14, 0):
        facts = look(frame, link)
        assert "frame" in facts.kinds
        try:
            filter_of(text).holds(facts)
        except ValueError:
            pass


@given(st.sampled_from(list(ALL.values())), st.integers(0, 60))
def test_a_frame_that_was_cut_short_is_a_frame(frame, length):
    assert "frame" in look(frame[:length]).kinds
