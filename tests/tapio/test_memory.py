from __future__ import annotations

import pytest

from netif.link import PARTIAL, Offload
from netif.wire.segment import cut, finish
from tapio import pair
from tests.tapio.ports import drain

A, B = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2))


class TestPair:
    def test_a_frame_arrives_joined_and_announced(self, opened):
        one, other = pair()
        opened(one)
        port = opened(other)
        assert one.transmit((b"headers", memoryview(b"..payload")[2:]), None)
        assert port.ready == 1
        assert drain(other) == [(b"headerspayload", None)]
        assert drain(one) == []

    def test_one_exact_bytes_is_passed_on_as_it_is(self, opened, frames):
        one, other = pair()
        opened(one)
        opened(other)
        frame = frames.plain()
        one.transmit((frame,), None)
        assert other.receive()[0] is frame

    def test_a_buffer_that_may_change_is_copied(self, opened):
        one, other = pair()
        opened(one)
        opened(other)
        scratch = bytearray(b"first")
        one.transmit((scratch,), None)
        scratch[:] = b"later"
        assert other.receive()[0] == b"first"

    def test_a_super_frame_passes_whole_between_full_ports(self, opened, frames):
        one, other = pair()
        opened(one)
        opened(other)
        buffers, offload = frames.tcp(bytes(60_000), gso=1448)
        one.transmit(buffers, offload)
        assert drain(other) == [(b"".join(buffers), offload)]

    def test_a_super_frame_is_cut_for_a_port_that_was_granted_less(self, opened, frames):
        one, other = pair()
        opened(one)
        opened(other, gso_max=1500, rx_checksum=False, tx_checksum=False)
        buffers, offload = frames.tcp(bytes(range(250)) * 40, gso=1448)
        one.transmit(buffers, offload)
        arrived = drain(other)
        assert [bytes(frame) for frame, _ in arrived] == cut(buffers, offload)
        assert all(left is None for _, left in arrived)

    def test_a_partial_checksum_is_finished_for_a_port_that_takes_none(self, opened, frames):
        one, other = pair(rx_checksum=False)
        opened(one)
        opened(other)
        buffers, offload = frames.tcp(bytes(range(250)) * 4)
        one.transmit(buffers, offload)
        assert drain(other) == [(finish(buffers, offload), None)]

    def test_a_super_frame_that_cannot_be_cut_is_counted(self, opened, frames):
        one, other = pair(rx_checksum=False)
        opened(one)
        opened(other)
        assert one.transmit((frames.plain(bytes(5000)),), Offload(PARTIAL, 34, 16, 1448))
        assert drain(other) == []
        assert other.malformed == 1

    def test_a_full_inbox_refuses_and_asks_again_once_it_has_half_drained(self, opened):
        one, other = pair(queue=4)
        port = opened(one)
        opened(other)
        assert [one.transmit((b"%d" % n,), None) for n in range(6)] == [True] * 4 + [False] * 2
        other.receive()
        assert port.room == 0
        other.receive()
        assert port.room == 1
        assert one.transmit((b"again",), None)
        assert [frame for frame, _ in drain(other)] == [b"2", b"3", b"again"]
        assert port.room == 1

    def test_an_inbox_is_bounded_in_bytes_too(self, opened):
        one, other = pair(queue_bytes=100_000)
        opened(one)
        opened(other)
        assert [one.transmit((bytes(60_000),), None) for _ in range(3)] == [True, True, False]

    def test_closing_the_full_end_lets_the_other_go_on(self, opened):
        one, other = pair(queue=1)
        port = opened(one)
        opened(other)
        one.transmit((b"kept",), None)
        assert not one.transmit((b"refused",), None)
        other.close()
        assert port.room == 1
        assert one.transmit((b"lost",), None)
        assert other.dropped == 1

    def test_frames_for_an_end_that_is_not_open_are_lost_and_counted(self, opened):
        one, other = pair()
        opened(one)
        assert one.transmit((b"nobody there",), None)
        opened(other)
        assert drain(other) == []
        assert other.dropped == 1

    def test_the_ends_must_share_a_runtime(self, opened, make_port, want):
        one, other = pair()
        opened(one)
        with pytest.raises(ValueError, match="one runtime"):
            other.open(want(B), make_port(type(make_port().runtime)()))


class TestGranting:
    def test_a_port_grants_the_lesser_of_wanted_and_possible(self, make_port, want):
        one, _ = pair(mtu=9000)
        assert one.open(want(mtu=1500), make_port()) == want(mtu=1500)
        assert one.open(want(mtu=20_000), make_port()).mtu == 9000

    def test_without_checksum_offload_the_largest_frame_is_one_segment(self, make_port, want):
        one, _ = pair(tx_checksum=False)
        caps = one.open(want(mtu=1400), make_port())
        assert (caps.gso_max, caps.tx_checksum, caps.rx_checksum) == (1400, False, True)

    def test_a_batch_is_what_as_many_calls_would_have_answered(self, opened):
        one, other = pair()
        opened(one)
        port = opened(other)
        for n in range(5):
            one.transmit((b"%d" % n * 100,), None)
        batch, size = other.receive_batch(16, 1000)
        assert ([frame[:1] for frame, _ in batch], size) == ([b"0", b"1", b"2", b"3", b"4"], 500)
        assert (other.receive_batch(16, 1000), port.ready) == (((), 0), 1)
        assert (other.frames, other.bytes) == (5, 500)

    @pytest.mark.parametrize(("most", "room"), [(2, 10_000), (16, 101)])
    def test_what_a_batch_leaves_is_announced_again(self, opened, most, room):
        one, other = pair()
        opened(one)
        port = opened(other)
        for n in range(3):
            one.transmit((b"%d" % n * 100,), None)
        assert port.ready == 1
        batch, size = other.receive_batch(most, room)
        assert (len(batch), size, port.ready) == (2, 200, 2)
        one.transmit((b"3" * 100,), None)
        assert [frame[:1] for frame, _ in drain(other)] == [b"2", b"3"]
        assert (other.frames, other.bytes) == (4, 400)

    def test_the_last_frame_of_a_batch_may_be_more_than_there_is_room(self, opened):
        one, other = pair()
        opened(one)
        port = opened(other)
        for _ in range(3):
            one.transmit((bytes(100),), None)
        assert len(other.receive_batch(16, 201)[0]) == 3
        assert port.ready == 1

    def test_a_batch_that_empties_a_full_inbox_lets_the_other_go_on(self, opened):
        one, other = pair(queue=2)
        port = opened(one)
        opened(other)
        assert [one.transmit((b"x",), None) for _ in range(3)] == [True, True, False]
        other.receive_batch(16, 1000)
        assert port.room == 1

    def test_what_waited_at_its_closing_is_lost_and_was_counted(self, opened):
        one, other = pair()
        opened(one)
        opened(other)
        one.transmit((b"lost",), None)
        other.close()
        opened(other)
        assert drain(other) == []
        assert (other.frames, other.bytes) == (1, 4)
