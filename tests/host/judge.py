"""tcpdump records, tshark judges: the outside opinion on what we put on the wire."""

from __future__ import annotations

import os
import re
import signal
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


@contextmanager
def captured(ns: Namespace, device: str, path: Path, what: str = "") -> Iterator[Path]:
    """Everything on `device` while the block runs; a capture that lost frames is a failure, not a judgement."""
    said = path.with_suffix(".stderr")
    with said.open("wb") as stderr:
        command = ("tcpdump", "-i", device, "-n", "-U", "-s", "0", "-B", "65536", "-w", str(path), *what.split())
        process = ns.start(*command, stderr=stderr, env={**os.environ, "LC_ALL": "C"})
        try:
            wait_until(lambda: "listening on" in said.read_text(), what=f"tcpdump's start ({said.read_text()!r})")
            yield path
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


def sent(path: Path, source: str) -> int:
    """Frames from `source`."""
    return len(frames(path, f"ip.src=={source} || arp.src.proto_ipv4=={source}", "frame.number"))


def transmitted(ping_output: str) -> tuple[int, int]:
    """(sent, received) of ping's own count."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", ping_output)
    assert found, ping_output
    return int(found[1]), int(found[2])
