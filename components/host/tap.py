"""`make_tap_netif`: a TAP device that an ordinary user may open, with the kernel's end addressed and up.

The short form of `netif host isolated`, on the same steps, and without a record: `--down` removes the device, whoever
made it. Without CAP_NET_ADMIN it starts itself again under sudo with its own interpreter, for a clean sudo environment
has no pyroute2.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from components.command import Complaint, run
from components.host.ends import Found, Wish, describe_owners, look, steps
from components.host.kernel import TUN_DEVICE, kernel
from components.host.links import ChangeOwner, DeleteLink
from components.host.privilege import again_under_sudo, group_name, may_administer, user_name
from components.host.state import Record
from components.host.steps import Step, bring_up, lines_up
from components.host.words import device_name, kernels_address, owners
from components.parser import Parser

if TYPE_CHECKING:
    import argparse

PROGRAM = "make_tap_netif"


def steps_up(wish: Wish, found: Found | None) -> list[Step]:
    """What is missing between `found` and `wish`."""
    missing = [step for step in steps(wish, found) if not step.there]
    if found is None or (wish.owner in (None, found.owner) and wish.group in (None, found.group)):
        return missing
    change = ChangeOwner(name=wish.name, owner=wish.owner, group=wish.group, multi_queue=found.multi_queue)
    back = attrs.evolve(change, owner=found.owner, group=found.group)
    return [Step(do=change, undo=(back,), report=f"now{describe_owners(wish)}"), *missing]


def steps_down(wish: Wish, found: Found | None) -> list[Step]:
    return [Step(do=DeleteLink(name=wish.name), report="removed")] if found is not None else []


def command_lines(wish: Wish, found: Found | None, *, down: bool) -> list[str]:
    """The same as `ip` commands; there a change of owner takes a new device."""
    if down:
        return lines_up(steps_down(wish, found), wish.netns)
    planned = steps_up(wish, found)
    if planned and isinstance(planned[0].do, ChangeOwner):
        planned = steps_down(wish, found) + steps_up(wish, None)
    return lines_up(planned, wish.netns)


def make_tap_netif(wish: Wish, *, down: bool = False, say: Callable[[str], None] = print) -> None:
    """Bring the device about, or away; says what was done. Needs CAP_NET_ADMIN. Keeps no record: `down` removes it."""
    with kernel(wish.netns) as host:
        found = look(host, wish)
        planned = steps_down(wish, found) if down else steps_up(wish, found)
        if not bring_up(host, planned, Record(PROGRAM, wish.name, wish.netns), say=say):
            say(f"{wish.name}: {'not there' if down else 'as asked'}, nothing to do")
    if not down:
        others = [address for address in (found.addresses if found else ()) if address != wish.address]
        if others:
            say(f"{wish.name}: also has {', '.join(others)}, left as it is")
        if found is not None and wish.group is None and found.group is not None:  # the kernel clears neither
            say(f"{wish.name}: still asks for group {group_name(found.group)}; --down first to be rid of that")
        if wish.owner and not openable(wish.owner, wish.group):
            say(f"{wish.name}: {TUN_DEVICE} is closed to {user_name(wish.owner)}: as root, chmod 0666 {TUN_DEVICE}")


def openable(owner: int, group: int | None) -> bool:
    """Whether `owner` may open the device node at all: some machines keep it for root."""
    try:
        node = os.stat(TUN_DEVICE)
    except OSError:
        return False
    mine = 0o600 if node.st_uid == owner else 0o060 if node.st_gid == group else 0o006
    return node.st_mode & mine == mine


def wish_of(options: argparse.Namespace) -> Wish:
    name, address = device_name(options.name), kernels_address(options.addr)
    owner, group = owners(options.user, options.group)
    return Wish(name=name, address=address, owner=owner, group=group, netns=options.netns)


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
    with kernel(wish.netns) as host:
        return look(host, wish)


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
