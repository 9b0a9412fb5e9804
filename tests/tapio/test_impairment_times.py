"""Bursts against their theory, outages by the clock, and rules for some frames alone (docs/impair.md)."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
import tomllib

import pytest

from netif.wire import tcp
from tapio import Faults, Impair, impair, script_from_data
from tapio.lane import Lane
from tests.tapio.test_impairment import FRAMES, Line

MANY = 30_000


@pytest.fixture
def seed():
    """Always the same: of so many figures one is five deviations off in some thousand runs, and no fault is found."""
    return 7


@pytest.fixture
def line(make_port, want):
    return lambda **rules: Line(make_port, want, **rules)


def losses(seed, **rules):
    """Of each of many frames, whether it was lost."""
    lane = Lane("out", Faults.of(**rules))
    lane.roll(random.Random(seed))
    return [not lane.fates((b"frame",), None, 0.0) for _ in range(MANY)]


def near(share, expected, spread):
    """Within five standard deviations."""
    assert abs(share - expected) < 5 * spread, (share, expected, spread)


def run_lengths(lost):
    return [len(list(run)) for gone, run in itertools.groupby(lost) if gone]


class TestGilbertAndElliott:
    """Gilbert 1960, Elliott 1963: a chain of two states; its second eigenvalue is 1 - p - r."""

    @pytest.mark.parametrize(("p", "r"), [(0.02, 0.25), (0.01, 0.5), (0.2, 0.2), (0.5, 0.9)])
    def test_the_share_lost_and_the_runs_are_those_of_the_chain(self, p, r, seed):
        lost = losses(seed, burst=f"{p} {r}")
        share, memory = p / (p + r), 1 - p - r
        near(statistics.mean(lost), share, math.sqrt(share * (1 - share) / MANY * (1 + memory) / (1 - memory)))
        runs = run_lengths(lost)
        near(statistics.mean(runs), 1 / r, math.sqrt((1 - r) / r**2 / len(runs)))  # geometric
        for longest in (1, 2, 4):
            tail = (1 - r) ** longest
            near(sum(run > longest for run in runs) / len(runs), tail, math.sqrt(tail * (1 - tail) / len(runs)))

    def test_with_losses_in_both_states_the_pairs_are_those_of_the_chain(self, seed):
        p, r, bad, good = 0.05, 0.2, 0.7, 0.02
        lost = losses(seed, burst="5% 20% 70% 2%")
        in_bad = p / (p + r)
        share = in_bad * bad + (1 - in_bad) * good
        both = in_bad * bad * ((1 - r) * bad + r * good) + (1 - in_bad) * good * (p * bad + (1 - p) * good)
        near(statistics.mean(lost), share, 3 * math.sqrt(share * (1 - share) / MANY))
        pairs = statistics.mean(before and after for before, after in itertools.pairwise(lost))
        near(pairs, both, 3 * math.sqrt(both * (1 - both) / MANY))

    @pytest.mark.parametrize(("loss", "length"), [("2%", 4), ("10%", "2"), (0.5, 10), ("1%", 1)])
    def test_a_loss_in_bursts_of_a_length_is_that_loss_and_that_length(self, loss, length, seed):
        lost = losses(seed, loss=loss, burst=length)
        share = float(str(loss).rstrip("%")) / (100 if "%" in str(loss) else 1)
        r = 1 / float(length)
        memory = 1 - r * share / (1 - share) - r
        near(statistics.mean(lost), share, math.sqrt(share * (1 - share) / MANY * (1 + memory) / (1 - memory)))
        runs = run_lengths(lost)
        near(statistics.mean(runs), float(length), math.sqrt((1 - r) / r**2 / len(runs)) + 1e-9)

    def test_the_same_seed_is_the_same_losses(self, seed):
        assert losses(seed, loss="3%", burst=5) == losses(seed, loss="3%", burst=5)
        assert losses(seed, loss="3%", burst=5) != losses(seed + 1, loss="3%", burst=5)

    @pytest.mark.parametrize(
        ("rules", "says"),
        [
            ({"burst": 4}, "burst: in bursts of 4 a loss can come that is more than 0 and at most 80%"),
            ({"burst": "2", "loss": "70%"}, "at most 67%"),
            ({"burst": "0.5", "loss": "1%"}, "burst: '0.5' is no burst loss"),
            ({"burst": "often"}, "burst: 'often' is no burst loss"),
        ],
    )
    def test_a_length_that_cannot_be_is_told(self, rules, says):
        with pytest.raises(ValueError, match=says):
            Faults.of(**rules)


def heard(made, times):
    """At which of these times a frame that is sent arrives."""
    arrived = []
    for when in times:
        made.run_until(when)
        made.send(FRAMES[0])
        if made.arrived():
            arrived.append(when)
    return arrived


class TestOutages:
    def test_nothing_passes_during_a_partition(self, line):
        made = line(tx={"partition": "8s-9.5s, 5s-7s"})
        assert heard(made, range(11)) == [0, 1, 2, 3, 4, 7, 10]
        assert made.driver.out.counters["cut_off"] == 4
        assert made.driver.into.counters["cut_off"] == 0

    def test_one_without_an_end_lasts(self, line):
        assert heard(line(partition="2s-"), [0, 1.999, 2, 1e6]) == [0, 1.999]

    def test_a_flapping_wire_is_up_and_down_in_turn(self, line):
        assert heard(line(flap="3s 2s"), range(12)) == [0, 1, 2, 5, 6, 7, 10, 11]

    def test_time_begins_when_the_wire_is_opened(self, line, want):
        made = line(partition="1s-2s")
        made.run_until(100.0)
        made.driver.open(want(), made.port)
        assert heard(made, [100.5, 101.5, 102.5]) == [100.5, 102.5]

    def test_what_was_under_way_arrives(self, line):
        made = line(tx={"delay": "2s", "partition": "1s-10s"})
        made.send(FRAMES[0])
        made.run_until(2.0)
        assert made.arrived() == [FRAMES[0]]

    def test_a_port_alone_can_be_cut_off(self, line, frames):
        made = line(flap="0s 1s", only="udp port 1000")
        made.send(frames.udp(b"x"))
        made.driver.transmit(*frames.tcp(b"x"))
        assert len(made.arrived()) == 1

    @pytest.mark.parametrize(
        ("rules", "says"),
        [
            ({"partition": "5s"}, "partition: '5s' names no time: write '5s-8s'"),
            ({"partition": ""}, "partition: ''"),
            ({"partition": "8s-5s"}, "partition: '8s-5s': each time must begin before it ends"),
            ({"partition": "1s-5s 4s-6s"}, "and after the one before it"),
            ({"partition": "soon-later"}, "partition: 'soon' is not from 0 to an hour"),
            ({"flap": "10s"}, "flap: '10s' is no turn: write '10s 2s'"),
            ({"flap": "0 0"}, "flap: '0 0' is no turn"),
        ],
    )
    def test_what_names_no_time_is_told(self, rules, says):
        with pytest.raises(ValueError, match=says):
            Faults.of(**rules)


class TestMatch:
    def test_what_it_does_not_name_passes_by_untouched_and_in_order(self, line, frames):
        others = [frames.udp(bytes([n])) for n in range(50)]
        made = line(match="tcp port 7", delay="1s", jitter="1s", loss="50%", corrupt="50%", rate=8000)
        for frame in others:
            made.driver.transmit(*frames.tcp(b"x"))
            made.send(frame)
        assert made.arrived() == others
        made.run_until(1000.0)
        assert 0 < len(made.arrived()) < 50

    def test_both_directions_may_match_different_frames(self, line, frames):
        made = line(tx={"loss": 1, "match": "tcp"}, rx={"loss": 1, "match": "udp"})
        for send in (made.driver, made.far):
            send.transmit((frames.udp(b"x"),), None)
            send.transmit(*frames.tcp(b"x"))
        assert [len(made.arrived()), len(made.received())] == [1, 1]

    def test_scripts_too_are_for_what_it_names(self, line, frames):
        made = line(match="udp", script=lambda direction, frame, index: b"altered", loss=0)
        made.driver.transmit(*frames.tcp(b"x"))
        made.send(frames.udp(b"x"))
        assert made.arrived()[1] == b"altered"

    def test_without_a_fault_there_is_still_no_wrapper(self):
        driver = object()
        assert impair(driver, match="tcp", only="tcp port 80") is driver


class TestScriptsAsData:
    def test_text_and_mappings_say_the_same(self):
        texts = ["drop 3rd SYN", "Duplicate every 2nd data", "late 50ms 2nd out tcp port 80", "pass arp"]
        mappings = [
            {"drop": "3rd SYN"},
            {"duplicate": "every 2nd data"},
            {"late": "2nd out tcp port 80", "by": "50ms"},
            {"pass": "arp"},
        ]
        said = script_from_data(json.loads(json.dumps(texts)))
        assert [(one.verdict, one.direction, one.every, one.nth, one.frames.groups) for one in said] == [
            (one.verdict, one.direction, one.every, one.nth, one.frames.groups) for one in script_from_data(mappings)
        ]
        toml = tomllib.loads('rules = ["drop 3rd SYN", {late = "2nd out tcp port 80", by = 0.05}]')
        assert script_from_data(toml["rules"]) == [said[0], said[2]]
        assert script_from_data("drop 3rd SYN") == said[:1]

    def test_a_script_from_data_is_one(self, line, frames):
        made = line(script=script_from_data(["drop 2nd SYN", "duplicate udp port 7"]))
        for n in range(3):
            made.send(frames.tcp(flags=tcp.SYN, seq=n)[0][0])
        made.send(frames.udp(b"x"))
        assert len(made.arrived()) == 4

    def test_a_rule_may_count_what_a_filter_means(self, line, frames):
        made = line(script=script_from_data("drop in every 2nd tcp port 1000"))
        for _ in range(4):
            made.far.transmit((frames.tcp(b"x")[0][0] + b"x",), None)
            made.send(frames.tcp(b"x")[0][0] + b"x")
        assert (len(made.received()), len(made.arrived())) == (2, 4)

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            ("3rd SYN", "entry 1: '3rd SYN' is no rule: write drop, pass, duplicate or late TIME"),
            ("drop 3rd banana", "entry 1: '3rd banana' names no frames: 'banana' is no term"),
            ("late soon SYN", "entry 1: late: 'soon' is not from 0 to an hour"),
            ({"drop": "SYN", "by": "1s"}, "entry 1: .* is no rule: write"),
            ({"late": "SYN"}, "entry 1: .* is no rule: write"),
            ({"drop": "SYN", "pass": "ACK"}, "one of drop, pass, duplicate or late is its key"),
            ({"drop": 3}, "is no rule"),
            ({}, "is no rule"),
            (3, "entry 1: 3 is no rule"),
        ],
    )
    def test_what_is_no_rule_is_told(self, entry, says):
        with pytest.raises(ValueError, match=f"^script: {says}" if says.startswith("entry") else says):
            script_from_data([entry])


def test_all_is_the_same_again_by_the_same_seed(line, seed):
    def once():
        made = line(seed=seed, loss="5%", burst=3, jitter="5ms", delay="5ms", flap="1s 250ms")
        start, got = made.runtime.time, []
        for number, frame in enumerate(FRAMES[:256]):
            made.run_until(start + number / 64)
            made.send(frame)
            got.append(made.arrived())
        made.run_until(start + 1024.0)
        return got, made.arrived(), made.driver.out.counters

    assert once() == once()


def test_a_script_counts_bare_packets_where_the_wire_has_no_ethernet(want, make_port, frames):
    import attrs

    from netif.link import Medium

    class Bare:
        def __init__(self):
            self.sent = []

        def open(self, want, port):
            return attrs.evolve(want, mac=b"", medium=Medium.POINT_TO_POINT)

        def transmit(self, buffers, offload):
            self.sent.append(b"".join(buffers))
            return True

    bare = Bare()
    driver = Impair(bare, script=script_from_data("drop 1st udp port 7"))
    driver.open(want(), make_port())
    packet = frames.udp(b"x")[14:]
    driver.transmit((packet,), None)
    driver.transmit((packet,), None)
    assert bare.sent == [packet]
