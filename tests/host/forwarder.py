"""Two TAPs in two namespaces joined by our `impair`, in real time: so the kernel meets the same wire as our stack.

    python -m tests.host.forwarder NAMESPACE TAP NAMESPACE TAP SEED RULES-AS-JSON

`tx` rules are for what goes from the first to the second. Says "ready", and forwards until its input ends.
"""

from __future__ import annotations

import gc
import json
import random
import select
import sys
import time
from typing import Any

from netif.link import LinkCaps
from tapio import Impair, Tap
from tests.host.namespaces import in_netns

BATCH = 32  # frames from one side before the other is looked at


class Port:
    """As much of a runtime as the drivers here ask for."""

    def __init__(self, seed: str) -> None:
        self.runtime: Any = None
        self.dice = random.Random(seed)
        self.now = time.monotonic
        self.deadline: float | None = None
        self.ready = False

    def readable(self) -> None:
        self.ready = True

    poke = readable

    def writable(self) -> None:
        """What had no room waits in the wire, or is lost as on any."""

    watch = writable

    def call_at(self, when: float) -> None:
        if self.deadline is None or when < self.deadline:
            self.deadline = when

    def failed(self, error: OSError) -> None:
        raise error


def forward(near: Any, wire: Any, port: Port, ended: Any) -> None:
    """Until `ended` is readable."""
    descriptors = [near.fileno(), wire.fileno(), ended]
    while True:
        wait = None if port.deadline is None else max(0.0, port.deadline - time.monotonic())
        readable, _, _ = select.select(descriptors, [], [], 0 if port.ready else wait)
        if ended in readable:
            return
        port.ready = False
        now = time.monotonic()
        if port.deadline is not None and port.deadline <= now:
            port.deadline = None
            wire.advance(now)
        for _ in range(BATCH):
            item = near.receive()
            if item is None:
                break
            wire.transmit((item[0],), None)
        for _ in range(BATCH):
            item = wire.receive()
            if item is None:
                break
            near.transmit((item[0],), None)


def main() -> None:
    near_ns, near_tap, far_ns, far_tap, seed, rules = sys.argv[1:]
    port = Port(seed)
    near = in_netns(near_ns, lambda: Tap(near_tap, offload=False))
    wire = Impair(in_netns(far_ns, lambda: Tap(far_tap, offload=False)), **json.loads(rules))
    want = LinkCaps(mac=b"\x02\0\0\0\0\xfe", mtu=1500, gso_max=1500)
    near.open(want, Port(seed))
    wire.open(want, port)
    gc.disable()
    print("ready", flush=True)
    try:
        forward(near, wire, port, sys.stdin)
    finally:
        near.close()
        wire.close()
    print(json.dumps([wire.out.counters, wire.into.counters]), flush=True)


if __name__ == "__main__":
    main()
