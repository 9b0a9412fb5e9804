"""A seed makes the same frames at the same moments, whatever drives the hosts: tasks, threads, programs as they are."""

from __future__ import annotations

import os
import subprocess
import sys

SCENE = """
import asyncio, hashlib, random, socketserver, socket, sys, threading, time
import netif
from netif import Lan

litter = [bytes(16 * size) for _ in range(hash("x") % 97) for size in range(32)]  # memory is laid out differently

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1000):
            time.sleep(0.01)
            self.request.sendall(data)

def serve():
    with netif.use(server, clock=True), socketserver.ThreadingTCPServer(("", 7), Echo) as echo:
        threading.Timer(9, echo.shutdown).start()
        echo.serve_forever(0.5)

def ask(host, n):
    with netif.use(host, clock=True):
        for turn in range(3):
            with socket.create_connection((server.ip, 7)) as s:
                s.sendall(b"%d %d" % (n, turn))
                s.recv(100)
            time.sleep(n / 7)

async def converse(host, n):
    await asyncio.sleep(n / 10)
    async with host.aio.socket() as s:
        await s.connect((server.ip, 7))
        while True:
            await s.sendall(b"%f" % time.monotonic() * n)
            await s.recv(1000)
            await asyncio.to_thread(lan.sleep, 0.1)

async def main():
    lan.runtime.spawn(serve)
    await asyncio.sleep(0.1)
    threads = [asyncio.to_thread(ask, host, n) for n, host in enumerate(hosts[4:])]
    asked = asyncio.gather(*threads)
    try:
        async with asyncio.timeout(3), asyncio.TaskGroup() as group:
            for n, host in enumerate(hosts[:4]):
                group.create_task(converse(host, n + 1))
    except TimeoutError:
        pass
    await asked

with Lan(seed="replay", pcapng=sys.argv[1]) as lan:
    server, *hosts = [lan.host(f"h{n}", loss="3%", delay="5ms", jitter="2ms") for n in range(9)]
    with netif.use(server, clock=True):
        lan.run(main())
"""


def test_a_capture_is_the_same_at_every_run(tmp_path):
    captures = []
    for seed in ("0", "1"):
        capture = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", SCENE, capture],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=True,
            timeout=60,
        )
        captures.append(capture.read_bytes())
    assert len(captures[0]) > 20_000
    assert captures[0] == captures[1]
