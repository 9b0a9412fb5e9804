"""Rules of this host's firewall: tables of our own in nft, chains of our own in iptables; nothing of others is changed.

Knows nft(8) and iptables(8) as programs, and that an accept in one nft chain does not undo a drop in another, while
iptables' chains are one list. iptables-nft makes a table and its built-in chains when it is first used: these go again.
"""

from __future__ import annotations

import json
import shlex
import shutil
from typing import Any

import attrs

from components.host.kernel import Host, Refused, inside


@attrs.frozen(kw_only=True)
class LoadTable:
    """One nft table, whole: what it had before is replaced in the same transaction."""

    name: str
    chains: tuple[str, ...]  # "NAME { type ...; policy accept; RULE; RULE; }", worded as `nft list` does
    replace: bool = False  # it is there, with something else in it

    def text(self) -> str:
        before = f"delete table ip {self.name}; " * self.replace
        return f"{before}table ip {self.name} {{ {' '.join(f'chain {chain};' for chain in self.chains)} }}"

    def line(self, netns: str | None) -> str:
        return inside(netns, ["nft", self.text()])

    def apply(self, host: Host) -> None:
        host.run("nft", self.text())

    def is_loaded(self, host: Host) -> bool:
        return listed(host, self.name).split() == self.text().replace("; ", " ").replace(";", " ").split()


@attrs.frozen(kw_only=True)
class DeleteTable:
    name: str
    empty: bool = False  # only if nothing is left in it

    def line(self, netns: str | None) -> str:
        return inside(netns, ["nft", "delete", "table", "ip", self.name])

    def apply(self, host: Host) -> None:
        text = listed(host, self.name)
        if text and not (self.empty and "chain" in text):
            host.run("nft", "delete", "table", "ip", self.name)


def listed(host: Host, table: str) -> str:
    """As `nft list` has it, without what only parts its lines; "": there is none."""
    try:
        return host.run("nft", "list", "table", "ip", table).replace(";", " ")
    except Refused:
        return ""


@attrs.frozen(kw_only=True)
class Iptables:
    program: str
    table: str
    words: tuple[str, ...]
    test: tuple[str, ...]  # succeeds ...
    after: bool  # ... when this has been done (True), or as long as it is to be done (False)

    def argv(self, words: tuple[str, ...]) -> list[str]:
        return [self.program, "-w", "-t", self.table, *words]

    def line(self, netns: str | None) -> str:
        return inside(netns, self.argv(self.words))

    def is_done(self, host: Host) -> bool:
        return succeeds(host, self.argv(self.test)) is self.after

    def apply(self, host: Host) -> None:
        if not self.is_done(host):
            host.run(*self.argv(self.words))


@attrs.frozen(kw_only=True)
class MakeBuiltIn:
    """A built-in chain of iptables-nft, which has none before somebody uses it."""

    program: str
    table: str
    chain: str

    def line(self, netns: str | None) -> str:
        return inside(netns, [self.program, "-w", "-t", self.table, "-P", self.chain, "ACCEPT"])

    def apply(self, host: Host) -> None:
        host.run(self.program, "-w", "-t", self.table, "-P", self.chain, "ACCEPT")


@attrs.frozen(kw_only=True)
class DropBuiltIn:
    """It goes again, if nobody has put a rule there since."""

    program: str
    table: str
    chain: str

    def line(self, netns: str | None) -> str:
        return inside(netns, [self.program, "-w", "-t", self.table, "-X", self.chain])

    def apply(self, host: Host) -> None:
        succeeds(host, [self.program, "-w", "-t", self.table, "-X", self.chain])


def succeeds(host: Host, argv: list[str]) -> bool:
    try:
        host.run(*argv)
    except Refused:
        return False
    return True


@attrs.frozen(kw_only=True)
class Firewall:
    """What there is on this host."""

    nft: bool
    iptables: str  # the program whose rules count here; "": there is none
    through_nft: bool  # its tables are nft's
    ruled: bool  # it has rules, or drops what it does not know
    ruleset: tuple[dict[str, Any], ...]  # nft's, as JSON

    def drops(self, hook: str = "forward") -> list[tuple[str, str, str]]:
        """(family, table, chain) of nft's base chains at `hook` that drop something, iptables' own left out."""
        found = []
        for chain in (one["chain"] for one in self.ruleset if "chain" in one):
            place = (chain["family"], chain["table"], chain["name"])
            own = self.iptables and self.through_nft and place == ("ip", "filter", "FORWARD")
            at_hook = chain.get("hook") == hook and chain["family"] in ("ip", "inet")
            if at_hook and not own and (chain.get("policy") == "drop" or self.has_drop(place)):
                found.append(place)
        return found

    def has_drop(self, place: tuple[str, str, str]) -> bool:
        """Whether a rule there drops or rejects, or one of a chain that it leads to."""
        seen, ahead = {place}, [place]
        while ahead:
            family, table, chain = ahead.pop()
            for rule in (one["rule"] for one in self.ruleset if "rule" in one):
                if (rule["family"], rule["table"], rule["chain"]) != (family, table, chain):
                    continue
                for expression in rule.get("expr", ()):
                    if "drop" in expression or "reject" in expression:
                        return True
                    to = expression.get("jump") or expression.get("goto")
                    if to and (family, table, to["target"]) not in seen:
                        seen.add((family, table, to["target"]))
                        ahead.append((family, table, to["target"]))
        return False

    def has_chain(self, table: str, chain: str | None = None) -> bool:
        """Of nft's, family ip; without `chain`, the table."""
        key, name = ("table", table) if chain is None else ("chain", chain)
        things = (one[key] for one in self.ruleset if key in one)
        return any(one["family"] == "ip" and one["name"] == name and one.get("table", table) == table for one in things)


def look(host: Host) -> Firewall:
    """Without leaving a trace: to list a table of iptables-legacy would make it."""
    nft = shutil.which("nft") is not None
    ruleset = tuple(all_of_nft(host)) if nft else ()
    legacy = [table for table in ("filter", "nat") if table in legacy_tables()]
    program = "iptables" if shutil.which("iptables") else ""
    through_nft = bool(program) and "nf_tables" in host.run(program, "--version")
    ruled = False
    if legacy and shutil.which("iptables-legacy"):
        ruled = any(has_rules(host, "iptables-legacy", table) for table in legacy)
        program, through_nft = ("iptables-legacy", False) if ruled else (program, through_nft)
    if program and not ruled and through_nft:
        ruled = any(has_rules(host, program, table) for table in ("filter", "nat"))
    return Firewall(nft=nft, iptables=program, through_nft=through_nft, ruled=ruled, ruleset=ruleset)


def all_of_nft(host: Host) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(host.run("nft", "-j", "list", "ruleset"))["nftables"]
    except Refused:  # an ordinary user's dry run: nobody else may look
        return []
    return found


def legacy_tables() -> str:
    try:
        with open("/proc/thread-self/net/ip_tables_names") as names:
            return names.read()
    except OSError:
        return ""


def has_rules(host: Host, program: str, table: str) -> bool:
    try:
        rules = host.run(program, "-w", "-t", table, "-S").splitlines()
    except Refused:
        return False
    return any(rule.startswith("-A ") or rule == "-P FORWARD DROP" for rule in rules)


def insert_accept(place: tuple[str, str, str], match: str) -> str:
    """The command by which the owner of a chain may let something through."""
    return shlex.join(["nft", "insert", "rule", *place, *match.split(), "accept"])
