"""The Internet without any rights: a host of ours behind the real passt, and a server of the kernel's beyond it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.http_get import http_get
from netif import DriverFailed, GotIp, LinkDown, Netif, Stack, ThreadedRuntime
from tapio import QemuStream
from tests.host.namespaces import Namespace, end, require, veth, wait_until

pytestmark = pytest.mark.host

SIZE = 3_000_000
SILENT: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def sides() -> Iterator[tuple[Namespace, Namespace]]:
    """One that passt is in, and one beyond, which serves SIZE bytes."""
    with veth() as (near, far), tempfile.TemporaryDirectory() as pages:
        Path(pages, "page").write_bytes(bytes(range(250)) * (SIZE // 250))
        Path(pages).chmod(0o755)
        near.ip("route", "add", "default", "via", "10.77.0.2")
        far.ip("link", "set", "lo", "up")
        server = far.start(
            "python3", "-m", "http.server", "80", "--directory", pages, **SILENT
        )
        wait_until(lambda: ":80 " in far.exec("ss", "-lnt").stdout, 10.0, "the server")
        yield near, far
        end(server)


@pytest.fixture
def passt(sides: tuple[Namespace, Namespace]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Running, and its socket."""
    require("passt")
    with tempfile.TemporaryDirectory(prefix="netif-") as directory:
        Path(directory).chmod(0o777)  # it gives root's rights up
        path = str(Path(directory, "socket"))
        process = sides[0].start("passt", "-f", "-4", "--no-map-gw", "-s", path, **SILENT)
        wait_until(lambda: path in sides[0].exec("ss", "-lnx").stdout, 10.0, "passt")
        yield process, path
        end(process)


@pytest.fixture
def host() -> Iterator[Stack]:
    runtime = ThreadedRuntime(strict=True)
    with Stack("ours", runtime=runtime) as stack:
        yield stack
    runtime.check()
    runtime.close()


def test_a_lease_and_a_page_through_passt(passt: tuple[subprocess.Popen[bytes], str], host: Stack) -> None:
    with Netif(QemuStream(passt[1]), stack=host, dhcp=True, mtu=65520) as netif:
        assert str(netif.wait_for(GotIp, timeout=10).ip_info.ip) == "10.77.0.1"  # the namespace's own
        assert netif.mtu == 65520
        heard = bytearray()
        http_get(host, "http://10.77.0.2/page", heard.extend)
        assert len(heard) == SIZE
        assert heard[:250] == bytes(range(250))


def test_passt_ends_and_the_link_goes_down(passt: tuple[subprocess.Popen[bytes], str], host: Stack) -> None:
    events: list[str] = []
    netif = Netif(QemuStream(passt[1]), stack=host, dhcp=True)
    for kind in (LinkDown, DriverFailed):
        netif.subscribe(kind, lambda event, kind=kind: events.append(kind.__name__))
    with netif:
        netif.wait_for(GotIp, timeout=10)
        end(passt[0])
        wait_until(lambda: events == ["LinkDown", "DriverFailed"], 10.0, "the news")
        with pytest.raises(OSError, match="nobody listens there"):
            netif.start()
