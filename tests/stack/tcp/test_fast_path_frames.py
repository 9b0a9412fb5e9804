"""Nothing passes the fast path that the plain one would drop, and nothing is heard otherwise: frame by frame.

RFC 1122 3.2.1 (what IP discards), RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 5961 5.2.
"""

import pytest

from netif.link import NONE, PARTIAL, VALID, Offload
from stack.limits import Limits
from stack.tcp.states import CLOSE_WAIT
from tests.stack.tcp.both_paths import STAMPED, Both, ip, raw, tcp, with_ip_options
from tests.stack.tcp.conversation import HOST, stream


@pytest.fixture(params=[{}, STAMPED], ids=["bare", "timestamps"])
def both(request):
    return Both(**request.param)


MENDED = {  # what is done to a frame with a hundred bytes in order: it is dropped, or asks for a closer look
    "a wrong IP checksum": raw(24, b"\x12\x34"),
    "another host's MAC": raw(0, b"\2\0\0\0\0\x77"),
    "the broadcast MAC": raw(0, b"\xff" * 6),
    "a group's MAC": raw(0, b"\1\0\x5e\0\0\1"),
    "another ethertype": raw(12, b"\x86\xdd"),
    "version 6": ip(0, b"\x65"),
    "a header of four words": ip(0, b"\x44"),
    "a header of six words": ip(0, b"\x46"),
    "IP options": with_ip_options,
    "more fragments": ip(6, b"\x20\0"),
    "a fragment's offset": ip(6, b"\0\1"),
    "a total length beyond the frame": ip(2, b"\x40\0"),
    "a total length without TCP": ip(2, b"\0\x14"),
    "a total length of nothing": ip(2, b"\0\0"),
    "a total length that cuts TCP's header": ip(2, b"\0\x27"),
    "a total length that cuts the data": ip(2, b"\0\x50"),
    "UDP": ip(9, b"\x11"),
    "from ourselves": ip(12, HOST),
    "from nobody": ip(12, b"\0\0\0\0"),
    "from a group": ip(12, b"\xe0\0\0\1"),
    "from the loopback net": ip(12, b"\x7f\0\0\1"),
    "from the subnet's broadcast": ip(12, b"\x0a\0\0\xff"),
    "from somebody else": ip(12, b"\x0a\0\0\3"),
    "to somebody else": ip(16, b"\x0a\0\0\4"),
    "to the broadcast": ip(16, b"\xff\xff\xff\xff"),
    "a wrong TCP checksum": raw(50, b"\x12\x34"),
    "a byte that has changed": raw(-3, b"\x55"),
    "a data offset beyond the segment": tcp(12, b"\xf0"),
    "a data offset below five": tcp(12, b"\x40"),
    "reserved bits": tcp(12, b"\x5f"),
    "no flags": tcp(13, b"\0"),
    "all flags but those that end it": tcp(13, b"\xf8"),
    "another port": tcp(2, b"\x12\x34"),
    "cut off": lambda frame: frame[:40],
    "cut in the Ethernet header": lambda frame: frame[:13],
    "cut before its end": lambda frame: frame[:-1],
}
UNLESS_VOUCHED = ("a total length that cuts the data", "a wrong TCP checksum", "a byte that has changed")
ALIKE = {  # and here it looks no further than the fast path does
    "nothing": lambda frame: frame,
    "a byte behind the packet": lambda frame: frame + b"\x55",
    "many bytes behind the packet": lambda frame: frame + b"\x55" * 400,
    "DF": ip(6, b"\x40\0"),
    "the evil bit": ip(6, b"\x80\0"),
    "an identification": ip(4, b"\xab\xcd"),
    "TTL 0": ip(8, b"\0"),
    "TTL 255": ip(8, b"\xff"),
    "a DiffServ field": ip(1, b"\xb8"),
    "CE, without ECN": ip(1, b"\3"),
    "another sender's MAC": raw(6, b"\2\0\0\0\0\x99"),
}


@pytest.mark.parametrize("offload", [None, Offload(VALID), Offload(PARTIAL, 34, 16)])
@pytest.mark.parametrize("what", MENDED)
def test_nothing_passes_that_the_plain_path_would_drop(both, what, offload):
    both.writes(100)
    both.gets("P. 1:101(100) ack 51", mend=MENDED[what], offload=offload)
    vouched = offload is not None and offload.checksum != NONE
    assert both.took() == (vouched and what in UNLESS_VOUCHED)
    both.gets("P. 1:101(100) ack 101")  # and what follows is heard alike
    both.reads()


@pytest.mark.parametrize("offload", [None, Offload(VALID), Offload(PARTIAL, 34, 16)])
@pytest.mark.parametrize("what", ALIKE)
def test_what_the_plain_path_does_not_mind_takes_it(both, what, offload):
    both.gets("P. 1:101(100) ack 1", mend=ALIKE[what], offload=offload)
    assert both.took() == 1
    assert both.reads() == stream(1, 100)


def test_a_checksum_that_nobody_vouches_for_is_checked(both):
    both.gets("P. 1:101(100) ack 1", mend=raw(-3, b"\x55"), offload=Offload())
    assert both.fast.drops == {"tcp_checksum": 1}
    assert both.took() == 0


def test_the_timestamp_of_the_first_segment_is_echoed(both):  # RFC 7323 5.3 R3: of those that one ACK is for
    if both.stamped:
        both.gets("P. 1:101(100) ack 1 <nop,nop,TS val 20000 ecr 0>", flush=False)
        both.gets("P. 101:201(100) ack 1 <nop,nop,TS val 30000 ecr 0>")
        assert both.took() == 2
        assert both.fast.sent[-1].options.timestamp[1] == 20000


def test_the_largest_window_is_remembered(both):  # RFC 9293 3.8.6.2.1: half of it is worth a segment
    both.gets(". 1:1(0) ack 1 win 50000")
    both.gets(". 1:1(0) ack 1 win 4")
    both.writes(20_000)
    both.after(0.1)
    assert both.took() == 2


@pytest.mark.parametrize("settings", [{}, STAMPED], ids=["bare", "timestamps"])
def test_the_receive_buffer_is_tuned_alike(settings):
    both = Both(receive_buffer=None, receive_buffer_initial=20_000, **settings)
    at = 1
    for _ in range(12):
        ecr = both.fast.connection.timestamp_base + int(both.fast.now * 1000) - 10 & 0xFFFFFFFF
        stamp = f" <nop,nop,TS val {int(both.fast.now * 10)} ecr {ecr}>" if settings else ""
        for _ in range(12):
            both.gets(f". {at}:{at + 1448}(1448) ack 1{stamp}")
            at += 1448
        both.reads()
        both.after(0.01)
    assert both.took() > 100
    assert both.fast.connection.info().receive_buffer > 20_000


def test_a_fin_ahead_of_a_hole_is_met(both):
    both.gets("F. 101:101(0) ack 1")
    both.gets("P. 1:101(100) ack 1")
    assert both.fast.state is CLOSE_WAIT
    assert both.took() == 0


def test_a_hole_that_came_with_an_old_ack_is_filled(both):
    both.writes(200)
    both.gets(". 1:1(0) ack 201")
    both.gets(". 101:201(100) ack 101")  # no news of the window
    both.took()
    both.gets(". 1:101(100) ack 201")
    assert both.took() == 0
    assert both.reads() == stream(1, 200)


def test_short_of_memory_every_segment_is_looked_at():
    both = Both(limits=Limits(socket_memory=40_000))
    for at in range(1, 60_000, 1460):
        both.gets(f". {at}:{at + 1460}(1460) ack 1")
    assert both.fast.drops["socket_memory_full"] > 5


def test_a_closed_window_that_is_probed_opens(both):
    both.gets(". 1:1(0) ack 1 win 0")
    both.writes(5000)
    both.after(3)
    both.took()
    both.gets(". 1:1(0) ack 2 win 0")
    assert both.took() == 0
    both.gets(". 1:1(0) ack 2 win 40000")
    both.gets(". 1:1(0) ack 5001 win 40000")
    assert both.took() >= 1


def test_the_answer_to_a_loss_probe_is_plain():  # RFC 8985 7.4.2
    both = Both(initial_window=4, **STAMPED)
    both.writes(30_000)
    both.after(0.05)
    assert both.fast.connection.recovery.tlps == 1  # of data that had not been sent
    both.gets(". 1:1(0) ack 1449")
    both.gets(". 1:1(0) ack 7241")
    assert both.took() == 0
    both.after(0.05)
    both.gets(". 1:1(0) ack 10137")
    both.after(1)


def test_an_urgent_octet_is_found_in_what_follows(both):  # RFC 9293 3.8.5
    both.gets("PU. 1:11(10) ack 1 urg 50")
    both.gets("P. 11:101(90) ack 1")
    assert both.took() == 0
    assert [end.connection.exceptional() for end in both.ends] == [True, True]
