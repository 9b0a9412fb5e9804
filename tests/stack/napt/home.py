"""A home behind a router of ours, 192.168.4.0/24 behind 203.0.113.1, and a server outside at 203.0.113.7."""

from __future__ import annotations

from typing import Any

from netif.router import NaptEntry
from stack.limits import Limits
from stack.napt.config import NaptConfig
from stack.socket import SOCK_DGRAM
from stack.stack import Stack
from tests.stack.forwarding.world import World

OUTSIDE, SERVER = "203.0.113.1", "203.0.113.7"


class Home(World):
    def __init__(self, *, limits: Limits | None = None, napt: NaptConfig | None = None, **port: Any) -> None:
        super().__init__()
        nets = {"home": "192.168.4.1/24", "world": f"{OUTSIDE}/24"}
        self.napt = self.router("router", nets, forwarding=False, inside="home", limits=limits, napt=napt, **port)
        self.one = self.inside("one", 2)
        self.server = self.host("server", "world", f"{SERVER}/24")

    def inside(self, name: str, last: int) -> Stack:
        return self.host(name, "home", f"192.168.4.{last}/24", "192.168.4.1")

    def table(self) -> list[str]:
        """Without the time that is left."""
        return [
            str(row).partition(" s")[0].rpartition(" ")[0] if row.left is not None else str(row) for row in self.rows()
        ]

    def rows(self) -> tuple[NaptEntry, ...]:
        return self.napt["home"].napt_table()

    def left(self) -> list[float]:
        return [round(row.left or 0, 1) for row in self.rows()]

    def asks(self, host: Stack, port: int = 0, to: tuple[str, int] = (SERVER, 7), data: bytes = b"hello") -> str:
        """What an echo server says of who sent that."""

        def ask() -> str:
            with host.socket(type=SOCK_DGRAM) as s:
                s.bind(("", port))
                s.settimeout(3)
                s.sendto(data, to)
                return bytes(s.recv(65536)).split()[0].decode()

        return str(self.do(ask))

    def sends(self, host: Stack, data: bytes, to: tuple[str, int]) -> None:
        def send() -> None:
            with host.socket(type=SOCK_DGRAM) as s:
                s.sendto(data, to)

        self.do(send)
        self.runtime.run_for(0)


def says_who(home: Home, host: Stack, port: int = 80) -> None:
    """A TCP server that tells each caller who it is."""

    def answer(connection: Any, peer: tuple[str, int]) -> None:
        with connection:
            connection.sendall(f"{peer[0]}:{peer[1]}".encode())
            connection.recv(100)

    home.serves(host, answer, port)


def calls(home: Home, host: Stack, to: tuple[str, int] = (SERVER, 80), port: int = 0) -> str:
    def call() -> str:
        with host.create_connection(to, 5, ("", port)) as s:
            return bytes(s.recv(100)).decode()

    return str(home.do(call))
