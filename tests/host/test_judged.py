"""tshark judges more than ten thousand frames of ours, sent without offload: no bad checksum, no expert error.

A capture on a TAP shows the partial checksums of offloaded frames as bad ones, which is why offload is off here.
"""

from __future__ import annotations

import socket
import threading

import pytest

from tests.host import judge

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
ENOUGH = 10_000


def test_ten_thousand_frames_stand_before_tshark(ns, join, tmp_path):
    host = join(offload=False)
    with judge.captured(ns, "tap0", tmp_path / "judged.pcap") as capture:
        ns.exec("ping", "-n", "-c", "50", "-f", OURS)
        datagrams(ns, host)
        sessions(ns, host)
        bulk(ns, host, 14_000_000)
    assert judge.sent(capture, OURS) >= ENOUGH
    assert judge.faults(capture, OURS) == []
    assert judge.frames(capture, f"ip.src=={OURS} && ip.len > 1500") == []
    assert len(judge.frames(capture, f"ip.src=={OURS} && ip.len == 1500 && tcp", "frame.number")) > ENOUGH / 2


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
