"""When the switch of `unix:PATH` leaves, another member is it, and the rest find that one."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from netif import Netif, Stack, ThreadedRuntime
from netif.wire import ethernet
from tapio import UnixWire, WireError
from tapio.stream.unix import PATIENCE

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2, 3))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lan")


@pytest.fixture
def come(path, make_port, want):
    made = []

    def come(mac):
        driver = UnixWire(path)
        made.append(driver)
        driver.port = make_port()
        driver.open(want(mac), driver.port)
        drain(*made)
        return driver

    yield come
    for driver in made:
        driver.close()


def drain(*drivers):
    """What each of them hears until all is quiet, as a runtime would have it: in turns."""
    taken = [[] for _ in drivers]
    for _ in range(4 + len(drivers)):
        for driver, heard in zip(drivers, taken, strict=True):
            while (item := driver.receive()) is not None:
                heard.append(item[0])
    return taken


def pass_time(driver, seconds):
    """Until then, as the port's clock has it; how often it wanted to be called."""
    port, calls, until = driver.port, 0, driver.port.runtime.time + seconds
    while port.deadline is not None and port.deadline <= until:
        port.runtime.time, port.deadline = port.deadline, None
        driver.advance(port.runtime.time)
        calls += 1
    port.runtime.time = until
    return calls


class TestOneIsTheSwitch:
    def test_one_of_two_becomes_it_and_the_other_joins_it(self, come, frames, path):
        a, b, c = come(A), come(B), come(C)
        a.close()
        drain(b, c)
        assert (b.first, c.first) == (True, False)
        frame = frames.plain(b"still there?", dst=C, src=B)
        b.transmit((frame,), None)
        answer = frames.plain(b"yes", dst=B, src=C)
        assert drain(b, c) == [[], [frame]]
        c.transmit((answer,), None)
        assert drain(b, c) == [[answer], []]
        assert os.path.exists(path)

    def test_who_is_last_takes_the_path_away(self, come, path):
        a, b = come(A), come(B)
        a.close()
        drain(b)
        b.close()
        assert not os.path.exists(path)

    def test_its_descriptor_is_told_to_the_runtime(self, come):
        a, b = come(A), come(B)
        while b.transmit((bytes(60_000),), None):
            pass
        before = b.port.watched
        a.close()
        drain(b)
        assert b.port.watched >= before + 2  # forgotten, and another
        assert b.fileno() is not None
        assert b.port.room  # who was told to wait goes on

    def test_one_who_comes_between_is_the_switch(self, come):
        a, b = come(A), come(B)
        a.close()
        c = UnixWire(a.path)
        assert c.first
        drain(b)
        assert not b.first
        c.close()

    def test_the_switch_knows_nothing_of_those_who_left_and_learns(self, come, frames):
        a, b, c = come(A), come(B), come(C)
        a.close()
        drain(b, c)
        unknown = frames.plain(b"whoever you are", dst=A, src=B)
        b.transmit((unknown,), None)
        assert drain(c) == [[unknown]]
        assert b.driver.switch.stations.keys() == {B}

    def test_a_dozen_times_in_a_row(self, come, frames):
        here = [come(bytes([2, 0, 0, 0, 1, n])) for n in range(13)]
        while len(here) > 1:
            here.pop(0).close()
            drain(*here)
            for one in here:  # whoever has heard nothing of a switch looks twice
                pass_time(one, 0.6)
            drain(*here)
            assert [one.first for one in here].count(True) == 1
            here.sort(key=lambda one: not one.first)
            hello = frames.plain(b"hello", dst=ethernet.BROADCAST, src=C)
            here[-1].transmit((hello,), None)
            heard = drain(*here)
            assert heard[:-1] == [[hello]] * (len(here) - 1)

    def test_of_many_who_want_it_at_once_it_is_one(self, tmp_path):
        for turn in range(10):
            runtime = ThreadedRuntime(strict=True)
            path = tmp_path / str(turn)
            first = UnixWire(path)
            hosts = [Stack(str(n), runtime=ThreadedRuntime(strict=True)) for n in range(5)]
            wires = [UnixWire(path) for _ in hosts]
            with Netif(first, stack=Stack("first", runtime=runtime), ip="10.0.0.99/24"):
                for number, (host, wire) in enumerate(zip(hosts, wires, strict=True)):
                    Netif(wire, stack=host, ip=f"10.0.0.{number + 1}/24")
                runtime.enter()
                first.close()
                runtime.leave()
            until(lambda wires=wires: all(wire.successions for wire in wires))
            assert [wire.first for wire in wires].count(True) == 1
            for host in hosts:
                host.close(0)
                host.runtime.close()
            runtime.close()


class TestNobodyCanBe:
    def test_it_fails_when_the_time_is_over_and_does_not_spin(self, come, path):
        a, b = come(A), come(B)
        a.close()
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX)  # somebody is at it, and never done
        drain(b)
        assert b.fileno() is None
        assert b.transmit((bytes(60),), None)
        assert b.lost == 1
        with pytest.raises(WireError, match=f"the switch is gone .*, and nobody .* within {PATIENCE:g} s") as caught:
            pass_time(b, 2 * PATIENCE)
        assert caught.value.errno == errno.ECONNRESET
        assert "\n" not in str(caught.value)
        os.close(directory)

    def test_the_tries_are_few(self, come, path):
        a, b = come(A), come(B)
        a.close()
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX)
        drain(b)
        assert pass_time(b, PATIENCE - 0.6) < 30
        os.close(directory)
        pass_time(b, 0.5)
        assert b.first

    def test_it_can_be_opened_again_after_that(self, come, path, make_port, want, frames):
        a, b = come(A), come(B)
        a.close()
        shutil.rmtree(os.path.dirname(path))
        with pytest.raises(WireError, match="no directory"):
            drain(b)
        port = make_port()
        with pytest.raises(WireError, match="no directory"):
            b.open(want(B), port)
        os.mkdir(os.path.dirname(path))
        b.open(want(B), port)
        c = come(C)
        drain(b)
        b.transmit((frames.plain(dst=ethernet.BROADCAST, src=B),), None)
        assert len(drain(c)[0]) == 1

    def test_one_who_listens_and_hangs_up_is_no_switch(self, come, path):
        a, b = come(A), come(B)
        a.close()
        with socket.socket(socket.AF_UNIX) as rude:
            rude.bind(path)
            rude.listen()
            rude.setblocking(False)

            def hang_up():
                try:
                    rude.accept()[0].close()
                except BlockingIOError:
                    pass

            drain(b)
            began = b.port.now()
            with pytest.raises(WireError, match="nobody could be it"):  # noqa: PT012 - until it comes
                while b.port.now() - began < 2 * PATIENCE:
                    hang_up()
                    drain(b)
                    pass_time(b, 0.05)
            assert b.port.now() - began >= PATIENCE
            assert b.successions < 40


def until(condition, patience=10.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Transfer:
    """Two hosts on the wire, each with a runtime of its own, and a connection that one sends over without end."""

    def __init__(self, path):
        self.runtimes = [ThreadedRuntime(strict=True) for _ in range(2)]
        self.hosts = [Stack(name, runtime=runtime) for name, runtime in zip(("one", "two"), self.runtimes, strict=True)]
        self.wires = [UnixWire(path) for _ in self.hosts]
        for number, (host, wire) in enumerate(zip(self.hosts, self.wires, strict=True)):
            Netif(wire, stack=host, ip=f"10.0.0.{number + 1}/24")
        with self.hosts[1].create_server(("", 7)) as listener:
            self.source = self.hosts[0].create_connection(("10.0.0.2", 7), timeout=10)
            self.source.settimeout(30)
            self.sink = listener.accept()[0]
        self.sink.settimeout(30)
        self.heard = 0
        self.over = False
        self.threads = [threading.Thread(target=self._send), threading.Thread(target=self._read)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        sent = 0
        while not self.over:
            self.source.sendall(b"".join((n % 997).to_bytes(2, "big") for n in range(sent, sent + 2000)))
            sent += 2000
        self.source.close()

    def _read(self):
        left = b""
        count = 0
        while data := self.sink.recv(65536):
            data = left + data
            left = data[len(data) & ~1 :]
            for at in range(0, len(data) & ~1, 2):
                assert int.from_bytes(data[at : at + 2], "big") == count % 997
                count += 1
            self.heard += len(data)

    def goes_on(self):
        reached = self.heard + 50_000
        until(lambda: self.heard >= reached or not self.threads[1].is_alive(), 20)
        assert self.threads[1].is_alive()

    def close(self):
        self.over = True
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        self.sink.close()
        for host, runtime in zip(self.hosts, self.runtimes, strict=True):
            host.close(0)
            runtime.check()
            runtime.close()


SWITCH = """
import sys; sys.path[:0] = sys.argv[2:]
from netif import Netif, Stack
from tapio import UnixWire
wire = UnixWire(sys.argv[1])
with Netif(wire, stack=Stack("switch"), ip="10.0.0.99/24"):
    print("first" if wire.first else "later", flush=True)
    sys.stdin.read()
"""


def another(path):
    """A process on the wire, and whether it is its switch."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWITCH, path, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip() == "first"


def end(process, how):
    if how == "close":
        process.stdin.close()
    else:
        process.send_signal({"SIGTERM": 15, "SIGKILL": 9}[how])
    process.wait(20)
    process.stdin.close()
    process.stdout.close()


class TestConnectionsSurvive:
    @pytest.mark.parametrize("how", ["close", "SIGKILL"])
    def test_a_transfer_goes_on_when_the_process_that_switched_has_ended(self, path, how):
        process, first = another(path)
        assert first
        transfer = Transfer(path)
        try:
            transfer.goes_on()
            end(process, how)
            until(lambda: any(wire.first for wire in transfer.wires), 20)
            transfer.goes_on()
            assert sorted(wire.first for wire in transfer.wires) == [False, True]
        finally:
            transfer.close()
        assert not os.path.exists(path)

    @pytest.mark.slow
    def test_twenty_times(self, path):
        """Each switch is a process that ends while the next one, which found no path, waits for all others."""
        process, first = another(path)
        transfer = Transfer(path)
        try:
            for turn in range(20):
                assert first
                os.unlink(path)
                successor, first = another(path)
                end(process, ("SIGKILL", "close", "SIGTERM")[turn % 3])
                process = successor
                until(lambda turn=turn: [wire.successions for wire in transfer.wires] == [turn + 1, turn + 1])
                transfer.goes_on()
        finally:
            end(process, "SIGKILL")
            transfer.close()
