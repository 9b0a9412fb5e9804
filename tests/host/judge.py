"""tcpdump records, tshark judges: the outside opinion on what we put on the wire."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.namespaces import Namespace, end, require, wait_until

CHECKSUMS = ("tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.check_checksum:TRUE")
FAULTS = (
    'tcp.checksum.status=="Bad" || udp.checksum.status=="Bad" || ip.checksum.status=="Bad" || '
    'icmp.checksum.status=="Bad" || _ws.malformed || _ws.expert.severity=="Error"'
)
MARK = b"here the capture ends"
EXPERIMENTAL = 0x88B5  # IEEE 802, for local experiments: whoever receives it drops it


def send_mark(device: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, EXPERIMENTAL))
        s.send(b"\xff" * 6 + bytes(6) + EXPERIMENTAL.to_bytes(2) + MARK.ljust(46))


def tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return file.read()


@contextmanager
def captured(ns: Namespace, device: str, path: Path) -> Iterator[Path]:
    """Everything on `device` while the block runs; a capture that lost frames is a failure, not a judgement."""
    said = path.with_suffix(".stderr")
    with said.open("wb") as stderr:
        command = ("tcpdump", "-i", device, "-n", "-U", "-s", "0", "-B", "65536", "-w", str(path))
        process = ns.start(*command, stderr=stderr, env={**os.environ, "LC_ALL": "C"})
        try:
            wait_until(lambda: "listening on" in said.read_text(), what=f"tcpdump's start ({said.read_text()!r})")
            yield path
            ns.call(lambda: send_mark(device))  # tcpdump throws away what it has not read when it is interrupted
            wait_until(lambda: MARK in tail(path), timeout=20, what="the end of the capture")
        finally:
            end(process, signal.SIGINT)
    counters = said.read_text()
    assert "\n0 packets dropped by kernel" in counters, counters


def frames(path: Path, display_filter: str, *fields: str) -> list[str]:
    """What tshark shows of the frames that match, a line each."""
    require("tshark")
    command = ["tshark", "-n", "-r", str(path), "-Y", display_filter]
    for option in CHECKSUMS:
        command += ["-o", option]
    if fields:
        command += ["-T", "fields"]
        for field in fields:
            command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def faults(path: Path, source: str) -> list[str]:
    """What tshark finds wrong with what `source` sent."""
    return frames(path, f"(ip.src=={source} || arp.src.proto_ipv4=={source}) && ({FAULTS})")


def sent(path: Path, source: str) -> list[int]:
    """Of each frame from `source` the IP length; 0 of ARP's."""
    lengths = frames(path, f"ip.src=={source} || arp.src.proto_ipv4=={source}", "ip.len")
    return [int(length.partition(",")[0] or 0) for length in lengths]  # behind a comma: of what an ICMP error quotes


def transmitted(ping_output: str) -> tuple[int, int]:
    """(sent, received) of ping's own count."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", ping_output)
    assert found, ping_output
    return int(found[1]), int(found[2])
