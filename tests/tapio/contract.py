"""What every driver owes the runtime, whatever its wire (netif/link.py).

A module of tests with wires of its own derives a class from `DriverContract` and has a fixture `wire`: what makes a
driver and a far one on the same wire, afresh at each call. `patience` is for wires on which others carry the frames.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeAlias

import pytest

from netif.link import PARTIAL, Batching, Driver, LinkCaps, Medium, Offload
from netif.wire.segment import cut, finish

Wire: TypeAlias = Callable[[], tuple[Driver, Driver]]


def descriptors():
    return len(os.listdir("/proc/self/fd"))


class DriverContract:
    patience = 0.0  # seconds in which what was sent arrives

    @pytest.fixture
    def line(self, wire, make_port, want, frames):
        """A driver and, on the same wire, a far one that has been heard, both open, with the ports they were given."""
        made = self.opened(wire, make_port, want, frames)
        yield made
        made.near.close()
        made.far.close()

    def opened(self, wire, make_port, want, frames, **wanted):
        near, far = wire()
        made = SimpleNamespace(near=near, far=far, port=make_port(), far_port=make_port())
        made.granted = near.open(want(frames.OURS, **wanted), made.port)
        made.far_granted = far.open(want(frames.THEIRS, **wanted), made.far_port)

        def drain(driver):
            """What a runtime would get of it until nothing more is announced or due."""
            port, taken = (made.port if driver is near else made.far_port), []
            while True:
                port.ready = 0
                while (item := driver.receive()) is not None:
                    assert memoryview(item[0]).contiguous
                    taken.append(item)
                if port.deadline is not None:
                    port.runtime.time = max(port.runtime.time, port.deadline)
                    port.deadline = None
                    driver.advance(port.runtime.time)
                elif not port.ready and not self.comes(driver):
                    return taken

        made.drain = drain
        drain(far), drain(near)  # whoever comes later to a unix wire is accepted now
        far.transmit((frames.plain(b"here I am", dst=frames.OURS, src=frames.THEIRS),), None)
        drain(near), drain(far)
        return made

    def comes(self, driver):
        """Something within the patience of this wire."""
        descriptor = driver.fileno()
        return bool(self.patience and descriptor is not None and select.select([descriptor], [], [], self.patience)[0])

    def test_no_more_is_granted_than_is_wanted(self, line, want, frames):
        wanted, granted = want(frames.OURS), line.granted
        assert granted.mac == (wanted.mac if granted.medium is Medium.ETHERNET else b"")
        assert granted.medium is frames.medium
        assert granted.mtu <= wanted.mtu <= granted.gso_max <= wanted.gso_max
        assert granted.tx_checksum or granted.gso_max == granted.mtu
        assert isinstance(granted, LinkCaps)

    def test_what_is_sent_in_pieces_arrives_as_one_frame(self, line, frames):
        frame = frames.plain(b"payload" * 20)
        assert line.near.transmit((frame[:14], memoryview(frame)[14:50], frame[50:]), None) is True
        assert [bytes(arrived) for arrived, _ in line.drain(line.far)] == [frame]

    def test_what_arrives_is_whole_and_stays_as_it_is_while_it_is_held(self, line, frames):
        sent = [frames.plain(bytes([n]) * (n * 5), dst=frames.OURS, src=frames.THEIRS) for n in range(1, 200)]
        for frame in sent:
            line.far.transmit((frame,), None)
        held = line.drain(line.near)
        assert [bytes(frame) for frame, _ in held] == sent

    def test_batches_are_the_same_frames_in_the_same_order(self, line, frames):
        if not isinstance(line.near, Batching):
            return  # it need not hand over several at once
        sent = [frames.plain(bytes([n]) * (n * 5), dst=frames.OURS, src=frames.THEIRS) for n in range(1, 100)]
        held = []
        for begin in range(0, len(sent), 3):
            for frame in sent[begin : begin + 3]:
                line.far.transmit((frame,), None)
            while len(held) < min(begin + 3, len(sent)) and (self.comes(line.near) or line.port.ready):
                batch, size = line.near.receive_batch(2, 1 << 18)
                assert (size, len(batch) <= 2) == (sum(len(frame) for frame, _ in batch), True)
                held += batch
        assert [bytes(frame) for frame, _ in held] == sent

    @pytest.mark.parametrize("mtu", [576, 1500, 9000, 65535])
    def test_the_largest_packet_of_any_mtu_passes(self, wire, make_port, want, frames, mtu):
        line = self.opened(wire, make_port, want, frames, mtu=mtu, gso_max=mtu)
        granted = min(line.granted.mtu, line.far_granted.mtu)
        assert 576 <= granted <= mtu
        header = len(frames.plain(b""))
        frame = frames.plain(bytes(granted + frames.link - header))
        assert line.near.transmit((frame[:header], frame[header:]), None)
        assert [bytes(arrived) for arrived, _ in line.drain(line.far)] == [frame]
        line.near.close()
        line.far.close()

    def test_nothing_more_is_none(self, line):
        assert line.near.receive() is None
        assert line.near.receive() is None

    def test_a_wire_without_descriptor_announces_what_comes(self, line, frames):
        line.far.transmit((frames.plain(dst=frames.OURS, src=frames.THEIRS),), None)
        assert line.near.fileno() is not None or line.port.ready

    def test_a_partial_frame_is_never_more_than_was_granted(self, line, frames):
        buffers, offload = frames.tcp(bytes(range(250)) * 4)
        line.near.transmit(buffers, offload)
        ((frame, left),) = line.drain(line.far)
        if left is not None and left.checksum == PARTIAL:
            assert line.far_granted.rx_checksum
        else:
            assert bytes(frame) == finish(buffers, offload)

    def test_a_super_frame_arrives_whole_or_cut(self, line, frames):
        buffers, offload = frames.tcp(bytes(range(250)) * 40, gso=1448)
        line.near.transmit(buffers, offload)
        arrived = line.drain(line.far)
        if len(arrived) == 1:
            assert line.far_granted.gso_max >= len(b"".join(buffers)) - frames.link
            assert arrived == [(b"".join(buffers), offload)]
        else:
            assert [bytes(frame) for frame, _ in arrived] == cut(buffers, offload)

    def test_a_buffer_may_be_used_again_once_transmit_has_returned(self, line, frames):
        scratch = bytearray(frames.plain(b"first"))
        line.near.transmit((scratch,), None)
        scratch[-5:] = b"later"
        assert [frames.payload(frame) for frame, _ in line.drain(line.far)] == [b"first"]

    def test_a_frame_that_makes_no_sense_ends_nothing(self, line, frames):
        line.near.transmit((b"",), None)
        line.near.transmit((frames.plain(bytes(5000)),), Offload(PARTIAL, frames.link + 20, 16, 1448))
        line.drain(line.far)
        line.near.transmit((frames.plain(b"fine"),), None)
        assert [frames.payload(frame) for frame, _ in line.drain(line.far)] == [b"fine"]

    def test_advance_is_harmless_at_any_time(self, line, frames):
        for now in (0.0, 1.0, 1.0, 5.0):
            line.near.advance(now)
        line.near.transmit((frames.plain(b"fine"),), None)
        assert len(line.drain(line.far)) == 1

    def test_a_flood_that_nobody_takes_is_bounded(self, line, frames):
        frame = frames.plain(bytes(60_000))
        answers = [line.near.transmit((frame,), None) for _ in range(300)]
        arrived = 0
        while fresh := line.drain(line.far):
            arrived += len(fresh)
            line.near.advance(line.port.runtime.time)
        assert arrived < 300
        if False in answers:
            assert line.port.room == 1
            assert line.near.transmit((frame,), None)

    def test_closing_is_idempotent_and_nothing_is_heard_afterwards(self, line, frames):
        line.near.close()
        line.near.close()
        assert line.near.fileno() is None
        assert line.near.receive() is None
        assert line.near.transmit((frames.plain(),), None)
        line.near.advance(9.0)

    def test_closing_gives_every_descriptor_back(self, wire, make_port, want):
        near, far = wire()  # what is made once for all wires is made now
        near.close()
        far.close()
        before = descriptors()
        for _ in range(3):
            near, far = wire()
            near.open(want(), make_port())
            far.open(want(), make_port())
            near.receive(), far.receive(), near.receive()
            near.close()
            far.close()
        near, far = wire()  # never opened
        near.close()
        far.close()
        near = far = None
        assert descriptors() <= before
