"""What `QemuStream` and `QemuDgram` do with whoever is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapio import QemuDgram, QemuStream, WireError
from tapio.wire import FRAME_MAX


@pytest.fixture
def listening(tmp_path, make_port, want):
    driver = QemuStream(str(tmp_path / "qemu"), listen=True)
    driver.open(want(), make_port())
    yield driver
    driver.close()


@pytest.fixture
def guest(listening):
    """`guest()`: somebody connects, as QEMU would, and is heard."""
    made = []

    def guest():
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].settimeout(5)
        made[-1].connect(listening.address)
        drain(listening)
        return made[-1]

    yield guest
    for one in made:
        one.close()


def framed(frame):
    return struct.pack("!I", len(frame)) + frame


def drain(driver):
    taken = []
    for _ in range(3):
        while (item := driver.receive()) is not None:
            taken.append(bytes(item[0]))
    return taken


class TestListening:
    def test_one_guest_after_another(self, listening, guest, frames):
        frame = frames.plain(b"from the guest")
        for number in range(1, 4):
            one = guest()
            one.sendall(framed(frame))
            assert drain(listening) == [frame]
            listening.transmit((frame,), None)
            assert one.recv(1000) == framed(frame)
            one.close()
            assert drain(listening) == []
            assert listening.guests == number
        assert listening.port.failures == []
        assert listening.malformed == 0

    def test_what_is_sent_to_nobody_is_lost_and_counted(self, listening, frames):
        assert listening.transmit((frames.plain(),), None) is True
        assert listening.lost == 1
        assert listening.fileno() is not None

    def test_a_second_guest_waits_for_the_first_to_go(self, listening, guest, frames):
        first = guest()
        second = guest()
        frame = frames.plain(b"later")
        second.sendall(framed(frame))
        assert drain(listening) == []
        first.close()
        assert drain(listening) == [frame]

    def test_nobody_else_may_listen_there(self, listening):
        with pytest.raises(WireError, match="somebody is there already") as caught:
            QemuStream(listening.address, listen=True)
        assert caught.value.errno == errno.EADDRINUSE

    def test_closing_takes_the_socket_away(self, listening):
        listening.close()
        assert not os.path.exists(listening.address)
        assert listening.fileno() is None

    def test_a_guest_that_never_reads_is_full_and_no_more(self, listening, guest, frames):
        one = guest()
        frame = frames.plain(bytes(60_000))
        sent = 0
        while listening.transmit((frame,), None):
            sent += 1
            assert sent < 1000
        one.close()
        drain(listening)
        assert listening.port.room == 1  # for whoever comes next


class TestLies:
    @pytest.mark.parametrize("length", [FRAME_MAX + 1, 1 << 20, 1 << 31, (1 << 32) - 1])
    def test_a_length_that_no_frame_has_ends_the_connection(self, listening, guest, frames, length, caplog):
        rude = guest()
        frame = frames.plain(b"before")
        rude.sendall(framed(frame) + struct.pack("!I", length) + bytes(100))
        assert drain(listening) == [frame]
        with pytest.raises(ConnectionError):
            rude.sendall(b"more")
        assert listening.malformed == 1
        (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert f"a frame of {length} bytes" in said
        assert "\n" not in said
        polite = guest()
        polite.sendall(framed(frame))
        assert drain(listening) == [frame]

    @pytest.mark.parametrize("length", [0, 1, 13])
    def test_a_frame_shorter_than_its_header_is_left_out(self, listening, guest, frames, length):
        one = guest()
        frame = frames.plain(b"whole")
        one.sendall(framed(bytes(length)) * 3 + framed(frame))
        assert drain(listening) == [frame]
        assert listening.malformed == 3

    def test_half_a_frame_and_then_the_end_is_counted(self, listening, guest):
        one = guest()
        one.sendall(struct.pack("!I", 1000) + b"half")
        one.close()
        assert drain(listening) == []
        assert listening.malformed == 1

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(pieces=st.lists(st.binary(max_size=60) | st.integers(0, 2000).map(lambda n: framed(bytes(n))), max_size=8))
    def test_any_bytes_in_any_pieces(self, listening, guest, frames, pieces):
        one = guest()
        try:
            for piece in pieces:
                one.sendall(piece)
                assert all(14 <= len(frame) <= FRAME_MAX for frame in drain(listening))
        except ConnectionError:
            pass
        one.close()
        drain(listening)
        whole = frames.plain(b"fine")
        other = guest()
        other.sendall(framed(whole))
        assert drain(listening) == [whole]
        other.close()
        drain(listening)
        assert listening.port.failures == []


class TestConnecting:
    def test_the_end_of_the_other_end_is_told_and_it_is_reached_again(self, listening, make_port, want, frames):
        near = QemuStream(listening.address)
        near.open(want(), make_port())
        drain(listening)
        listening.close()
        with pytest.raises(WireError, match="the other end is gone"):
            drain(near)
        with pytest.raises(WireError, match="nobody listens there"):
            near.open(want(), make_port())
        again = QemuStream(listening.address, listen=True)
        again.open(want(), make_port())
        near.open(want(), make_port())
        frame = frames.plain(b"again")
        near.transmit((frame,), None)
        assert drain(again) == [frame]
        near.close()
        again.close()

    @pytest.mark.parametrize(
        ("address", "code", "said"),
        [
            ("127.0.0.1:1", errno.ECONNREFUSED, "nobody listens there"),
            ("127.0.0.1:70000", errno.EINVAL, "up to 65535"),
            ("no/such", errno.ECONNREFUSED, "nobody listens there"),
            ("x" * 200, errno.ENAMETOOLONG, "107 bytes"),
        ],
    )
    def test_what_cannot_be_is_said_in_one_line(self, address, code, said):
        with pytest.raises(WireError, match=said) as caught:
            QemuStream(address)
        assert caught.value.errno == code
        assert "\n" not in str(caught.value)


class TestDatagrams:
    @pytest.fixture
    def ends(self, tmp_path, make_port, want):
        paths = str(tmp_path / "one"), str(tmp_path / "other")
        made = [QemuDgram(*paths), QemuDgram(*reversed(paths))]
        for each in made:
            each.port = make_port()
            each.open(want(), each.port)
        yield made
        for each in made:
            each.close()

    def test_a_datagram_is_a_frame(self, ends, frames):
        one, other = ends
        frame = frames.plain(b"one")
        assert one.transmit((frame[:14], frame[14:]), None)
        assert drain(other) == [frame]

    def test_what_is_no_frame_is_counted(self, ends, frames, tmp_path):
        one, _ = ends
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as rude:
            for size in (0, 13, FRAME_MAX + 1):
                rude.sendto(bytes(size), str(one.local))
            assert drain(one) == []
            assert one.malformed == 3

    def test_a_reader_that_is_slow_holds_us_up(self, ends, frames):
        one, other = ends
        sent = 0
        while one.transmit((frames.plain(bytes(1000)),), None):
            sent += 1
            assert sent < 100_000
        assert one.lost == 0
        assert len(drain(other)) == sent
        one.advance(one.port.deadline)
        assert one.port.room == 1
        assert one.transmit((frames.plain(),), None)

    def test_a_reader_that_never_reads_costs_frames_and_little_time(self, ends, frames):
        one, _ = ends
        waits = 0
        for _ in range(5000):
            if not one.transmit((frames.plain(bytes(1000)),), None):
                waits += 1
                one.advance(one.port.deadline)
        assert waits < 20
        assert one.lost > 1000

    def test_nobody_there_is_no_fault(self, tmp_path, frames, make_port, want):
        one = QemuDgram(str(tmp_path / "nobody"), str(tmp_path / "one"))
        one.open(want(), make_port())
        assert one.transmit((frames.plain(),), None)
        assert one.lost == 1
        one.close()
        assert os.listdir(tmp_path) == []

    def test_a_stale_socket_is_replaced_and_a_live_one_is_not(self, ends, tmp_path):
        one, _ = ends
        with pytest.raises(WireError, match="somebody is there already"):
            QemuDgram("/nowhere", str(one.local))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
            dead.bind(str(tmp_path / "stale"))
        QemuDgram("/nowhere", str(tmp_path / "stale")).close()
        assert not os.path.exists(tmp_path / "stale")

    def test_both_ends_are_of_one_kind(self, tmp_path):
        with pytest.raises(WireError, match="two paths, or two ports"):
            QemuDgram("127.0.0.1:5000", str(tmp_path / "one"))
