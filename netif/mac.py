"""Default MAC addresses: locally administered, the same for the same interface at its next start.

Derived from the machine, the host's name, the if_key and an index (the first that no interface of the runtime has).
On a wire that processes share the process is mixed in; under a virtual clock the machine is left out, so that a replay
is the same everywhere.
"""

from __future__ import annotations

import os
from itertools import count
from weakref import WeakKeyDictionary

from netif.link import Runtime

_claimed: WeakKeyDictionary[Runtime, set[bytes]] = WeakKeyDictionary()


def derive(host: str, if_key: str, index: int = 0, *, machine: str = "", process: int = 0) -> bytes:
    """Six bytes; unicast, locally administered (IEEE 802 8.2)."""
    from netif.blake2 import blake2b

    material = "\0".join((machine, host, if_key, str(index), str(process)))
    digest = blake2b(material.encode(), digest_size=6).digest()
    return bytes((digest[0] & 0xFC | 0x02,)) + digest[1:]


def claim(runtime: Runtime, host: str, if_key: str, *, wire_is_shared: bool) -> bytes:
    """A MAC that no other interface of `runtime` has; to be given back by `release`."""
    claimed = _claimed.setdefault(runtime, set())
    machine = _machine() if runtime.shared else ""
    process = os.getpid() if wire_is_shared else 0
    for index in count():
        mac = derive(host, if_key, index, machine=machine, process=process)
        if mac not in claimed:
            claimed.add(mac)
            return mac
    raise AssertionError("unreachable")


def release(runtime: Runtime, mac: bytes) -> None:
    _claimed.get(runtime, set()).discard(mac)


def _machine() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            identity = file.read().strip()
    except OSError:
        identity = ""
    return f"{identity}/{os.uname().nodename}"
