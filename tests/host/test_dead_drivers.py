"""A driver that dies takes its netif down, tells everybody who waits, costs nothing more, and can be replaced.

A row for another driver is a function with `@dies`: a context manager that yields a `Line`. `fresh` opens a driver (in
the first place, and again after `mend`), `kill` lets the one that is attached die, `serve` listens on the far side and
answers (address, accept), `accept()` being a connected socket of the peer's. A pair or a switch has nothing to die of:
a far end that has been closed is a cable with nobody at its end.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netif import DriverFailed, LinkDown, Netif, Stack, ThreadedRuntime
from netif.lifecycle import Held
from tapio import QemuStream, Tap, Tun, UnixWire
from tests.host.namespaces import Namespace, namespace, wait_until

pytestmark = pytest.mark.host

OURS, THEIRS = "192.168.5.100", "192.168.5.1"
IDLE = 0.3  # seconds over which nothing may happen


class Line(NamedTuple):
    fresh: Callable[[], Any]
    kill: Callable[[], object]
    mend: Callable[[], object]
    serve: Callable[[], tuple[tuple[str, int], Callable[[], Any]]]


DYING: dict[str, Any] = {}


def dies(make: Any) -> Any:
    DYING[make.__name__.replace("_", " ")] = contextmanager(make)
    return make


def attached(mode: str, kill: tuple[str, ...]) -> Iterator[Line]:
    """A TAP or TUN, and what `ip` does to it."""
    name = f"{mode}0"
    with namespace() as ns, namespace() as elsewhere:

        def make() -> None:
            if name in ns.ip("link"):
                ns.ip("link", "delete", name)
            ns.exec("ip", "tuntap", "add", "dev", name, "mode", mode)
            ns.ip("address", "add", f"{THEIRS}/24", "dev", name)
            ns.ip("link", "set", name, "up")

        def fresh() -> Any:
            driver = {"tap": Tap, "tun": Tun}[mode](name, netns=ns.name)
            ns.settle(name)
            return driver

        def serve() -> Any:
            listener = ns.listen(THEIRS, 3333)

            def accept() -> Any:
                with listener:
                    return listener.accept()[0]

            return (THEIRS, 3333), accept

        make()
        yield Line(fresh, lambda: ns.ip(*(word.format(name, elsewhere.name) for word in kill)), make, serve)


@dies
def a_tap_that_is_deleted() -> Iterator[Line]:
    yield from attached("tap", ("link", "delete", "{0}"))


@dies
def a_tap_that_is_set_down() -> Iterator[Line]:
    yield from attached("tap", ("link", "set", "{0}", "down"))


@dies
def a_tap_that_is_moved_away() -> Iterator[Line]:
    yield from attached("tap", ("link", "set", "{0}", "netns", "{1}"))


@dies
def a_tun_that_is_deleted() -> Iterator[Line]:
    yield from attached("tun", ("link", "delete", "{0}"))


@dies
def a_tun_that_is_set_down() -> Iterator[Line]:
    yield from attached("tun", ("link", "set", "{0}", "down"))


@dies
def a_tun_that_is_moved_away() -> Iterator[Line]:
    yield from attached("tun", ("link", "set", "{0}", "netns", "{1}"))


def joined(make: Callable[[str, bool], Any]) -> Iterator[Line]:
    """A socket, at whose other end a host of ours is, until it is cut off without a word."""
    runtime = ThreadedRuntime(strict=True)
    ends: list[tuple[Any, Stack]] = []
    with tempfile.TemporaryDirectory(prefix="netif-") as directory:
        path = Path(directory, "place", "socket")

        def mend() -> None:
            path.parent.mkdir()
            wire, far = make(str(path), True), Stack(f"far{len(ends)}", runtime=runtime)
            Netif(wire, stack=far, ip=f"{THEIRS}/24")
            ends.append((wire, far))

        def kill() -> None:
            shutil.rmtree(path.parent)  # nobody can take the place
            with Held(runtime):
                ends[-1][0].close()

        def serve() -> Any:
            listener = ends[-1][1].create_server((THEIRS, 3333))

            def accept() -> Any:
                with listener:
                    return listener.accept()[0]

            return (THEIRS, 3333), accept

        mend()
        try:
            yield Line(lambda: make(str(path), False), kill, mend, serve)
        finally:
            for _, far in ends:
                far.close(0)
            runtime.check()
            runtime.close()


@dies
def a_wire_between_processes_whose_switch_has_no_successor() -> Iterator[Line]:
    yield from joined(lambda path, _: UnixWire(path))


@dies
def a_stream_to_qemu_that_is_gone() -> Iterator[Line]:
    yield from joined(lambda path, far: QemuStream(path, listen=far))


@pytest.fixture(params=DYING, ids=lambda name: name)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    with DYING[request.param]() as made:
        yield made


@pytest.fixture
def host() -> Iterator[Stack]:
    runtime = ThreadedRuntime(strict=True)
    with Stack("ours", runtime=runtime) as stack:
        yield stack
    runtime.check()
    runtime.close()


def talk(host: Stack, line: Line) -> tuple[Any, Any]:
    """(our end, the peer's) of a fresh connection that has carried something."""
    address, accept = line.serve()
    ours = host.create_connection(address, timeout=5)
    theirs = accept()
    ours.sendall(b"hello")
    assert theirs.recv(5) == b"hello"
    return ours, theirs


def test_all_who_wait_are_told_and_another_driver_goes_on(line: Line, host: Stack) -> None:
    events: list[str] = []
    netif = Netif(line.fresh(), stack=host, ip=f"{OURS}/24")
    netif.subscribe(LinkDown, lambda event: events.append("LinkDown"))
    netif.subscribe(DriverFailed, lambda event: events.append("DriverFailed"))
    with netif:
        ours, theirs = talk(host, line)
        told: list[OSError] = []

        def wait() -> None:
            try:
                ours.recv(100)
            except OSError as error:
                told.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        line.kill()
        waiting.join(5)
        assert [error.errno for error in told] == [errno.ENETDOWN]
        wait_until(lambda: events == ["LinkDown", "DriverFailed"], what="the events")
        failure = netif.wait_for(DriverFailed).error
        assert "\n" not in str(failure)
        assert not netif.is_up

        with pytest.raises(OSError):
            host.create_connection((THEIRS, 3333), timeout=1)
        before, threads = time.process_time(), threading.active_count()
        time.sleep(IDLE)
        assert time.process_time() - before < IDLE / 10
        assert threading.active_count() == threads

        netif.driver.close()  # a device may admit one opener alone
        line.mend()
        netif.attach(line.fresh())
        assert netif.is_up
        for each in (*talk(host, line), ours, theirs):
            each.close()


@pytest.fixture(params=["tap", "tun"])
def device(request: pytest.FixtureRequest) -> Iterator[tuple[Namespace, str, Any]]:
    """(its namespace, its name, its driver)"""
    name = f"{request.param}0"
    with namespace() as ns:
        ns.exec("ip", "tuntap", "add", "dev", name, "mode", request.param)
        ns.ip("address", "add", f"{THEIRS}/24", "dev", name)
        ns.ip("link", "set", name, "up")
        yield ns, name, {"tap": Tap, "tun": Tun}[request.param](name, netns=ns.name)


def test_a_device_that_comes_up_again_needs_no_other_driver(device: tuple[Namespace, str, Any], host: Stack) -> None:
    ns, name, driver = device
    with Netif(driver, stack=host, ip=f"{OURS}/24") as netif, ns.listen(THEIRS, 3333):
        ns.ip("link", "set", name, "down")
        assert netif.wait_for(DriverFailed, timeout=5).error.errno == errno.ENETDOWN
        with pytest.raises(OSError, match=f"{name} is down: ip link set {name} up"):
            netif.start()
        ns.ip("link", "set", name, "up")
        netif.start()
        ns.settle(name)
        host.create_connection((THEIRS, 3333), timeout=5).close()


def test_a_device_may_be_renamed(device: tuple[Namespace, str, Any], host: Stack) -> None:
    ns, name, driver = device
    with Netif(driver, stack=host, ip=f"{OURS}/24") as netif, ns.listen(THEIRS, 3333):
        ns.settle(name)
        ns.ip("link", "set", name, "name", "other0")
        wait_until(lambda: driver.name == "other0", what="the news")
        host.create_connection((THEIRS, 3333), timeout=5).close()
        assert netif.is_up
