"""The one client program of every row: kernel sockets, in a namespace, on a CPU of its own.

`python -m tests.bench.client ROW,ROW HOST SECONDS --netns NS [--cpu N]` prints one JSON object: of each row what was
done, how often, in how long. The peer may be the kernel, our stack or the bare responder: the client cannot tell.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import select
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.host.namespaces import enter_netns

ECHO, DISCARD, CHARGEN = 7, 9, 19  # of components.small_services
TALK, READ, WRITE, COUNT, POUR = 1007, 1009, 1019, 1109, 1119  # program.py says what they do
FED, ASYNCIO = 1029, 1039  # and fed.py
DATAGRAM = bytes(range(64))
SO_RCVBUFFORCE = 33  # socket(7); not in Python's module
PATIENCE = 10.0  # seconds after which a silent peer fails the row
TCP_INFO, ACKED, SENT = 11, 120, 200  # where struct tcp_info has tcpi_bytes_acked and tcpi_bytes_sent


class Outcome(NamedTuple):
    """What systems.Sample is made of."""

    bytes: int
    times: int
    seconds: float
    p50: float = 0.0  # seconds of a round trip
    p99: float = 0.0
    unacknowledged: int = 0  # the most bytes that were sent and not acknowledged
    offered: int = 0  # datagrams sent, of which `times` were delivered
    counted: int = 0  # of those that were not, by somebody's counter


def latencies(size: int, marks: list[float]) -> Outcome:
    """Of round trips that follow each other: each mark ends one and begins the next."""
    spent = sorted(after - before for before, after in itertools.pairwise(marks))
    times = len(spent)
    return Outcome(
        times * size, times, marks[-1] - marks[0], statistics.median(spent), spent[min(times - 1, times * 99 // 100)]
    )


def open_connection(host: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.settimeout(PATIENCE)
    made.connect((host, port))
    made.settimeout(None)  # a time-out costs the kernel client a poll() a call
    seconds = int(PATIENCE).to_bytes(8, "little") + bytes(8)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
    return made


def in_flight(s: socket.socket) -> int:
    info = s.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 232)
    return int.from_bytes(info[SENT : SENT + 8], "little") - int.from_bytes(info[ACKED : ACKED + 8], "little")


def bulk_from_kernel(host: str, seconds: float, port: int = READ) -> Outcome:
    """The clock stops when the server has read all (it closes then)."""
    data, sent, most = os.urandom(1 << 18), 0, 0
    with open_connection(host, port) as s:
        begun = time.perf_counter()
        end = begun + seconds
        while time.perf_counter() < end:
            s.sendall(data)
            sent += len(data)
            most = max(most, in_flight(s))
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
        return Outcome(sent, 1, time.perf_counter() - begun, unacknowledged=most)


def bulk_to_kernel(host: str, seconds: float, port: int = WRITE) -> Outcome:
    """Into one buffer."""
    buffer, got = bytearray(1 << 20), 0
    with open_connection(host, port) as s:
        s.recv_into(buffer)
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end:
            received = s.recv_into(buffer)
            if not received:
                raise ConnectionError("chargen closed")
            got += received
        return Outcome(got, 1, now - begun)


def sixteen(host: str, port: int, events: int) -> tuple[select.epoll, dict[int, socket.socket]]:
    poller, made = select.epoll(), [open_connection(host, port) for _ in range(16)]
    for s in made:
        s.setblocking(False)
        poller.register(s, events)
    return poller, {s.fileno(): s for s in made}


def sixteen_from_kernel(host: str, seconds: float) -> Outcome:
    """On sixteen connections in one thread."""
    data, sent = os.urandom(1 << 18), 0
    poller, made = sixteen(host, DISCARD, select.EPOLLOUT)
    begun = time.perf_counter()
    end = begun + seconds
    while time.perf_counter() < end:
        for fd, _ in poller.poll(PATIENCE):
            sent += made[fd].send(data)
    for s in made.values():
        s.setblocking(True)
        s.shutdown(socket.SHUT_WR)
    for s in made.values():
        while s.recv(65536):
            pass
        s.close()
    return Outcome(sent, 1, time.perf_counter() - begun)


def sixteen_to_kernel(host: str, seconds: float) -> Outcome:
    buffer, got = bytearray(1 << 20), 0
    poller, made = sixteen(host, CHARGEN, select.EPOLLIN)
    begun = time.perf_counter()
    end = begun + seconds
    while (now := time.perf_counter()) < end:
        for fd, _ in poller.poll(PATIENCE):
            got += made[fd].recv_into(buffer)
    for s in made.values():
        s.close()
    return Outcome(got, 1, now - begun)


def tcp_ping_pong(host: str, seconds: float, port: int = TALK) -> Outcome:
    with open_connection(host, port) as s:
        send, recv = s.send, s.recv
        marks = [time.perf_counter()]
        end = marks[0] + seconds
        while marks[-1] < end:
            send(b"x")
            if recv(1) != b"x":
                raise ConnectionError("echo said something else")
            marks.append(time.perf_counter())
        return latencies(1, marks)


def udp_ping_pong(host: str, seconds: float) -> Outcome:
    with datagrams(host, ECHO) as s:
        send, recv = s.send, s.recv
        marks = [time.perf_counter()]
        end = marks[0] + seconds
        while marks[-1] < end:
            send(DATAGRAM)
            if recv(2048) != DATAGRAM:
                raise ConnectionError("echo said something else")
            marks.append(time.perf_counter())
        return latencies(len(DATAGRAM), marks)


def connections(host: str, seconds: float, port: int = ECHO) -> Outcome:
    """connect, 64 bytes there and back, close."""
    data = DATAGRAM
    marks = [time.perf_counter()]
    end = marks[0] + seconds
    while marks[-1] < end:
        with socket.socket() as s:
            s.connect((host, port))
            s.send(data)
            got = s.recv(64)
            while len(got) < 64:
                more = s.recv(64)
                if not more:
                    raise ConnectionError("echo closed early")
                got += more
            if got != data:
                raise ConnectionError("echo said something else")
        marks.append(time.perf_counter())
    return latencies(len(data), marks)


def datagrams(host: str, port: int, patience: float = 1.0) -> socket.socket:
    made = socket.socket(type=socket.SOCK_DGRAM)
    made.connect((host, port))
    microseconds = int(patience * 1e6)
    timeval = (microseconds // 1_000_000).to_bytes(8, "little") + (microseconds % 1_000_000).to_bytes(8, "little")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    return made


def udp_in(host: str, seconds: float) -> Outcome:
    """As many as the kernel can send; the clock stops when the server has told how many came.

    Where the question is dropped, there is no room in its queue: it is asked again.
    """
    with datagrams(host, COUNT, 0.02) as s:
        came, dropped = told(s)
        devices = lost_by_devices()
        send, sent = s.send, 0
        begun = time.perf_counter()
        end = begun + seconds
        while time.perf_counter() < end:
            for _ in range(16):
                send(DATAGRAM)
            sent += 16
        after, dropped_after = told(s)
        spent = time.perf_counter() - begun
        counted = dropped_after - dropped + lost_by_devices() - devices
        return Outcome((after - came) * len(DATAGRAM), after - came, spent, offered=sent, counted=counted)


def told(s: socket.socket) -> tuple[int, int]:
    """What came, and what was dropped, as the server says. An answer may be late: to another question."""
    question = str(time.monotonic_ns())
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            s.send(question.encode())
            while (answer := json.loads(s.recv(2048)))["asked"] != question:
                pass
            return answer["came"], answer["dropped"]
        except BlockingIOError:
            continue
    raise ConnectionError("the server does not say how many came")


def lost_by_devices() -> int:
    """Frames that this namespace's devices could not hand on."""
    rows = Path("/proc/net/dev").read_text().splitlines()[2:]
    return sum(int(row.partition(":")[2].split()[11]) for row in rows)


def udp_out(host: str, seconds: float) -> Outcome:
    """`times` is what arrived, `offered` what the server says that it has sent in `seconds`.

    They are read every other millisecond: a reader asleep in `recv` has to be woken for each by whoever sends, which
    costs the sender several times the datagram.
    """
    with datagrams(host, POUR) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        s.setblocking(False)
        s.send(str(seconds).encode())
        buffer, got, recv_into = bytearray(2048), 0, s.recv_into
        end = time.monotonic() + seconds + PATIENCE
        while time.monotonic() < end:
            try:
                if recv_into(buffer) != len(DATAGRAM):
                    break
                got += 1
            except BlockingIOError:
                time.sleep(0.002)
        answer = json.loads(bytes(buffer).partition(b"}")[0] + b"}")
        return Outcome(got * len(DATAGRAM), got, answer["seconds"], offered=answer["sent"])


def ping_flood(host: str, seconds: float) -> Outcome:
    """iputils' average; each request waits for the last one's answer."""
    count, most = int(4000 * seconds), int(3 * seconds) + 1
    command = ["ping", "-f", "-q", "-c", str(count), "-w", str(most), host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    received = re.search(r"(\d+) received", done.stdout)
    average = re.search(r"= [\d.]+/([\d.]+)/", done.stdout)
    if not received or not average:
        raise ConnectionError(f"ping: {(done.stdout + done.stderr).strip()[-200:]}")
    answered = int(received[1])
    return Outcome(0, answered, answered * float(average[1]) / 1e3)


def idle(host: str, seconds: float) -> Outcome:
    """One ESTABLISHED connection that says nothing."""
    with open_connection(host, ECHO) as s:
        s.send(b"x")
        s.recv(1)
        begun = time.perf_counter()
        time.sleep(seconds)
        return Outcome(0, 1, time.perf_counter() - begun)


ROWS: dict[str, Callable[[str, float], Outcome]] = {
    "from-kernel": bulk_from_kernel,
    "callback": partial(bulk_from_kernel, port=FED),
    "callback-asyncio": partial(bulk_from_kernel, port=ASYNCIO),
    "to-kernel": bulk_to_kernel,
    "ping-pong": tcp_ping_pong,
    "ping-pong-selector": partial(tcp_ping_pong, port=ECHO),
    "udp-ping-pong": udp_ping_pong,
    "connections": connections,
    "connections-threads": partial(connections, port=TALK),
    "sixteen-in": sixteen_from_kernel,
    "sixteen-out": sixteen_to_kernel,
    "udp-in": udp_in,
    "udp-out": udp_out,
    "ping-flood": ping_flood,
    "idle": idle,
}


def measured(row: str, host: str, seconds: float, server: int | None) -> dict[str, float]:
    """`server` is whose CPU time it took, too: user's and system's, of all threads, to the nanosecond."""
    clock = None if server is None else ~server << 3 | 2  # CPUCLOCK_SCHED of another process
    before = time.clock_gettime(clock) if clock is not None else 0.0
    outcome: dict[str, float] = ROWS[row](host, seconds)._asdict()
    if clock is not None:
        outcome["server_cpu"] = time.clock_gettime(clock) - before
    return outcome


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", help=f"one or several of {', '.join(ROWS)}, with commas between them")
    parser.add_argument("host")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--netns")
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--server", type=int, metavar="PID", help="tell what CPU time this process takes, too")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    if options.netns:
        enter_netns(options.netns)
    rows = options.rows.split(",")
    print(json.dumps({row: measured(row, options.host, options.seconds, options.server) for row in rows}))


if __name__ == "__main__":
    main()
