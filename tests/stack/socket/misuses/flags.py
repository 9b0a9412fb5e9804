"""Every flag of recv(2) and send(2), also where it says nothing."""

from __future__ import annotations

import socket as k
from functools import partial
from typing import Any

from tests.stack.socket.misuses.net import Net


def flagged(call: str, flag: int, kind: str, net: Net) -> Any:
    """What `call` says where there are four bytes to read and room to write."""
    if kind == "stream":
        mine, yours = net.pair()
    else:
        mine, yours = net.bound(), net.bound()
        mine.connect(yours.getsockname())
        yours.connect(mine.getsockname())
    if call == "send":
        return mine.send(b"abcd", flag)
    yours.send(b"abcd")
    mine.recv(1, k.MSG_PEEK)  # wait until it is there
    data = mine.recv(4, flag)
    return data if not flag & k.MSG_TRUNC else len(data)


FLAGS = {
    f"{call} with flag {flag:#x} of {kind}": partial(flagged, call, flag, kind)
    for kind in ("stream", "datagram")
    for call in ("recv", "send")
    for flag in sorted(
        {
            int(getattr(k, name))
            for name in dir(k)
            if name.startswith("MSG_")
            and name not in ("MSG_FASTOPEN", "MSG_WAITALL")
            and not (kind == "datagram" and name == "MSG_MORE")
        }
        | {0x10, 0x400, 0x1000, 0x10000 * 4, 0x1000000}
    )
}
