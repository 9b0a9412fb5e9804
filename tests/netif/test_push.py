"""Drivers of another shape: they push, and take finished frames."""

from __future__ import annotations

import threading

import pytest

from netif.config import DriverIfconfig, Flags
from netif.errors import InvalidParams, NoMem
from netif.esp import netif_receive
from netif.link import PARTIAL, Offload
from netif.netif import Netif
from netif.push import INBOX_FRAMES, takes_offload
from netif.wire import checksum, ethernet, ip, tcp

SRC, DST = b"\x0a\0\0\1", b"\x0a\0\0\2"


class Handle:
    """A device that is no Driver."""

    def __init__(self):
        self.sent = []
        self.answer = None

    def post_attach(self, netif, handle):
        netif.set_driver_config(DriverIfconfig(handle, output))


def output(handle, frame):
    if isinstance(handle.answer, Exception):
        raise handle.answer
    handle.sent.append(frame)
    return handle.answer


@pytest.fixture
def handle():
    return Handle()


@pytest.fixture
def netif(new_config, handle):
    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    netif.attach(handle)
    yield netif
    netif.close()


def super_frame(payload, gso_size):
    pseudo = checksum.pseudo_header(SRC, DST, ip.TCP, 20 + len(payload))
    segment = tcp.emit(80, 1024, 1, 1, tcp.ACK, 100, b"", checksum=checksum.fold(pseudo))
    header = ip.emit(SRC, DST, ip.TCP, 20 + len(payload), ident=1)
    frame = ethernet.emit(b"\x02" * 6, b"\x04" * 6, ethernet.IP) + header + segment
    return (frame, memoryview(payload)), Offload(PARTIAL, 34, tcp.CHECKSUM_OFFSET, gso_size)


def test_pushed_frame_reaches_the_stack(netif, stack, runtime):
    assert netif_receive(netif, bytearray(b"abc"))
    runtime.turn()
    assert stack.seen == [(b"abc", None)]


def test_pushing_takes_no_gate(netif, stack, runtime):
    runtime.enter()
    thread = threading.Thread(target=netif_receive, args=(netif, b"abc"))
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    runtime.leave()
    assert stack.seen == [(b"abc", None)]


def test_pushed_frame_may_be_reused_by_its_owner(netif, stack, runtime):
    frame = bytearray(b"abc")
    netif_receive(netif, frame)
    frame[:] = b"xyz"
    runtime.turn()
    assert stack.seen == [(b"abc", None)]


def test_inbox_is_bounded(netif, stack, runtime):
    runtime.enter()
    accepted = sum(netif_receive(netif, b"x") for _ in range(INBOX_FRAMES + 10))
    runtime.leave()
    assert accepted == len(stack.seen) == INBOX_FRAMES
    assert netif.counters.rx_dropped == 10


def test_frame_longer_than_the_link_allows_is_dropped(netif):
    assert netif_receive(netif, bytes(1518))
    assert not netif_receive(netif, bytes(1519))


def test_frame_after_close_is_dropped(netif):
    netif.close()
    assert netif_receive(netif, b"late") is False


def test_no_offload_is_granted(netif, stack):
    assert netif.caps.gso_max == netif.caps.mtu == 1500
    assert not netif.caps.tx_checksum


def test_transmit_gets_one_contiguous_frame(netif, handle):
    netif.transmit((b"head", memoryview(b"body")), None)
    assert handle.sent == [b"headbody"]
    assert type(handle.sent[0]) is bytes


def test_transmit_gets_wire_segments_with_whole_checksums(netif, handle):
    buffers, offload = super_frame(bytes(range(200)) * 10, 1000)
    netif.transmit(buffers, offload)
    assert [len(frame) for frame in handle.sent] == [1054, 1054]
    for frame in handle.sent:
        pseudo = checksum.pseudo_header(SRC, DST, ip.TCP, 1020)
        assert checksum.verify(frame, 34, len(frame), pseudo)


@pytest.mark.parametrize("answer", [False, NoMem("no buffers")])
def test_full_device_drops_and_counts(netif, handle, answer):
    handle.answer = answer
    assert netif.transmit((b"x",), None) is True
    assert netif.counters.tx_dropped == 1


def test_error_of_the_device_takes_the_link_down(netif, handle, runtime):
    handle.answer = OSError("dead")
    netif.transmit((b"x",), None)
    runtime.turn()
    assert not netif.is_up


def test_device_stays_its_owners(new_config):
    class Closable(Handle):
        def close(self):
            raise AssertionError("closed by a stranger")

    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    netif.attach(Closable())
    netif.close()


def test_transmit_is_missing(new_config):
    netif = Netif(config=new_config())
    with pytest.raises(InvalidParams, match="transmit="):
        netif.attach(object())


def test_driver_with_a_foreign_transmit_gets_finished_frames(new_config, new_driver):
    driver, sent = new_driver(), []
    driver.answer = None
    netif = Netif(config=new_config(transmit=lambda handle, frame: sent.append(frame), flags=Flags.AUTOUP))
    netif.attach(driver)
    assert not netif.caps.tx_checksum
    netif.transmit((b"a", b"b"), None)
    assert sent == [b"ab"]
    netif.close()


def test_driver_with_a_transmit_of_drivers_gets_all(new_config, new_driver):
    driver, sent = new_driver(), []

    def tee(handle, buffers, offload=None):
        sent.append(buffers)
        return handle.transmit(buffers, offload)

    netif = Netif(config=new_config(transmit=tee, flags=Flags.AUTOUP))
    netif.attach(driver)
    assert netif.caps.tx_checksum
    netif.transmit((b"a", b"b"), None)
    assert sent == [(b"a", b"b")]
    assert driver.sent == [((b"a", b"b"), None)]
    netif.close()


def test_shapes_of_transmit():
    assert takes_offload(lambda handle, buffers, offload=None: True)
    assert not takes_offload(lambda handle, frame: True)
    assert not takes_offload(output)
