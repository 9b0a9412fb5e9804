"""What each rule does to the frames of a wire (docs/impair.md), one at a time and together."""

from __future__ import annotations

import itertools
import statistics

import pytest

from netif.link import PARTIAL, Offload
from netif.wire import ip
from netif.wire.checksum import verify
from netif.wire.segment import finish
from tapio import Faults, Sniff, impair, pair
from tests.tapio.test_impairment import FRAMES, Line

LENGTH = len(FRAMES[0])


@pytest.fixture
def line(make_port, want):
    return lambda **rules: Line(make_port, want, **rules)


def arrivals(made, frames, every=0.0):
    """(time, frame) of all that arrives at the far end when one is sent every so many seconds."""
    got = []
    start = made.runtime.time
    for number, frame in enumerate(frames):
        run(made, start + number * every, got)
        made.send(frame)
    run(made, start + len(frames) * every + 1000.0, got)
    return [(when - start, frame) for when, frame in got]


def run(made, until, got):
    while True:
        got += [(made.runtime.time, frame) for frame in made.arrived()]
        due = made.port.deadline
        if due is None or due > until:
            break
        made.run_until(due)
    made.run_until(until)


class TestBurst:
    def test_losses_come_in_runs_of_the_length_that_was_asked_for(self, line):
        made = line(tx={"burst": "2% 25%"})
        got = {frame for _, frame in arrivals(made, FRAMES)}
        lost = [frame not in got for frame in FRAMES]
        runs = "".join("x" if gone else "." for gone in lost).split(".")
        runs = [len(run) for run in runs if run]
        assert 0.03 < sum(lost) / len(lost) < 0.13  # p / (p + r) is 7.4 %
        assert 2.5 < statistics.mean(runs) < 6  # 1 / r is 4
        assert made.driver.out.lost == sum(lost)

    def test_the_share_lost_in_each_state_may_be_said(self, line):
        made = line(tx={"burst": "100% 0% 50% 0%"})
        assert 850 < len(arrivals(made, FRAMES)) < 1150
        made = line(tx={"burst": "0% 100% 0% 10%"})
        assert 1740 < len(arrivals(made, FRAMES)) < 1860


class TestCorrelation:
    def test_losses_cluster_and_their_share_stays(self, line):
        made = line(tx={"loss": "20% 80%"})
        got = {frame for _, frame in arrivals(made, FRAMES)}
        lost = [frame not in got for frame in FRAMES]
        follow = [after for before, after in itertools.pairwise(lost) if before]
        assert 0.12 < sum(lost) / len(lost) < 0.28
        assert sum(follow) / len(follow) > 0.7


class TestJitter:
    @pytest.mark.parametrize(
        ("distribution", "mean", "deviation"),
        [("uniform", 0.05, 0.02 / 3**0.5), ("normal", 0.05, 0.02), ("pareto", 0.07, 0.0346)],
    )
    def test_its_distribution(self, line, distribution, mean, deviation):
        made = line(tx={"delay": "50ms", "jitter": "20ms", "distribution": distribution})
        sent = {frame: number * 1.0 for number, frame in enumerate(FRAMES)}
        waits = [when - sent[frame] for when, frame in arrivals(made, FRAMES, every=1.0)]
        assert len(waits) == len(FRAMES)
        assert abs(statistics.mean(waits) - mean) < 0.0025
        assert abs(statistics.pstdev(waits) - deviation) < 0.3 * deviation
        if distribution == "uniform":
            assert min(waits) >= 0.03
            assert max(waits) <= 0.07

    def test_frames_overtake_each_other(self, line):
        made = line(tx={"delay": "10ms", "jitter": "5ms"})
        got = [frame for _, frame in arrivals(made, FRAMES[:200], every=0.001)]
        assert sorted(got) == FRAMES[:200]
        assert got != FRAMES[:200]

    def test_unless_they_are_to_keep_their_order(self, line):
        made = line(tx={"delay": "10ms", "jitter": "5ms", "keep_order": True})
        assert [frame for _, frame in arrivals(made, FRAMES[:200], every=0.001)] == FRAMES[:200]

    def test_nothing_arrives_before_it_was_sent(self, line):
        made = line(tx={"jitter": "5ms"})
        assert [frame for _, frame in arrivals(made, FRAMES[:50], every=0.1)] == FRAMES[:50]


class TestReorder:
    def test_a_share_goes_ahead_of_what_is_delayed(self, line):
        made = line(tx={"delay": "10ms", "reorder": "10%"})
        times = {frame: when for when, frame in arrivals(made, FRAMES, every=0.001)}
        ahead = [number for number, frame in enumerate(FRAMES) if times[frame] < number * 0.001 + 0.009]
        assert 150 < len(ahead) < 250
        assert made.driver.out.reordered == len(ahead)

    def test_a_gap_lets_only_every_so_manieth_go_ahead(self, line):
        made = line(tx={"delay": "10ms", "reorder": "100%", "gap": 5})
        times = {frame: when for when, frame in arrivals(made, FRAMES[:20], every=0.001)}
        ahead = [number for number in range(20) if times[FRAMES[number]] < number * 0.001 + 0.009]
        assert ahead == [4, 9, 14, 19]


class TestDuplicate:
    def test_a_share_comes_twice(self, line):
        made = line(tx={"duplicate": "10%"})
        got = [frame for _, frame in arrivals(made, FRAMES)]
        assert 150 < len(got) - len(FRAMES) < 250
        assert made.driver.out.duplicated == len(got) - len(FRAMES)
        assert list(dict.fromkeys(got)) == FRAMES

    def test_both_copies_take_the_delay(self, line):
        made = line(rx={"duplicate": 1, "delay": "5ms"})
        made.far.transmit((FRAMES[0],), None)
        assert made.received() == []
        made.run_until(0.005)
        assert made.received() == [FRAMES[0], FRAMES[0]]


class TestCorrupt:
    def test_one_bit_behind_the_link_header_is_turned(self, line):
        made = line(tx={"corrupt": "30%"})
        got = [frame for _, frame in arrivals(made, FRAMES)]
        differing = [
            int.from_bytes(here, "big") ^ int.from_bytes(there, "big")
            for here, there in zip(got, FRAMES, strict=True)
            if here != there
        ]
        assert 520 < len(differing) < 680
        assert made.driver.out.corrupted == len(differing)
        assert {difference.bit_count() for difference in differing} == {1}
        assert max(difference.bit_length() for difference in differing) <= 8 * (LENGTH - 14)

    def test_the_checksum_was_finished_first_so_that_the_receiver_sees_it(self, line, frames):
        made = line(tx={"corrupt": 1})
        buffers, offload = frames.tcp(bytes(1000))
        assert offload.checksum == PARTIAL
        for _ in range(50):
            made.driver.transmit(buffers, offload)
        whole = finish(buffers, offload)
        for frame in made.arrived():
            turned = next(at for at in range(len(whole)) if frame[at] != whole[at])
            assert turned >= 34 or not verify(frame, 14, 34), "the IP header's checksum"
            pseudo = (
                sum(int.from_bytes(frame[at : at + 2], "big") for at in range(26, 34, 2)) + ip.TCP + len(frame) - 34
            )
            assert turned < 34 or not verify(frame, 34, len(frame), pseudo), "TCP's"

    def test_nobody_vouches_for_it_any_more(self, line, frames):
        made = line(rx={"corrupt": 1})
        made.far.transmit(*frames.tcp(b"small, and so VALID"))
        _, offload = made.driver.receive()
        assert offload is None or offload == Offload()


class TestRate:
    def test_a_frame_takes_its_bits_time_and_the_next_waits_for_it(self, line):
        made = line(tx={"rate": LENGTH * 8 * 10})  # ten frames a second
        got = arrivals(made, FRAMES[:5])
        assert [round(when, 6) for when, _ in got] == [0.1, 0.2, 0.3, 0.4, 0.5]

    def test_the_delay_comes_on_top_and_does_not_slow_it(self, line):
        made = line(tx={"rate": LENGTH * 8 * 10, "delay": 1.0})
        got = arrivals(made, FRAMES[:3])
        assert [round(when, 6) for when, _ in got] == [1.1, 1.2, 1.3]

    def test_an_idle_wire_saves_nothing_up(self, line):
        made = line(tx={"rate": LENGTH * 8 * 10})
        arrivals(made, FRAMES[:2])
        got = arrivals(made, FRAMES[2:4])
        assert [round(when, 6) for when, _ in got] == [0.1, 0.2]

    def test_what_finds_the_queue_full_is_lost_and_counted(self, line):
        made = line(tx={"rate": LENGTH * 8 * 10, "queue": 4})
        assert [frame for _, frame in arrivals(made, FRAMES[:10])] == FRAMES[:4]
        assert made.driver.out.tail_dropped == 6

    def test_the_queue_may_be_counted_in_bytes(self, line):
        made = line(tx={"rate": LENGTH * 8 * 10, "queue": f"{3 * LENGTH + 5}B"})
        assert [frame for _, frame in arrivals(made, FRAMES[:10])] == FRAMES[:3]
        assert made.driver.out.tail_dropped == 7

    def test_a_frame_larger_than_the_queue_goes_by_an_idle_wire(self, line):
        made = line(tx={"rate": "1Mbit", "queue": "10B"})
        assert [frame for _, frame in arrivals(made, FRAMES[:3], every=1.0)] == FRAMES[:3]

    def test_without_a_word_the_queue_takes_a_thousand(self, line):
        made = line(tx={"rate": "1kbit"})
        for frame in FRAMES:
            made.send(frame)
        assert made.driver.out.tail_dropped == len(FRAMES) - 1000


class TestMarking:
    def packet(self, tos):
        header = ip.emit(b"\x0a\0\0\1", b"\x0a\0\0\2", 200, 100, ident=1, tos=tos)
        return bytes(12) + b"\x08\0" + header + bytes(100)

    def test_what_finds_the_queue_long_and_speaks_ecn_is_marked(self, line):
        made = line(tx={"rate": "100kbit", "ecn": 2})
        for tos in (0b10, 0b10, 0b10, 0b01, 0b00, 0b11):
            made.send(self.packet(tos))
        made.run_until(10.0)
        got = made.arrived()
        assert [frame[15] & 3 for frame in got] == [0b10, 0b10, 0b11, 0b11, 0b00, 0b11]
        assert made.driver.out.marked == 2
        assert all(verify(frame, 14, 34) for frame in got)

    def test_the_threshold_may_be_bytes(self, line):
        made = line(tx={"rate": "100kbit", "ecn": "300B", "queue": "1MB"})
        for _ in range(5):
            made.send(self.packet(0b10))
        made.run_until(10.0)
        assert [frame[15] & 3 for frame in made.arrived()] == [0b10, 0b10, 0b10, 0b11, 0b11]


class TestOnly:
    def test_other_kinds_are_not_harmed_but_take_as_long(self, line, frames):
        made = line(tx={"loss": 1, "delay": "5ms", "only": "tcp"})
        made.driver.transmit(*frames.tcp(b"x"))
        made.send(frames.udp(b"x"))
        made.run_until(0.0049)
        assert made.arrived() == []
        made.run_until(0.005)
        assert made.arrived() == [frames.udp(b"x")]


class TestDirections:
    def test_each_has_its_own_rules_over_those_of_both(self):
        driver = impair(pair()[0], delay="1ms", loss=("1%", "2%"), tx={"loss": "3%"}, rx={"rate": "1Mbit"})
        assert driver.out.faults == Faults.of(delay=0.001, loss=0.03)
        assert driver.into.faults == Faults.of(delay=0.001, loss=0.02, rate=1e6)

    def test_parsed_rules_may_be_given_too(self):
        driver = impair(pair()[0], delay="1ms", rx=Faults.of(loss="1%"))
        assert driver.into.faults == Faults.of(loss="1%")

    def test_rules_that_do_nothing_make_no_wrapper(self):
        driver = pair()[0]
        assert impair(driver, tx={"loss": 0, "rate": "0"}, rx={}, gap=3, only="tcp") is driver

    def test_the_same_dice_give_the_same_run(self, line):
        rules = {
            "loss": "3% 20%", "burst": "1% 30%", "delay": "5ms", "jitter": "2ms", "reorder": "5%", "duplicate": "2%",
            "corrupt": "2%", "rate": "1Mbit", "queue": "20kB",
        }  # fmt: skip
        runs = []
        for seed in (1, 1, 2):
            got = arrivals(line(tx=rules, seed=seed), FRAMES[:500], every=0.0005)
            runs.append([(round(when, 6), frame) for when, frame in got])
        assert runs[0] == runs[1] != runs[2]

    def test_every_count_has_a_name(self, line):
        made = line(tx={"loss": "20%", "duplicate": "10%", "rate": "10kbit", "queue": 5})
        for frame in FRAMES[:100]:
            made.send(frame)
        counters = made.driver.out.counters
        assert counters["seen"] == 100
        sent = counters["seen"] - counters["lost"] + counters["duplicated"] - counters["tail_dropped"]
        assert sent == len(made.driver.out.waiting) == 5

    def test_a_capture_around_it_and_one_within(self, make_port, want):
        taken = {"inside": [], "outside": []}

        class Sink:
            def __init__(self, name):
                self.name = name

            def frame(self, direction, _when, frame, *_more):
                taken[self.name].append(direction)

            def flush(self):
                pass

        near, far = pair()
        driver = Sniff(impair(Sniff(near, Sink("inside")), loss=(0.5, 0)), Sink("outside"))
        driver.open(want(), make_port())
        far.open(want(), make_port())
        for frame in FRAMES[:100]:
            driver.transmit((frame,), None)
        assert len(taken["outside"]) == 100
        assert 25 < len(taken["inside"]) < 75


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"jitter": "5 parsec"}, "jitter: '5 parsec' is not from 0 to an hour"),
        ({"rate": "fast"}, "rate: 'fast' is no rate in bits a second"),
        ({"rate": -1}, "rate: -1 is no rate"),
        ({"rate": "10MB"}, "rate: '10MB' is no rate"),
        ({"rate": 1e6, "queue": "many"}, "queue: 'many' is no depth"),
        ({"rate": 1e6, "queue": 0}, "queue: 0 is no depth"),
        ({"rate": 1e6, "queue": "1.5p"}, "queue: '1.5p' is no depth"),
        ({"queue": 10}, "queue: nothing queues without a rate"),
        ({"ecn": 10}, "ecn: nothing queues without a rate"),
        ({"reorder": "5%"}, "reorder: nothing can be overtaken"),
        ({"delay": 1, "reorder": "5%", "gap": 0}, "gap: 0 is no count"),
        ({"duplicate": "120%"}, "duplicate: '120%' is not from 0 to 1"),
        ({"corrupt": None}, "corrupt: None is not from 0 to 1"),
        ({"loss": "5% 120%"}, "loss's correlation: '120%' is not from 0 to 1"),
        ({"burst": "1%"}, "burst: '1%' is no burst loss"),
        ({"burst": "1% often"}, "burst: 'often' is not from 0 to 1"),
        ({"jitter": 1, "distribution": "zipf"}, "distribution: 'zipf' is none of uniform, normal, pareto"),
        ({"jitter": 1, "keep_order": "yes"}, "keep_order: 'yes' is neither True nor False"),
        ({"only": "sctp"}, "only: 'sctp' is no kind of frame"),
        ({"delay": (1, 2, 3)}, "delay: .* a pair"),
        ({"tx": {"los": 1}}, "tx: there is no fault 'los'"),
        ({"rx": {"delay": "x"}}, "delay: 'x' is not"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(wrong, said):
    with pytest.raises(ValueError, match=said) as caught:
        impair(pair()[0], **wrong)
    assert "\n" not in str(caught.value)


def test_a_misspelt_rule_is_a_type_error_and_says_which():
    with pytest.raises(TypeError, match="there is no fault 'los': loss, burst, "):
        impair(pair()[0], los="5%")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10Mbit", 1e7),
        ("10 Mbit/s", 1e7),
        ("56kbit", 56e3),
        ("1.5Gbit", 1.5e9),
        ("300", 300.0),
        (2e6, 2e6),
        ("1Mibit", 2**20),
    ],
)
def test_rates_as_people_write_them(text, value):
    assert Faults.of(rate=text).rate == value


@pytest.mark.parametrize(
    ("text", "frames", "size"),
    [(100, 100, None), ("100", 100, None), ("100p", 100, None), ("5 frames", 5, None), ("64KiB", None, 65536),
     ("150kB", None, 150_000), ("1500B", None, 1500), ("1.5MB", None, 1_500_000)],
)  # fmt: skip
def test_depths_as_people_write_them(text, frames, size):
    depth = Faults.of(rate=1e6, queue=text).queue
    assert (depth.frames, depth.bytes) == (frames, size)
