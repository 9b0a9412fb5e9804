"""One connection of a stack and one of the kernel, joined: what comes in at one goes out at the other, both ways.

At most CHUNK bytes a way wait here for who does not read; the rest stays with its sender, whose window closes. The end
of one way is passed on as the end of that way (FIN for FIN), whatever breaks on one side as a RST on the other: RFC
9293 3.6, 3.10.5. Everything here happens under the gate, and waits for nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from errno import ECONNRESET

from components.gateway.kernel import KernelSocket, receive, reset, send
from components.gateway.quay import READ, WRITE, Quay
from stack.endpoint import Onlooker
from stack.failure import failure
from stack.tcp.connection import Connection
from stack.tcp.sender import OPEN
from stack.tcp.states import CLOSED, SYN_SENT

CHUNK = 64 << 10  # bytes read at a time, and so the most that waits here, each way
READS = 4  # of them from the kernel before others have their turn


class Way(enum.Enum):
    """Of one direction."""

    FLOWING = "flowing"
    ENDING = "ending"  # its end was read; what waits here goes before it
    ENDED = "ended"  # its end was passed on


TRANSITIONS = {Way.FLOWING: {Way.ENDING}, Way.ENDING: {Way.ENDED}, Way.ENDED: set()}
OUT, IN = 0, 1  # to the kernel, and from it


class Pipe(Onlooker):
    """It stands among the readers and the writers of its connection."""

    __slots__ = ("_connection", "_done", "_left", "_quay", "_sock", "_to_kernel", "_to_lan", "_ways")

    def __init__(self, quay: Quay, connection: Connection, sock: KernelSocket, left: Callable[[Pipe], object]) -> None:
        """Either side may still be connecting. `left(pipe)` is called when all is over."""
        self._quay = quay
        self._connection = connection
        self._sock = sock
        self._left = left
        self._ways = [Way.FLOWING, Way.FLOWING]
        self._to_kernel = self._to_lan = b""  # read on one side, and not taken by the other yet
        self._done = False

    def __repr__(self) -> str:
        return f"<Pipe out {self._ways[OUT].value}, in {self._ways[IN].value} of {self._connection!r}>"

    def begin(self) -> None:
        self.wake()

    def wake(self) -> None:
        """Something has happened to the connection."""
        self._move(0)

    def ready(self, events: int) -> None:
        """Something has happened to the kernel's socket."""
        self._move(READS if events & READ else 0)

    def abort(self) -> None:
        """RST, both ways."""
        if not self._done:
            self._quay.forget(self._sock)
            reset(self._sock)
            self._connection.abort()
            self._end()

    def _move(self, reads: int) -> None:
        if self._done:
            return
        try:
            self._send_out()
            self._take_in(reads)
            if self._ways[OUT] is Way.ENDED and self._ways[IN] is Way.ENDED:
                self._close()
                return
        except OSError:
            self.abort()
            return
        self._await()

    def _send_out(self) -> None:
        """From the connection to the kernel. OSError: one of them is broken."""
        connection = self._connection
        while self._ways[OUT] is Way.FLOWING or self._to_kernel:
            if not self._to_kernel:
                data = connection.read(CHUNK)
                if data is None:
                    return
                if not data:
                    self._become(OUT, Way.ENDING)
                    break
                self._to_kernel = data
            sent = send(self._sock, self._to_kernel)
            self._to_kernel = self._to_kernel[sent:]
            if self._to_kernel:
                return
        if self._ways[OUT] is Way.ENDING:
            if not connection.receiver.finished():
                raise failure(ECONNRESET)  # it is gone without a FIN
            self._sock.shutdown(1)
            self._become(OUT, Way.ENDED)
        elif connection.error is not None:
            raise connection.error

    def _take_in(self, reads: int) -> None:
        """From the kernel to the connection, in at most so many reads. OSError, as above."""
        connection = self._connection
        while self._to_lan or (reads and self._ways[IN] is Way.FLOWING):
            if not self._to_lan:
                data = receive(self._sock, CHUNK)
                if data is None:
                    return
                if not data:
                    self._become(IN, Way.ENDING)
                    break
                self._to_lan = data
                reads -= 1
            taken = connection.write(self._to_lan)
            self._to_lan = self._to_lan[taken:]
            if self._to_lan:
                return
        if self._ways[IN] is Way.ENDING and connection.state is not SYN_SENT:
            if connection.sender.fin == OPEN:  # else its host is being closed
                connection.shutdown_write()
            self._become(IN, Way.ENDED)

    def _become(self, way: int, state: Way) -> None:
        before = self._ways[way]
        assert state in TRANSITIONS[before], f"{before.value} may not become {state.value}"
        self._ways[way] = state

    def _await(self) -> None:
        """What may happen next."""
        connection = self._connection
        if connection.readers is None or self not in connection.readers:
            connection.wait_readable(self)
        waits = bool(self._to_lan) or self._ways[IN] is Way.ENDING
        if waits and (connection.writers is None or self not in connection.writers):
            connection.wait_writable(self)
        wanted = READ if self._ways[IN] is Way.FLOWING and not self._to_lan else 0
        if self._to_kernel:
            wanted |= WRITE
        self._quay.watch(self._sock, wanted, self.ready)

    def _close(self) -> None:
        self._quay.forget(self._sock)
        self._sock.close()
        if self._connection.state is not CLOSED:
            self._connection.close()
        self._end()

    def _end(self) -> None:
        self._done = True
        self._to_kernel = self._to_lan = b""
        self._connection.forget(self)
        self._left(self)
