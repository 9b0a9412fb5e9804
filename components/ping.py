"""`ping`: is a host there, how far away is it, how much is lost on the way? (RFC 792 echo, RFC 1122 3.2.2.6)

Knows ping(8)'s manner of speaking, and the stack's echo endpoint: a ping socket would do, but tells no TTL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from components.command import Complaint, GaveUp, explain, run
from components.parser import Parser
from netif.wire import icmp, ip

if TYPE_CHECKING:
    from stack import Stack
    from stack.echo import Echo

LARGEST = 65507  # bytes of payload in the largest IPv4 packet: 65535 - 20 - 8
LAST_WAIT = 1.0  # seconds for an answer after the last request
COMPLAINTS = {
    (icmp.UNREACHABLE, icmp.NET_UNREACHABLE): "Destination Net Unreachable",
    (icmp.UNREACHABLE, icmp.HOST_UNREACHABLE): "Destination Host Unreachable",
    (icmp.UNREACHABLE, icmp.PROTOCOL_UNREACHABLE): "Destination Protocol Unreachable",
    (icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED): "Fragmentation needed and DF set",
    (icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED): "Time to live exceeded",
}


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
    """One run: an endpoint, what is on its way, what came back."""

    def __init__(self, stack: Stack, host: str, size: int, say: Callable[[str], Any]) -> None:
        from stack.echo import EchoEndpoint

        self.runtime = stack.runtime
        self.echo = EchoEndpoint(stack)
        self.address = ip.parse_address(host)
        self.payload = bytes(index & 0xFF for index in range(size))
        self.say = say
        self.result = Pinged(host)
        self.on_the_way: dict[int, float] = {}  # sequence number -> when it was sent; at most 2**16

    def send(self) -> None:
        sequence = (self.result.sent + 1) & 0xFFFF
        self.result.sent += 1
        self.on_the_way[sequence] = self.runtime.now()
        self.runtime.enter()
        try:
            self.echo.send_echo(sequence, self.payload, self.address)
        except OSError as error:
            self.say(f"icmp_seq={sequence} {explain(error)}")
        finally:
            self.runtime.leave()

    def collect(self, until: float, *, leave_when_all_are_back: bool) -> None:
        """Take answers until then."""
        while not (leave_when_all_are_back and not self.on_the_way):
            try:
                echo = self.receive(until)
            except OSError as error:
                self.say(f"{self.result.host}: {explain(error)}")
                continue
            if echo is None:
                return
            self.answered(echo)

    def receive(self, deadline: float) -> Echo | None:
        """The next answer; None when the time is over."""
        runtime, echo = self.runtime, self.echo
        runtime.enter()
        try:
            while (answer := echo.receive()) is None and runtime.now() < deadline:
                waiter = runtime.waiter("ping", echo)
                echo.wait_readable(waiter)
                try:
                    runtime.wait(waiter, deadline)
                finally:
                    echo.forget(waiter)
            return answer
        finally:
            runtime.leave()

    def answered(self, echo: Echo) -> None:
        source = ip.format_address(echo.address)
        if echo.kind != icmp.ECHO_REPLY:
            complaint = COMPLAINTS.get((echo.kind, echo.code), f"ICMP type {echo.kind}, code {echo.code}")
            self.say(f"From {source} icmp_seq={echo.sequence} {complaint}")
            return
        line = f"{len(echo.payload) + icmp.HEADER_LENGTH} bytes from {source}: icmp_seq={echo.sequence} ttl={echo.ttl}"
        sent_at = self.on_the_way.pop(echo.sequence, None)
        if sent_at is None:
            self.result.duplicates += 1
            self.say(f"{line} (DUP!)")
            return
        self.result.answers.append(echo.at - sent_at)
        wrong = "" if echo.payload == self.payload else " (wrong payload!)"
        self.say(f"{line} time={1000 * (echo.at - sent_at):.3f} ms{wrong}")

    def close(self) -> None:
        self.runtime.enter()
        try:
            self.echo.close()
        finally:
            self.runtime.leave()


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
        pinging.close()
        pinging.result.took = now() - began
        say(pinging.result.summary())
    return pinging.result


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    from components.connect import connect
    from components.flags import add_flags, choice_of

    parser = Parser(prog="netif ping", description="Send ICMP echo requests, tell of the answers; until Ctrl-C.")
    parser.add_argument("host", nargs="?", metavar="HOST", help="an address (the gateway, or the other host of a pair)")
    parser.add_argument("-c", dest="count", type=int, metavar="N", help="stop after N requests")
    parser.add_argument("-s", "--size", dest="size", type=int, default=56, metavar="BYTES", help="of payload (56)")
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
