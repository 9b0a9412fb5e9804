"""Addresses for who is on a device's wire, given by a host of our own there: for machines without dnsmasq.

`netif host` starts it, with the words PIDFILE DEVICE ADDRESS/LEN FIRST LAST ROUTER [DNS ...]. It goes to the background
once it serves, and ends on SIGTERM. Its host has an address and a MAC address that are not the kernel's; leases are
in memory.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from components.command import Complaint, explain, run


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    return run(lambda: in_the_background(lambda ready: serve(words, ready)))


def serve(words: Sequence[str], ready: Callable[[], None]) -> None:
    """Until SIGTERM."""
    from netif import DhcpsConfig, Netif, Stack
    from tapio.packet import Packet

    pidfile, device, address, first, last, router, *dns = words
    config = DhcpsConfig(start=first, end=last, router=router, dns=dns, offer_dns=bool(dns))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with Stack("dhcp") as stack, Netif(Packet(device), stack=stack, ip=address) as netif:
        netif.dhcps_config = config
        netif.dhcps_start()
        Path(pidfile).write_text(f"{os.getpid()}\n")
        ready()
        signal.sigwait({signal.SIGTERM})


def in_the_background(body: Callable[[Callable[[], None]], None]) -> int:
    """0 as soon as `body`, in a child of its own session, calls `ready`; a Complaint in its words if it does not."""
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(hear)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        try:
            body(lambda: _tell(tell, ""))
        except BaseException as error:
            _tell(tell, explain(error))
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(hear, "rb") as words:
        said = words.read().decode()
    if said != "\n":
        raise Complaint(said or "the DHCP server ended at once")
    return 0


def _tell(descriptor: int, words: str) -> None:
    os.write(descriptor, f"{words}\n".encode())
    os.close(descriptor)


if __name__ == "__main__":
    raise SystemExit(main())
