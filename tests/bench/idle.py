"""How fast idle time passes on a virtual clock: `python -m tests.bench.idle [hosts] [seconds]`.

Hosts on one Lan, each with a connection to the first one on which something is said now and then: TCP's own keep-alives
(RFC 9293 3.8.4), or a line that the application sends and the server answers, by tasks of one event loop or by threads.
What counts is virtual seconds for a second of CPU: a busy machine changes little in it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from socket import IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPIDLE, TCP_KEEPINTVL
from typing import Any

from components.lan import Host, Lan

HOSTS, SECONDS, EVERY = 100, 1000.0, 60.0
PORT = 7


def by_tcp(lan: Lan, server: Host, clients: list[Host]) -> list[Any]:
    """Nobody says anything; TCP asks whether the other is still there."""
    held: list[Any] = []

    def serve() -> None:
        with server.create_server(("", PORT), backlog=len(clients)) as listener:
            held.extend(listener.accept()[0] for _ in clients)

    def connect() -> None:
        for client in clients:
            s = client.create_connection((server.ip, PORT))
            s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
            s.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, int(EVERY))
            s.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, int(EVERY))
            held.append(s)

    tasks = [server.spawn(serve), server.spawn(connect)]
    lan.run_until(lambda: all(task.done() for task in tasks))
    return held


def by_tasks(lan: Lan, server: Host, clients: list[Host]) -> list[Any]:
    """A loop with a task for each end."""

    async def answer(s: Any) -> None:
        while line := await s.recv(100):
            await s.sendall(line)

    async def ask(client: Host) -> None:
        async with client.aio.connect((server.ip, PORT)) as s:
            while True:
                await s.sendall(b"are you there?\n")
                await s.recv(100)
                await asyncio.sleep(EVERY)

    async def program() -> None:
        listener = server.aio.listen(("", PORT), backlog=len(clients))
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(ask(client))
            for _ in clients:
                group.create_task(answer((await listener.accept())[0]))

    server.spawn(program)
    lan.run_for(1)
    return []


def by_threads(lan: Lan, server: Host, clients: list[Host]) -> list[Any]:
    """A thread for each end."""

    def answer(s: Any) -> None:
        with s:
            while line := s.recv(100):
                s.sendall(line)

    def serve() -> None:
        with server.create_server(("", PORT), backlog=len(clients)) as listener:
            for _ in clients:
                s, _peer = listener.accept()
                server.spawn(lambda s=s: answer(s))  # type: ignore[misc]

    def ask(client: Host) -> None:
        with client.create_connection((server.ip, PORT)) as s:
            while True:
                s.sendall(b"are you there?\n")
                s.recv(100)
                lan.sleep(EVERY)

    server.spawn(serve)
    for client in clients:
        client.spawn(lambda client=client: ask(client))  # type: ignore[misc]
    lan.run_for(1)
    return []


WAYS: dict[str, Callable[[Lan, Host, list[Host]], list[Any]]] = {
    "TCP's own": by_tcp, "tasks": by_tasks, "threads": by_threads,
}  # fmt: skip


def measure(way: str, hosts: int = HOSTS, seconds: float = SECONDS) -> tuple[float, int]:
    """(seconds of CPU, frames) for so many of idle time."""
    lan = Lan(seed=7)
    try:
        server, *clients = [lan.host(f"h{n}") for n in range(hosts)]
        held = WAYS[way](lan, server, clients)
        sent, cpu = _sent(lan), time.process_time()
        lan.run_for(seconds)
        cpu, sent = time.process_time() - cpu, _sent(lan) - sent
        for s in held:
            s.close()
        return cpu, sent
    finally:
        lan.close(0)


def _sent(lan: Lan) -> int:
    return sum(host.netif.counters.tx_frames for host in lan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("hosts", nargs="?", type=int, default=HOSTS)
    parser.add_argument("seconds", nargs="?", type=float, default=SECONDS)
    options = parser.parse_args()
    print(f"{options.hosts} hosts, a word every {EVERY:g} s, for {options.seconds:g} s of virtual time")
    for way in WAYS:
        cpu, frames = measure(way, options.hosts, options.seconds)
        ratio = options.seconds / cpu
        print(f"keep-alives by {way + ':':11} {cpu:6.2f} s of CPU, {ratio:8,.0f} virtual s/s, {frames} frames")


if __name__ == "__main__":
    main()
