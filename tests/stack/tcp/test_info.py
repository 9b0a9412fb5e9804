"""What a connection tells of itself: figures named as in Linux' `struct tcp_info`, and the hook that hears of steps."""

import struct

import pytest

from stack.tcp.events import KINDS
from stack.tcp.info import SACK, TIMESTAMPS, WINDOW_SCALE, TcpInfo
from stack.tcp.states import CLOSED, ESTABLISHED, LISTEN

LINUX = [
    "state",
    "ca_state",
    "retransmits",
    "probes",
    "backoff",
    "options",
    "snd_wscale",
    "rcv_wscale",
    "delivery_rate_app_limited",
    "rto",
    "ato",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "last_data_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt",
    "rttvar",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
    "bytes_acked",
    "bytes_received",
    "segs_out",
    "segs_in",
    "notsent_bytes",
    "min_rtt",
    "data_segs_in",
    "data_segs_out",
    "delivery_rate",
    "busy_time",
    "rwnd_limited",
    "sndbuf_limited",
    "delivered",
    "bytes_sent",
    "bytes_retrans",
    "dsack_dups",
    "reord_seen",
    "rcv_ooopack",
    "snd_wnd",
    "rcv_wnd",
    "total_rto",
]


def unpacked(info):
    """The fields of struct tcp_info (include/uapi/linux/tcp.h) by name."""
    names = [
        "state",
        "ca_state",
        "retransmits",
        "probes",
        "backoff",
        "options",
        "wscales",
        "flags",
        "rto",
        "ato",
        "snd_mss",
        "rcv_mss",
        "unacked",
        "sacked",
        "lost",
        "retrans",
        "fackets",
        "last_data_sent",
        "last_ack_sent",
        "last_data_recv",
        "last_ack_recv",
        "pmtu",
        "rcv_ssthresh",
        "rtt",
        "rttvar",
        "snd_ssthresh",
        "snd_cwnd",
        "advmss",
        "reordering",
        "rcv_rtt",
        "rcv_space",
        "total_retrans",
        "pacing_rate",
        "max_pacing_rate",
        "bytes_acked",
        "bytes_received",
        "segs_out",
        "segs_in",
        "notsent_bytes",
        "min_rtt",
        "data_segs_in",
        "data_segs_out",
        "delivery_rate",
        "busy_time",
        "rwnd_limited",
        "sndbuf_limited",
        "delivered",
        "delivered_ce",
        "bytes_sent",
        "bytes_retrans",
        "dsack_dups",
        "reord_seen",
        "rcv_ooopack",
        "snd_wnd",
        "rcv_wnd",
        "rehash",
        "total_rto",
        "total_rto_recoveries",
        "total_rto_time",
    ]
    return dict(zip(names, struct.unpack("@8B24I4Q6I4Q2I2Q4I2I2HI", info.pack()), strict=True))


def test_every_figure_of_linux_has_its_name(tcp):
    tcp.established()
    info = tcp.connection.info()
    assert all(hasattr(info, name) for name in LINUX)


def test_bytes_and_segments_both_ways(tcp):
    tcp.established()
    tcp.writes(4000)
    tcp.gets(". 1:1461(1460) ack 1461")
    tcp.gets("P. 1461:1561(100) ack 4001")
    info = tcp.connection.info()
    assert (info.bytes_sent, info.bytes_acked, info.data_segs_out) == (4000, 4000, 3)
    assert (info.bytes_received, info.data_segs_in, info.unread) == (1560, 2, 1560)
    assert info.segs_in == 3  # the SYN is no connection's yet; the ACK of the handshake, and two with data
    assert info.segs_out == 3 + 2  # the SYN-ACK, and the ACK of two segments


def test_super_segments_count_as_what_goes_over_the_wire(tcp_):
    tcp_.established(gso_max=65000)
    tcp_.writes(14600)
    assert len(tcp_.all_sent()) < 10
    assert tcp_.connection.info().data_segs_out == 10


def test_what_is_in_flight_and_what_waits(tcp):
    tcp.established(window=5000)
    tcp.writes(6000)
    info = tcp.connection.info()
    assert (info.unacked, info.notsent_bytes, info.snd_wnd) == (4380, 1620, 5000)
    assert unpacked(info)["unacked"] == 3  # Linux counts segments


def test_retransmissions_and_time_outs(tcp):
    tcp.established()
    tcp.writes(1000)
    tcp.after(1.5)
    info = tcp.connection.info()
    assert info.retransmits == info.backoff == info.total_rto > 0
    assert info.bytes_retrans == 1000 * info.total_retrans
    assert info.bytes_sent == 1000 + info.bytes_retrans
    assert info.ca_state == 4
    tcp.gets(". 1:1(0) ack 1001")
    assert tcp.connection.info().retransmits == 0


def test_a_fin_is_no_byte(tcp):
    tcp.established()
    tcp.writes(10)
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 12")
    info = tcp.connection.info()
    assert (info.bytes_sent, info.bytes_acked, info.bytes_received) == (10, 10, 0)


def test_times_since(tcp):
    tcp.established()
    tcp.writes(10)
    tcp.after(0.1)
    tcp.gets("P. 1:11(10) ack 11")
    tcp.after(2)
    info = tcp.connection.info()
    assert round(info.last_data_sent, 3) == 2.1
    assert round(info.last_data_recv, 3) == round(info.last_ack_recv, 3) == 2
    assert unpacked(info)["last_data_sent"] in (2100, 2101)


def test_who_was_waited_for(tcp):
    tcp.established(window=2920)
    tcp.after(5)
    tcp.writes(5000)
    tcp.after(0.1)
    tcp.gets(". 1:1(0) ack 2921 win 60000")
    tcp.after(0.05)
    tcp.gets(". 1:1(0) ack 5001 win 60000")
    tcp.after(7)
    info = tcp.connection.info()
    assert round(info.busy_time, 3) == 0.15
    assert round(info.rwnd_limited, 3) == 0.1
    assert info.sndbuf_limited == 0


def test_the_rate_of_delivery(pair):
    wire = pair(delay=0.05)
    client, server = wire.connected(receive_buffer=100_000)
    for _ in range(30):
        client.write(bytes(1 << 20))
        wire.flush()
        wire.step()
        while server.read(1 << 20):
            wire.flush()
    while wire.clock.time < 1001.5:
        wire.step()
        while server.read(1 << 20):
            wire.flush()
    assert 500_000 < client.info().delivery_rate < 1_100_000  # 100 kB in 100 ms, at most


def test_what_was_agreed_on(tcp_):
    tcp_.established(
        window_scale=True, timestamps=True, sack=True, options_text="mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 4"
    )
    info = tcp_.connection.info()
    assert info.options == TIMESTAMPS | SACK | WINDOW_SCALE
    assert (info.snd_wscale, unpacked(info)["wscales"] & 15) == (4, 4)
    assert (info.snd_mss, info.advmss, info.pmtu) == (1448, 1460, 1500)


def test_linux_units(pair):
    wire = pair(delay=0.05)
    client, _ = wire.connected(timestamps=True)
    info = client.info()
    linux = unpacked(info)
    assert linux["state"] == 1
    assert linux["rtt"] == pytest.approx(150_000, abs=2)  # the SYN waited for ARP
    assert linux["min_rtt"] == pytest.approx(150_000, abs=2)
    assert linux["rto"] == pytest.approx(info.rto * 1e6, abs=2)
    assert linux["snd_cwnd"] == 10
    assert linux["snd_ssthresh"] == 0x7FFFFFFF
    assert len(info.pack()) == 248


def test_listeners_and_what_is_not_connected():
    assert unpacked(TcpInfo(state=CLOSED))["state"] == 7
    assert unpacked(TcpInfo(state=LISTEN, unacked=2, sacked=128))["sacked"] == 128


# the hook


def heard(tcp):
    events = []
    tcp.stack.tcp_events = events.append
    return events


def test_a_life_is_told(tcp):
    events = heard(tcp)
    tcp.established()
    tcp.writes(1000)
    tcp.after(0.05)
    tcp.gets("P. 1:11(10) ack 1001")
    tcp.reads()
    tcp.gets("F. 11:11(0) ack 1001")
    tcp.close()
    tcp.gets(". 12:12(0) ack 1002")
    assert {event.kind for event in events} <= KINDS.keys()
    assert [event.state for event in events if event.kind == "state"] == [
        "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED",
    ]  # fmt: skip
    sent, acked = (next(event for event in events if event.kind == kind) for kind in ("sent", "acked"))
    assert (sent.detail, sent.snd_wnd) == (1000, 65535)
    assert (acked.detail, acked.flight) == (1000, 0)
    assert acked.srtt == pytest.approx(0.05 / 8, rel=0.2)
    assert acked.at - sent.at == pytest.approx(0.05)
    assert acked.cwnd >= sent.cwnd


def test_loss_is_told(tcp):
    events = heard(tcp)
    tcp.established()
    tcp.writes(14600)
    for _ in range(3):
        tcp.gets(". 1:1(0) ack 1")
    kinds = [event.kind for event in events]
    assert "recovery" in kinds
    assert kinds.index("retransmit") > kinds.index("recovery")
    tcp.after(5)
    timeouts = [event for event in events if event.kind == "timeout"]
    assert [event.detail for event in timeouts][:2] == [1, 2]
    assert all(type(event.at) is float for event in timeouts)


def test_probes_are_told(tcp):
    events = heard(tcp)
    tcp.established()
    tcp.gets(". 1:1(0) ack 1 win 0")
    tcp.writes(10)
    tcp.after(1)
    probes = [event for event in events if event.kind == "probe"]
    assert [event.detail for event in probes] == [0, 0]  # what the window takes
    assert all(type(event.at) is float for event in probes)


def test_one_connection_alone_may_be_heard(tcp):
    tcp.established()
    events = []
    tcp.connection.on_event = events.append
    tcp.writes(10)
    assert [event.kind for event in events] == ["sent"]
    tcp.connection.on_event = None
    tcp.writes(10)
    assert len(events) == 1
    assert tcp.state is ESTABLISHED
