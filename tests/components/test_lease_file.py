"""Leases on disk: they come back as they were, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from ipaddress import IPv4Address
from math import inf
from pathlib import Path

import pytest

from components.lease_file import LeaseFile
from netif.dhcp import GivenLease

MAC = bytes.fromhex("020000000005")
LEASE = GivenLease(b"\1" + MAC, MAC, IPv4Address("10.0.0.5"), 1100.0, "printer")
FOR_EVER = GivenLease(b"\0other", MAC, IPv4Address("10.0.0.6"), inf)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def test_leases_come_back_by_another_clock(path: Path):
    """A stack counts from whenever it likes; the file knows the date."""
    LeaseFile(path, clock=lambda: 50_000.0).save([LEASE, FOR_EVER], now=1000.0)
    after_ten_seconds = LeaseFile(path, clock=lambda: 50_010.0)
    lease, for_ever = after_ten_seconds.load(now=7.0)
    assert (lease.client, lease.mac, lease.ip, lease.hostname) == (LEASE.client, MAC, LEASE.ip, "printer")
    assert lease.expires == pytest.approx(7.0 + 90.0)
    assert for_ever == FOR_EVER


def test_where_there_is_no_file_there_are_no_leases(path: Path):
    assert LeaseFile(path).load(0) == []
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"[]",
        b'"leases"',
        b'{"leases": 5}',
        b'{"leases": [{}]}',
        b'{"leases": [5]}',
        b'{"leases": [{"ip": "10.0.0.256", "mac": "", "client": "zz", "expires": "x", "hostname": 1}]}',
    ],
    ids=range(9),
)
def test_a_damaged_file_is_set_aside_and_told_of(path: Path, damage: bytes, caplog: pytest.LogCaptureFixture):
    path.write_bytes(damage)
    file = LeaseFile(path)
    assert file.load(0) == []
    assert "is damaged" in caplog.text
    assert path.with_name("leases.damaged").read_bytes() == damage
    file.save([LEASE], 0)
    assert len(file.load(0)) == 1


@pytest.mark.parametrize("field", ["ip", "mac", "client", "expires", "hostname"])
def test_a_field_that_is_missing_is_damage(path: Path, field: str):
    file = LeaseFile(path)
    file.save([LEASE], 0)
    content = json.loads(path.read_text())
    del content["leases"][0][field]
    path.write_text(json.dumps(content))
    assert file.load(0) == []


def test_a_directory_that_has_gone_is_an_error_of_the_system(tmp_path: Path):
    (tmp_path / "there").mkdir()
    file = LeaseFile(tmp_path / "there" / "leases")
    (tmp_path / "there").rmdir()
    with pytest.raises(FileNotFoundError):
        file.save([LEASE], 0)


WRITER = """
import sys
from components.lease_file import LeaseFile
from tests.components.test_lease_file import LEASE
import attrs
file = LeaseFile(sys.argv[1])
for n in range(10**9):
    file.save([attrs.evolve(LEASE, hostname="x" * 2000) for _ in range(20)], 0.0)
    if n == 3:
        print("writing", flush=True)
"""


def killed_while_it_writes(path: Path, after: float) -> None:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        try:
            writer.wait(after)
        except subprocess.TimeoutExpired:
            os.kill(writer.pid, signal.SIGKILL)


def test_who_is_killed_while_it_writes_leaves_a_whole_file(path: Path):
    killed_while_it_writes(path, 0.05)
    assert len(LeaseFile(path).load(0)) == 20
    assert not path.with_name("leases.damaged").exists()


@pytest.mark.slow
@pytest.mark.parametrize("n", range(20))
def test_whenever_it_is_killed(path: Path, n: int):
    killed_while_it_writes(path, 0.01 + 0.0037 * n)
    assert len(LeaseFile(path).load(0)) == 20


def test_where_it_cannot_be_is_said_at_once(tmp_path):
    with pytest.raises(ValueError, match="nowhere is no directory"):
        LeaseFile(tmp_path / "nowhere" / "leases")
