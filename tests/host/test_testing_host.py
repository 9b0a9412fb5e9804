"""The pytest plugin's other wires: the same tests over TAPs and veth pairs of the kernel's."""

from __future__ import annotations

import os
import subprocess

import pytest

from components.testing import Lab
from tests.components.pytest_plugin.conftest import project as project
from tests.components.pytest_plugin.conftest import run_plugin as run_plugin
from tests.components.testing.scenes import talk

pytestmark = pytest.mark.host
pytest_plugins = "pytester"


@pytest.mark.parametrize("wire", ["tap", "packet"])
def test_the_same_test_runs_over_the_kernels_wires(project, wire):
    source = """
def test_pair(netif_pair):
    lost = netif_pair.drop("1st data from client")
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"hello"
    assert lost.count == 1
    netif_pair.trace.expect("client > S", "server > S.", "client > P. 1:6(5)", "client > retransmission")
    netif_pair.trace.never("R")

def test_fails(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"no"
"""
    result = project(source, "--netif-driver", wire)
    result.assert_outcomes(passed=1, failed=1)
    assert f"to repeat: pytest test_it.py::test_fails --netif-driver {wire} --netif-seed 0\n" in result.stdout.str()
    assert "the driver failed" not in result.stdout.str()


@pytest.mark.parametrize("wire", ["tap", "packet"])
def test_a_lab_leaves_nothing_behind(wire):
    def left():
        names = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
        return len(os.listdir("/proc/self/fd")), [name for name in ("t0", "s0") if f" {name}" in links], "t0" in names

    def scene():
        with Lab(seed=1, clock="real", wire=wire) as lan:
            lan.host("server"), lan.host("client")
            assert talk(lan) == b"hello"

    scene()  # what is imported and opened once
    before = left()
    scene()
    assert left() == before


def test_a_lab_that_cannot_be_made_leaves_nothing_behind():
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="in the form"):
        Lab(seed=1, clock="real", wire="tap", subnet="in the form")
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ValueError, match="a tap wire lives by a real clock"):
        Lab(seed=1, wire="tap")
    with pytest.raises(ValueError, match="wire='pigeon': write pair, tap, packet, qemu"):
        Lab(seed=1, clock="real", wire="pigeon")
