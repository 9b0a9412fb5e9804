"""Who is asking, and how to ask again as root.

Knows users, groups, CAP_NET_ADMIN and sudo; nothing of devices. A sudo environment is clean, so the command that is
started again names its interpreter and where its modules lie, and never takes modules from the directory one stands in.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Sequence

CAP_NET_ADMIN = 12


def may_administer() -> bool:
    """Whether this process holds CAP_NET_ADMIN (root in a bare container may not)."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return False


def caller() -> int:
    """The person's uid, also behind sudo."""
    sudo_uid = os.environ.get("SUDO_UID", "")
    return int(sudo_uid) if os.getuid() == 0 and sudo_uid.isdigit() else os.getuid()


def again_under_sudo(sudo: str, module: str, arguments: Sequence[str]) -> list[str]:
    """The command line that runs `module` as root, with this interpreter and the modules that it finds."""
    return [sudo, "--", *as_module(module, arguments)]


def as_module(module: str, arguments: Sequence[str]) -> list[str]:
    """The command line that runs `module` in a clean environment."""
    from importlib.util import find_spec

    standard = {os.path.realpath(path) for path in site.getsitepackages()}
    places: list[str] = []
    for name in ("components", "attrs", "pyroute2"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            place = os.path.realpath(os.path.dirname(os.path.dirname(spec.origin)))
            if place not in standard and place not in places:
                places.append(place)
    environment = ["env", "PYTHONPATH=" + os.pathsep.join(places)] if places else []
    return [*environment, sys.executable, "-P", "-m", module, *arguments]


def user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def find_user(text: str) -> int | None:
    """The uid of a name or number; None: there is no such user."""
    import pwd

    try:
        return int(text) if text.isdigit() else pwd.getpwnam(text).pw_uid
    except KeyError:
        return None


def find_group(text: str) -> int | None:
    import grp

    try:
        return int(text) if text.isdigit() else grp.getgrnam(text).gr_gid
    except KeyError:
        return None
