"""Two hosts on a Lan, "server" and "client", on the virtual clock: `scene`, and `run` for what they do."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import trustme
import uvloop

import netif
from netif import Host, Lan
from netif.runtime.executor import SpawningExecutor


class Scene(NamedTuple):
    lan: Lan
    server: Host
    client: Host

    def run(self, client: Callable[[], Any], server: Callable[[], Any] | None = None) -> Any:
        """What `client` returns, run in the client's scope, while `server` runs in the server's."""
        if server is not None:
            self.server.spawn(netif.use(self.server)(server))
        asking = self.client.spawn(netif.use(self.client)(client))
        self.lan.run_until(asking.done)
        return asking.result()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Lan(seed=7) as lan:
        yield Scene(lan, lan.host("server"), lan.host("client"))


def everything() -> dict[str, Any]:
    """Whatever a scope may put something in the place of."""
    loops = [asyncio.BaseEventLoop, asyncio.SelectorEventLoop.__base__, uvloop.Loop]
    places = [socket, threading.Thread, ThreadPoolExecutor, SpawningExecutor, ssl.SSLContext, *loops]
    return {f"{place}.{name}": value for place in places for name, value in vars(place).items()}


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    before = everything()
    yield
    after = everything()
    assert list(after) == list(before)
    assert [name for name in before if before[name] is not after[name]] == []


class Authority(NamedTuple):
    """One for the tests, whose word the client takes for the name "server"."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def authority() -> Authority:
    issuer = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    issuer.issue_cert("server").configure_cert(server)
    issuer.configure_trust(client)
    return Authority(server, client)
