"""The rows of the table: what is measured, on which systems, and what it has to reach.

Most rows are held against the kernel's figure or the bare responder's, as ratios in one run; sixteen connections
against one of our own; the rest against a number. `above` is the CPU time above the bare responder's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.bench.systems import BARE, BARE_PCAP, BARE_PLAIN, KERNEL, OURS, OURS_PCAP, OURS_PLAIN, Sample

ITSELF = "itself"
ALL, TWO = {KERNEL: KERNEL, OURS: OURS, BARE: BARE}, {KERNEL: KERNEL, OURS: OURS}  # system of each column
PLAIN, PCAP = {OURS: OURS_PLAIN, BARE: BARE_PLAIN}, {OURS: OURS_PCAP, BARE: BARE_PCAP}


def megabytes(sample: Sample) -> float:
    return sample.bytes / sample.seconds / 1e6


def rate(sample: Sample) -> float:
    return sample.times / sample.seconds


def average(sample: Sample) -> float:
    return sample.seconds / sample.times * 1e6


def blocks(sample: Sample) -> float:
    return sample.bytes / 65536


def times(sample: Sample) -> float:
    return sample.times


class Row(NamedTuple):
    name: str
    title: str
    value: Callable[[Sample], float]
    units: Callable[[Sample], float]  # by which the server's CPU time is divided
    unit: str
    must: float
    goal: float
    against: str = KERNEL  # a system, another row's name, or ITSELF
    systems: dict[str, str] = ALL
    client: str = ""  # the client's row, where it has another name
    above: float | None = None  # microseconds of CPU for a unit, at most; the goal is half of it
    less: bool = False  # is better
    latency: bool = False  # a round trip's is told


ROWS = (
    Row("from-kernel", "TCP from the kernel, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.7, above=30),
    Row("callback", "the same by callback, MB/s", megabytes, blocks, "64 KiB", 0.6, 0.9, systems=TWO),
    Row("callback-asyncio", "by callback, kernel by asyncio, MB/s", megabytes, blocks, "64 KiB", 0.6, 0.9, systems=TWO),
    Row("to-kernel", "TCP to the kernel, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.8, above=25),
    Row("sixteen-in", "sixteen from the kernel, MB/s", megabytes, blocks, "64 KiB", 0.7, 0.9, "from-kernel", TWO),
    Row("sixteen-out", "sixteen to the kernel, MB/s", megabytes, blocks, "64 KiB", 0.7, 0.9, "to-kernel", TWO),
    Row("ping-pong", "TCP 1-byte ping-pong, /s", rate, times, "round trip", 0.5, 0.65, above=25, latency=True),
    Row("ping-pong-selector", "the same, by a selector, /s", rate, times, "round trip", 0.5, 0.65, KERNEL, TWO,
        latency=True),
    Row("udp-ping-pong", "UDP 64 B ping-pong, /s", rate, times, "round trip", 0.5, 0.65, above=25, latency=True),
    Row("connections", "connect + 64 B echo + close, /s", rate, times, "connection", 0.35, 0.5, above=160,
        latency=True),
    Row("connections-threads", "the same, a thread each, /s", rate, times, "connection", 0.35, 0.5, KERNEL, TWO,
        latency=True),
    Row("udp-in", "UDP 64 B to `recvfrom`, /s", rate, times, "datagram", 60e3, 100e3, ITSELF, TWO),
    Row("udp-out", "UDP 64 B by `sendto`, /s", rate, times, "datagram", 65e3, 100e3, ITSELF, TWO),
    Row("ping-flood", "ping flood, average, us", average, times, "ping", 30, 15, ITSELF, TWO, less=True),
    Row("plain-in", "TAP without offload, in, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.7, BARE, PLAIN, "from-kernel"),
    Row("plain-out", "TAP without offload, out, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.7, BARE, PLAIN, "to-kernel"),
    Row("pcap-in", "libpcap, in, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.7, BARE, PCAP, "from-kernel"),
    Row("pcap-out", "libpcap, out, MB/s", megabytes, blocks, "64 KiB", 0.5, 0.7, BARE, PCAP, "to-kernel"),
)  # fmt: skip
NAMES = tuple(row.name for row in ROWS)

Samples = dict[str, list[Sample]]  # of one row, by column
