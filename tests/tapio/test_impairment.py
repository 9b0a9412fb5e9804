from __future__ import annotations

import pytest

from netif.link import Offload
from netif.wire import tcp
from tapio import DROP, DUPLICATE, PASS, Impair, drop, duplicate, impair, late, pair


class Line:
    """An impaired end of a pair, driven as a runtime drives it, and the plain other end."""

    def __init__(self, make_port, want, seed=1, queue=100_000, **rules):
        near, self.far = pair(queue=queue)
        self.driver = Impair(near, **rules)
        self.port, self.far_port = make_port(seed=seed), make_port()
        self.runtime = self.port.runtime
        self.granted = self.driver.open(want(), self.port)
        self.far.open(want(), self.far_port)

    def send(self, frame):
        return self.driver.transmit((frame,), None)

    def run_until(self, when):
        while self.port.deadline is not None and self.port.deadline <= when:
            self.runtime.time = max(self.runtime.time, self.port.deadline)
            self.port.deadline = None
            self.driver.advance(self.runtime.time)
        self.runtime.time = when

    def arrived(self):
        """At the far end."""
        return self.drain(self.far)

    def received(self):
        """At the impaired end."""
        return self.drain(self.driver)

    def drain(self, driver):
        taken = []
        while (item := driver.receive()) is not None:
            taken.append(item[0])
        return taken


@pytest.fixture
def line(make_port, want):
    return lambda **rules: Line(make_port, want, **rules)


FRAMES = [b"frame %4d " % n + bytes(50) for n in range(2000)]


class TestWithoutRules:
    def test_there_is_no_wrapper(self):
        driver, _ = pair()
        assert impair(driver) is driver
        assert impair(driver, loss=0, delay=0, script=None) is driver
        assert impair(driver, loss="0%", delay=("0ms", 0)) is driver

    def test_any_rule_makes_one(self):
        driver, _ = pair()
        assert isinstance(impair(driver, loss=(0, "1%")), Impair)
        assert isinstance(impair(driver, delay="1ms"), Impair)
        assert isinstance(impair(driver, script=drop("1st SYN")), Impair)


class TestAsking:
    def test_the_driver_inside_is_asked_for_one_segment_and_no_offload(self, line, want):
        made = line(loss=0.1)
        assert made.granted == want(gso_max=1500, tx_checksum=False, rx_checksum=False)

    def test_so_a_fault_falls_on_a_segment(self, line, frames):
        made = line(loss=(0, 1.0))
        buffers, offload = frames.tcp(bytes(14_480), gso=1448)
        made.far.transmit(buffers, offload)
        assert made.received() == []
        assert made.driver.into.lost == 10

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"loss": "half"}, "loss: 'half'"),
            ({"loss": 1.5}, "loss: 1.5"),
            ({"loss": "-1%"}, "loss: '-1%'"),
            ({"delay": "20 minutes"}, "delay: '20 minutes'"),
            ({"delay": -1}, "delay: -1"),
            ({"loss": (1, 2, 3)}, "a pair"),
            (
                {"script": "drop 3rd SYN"},
                r"script: 'drop 3rd SYN' is no rule: write drop\('3rd SYN'\), or script_from_data",
            ),
            ({"script": [drop("SYN"), {"drop": "SYN"}]}, "script: {'drop': 'SYN'} is no rule"),
        ],
    )
    def test_what_cannot_be_read_is_said_in_one_line(self, wrong, said):
        with pytest.raises(ValueError, match=said) as caught:
            impair(pair()[0], **wrong)
        assert "\n" not in str(caught.value)

    def test_amounts_as_people_write_them(self, line):
        made = line(loss=("5%", "0.5"), delay=("20ms", "1500us"))
        out, into = made.driver.out.faults, made.driver.into.faults
        assert (out.loss.p, into.loss.p) == (0.05, 0.5)
        assert (out.delay, into.delay) == (0.02, 0.0015)


class TestLoss:
    def test_about_that_many_are_lost_each_way(self, line):
        made = line(loss="10%")
        for frame in FRAMES:
            made.send(frame)
            made.far.transmit((frame,), None)
        assert 1740 < len(made.arrived()) < 1860
        assert 1740 < len(made.received()) < 1860

    def test_the_directions_are_independent(self, line):
        made = line(loss=("100%", 0))
        made.send(FRAMES[0])
        made.far.transmit((FRAMES[1],), None)
        assert made.arrived() == []
        assert made.received() == [FRAMES[1]]
        assert (made.driver.out.lost, made.driver.into.lost) == (1, 0)

    def test_the_same_dice_lose_the_same_frames_whatever_comes_the_other_way(self, line):
        def lost(seed, other_way):
            made = line(loss="20%", seed=seed)
            for frame in FRAMES[:300]:
                made.send(frame)
                if other_way:
                    made.far.transmit((frame,), None)
                    made.received()
            return made.arrived()

        assert lost(1, False) == lost(1, True)
        assert lost(1, False) != lost(2, False)


class TestDelay:
    def test_frames_arrive_in_order_after_the_delay(self, line):
        made = line(delay="20ms")
        assert made.send(FRAMES[0])
        made.run_until(0.01)
        assert made.send(FRAMES[1])
        made.run_until(0.0199)
        assert made.arrived() == []
        made.run_until(0.02)
        assert made.arrived() == [FRAMES[0]]
        made.run_until(0.03)
        assert made.arrived() == [FRAMES[1]]

    def test_what_comes_in_is_delayed_too(self, line):
        made = line(delay=(0, 0.02))
        made.far.transmit((FRAMES[0],), None)
        assert made.received() == []
        announced = made.port.ready
        made.run_until(0.02)
        assert made.port.ready > announced
        assert made.received() == [FRAMES[0]]

    def test_a_burst_is_pulled_whole_though_it_is_longer_than_one_pull(self, line):
        made = line(delay=(0, 0.02))
        for frame in FRAMES[:300]:
            made.far.transmit((frame,), None)
        while made.driver.receive() is None and made.port.ready:
            made.port.ready = 0
        made.run_until(0.02)
        assert made.received() == FRAMES[:300]

    def test_a_buffer_that_may_change_is_copied_while_it_waits(self, line):
        made = line(delay=0.02)
        scratch = bytearray(b"first")
        made.driver.transmit((scratch,), None)
        scratch[:] = b"later"
        made.run_until(0.02)
        assert made.arrived() == [b"first"]

    def test_what_waits_is_bounded_and_counted(self, line):
        made = line(delay=1.0)
        big = bytes(1 << 20)
        assert all(made.send(big) for _ in range(40))
        assert 0 < made.driver.out.overflowed < 40
        assert len(made.driver.out.waiting) + made.driver.out.overflowed == 40


class TestAFullDriverInside:
    def test_a_decided_frame_waits_and_the_next_is_refused_until_there_is_room(self, line):
        made = line(loss=(1e-9, 0), queue=2)
        assert [made.send(frame) for frame in FRAMES[:5]] == [True, True, True, False, False]
        assert made.driver.out.seen == 3
        assert made.arrived() == FRAMES[:2]
        assert made.port.room == 0
        made.run_until(0.0)
        assert made.port.room == 1
        assert made.send(FRAMES[3])
        assert made.arrived() == FRAMES[2:4]

    def test_delayed_frames_keep_their_order(self, line):
        made = line(delay=(0.01, 0), queue=2)
        for frame in FRAMES[:5]:
            made.send(frame)
        made.run_until(0.01)
        arrived = []
        while fresh := made.arrived():
            arrived += fresh
            made.run_until(made.runtime.time)
        assert arrived == FRAMES[:5]


class TestScripts:
    def syn(self, frames, seq=1):
        return frames.tcp(flags=tcp.SYN, seq=seq)[0][0]

    def test_drop_the_third_syn(self, line, frames):
        made = line(script=drop("3rd SYN"))
        sent = [self.syn(frames, n) for n in range(5)]
        for frame in sent:
            made.send(FRAMES[0])
            made.send(frame)
        assert [frame for frame in made.arrived() if frame != FRAMES[0]] == sent[:2] + sent[3:]
        assert made.driver.out.dropped == 1

    def test_several_rules_each_count_for_themselves(self, line, frames):
        made = line(script=[drop("1st SYN"), drop("2nd SYN")])
        sent = [self.syn(frames, n) for n in range(3)]
        for frame in sent:
            made.send(frame)
        assert made.arrived() == sent[2:]

    def test_one_rule_begins_anew_on_each_wire(self, line, frames):
        rule = drop("1st SYN")
        for made in (line(script=rule), line(script=rule)):
            made.send(self.syn(frames))
            assert made.arrived() == []

    def test_a_direction_may_be_named(self, line, frames):
        made = line(script=drop("1st in SYN"))
        made.send(self.syn(frames))
        made.far.transmit((self.syn(frames),), None)
        assert len(made.arrived()) == 1
        assert made.received() == []

    def test_the_first_two(self, line):
        made = line(script=drop("first 2 frame"))
        for frame in FRAMES[:6]:
            made.send(frame)
        assert made.arrived() == FRAMES[2:6]

    def test_every_other_one(self, line):
        made = line(script=drop("every 2nd frame"))
        for frame in FRAMES[:6]:
            made.send(frame)
        assert made.arrived() == FRAMES[0:6:2]

    def test_duplicate(self, line):
        made = line(script=duplicate("1st frame"))
        made.send(FRAMES[0])
        made.send(FRAMES[1])
        assert made.arrived() == [FRAMES[0], FRAMES[0], FRAMES[1]]

    def test_late_ones_are_overtaken(self, line):
        made = line(script=late("1st frame", 0.05))
        made.send(FRAMES[0])
        made.send(FRAMES[1])
        made.run_until(0.05)
        assert made.arrived() == [FRAMES[1], FRAMES[0]]

    def test_a_callable_is_told_direction_frame_and_index_and_may_alter(self, line):
        told = []

        def script(direction, frame, index):
            told.append((direction, frame, index))
            return {1: None, 2: DROP, 3: b"altered", 4: DUPLICATE, 5: PASS}.get(index)

        made = line(script=script, loss=("100%", 0))
        made.driver.transmit((b"one", b"..."), Offload())
        for frame in (b"two", b"three", b"four", b"five", b"six"):
            made.send(frame)
        assert made.arrived() == [b"altered", b"four", b"four", b"five"]
        assert told[:2] == [("out", b"one...", 1), ("out", b"two", 2)]

    def test_kinds_are_those_of_the_wire(self, line, frames):
        sent = {
            "syn": tcp.SYN,
            "syn-ack": tcp.SYN | tcp.ACK,
            "fin": tcp.FIN | tcp.ACK,
            "rst": tcp.RST,
            "ack": tcp.ACK,
        }
        for kind in sent:
            made = line(script=drop(kind))
            for flags in sent.values():
                made.send(frames.tcp(flags=flags)[0][0])
            assert len(made.arrived()) == len(sent) - 1, kind
        made = line(script=[drop("data"), drop("udp")])
        made.driver.transmit(*frames.tcp(b"payload"))
        made.send(frames.udp(b"payload"))
        made.driver.transmit(*frames.tcp())
        assert len(made.arrived()) == 1

    def test_words_that_name_no_frames(self):
        twice = ("in 1st out SYN", "3rd first 2 SYN")
        for text in ("3rd banana", "", "every SYN", *twice, "0th SYN", "first 0 SYN", "SYN 3rd"):
            with pytest.raises(ValueError, match="names no frames"):
                drop(text)
