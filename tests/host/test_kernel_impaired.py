"""The kernel's TCP as the peer, with faults on our side of the wire, in real time: bytes are exact both ways at once.

The goodput table's matrix, thinner. Numbers pass 2^32 under way: ours by settings, the kernel's by the clock that its
initial sequence numbers follow, its timestamps by TCP_REPAIR; local ports come round again.
"""

from __future__ import annotations

import fcntl
import random
import socket
import sys
import termios
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest

from netif import Netif, Stack, Tap, ThreadedRuntime
from netif.wire import ip, tcp
from stack.tcp.config import TcpConfig
from tapio import Sniff, impair
from tests.host.conftest import KERNEL_IP, OUR_IP, TAP
from tests.host.namespaces import wait_until
from tests.host.test_kernel_tcp import meanwhile, read_all, same
from tests.sim.test_wrap import Numbers, wrapped

pytestmark = pytest.mark.host

WRAP = 1 << 32
PORT = 7000
ISN_TICK = 64e-9  # seconds; the kernel's initial sequence numbers count them (net/core/secure_seq.c)
TCP_REPAIR, TCP_TIMESTAMP = 19, 24  # socket options, include/uapi/linux/tcp.h
REPAIR_ON, REPAIR_OFF = 1, -1  # off without a window probe


class Scene:
    """Our host on the namespace's TAP, with faults on its side, and what it sent and received."""

    def __init__(self, ns: Any, host: Stack) -> None:
        self.ns, self.host = ns, host
        self.ours, self.theirs = Numbers(), Theirs()

    def exchange(self, there: bytes, back: bytes, connected: Any = None, said: bytes = b"") -> None:
        """The kernel opens, says `back` while we say `there`, and both end in order; it may have `said` something."""
        with self.host.create_server(("", PORT)) as listener:
            future = meanwhile(listener.accept)
            with connected() if connected else self.ns.connect((OUR_IP, PORT), timeout=30.0) as theirs:
                ours, _peer = future.result(30)
                theirs.settimeout(100.0)
                ours.settimeout(100.0)
                with ours:
                    self.talk(ours, theirs, there, back, said)

    def talk(self, ours: Any, theirs: Any, there: bytes, back: bytes, said: bytes) -> None:
        sending = [
            meanwhile(lambda: (theirs.sendall(back), theirs.shutdown(socket.SHUT_WR))),
            meanwhile(lambda: (ours.sendall(there), ours.shutdown(socket.SHUT_WR))),
        ]
        reading = meanwhile(lambda: read_all(theirs))
        assert same(read_all(ours), said + back)
        assert same(reading.result(100), there)
        for each in sending:
            each.result(100)


class Theirs(Numbers):
    """As Numbers, of what the other end sent; and by port where it began."""

    def __init__(self) -> None:
        super().__init__()
        self.began: dict[int, int] = {}

    def frame(self, direction: str, when: float, frame: Any, *more: Any) -> None:
        super().frame("out" if direction == "in" else "in", when, frame, *more)
        data = frame if isinstance(frame, bytes) else b"".join(frame)
        if direction == "in" and data[12:14] == b"\x08\0" and data[23] == ip.TCP:
            sport, _, seq, _, _, flags, _, _ = tcp.parse(data, 34, len(data))
            if flags & tcp.SYN:
                self.began[sport] = seq


@contextmanager
def scene(ns: Any, seed: int, tcp: TcpConfig | None = None, **rules: Any) -> Any:
    with ExitStack() as closing:
        runtime = ThreadedRuntime(seed=seed, strict=True)
        closing.callback(runtime.close)
        closing.callback(runtime.check)
        host = closing.enter_context(Stack("ours", runtime=runtime, tcp=tcp))
        made = Scene(ns, host)
        driver = impair(ns.call(lambda: Tap(TAP)), only="tcp", **rules)
        sniff = Sniff(driver, made.ours, made.theirs)
        closing.enter_context(Netif(sniff, stack=host, ip=f"{OUR_IP}/24", gateway=KERNEL_IP))
        ns.settle(TAP)
        yield made


MATRIX = {
    "a fast clean wire": {},
    "rare loss": {"loss": "1%", "delay": "1ms"},
    "loss": {"loss": "5%", "delay": "1ms"},
    "heavy loss": {"loss": "15%"},
    "a slow wire": {"rate": "8Mbit", "queue": 30},
    "a long wire": {"delay": "50ms"},
    "reordering": {"delay": "4ms", "reorder": "5%"},
    "jitter": {"delay": "4ms", "jitter": "2ms"},
    "repetition": {"duplicate": "20%", "delay": "1ms"},
    "bursts": {"burst": "0.3% 40%", "delay": "1ms"},
    "flipped bits": {"corrupt": "2%", "delay": "1ms"},
}
THINNED = [
    {"loss": loss, "delay": rtt / 2000, "rate": rate * 1e6, "queue": max(30, rate * rtt * 125 // 1514)}
    for loss in ("0%", "1%", "3%", "10%")
    for rtt in (1, 20, 100)
    for rate in (1, 10, 100)
]


@pytest.mark.parametrize("name", MATRIX)
def test_bytes_are_exact_over_a_bad_wire(ns, seed: int, name: str):
    dice = random.Random(seed)
    with scene(ns, seed, **MATRIX[name]) as made:
        made.exchange(dice.randbytes(60_000), dice.randbytes(60_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rules", THINNED, ids=lambda rules: f"{rules['loss']} {rules['delay']}s {rules['rate']:.0f}bit"
)
def test_bytes_are_exact_over_the_tables_wires(ns, seed: int, rules: dict[str, Any]):
    dice = random.Random(seed)
    size = int(min(2e6, rules["rate"] / 8 * 3)) if rules["loss"] != "10%" else 150_000
    with scene(ns, seed, **rules) as made:
        made.exchange(dice.randbytes(size), dice.randbytes(size))


@pytest.mark.parametrize("before", [1, 40_000])
def test_our_sequence_numbers_pass_the_wrap(ns, seed: int, before: int):
    dice = random.Random(seed)
    with scene(ns, seed, TcpConfig(initial_sequence=WRAP - before), loss="1%", delay="1ms") as made:
        made.exchange(dice.randbytes(150_000), dice.randbytes(50_000))
        assert wrapped(made.ours.seqs)


def test_our_timestamps_pass_the_wrap(ns, seed: int):
    dice = random.Random(seed)
    with scene(ns, seed, loss="1%", delay="5ms", rate="4Mbit", queue=20) as made:

        def attempt() -> None:
            made.host.tcp.numbers.timestamp_base = WRAP - int(1000 * made.host.runtime.now()) - 150
            made.exchange(dice.randbytes(150_000), dice.randbytes(50_000))

        pass_the_wrap(made.ours.stamps, attempt)


def test_the_kernels_timestamps_pass_the_wrap(ns, seed: int):
    dice = random.Random(seed)
    with scene(ns, seed, loss="1%", delay="5ms", rate="4Mbit", queue=20) as made:

        def connected() -> socket.socket:
            theirs = ns.connect((OUR_IP, PORT), timeout=30.0)
            move_timestamps(theirs, WRAP - 150)
            return theirs

        def attempt() -> None:
            made.exchange(dice.randbytes(50_000), dice.randbytes(150_000), connected, said=b"xx")

        pass_the_wrap(made.theirs.stamps, attempt)


def move_timestamps(theirs: socket.socket, to: int) -> None:
    """The kernel's clock for this connection stands at `to` soon: by two steps, each of less than 2^31 (PAWS)."""
    for at in (to + WRAP // 2 + 1000, to):
        theirs.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
        here = theirs.getsockopt(socket.IPPROTO_TCP, TCP_TIMESTAMP)
        if 0 < (at - here) % WRAP < WRAP // 2:
            at %= WRAP
            theirs.setsockopt(socket.IPPROTO_TCP, TCP_TIMESTAMP, at - WRAP if at >= WRAP // 2 else at)
        theirs.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF)
        theirs.sendall(b"x")
        wait_until(lambda: unacknowledged(theirs) == 0)


def unacknowledged(s: socket.socket) -> int:
    return int.from_bytes(fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


@pytest.mark.slow
def test_the_kernels_sequence_numbers_pass_the_wrap(ns, seed: int):
    """They follow a clock, from a start that depends on the ports: of a hundred ports one is soon at the end."""
    dice = random.Random(seed)
    with scene(ns, seed, loss="1%", delay="1ms") as made:

        def attempt() -> None:
            port, isn, at = nearest_to_the_wrap(made)
            time.sleep(max(0.0, at + (WRAP - 1_500_000 - isn) * ISN_TICK - time.monotonic()))
            made.theirs.seqs.clear()
            made.exchange(dice.randbytes(100_000), dice.randbytes(3_000_000), partial(connect_from, ns, port))

        pass_the_wrap(made.theirs.seqs, attempt)


def pass_the_wrap(numbers: list[int], attempt: Callable[[], None]) -> None:
    """Of one of five connections. Where the first segment is lost, or a busy machine wakes us late, none is sent before
    the wrap."""
    for _ in range(5):
        numbers.clear()
        attempt()
        if wrapped(numbers):
            return
    pytest.fail("no connection's numbers passed the wrap")


def connect_from(ns: Any, port: int) -> socket.socket:
    made = ns.socket(timeout=30.0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((KERNEL_IP, port))
    made.connect((OUR_IP, PORT))
    return made


def nearest_to_the_wrap(made: Scene) -> tuple[int, int, float]:
    """(the kernel's port, its initial number, when)"""
    found: list[tuple[int, int, float]] = []
    with made.host.create_server(("", PORT), backlog=256) as listener:
        for port in range(20_000, 20_150):
            when = time.monotonic()
            theirs = connect_from(made.ns, port)
            ours, _peer = listener.accept()
            found.append((port, made.theirs.began[port], when))
            for each in (theirs, ours):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.close()
    now = time.monotonic() + 0.5  # time enough to begin
    reached = {isn + (now - when) / ISN_TICK: (port, isn, when) for port, isn, when in found}
    return reached[max(there for there in reached if there < WRAP - 1_500_000)]


def test_ports_come_round_again_on_both_sides(ns, seed: int):
    """Eleven ports for forty connections each way; who serves closes first, so its TIME-WAITs meet newer SYNs."""
    ns.sysctl("net/ipv4/ip_local_port_range", "40000 40010")
    config = TcpConfig(local_ports=(50_000, 50_010))
    dice = random.Random(seed)
    text = dice.randbytes(3000)

    def echo(listener: Any) -> None:
        for _ in range(40):
            with listener.accept()[0] as conn:
                conn.settimeout(30.0)
                heard = b""
                while len(heard) < len(text):
                    heard += conn.recv(len(text))
                conn.sendall(heard)

    def ask(s: Any) -> None:
        with s:
            s.settimeout(30.0)
            s.sendall(text)
            assert read_all(s) == text

    with (
        scene(ns, seed, config, loss="0.5%") as made,
        made.host.create_server(("", PORT)) as listener,
        ns.listen(KERNEL_IP, PORT) as theirs,
    ):
        theirs.settimeout(60.0)
        listener.settimeout(60.0)
        serving = [meanwhile(partial(echo, each)) for each in (listener, theirs)]
        for _ in range(40):
            ask(ns.connect((OUR_IP, PORT), timeout=30.0))
            ask(made.host.create_connection((KERNEL_IP, PORT), timeout=30.0))
        for each in serving:
            each.result(30)
