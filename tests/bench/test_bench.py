"""The benchmark's own parts: the table's figures, the document's section, and two systems that need nothing of ours."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

from tests import bench
from tests.bench import leases, router
from tests.bench.client import ROWS as CLIENT_ROWS
from tests.bench.rows import ALL, ROWS
from tests.bench.systems import (
    BARE,
    BARE_PCAP,
    BARE_PLAIN,
    KERNEL,
    OURS,
    OURS_PCAP,
    OURS_PLAIN,
    Sample,
    systems,
)
from tests.bench.table import BEGIN, END, latencies, met, notes, processor, speeds, write
from tests.bench.wires import ROWS as ROWS_OF_WIRES
from tests.bench.wires import TAP, WIRES
from tests.bench.wires import table as lines_of

BY_NAME = {row.name: row for row in ROWS}
PARTS = [
    module.name
    for module in pkgutil.walk_packages(bench.__path__, "tests.bench.")
    if ".test_" not in module.name and module.name != "tests.bench.peers.pytcp"  # which runs where PyTCP is
]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def samples(*rates: int, cpu: float = 0.0) -> list[Sample]:
    """Of a second each."""
    return [Sample(bytes=rate * 65536, times=rate, seconds=1.0, server_cpu=cpu) for rate in rates]


@pytest.mark.parametrize("name", PARTS)
def test_each_part_finds_what_it_needs_of_the_others(name):
    importlib.import_module(name)


def test_a_row_shows_medians_and_their_ratio():
    row = BY_NAME["ping-pong"]
    lines = speeds({row.name: (row, {KERNEL: samples(100, 900, 200), OURS: samples(100, 50, 1000)})})
    assert cells(lines[2]) == [row.title, "200", "100", "-", "0.50", "-", "kernel", "0.50", "0.5", "0.65", "yes"]


def test_sixteen_connections_are_held_against_one_of_ours():
    one, sixteen = BY_NAME["to-kernel"], BY_NAME["sixteen-out"]
    found = {one.name: (one, {OURS: samples(1000)}), sixteen.name: (sixteen, {OURS: samples(600)})}
    assert cells(speeds(found)[3])[-5:] == ["ours, one", "0.60", "0.7", "0.9", "no"]
    del found[one.name]
    assert cells(speeds(found)[2])[-5:] == ["ours, one", "-", "0.7", "0.9", "-"]


def test_a_row_may_be_held_against_a_number():
    row = BY_NAME["udp-in"]
    assert cells(speeds({row.name: (row, {OURS: samples(120_000)})})[2])[-5:] == [
        "itself", "120,000", "60,000", "100,000", "goal",
    ]  # fmt: skip


def test_processor_time_is_told_above_the_bare_responders():
    row = BY_NAME["from-kernel"]
    found = {row.name: (row, {OURS: samples(1000, cpu=0.045), BARE: samples(1000, cpu=0.025)})}
    assert cells(processor(found)[2])[1:] == ["64 KiB", "-", "45.0", "25.0", "20.0", "30", "15", "yes", "0.7"]


def test_latency_is_told_of_what_has_round_trips():
    row = BY_NAME["ping-pong"]
    sample = Sample(bytes=10, times=10, seconds=1.0, server_cpu=0.0, p50=20e-6, p99=900e-6)
    found = {name: (BY_NAME[name], {OURS: [sample]}) for name in ("ping-pong", "to-kernel")}
    assert [cells(line) for line in latencies(found)[2:]] == [
        ["TCP 1-byte ping-pong", "-", "20.0", "-", "-", "900", "-"]
    ]
    assert latencies({"to-kernel": found["to-kernel"]}) == []
    assert row.latency


def test_what_was_offered_and_not_delivered_is_dropped_and_counted():
    row = BY_NAME["udp-in"]
    sample = Sample(bytes=640, times=1000, seconds=1.0, server_cpu=0.0, offered=1200, counted=150)
    [told] = notes({row.name: (row, {OURS: [sample]})})
    assert told.endswith("ours: 1,200 offered, 1,000 delivered, 200 dropped, 75 % of them counted")


def test_a_goal_lies_beyond_what_must_be():
    assert [met(value, 0.5, 0.7) for value in (0.4, 0.5, 0.7, None)] == ["no", "yes", "goal", "-"]
    assert [met(value, 30, 15, less=True) for value in (31, 30, 15)] == ["no", "yes", "goal"]
    assert all((row.must > row.goal) is row.less for row in ROWS)


def test_a_section_is_replaced_and_what_stands_around_it_stays(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    write(document, "new")
    assert document.read_text() == f"# Before\n\n{BEGIN}\nnew\n{END}\n\nAfter\n"


def test_a_document_that_does_not_exist_is_made(tmp_path):
    write(tmp_path / "performance.md", "new")
    assert f"{BEGIN}\nnew\n{END}" in (tmp_path / "performance.md").read_text()


def test_every_row_has_its_client():
    assert {row.client or row.name for row in ROWS} <= CLIENT_ROWS.keys()


@pytest.mark.host
def test_the_kernel_answers_every_row_and_the_bare_responder_those_of_all():
    with systems((KERNEL, BARE)) as (running, failures):
        assert failures == {}
        for name, rows in ((KERNEL, ROWS), (BARE, [row for row in ROWS if row.systems is ALL])):
            clients = tuple(dict.fromkeys(row.client or row.name for row in rows))
            for row, sample in running[name].measure_all(clients, 0.1).items():
                assert sample.times > 0, (row, name)
                assert sample.server_cpu > 0 or row == "ping-flood", (row, name)


@pytest.mark.host
@pytest.mark.parametrize(("ours", "bare"), [(OURS_PLAIN, BARE_PLAIN), (OURS_PCAP, BARE_PCAP)])
def test_ours_and_a_bare_loop_move_bulk_without_offload_and_over_libpcap(ours, bare):
    if ours == OURS_PCAP:
        pytest.importorskip("cypcap")
    with systems((ours, bare)) as (running, failures):
        assert failures == {}
        for system in running.values():
            for sample in system.measure_all(("from-kernel", "to-kernel"), 0.1).values():
                assert sample.bytes > 0
                assert sample.server_cpu > 0


def test_hosts_are_bound_and_what_that_took_is_told(capsys):
    leases.main(["10"])
    told = json.loads(capsys.readouterr().out)
    assert told["hosts"] == 10
    assert 0 < told["virtual"] < 10
    assert told.keys() == {"hosts", "wall", "cpu", "virtual", "memory"}


def test_a_wires_bulk_is_told_beside_the_taps():
    bulk = [Sample(bytes=65_536_000, times=1, seconds=1.0, server_cpu=0.05)]
    answers = [Sample(bytes=1000, times=1000, seconds=1.0, server_cpu=0.02)]
    half = [Sample(bytes=65_536_000, times=1, seconds=2.0, server_cpu=0.1)]
    found = {TAP: dict(zip(ROWS_OF_WIRES, (bulk, bulk, answers), strict=True))}
    found["packet:v0"] = dict(zip(ROWS_OF_WIRES, (half, bulk, answers), strict=True))
    cells = [cell.strip() for cell in lines_of(WIRES, found)[3].strip("|").split("|")]
    assert cells == ["`packet:v0`", "33", "66", "1,000", "0.50, 1.00, 1.00", "0.7", "100.0", "50.0", "20.0"]


@pytest.mark.host
def test_a_router_of_ours_lets_every_row_through():
    with router.routed(router.NAPT) as system:
        for row in router.THROUGH:
            sample = system.measure(row, 0.1)
            assert sample.bytes > 0
            assert sample.server_cpu > 0
