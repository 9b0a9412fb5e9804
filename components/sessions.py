"""Many clients served by one thread: a session is a generator that yields READ or WRITE where it would block.

So it reads like a program for one client on a socket that blocks, holds no more than it has in hand, and does not read
on while its client does not take what it is owed. What goes wrong in a session ends that session alone. Knows selectors
and the stdlib's socket names: the same server runs on a Stack, a Host and the kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, DefaultSelector
from socket import SHUT_RDWR
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from components.command import explain
from components.serving import LATER, first_client

if TYPE_CHECKING:
    from types import TracebackType

    from netif.link import Buffer

Session: TypeAlias = Generator[int, None, None]
Open: TypeAlias = Callable[[Any, Any], Session]  # of a connection that does not block, and its peer's address

READ, WRITE = EVENT_READ, EVENT_WRITE

log = logging.getLogger("components.sessions")


def receive(connection: Any, count: int) -> Generator[int, None, bytes]:
    """Wait for something to read: up to `count` bytes, b"" at the end."""
    while True:
        yield READ
        try:
            data: bytes = connection.recv(count)
            return data
        except BlockingIOError:
            continue


def send_all(connection: Any, data: Buffer) -> Session:
    """Send it, as the client takes it."""
    while True:
        try:
            sent = connection.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        data = memoryview(data)[sent:]
        yield WRITE


def selector_for(net: Any) -> BaseSelector:
    """What waits for the sockets of `net`."""
    if getattr(net, "runtime", None) is None:
        return DefaultSelector()
    from stack.socket.selector import Selector

    return Selector()


class Sessions:
    """All that one thread serves, in `run`."""

    def __init__(self, net: Any, *, ended: Callable[[], Any] = bool) -> None:
        """`ended` is called after each client."""
        self._selector = selector_for(net)
        self._ended = ended
        self._listeners: list[Any] = []
        self._served: dict[Any, Session] = {}  # by listener or connection
        self._running = Lock()  # held by `run`, or by who ends all without it: no session is ended while it is stepped
        self._ending = False

    def listen(self, listener: Any, session: Open) -> None:
        """Serve whoever connects there, and close it at the end."""
        self._listeners.append(listener)
        self.begin(listener, self._accepting(listener, session))

    def begin(self, connection: Any, session: Session) -> None:
        """Serve this one too, from now on."""
        connection.setblocking(False)
        self._served[connection] = session
        events = self._step(session)
        if events:
            self._selector.register(connection, events, session)
        else:
            self._end(connection)

    def _accepting(self, listener: Any, session: Open) -> Session:
        """One client each time: where there are more, the listener is ready again."""
        while True:
            yield READ
            try:
                connection, peer = listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in LATER:
                    return  # it was shut down, or its stack was
            else:
                self.begin(connection, session(connection, peer))

    def run(self) -> None:
        """Until there is neither a listener nor a client, or `close` was called."""
        with self._running:
            try:
                self._run()
            finally:
                self._end_all()

    def _run(self) -> None:
        selector, step = self._selector, self._step
        while self._served and not self._ending:
            for key, _ in selector.select():
                connection, session = key.fileobj, key.data
                events = step(session)
                if not events:
                    selector.unregister(connection)
                    self._end(connection)
                elif events != key.events:
                    selector.modify(connection, events, session)

    def _step(self, session: Session) -> int:
        """On to where it would block; 0: that was all."""
        try:
            return next(session)
        except StopIteration:
            pass
        except OSError as error:
            log.debug("%r ended: %s", session, explain(error))
        except Exception:
            log.exception("%r failed", session)
        return 0

    def _end(self, connection: Any) -> None:
        del self._served[connection]
        connection.close()
        if connection in self._listeners:
            self._listeners.remove(connection)
        else:
            self._ended()

    def stop(self) -> None:
        """No more clients; those being served are served on. From any thread: `run` finds the listeners shut down."""
        for listener in list(self._listeners):
            with suppress(OSError):
                listener.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """End all that is being served. Idempotent; from any thread: what `run` has in hand it ends itself, soon."""
        self._ending = True
        if self._running.acquire(blocking=False):
            try:
                self._end_all()
            finally:
                self._running.release()
        else:
            for connection in list(self._served):
                with suppress(OSError):
                    connection.shutdown(SHUT_RDWR)  # it is ready then: `run` comes back from its wait

    def _end_all(self) -> None:
        self._selector.close()
        for connection, session in self._served.items():
            session.close()
            connection.close()
        self._served.clear()
        self._listeners.clear()

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def attend(net: Any, listener: Any, session: Open, *, once: bool = False, timeout: float | None = None) -> None:
    """Serve who comes to `listener`, for ever, or the first client with `once`. GaveUp if none comes in time."""
    with Sessions(net) as sessions:
        if once or timeout is not None:
            connection, peer = first_client(listener, timeout)
            sessions.begin(connection, session(connection, peer))
        if not once:
            sessions.listen(listener, session)
        sessions.run()
