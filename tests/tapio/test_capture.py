from __future__ import annotations

import io
import logging
import shutil
import subprocess

import attrs
import pytest
from scapy.utils import RawPcapNgReader

from netif.link import PARTIAL, VALID, Medium, Offload
from netif.wire import checksum, tcp
from netif.wire.segment import finish
from tapio import PcapngWriter, Sniff, TextTrace, Wrapper, pair
from tests.tapio.conftest import frames_of


class Notes:
    """A sink that keeps what it is handed."""

    def __init__(self):
        self.frames = []
        self.flushed = 0

    def frame(self, direction, when, buffers, offload, interface):
        self.frames.append((direction, when, b"".join(buffers), offload, interface))

    def flush(self):
        self.flushed += 1


class Bare(Wrapper):
    """A wire of any medium, to nowhere."""

    def __init__(self):
        super().__init__(pair()[0])

    medium = Medium.POINT_TO_POINT

    def open(self, want, port):
        return attrs.evolve(self.driver.open(want, port), medium=self.medium)


@pytest.fixture
def sniffed(make_port, want):
    """`sniffed(*sinks, **options)`: (the sniffing driver, the other end of its pair)."""

    def sniffed(*sinks, queue=1000, **options):
        near, far = pair(queue=queue)
        driver = Sniff(near, *sinks, **options)
        driver.open(want(), make_port())
        far.open(want(), make_port())
        return driver, far

    return sniffed


@pytest.fixture
def tshark(tmp_path):
    """What tshark says of a capture, one list of fields a packet."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed here, and it is the judge")

    def tshark(file, *fields):
        argv = ["tshark", "-r", str(file), "-T", "fields", "-o", "tcp.check_checksum:TRUE"]
        for field in fields:
            argv += ["-e", field]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
        return [line.split("\t") for line in said.splitlines()]

    return tshark


class TestSniff:
    def test_what_passes_is_noted_with_direction_time_and_name(self, sniffed, runtime):
        notes = Notes()
        driver, far = sniffed(notes, name="eth7")
        driver.transmit((b"there", b" it goes"), None)
        runtime.time = 1.5
        far.transmit((b"and back",), Offload(VALID))
        assert far.receive()[0] == b"there it goes"
        assert driver.receive() == (b"and back", Offload(VALID))
        assert driver.receive() is None
        assert notes.frames == [
            ("out", 0.0, b"there it goes", None, "eth7"),
            ("in", 1.5, b"and back", Offload(VALID), "eth7"),
        ]

    def test_what_is_refused_is_noted_once_it_is_taken(self, sniffed):
        notes = Notes()
        driver, far = sniffed(notes, queue=1)
        assert driver.transmit((b"one",), None)
        assert not driver.transmit((b"two",), None)
        assert len(notes.frames) == 1
        far.receive()
        assert driver.transmit((b"two",), None)
        assert len(notes.frames) == 2

    def test_partial_frames_are_noted_as_they_are(self, sniffed, frames):
        notes = Notes()
        driver, _ = sniffed(notes)
        buffers, offload = frames.tcp(bytes(5000), gso=1448)
        driver.transmit(buffers, offload)
        assert notes.frames[0][2:4] == (b"".join(buffers), offload)

    def test_or_finished_when_asked(self, sniffed, frames):
        notes = Notes()
        driver, far = sniffed(notes, finish=True)
        buffers, offload = frames.tcp(bytes(5000), gso=1448)
        driver.transmit(buffers, offload)
        assert notes.frames[0][2:4] == (finish(buffers, offload), Offload(VALID, 0, 0, 1448))
        assert far.receive() == (b"".join(buffers), offload)

    def test_what_cannot_be_finished_is_noted_as_it_is(self, sniffed):
        notes = Notes()
        driver, _ = sniffed(notes, finish=True)
        driver.transmit((b"short",), Offload(PARTIAL, 34, 16))
        assert notes.frames[0][2] == b"short"

    def test_bare_packets_are_said_to_be_so(self, make_port, want):
        """LINKTYPE_RAW (101); the same name on another medium is another interface of the file."""
        packet = frames_of(Medium.POINT_TO_POINT).plain(b"hello")
        file, text = io.BytesIO(), io.StringIO()
        wire = Bare()
        driver = Sniff(wire, PcapngWriter(file), TextTrace(text), name="tun0")
        for wire.medium in (Medium.POINT_TO_POINT, Medium.ETHERNET):
            driver.open(want(), make_port())
            driver.transmit((packet,), None)
        file.seek(0)
        read = RawPcapNgReader(file)
        assert [(data, metadata.linktype) for data, metadata in read] == [(packet, 101), (packet, 1)]
        assert text.getvalue().splitlines()[0] == " 0.000000 tun0 Out 10.0.0.1 > 10.0.0.2: proto 253 (5)"

    def test_a_sink_that_fails_is_given_up_and_the_wire_goes_on(self, sniffed, caplog):
        class Full:
            def frame(self, *_):
                raise OSError(28, "No space left on device")

        notes = Notes()
        driver, far = sniffed(Full(), notes)
        with caplog.at_level(logging.WARNING):
            assert driver.transmit((b"one",), None)
            assert driver.transmit((b"two",), None)
        assert far.receive()[0] == b"one"
        assert len(notes.frames) == 2
        assert caplog.text.count("No space left") == 1

    def test_closing_flushes(self, sniffed):
        notes = Notes()
        driver, _ = sniffed(notes, TextTrace(io.StringIO()))
        driver.close()
        driver.close()
        assert notes.flushed >= 1


class TestPcapng:
    def test_scapy_reads_it_back(self, sniffed, tmp_path, runtime):
        file = tmp_path / "a.pcapng"
        with PcapngWriter(file, epoch=1_700_000_000.0) as writer:
            driver, far = sniffed(writer, name="eth7")
            for n in range(5):
                runtime.time = n / 8
                driver.transmit((b"frame", b"." * n), None)
                far.transmit((b"back" + b"!" * n,), None)
                driver.receive()
        with RawPcapNgReader(str(file)) as reader:
            read = list(reader)
        expected = [b"frame" + b"." * (n // 2) if n % 2 == 0 else b"back" + b"!" * (n // 2) for n in range(10)]
        assert [data for data, _ in read] == expected
        assert {meta.linktype for _, meta in read} == {1}
        times = [((meta.tshigh << 32) + meta.tslow) / meta.tsresol for _, meta in read]
        assert times == pytest.approx([1_700_000_000 + n // 2 / 8 for n in range(10)], abs=1e-6)

    def test_tshark_sees_interfaces_directions_times_and_comments(self, sniffed, frames, tmp_path, runtime, tshark):
        file = tmp_path / "a.pcapng"
        writer = PcapngWriter(file)
        one, other = sniffed(writer, name="client"), sniffed(writer, name="server")
        one[0].transmit(*frames.tcp(b"hello"))
        runtime.time = 0.25
        other[1].transmit(*frames.tcp(bytes(3000), gso=1448))
        other[0].receive()
        writer.frame("out", 0.5, (frames.udp(b"!"),), None, "client", "said aloud")
        writer.close()
        assert tshark(
            file, "frame.interface_name", "frame.packet_flags_direction", "frame.time_relative", "frame.comment"
        ) == [
            ["client", "0x00000002", "0.000000000", ""],
            ["server", "0x00000001", "0.250000000", "super-frame, 1448 bytes a segment, checksum left to the receiver"],
            ["client", "0x00000002", "0.500000000", "said aloud"],
        ]

    def test_finished_frames_bear_checksums_that_tshark_finds_right(self, sniffed, frames, tmp_path, tshark):
        file = tmp_path / "a.pcapng"
        with PcapngWriter(file) as writer:
            driver, _ = sniffed(writer, finish=True)
            driver.transmit(*frames.tcp(b"hello"))
            driver.transmit(*frames.tcp(bytes(range(250)) * 4))
            driver.transmit(*frames.tcp(bytes(range(250)) * 40, gso=1448))
        assert tshark(file, "tcp.checksum.status", "_ws.malformed") == [["1", ""]] * 3

    def test_the_same_frames_give_the_same_bytes(self, sniffed, frames):
        def capture():
            file = io.BytesIO()
            driver, _ = sniffed(PcapngWriter(file))
            driver.transmit(*frames.tcp(b"hello"))
            driver.close()
            return file.getvalue()

        assert capture() == capture()

    def test_a_file_that_was_given_stays_open(self):
        file = io.BytesIO()
        PcapngWriter(file).close()
        assert not file.closed

    def test_closing_twice_and_writing_afterwards_harm_no_wire(self, sniffed, tmp_path):
        writer = PcapngWriter(tmp_path / "a.pcapng")
        driver, far = sniffed(writer)
        writer.close()
        writer.close()
        assert driver.transmit((b"unseen",), None)
        assert far.receive()[0] == b"unseen"


class TestTextTrace:
    def test_a_line_a_frame_in_the_one_notation(self, sniffed, frames, runtime):
        said = io.StringIO()
        runtime.time = 100.0
        driver, far = sniffed(TextTrace(said), name="client")
        driver.transmit(*frames.tcp(flags=tcp.SYN, seq=5000))
        runtime.time = 100.02
        far.transmit(*frames.tcp(b"hello", seq=5001))
        driver.receive()
        assert said.getvalue().splitlines() == [
            " 0.000000 client Out 10.0.0.1.1000 > 10.0.0.2.7: S 0:0(0) win 512",
            " 0.020000 client In  10.0.0.1.1000 > 10.0.0.2.7: . 1:6(5) ack 1 win 512",
        ]


def test_what_is_finished_verifies(frames):
    buffers, offload = frames.tcp(bytes(range(250)) * 8)
    frame = finish(buffers, offload)
    here, there = frame[26:30], frame[30:34]
    assert checksum.verify(frame, 34, len(frame), checksum.pseudo_header(here, there, 6, len(frame) - 34))
