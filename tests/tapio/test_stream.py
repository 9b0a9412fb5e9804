from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest

from netif.wire import ethernet
from tapio import UnixWire, WireError

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lan")


@pytest.fixture
def come(path, make_port, want):
    """`come(mac)`: the next host comes to the wire and opens its driver; all are closed at the end."""
    made = []

    def come(mac):
        driver = UnixWire(path)
        made.append(driver)
        driver.port = make_port()
        driver.open(want(mac), driver.port)
        for other in made:
            drain(other)
        return driver

    yield come
    for driver in made:
        driver.close()


@pytest.fixture
def stranger(path):
    """A bare socket on the wire, as QEMU would have it: `.send(frame)`, `.receive()`."""
    made = []

    def stranger():
        made.append(Stranger(path))
        return made[-1]

    yield stranger
    for one in made:
        one.socket.close()


class Stranger:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(path)

    def send(self, frame):
        self.socket.sendall(struct.pack("!I", len(frame)) + frame)

    def receive(self):
        (length,) = struct.unpack("!I", self.exactly(4))
        return self.exactly(length)

    def exactly(self, length):
        return self.socket.recv(length, socket.MSG_WAITALL)


def drain(driver):
    taken = []
    while (item := driver.receive()) is not None:
        taken.append(item[0])
    return taken


class TestTheWire:
    def test_three_hosts_hear_each_other_and_learn(self, come, frames):
        a, b, c = come(A), come(B), come(C)
        assert (a.first, b.first, c.first) == (True, False, False)
        broadcast = frames.plain(b"who?", dst=ethernet.BROADCAST, src=B)
        b.transmit((broadcast,), None)
        assert (drain(a), drain(c), drain(b)) == ([broadcast], [broadcast], [])
        answer = frames.plain(b"me", dst=B, src=C)
        c.transmit((answer,), None)
        assert (drain(a), drain(b)) == ([], [answer])

    def test_the_switch_knows_that_it_is_shared_between_processes(self, come):
        assert come(A).shared_wire

    def test_segments_alone_are_granted(self, come, want):
        for mac in (A, B):
            driver = come(mac)
            granted = driver.open(want(mac, mtu=9000), driver.port)
            assert (granted.mtu, granted.gso_max) == (9000, 9000)
            assert (granted.tx_checksum, granted.rx_checksum) == (False, False)

    def test_the_framing_is_qemus(self, come, stranger, frames):
        a = come(A)
        qemu = stranger()
        drain(a)
        hello = frames.plain(b"hello", dst=A, src=B)
        qemu.send(hello)
        assert drain(a) == [hello]
        back = frames.plain(b"back", dst=B, src=A)
        a.transmit((back[:14], back[14:]), None)
        assert qemu.receive() == back

    def test_a_frame_may_come_a_byte_at_a_time(self, come, stranger, frames):
        a, qemu = come(A), stranger()
        hello = frames.plain(b"hello", dst=A, src=B)
        stream = struct.pack("!I", len(hello)) + hello
        for n in range(len(stream)):
            assert drain(a) == []
            qemu.socket.send(stream[n : n + 1])
        assert drain(a) == [hello]

    def test_a_slow_reader_loses_frames_and_the_others_do_not_wait(self, come, stranger, frames):
        a, b, slow = come(A), come(B), stranger()
        drain(a)
        slow.send(frames.plain(b"here", dst=A, src=C))
        drain(a), drain(b)
        big = frames.plain(bytes(60_000), dst=C, src=A)
        assert all(a.transmit((big,), None) for _ in range(300))
        hello = frames.plain(b"hello", dst=B, src=A)
        b.transmit((frames.plain(dst=A, src=B),), None)
        drain(a)
        a.transmit((hello,), None)
        assert drain(b)[-1] == hello
        heard = [slow.receive()]
        drain(a)
        heard.append(slow.receive())
        assert heard == [big, big]

    def test_a_member_is_told_to_wait_and_to_go_on(self, come, frames):
        a, b = come(A), come(B)
        b.transmit((frames.plain(dst=A, src=B),), None)
        drain(a)
        big = frames.plain(bytes(60_000), dst=A, src=B)
        sent = 0
        while b.transmit((big,), None):
            sent += 1
            assert sent < 1000
        assert b.wants_write()
        assert b.port.watched
        assert b.port.room == 0
        heard = len(drain(a))
        b.advance(0.0)
        assert b.port.room == 1
        assert not b.wants_write()
        heard += len(drain(a))
        assert heard == sent


class TestGoingAway:
    def test_a_member_that_goes_takes_its_port_along(self, come, frames):
        a, b = come(A), come(B)
        b.transmit((frames.plain(dst=A, src=B),), None)
        drain(a)
        b.close()
        assert drain(a) == []
        assert all(a.transmit((frames.plain(bytes(1000), dst=B, src=A),), None) for _ in range(10))
        again = come(B)
        a.transmit((frames.plain(b"again", dst=B, src=A),), None)
        assert len(drain(again)) == 1

    def test_what_was_sent_before_the_switch_went_still_arrives(self, come, frames):
        a, b = come(A), come(B)
        last = frames.plain(b"farewell", dst=ethernet.BROADCAST, src=A)
        a.transmit((last,), None)
        a.close()
        assert b.receive()[0] == last
        assert (b.receive(), b.first) == (None, True)

    def test_it_still_arrives_when_others_go_on_sending_to_who_went(self, come, frames):
        a, b = come(A), come(B)
        b.transmit((frames.plain(dst=A, src=B),), None)
        drain(a)
        last = frames.plain(b"farewell", dst=A, src=B)
        b.transmit((last,), None)
        b.close()
        for _ in range(3):
            assert a.transmit((frames.plain(dst=B, src=A),), None)
        assert drain(a) == [last]

    def test_it_still_arrives_at_a_member_that_goes_on_sending(self, come, frames):
        a, b = come(A), come(B)
        last = frames.plain(b"farewell", dst=ethernet.BROADCAST, src=A)
        a.transmit((last,), None)
        a.close()
        for _ in range(3):
            assert b.transmit((frames.plain(),), None)
        assert b.receive()[0] == last
        assert (b.receive(), b.first) == (None, True)

    def test_garbage_ends_the_one_who_sent_it_alone(self, come, stranger, frames):
        a, b, rude = come(A), come(B), stranger()
        drain(a)
        rude.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        drain(a)
        assert rude.socket.recv(10) == b""
        hello = frames.plain(b"hello", dst=A, src=B)
        b.transmit((hello,), None)
        assert drain(a) == [hello]

    def test_half_a_frame_and_then_the_end(self, come, stranger):
        a, rude = come(A), stranger()
        rude.socket.sendall(struct.pack("!I", 1000) + b"half")
        drain(a)
        rude.socket.close()
        assert drain(a) == []


class TestComingFirst:
    def test_a_stale_socket_is_replaced(self, path, come):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(path)
        dead.close()
        assert come(A).first
        assert not come(B).first

    def test_what_a_killed_process_left_is_replaced(self, path, come):
        program = (
            "import os, sys; sys.path[:0] = sys.argv[2:]; from tapio import UnixWire;"
            " wire = UnixWire(sys.argv[1]); print(wire.first, flush=True); os.kill(os.getpid(), 9)"
        )
        said = subprocess.run(
            [sys.executable, "-c", program, path, *sys.path], capture_output=True, text=True, timeout=30
        )
        assert said.stdout == "True\n", said.stderr
        assert os.path.exists(path)
        assert come(A).first

    def test_of_many_who_come_at_once_one_is_first(self, path):
        for _ in range(20):
            made, start = [], threading.Barrier(6)

            def one(made=made, start=start):
                start.wait()
                made.append(UnixWire(path))

            threads = [threading.Thread(target=one) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [wire.first for wire in made].count(True) == 1
            for wire in made:
                wire.close()
            assert not os.path.exists(path)

    def test_closing_leaves_a_successors_socket_alone(self, path, come):
        a = come(A)
        os.unlink(path)
        b = come(B)
        assert b.first
        a.close()
        assert os.path.exists(path)

    @pytest.mark.parametrize(
        ("name", "code", "said"),
        [
            ("no/such/place", errno.ENOENT, "there is no directory"),
            ("file", errno.EEXIST, "no socket"),
            ("x" * 200, errno.ENAMETOOLONG, "107 bytes"),
            ("datagrams", errno.EPROTOTYPE, "another kind"),
        ],
    )
    def test_what_cannot_be_is_said_in_one_line(self, tmp_path, name, code, said):
        (tmp_path / "file").write_text("precious")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(str(tmp_path / "datagrams"))
            with pytest.raises(WireError, match=said) as caught:
                UnixWire(tmp_path / name)
        assert caught.value.errno == code
        assert "\n" not in str(caught.value)
        assert (tmp_path / "file").read_text() == "precious"
