"""`netif demo`: a server and two clients on a Lan, a little loss; the trace, a capture, and what to try next.

Runs on the virtual clock: seconds of network time in a moment, and the same at every run of the same seed. Knows `Lan`
and the stdlib's socket names.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any

from components.command import Complaint, explain, program, run
from components.flags import parse_seconds, parse_seed, parse_share
from components.parser import Parser
from components.sessions import Session, attend, receive, send_all
from tapio import Impair

if TYPE_CHECKING:
    from components.lan import Host

CAPTURE = "netif-demo.pcapng"
PORT = 7
ROUNDS = 2

NEXT = """\
What to try next

  two shells, no root: a server in one, a client in the other
    {program} tcp_server -i unix:/tmp/lan --ip 10.0.0.1/24
    {program} tcp_client -i unix:/tmp/lan --ip 10.0.0.2/24 10.0.0.1

  this machine's kernel as the other host, over a TAP (the first line asks for sudo)
    {maker}
    {program} tcp_server -i tap0        and in another shell: nc 192.168.5.100 3333

  {program} --help tells of the rest."""


def answer(connection: Any, _peer: Any) -> Session:
    while data := (yield from receive(connection, 1000)):
        yield from send_all(connection, data.upper())


def listen(server: Host) -> None:
    with server.create_server(("", PORT)) as listener:
        attend(server, listener, answer)


def talk(client: Host, server: Host) -> list[str]:
    """What the server answered."""
    answers = []
    with client.create_connection((server.ip, PORT)) as connection:
        for number in range(1, ROUNDS + 1):
            connection.sendall(f"hello {number} from {client.name}".encode())
            answers.append(connection.recv(1000).decode())
    return answers


def demo(*, loss: float, delay: float, seed: int, pcapng: str, say: Callable[[str], Any] = print) -> None:
    """Run the scene, and tell of it."""
    from components.lan import Lan

    began = time.perf_counter()
    trace = StringIO()
    with Lan(seed=seed, clock="virtual", pcapng=pcapng, trace=trace) as lan:
        server = lan.host("server")
        clients = [lan.host(name, loss=loss, delay=delay) for name in ("alice", "bob")]
        server.spawn(partial(listen, server))
        talks = [client.spawn(partial(talk, client, server)) for client in clients]
        lan.run_until(lambda: all(talk.done() for talk in talks))
        say(f"Three hosts in this process, on one switch; alice and bob lose {loss:.0%} of their frames, each way.")
        for host in lan:
            say(f"  {host.name:8}{host.ip:12}{host.mac}")
        lost = sum(lost_frames(client) for client in clients)
    took = time.perf_counter() - began
    say("\nEach frame as its sender sent it:\n" + trace.getvalue())
    for client, talked in zip(clients, talks, strict=True):
        say(f"{client.name} heard: {', '.join(talked.result())}")
    say(f"{lost} frames were lost on the way, and what they carried was sent again.")
    say(f"{lan.now():.2f} s of their time passed in {took:.2f} s of ours.")
    say(f"The capture is in {pcapng}: wireshark {pcapng}\n")


def lost_frames(host: Host) -> int:
    """How many its cable lost, both ways."""
    driver: Any = host.netif.driver
    while driver is not None:
        if isinstance(driver, Impair):
            return driver.out.lost + driver.into.lost
        driver = getattr(driver, "driver", None)
    return 0


def capture_path(asked: str | None) -> str:
    """Where the capture goes: as asked, else here, else where one may write."""
    if asked is not None:
        return asked
    return CAPTURE if os.access(os.curdir, os.W_OK) else os.path.join(tempfile.gettempdir(), CAPTURE)


def parse_with(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse_or_complain(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_or_complain


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    parser = Parser(prog="netif demo", description="A server and two clients in this process, with a little loss.")
    share, seconds, seed = parse_with(parse_share), parse_with(parse_seconds), parse_with(parse_seed)
    parser.add_argument("--loss", type=share, default=0.15, metavar="P", help="of the clients' frames, each way (15%%)")
    parser.add_argument("--delay", type=seconds, default=0.01, metavar="T", help="of the clients' cables (10ms)")
    parser.add_argument("--seed", type=seed, default=7, metavar="N", help="the same seed, the same losses (7)")
    parser.add_argument("--pcapng", metavar="FILE", help=f"where to write the capture ({CAPTURE})")
    options = parser.parse_args(argv)
    pcapng = capture_path(options.pcapng)
    try:
        demo(loss=options.loss, delay=options.delay, seed=options.seed, pcapng=pcapng)
    except OSError as error:
        raise Complaint(f"--pcapng {pcapng}: {explain(error)}") from error
    print(NEXT.format(program=program(), maker=program("make_tap_netif", "components.host.tap")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
