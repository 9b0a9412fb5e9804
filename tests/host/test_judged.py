"""tshark judges more than ten thousand frames of ours: no bad checksum, no expert error.

A capture on a TAP shows the partial checksums of offloaded frames as bad ones. So there offload is off; with it on,
they are judged behind a bridge and a veth pair that does no offload at either end, where the kernel has finished them.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from netif import Netif, Packet, Stack, Tap
from tests.host import judge
from tests.host.namespaces import namespace, run

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
ENOUGH = 10_000


def test_ten_thousand_frames_stand_before_tshark(ns, join, tmp_path):
    judged(ns, "tap0", join(offload=False), tmp_path / "judged.pcap")


@pytest.mark.parametrize("wire", [pytest.param("tap", marks=pytest.mark.slow), "packet"])
def test_with_offload_they_stand_behind_a_bridge_and_a_veth_without(wire, tmp_path):
    with behind_a_bridge(wire) as (here, far), Stack("ours") as host:
        driver = Tap("port", netns=here.name) if wire == "tap" else Packet("v0", netns=here.name)
        with Netif(driver, stack=host, ip=f"{OURS}/24", gateway=KERNEL) as netif:
            here.settle_bridge(ports=2)
            assert netif.caps.gso_max > 60_000
            judged(far, "p0", host, tmp_path / "judged.pcap")


@contextmanager
def behind_a_bridge(wire):
    """Our namespace, with a TAP or a veth end as `port` of a bridge, and that of the kernel, whose `p0` is the far end
    of another port. Neither end of that pair leaves anything to the other."""
    with namespace() as here, namespace() as far:
        here.ip("link", "add", "br0", "type", "bridge")
        here.ip("link", "set", "br0", "up")
        if wire == "tap":
            here.exec("ip", "tuntap", "add", "dev", "port", "mode", "tap")
        else:
            here.ip("link", "add", "v0", "type", "veth", "peer", "name", "port")
            here.ip("link", "set", "v0", "up")
        run("ip", "link", "add", "p0", "netns", here.name, "type", "veth", "peer", "name", "p0", "netns", far.name)
        for end in (here, far):
            end.exec("ethtool", "-K", "p0", "tx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off")
            end.ip("link", "set", "p0", "up")
        for port in ("port", "p0"):
            here.ip("link", "set", port, "master", "br0", "up")
        far.ip("address", "add", f"{KERNEL}/24", "dev", "p0")
        yield here, far


def judged(ns, device, host, path) -> None:
    """What our host says to the kernel in that namespace, as it arrives at its device."""
    with judge.captured(ns, device, path) as capture:
        ns.exec("ping", "-n", "-c", "50", "-f", OURS)
        datagrams(ns, host)
        sessions(ns, host)
        bulk(ns, host, 14_000_000)
    assert judge.faults(capture, OURS) == []
    sizes = judge.sent(capture, OURS)
    assert len(sizes) >= ENOUGH
    assert max(sizes) == 1500
    assert sizes.count(1500) > ENOUGH / 2


def datagrams(ns, host) -> None:
    with ns.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        theirs.bind((KERNEL, 7007))
        for size in range(0, 1473, 11):
            ours.sendto(bytes(size), (KERNEL, 7007))
            assert len(theirs.recv(2000)) == size
        ours.sendto(b"nobody there", (KERNEL, 7008))


def sessions(ns, host) -> None:
    """Three hundred connections with a line each way; one reset and one refused."""
    with host.create_server(("", 7)) as listener:
        for number in range(300):
            with ns.connect((OURS, 7)) as theirs:
                ours, _peer = listener.accept()
                with ours:
                    theirs.sendall(b"odd" * (number % 7))
                    ours.sendall(b"even" * (number % 5 + 1))
                    assert theirs.recv(100)
                    if number == 150:
                        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with pytest.raises(ConnectionRefusedError):
        ns.connect((OURS, 8))


def bulk(ns, host, size: int) -> None:
    """`size` bytes to the kernel, and a tenth of it back."""
    got: list[int] = []

    def other_end(listener: socket.socket) -> None:
        theirs, _peer = listener.accept()
        theirs.settimeout(20)
        with theirs:
            count = 0
            while data := theirs.recv(1 << 17):
                count += len(data)
            got.append(count)
            theirs.sendall(bytes(size // 10))

    with ns.listen(KERNEL) as listener:
        thread = threading.Thread(target=other_end, args=(listener,))
        thread.start()
        with host.create_connection((KERNEL, listener.getsockname()[1]), timeout=20) as ours:
            ours.sendall(bytes(range(256)) * (size // 256))
            ours.shutdown(socket.SHUT_WR)
            back = 0
            while data := ours.recv(1 << 17):
                back += len(data)
        thread.join(20)
    assert got == [size // 256 * 256]
    assert back == size // 10
