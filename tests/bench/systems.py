"""Those that are compared, each a process: the kernel over veth, our stack and the bare responder on TAPs, with offload
and without, and on libpcap.

Each lives in namespaces made for the run. Servers share one CPU and the client has another, whoever serves; only one is
asked at a time, the rest sleep in a blocking call.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.host.namespaces import end, namespace, veth

ROOT = Path(__file__).resolve().parents[2]
SERVER_CPU, CLIENT_CPU = 0, 1
OURS, KERNEL, BARE = "ours", "kernel", "bare"
OURS_PLAIN, BARE_PLAIN, OURS_PCAP, BARE_PCAP = "ours-plain", "bare-plain", "ours-pcap", "bare-pcap"


class MeasurementError(Exception):
    """A system did not start, or a measurement did not come to its end."""


class Sample(NamedTuple):
    """One round of one row."""

    bytes: int
    times: int
    seconds: float
    server_cpu: float  # seconds
    p50: float = 0.0  # seconds of a round trip
    p99: float = 0.0
    unacknowledged: int = 0  # the most bytes that were sent and not acknowledged
    offered: int = 0  # datagrams sent, of which `times` were delivered
    counted: int = 0  # of those that were not, by somebody's counter


class System(NamedTuple):
    """A server that answers on `host` to a client in the namespace `client`."""

    name: str
    process: subprocess.Popen[str]
    host: str
    client: str

    def measure(self, row: str, seconds: float) -> Sample:
        return self.measure_all((row,), seconds)[row]

    def measure_all(self, rows: tuple[str, ...], seconds: float) -> dict[str, Sample]:
        """By one client, one after another."""
        answer = python(
            "tests.bench.client", ",".join(rows), self.host, str(seconds), "--netns", self.client,
            "--cpu", str(CLIENT_CPU), "--server", str(self.process.pid), timeout=seconds * len(rows) + 30,
        )  # fmt: skip
        return {row: Sample(**sample) for row, sample in answer.items()}

    def wake_ups(self, seconds: float) -> float:
        """A second, of all threads of the server, with one idle ESTABLISHED connection and its listeners."""
        client = subprocess.Popen(
            module("tests.bench.client", "idle", self.host, str(seconds + 1), "--netns", self.client),
            cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(0.7)  # the client starts, connects and says its one byte
            before = context_switches(self.process.pid)
            time.sleep(seconds)
            return (context_switches(self.process.pid) - before) / seconds
        finally:
            client.wait()


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def python(name: str, *arguments: str, timeout: float = 60.0) -> dict[str, Any]:
    """Run one of our modules to its end; what it printed last is JSON."""
    try:
        done = subprocess.run(module(name, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{name} {' '.join(arguments[:2])}: not done in {timeout:g} s") from None
    if done.returncode != 0:
        raise MeasurementError(f"{name} {' '.join(arguments[:2])}: {last_line(done.stderr)}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing said"])[-1]


def context_switches(pid: int) -> int:
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


@contextmanager
def server(name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A server from "ready" until its standard input is closed."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        if process.stdout.readline().strip() != "ready":
            raise MeasurementError(f"{name} did not start: {last_line(process.stderr.read())}")
        yield process
        process.stdin.close()
        try:
            process.wait(0 if name.startswith(BARE) else 10)  # the bare responder has no ears but for its wire
        except subprocess.TimeoutExpired:
            if not name.startswith(BARE):
                raise MeasurementError(f"{name} did not end when it was told to") from None
    finally:
        end(process)


@contextmanager
def systems(names: tuple[str, ...], profile: str | None = None) -> Iterator[tuple[dict[str, System], dict[str, str]]]:
    """Those that started, and why the others did not."""
    with ExitStack() as stack:
        running: dict[str, System] = {}
        failures: dict[str, str] = {}
        for name in names:
            try:
                running[name] = stack.enter_context(_system(name, profile))
            except MeasurementError as failure:
                failures[name] = str(failure)
        yield running, failures


@contextmanager
def _system(name: str, profile: str | None) -> Iterator[System]:
    pinned = ("--cpu", str(SERVER_CPU))
    if name == KERNEL:
        with veth() as (near, far):
            command = module("tests.bench.server", "kernel", "--netns", far.name, *pinned)
            with server(name, *command) as process:
                yield System(name, process, "10.77.0.2", near.name)
        return
    if name in (OURS_PCAP, BARE_PCAP):
        with on_pcap(name, profile) as system:
            yield system
        return
    with namespace() as own:
        tap = own.add_tap()
        plain = name in (OURS_PLAIN, BARE_PLAIN)
        if name in (OURS, OURS_PLAIN):
            wire = f"tap:{tap}{',plain' if plain else ''}"
            command = module("tests.bench.server", "ours", "--netns", own.name, "--wire", wire, *pinned)
            if profile:
                command += ["--profile", profile]
        else:
            command = module("tests.bench.bare", "--netns", own.name, *pinned, *(["--plain"] if plain else []))
        with server(name, *command) as process:
            own.settle(tap)
            yield System(name, process, "192.168.5.100", own.name)


@contextmanager
def on_pcap(name: str, profile: str | None) -> Iterator[System]:
    """At one end of a veth pair, the kernel at the other."""
    with veth() as (near, far):
        near.ip("address", "flush", "dev", "v0")
        words = ["--netns", near.name, "--ip", "10.77.0.1", "--cpu", str(SERVER_CPU)]
        if name == OURS_PCAP:
            words[3] += "/24"
            command = module("tests.bench.server", "ours", "--wire", "pcap:v0", *words)
            command += ["--profile", profile] if profile else []
        else:
            command = module("tests.bench.bare_pcap", *words)
        with server(name, *command) as process:
            yield System(name, process, "10.77.0.1", far.name)
