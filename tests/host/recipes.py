"""A machine in a namespace for the host's recipes: run one there, and tell what state the kernel is in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from components.command import Complaint
from components.host.recipe import perform
from components.host.servers import StopServer
from tests.components.commands import Command, environment
from tests.host.namespaces import Namespace, namespace, run

KERNELS_STATE = r"""
ip -d address | sed -E 's/(_timer|topology_change\w*|root_port|root_path_cost|tso_max_\w+) +[0-9.]+//g'
ip route show table all; ip -6 route show table all; ip rule; ip neigh show proxy; bridge link
nft list ruleset; iptables-save | grep -v '^#'
grep -r . /proc/sys/net/ipv4 /proc/sys/net/ipv6 2>/dev/null | grep -v fastopen_key | sort
"""  # that key the kernel draws when a first server listens


class Machine:
    """`namespace` with its recipes' records under `state`."""

    def __init__(self, namespace: Namespace, state: Path) -> None:
        self.namespace, self.state = namespace, state
        self.said: list[str] = []

    def words(self, *more: str) -> list[str]:
        return [*more, "--netns", self.namespace.name, "--state", str(self.state)]

    def perform(self, recipe: str, *words: str, fail_before: int | None = None) -> list[str]:
        """What it says."""
        self.said = []
        known = import_module(f"components.host.{recipe}").RECIPE
        assert perform(known, self.words(*words), say=self.said.append, fail_before=fail_before) == 0
        return self.said

    def refuses(self, recipe: str, *words: str, fail_before: int | None = None) -> str:
        """Its complaint."""
        try:
            said = self.perform(recipe, *words, fail_before=fail_before)
        except Complaint as complaint:
            return str(complaint)
        raise AssertionError(f"it did not complain: {said}")

    def command(self, *words: str, timeout: float = 30.0) -> Command:
        """`netif host ...` as a process."""
        line = [sys.executable, "-m", "netif", "host", *self.words(*words)]
        how = {"capture_output": True, "text": True, "timeout": timeout}
        return Command(subprocess.run(line, env=environment(), **how))

    def killed_after(self, steps: int, recipe: str, *words: str) -> None:
        """By itself, with SIGKILL, as soon as so many steps are done."""
        program = f"""
import itertools, os
from components.host.{recipe} import RECIPE
from components.host.recipe import perform
from components.host.servers import StopServer
count = itertools.count(1)
perform(RECIPE, {self.words(*words)!r}, say=lambda line: next(count) == {steps} and os.kill(os.getpid(), 9))
"""
        done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
        assert done.returncode == -9, done

    def kernels_state(self) -> list[str]:
        """Devices, addresses, routes, rules, proxies, firewall and settings."""
        return run("ip", "netns", "exec", self.namespace.name, "sh", "-c", KERNELS_STATE).splitlines()

    def end_servers(self) -> None:
        """Those of a test that has not said `--down`, or failed before."""
        for pidfile in self.state.glob("*.pid"):
            StopServer(pidfile=str(pidfile)).apply(None)

    def records(self) -> list[str]:
        return sorted(path.name for path in self.state.iterdir()) if self.state.is_dir() else []


@contextmanager
def on_a_lan(state: Path) -> Iterator[tuple[Machine, Namespace]]:
    """A machine whose `eth0`, 10.0.0.2, leads to its router, 10.0.0.1: the end of a cable between two namespaces."""
    with namespace() as inside, namespace() as router:
        near = ("eth0", "address", "02:00:00:00:00:02", "netns", inside.name)
        run("ip", "link", "add", *near, "type", "veth", "peer", "name", "lan0", "netns", router.name)
        router.ip("address", "add", "10.0.0.1/24", "dev", "lan0")
        router.ip("link", "set", "lan0", "up")
        inside.ip("address", "add", "10.0.0.2/24", "broadcast", "10.0.0.255", "dev", "eth0")
        inside.ip("link", "set", "eth0", "up")
        inside.ip("route", "add", "default", "via", "10.0.0.1")
        inside.settle("eth0")
        machine = Machine(inside, state)
        try:
            yield machine, router
        finally:
            machine.end_servers()


@contextmanager
def guest(machine: Machine, peer: str, address: str, gateway: str) -> Iterator[Namespace]:
    """A host of the kernel's behind a recipe's veth pair: its other end, in a namespace of its own."""
    with namespace() as inside:
        machine.namespace.ip("link", "set", peer, "netns", inside.name)
        inside.ip("address", "add", address, "dev", peer)
        inside.ip("link", "set", peer, "up")
        inside.ip("route", "add", "default", "via", gateway)
        yield inside
