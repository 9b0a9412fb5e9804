"""Two hosts on a Lan, "server" and "client", on the virtual clock: `scene`, and `run` for what they do."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

import netif
from netif import Host, Lan


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
    places = {"socket": socket, "Thread": threading.Thread, "ThreadPoolExecutor": ThreadPoolExecutor}
    return {f"{place}.{name}": value for place, where in places.items() for name, value in vars(where).items()}


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    before = everything()
    yield
    after = everything()
    assert list(after) == list(before)
    assert [name for name in before if before[name] is not after[name]] == []


@pytest.fixture
def hold() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as held:
        yield held
