"""Every recipe on the real kernel: up, again, down; a failure and a kill at each step; the same by hand."""

from __future__ import annotations

import subprocess

import pytest

from tests.host.namespaces import namespace
from tests.host.recipes import Machine

pytestmark = pytest.mark.host

RECIPES = {
    "isolated": ("isolated", "tap0"),
    "isolated-veth": ("isolated", "v0", "--veth", "v1", "--addr", "10.9.0.1/16"),
    "isolated-dhcp": ("isolated", "tap0", "--dhcp", "--dns"),
}


@pytest.fixture
def machine(tmp_path):
    with namespace() as inside:
        yield Machine(inside, tmp_path / "state")


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
    assert machine.kernels_state() != before
    machine.perform(*words, "--down")
    assert machine.kernels_state() == before
    assert machine.records() == []


def test_whoever_is_killed_halfway_may_go_on(machine, words):
    before = machine.kernels_state()
    machine.killed_after(1, *words)
    machine.perform(*words)
    machine.perform(*words, "--down")
    assert machine.kernels_state() == before


def test_the_lines_of_a_dry_run_do_the_same(machine, words):
    before = machine.kernels_state()
    lines = machine.perform(*words, "--dry-run")
    assert machine.kernels_state() == before
    assert machine.records() == []
    subprocess.run(["sh", "-e"], input="\n".join(lines), check=True, text=True)
    try:
        assert any("as asked, nothing to do" in line for line in machine.perform(*words))
    finally:
        for path in machine.state.glob("*.pid"):
            subprocess.run(["kill", path.read_text().strip()], check=True)
