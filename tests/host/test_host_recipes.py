"""Every recipe on the real kernel: up, again, down; a failure and a kill at each step; the same by hand."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.host.recipes import on_a_lan

pytestmark = pytest.mark.host

RECIPES = {
    "isolated": ("isolated", "tap0"),
    "bridge": ("bridge", "br0", "--tap", "tap0", "--veth", "v0", "v1", "--addr", "10.9.0.1/16"),
    "bridge-nic": ("bridge", "br0", "--tap", "tap0", "--nic", "eth0"),
    "forward": ("forward", "tap0"),
    "forward-proxy": ("forward", "v0", "--veth", "v1", "--host", "10.0.0.50", "--host", "10.0.0.51"),
    "nat": ("nat", "tap0", "--dhcp", "--dns"),
    "nat-own": ("nat", "tap0", "--dhcp", "--own"),
    "nat-mapped": ("nat", "tap0", "--map", "8080:192.168.5.100:80", "--map", "53:192.168.5.100:53/udp"),
    "nat-iptables": ("nat", "tap0", "--firewall", "iptables", "--map", "8080:192.168.5.100:80"),
}
PARTS = ("isolated", "bridge", "forward", "nat-own", "nat-mapped")  # of what others do too


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One for all: every test leaves it as it was."""
    with on_a_lan(tmp_path_factory.mktemp("host") / "state") as (machine, _router):
        yield machine


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name in PARTS)) for name in RECIPES])
def words(request):
    return RECIPES[request.param]


CHANCE = (
    r"^\d+: |@if\d+|([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}"  # indexes, MAC addresses
    r"|NO-CARRIER,|,LOWER_UP|,M-DOWN| state \w+| linkdown| qdisc \w+"  # the kernel's worker comes to it later
)


def without_chance(state):
    return [re.sub(CHANCE, "", line) for line in state]


def steps(machine, words):
    return len([line for line in machine.perform(*words, "--dry-run") if not line.startswith(("#", "mkdir"))])


def test_down_leaves_all_as_it_was(machine, words):
    before = machine.kernels_state()
    machine.perform(*words)
    up = machine.kernels_state()
    assert up != before
    assert any("as asked, nothing to do" in line for line in machine.perform(*words))
    assert without_chance(machine.kernels_state()) == without_chance(up)
    machine.perform(*words, "--down")
    assert machine.kernels_state() == before
    assert machine.records() == []
    assert "nothing to do" in machine.perform(*words, "--down")[-1]


def test_a_failure_at_any_step_leaves_all_as_it_was(machine, words):
    before = machine.kernels_state()
    for number in range(steps(machine, words)):
        assert "a failure that was asked for" in machine.refuses(*words, fail_before=number)
        assert machine.kernels_state() == before, number
        assert machine.records() == []


def test_whoever_is_killed_halfway_is_undone_by_down(machine, words):
    before = machine.kernels_state()
    machine.killed_after(steps(machine, words) // 2, *words)
    between = machine.kernels_state()
    assert between != before
    assert machine.refuses(*words, fail_before=0)  # another attempt that comes to nothing
    assert without_chance(machine.kernels_state()) == without_chance(between)
    machine.perform(*words, "--down")
    assert machine.kernels_state() == before
    assert machine.records() == []


def test_the_lines_of_a_dry_run_do_the_same(machine, words):
    before = machine.kernels_state()
    lines = machine.perform(*words, "--dry-run")
    assert machine.kernels_state() == before
    assert machine.records() == []
    machine.perform(*words)
    up = machine.kernels_state()
    back = machine.perform(*words, "--down", "--dry-run")
    machine.perform(*words, "--down")
    by_hand(lines)
    try:
        assert without_chance(machine.kernels_state()) == without_chance(up)
        assert any("as asked, nothing to do" in line for line in machine.perform(*words))
    finally:
        by_hand(back)
    assert machine.kernels_state() == before
    for path in machine.state.glob("*.json"):  # of the run that had nothing to do
        path.unlink()


def by_hand(lines):
    subprocess.run(["sh", "-e"], input="\n".join(lines), check=True, text=True, stdout=subprocess.DEVNULL)
