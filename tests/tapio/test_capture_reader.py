"""Capture files of either format and byte order, whole, damaged and made up."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netif.link import Offload
from tapio import CaptureError, PcapngWriter, frames_of


def classic(order="<", magic=0xA1B2C3D4, frames=((1, 500_000, b"hello"),), network=1):
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, network)
    return head + b"".join(struct.pack(order + "IIII", s, f, len(d), len(d)) + d for s, f, d in frames)


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order="<"):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order="<", link_type=1, snap=0, **options):
    codes = {"name": 2, "tsresol": 9, "tsoffset": 14}
    said = b"".join(option(order, codes[name], value) for name, value in options.items())
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snap) + said)


def enhanced(order="<", frame=b"hello", ticks=0, number=0, said=b""):
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(order, 6, head + frame + bytes(-len(frame) % 4) + said)


def read(data):
    return list(frames_of(io.BytesIO(data)))


def outcome(data):
    """The frames, and the complaint that ended them."""
    seen = []
    try:
        seen.extend(frames_of(io.BytesIO(data)))
    except CaptureError as error:
        return seen, str(error)
    return seen, None


@pytest.fixture(scope="module")
def whole():
    """A capture of ours with interfaces, directions and comments."""
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for n in range(3):
        writer.frame("out", n / 4, (b"frame %d" % n,), None, "a", "a comment")
        writer.frame("in", n / 4 + 0.1, (bytes(70 + n),), Offload(gso_size=9), f"b{n}")
    return file.getvalue()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "nanoseconds"), [(0xA1B2C3D4, 1_500_000_000), (0xA1B23C4D, 1_000_500_000)])
def test_classic_files_have_either_order_and_resolution(order, magic, nanoseconds):
    (frame,) = read(classic(order, magic))
    assert (frame.time, frame.frame, frame.length, frame.link_type) == (nanoseconds, b"hello", 5, 1)
    assert (frame.number, frame.direction, frame.comment) == (1, None, "")


@pytest.mark.parametrize("order", "<>")
def test_an_enhanced_packet_says_when_where_and_why(order):
    """draft-ietf-opsawg-pcapng 4.3."""
    said = option(order, 2, struct.pack(order + "I", 2)) + option(order, 1, b"one") + option(order, 1, b"two")
    names = interface(order, name=b"eth7", tsresol=b"\x09")
    (frame,) = read(section(order) + names + enhanced(order, ticks=5, said=said))
    assert (frame.time, frame.direction, frame.interface, frame.comment) == (5, "out", "eth7", "one\ntwo")


@pytest.mark.parametrize(
    ("options", "time"),
    [
        ({}, 1024_000),
        ({"tsresol": b"\x00"}, 1024_000_000_000),
        ({"tsresol": b"\x8a"}, 1_000_000_000),
        ({"tsresol": b"\x7f"}, 0),
        ({"tsresol": b"\xff"}, 0),
        ({"tsresol": b"\x09", "tsoffset": struct.pack("<q", -7)}, 1024 - 7_000_000_000),
    ],
)
def test_resolution_and_offset_of_times_are_the_interfaces(options, time):
    """draft-ietf-opsawg-pcapng 4.2: if_tsresol, a power of ten or of two; if_tsoffset."""
    assert read(section() + interface(**options) + enhanced(ticks=1024))[0].time == time


def test_several_sections_have_their_own_interfaces_and_orders():
    one = section("<") + interface("<", name=b"a") + enhanced("<")
    other = section(">") + interface(">", name=b"b", link_type=101) + enhanced(">", b"other")
    assert [(f.interface, f.link_type, f.frame) for f in read(one + other)] == [
        ("a", 1, b"hello"),
        ("b", 101, b"other"),
    ]


def test_simple_and_obsolete_packets_are_read_and_unknown_blocks_are_not():
    simple = block("<", 3, struct.pack("<I", 9) + b"123456789")
    obsolete = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 8, 3, 60) + b"abc")
    unknown = block("<", 0x0BAD, bytes(200_000))
    frames = read(section() + unknown + interface(snap=4) + simple + obsolete)
    assert [(f.time, f.frame, f.length) for f in frames] == [(0, b"1234", 9), (8000, b"abc", 60)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "at byte 0: the file ends within its first four bytes: 0 of 4"),
        (b"GIF89a", "at byte 0: this is no capture: it begins with 0x47494638"),
        (classic()[:20], "at byte 4: the file ends within the file's header: 16 of 20"),
        (classic(frames=()).replace(b"\x02\0\x04\0", b"\x09\0\x04\0"), "at byte 4: version 9"),
        (section()[:9], "at byte 8: the file ends within a section header"),
        (section()[:8] + b"abcd" + section()[12:], "at byte 8: no byte-order magic of pcapng: 0x61626364"),
        (section()[:-4] + b"\x1d\0\0\0", "at byte 0: a block says that it has 28 bytes, and 29 at its end"),
        (section() + enhanced(), "at byte 28: a frame of interface 0, and 0 were described"),
        (section() + struct.pack("<II", 6, 8), "at byte 28: a block of type 6 cannot have 8 bytes"),
        (section() + struct.pack("<II", 6, 0xFFFFFFF0), "at byte 28: a block of 4294967280 bytes is longer than any"),
        (classic(frames=()) + struct.pack("<IIII", 0, 0, 1 << 31, 5), "at byte 24: a frame of 2147483648 bytes"),
    ],
)
def test_what_is_wrong_at_the_head_is_told_in_one_line(data, says):
    with pytest.raises(CaptureError) as told:
        read(data)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_a_block_that_lies_is_told_with_its_offset():
    good = section() + interface() + enhanced()
    lie = enhanced()
    lie = lie[:20] + struct.pack("<I", 77) + lie[24:]
    frames = frames_of(io.BytesIO(good + lie))
    assert next(frames).frame == b"hello"
    with pytest.raises(CaptureError, match=f"at byte {len(good)}: a frame of 77 bytes does not fit its block of 40"):
        next(frames)
    with pytest.raises(CaptureError, match="an option of 99 bytes reaches behind its block"):
        read(section() + interface() + enhanced(said=struct.pack("<HH", 1, 99)))


@pytest.mark.parametrize("make", ["pcapng", "classic"])
def test_truncated_at_every_byte_what_came_before_is_used(whole, make):
    data = whole if make == "pcapng" else classic(frames=[(n, 0, b"x" * n) for n in range(5)])
    expected = read(data)
    for end in range(len(data)):
        seen, complaint = outcome(data[:end])
        assert complaint is None or "at byte" in complaint
        assert seen == expected[: len(seen)]


@given(st.data())
def test_a_damaged_file_is_frames_or_one_complaint(whole, data):
    damaged = bytearray(data.draw(st.sampled_from([whole, classic(), classic(">"), section(">") + interface(">")])))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=6)):
        damaged[at] = value
    frames, complaint = outcome(bytes(damaged) + data.draw(st.binary(max_size=64)))
    assert sum(len(frame.frame) for frame in frames) <= len(damaged) + 64
    assert complaint is None or "\n" not in complaint


def test_a_long_file_takes_no_memory(tmp_path):
    path = tmp_path / "long.pcap"
    with open(path, "wb") as file:
        file.write(classic(frames=()))
        record = struct.pack("<IIII", 1, 0, 1400, 1400) + bytes(1400)
        for _ in range(300):
            file.write(record * 20)
    tracemalloc.start()
    assert sum(1 for _ in frames_of(path)) == 6000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 8 << 20
    assert peak < 1 << 20
