"""Network namespaces of the tests' own: a device in one, a program in one, a socket in one.

Nothing here touches the network the machine is on. A `Namespace` removes what it made: its processes are ended by their
ids, its devices vanish with it. The host tests and the benchmarks share this module; neither knows the other.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class MissingProgramError(AssertionError):
    """A host test needs a program that this machine does not have: the test fails, it does not hide."""


def enter_netns(name: str) -> None:
    """Move the calling thread (a whole process, before it starts threads) into the namespace `name`."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:  # Python has os.setns from 3.12 on only
            error = ctypes.get_errno()
            raise OSError(error, f"setns {name}: {os.strerror(error)}")
    finally:
        os.close(fd)


def in_netns(name: str, fn: Callable[[], Result]) -> Result:
    """Run `fn` in a thread that lives in the namespace; what it opens keeps working from anywhere."""
    outcome: list[Any] = []

    def body() -> None:
        try:
            enter_netns(name)
            outcome.append((True, fn()))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.append((False, error))

    thread = threading.Thread(target=body, name=f"in {name}")
    thread.start()
    thread.join()
    succeeded, value = outcome[0]
    if not succeeded:
        raise value
    return value  # type: ignore[no-any-return]


def run(*argv: str) -> str:
    """Run a set-up command; its own words are the error."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


def wait_until(claim: Callable[[], object], timeout: float = 5.0, what: str = "the condition") -> None:
    """For the outside world, which cannot call us back: ask every 10 ms."""
    deadline = time.monotonic() + timeout
    while not claim():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout:g} s"
        time.sleep(0.01)


class Namespace:
    """One network namespace, its devices, and the processes started in it."""

    def __init__(self) -> None:
        self.name = f"nt{os.getpid()}-{next(_numbers)}"
        self._processes: list[subprocess.Popen[Any]] = []
        run("ip", "netns", "add", self.name)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        # No router solicitations, no MLD reports: what a capture shows is what a test sent.
        self.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        self.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        # Past some 14,000 connections a kernel client in TIME-WAIT takes milliseconds to find a port.
        self.sysctl("net/ipv4/tcp_max_tw_buckets", 64)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> str:
        return run("ip", "-n", self.name, *arguments)

    def sysctl(self, path: str, value: object) -> None:
        self.call(lambda: Path("/proc/sys", path).write_text(f"{value}\n"))

    def call(self, fn: Callable[[], Result]) -> Result:
        """Run `fn` in a thread inside."""
        return in_netns(self.name, fn)

    def socket(self, kind: int = socket.SOCK_STREAM, timeout: float | None = 10.0) -> socket.socket:
        """A kernel socket that lives inside."""
        made = self.call(lambda: socket.socket(socket.AF_INET, kind))
        made.settimeout(timeout)
        return made

    def connect(self, address: tuple[str, int], timeout: float = 10.0) -> socket.socket:
        made = self.socket(timeout=timeout)
        try:
            made.connect(address)
        except BaseException:
            made.close()
            raise
        return made

    def listen(self, host: str = "0.0.0.0", port: int = 0, backlog: int = 16) -> socket.socket:
        made = self.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(backlog)
        return made

    def add_tap(self, name: str = "tap0", address: str = "192.168.5.1/24", *, mtu: int = 1500) -> str:
        """The kernel's side of a TAP: up, with `address`."""
        self.exec("ip", "tuntap", "add", "dev", name, "mode", "tap")
        self.ip("link", "set", name, "mtu", str(mtu), "txqueuelen", "10000")
        self.ip("address", "add", address, "dev", name)
        self.ip("link", "set", name, "up")
        return name

    def settle(self, device: str) -> None:
        """Until the kernel has noticed that somebody opened `device`: what it sends before that, it drops."""
        if "UP" in self.ip("link", "show", device).partition("<")[2].partition(">")[0].split(","):
            wait_until(lambda: "state UP" in self.ip("link", "show", device), 10.0, f"{device}'s carrier")
            self.ip("link", "set", device, "up")  # no change, but it waits for the lock that the kernel's worker holds

    def settle_bridge(self, ports: int) -> None:
        """Until so many ports of bridges forward: the kernel sees to that a moment after their carrier has come."""
        what = f"{ports} forwarding ports"
        wait_until(lambda: self.exec("bridge", "link").stdout.count("state forwarding") >= ports, 10.0, what)

    def mac(self, device: str) -> str:
        return self.call(lambda: _hardware_address(device))

    def exec(self, *argv: str, timeout: float = 30.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end."""
        done = subprocess.run(self.command(*argv), capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.returncode}: {done.stderr or done.stdout}"
        return done

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; `close` ends it if nobody did before."""
        process = subprocess.Popen(self.command(*argv), **options)
        self._processes.append(process)
        return process

    def command(self, *argv: str) -> list[str]:
        require(argv[0])
        return ["ip", "netns", "exec", self.name, *argv]

    def close(self) -> None:
        try:
            for process in self._processes:
                end(process)
        finally:
            run("ip", "netns", "delete", self.name)


def require(program: str) -> None:
    """Fail with a remedy where `program` is not installed."""
    if shutil.which(program) is None:
        raise MissingProgramError(f"{program} is not installed: `scripts/test` installs the real peers when root")


def end(process: subprocess.Popen[Any], signal_number: int = 15, patience: float = 5.0) -> None:
    """End a process that we started, and reap it."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def heard(process: subprocess.Popen[bytes], timeout: float = 15.0) -> bytes:
    """What a program says next on its stdout."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], timeout)
    assert ready, f"{process.args} has said nothing within {timeout:g} s"
    return os.read(process.stdout.fileno(), 65536)


@contextmanager
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def veth(left: str = "10.77.0.1/24", right: str = "10.77.0.2/24") -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces joined by a veth pair `v0`: the kernel talking to itself, as the reference."""
    with namespace() as near, namespace() as far:
        run("ip", "link", "add", "v0", "netns", near.name, "type", "veth", "peer", "name", "v0", "netns", far.name)
        for side, address in ((near, left), (far, right)):
            side.ip("address", "add", address, "dev", "v0")
            side.ip("link", "set", "v0", "up")
        yield near, far


def _hardware_address(device: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16s24x", device.encode())
        answer = fcntl.ioctl(probe, 0x8927, request)  # SIOCGIFHWADDR; /sys would show another namespace's devices
    return answer[18:24].hex(":")
