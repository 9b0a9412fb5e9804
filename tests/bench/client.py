"""The one client program of every row: kernel sockets, in a namespace, on a CPU of its own.

`python -m tests.bench.client ROW HOST SECONDS --netns NS [--cpu N]` prints one JSON object: what was done, how often,
in how long. The peer may be the kernel, our stack or the bare responder: the client cannot tell.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from collections.abc import Callable

from tests.host.namespaces import enter_netns

ECHO, DISCARD, CHARGEN = 7, 9, 19
PATIENCE = 10.0  # seconds after which a silent peer fails the row

Outcome = tuple[int, int, float]  # bytes, times, seconds


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


def bulk_from_kernel(host: str, seconds: float) -> Outcome:
    """To discard; the clock stops when the server has read all (it closes then)."""
    data, sent = os.urandom(1 << 18), 0
    with open_connection(host, DISCARD) as s:
        begun = time.perf_counter()
        end = begun + seconds
        while time.perf_counter() < end:
            s.sendall(data)
            sent += len(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
        return sent, 1, time.perf_counter() - begun


def bulk_to_kernel(host: str, seconds: float) -> Outcome:
    """From chargen, into one buffer."""
    buffer, got = bytearray(1 << 20), 0
    with open_connection(host, CHARGEN) as s:
        s.recv_into(buffer)
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end:
            received = s.recv_into(buffer)
            if not received:
                raise ConnectionError("chargen closed")
            got += received
        return got, 1, now - begun


def tcp_ping_pong(host: str, seconds: float) -> Outcome:
    with open_connection(host, ECHO) as s:
        send, recv = s.send, s.recv
        begun = time.perf_counter()
        end, times = begun + seconds, 0
        while (now := time.perf_counter()) < end:
            for _ in range(16):
                send(b"x")
                if recv(1) != b"x":
                    raise ConnectionError("echo said something else")
            times += 16
        return times, times, now - begun


def udp_ping_pong(host: str, seconds: float) -> Outcome:
    data = bytes(range(64))
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.connect((host, ECHO))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, (1).to_bytes(8, "little") + bytes(8))
        send, recv = s.send, s.recv
        begun = time.perf_counter()
        end, times = begun + seconds, 0
        while (now := time.perf_counter()) < end:
            for _ in range(16):
                send(data)
                if recv(2048) != data:
                    raise ConnectionError("echo said something else")
            times += 16
        return times * 64, times, now - begun


def connections(host: str, seconds: float) -> Outcome:
    """connect, 64 bytes there and back, close."""
    data = bytes(range(64))
    begun = time.perf_counter()
    end, times = begun + seconds, 0
    while (now := time.perf_counter()) < end:
        with socket.socket() as s:
            s.connect((host, ECHO))
            s.send(data)
            got = s.recv(64)
            while len(got) < 64:
                more = s.recv(64)
                if not more:
                    raise ConnectionError("echo closed early")
                got += more
            if got != data:
                raise ConnectionError("echo said something else")
        times += 1
    return times * 64, times, now - begun


def idle(host: str, seconds: float) -> Outcome:
    """One ESTABLISHED connection that says nothing."""
    with open_connection(host, ECHO) as s:
        s.send(b"x")
        s.recv(1)
        begun = time.perf_counter()
        time.sleep(seconds)
        return 0, 1, time.perf_counter() - begun


ROWS: dict[str, Callable[[str, float], Outcome]] = {
    "from-kernel": bulk_from_kernel,
    "to-kernel": bulk_to_kernel,
    "ping-pong": tcp_ping_pong,
    "udp-ping-pong": udp_ping_pong,
    "connections": connections,
    "idle": idle,
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("host")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--netns")
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    if options.netns:
        enter_netns(options.netns)
    size, times, seconds = ROWS[options.row](options.host, options.seconds)
    print(json.dumps({"bytes": size, "times": times, "seconds": seconds}))


if __name__ == "__main__":
    main()
