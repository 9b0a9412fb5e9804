"""Wrappers by name, as a person puts them around a wire on the command line."""

from __future__ import annotations

import re

import pytest

from tests.components.commands import CHECKOUT

MAKE = "components.host.tap"
DEAF = """
from tapio import DROP

def deaf(direction, frame):
    is_reply = frame[12:14] == b"\\x08\\0" and frame[23] == 1 and frame[34] == 0  # RFC 792
    return DROP if direction == "in" and is_reply and frame[41] == 2 else None
"""


def test_the_other_host_of_a_pair_is_behind_them_too(command, tmp_path):
    pinged = command("ping", "--once", "-i", f"sniff(impair(pair:, tx.delay=40ms), file={tmp_path}/x.pcapng)")
    assert pinged.status == 0, pinged
    assert float(re.search(r"time=([\d.]+) ms", pinged.out)[1]) >= 40
    assert (tmp_path / "x.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        ("impair(pair:, loss=5x)", "loss: '5x' is not from 0 to 1"),
        ("sniff(pair:, file=/no/such/place/x)", "/no/such/place/x: No such file or directory"),
        ("hook(pair:, call=no.such.module:look)", "no.such.module cannot be imported: No module named 'no'"),
        ("hook(pair:, call=json:loads)", "call=json:loads: it has to take two arguments"),
        ("impair(pair:, loss=1%", "-i impair\\(pair:, loss=1%: the parenthesis after impair is never closed"),
    ],
)
def test_a_mistake_within_is_told_in_one_line(command, wire, says):
    command("ping", "-i", wire).complains(says)


def test_without_scapy_its_extra_is_named(command, tmp_path):
    (tmp_path / "scapy.py").write_text("raise ImportError('not here')")
    told = command("ping", "-i", "hook(pair:, call=operator:eq, scapy)", PYTHONPATH=f"{tmp_path}:{CHECKOUT}")
    told.complains(re.escape("pip install 'netif[scapy]'"))


@pytest.mark.host
def test_on_a_tap_a_function_of_ones_own_file_drops_the_second_answer(command, namespace, tmp_path):
    assert command("--netns", namespace, module=MAKE).status == 0
    (tmp_path / "mine.py").write_text(DEAF)
    wire = f"impair(hook(tap0, call={tmp_path}/mine.py:deaf), delay=15ms)"
    pinged = command("ping", "-c", "3", "--interval", "0.05", "-i", wire, before=("ip", "netns", "exec", namespace))
    assert "3 packets transmitted, 2 received" in pinged.out, pinged
    assert "icmp_seq=2 " not in pinged.out
    assert min(float(time) for time in re.findall(r"time=([\d.]+) ms", pinged.out)) >= 30
