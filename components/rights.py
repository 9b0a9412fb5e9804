"""Root's rights, given up once the wire is open (`--user NAME`).

Knows users and what a process may still do: credentials(7), capabilities(7), proc_pid_status(5). Nothing is kept: no
group but the user's own, no capability, no way back; that is looked at, in every thread, before anything goes on.
"""

from __future__ import annotations

import codecs
import os
import pkgutil
from importlib import import_module

import attrs

from components.command import Complaint

ROOMS = ("netif", "stack", "tapio", "components.wires")
LEFT_OUT = ("netif.__main__", "tapio.scapy_view")  # the one runs, the other takes seconds
CODECS = ("ascii", "latin-1", "utf-8", "idna")
_CAPABILITIES = ("CapPrm", "CapEff", "CapAmb")


@attrs.frozen
class User:
    """Whom to become."""

    name: str
    uid: int
    gid: int


def user_named(name: str) -> User:
    """The user of this name or number; a Complaint where there is none, or it is root."""
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isascii() and name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError, ValueError):
        raise Complaint(f"--user: there is no user {name}") from None
    if entry.pw_uid == 0:
        raise Complaint(f"--user: {name} keeps all rights; name another, such as nobody")
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def load_all() -> None:
    """What may be imported later: our files, and Python's own, may be out of the user's sight."""
    for codec in CODECS:
        codecs.lookup(codec)
    for room in ROOMS:
        package = import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name not in LEFT_OUT:
                try:
                    import_module(module.name)
                except ImportError:  # an extra that is not installed
                    pass


def become(user: User) -> None:
    """From here on this process is `user`'s and no more; a Complaint where that cannot be."""
    try:
        os.setgroups([])
        os.setgid(user.gid)  # while we still may
        os.setuid(user.uid)
    except PermissionError:
        raise Complaint(f"--user: only root becomes {user.name}: leave it out, or start with sudo") from None
    if left := what_is_left(user):
        raise Complaint(f"--user: {user.name} would still have {left}; start without it where no rights can be dropped")


def what_is_left(user: User) -> str:
    """The first right that is more than the user's; empty when there is none."""
    if os.getresuid() != (user.uid,) * 3:
        return "another user's id"
    if os.getresgid() != (user.gid,) * 3 or os.getgroups():
        return "another group"
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/status") as status:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        if set(fields["Uid"].split()) != {str(user.uid)}:
            return f"another user's id in thread {thread}"
        for name in _CAPABILITIES:
            if int(fields.get(name, "0"), 16):
                return f"capabilities ({name} {fields[name]})"
    return ""
