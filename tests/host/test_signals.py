"""Ctrl-C and SIGTERM in mid-transfer: the peer sees FIN within the linger time, else RST; no traceback, exit 130 or
143, and nothing is left. Over a socket between processes of ordinary users, and over a TAP against the kernel."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netif.netif import Netif
from netif.runtime import ThreadedRuntime
from stack import Stack
from tapio import Tap, UnixWire
from tests.host.namespaces import Namespace, end, namespace, wait_until

ROOT = Path(__file__).resolve().parents[2]
LINGER = 1.0  # seconds: what the commands give their connections
SLACK = 4.0  # seconds, for a machine that has more to do
PATIENCE = 20.0
ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
THEIRS, OURS = "192.168.5.1", "192.168.5.100"  # the test's end of the wire, and the command's


class Side:
    """The test's end of a wire, and how a command joins the other one."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """`netif` with these words, on this wire."""
        argv = [sys.executable, "-m", "netif", *words, *self.flags()]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = self.launch(argv, env=environment, **pipes)
        self.processes.append(process)
        return process

    def flags(self) -> list[str]:
        raise NotImplementedError

    def launch(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, **options)

    def opens(self) -> None:
        """The test's end of the wire, once the command has begun; where it was not there before."""

    def connect(self, port: int) -> Any:
        raise NotImplementedError

    def listen(self, port: int) -> Any:
        raise NotImplementedError

    def left(self) -> list[str]:
        """What the command should have taken away."""
        return []

    def close(self) -> None:
        for process in self.processes:
            end(process, signal.SIGKILL)


class UnixSide(Side):
    """A host of ours at the other end of a socket."""

    def __init__(self, directory: Path, first: bool) -> None:
        super().__init__()
        self.path = directory / "wire"
        self.first = first
        self.runtime = ThreadedRuntime(strict=True)
        self.host: Stack | None = None
        if first:
            self._join()

    def _join(self) -> None:
        self.host = Stack("test", runtime=self.runtime)
        Netif(UnixWire(str(self.path)), stack=self.host, ip=f"{THEIRS}/24")

    def flags(self) -> list[str]:
        return ["-i", f"unix:{self.path}", "--ip", f"{OURS}/24"]

    def opens(self) -> None:
        if self.host is None:
            wait_until(self.path.exists, PATIENCE, "the command's switch")
            self._join()

    def connect(self, port: int) -> Any:
        assert self.host is not None
        return self.host.create_connection((OURS, port), timeout=PATIENCE)

    def listen(self, port: int) -> Any:
        assert self.host is not None
        listener = self.host.create_server(("", port))
        listener.settimeout(PATIENCE)
        return listener

    def left(self) -> list[str]:
        """What is not ours: the test's host takes the path of a command that switched."""
        return [name for name in os.listdir(self.path.parent) if name != self.path.name or self.host is None]

    def close(self) -> None:
        super().close()
        if self.host is not None:
            self.host.close(0)
        self.runtime.check()
        self.runtime.close()
        assert os.listdir(self.path.parent) == []


class TapSide(Side):
    """The kernel, in a namespace of the test's own."""

    def __init__(self, ns: Namespace, device: str) -> None:
        super().__init__()
        self.ns = ns
        self.device = device

    def flags(self) -> list[str]:
        return ["-i", self.device, "--ip", f"{OURS}/24", "--gw", THEIRS]

    def launch(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return self.ns.start(*argv, **options)

    def opens(self) -> None:
        name = self.device.removeprefix("tap:").partition(",")[0]
        if "create" in self.device:
            wait_until(lambda: name in self.ns.exec("ip", "link").stdout, PATIENCE, "the command's device")
            self.ns.ip("address", "add", f"{THEIRS}/24", "dev", name)
            self.ns.ip("link", "set", name, "up")

    def connect(self, port: int) -> Any:
        return self.ns.connect((OURS, port), timeout=PATIENCE)

    def listen(self, port: int) -> Any:
        listener = self.ns.listen(THEIRS, port)
        listener.settimeout(PATIENCE)
        return listener

    def left(self) -> list[str]:
        names = {line.split(":")[1].strip() for line in self.ns.exec("ip", "-o", "link").stdout.splitlines()}
        if "tap0" in names:
            self.ns.call(lambda: Tap("tap0")).close()  # it is not busy
        return sorted(names - {"lo", "tap0"})


HOST = pytest.mark.host
THERE = ["later", "first", pytest.param("tap0", marks=HOST)]
WIRES = [*THERE, pytest.param("tap:tap7,create", marks=HOST)]
pytestmark = pytest.mark.slow


@pytest.fixture
def bare_ns() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@pytest.fixture(params=WIRES)
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    """`later`: the test's host was on the socket before the command; `first`: the command is its switch."""
    if request.param in ("later", "first"):
        made: Side = UnixSide(tmp_path, first=request.param == "later")
    elif request.param == "tap0":
        made = TapSide(request.getfixturevalue("ns"), "tap0")
    else:
        made = TapSide(request.getfixturevalue("bare_ns"), request.param)
    try:
        yield made
    finally:
        made.close()


def patiently(attempt: Callable[[], Any]) -> Any:
    """The command may not be there yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


class Transfer:
    """The test's end of a connection: sends without end if it is told to, and reads until it is told why not."""

    def __init__(self, connection: Any, *, sends: bool, reads: bool = True) -> None:
        self.connection = connection
        self.heard = 0
        self.ended: object = None  # "FIN" or an OSError
        self.ended_at = 0.0
        self.threads = [threading.Thread(target=self._read)] if reads else []
        if sends:
            self.threads.append(threading.Thread(target=self._send))
        for thread in self.threads:
            thread.start()

    def _send(self) -> None:
        block = random.Random(1).randbytes(65536)
        try:
            while self.ended is None:
                self.connection.sendall(block)
        except OSError:
            pass  # what has come is `_read`'s to say

    def _read(self) -> None:
        ended: object = "FIN"
        try:
            while data := self.connection.recv(65536):
                self.heard += len(data)
        except OSError as error:
            ended = error
        self.ended_at = time.monotonic()
        self.ended = ended

    def under_way(self) -> None:
        wait_until(lambda: self.heard > 500_000 or self.ended, PATIENCE, "the transfer")
        assert self.ended is None, self.ended

    def over(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self.connection.close()


def finish(process: subprocess.Popen[bytes], number: signal.Signals, status: int, side: Side, began: float) -> None:
    """It ended in time, in silence, and took away what it had made."""
    _, errors = process.communicate(timeout=PATIENCE)
    assert errors.decode() == ""
    assert process.returncode == status
    assert time.monotonic() - began < LINGER + SLACK
    assert side.left() == []


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_server_that_echoes(side: Side, number: signal.Signals, status: int):
    process = side.start("tcp_server", "3333")
    side.opens()
    transfer = Transfer(patiently(lambda: side.connect(3333)), sends=True)
    transfer.under_way()
    began = time.monotonic()
    process.send_signal(number)
    wait_until(lambda: transfer.ended is not None, PATIENCE, "the end")
    assert transfer.ended == "FIN" or isinstance(transfer.ended, ConnectionError), transfer.ended
    assert transfer.ended_at - began < LINGER + SLACK
    transfer.over()
    finish(process, number, status, side, began)


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_source_without_end_ends_with_fin_for_who_reads(side: Side, number: signal.Signals, status: int):
    process = side.start("small_services")
    side.opens()
    transfer = Transfer(patiently(lambda: side.connect(19)), sends=False)
    transfer.under_way()
    began = time.monotonic()
    process.send_signal(number)
    wait_until(lambda: transfer.ended is not None, PATIENCE, "the end")
    assert transfer.ended == "FIN"
    assert transfer.ended_at - began < LINGER + SLACK
    transfer.over()
    finish(process, number, status, side, began)


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_source_without_end_ends_with_rst_for_who_does_not_read(side: Side, number: signal.Signals, status: int):
    process = side.start("small_services")
    side.opens()
    connection = patiently(lambda: side.connect(19))
    assert connection.recv(1)
    time.sleep(0.3)  # the outside world fills up
    began = time.monotonic()
    process.send_signal(number)
    process.wait(PATIENCE)
    assert time.monotonic() - began >= LINGER * 0.9
    with pytest.raises(OSError, match=r"reset|down"):  # noqa: PT012 - until it comes
        while connection.recv(1 << 20):
            pass
    connection.close()
    finish(process, number, status, side, began)


@pytest.mark.parametrize("side", THERE, indirect=True)  # nobody can listen on a device that is not there yet
@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_client(side: Side, number: signal.Signals, status: int):
    if isinstance(side, UnixSide) and not side.first:
        process = side.start("tcp_client", THEIRS, "3333", "--interval", "0.01")
        side.opens()
        listener = side.listen(3333)
    else:
        listener = side.listen(3333)
        process = side.start("tcp_client", THEIRS, "3333", "--interval", "0.01")
    with listener:
        connection = listener.accept()[0]
    with connection:
        connection.settimeout(PATIENCE)
        for _ in range(20):
            connection.sendall(connection.recv(1000))
        began = time.monotonic()
        process.send_signal(number)
        while data := connection.recv(1000):
            connection.sendall(data)
        assert time.monotonic() - began < LINGER + SLACK
    finish(process, number, status, side, began)


@pytest.mark.parametrize(("number", "status"), ENDS)
@pytest.mark.parametrize("words", [("tcp_server",), ("small_services",), ("tcp_client", THEIRS, "9"), ("ping", THEIRS)])
def test_idle_or_in_vain(side: Side, number: signal.Signals, status: int, words: tuple[str, ...]):
    """Nobody has come, or nobody is there."""
    process = side.start(*words)
    side.opens()
    if words[0] in ("tcp_server", "small_services"):
        patiently(lambda: side.connect(3333 if words[0] == "tcp_server" else 7)).close()
    elif isinstance(side, UnixSide) and not side.first:
        wait_until(side.path.exists, PATIENCE, "the command")
        time.sleep(0.3)
    else:
        time.sleep(1.0)  # there is nothing to be seen of it from here
    began = time.monotonic()
    process.send_signal(number)
    finish(process, number, status, side, began)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_somebody_who_is_impatient_and_says_it_again(side: Side, second: signal.Signals):
    """The second comes in the midst of the orderly end; it may cut that short, and nothing else."""
    process = side.start("small_services")
    side.opens()
    connection = patiently(lambda: side.connect(19))
    assert connection.recv(1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    for _ in range(3):
        if process.poll() is None:
            process.send_signal(second)
            time.sleep(0.05)
    _, errors = process.communicate(timeout=PATIENCE)
    assert errors.decode() == ""
    assert process.returncode in (130, 143, -second)  # once the interpreter ends, signals are the system's again
    assert time.monotonic() - began < LINGER + SLACK
    connection.close()
    assert side.left() == []


@pytest.mark.parametrize(("number", "status"), ENDS)
@pytest.mark.parametrize("command", ["tcp_server", "small_services"])
def test_at_any_moment(tmp_path: Path, number: signal.Signals, status: int, command: str, seed: int):
    """Many times, each at another moment of a transfer."""
    dice = random.Random(seed)
    for turn in range(15):
        directory = tmp_path / str(turn)
        directory.mkdir()
        side = UnixSide(directory, first=dice.random() < 0.5)
        port = 3333 if command == "tcp_server" else dice.choice((7, 19))
        try:
            interrupted(side, command, port, number, status, after=dice.random() * 0.3)
        finally:
            side.close()


def interrupted(side: Side, command: str, port: int, number: signal.Signals, status: int, after: float) -> None:
    process = side.start(command)
    side.opens()
    transfer = Transfer(patiently(lambda: side.connect(port)), sends=port != 19)
    time.sleep(after)
    began = time.monotonic()
    process.send_signal(number)
    wait_until(lambda: transfer.ended is not None, PATIENCE, "the end")
    transfer.over()
    finish(process, number, status, side, began)
