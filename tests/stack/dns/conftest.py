from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from components.lan import Host, Lan
from netif.wire import dns
from stack.dns.findings import Finding
from tests.stack.dns.server import NameServer, record


class Scene:
    """A client, the servers that it asks, and its questions in virtual time."""

    def __init__(self, lan: Lan, client: Host) -> None:
        self.lan = lan
        self.client = client
        self.servers: list[NameServer] = []

    def server(self, *records: Any, says: Any = None, **faults: Any) -> NameServer:
        """One more server for the client to ask, after those before it."""
        host = self.lan.host(f"ns{len(self.servers)}", **faults)
        server = NameServer(self.lan, host, *records, says=says)
        self.servers.append(server)
        self.client.stack.dns += (server.address,)
        return server

    def configure(self, **changes: Any) -> None:
        resolver = self.client.stack.resolver
        resolver.config = attrs.evolve(resolver.config, **changes)

    def run(self, fn: Callable[[], Any]) -> Any:
        """What `fn` answers on the client."""
        task = self.client.spawn(fn)
        self.lan.run_until(task.done)
        return task.result()

    def ask(self, name: str) -> list[str]:
        """The addresses."""
        found = self.run(lambda: self.client.stack.getaddrinfo(name, None, 0, 1))
        return [where[0] for *_, where in found]

    def look_up(self, name: str, kind: int = dns.A, interface: Any = None) -> Finding:
        """All that was found."""
        runtime = self.lan.runtime
        runtime.enter()
        lookup = self.client.stack.resolver.lookup(name, kind, interface=interface)
        runtime.leave()
        self.lan.run_until(lookup.readable)
        assert lookup.answer is not None
        return lookup.answer

    def fails(self, name: str) -> int:
        """The EAI_ code that comes of it."""
        with pytest.raises(OSError) as caught:
            self.ask(name)
        assert caught.value.errno is not None
        return caught.value.errno

    def count(self, name: str) -> int:
        return self.client.stack.stats[name]


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=5) as made:
        yield made


@pytest.fixture
def scene(lan: Lan) -> Scene:
    return Scene(lan, lan.host("client"))


@pytest.fixture
def www() -> Any:
    return record("www.test", "A", "192.0.2.1")
