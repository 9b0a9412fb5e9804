"""What is not for the fast path takes the short way to `arrival`, if it can: two hosts that differ in `fast_path` alone
are told the same, and are seen to do the same, whatever is wrong with the frame."""

import attrs
import pytest

from netif.link import NONE, VALID, Offload
from netif.wire import notation
from netif.wire.ip import MF
from tests.stack.tcp.conversation import Conversation, stream

OFFERS = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"
STAMPED = {"timestamps": True, "sack": True, "window_scale": True}


def set_bytes(at, new, checksum=True):
    """Other bytes at `at`; the IP header's checksum is made right again."""

    def mend(frame):
        frame[at : at + len(new)] = new
        if checksum and at < 34:
            frame[24:26] = bytes(2)
            frame[24:26] = (-int.from_bytes(frame[14:34], "big") % 65535).to_bytes(2, "big")
        return frame

    return mend


MENDED = {
    "nothing": lambda frame: frame,
    "IP's checksum": set_bytes(24, b"\1\2", checksum=False),
    "TCP's checksum": set_bytes(50, b"\1\2"),
    "another version": set_bytes(14, b"\x65"),
    "IP options that are none": set_bytes(14, b"\x46"),
    "a header too short": set_bytes(14, b"\x44"),
    "a length beyond the frame": set_bytes(16, b"\x7f\xff"),
    "a length within the header": set_bytes(16, b"\0\x20"),
    "a fragment": set_bytes(20, MF.to_bytes(2, "big")),
    "another protocol": set_bytes(23, b"\x11"),
    "an offset below five": set_bytes(46, b"\x40"),
    "an offset beyond the segment": set_bytes(46, b"\xf0"),
    "padding behind it": lambda frame: frame + bytes(6),
    "its last byte missing": lambda frame: frame[:-1],
    "options that cannot be walked": set_bytes(54, b"\5\1"),
}
SAID = {
    "the handshake's end": ". 1:1(0) ack 1",
    "a SYN again": "S 0:0(0)",
    "text and a FIN": "FP. 1:11(10) ack 1",
    "a RST": "R. 1:1(0) ack 1",
    "urgent data": "PU. 1:11(10) ack 1 urg 5",
    "an ACK of what was never sent": ". 1:1(0) ack 1000",
}


def half_open(end):
    end.listens()
    end.gets(f"S 0:0(0) <{OFFERS}>")


def established(end):
    half_open(end)
    end.gets(". 1:1(0) ack 1 <nop,nop,TS val 2 ecr 0>")
    end.accepts()


def closed_here(end):
    established(end)
    end.close()
    end.gets(". 1:1(0) ack 2 <nop,nop,TS val 3 ecr 0>")


def seen(end):
    entry = next(iter(end.stack.tcp.connections.values()), None)
    info = attrs.asdict(entry.info()) if hasattr(entry, "info") else type(entry)
    return [(one.frame, one.offload) for one in end.sent], info, end.drops, end.stack.next_deadline()


@pytest.mark.parametrize("offload", [None, Offload(NONE), Offload(VALID)], ids=["nobody", "none", "valid"])
@pytest.mark.parametrize("what", MENDED)
@pytest.mark.parametrize("before", [half_open, established, closed_here])
def test_the_short_way_leads_where_the_long_one_does(before, what, offload):
    for said in SAID.values():
        ends = []
        for on in (True, False):
            end = Conversation()
            end.begin(fast_path=on, **STAMPED)
            before(end)
            stamp = "" if said.startswith("S") else " <nop,nop,TS val 5 ecr 0>"
            segment = notation.parse_segment(said + stamp)
            frame = end.frame(segment, stream(segment.seq, segment.length) if segment.length else b"")
            end.interface.input(bytes(MENDED[what](bytearray(frame))), offload)
            end.flush()
            ends.append(seen(end))
        assert ends[0] == ends[1], said


def test_a_connection_is_known_from_its_syn_to_its_end():
    end = Conversation()
    end.begin(**STAMPED)
    half_open(end)
    assert len(end.stack.tcp.flows) == 1
    end.gets(". 1:1(0) ack 1 <nop,nop,TS val 2 ecr 0>")
    end.accepts()
    end.gets("F. 1:1(0) ack 1 <nop,nop,TS val 3 ecr 0>")
    end.close()
    assert len(end.stack.tcp.flows) == 1
    end.gets(". 2:2(0) ack 2 <nop,nop,TS val 4 ecr 0>")
    assert not end.stack.tcp.flows


def test_what_is_in_time_wait_is_known_no_longer():
    end = Conversation()
    end.begin(**STAMPED)
    closed_here(end)
    end.gets("F. 1:1(0) ack 2 <nop,nop,TS val 4 ecr 0>")
    assert len(end.stack.tcp.connections) == 1
    assert not end.stack.tcp.flows


def test_without_the_fast_path_nothing_is_known_by_its_flow():
    end = Conversation()
    end.begin(fast_path=False, **STAMPED)
    established(end)
    assert not end.stack.tcp.flows
