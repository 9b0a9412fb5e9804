"""One server being asked one question: the message, and the UDP socket or the TCP connection that it goes by.

Whoever would answer in the server's place must guess the id, the port and, on request, the case of the question's
letters: each time they are drawn anew. RFC 5452 9; RFC 7766 (TCP); draft-vixie-dnsext-dns0x20.
"""

from __future__ import annotations

from errno import ECONNRESET
from typing import TYPE_CHECKING

from netif.link import Dice, Waiter
from netif.wire.dns import LARGEST, NOERROR, NXDOMAIN, PORT, QR, Message, Name, query
from stack.failure import failure
from stack.udp import UdpEndpoint

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.stack import Stack

_OPCODE = 0x7800


class OverUdp:
    """A socket of its own, so on a port of its own; connected, so that only the server's datagrams come here."""

    __slots__ = ("_reader", "_socket")
    is_stream = False

    def __init__(self, stack: Stack, server: bytes, interface: Interface | None, reader: Waiter) -> None:
        """OSError: no way to the server."""
        self._reader = reader
        self._socket = UdpEndpoint(stack, address_length=len(server))
        self._socket.interface = interface
        try:
            self._socket.connect(server, PORT)
        except OSError:
            self._socket.close()
            raise

    def send(self, message: bytes) -> None:
        """Once; it is lost where the link takes nothing now, and will be sent again as what is lost elsewhere."""
        self._socket.send_to(message)

    def receive(self) -> bytes | None:
        """A message; None: wait. OSError: there is nobody."""
        got = self._socket.receive()
        if got is None and self._socket.readers is None:
            self._socket.wait_readable(self._reader)
        return None if got is None else got[0]

    def close(self) -> None:
        self._socket.close()


class OverTcp:
    """A connection for one question: each message behind its length in two bytes (RFC 1035 4.2.2)."""

    __slots__ = ("_connection", "_heard", "_reader", "_unsent")
    is_stream = True

    def __init__(self, stack: Stack, server: bytes, interface: Interface | None, reader: Waiter) -> None:
        """OSError: no way to the server."""
        self._reader = reader
        self._connection = stack.tcp.connect(None, (server, PORT), None, interface)
        self._unsent = b""
        self._heard = bytearray()

    def send(self, message: bytes) -> None:
        self._unsent = len(message).to_bytes(2, "big") + message  # RFC 7766 8: both in one segment

    def receive(self) -> bytes | None:
        connection = self._connection
        if self._unsent:
            self._unsent = self._unsent[connection.write(self._unsent) :]
            if self._unsent:
                if connection.writers is None:
                    connection.wait_writable(self._reader)
                return None
        heard = self._heard
        while len(heard) < 2 or len(heard) < 2 + int.from_bytes(heard[:2], "big"):
            data = connection.read(LARGEST)
            if data is None:
                if connection.readers is None:
                    connection.wait_readable(self._reader)
                return None
            if not data:
                raise failure(ECONNRESET)
            heard += data
        end = 2 + int.from_bytes(heard[:2], "big")
        message = bytes(heard[2:end])
        del heard[:end]
        return message

    def close(self) -> None:
        self._connection.close()


class Asking:
    __slots__ = ("_interface", "_reader", "_stack", "edns", "ident", "kind", "name", "server", "strangers", "way")

    def __init__(
        self,
        stack: Stack,
        server: bytes,
        interface: Interface | None,
        reader: Waiter,
        name: Name,
        kind: int,
        *,
        edns: int | None,
        by_tcp: bool = False,
    ) -> None:
        """`reader` is woken when there may be something to `receive`. OSError: no way to the server."""
        self.server = server
        self.name = name
        self.kind = kind
        self.edns = edns
        self.strangers = 0  # messages that came here, and were not the answer
        self.ident = stack.dice.getrandbits(16)
        way = OverTcp if by_tcp else OverUdp
        self.way: OverUdp | OverTcp = way(stack, server, interface, reader)

    def send(self) -> None:
        """The question, or the question again: the same to the bit, lest an impostor had two to guess."""
        self.way.send(query(self.ident, self.name, self.kind, self.edns))

    def is_worth_reading(self, data: bytes) -> bool:
        """Whoever does not know the id must not make us read 64 KiB of anything."""
        return data[:2] == self.ident.to_bytes(2, "big")

    def fits(self, message: Message) -> bool:
        """RFC 5452 9.1. One that cannot read the question need not repeat it."""
        if not message.flags & QR or message.flags & _OPCODE:
            return False
        if len(message.questions) != 1:
            return not message.questions and message.rcode not in (NOERROR, NXDOMAIN)
        name, kind, class_ = message.questions[0]
        return (name.lower(), kind, class_) == (self.name.lower(), self.kind, 1)


def mix_case(name: Name, dice: Dice) -> Name:
    """The case of each letter by chance; a label's length is never a letter."""
    return bytes(byte ^ 0x20 if chr(byte).isalpha() and byte < 128 and dice.getrandbits(1) else byte for byte in name)
