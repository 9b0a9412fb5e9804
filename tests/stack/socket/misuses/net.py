"""Two worlds of sockets, the kernel's and ours, in which the rows of the tables are done, and what comes of one.

`net.stream()`, `net.datagram()`, `net.listener()`, `net.pair()` (a client and its server's end), `net.bound()` (a
datagram socket with an address) and `net.module`, the module itself. All over loopback.
"""

from __future__ import annotations

import socket as k
from contextlib import ExitStack
from typing import Any

HERE = "127.0.0.1"
SOL, TCP, IP = k.SOL_SOCKET, k.IPPROTO_TCP, k.IPPROTO_IP
GAPS = memoryview(bytearray(16))[::2]  # not contiguous


class Net:
    def __init__(self, module: Any, **options: Any) -> None:
        self.module = module
        self.options = options
        self.open = ExitStack()

    def socket(self, *arguments: Any) -> Any:
        return self.open.enter_context(self.module.socket(*arguments, **self.options))

    def stream(self) -> Any:
        return self.socket()

    def datagram(self) -> Any:
        return self.socket(k.AF_INET, k.SOCK_DGRAM)

    def bound(self) -> Any:
        made = self.datagram()
        made.bind((HERE, 0))
        return made

    def listener(self) -> Any:
        made = self.stream()
        made.bind((HERE, 0))
        made.listen()
        return made

    def pair(self) -> tuple[Any, Any]:
        listener, client = self.listener(), self.stream()
        client.connect(listener.getsockname())
        served = self.open.enter_context(listener.accept()[0])
        return client, served

    def closed(self) -> Any:
        made = self.stream()
        made.close()
        return made

    def closed_port(self) -> tuple[str, int]:
        probe = self.bound()
        address = probe.getsockname()
        probe.close()
        return address


def then(*steps: Any) -> Any:
    return steps[-1]


def outcome(act: Any, net: Net) -> Any:
    """What `act` answers, or raises: type, errno, and the words where they are the stdlib's own and not of a type."""
    with net.open:
        try:
            answer = act(net)
        except Exception as error:
            number = getattr(error, "errno", None)
            words = str(error) if number is None and not isinstance(error, TypeError | OverflowError) else ""
            return type(error), number, words
        return None if isinstance(answer, net.module.socket) else answer
