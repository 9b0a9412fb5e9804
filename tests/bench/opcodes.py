"""What 64 KiB through a Lan of two cost in bytecodes: the one figure that does not depend on who else uses the machine.

Both ends are driven from one thread on sockets that do not block, so nothing waits and every run counts the same.
`python -m tests.bench.opcodes` prints the total and the functions that have most of it.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench.systems import ROOT

BLOCK = os.urandom(1 << 20)
TOTAL = 16 << 20  # bytes counted, after as many to warm up


class Tracer:
    """Counts bytecodes and calls by function."""

    def __init__(self) -> None:
        self.opcodes: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        place = (code.co_filename, code.co_name)
        self.calls[place] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        opcodes = self.opcodes

        def count(_frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "opcode":
                opcodes[place] += 1
            return count

        return count


def pump(sender: Any, receiver: Any, total: int) -> None:
    """`total` bytes, as fast as windows allow."""
    sent = got = 0
    while got < total:
        try:
            while sent < total:
                at = sent % len(BLOCK)
                sent += sender.send(memoryview(BLOCK)[at:] if at else BLOCK)
        except BlockingIOError:
            pass
        try:
            while got < total:
                got += len(receiver.recv(1 << 18))
        except BlockingIOError:
            pass


def main() -> None:
    from netif import Lan

    tracer = Tracer()
    with Lan(seed=1, clock="real") as lan:
        server, client = lan.host("server"), lan.host("client")
        with server.create_server(("", 9)) as listener, client.create_connection((server.ip, 9)) as s:
            connection, _ = listener.accept()
            with connection:
                s.settimeout(0)
                connection.settimeout(0)
                pump(s, connection, TOTAL)
                sys.settrace(tracer)
                pump(s, connection, TOTAL)
                sys.settrace(None)
    blocks = TOTAL / 65536
    print(f"{sum(tracer.opcodes.values()) / blocks:.0f} bytecodes and {sum(tracer.calls.values()) / blocks:.0f} calls")
    for place, count in tracer.opcodes.most_common(40):
        path = Path(place[0])
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        print(f"{count / blocks:8.1f}  {tracer.calls[place] / blocks:5.2f} calls  {name}: {place[1]}")


if __name__ == "__main__":
    main()
