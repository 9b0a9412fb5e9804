"""The harness itself: what it makes is separate from the machine's network, and gone afterwards, also on failure."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests.host import judge
from tests.host.namespaces import MissingProgramError, Namespace, in_netns, namespace

pytestmark = pytest.mark.host


def spaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def test_a_failing_block_leaves_no_namespace_and_no_process():
    with pytest.raises(ZeroDivisionError), namespace() as made:  # noqa: PT012
        sleeper = made.start("sleep", "100")
        assert made.name in spaces()
        _ = 1 / 0
    assert made.name not in spaces()
    assert sleeper.returncode is not None


def test_a_device_is_seen_inside_and_not_outside(ns):
    assert ns.call(lambda: socket.if_nametoindex("tap0")) > 0
    assert ns.call(socket.if_nameindex) != socket.if_nameindex()
    assert "192.168.5.1/24" in ns.ip("address", "show", "dev", "tap0")


def test_an_exception_inside_is_raised_outside(ns):
    with pytest.raises(FileNotFoundError):
        in_netns(ns.name, lambda: os.stat("/no/such/file"))


def test_kernels_talk_over_the_veth(kernels):
    near, far = kernels
    with far.listen() as listener, near.connect(("10.77.0.2", listener.getsockname()[1])) as one:
        other, peer = listener.accept()
        with other:
            assert peer == one.getsockname()


def test_a_capture_shows_what_was_sent(kernels, tmp_path):
    near, _far = kernels
    with judge.captured(near, "v0", tmp_path / "ping.pcap") as capture:
        near.exec("ping", "-n", "-c", "3", "-i", "0.01", "10.77.0.2")
    assert len(judge.frames(capture, "icmp.type == 8")) == 3
    assert judge.faults(capture, "10.77.0.1") == []


def test_tshark_finds_a_bad_checksum(kernels, tmp_path):
    """The judge is judged: with offload on, a capture on the sender's side shows unfinished checksums."""
    near, far = kernels
    with judge.captured(near, "v0", tmp_path / "bad.pcap") as capture, far.listen() as listener:
        near.connect(("10.77.0.2", listener.getsockname()[1])).close()
    assert judge.faults(capture, "10.77.0.1")


def test_a_missing_program_is_a_failure_with_a_remedy(ns: Namespace):
    with pytest.raises(MissingProgramError, match="scripts/test"):
        ns.start("no-such-program-anywhere")
