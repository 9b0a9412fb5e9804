"""Every recipe on the real kernel: up, again, down; a failure and a kill at each step; the same by hand."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.host.recipes import on_a_lan

pytestmark = pytest.mark.host

RECIPES = {
    "isolated": ("isolated", "tap0"),
    "isolated-veth": ("isolated", "v0", "--veth", "v1", "--addr", "10.9.0.1/16"),
    "isolated-dhcp": ("isolated", "tap0", "--dhcp", "--dns"),
    "forward": ("forward", "tap0"),
    "forward-proxy": ("forward", "v0", "--veth", "v1", "--host", "10.0.0.50", "--host", "10.0.0.51"),
    "forward-iptables": ("forward", "tap0", "--firewall", "iptables"),
    "nat": ("nat", "tap0", "--dhcp"),
    "nat-iptables": ("nat", "tap0", "--firewall", "iptables"),
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One for all: every test leaves it as it was."""
    with on_a_lan(tmp_path_factory.mktemp("host") / "state") as (machine, _router):
        yield machine


@pytest.fixture(params=list(RECIPES))
def words(request):
    return RECIPES[request.param]


def steps(machine, words):
    return len([line for line in machine.perform(*words, "--dry-run") if not line.startswith(("#", "mkdir"))])


def test_down_leaves_all_as_it_was(machine, words):
    before = machine.kernels_state()
    machine.perform(*words)
    up = machine.kernels_state()
    assert up != before
    assert any("as asked, nothing to do" in line for line in machine.perform(*words))
    assert machine.kernels_state() == up
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
    assert machine.kernels_state() == between
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
    machine.perform(*words, "--down")
    subprocess.run(["sh", "-e"], input="\n".join(lines), check=True, text=True)
    try:
        assert without_chance(machine.kernels_state()) == without_chance(up)
        assert any("as asked, nothing to do" in line for line in machine.perform(*words))
    finally:
        for path in machine.state.glob("*.pid"):
            subprocess.run(["kill", path.read_text().strip()], check=True)
        undo_by_hand(machine)
    assert machine.kernels_state() == before


def without_chance(state):
    """Without MAC addresses, and indexes of devices."""
    return [re.sub(r"^\d+: |([0-9a-f]{2}:){5}[0-9a-f]{2}", "", line) for line in state]


def undo_by_hand(machine):
    """What was done by lines has no record."""
    for path in machine.state.glob("*"):
        path.unlink()
    ns = machine.namespace
    for device in ("tap0", "v0"):
        ns.exec("ip", "link", "delete", device, check=False)
    ns.exec("nft", "flush", "ruleset")
    for address in ("10.0.0.50", "10.0.0.51"):
        ns.exec("ip", "neighbour", "delete", "proxy", address, "dev", "eth0", check=False)
    ns.sysctl("net/ipv4/ip_forward", 0)
