"""May this process have the wire at all: /dev/net/tun and its module, capabilities, the TAP's owner, containers.

capabilities(7); Linux, Documentation/networking/tuntap.rst. A container is known by the marks that its engine leaves.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator

from components.host.checks.facts import Facts
from components.host.checks.finding import Finding, fault
from components.host.privilege import user_name

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
NODE = "dev/net/tun"
ENGINES = {".dockerenv": "docker", "run/.containerenv": "podman"}


def container(facts: Facts) -> str:
    """ "docker", "podman", "lxc" ...: whose container this is; "": none's."""
    for mark, engine in ENGINES.items():
        if (facts.root / mark).exists():
            return engine
    said = facts.read("run/systemd/container")
    named = re.search(r"(?:^|\0)container=([\w-]+)", facts.read("proc/1/environ"))
    engine = said or (named[1] if named else "")
    if not engine:
        grouped = re.search(r"docker|kubepods|libpod|lxc", facts.read("proc/1/cgroup"))
        engine = {"libpod": "podman", "kubepods": "kubernetes"}.get(grouped[0], grouped[0]) if grouped else ""
    return engine


def start_again(facts: Facts, flags: str) -> str:
    """How such a container is started with what it lacks."""
    engine = container(facts)
    if engine in ("docker", "podman"):
        return f"{engine} run {flags} ..."
    return f"docker run {flags} ..., or what says the same to {engine}"


def node(facts: Facts) -> Iterator[Finding]:
    """The device node that TAP and TUN are opened through."""
    if facts.kind not in ("", "tap", "tun"):
        return
    path = facts.root / NODE
    why = "every TAP and TUN is opened through it"
    try:
        found = path.stat()
    except OSError:
        if container(facts):
            command = start_again(facts, "--device /dev/net/tun --cap-add NET_ADMIN")
        elif not has_tun(facts):
            command = "modprobe tun"
        else:
            command = f"mkdir -p {path.parent} && mknod -m 0666 {path} c 10 200"
        yield fault(f"{path} is missing", why, command)
        return
    if not stat.S_ISCHR(found.st_mode):
        yield fault(f"{path} is no device", why, f"rm {path} && mknod -m 0666 {path} c 10 200")
    elif not has_tun(facts):
        yield fault("the kernel module tun is not loaded", f"{path} leads nowhere without it", "modprobe tun")
    elif not openable(found.st_mode, found.st_uid, found.st_gid, facts):
        yield fault(f"{path} is closed to {user_name(facts.uid)}", why, f"chmod 0666 {path}")


def has_tun(facts: Facts) -> bool:
    """/proc/misc lists it by its minor number; where that cannot be read, who knows?"""
    listed = facts.read("proc/misc")
    return not listed or re.search(r"^\s*200 tun$", listed, re.MULTILINE) is not None


def openable(mode: int, owner: int, group: int, facts: Facts) -> bool:
    if facts.uid == 0:
        return True
    bits = 0o600 if owner == facts.uid else 0o060 if group in facts.gids else 0o006
    return mode & bits == bits


def capabilities(facts: Facts) -> Iterator[Finding]:
    """What frames on an existing device, and making a device, take."""
    if facts.kind in ("packet", "pcap") and not facts.may(CAP_NET_RAW):
        yield lacks(facts, "CAP_NET_RAW", "NET_RAW", f"{facts.kind}: opens a packet socket", "sudo")
    if not facts.may(CAP_NET_ADMIN) and not (facts.link and opens(facts)):
        remedy = f"sudo make_tap_netif {facts.device or 'tap0'}"
        if facts.kind in ("", "tap"):
            yield lacks(facts, "CAP_NET_ADMIN", "NET_ADMIN", "making a TAP, or opening another's, takes it", remedy)
        elif facts.kind == "tun":
            yield lacks(facts, "CAP_NET_ADMIN", "NET_ADMIN", "making a TUN, or opening another's, takes it", "sudo")


def lacks(facts: Facts, capability: str, flag: str, why: str, remedy: str) -> Finding:
    if container(facts):
        device = "" if facts.kind in ("packet", "pcap") else "--device /dev/net/tun "
        return fault(f"{capability} is missing", why, start_again(facts, f"{device}--cap-add {flag}"))
    if remedy == "sudo":
        remedy = f'sudo env "PATH=$PATH" netif COMMAND -i {facts.kind}:{facts.device}'
    return fault(f"{capability} is missing", why, remedy)


def opens(facts: Facts) -> bool:
    """Whether the TAP's owner and group let this user in (tun.c, tun_not_capable)."""
    link = facts.link
    if link is None or link.kind not in ("tap", "tun"):
        return True
    if link.owner is None and link.group is None:
        return False
    return link.owner in (None, facts.uid) and (link.group is None or link.group in facts.gids)


CHECKS = (node, capabilities)
