"""`make_tap_netif`: a TAP device that an ordinary user may open, with the kernel's end addressed and up.

Knows rtnetlink through pyroute2 (imported when needed) and the `ip` commands that say the same. Compares what is wished
with what is there and does the difference, so a second run changes nothing. Without CAP_NET_ADMIN it starts itself
again under sudo with its own interpreter, for a clean sudo environment has no pyroute2.
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from components.command import Complaint, Parser, run
from components.host.privilege import (
    again_under_sudo,
    caller,
    find_group,
    find_user,
    group_name,
    may_administer,
    user_name,
)

if TYPE_CHECKING:
    import argparse

PROGRAM = "make_tap_netif"
TUN_DEVICE = "/dev/net/tun"
TAP = 2  # IFLA_TUN_TYPE
CHANGE_OWNER = "TUNSETOWNER"  # an ioctl for which `ip` has no word
NOBODY = 0xFFFFFFFF  # (uid_t) -1: no owner set


@attrs.frozen(kw_only=True)
class Wish:
    """The device as it shall be."""

    name: str
    address: str  # of the kernel's end, "192.168.5.1/24"
    owner: int | None  # uid; None: whoever the group admits
    group: int | None
    netns: str | None


@attrs.frozen(kw_only=True)
class Found:
    """The device as it is."""

    index: int
    owner: int | None
    group: int | None
    multi_queue: bool
    up: bool
    addresses: tuple[str, ...]


@attrs.frozen
class Step:
    """One thing to do: as `ip` words it, as it is reported, and as it is done."""

    command: str
    report: str
    apply: Callable[[Any], None]


def steps_up(wish: Wish, found: Found | None) -> list[Step]:
    """What is missing between `found` and `wish`."""
    name, steps = wish.name, []
    owners = {"tun_owner": wish.owner, "tun_group": wish.group}
    owners = {key: number for key, number in owners.items() if number is not None}
    words = f" user {wish.owner}" if wish.owner is not None else ""
    words += f" group {wish.group}" if wish.group is not None else ""
    settings = {"kind": "tun", "ifname": name, "tun_type": TAP, **owners}
    if found is None:
        command = f"tuntap add dev {name} mode tap{words}"
        steps.append(Step(command, f"made{describe_owners(wish)}", lambda ipr: ipr.link("add", **settings)))
    elif wish.owner not in (None, found.owner) or wish.group not in (None, found.group):
        again = {**settings, "tun_multi_queue": int(found.multi_queue)}
        steps.append(Step(CHANGE_OWNER, f"now{describe_owners(wish)}", lambda ipr: ipr.link("add", **again)))
    if found is None or wish.address not in found.addresses:
        interface = ipaddress.IPv4Interface(wish.address)
        steps.append(
            Step(
                f"address replace {wish.address} dev {name}",
                f"address {wish.address}",
                lambda ipr: ipr.addr(
                    "replace",
                    index=index_of(ipr, name),
                    address=str(interface.ip),
                    prefixlen=interface.network.prefixlen,
                    broadcast=str(interface.network.broadcast_address),
                ),
            )
        )
    if found is None or not found.up:
        command = f"link set dev {name} up"
        steps.append(Step(command, "up", lambda ipr: ipr.link("set", index=index_of(ipr, name), state="up")))
    return steps


def steps_down(wish: Wish, found: Found | None) -> list[Step]:
    if found is None:
        return []
    command = f"link delete dev {wish.name}"
    return [Step(command, "removed", lambda ipr: ipr.link("del", index=index_of(ipr, wish.name)))]


def describe_owners(wish: Wish) -> str:
    parts = [f"owner {user_name(wish.owner)}"] if wish.owner is not None else []
    parts += [f"group {group_name(wish.group)}"] if wish.group is not None else []
    return " for " + ", ".join(parts) if parts else ""


def command_line(step: Step, netns: str | None) -> str:
    return (f"ip -n {shlex.quote(netns)} " if netns else "ip ") + step.command


def command_lines(wish: Wish, found: Found | None, *, down: bool) -> list[str]:
    """The same as `ip` commands; there a change of owner takes a new device."""
    if down:
        steps = steps_down(wish, found)
    else:
        steps = steps_up(wish, found)
        if steps and steps[0].command == CHANGE_OWNER:
            steps = steps_down(wish, found) + steps_up(wish, None)
    return [command_line(step, wish.netns) for step in steps]


def index_of(ipr: Any, name: str) -> int:
    (index,) = ipr.link_lookup(ifname=name)
    return int(index)


def look(ipr: Any, name: str) -> Found | None:
    """What the kernel says of `name`; a Complaint if it is something other than a TAP."""
    indexes = ipr.link_lookup(ifname=name)
    if not indexes:
        return None
    (link,) = ipr.get_links(indexes[0])
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else "network card"
    data = info.get_attr("IFLA_INFO_DATA") if kind == "tun" else None
    if data is None or data.get_attr("IFLA_TUN_TYPE") != TAP:
        kind = "TUN" if kind == "tun" else kind
        raise Complaint(f"{name} is there and is a {kind}, not a TAP: choose another name")
    addresses = []
    for message in ipr.get_addr(index=link["index"], family=2):
        addresses.append(f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}")
    return Found(
        index=link["index"],
        owner=_number(data.get_attr("IFLA_TUN_OWNER")),
        group=_number(data.get_attr("IFLA_TUN_GROUP")),
        multi_queue=bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        up=bool(link["flags"] & 1),
        addresses=tuple(addresses),
    )


def _number(value: int | None) -> int | None:
    return None if value is None or value == NOBODY else value


@contextmanager
def kernel(netns: str | None) -> Iterator[Any]:
    """An IPRoute in the namespace asked for; this thread is back in its own afterwards."""
    try:
        from pyroute2 import IPRoute  # type: ignore[import-untyped]
        from pyroute2 import netns as namespaces
    except ImportError as error:
        raise Complaint(f"pyroute2 is missing for {sys.executable} ({error}): pip install pyroute2") from None
    if netns is None:
        with IPRoute() as ipr:
            yield ipr
        return
    namespaces.pushns()
    try:
        try:
            namespaces.setns(netns, flags=0)  # its default would create the namespace
        except OSError as error:
            remedy = f"ip netns add {netns}" if isinstance(error, FileNotFoundError) else "are you root?"
            raise Complaint(f"cannot enter the namespace {netns}: {error.strerror} ({remedy})") from None
        with IPRoute() as ipr:
            yield ipr
    finally:
        namespaces.popns()


def make_tap_netif(wish: Wish, *, down: bool = False, say: Callable[[str], None] = print) -> None:
    """Bring the device about, or away; says what was done. Needs CAP_NET_ADMIN."""
    with kernel(wish.netns) as ipr:
        found = look(ipr, wish.name)
        steps = steps_down(wish, found) if down else steps_up(wish, found)
        for step in steps:
            try:
                step.apply(ipr)
            except Exception as error:  # NetlinkError is no OSError; both bear the kernel's reason
                raise Complaint(refusal(wish, step, error)) from error
            say(f"{wish.name}: {step.report}")
    if not steps:
        say(f"{wish.name}: {'not there' if down else 'as asked'}, nothing to do")
    if not down:
        others = [address for address in (found.addresses if found else ()) if address != wish.address]
        if others:
            say(f"{wish.name}: also has {', '.join(others)}, left as it is")
        if found is not None and wish.group is None and found.group is not None:  # the kernel clears neither
            say(f"{wish.name}: still asks for group {group_name(found.group)}; --down first to be rid of that")
        if wish.owner and not openable(wish.owner, wish.group):
            say(f"{wish.name}: {TUN_DEVICE} is closed to {user_name(wish.owner)}: as root, chmod 0666 {TUN_DEVICE}")


def refusal(wish: Wish, step: Step, error: Exception) -> str:
    code = getattr(error, "errno", None) or getattr(error, "code", None)
    reason = os.strerror(code) if isinstance(code, int) else str(error)
    if isinstance(error, FileNotFoundError):
        reason = f"{TUN_DEVICE} is missing: modprobe tun"
    elif isinstance(error, PermissionError) or code == 1:
        reason = "no permission: it takes CAP_NET_ADMIN, in a container too"
    elif code == 16:
        reason = "busy: a program has it open; end that first"
    return f"{wish.name}: {command_line(step, wish.netns)}: {reason}"


def openable(owner: int, group: int | None) -> bool:
    """Whether `owner` may open the device node at all: some machines keep it for root."""
    try:
        node = os.stat(TUN_DEVICE)
    except OSError:
        return False
    mine = 0o600 if node.st_uid == owner else 0o060 if node.st_gid == group else 0o006
    return node.st_mode & mine == mine


def wish_of(options: argparse.Namespace) -> Wish:
    name = options.name
    if not 0 < len(name.encode()) < 16 or name in (".", "..") or any(c in "/:%," or c.isspace() for c in name):
        raise Complaint(f"{name!r} cannot name a device: up to 15 letters and digits, such as tap0")
    try:
        interface = ipaddress.IPv4Interface(options.addr)
    except ValueError:
        raise Complaint(f"--addr {options.addr} should be an address and its length, such as 192.168.5.1/24") from None
    if "/" not in options.addr or interface.network.prefixlen > 30:
        raise Complaint(f"--addr {options.addr} leaves no room for a host: add a prefix length up to 30, such as /24")
    owner = find_user(options.user) if options.user else None
    group = find_group(options.group) if options.group else None
    if options.user and owner is None:
        raise Complaint(f"--user {options.user}: there is no such user")
    if options.group and group is None:
        raise Complaint(f"--group {options.group}: there is no such group")
    if owner is None and group is None:
        owner = caller()
    return Wish(name=name, address=str(interface), owner=owner, group=group, netns=options.netns)


def for_an_administrator(wish: Wish, *, down: bool) -> str:
    there = Found(index=0, owner=None, group=None, multi_queue=False, up=False, addresses=())
    return " && ".join(command_lines(wish, there if down else None, down=down))


def parser() -> Parser:
    parse = Parser(
        prog=PROGRAM,
        description="Make a TAP device that you may open without root, address the kernel's end, bring it up.",
        epilog="Then: netif tcp_server -i tap0, and in another shell: nc 192.168.5.100 3333",
    )
    parse.add_argument("name", nargs="?", default="tap0", metavar="NAME", help="the device (tap0)")
    parse.add_argument("--addr", default="192.168.5.1/24", metavar="A/LEN", help="the kernel's end (192.168.5.1/24)")
    parse.add_argument("--user", metavar="U", help="who may open it: a name or number (the caller)")
    parse.add_argument("--group", metavar="G", help="whose members may open it")
    parse.add_argument("--netns", metavar="NS", help="make it in this network namespace")
    parse.add_argument("--down", action="store_true", help="undo it: remove the device")
    parse.add_argument("--dry-run", action="store_true", help="only print the `ip` commands")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    return run(lambda: _main(argv), prefix=PROGRAM)


def _main(argv: Sequence[str] | None) -> int:
    options = parser().parse_args(argv)
    if sys.platform != "linux":
        raise Complaint("TAP devices are Linux's: use unix:PATH or pair: here")
    wish = wish_of(options)
    if options.dry_run:
        return dry_run(wish, down=options.down)
    if may_administer() or (wish.netns is None and not command_lines(wish, seen(wish), down=options.down)):
        make_tap_netif(wish, down=options.down)
        return 0
    sudo = shutil.which("sudo")
    if sudo is None or os.getuid() == 0:
        commands = for_an_administrator(wish, down=options.down)
        raise Complaint(f"this takes an administrator, and there is no sudo; ask one for: {commands}")
    command = again_under_sudo(sudo, "components.host.tap", arguments(wish, down=options.down))
    print(f"{PROGRAM}: needs root: {shlex.join(command)}", file=sys.stderr, flush=True)
    return os.execv(sudo, command)


def arguments(wish: Wish, *, down: bool) -> list[str]:
    """The wish as root is to read it: the owner by number, for the caller is then another."""
    words = [wish.name, "--addr", wish.address]
    words += ["--user", str(wish.owner)] if wish.owner is not None else []
    words += ["--group", str(wish.group)] if wish.group is not None else []
    words += ["--netns", wish.netns] if wish.netns is not None else []
    return words + ["--down"] * down


def seen(wish: Wish) -> Found | None:
    """What is there; to look takes no privilege."""
    with kernel(wish.netns) as ipr:
        return look(ipr, wish.name)


def dry_run(wish: Wish, *, down: bool) -> int:
    try:
        found = seen(wish)
    except Complaint:
        if wish.netns is None:
            raise
        print(for_an_administrator(wish, down=down))  # the namespace is out of our sight: the whole of it
        return 0
    commands = command_lines(wish, found, down=down)
    print("\n".join(commands) or f"# {wish.name}: {'not there' if down else 'as asked'}, nothing to do")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
