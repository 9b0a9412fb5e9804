"""A lossy scene of three hosts, written to a capture; a program, so that a test can run it in fresh interpreters."""

import random
import sys
from functools import partial

from netif import Lan


def scene(path: str, seed: int) -> None:
    with Lan(seed=seed, clock="virtual", pcapng=path) as lan:
        server = lan.host("server", delay="3ms")
        clients = [lan.host(name, loss="5%", delay="10ms") for name in ("alice", "bob")]

        def serve():
            with server.create_server(("", 7)) as listener:
                for _ in clients:
                    server.spawn(partial(answer, listener.accept()[0]))

        def answer(conn):
            with conn:
                while data := conn.recv(65536):
                    conn.sendall(data)

        def ask(host):
            data = random.Random(host.name).randbytes(60_000)
            received = bytearray()
            with host.create_connection((server.ip, 7)) as s:
                for at in range(0, len(data), 6000):
                    s.sendall(data[at : at + 6000])
                    while len(received) < at + 6000:
                        received += s.recv(65536)
            return bytes(received) == data

        server.spawn(serve)
        asking = [host.spawn(lambda host=host: ask(host)) for host in clients]
        lan.run_until(lambda: all(task.done() for task in asking))
        assert all(task.result() for task in asking)


if __name__ == "__main__":
    scene(sys.argv[1], int(sys.argv[2]))
