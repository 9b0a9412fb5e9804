"""`ping`: is a host there, how far away is it, how much is lost on the way? (RFC 792 echo, RFC 1122 3.2.2.6)

Knows the echo message's payload and ping(8)'s manner of speaking; sends through a ping socket as Linux has them, so
identifier and checksum are the stack's affair.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from socket import AF_INET, IPPROTO_ICMP, SOCK_DGRAM
from typing import TYPE_CHECKING, Any

import attrs

from components.command import Complaint, GaveUp, Parser, explain, run

if TYPE_CHECKING:
    from stack import Stack

HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
ECHO, ECHO_REPLY = 8, 0
LARGEST = 65507  # bytes of payload in the largest IPv4 packet: 65535 - 20 - 8
LAST_WAIT = 1.0  # seconds for an answer after the last request


@attrs.define
class Pinged:
    """What came of it."""

    host: str
    sent: int = 0
    answers: list[float] = attrs.field(factory=list)  # round trips, seconds
    duplicates: int = 0
    took: float = 0.0  # seconds

    def summary(self) -> str:
        received = len(self.answers)
        lost = 100 * (self.sent - received) // self.sent if self.sent else 0
        lines = [f"--- {self.host} ping statistics ---"]
        again = f", +{self.duplicates} duplicates" if self.duplicates else ""
        counts = f"{self.sent} packets transmitted, {received} received{again}, {lost}% packet loss"
        lines.append(f"{counts}, time {self.took * 1000:.0f}ms")
        if received:
            mean = sum(self.answers) / received
            deviation = math.sqrt(max(0.0, sum(rtt * rtt for rtt in self.answers) / received - mean * mean))
            figures = (min(self.answers), mean, max(self.answers), deviation)
            lines.append("rtt min/avg/max/mdev = " + "/".join(f"{1000 * figure:.3f}" for figure in figures) + " ms")
        return "\n".join(lines)


class _Pinging:
    """One run: a socket, what is on its way, what came back."""

    def __init__(self, stack: Stack, host: str, size: int, say: Callable[[str], Any]) -> None:
        self.runtime = stack.runtime
        self.socket = stack.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
        self.payload = bytes(index & 0xFF for index in range(size))
        self.say = say
        self.result = Pinged(host)
        self.on_the_way: dict[int, float] = {}  # sequence number -> when it was sent; at most 2**16

    def send(self) -> None:
        sequence = (self.result.sent + 1) & 0xFFFF
        self.result.sent += 1
        self.on_the_way[sequence] = self.runtime.now()
        try:
            self.socket.settimeout(LAST_WAIT)
            self.socket.sendto(HEADER.pack(ECHO, 0, 0, 0, sequence) + self.payload, (self.result.host, 0))
        except OSError as error:
            self.say(f"icmp_seq={sequence} {explain(error)}")

    def collect(self, until: float, *, leave_when_all_are_back: bool) -> None:
        """Take answers until then."""
        while (left := until - self.runtime.now()) > 0:
            if leave_when_all_are_back and not self.on_the_way:
                return
            self.socket.settimeout(left)
            try:
                message, source = self.socket.recvfrom(65536)
            except TimeoutError:
                return
            except OSError as error:
                self.say(explain(error))
                continue
            self.answered(message, source[0])

    def answered(self, message: bytes, source: str) -> None:
        if len(message) < HEADER.size or message[0] != ECHO_REPLY:
            return
        sequence = HEADER.unpack_from(message)[4]
        line = f"{len(message)} bytes from {source}: icmp_seq={sequence}"
        sent_at = self.on_the_way.pop(sequence, None)
        if sent_at is None:
            self.result.duplicates += 1
            self.say(f"{line} (DUP!)")
            return
        rtt = self.runtime.now() - sent_at
        self.result.answers.append(rtt)
        wrong = " (wrong payload!)" if message[HEADER.size :] != self.payload else ""
        self.say(f"{line} time={1000 * rtt:.3f} ms{wrong}")


def ping(
    stack: Stack,
    host: str,
    *,
    count: int | None = None,
    interval: float = 1.0,
    size: int = 56,
    timeout: float | None = None,
    say: Callable[[str], Any] = print,
) -> Pinged:
    """Send `count` requests, or for ever; stop after `timeout` seconds without any answer. Sizes are the payload's."""
    now = stack.runtime.now
    pinging = _Pinging(stack, host, size, say)
    began = now()
    say(f"PING {host}: {size} ({size + 28}) bytes of data.")
    with pinging.socket:
        try:
            while count is None or pinging.result.sent < count:
                pinging.send()
                last = pinging.result.sent == count
                until = now() + (max(interval, LAST_WAIT) if last else interval)
                if timeout is not None and not pinging.result.answers:
                    until = min(until, began + timeout)
                pinging.collect(until, leave_when_all_are_back=last)
                if timeout is not None and not pinging.result.answers and now() >= began + timeout:
                    break
        finally:
            pinging.result.took = now() - began
            say(pinging.result.summary())
    return pinging.result


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import add_flags, choice_of, connect

    parser = Parser(prog="netif ping", description="Send ICMP echo requests, tell of the answers; until Ctrl-C.")
    parser.add_argument("host", nargs="?", metavar="HOST", help="an address (the gateway, or the other host of a pair)")
    parser.add_argument("-c", dest="count", type=int, metavar="N", help="stop after N requests")
    parser.add_argument("-s", dest="size", type=int, default=56, metavar="BYTES", help="of payload (56)")
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="between requests (1)")
    add_flags(parser)
    options = parser.parse_args(argv)
    choice = choice_of(options)
    count = 1 if choice.once else options.count
    if not 0 <= options.size <= LARGEST or options.interval < 0 or (count is not None and count < 1):
        raise Complaint(f"-s takes 0 to {LARGEST} bytes, -c at least 1, --interval no less than 0")
    with connect(choice) as here:
        host = here.target(options.host)
        waits = {"interval": options.interval, "timeout": choice.timeout}
        pinged = ping(here.stack, host, count=count, size=options.size, **waits)
    if not pinged.answers:
        raise GaveUp(f"{host} has not answered")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
