"""A host of ours under attack on a TAP: what it serves, and an honest connection that must go on all the while."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.host.namespaces import Namespace, wait_until

OURS, KERNEL = "192.168.5.100", "192.168.5.1"
ECHO, QUIET, UNREAD = 7, 80, 5353  # the ports that are open: two of TCP, one of UDP


class Honest:
    """A connection of the kernel's with our echo service; says something every few milliseconds."""

    def __init__(self, ns: Namespace) -> None:
        self.exchanges = 0
        self.over = threading.Event()
        self.failure: BaseException | None = None
        self.socket = ns.connect((OURS, ECHO), timeout=30.0)
        self.thread = threading.Thread(target=self._talk, name="honest")
        self.thread.start()

    def _talk(self) -> None:
        try:
            while not self.over.wait(0.005):
                said = b"%06d" % self.exchanges * 50
                self.socket.sendall(said)
                heard = b""
                while len(heard) < len(said):
                    part = self.socket.recv(4096)
                    assert part, "our end closed it"
                    heard += part
                assert heard == said
                self.exchanges += 1
        except BaseException as error:
            self.failure = error

    def goes_on(self, exchanges: int = 5) -> None:
        wanted = self.exchanges + exchanges
        wait_until(lambda: self.exchanges >= wanted or self.failure, 30.0, "an exchange of the honest connection")

    def close(self) -> None:
        self.over.set()
        self.thread.join(30)
        self.socket.close()
        if self.failure is not None:
            raise self.failure


def _serve(listener: Any, answer: bool) -> None:
    """Each connection in a thread of its own, until the listener is closed."""

    def talk(connection: Any) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    if answer:
                        connection.sendall(data)
            except OSError:
                pass  # a scanner's way to say goodbye

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


@contextmanager
def under_attack(ns: Namespace, stack: Any) -> Iterator[Honest]:
    """While the block runs, and after it, the honest connection goes on; nothing escapes from the core."""
    with (
        stack.create_server(("", ECHO), backlog=64) as echoing,
        stack.create_server(("", QUIET), backlog=64) as quiet,
        stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread,
    ):
        unread.bind(("", UNREAD))
        threads = [threading.Thread(target=_serve, args=each) for each in ((echoing, True), (quiet, False))]
        for thread in threads:
            thread.start()
        honest = Honest(ns)
        try:
            honest.goes_on()
            yield honest
            honest.goes_on()
        finally:
            honest.close()
            echoing.close()
            quiet.close()
            for thread in threads:
                thread.join(10)
    stack.runtime.check()
    assert stack.stats["internal_error"] == 0
