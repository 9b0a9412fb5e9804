"""ECN with the kernel as the peer: both agree, and a marking bottleneck slows each of them down without a loss."""

from __future__ import annotations

import socket
import threading

import pytest

from netif import Netif, Stack, Tap, ThreadedRuntime, impair
from stack.tcp.config import TcpConfig

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
BOTTLENECK = {"rate": "40Mbit", "queue": "400kB", "ecn": "30kB"}
SIZE = 2_000_000
ECN, ECN_SEEN = 8, 16  # of tcpi_options


@pytest.fixture
def host(ns):
    """Ours asks for ECN; what is too much in either direction is marked."""
    ns.sysctl("net/ipv4/tcp_ecn", 1)
    runtime = ThreadedRuntime(strict=True)
    driver = impair(ns.call(lambda: Tap("tap0")), **BOTTLENECK)
    with (
        Stack("ours", runtime=runtime, tcp=TcpConfig(ecn="on")) as made,
        Netif(driver, stack=made, ip=f"{OURS}/24", gateway=KERNEL) as netif,
    ):
        ns.settle("tap0")
        made.lanes = (netif.driver.out, netif.driver.into)
        yield made
    runtime.check()
    runtime.close()


def options(s):
    """The kernel's tcpi_options."""
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[5]


def read(s, count):
    while count:
        count -= len(s.recv(1 << 17))


@pytest.mark.parametrize("opener", ["kernel", "ours"])
def test_marks_slow_both_down_without_a_loss(ns, host, opener):
    if opener == "kernel":
        with host.create_server(("", 7000)) as listener:
            theirs = ns.connect((OURS, 7000))
            ours, _ = listener.accept()
    else:
        with ns.listen(KERNEL) as listener:
            ours = host.create_connection((KERNEL, listener.getsockname()[1]), timeout=20)
            theirs, _ = listener.accept()
    with ours, theirs:
        theirs.settimeout(20)
        assert ours.tcp_info().ecn
        assert options(theirs) & ECN
        for index, (sender, receiver) in enumerate(((ours, theirs), (theirs, ours))):
            sending = threading.Thread(target=sender.sendall, args=(bytes(SIZE),), daemon=True)
            sending.start()
            read(receiver, SIZE)
            sending.join(10)
            assert host.lanes[index].counters["marked"] > 0
            assert host.lanes[index].counters["tail_dropped"] == 0
        assert options(theirs) & ECN_SEEN
        assert ours.tcp_info().fast_retransmits == 0
        assert ours.tcp_info().ssthresh < 1 << 20
