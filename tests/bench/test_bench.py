"""The benchmark's own parts: the table's figures, the document's section, and two systems that need nothing of ours."""

from __future__ import annotations

import json

import pytest

from tests.bench import leases, on_pcap, router
from tests.bench.__main__ import BEGIN, END, ROWS, table, write
from tests.bench.client import ROWS as CLIENT_ROWS
from tests.bench.systems import BARE, KERNEL, OURS, Sample, systems
from tests.bench.wires import ROWS as ROWS_OF_WIRES
from tests.bench.wires import TAP, WIRES
from tests.bench.wires import table as lines_of


def test_a_row_shows_medians_and_their_ratio():
    kernel = [Sample(bytes=0, times=times, seconds=1.0, server_cpu=0.0) for times in (100, 900, 200)]
    ours = [Sample(bytes=0, times=times, seconds=1.0, server_cpu=0.001) for times in (100, 50, 1000)]
    lines = table([(ROWS[2], {KERNEL: kernel, OURS: ours})])
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[1:5] == ["200", "100", "-", "0.50"]
    assert cells[7] == "10.0"


def test_a_section_is_replaced_and_what_stands_around_it_stays(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    write(document, "new")
    assert document.read_text() == f"# Before\n\n{BEGIN}\nnew\n{END}\n\nAfter\n"


def test_a_document_that_does_not_exist_is_made(tmp_path):
    write(tmp_path / "performance.md", "new")
    assert f"{BEGIN}\nnew\n{END}" in (tmp_path / "performance.md").read_text()


def test_every_row_has_its_client():
    assert {row.name for row in ROWS} <= CLIENT_ROWS.keys()


@pytest.mark.host
def test_the_kernel_and_the_bare_responder_answer_every_row():
    with systems((KERNEL, BARE)) as (running, failures):
        assert failures == {}
        for row in ROWS:
            for system in running.values():
                sample = system.measure(row.name, 0.1)
                assert sample.bytes > 0, (row.name, system.name)
                assert sample.server_cpu > 0, (row.name, system.name)


@pytest.mark.host
def test_ours_and_a_bare_loop_answer_over_libpcap():
    pytest.importorskip("cypcap")
    found = on_pcap.measure(0.1, 1)
    assert found.keys() == {OURS, BARE}
    for rows in found.values():
        assert rows.keys() == set(on_pcap.ROWS)
        assert all(row["speed"] > 0 and row["cpu"] > 0 for row in rows.values())


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
