"""What a hook's function sees, and what becomes of its answers."""

from __future__ import annotations

import logging
import threading

import pytest

from netif.link import PARTIAL, Offload
from netif.wire.segment import cut, finish
from tapio import DROP, DUPLICATE, PASS, Hook, pair

OTHER = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\xb5another"


class Hooked:
    """A hook on an end of a pair, driven as a runtime drives it, and the plain other end."""

    def __init__(self, make_port, want, fn, queue=1000, **how):
        near, self.far = pair(queue=queue)
        self.driver = Hook(near, fn, **how)
        self.port, self.far_port = make_port(), make_port()
        self.granted = self.driver.open(want(), self.port)
        self.far.open(want(), self.far_port)

    def send(self, *frames):
        return [self.driver.transmit((frame,), None) for frame in frames]

    def arrived(self):
        return self.drain(self.far)

    def received(self):
        return self.drain(self.driver)

    def drain(self, driver):
        taken = []
        while (item := driver.receive()) is not None:
            taken.append(bytes(item[0]))
        return taken

    def turn(self):
        """What a runtime does when a port has asked for it."""
        if self.port.deadline is not None:
            self.port.deadline = None
            self.driver.advance(self.port.now())


@pytest.fixture
def hooked(make_port, want):
    return lambda fn, **how: Hooked(make_port, want, fn, **how)


def test_it_sees_both_directions_as_the_host_does(hooked, frames):
    seen = []
    made = hooked(lambda *what: seen.append(what))
    made.send(frames.plain(b"there"))
    made.far.transmit((frames.plain(b"here"),), None)
    assert made.arrived() == [frames.plain(b"there")]
    assert made.received() == [frames.plain(b"here")]
    assert seen == [("out", frames.plain(b"there")), ("in", frames.plain(b"here"))]


def test_it_sees_what_would_be_on_a_cable(hooked, frames):
    """One segment a frame, checksums finished: asked for, and done where it comes undone all the same."""
    seen = []
    made = hooked(lambda direction, frame: seen.append(frame))
    assert (made.granted.gso_max, made.granted.tx_checksum, made.granted.rx_checksum) == (1500, False, False)
    partial, left = frames.tcp(bytes(1000))
    many, offload = frames.tcp(bytes(range(250)) * 20, gso=1448)
    made.driver.transmit(partial, left)
    made.driver.transmit(many, offload)
    made.far.transmit(partial, left)
    made.far.transmit(many, offload)
    expected = [finish(partial, left), *cut(many, offload)]
    assert made.arrived() == expected
    assert made.received() == expected
    assert seen == expected * 2


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        (None, lambda frame: [frame]),
        (PASS, lambda frame: [frame]),
        (DROP, lambda frame: []),
        (DUPLICATE, lambda frame: [frame, frame]),
        (OTHER, lambda frame: [OTHER]),
        (bytearray(OTHER), lambda frame: [OTHER]),
        ([], lambda frame: []),
        ((OTHER, b"x" * 60), lambda frame: [OTHER, b"x" * 60]),
    ],
)
def test_its_answer_goes_on_in_the_frames_place(hooked, frames, answer, goes_on):
    made = hooked(lambda direction, frame: answer)
    frame = frames.plain()
    made.send(frame)
    made.far.transmit((frame,), None)
    assert made.arrived() == made.received() == goes_on(frame)


def test_what_it_did_is_counted(hooked, frames):
    answers = iter([None, DROP, OTHER, DUPLICATE, [OTHER, OTHER, OTHER], 7])
    made = hooked(lambda direction, frame: next(answers))
    made.send(*[frames.plain(bytes([n])) for n in range(6)])
    assert made.driver.counters == {
        "seen": 6, "changed": 2, "removed": 1, "added": 3, "errors": 1, "malformed": 0, "refused": 0,
    }  # fmt: skip


def test_frames_are_put_in_from_outside_and_are_not_seen_again(hooked, frames):
    seen = []
    made = hooked(lambda direction, frame: seen.append(frame))
    thread = threading.Thread(target=lambda: (made.driver.inject_in(OTHER), made.driver.inject_out(frames.plain())))
    thread.start()
    thread.join()
    assert made.port.ready == 2  # the runtime is told, from any thread
    assert made.received() == [OTHER]
    assert made.arrived() == [frames.plain()]
    assert seen == []
    assert made.driver.added == 2


def test_the_function_itself_may_answer_for_others(hooked, frames):
    made = hooked(lambda direction, frame: made.driver.inject_in(OTHER) and DROP)
    made.send(frames.plain())
    assert made.arrived() == []
    assert made.received() == [OTHER]


def test_what_the_driver_inside_has_dropped_is_told_as_its_own(make_port, want, frames):
    near, far = pair()
    far.open(want(), make_port())
    far.transmit((frames.plain(),), None)  # the near end is not open
    assert Hook(near, print).dropped == near.dropped == 1


def test_what_is_put_in_is_bounded(hooked, frames):
    made = hooked(lambda direction, frame: None, waiting=3)
    assert [made.driver.inject_in(OTHER) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [made.driver.inject_out(OTHER) for _ in range(5)] == [True] * 3 + [False] * 2
    assert made.driver.refused == 4
    assert len(made.received()) == len(made.arrived()) == 3
    made.driver.close()
    assert not made.driver.inject_in(OTHER)
    assert not made.driver.inject_out(OTHER)


def test_a_full_wire_is_waited_for_and_nothing_is_asked_twice(hooked, frames):
    seen = []
    made = hooked(lambda direction, frame: seen.append(frame), queue=4)
    sent = [frames.plain(bytes([n])) for n in range(8)]
    answers = made.send(*sent)
    taken = answers.index(False)
    assert seen == sent[:taken]
    assert made.port.room == 0
    arrived = made.arrived()
    made.turn()
    assert made.port.room == 1
    arrived += made.arrived()
    made.turn()
    assert arrived + made.arrived() == sent[:taken]
    assert made.send(frames.plain()) == [True]


def test_an_error_is_told_once_and_the_frame_passes(hooked, frames, caplog):
    def fails(direction, frame):
        raise ZeroDivisionError("oh")

    made = hooked(fails)
    with caplog.at_level(logging.ERROR):
        made.send(frames.plain(b"1"), frames.plain(b"2"))
    assert made.arrived() == [frames.plain(b"1"), frames.plain(b"2")]
    assert made.driver.errors == 2
    (record,) = caplog.records
    assert "fails" in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


def test_an_error_drops_the_frame_where_that_was_asked_for(hooked, frames):
    made = hooked(lambda direction, frame: "nonsense", on_error="drop")
    made.send(frames.plain())
    assert made.arrived() == []
    assert (made.driver.errors, made.driver.removed) == (1, 1)


def test_a_frame_that_is_not_what_it_says_is_dropped_unseen(hooked, frames):
    made = hooked(lambda direction, frame: pytest.fail("seen"))
    made.driver.transmit((frames.plain(bytes(50)),), Offload(PARTIAL, 340, 16, 1448))
    assert made.driver.malformed == 1


@pytest.mark.parametrize(
    ("fn", "how", "says"),
    [("no", {}, "is no function"), (print, {"on_error": "explode"}, "on_error: 'explode': write 'pass' or 'drop'")],
)
def test_what_makes_no_hook_is_told(fn, how, says):
    with pytest.raises(ValueError, match=says):
        Hook(pair()[0], fn, **how)


def test_two_hosts_talk_through_a_hook_that_changes_what_they_say():
    from netif import Netif, Stack, VirtualRuntime

    def shout(direction, frame):
        if direction == "out" and frame.endswith(b"hello"):
            return frame[:40] + b"\0\0" + frame[42:-5] + b"HELLO"  # RFC 768: no checksum
        return None

    runtime = VirtualRuntime(seed=3)
    near, far = pair()
    one, other = Stack("one", runtime=runtime), Stack("other", runtime=runtime)
    heard = []
    with Netif(Hook(near, shout), stack=one, ip="10.0.0.1/24"), Netif(far, stack=other, ip="10.0.0.2/24"):

        def listen():
            import socket

            with other.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
                bound.bind(("", 7))
                heard.append(bound.recv(100))

        def talk():
            import socket

            with one.socket(socket.AF_INET, socket.SOCK_DGRAM) as unbound:
                unbound.sendto(b"hello", ("10.0.0.2", 7))

        runtime.spawn(listen)
        runtime.spawn(talk)
        runtime.run_until(lambda: bool(heard))
    runtime.close()
    assert heard == [b"HELLO"]
