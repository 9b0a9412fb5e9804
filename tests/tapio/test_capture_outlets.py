"""Captures in several files, and for a reader who watches them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time

import pytest

from netif.link import Medium
from tapio import PcapngWriter, RotatingPcapng, Sniff, frames_of, pair
from tapio.capture.live import Live, live_into, live_to


class TestRotation:
    def write(self, sink, count):
        for n in range(count):
            sink.frame("out", n * 1.0, (b"frame %d" % n,), None, "tun0", "said")

    def test_a_file_that_is_full_is_followed_by_another_and_each_is_whole(self, tmp_path):
        sink = RotatingPcapng(tmp_path / "x.pcapng", rotate_bytes=300)
        sink.opened("tun0", Medium.POINT_TO_POINT)
        self.write(sink, 20)
        sink.close()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names[0] == "x-00001.pcapng"
        assert len(names) > 3
        frames = [frame for name in names for frame in frames_of(tmp_path / name)]
        assert [frame.frame for frame in frames] == [b"frame %d" % n for n in range(20)]
        assert {(frame.interface, frame.link_type, frame.comment) for frame in frames} == {("tun0", 101, "said")}
        assert max(path.stat().st_size for path in tmp_path.iterdir()) < 300 + 100

    def test_by_time_and_the_last_ones_stay(self, tmp_path):
        sink = RotatingPcapng(tmp_path / "x.pcapng", rotate_seconds=4, keep=2)
        self.write(sink, 20)
        sink.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x-00004.pcapng", "x-00005.pcapng"]
        assert [frame.time // 1_000_000_000 for frame in frames_of(sink.files[0])] == [12, 13, 14, 15]

    def test_tshark_reads_each_with_its_comments(self, tmp_path):
        if shutil.which("tshark") is None:
            pytest.skip("tshark is not installed here, and it is the judge")
        sink = RotatingPcapng(tmp_path / "x.pcapng", rotate_bytes=1000)
        self.write(sink, 20)
        sink.close()
        for path in sink.files:
            argv = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.comment"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
            assert set(done.stdout.splitlines()) == {"said"}

    def test_amounts_that_make_no_sense_are_told(self, tmp_path):
        with pytest.raises(ValueError, match="keep: 0 is not more than 0"):
            RotatingPcapng(tmp_path / "x", keep=0)
        assert list(tmp_path.iterdir()) == []


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class TestLive:
    def test_a_program_reads_a_whole_capture(self, tmp_path):
        live = live_into(f"sh -c 'cat > {tmp_path}/seen'")
        writer = PcapngWriter(live)
        for n in range(100):
            writer.frame("in", n * 1.0, (bytes(1000),), None, "a", f"number {n}")
        live.close()
        live.close()
        until(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").stat().st_size >= writer.size)
        assert [frame.comment for frame in frames_of(tmp_path / "seen")] == [f"number {n}" for n in range(100)]

    def test_a_program_that_is_not_there_is_an_os_error(self):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(FileNotFoundError, match="no-such-shark: No such file"):
            live_into("no-such-shark -k")
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_fifo_wants_a_reader_first(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(OSError, match="nobody reads it yet: start wireshark -k -i"):
            live_to(str(tmp_path / "fifo"))
        reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        live = live_to(str(tmp_path / "fifo"))
        PcapngWriter(live)
        live.close()
        assert os.read(reading, 4) == b"\x0a\x0d\x0d\x0a"
        os.close(reading)

    def test_a_file_is_none(self, tmp_path):
        assert live_to(str(tmp_path / "x")) is None
        (tmp_path / "x").touch()
        assert live_to(str(tmp_path / "x")) is None

    def test_a_slow_reader_blocks_nobody_and_what_it_misses_is_counted(self, caplog):
        reading, writing = os.pipe()
        live = Live(writing, "slow", queue_bytes=50_000)
        writer = PcapngWriter(live)
        for n in range(1000):
            writer.frame("in", n * 1.0, (bytes(1000),), None, f"if{n % 3}")
        assert live.dropped > 700
        read = []
        taking = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(reading, 65536), b"")))
        taking.start()
        live.close()
        taking.join()
        assert f"slow: {live.dropped} frames found no room" in caplog.text
        os.close(reading)
        with open(os.memfd_create("capture"), "w+b") as file:
            file.write(b"".join(read))
            file.seek(0)
            frames = list(frames_of(file))
        assert len(frames) == 1000 - live.dropped
        assert {frame.interface for frame in frames} == {"if0", "if1", "if2"}

    def test_a_reader_that_has_gone_ends_the_capture_with_one_warning_and_not_the_wire(self, make_port, want, caplog):
        reading, writing = os.pipe()
        live = Live(writing, "gone")
        near, far = pair()
        driver = Sniff(near, PcapngWriter(live))
        driver.open(want(), make_port())
        far.open(want(), make_port())
        os.close(reading)

        def given_up():
            assert driver.transmit((bytes(100),), None)
            far.receive()
            return not driver.sinks

        until(given_up)
        assert driver.transmit((b"after",), None)
        assert far.receive()[0] == b"after"
        assert [record.getMessage().count("its reader has gone") for record in caplog.records] == [1]
        driver.close()
        live.close()
