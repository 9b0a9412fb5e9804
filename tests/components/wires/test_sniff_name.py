"""sniff(WIRE, ...) by name: several files, a program, and what is told of a mistake."""

from __future__ import annotations

import os

import pytest

from components.wires import read
from components.wires.sniffs import FileSniff
from netif import Netif, Stack, VirtualRuntime, pair
from tapio import frames_of


def played(text):
    """A host's announcements pass a wire with that wrapper."""
    near, far = pair()
    runtime = VirtualRuntime(seed=1)
    one, other = Stack("one", runtime=runtime), Stack("other", runtime=runtime)
    wire = read(text).wrap(near)
    assert isinstance(wire, FileSniff)
    with Netif(wire, stack=one, ip="10.0.0.1/24"), Netif(far, stack=other, ip="10.0.0.2/24"):
        runtime.run_for(1)
    runtime.close()


def test_several_files(tmp_path):
    played(f"sniff(pair:, file={tmp_path}/x.pcapng, rotate_bytes=100, keep=2)")
    assert len(os.listdir(tmp_path)) == 2
    assert all(len(list(frames_of(tmp_path / name))) == 1 for name in os.listdir(tmp_path))


def test_a_program(tmp_path):
    os.mkfifo(tmp_path / "done")
    played(f"""sniff(pair:, to="sh -c 'cat > {tmp_path}/x; echo > {tmp_path}/done'", comments)""")
    (tmp_path / "done").read_text()
    assert len(list(frames_of(tmp_path / "x"))) >= 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("name=x", "sniff( wants a file, or a program"),
        ("file=x, to=wireshark", "sniff( wants a file, or a program"),
        ("to=cat, keep=3", "keep is for files"),
        ("file=x, keep=3", "keep wants rotate_bytes or rotate_seconds beside it"),
        ("file=x, rotate_bytes=lots", "rotate_bytes=lots is no count: write rotate_bytes=10"),
        ("file=x, rotate_bytes=lotsKiB", "rotate_bytes=lotsKiB is no count: write rotate_bytes=10MiB"),
        ("file=x, rotate_seconds=now", "rotate_seconds: 'now'"),
        ("file=/no/such/place/x, rotate_bytes=1KiB", "/no/such/place/x"),
        ("to=no-such-shark", "no-such-shark: No such file or directory"),
        ("to=' '", "which program is to read the capture?"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_left(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    near, _ = pair()
    with pytest.raises((ValueError, OSError)) as told:
        read(f"sniff(pair:, {options})").wrap(near)
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert os.listdir(tmp_path) == []
    told = None
    assert len(os.listdir("/proc/self/fd")) == before
