"""Two hosts on a pair, on a real clock: `left` and `right`, with `run` for what must happen meanwhile."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from netif.netif import Netif
from netif.runtime import ThreadedRuntime
from stack.stack import Stack
from tapio import pair

PATIENCE = 20  # seconds; for what takes microseconds unless it is broken


class Hosts(NamedTuple):
    left: Stack
    right: Stack
    run: Callable[[Callable[[], Any]], Any]  # a thread of the runtime; `.result(PATIENCE)` waits for it


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    runtime = ThreadedRuntime(strict=True)
    one, other = pair()
    with (
        Stack("left", runtime=runtime) as left,
        Stack("right", runtime=runtime) as right,
        Netif(one, stack=left, ip="10.0.0.1/24"),
        Netif(other, stack=right, ip="10.0.0.2/24"),
    ):
        yield Hosts(left, right, runtime.spawn)
    runtime.check()
    runtime.close()


@pytest.fixture
def connection(hosts: Hosts) -> Iterator[tuple[Any, Any]]:
    """A client on the left, connected to a server's end on the right."""
    with hosts.right.create_server(("", 7000)) as listener:
        client = hosts.left.create_connection(("10.0.0.2", 7000), timeout=PATIENCE)
        server, _ = listener.accept()
        server.settimeout(PATIENCE)
    with client, server:
        yield client, server
