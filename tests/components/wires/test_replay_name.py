"""A capture by name: replay:FILE."""

from __future__ import annotations

import pytest

from components.wires import open_wire
from tapio import PcapngWriter, Replay


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "x.pcapng"
    with PcapngWriter(path) as writer:
        writer.frame("in", 0.0, (b"\xff" * 60,), None, "eth0")
    return path


def test_a_capture_is_a_wire(capture):
    wire = open_wire(f"replay:{capture},speed=fast,verify,mac=02:00:00:00:00:01,at_end=fail")
    assert isinstance(wire, Replay)
    wire.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("speed=soon", "speed=soon: write how many times faster, or fast"),
        ("speed=0", "speed 0.0"),
        ("mac=here", "mac: "),
        ("at_end=explode", "at_end 'explode'"),
    ],
)
def test_a_mistake_is_told(capture, options, says):
    with pytest.raises(ValueError, match=says) as told:
        open_wire(f"replay:{capture},{options}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "x.pcap: at byte 0: the file ends within its first four bytes"),
        (b"GIF89a", "x.pcap: at byte 0: this is no capture"),
        (b"\x0a\x0d\x0d\x0a\xff\xff\xff\xff\x1a\x2b\x3c\x4d" + bytes(16), "x.pcap: at byte "),
    ],
)
def test_a_command_complains_of_what_is_no_capture(tmp_path, command, data, says):
    (tmp_path / "x.pcap").write_bytes(data)
    command("ping", "-i", f"replay:{tmp_path}/x.pcap", "--ip", "10.0.0.1/24", "10.0.0.2").complains(says)


def test_a_command_complains_of_a_file_that_is_not_there(tmp_path, command):
    command("ping", "-i", f"replay:{tmp_path}/nowhere", "--ip", "10.0.0.1/24", "10.0.0.2").complains(
        "nowhere: No such file or directory"
    )
