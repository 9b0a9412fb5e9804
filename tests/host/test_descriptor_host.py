"""One epoll serves the kernel's connections to our host: what comes over the wire is heard of by the descriptors."""

from __future__ import annotations

import errno
import random
import select
import selectors
import socket
import threading
from typing import Any

import pytest

pytestmark = pytest.mark.host

OURS = "192.168.5.100"
CONNECTIONS = 50
SOON = 20.0  # seconds


class EchoServer:
    """Of one thread, written as one would over kernel sockets; EPOLLET: what is ready is used up before it waits."""

    def __init__(self, host: Any, trigger: int) -> None:
        self.listener = host.create_server(("", 7), backlog=CONNECTIONS)
        self.listener.setblocking(False)
        self.trigger = trigger
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.connections: dict[int, Any] = {}
        self.waiting: dict[int, bytearray] = {}
        self.near, self.stop = socket.socketpair()
        self.epoll.register(self.near, select.EPOLLIN)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            for number, _ in self.epoll.poll():
                if number == self.near.fileno():
                    return
                if number == self.listener.fileno():
                    self.accept()
                else:
                    self.serve(number)

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        self.connections[connection.fileno()] = connection
        self.waiting[connection.fileno()] = bytearray()
        self.epoll.register(connection, select.EPOLLIN | self.trigger)

    def serve(self, number: int) -> None:
        connection, waiting = self.connections[number], self.waiting[number]
        ended = False
        try:
            while not ended:
                data = connection.recv(1 << 16)
                waiting += data
                ended = not data
        except BlockingIOError:
            pass
        try:
            while waiting:
                del waiting[: connection.send(waiting)]
        except BlockingIOError:
            pass
        if ended and not waiting:
            del self.connections[number], self.waiting[number]
            connection.close()
        else:
            wanted = select.EPOLLIN | (select.EPOLLOUT if waiting else 0)
            self.epoll.modify(number, wanted | self.trigger)

    def close(self) -> None:
        self.stop.close()
        self.thread.join(SOON)
        for each in (*self.connections.values(), self.listener, self.near, self.epoll):
            each.close()


@pytest.fixture(params=[0, select.EPOLLET], ids=["level", "edge"])
def server(request, host):
    made = EchoServer(host, request.param)
    yield made
    made.close()


def test_fifty_connections_of_the_kernels_are_served_by_one_epoll(ns, server, seed):
    dice = random.Random(seed)
    left = {}  # socket: what it has to send, what it has to hear
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            client = ns.socket()
            client.setblocking(False)
            assert client.connect_ex((OURS, 7)) == errno.EINPROGRESS
            data = dice.randbytes(dice.choice((1, 1000, 50_000, 400_000)))
            left[client] = [data, data]
            selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while left:
            ready = selector.select(SOON)
            assert ready, f"{len(left)} of {CONNECTIONS} wait, the server has {len(server.connections)}"
            for key, events in ready:
                converse(key.fileobj, events, left, selector)
    server.close()
    assert not server.connections


def converse(client: Any, events: int, left: dict[Any, list[bytes]], selector: Any) -> None:
    unsent, unheard = left[client]
    if events & selectors.EVENT_WRITE and unsent:
        unsent = unsent[client.send(unsent) :]
        if not unsent:
            client.shutdown(socket.SHUT_WR)
            selector.modify(client, selectors.EVENT_READ)
    if events & selectors.EVENT_READ:
        data = client.recv(1 << 16)
        assert unheard.startswith(data)
        unheard = unheard[len(data) :]
        if not data:
            assert not unheard
            selector.unregister(client)
            client.close()
            del left[client]
            return
    left[client] = [unsent, unheard]
