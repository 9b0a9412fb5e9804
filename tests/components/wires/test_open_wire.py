"""From a text to drivers around drivers, and nothing left of what could not be had."""

from __future__ import annotations

import importlib
import os

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

import netif
from components.wires import read
from components.wires.kinds import WIRES, WRAPPERS, help_lines
from components.wires.plan import imported
from netif import Netif, Sniff, Stack, VirtualRuntime, open_wire, pair
from tapio import Hook, Impair, UnixWire
from tapio.faults import Words


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_wrappers_are_drivers_around_the_driver(tmp_path):
    wire = open_wire(f"impair(sniff(unix:{tmp_path}/lan, file={tmp_path}/x.pcapng), loss=10%, rx.delay=20ms, gap=3)")
    assert isinstance(wire, Impair)
    assert (wire.out.faults.loss.p, wire.into.faults.delay, wire.out.faults.delay, wire.out.faults.gap) == (
        0.1,
        0.02,
        0,
        3,
    )
    assert isinstance(wire.driver, Sniff)
    assert isinstance(wire.driver.driver, UnixWire)
    wire.close()
    assert not (tmp_path / "lan").exists()


def test_a_hook_is_a_function_of_a_module_or_of_a_file(tmp_path):
    (tmp_path / "mine.py").write_text("seen = []\ndef look(*what):\n    seen.append(what)\n")
    wire = open_wire(f"hook(unix:{tmp_path}/lan, call={tmp_path}/mine.py:look)")
    assert isinstance(wire, Hook)
    assert wire.fn("out", b"frame") is None
    wire.close()
    wire = open_wire(f"hook(unix:{tmp_path}/lan, call=tests.components.wires.calls:with_ttl_9, scapy, on_error=drop)")
    packet = IP(bytes(wire.fn("out", bytes(Ether() / IP(ttl=64)))[14:]))
    assert packet.ttl == 9
    wire.close()


def test_impair_without_a_rule_is_the_driver_itself(tmp_path):
    wire = open_wire(f"impair(unix:{tmp_path}/lan)")
    assert isinstance(wire, UnixWire)
    wire.close()


def test_scripts_are_written_in_place_or_in_a_file(tmp_path):
    (tmp_path / "rules.json").write_text('["drop 3rd SYN", {"late": "2nd data", "by": "50ms"}]')
    (tmp_path / "rules.toml").write_text('rules = ["drop 3rd SYN", "late 50ms 2nd data"]')
    scripts = ("'drop 3rd SYN; late 50ms 2nd data'", f"@{tmp_path}/rules.json", f'"@{tmp_path}/rules.toml"')
    for number, script in enumerate(scripts):
        wire = open_wire(f"impair(unix:{tmp_path}/lan{number}, script={script})")
        assert isinstance(wire, Impair)
        assert len(wire.out.scripts) == 2
        wire.close()


@pytest.mark.parametrize(
    ("wrapped", "says"),
    [
        ("impair({}, loss=5x)", "loss: '5x' is not from 0 to 1"),
        ("impair({}, tx.delay=5parsec)", "delay: '5parsec' is not from 0 to an hour"),
        ("impair({}, gap=many)", "impair(: gap=many is no count of frames"),
        ("impair({}, reorder=5%)", "reorder: nothing can be overtaken"),
        ("impair({}, script=drop the beat)", "script: entry 1: 'the beat' names no frames"),
        ("impair({}, script=@/no/such/rules.json)", "/no/such/rules.json: No such file or directory"),
        ("impair({}, script=@/dev/null)", "impair(: script=@/dev/null: Expecting value"),
        ("impair({}, match=port http)", "match: 'port http' is no kind of frame: port wants a number"),
        ("vlan({})", "vlan( wants the VLAN's number: vlan(WIRE, id=10)"),
        ("vlan({}, id=ten)", "vlan(: id=ten is no number: write id=10"),
        ("vlan({}, id=5000)", "vlan(: id: 5000 is no VLAN; give a number from 1 to 4094"),
        ("vlan({}, id=5, priority=9)", "vlan(: priority: 9 is none; give a number from 0 to 7"),
        ("hook({})", "hook( wants a function: hook(WIRE, call=mine.py:look)"),
        ("hook({}, call=look)", "hook(: call=look: write MODULE:FUNCTION"),
        ("hook({}, call=no.such:look)", "hook(: call=no.such:look: no.such cannot be imported: No module named 'no'"),
        ("hook({}, call=/no/such.py:look)", "/no/such.py cannot be imported: [Errno 2]"),
        ("hook({}, call=json:look)", "there is no function look in json"),
        ("hook({}, call=operator:eq, on_error=cry)", "hook(: on_error=cry: write pass or drop"),
        ("sniff({}, name=x)", "sniff( wants a file"),
        ("impair(sniff({}, file=/no/such/place/x), loss=1%)", "/no/such/place/x: No such file or directory"),
        ("impair(sniff({}, file=/dev/null), loss=5x)", "loss: '5x' is not from 0 to 1"),
    ],
)
def test_nothing_is_left_of_a_wire_whose_wrapper_is_wrong(tmp_path, wrapped, says):
    before = descriptors()
    with pytest.raises((ValueError, OSError)) as told:
        open_wire(wrapped.format(f"unix:{tmp_path}/lan"))
    assert says in str(told.value)
    assert not (tmp_path / "lan").exists()
    told = None
    assert descriptors() == before


def test_a_pair_has_nobody_at_its_other_end():
    with pytest.raises(ValueError, match="pair: has nobody at its other end here"):
        open_wire("pair:")


def test_a_wrapper_goes_around_any_driver(tmp_path):
    near, far = pair()
    wrapped = read(f"sniff(pair:, file={tmp_path}/x.pcapng)").wrap(near)
    runtime = VirtualRuntime(seed=1)
    one, other = Stack("one", runtime=runtime), Stack("other", runtime=runtime)
    with Netif(wrapped, stack=one, ip="10.0.0.1/24"), Netif(far, stack=other, ip="10.0.0.2/24"):
        runtime.run_for(1)
    runtime.close()
    assert (tmp_path / "x.pcapng").stat().st_size > 200


def test_the_table_knows_the_rules_of_impair():
    assert set(WRAPPERS["impair"].options) - {"seed", "script"} == {
        f"{side}{name}" for side in ("", "tx.", "rx.") for name in Words.__annotations__
    }


@pytest.mark.parametrize("row", [*WIRES.values(), *WRAPPERS.values()], ids=lambda row: row.name)
def test_every_row_has_an_opener_an_example_and_a_line_of_help(row):
    assert callable(imported(row.opener))
    plan = read(row.example)
    assert row in (plan.kind, *(wrapper for wrapper, _ in plan.wrappers))
    assert row.help
    assert row.help in help_lines()


def test_the_doorway_has_it():
    assert netif.open_wire is importlib.import_module("components.wires").open_wire
