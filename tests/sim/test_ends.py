"""How connections end when a link is closed, loses its address, is unplugged or breaks: FIN in time, else RST, and
everybody who waits is told why."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from socket import AF_INET, SOCK_DGRAM
from typing import Any

import pytest

from components.lan import Host, Lan
from netif.events import DriverFailed, LinkDown, LostIp
from netif.link import Buffer, Offload
from netif.netif import Netif
from netif.runtime import ThreadedRuntime, VirtualRuntime
from netif.wire import ip, tcp
from netif.wire.tcp import FIN, RST
from stack import Stack
from tapio import DROP, UnixWire, Wrapper, impair, pair

PATIENCE = 20.0  # seconds of a real clock, for what takes milliseconds unless it is broken


class Segments:
    """A sink that keeps who sent which TCP flags when."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, int]] = []

    def frame(self, direction: str, when: float, buffers: Any, _offload: Any, name: str, *_more: Any) -> None:
        data = b"".join(buffers)
        if direction == "out" and data[12:14] == b"\x08\0" and data[23] == ip.TCP:
            self.seen.append((name, when, tcp.parse(data, 34, len(data))[5]))

    def flush(self) -> None:
        """Nothing is held back."""

    def of(self, name: str, flag: int) -> list[float]:
        return [when for who, when, flags in self.seen if who == name and flags & flag]


class Conversation:
    """A client and a server on a Lan in virtual time, connected; a deaf client neither hears nor is heard."""

    def __init__(self) -> None:
        self.lan = Lan(seed=1)
        self.segments = Segments()
        self.lan.sinks.append(self.segments)
        self.deaf = False
        self.client = self.lan.host("client", script=lambda *_frame: DROP if self.deaf else None)
        self.server = self.lan.host("server")
        self.ours, self.theirs = self.does(self._connect)

    def _connect(self) -> tuple[Any, Any]:
        with self.server.create_server(("", 7)) as listener:
            ours = self.client.create_connection((self.server.ip, 7))
            return ours, listener.accept()[0]

    def begins(self, fn: Callable[[], Any]) -> Any:
        """`fn` runs beside what follows, and stands where it waits."""
        task = self.lan.runtime.spawn(fn)
        self.lan.run_for(0.0)
        return task

    def does(self, fn: Callable[[], Any]) -> Any:
        task = self.lan.runtime.spawn(fn)
        self.lan.run_until(task.done)
        return task.result()

    def fails(self, fn: Callable[[], Any]) -> Any:
        """The task of `fn`, whose result will be the errno of what it raised, or what it answered."""
        return self.begins(lambda: outcome(fn))

    def closes(self, host: Host, linger: float) -> float:
        """How long that took."""
        before = self.lan.now()
        host.netif.close(linger)
        return self.lan.now() - before

    def hears_everything(self) -> bytes:
        heard = b""
        while part := self.theirs.recv(65536):
            heard += part
        return heard


def outcome(fn: Callable[[], Any]) -> Any:
    try:
        return fn()
    except OSError as error:
        return error.errno


@pytest.fixture
def scene() -> Iterator[Conversation]:
    made = Conversation()
    with made.lan:
        yield made
        made.ours.close()
        made.theirs.close()


class TestClosing:
    def test_ends_connections_with_fin_and_waits_for_the_peers(self, scene: Conversation):
        def peer() -> bytes:
            heard = scene.hears_everything()
            scene.lan.sleep(0.3)
            scene.theirs.close()
            return heard

        hearing = scene.begins(peer)
        took = scene.closes(scene.client, 1.0)
        assert hearing.result() == b""
        assert 0.3 <= took < 0.4
        assert len(scene.segments.of("client", FIN)) == 1
        assert not scene.segments.of("client", RST)
        assert not scene.segments.of("server", RST)

    def test_what_was_written_before_arrives_before_the_end(self, scene: Conversation):
        said = bytes(range(256)) * 3000
        hearing = scene.begins(lambda: (scene.hears_everything(), scene.theirs.close())[0])
        scene.does(lambda: scene.ours.sendall(said))
        assert scene.closes(scene.client, 1.0) < 0.5
        assert hearing.result() == said
        assert not scene.segments.of("client", RST)

    def test_a_peer_that_does_not_end_is_reset_when_the_time_is_over(self, scene: Conversation):
        hearing = scene.begins(scene.hears_everything)
        took = scene.closes(scene.client, 0.7)
        assert took == pytest.approx(0.7, abs=0.01)
        assert hearing.result() == b""
        assert len(scene.segments.of("client", RST)) == 1
        assert scene.does(lambda: outcome(lambda: scene.theirs.send(b"x"))) in (errno.EPIPE, errno.ECONNRESET)

    def test_a_peer_that_never_answers_does_not_hold_it_up(self, scene: Conversation):
        scene.does(lambda: scene.ours.sendall(bytes(100_000)))
        scene.deaf = True
        took = scene.closes(scene.client, 0.5)
        assert took == pytest.approx(0.5, abs=0.01)
        assert scene.segments.of("client", RST)

    def test_a_server_that_nobody_reads_from_is_reset_when_the_time_is_over(self, scene: Conversation):
        """Megabytes are queued, and the peer's window is closed."""
        writing = scene.fails(lambda: scene.ours.sendall(bytes(10_000_000)))
        scene.lan.run_for(1.0)
        took = scene.closes(scene.client, 0.5)
        assert took == pytest.approx(0.5, abs=0.01)
        assert writing.result() in (errno.ENETDOWN, errno.EPIPE)
        resets = scene.segments.of("client", RST)
        assert resets in ([1.5], [1.5, 1.5])  # with both numbers the peer may expect: it may have taken a probe's byte

    def test_with_no_time_to_linger_it_resets_at_once(self, scene: Conversation):
        hearing = scene.fails(scene.hears_everything)
        assert scene.closes(scene.client, 0) == 0
        scene.lan.run_for(0.1)
        assert hearing.result() == errno.ECONNRESET
        assert not scene.segments.of("client", FIN)
        assert len(scene.segments.of("client", RST)) == 1

    def test_all_connections_end_at_the_same_time(self, scene: Conversation):
        """Twenty peers that do not end cost as much time as one."""
        lan = scene.lan

        def connect() -> list[Any]:
            with scene.server.create_server(("", 8)) as listener:
                ends = [scene.client.create_connection((scene.server.ip, 8)) for _ in range(20)]
                return ends + [listener.accept()[0] for _ in range(20)]

        ends = scene.does(connect)
        lan.run_for(0.1)
        assert scene.closes(scene.client, 0.5) == pytest.approx(0.5, abs=0.01)
        assert len(scene.segments.of("client", RST)) == 21
        for end in ends:
            end.close()

    def test_those_who_wait_at_the_closed_link_are_told(self, scene: Conversation):
        reading = scene.fails(lambda: scene.ours.recv(1))
        opening = scene.fails(lambda: scene.client.create_connection(("10.0.0.77", 9)))
        scene.closes(scene.client, 0.5)
        scene.lan.run_for(0.1)
        assert reading.result() == errno.ENETDOWN
        assert opening.result() in (errno.ENETDOWN, errno.ECONNABORTED)

    def test_those_who_wait_at_a_closed_stack_are_told(self, scene: Conversation):
        listener = scene.client.create_server(("", 99))
        accepting = scene.fails(listener.accept)
        datagrams = scene.client.socket(AF_INET, SOCK_DGRAM)
        datagrams.bind(("", 99))
        receiving = scene.fails(lambda: datagrams.recv(1))
        scene.client.stack.close(0.1)
        scene.lan.run_for(0.1)
        assert accepting.result() in (errno.ENETDOWN, errno.ECONNABORTED)
        assert receiving.result() == errno.ENETDOWN
        listener.close()
        datagrams.close()

    def test_a_second_close_does_nothing(self, scene: Conversation):
        scene.closes(scene.client, 0.5)
        assert scene.closes(scene.client, 0.5) == 0


def test_closing_towards_a_silent_peer_takes_no_longer_on_a_real_clock():
    deaf = False
    runtime = ThreadedRuntime(strict=True)
    ours, theirs = pair()
    client, server = Stack("client", runtime=runtime), Stack("server", runtime=runtime)
    netif = Netif(impair(ours, script=lambda *_frame: DROP if deaf else None), stack=client, ip="10.0.0.1/24")
    Netif(theirs, stack=server, ip="10.0.0.2/24")
    listener = server.create_server(("", 7))
    with listener, client.create_connection(("10.0.0.2", 7)) as one, listener.accept()[0]:
        deaf = True
        one.sendall(bytes(10_000))
        before = time.monotonic()
        netif.close(0.3)
        assert 0.3 <= time.monotonic() - before < 0.3 + PATIENCE / 4
        with pytest.raises(OSError, match="down"):
            one.recv(1)
    client.close(0.1)
    server.close(0.1)
    runtime.check()
    runtime.close()


class TestAddresses:
    @pytest.mark.parametrize("new", ["0.0.0.0", "10.0.0.50/24"])
    def test_losing_the_address_aborts_what_used_it(self, scene: Conversation, new: str):
        reading, hearing = scene.fails(lambda: scene.ours.recv(1)), scene.fails(scene.hears_everything)
        lost: list[Any] = []
        scene.client.netif.subscribe(LostIp, lost.append)
        scene.client.netif.set_ip_info(new)
        scene.lan.run_for(0.1)
        assert reading.result() == errno.ECONNABORTED
        assert hearing.result() == errno.ECONNRESET
        assert len(lost) == (new == "0.0.0.0")

    def test_the_same_address_again_changes_nothing(self, scene: Conversation):
        scene.client.netif.set_ip_info(scene.client.netif.ip_info)
        assert scene.does(lambda: (scene.ours.sendall(b"still"), scene.theirs.recv(10))[1]) == b"still"

    def test_unplugged_for_a_while_connections_wait(self, scene: Conversation):
        reading = scene.fails(lambda: scene.ours.recv(10))
        down: list[Any] = []
        scene.client.netif.subscribe(LinkDown, down.append)
        scene.client.netif.disconnected()
        scene.does(lambda: scene.ours.sendall(b"question"))
        scene.does(lambda: scene.theirs.sendall(b"answer"))
        scene.lan.run_for(30.0)
        assert len(down) == 1
        assert not reading.done()
        scene.client.netif.connected()
        scene.lan.run_until(reading.done, timeout=120.0)
        assert reading.result() == b"answer"
        assert scene.does(lambda: scene.theirs.recv(10)) == b"question"


class Breaking(Wrapper):
    """A driver that goes on until it is broken; then what was named raises."""

    broken = ""

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        if self.broken == "receive":
            raise OSError(errno.EIO, "no more frames")
        return self.driver.receive()

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self.broken == "transmit":
            raise OSError(errno.EIO, "no more room")
        return self.driver.transmit(buffers, offload)

    def advance(self, now: float) -> None:
        if self.broken == "advance":
            raise OSError(errno.EIO, "no more time")
        self.driver.advance(now)


class Broken:
    """A client by a driver that will break, a server, and those who wait at the client."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        ours, theirs = pair()
        self.driver = Breaking(ours)
        self.client, self.server = Stack("client", runtime=runtime), Stack("server", runtime=runtime)
        self.netif = Netif(self.driver, stack=self.client, ip="10.0.0.1/24")
        self.other = Netif(theirs, stack=self.server, ip="10.0.0.2/24")
        connecting = runtime.spawn(self._connect)
        runtime.run_until(connecting.done, PATIENCE)
        self.ends = connecting.result()
        reader, writer, *_ = self.ends
        waits: dict[str, Callable[[], Any]] = {
            "recv": lambda: reader.recv(1),
            "sendall": lambda: writer.sendall(bytes(10_000_000)),
            "connect": lambda: self.client.create_connection(("10.0.0.77", 9)),
        }
        self.waiting = {name: runtime.spawn(lambda wait=wait: outcome(wait)) for name, wait in waits.items()}
        runtime.run_for(0.1)

    def _connect(self) -> list[Any]:
        with self.server.create_server(("", 7)) as listener:
            ours = [self.client.create_connection(("10.0.0.2", 7)) for _ in range(2)]
            return ours + [listener.accept()[0] for _ in range(2)]

    def breaks(self, what: str) -> None:
        self.driver.broken = what
        self.runtime.enter()
        port = self.netif.port
        assert port is not None
        if what == "receive":
            port.readable()
        elif what == "advance":
            port.call_at(self.runtime.now())
        elif what == "port":
            port.failed(OSError(errno.EIO, "it said so itself"))
        self.runtime.leave()
        if what == "transmit":
            with self.client.socket(AF_INET, SOCK_DGRAM) as any_socket:
                any_socket.sendto(b"x", ("10.0.0.2", 9))

    def close(self) -> None:
        for end in self.ends:
            end.close()
        self.client.close(0)
        self.server.close(0)
        self.runtime.close()


@pytest.mark.parametrize("runtime", [ThreadedRuntime, VirtualRuntime])
@pytest.mark.parametrize("what", ["receive", "transmit", "advance", "port"])
def test_a_broken_driver_tells_everybody_and_nothing_spins(runtime: Any, what: str):
    scene = Broken(runtime(strict=True))
    failed: list[DriverFailed] = []
    scene.netif.subscribe(DriverFailed, failed.append)
    scene.breaks(what)
    tasks = scene.waiting.values()
    scene.runtime.run_until(lambda: all(task.done() for task in tasks), PATIENCE)
    assert {name: task.result() for name, task in scene.waiting.items()} == dict.fromkeys(scene.waiting, errno.ENETDOWN)
    scene.runtime.run_until(lambda: bool(failed), PATIENCE)
    assert [event.error.errno for event in failed] == [errno.EIO]
    before = time.process_time()
    scene.runtime.run_for(0.3)
    assert time.process_time() - before < 0.1
    assert scene.runtime.internal_errors == 0
    scene.close()


def test_when_the_switch_of_a_wire_between_processes_goes_another_is_it_and_its_own_connections_end(tmp_path: Any):
    """Two runtimes, as two processes have."""
    path = str(tmp_path / "wire")
    here, there = ThreadedRuntime(strict=True), ThreadedRuntime(strict=True)
    switch, member = Stack("switch", runtime=here), Stack("member", runtime=there)
    hub = Netif(UnixWire(path), stack=switch, ip="10.0.0.1/24")
    wire = UnixWire(path)
    Netif(wire, stack=member, ip="10.0.0.2/24")
    listener = switch.create_server(("", 7))
    with listener, member.create_connection(("10.0.0.1", 7)) as ours, listener.accept()[0]:
        reading = there.spawn(lambda: outcome(lambda: ours.recv(1)))
        hub.close(0)
        there.run_until(reading.done, PATIENCE)
        assert reading.result() == errno.ECONNRESET
        there.run_until(lambda: wire.first, PATIENCE)
    before = time.process_time()
    there.run_for(0.3)
    assert time.process_time() - before < 0.1
    for each in (member, switch):
        each.close()
    for runtime in (here, there):
        runtime.check()
        runtime.close()
