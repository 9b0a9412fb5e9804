"""The way beyond this host: forwarding, the reverse-path filter, rules that drop, bridged frames among them.

Linux, Documentation/networking/ip-sysctl.rst; nft(8). A rule is read only as far as it names devices: what it asks of
addresses, ports or connections is taken to have nothing to do with us.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from components.host.checks.facts import Chain, Facts, Link
from components.host.checks.finding import Finding, hint, warning

CONF = "net/ipv4/conf"
STRICT = "1"
DEPTH_MAX = 16  # jumps from chain to chain; nft allows as many


def forwarding(facts: Facts) -> Iterator[Finding]:
    """Off is how a machine comes; it is in the way once somebody has asked for more."""
    link = facts.end
    if facts.sysctl("net/ipv4/ip_forward") == "0":
        on = "sysctl -w net.ipv4.ip_forward=1"
        why = "the kernel passes nothing on between its devices: our host reaches this machine alone"
        wanted = link is not None and facts.sysctl(f"{CONF}/{link.name}/proxy_arp") == "1"
        yield (warning if wanted else hint)("net.ipv4.ip_forward is 0", why, on)
    elif link is not None and not link.master and facts.sysctl(f"{CONF}/{link.name}/forwarding") == "0":
        name = f"net.ipv4.conf.{link.name}.forwarding"
        yield warning(f"{name} is 0", f"the kernel passes on nothing that comes by {link.name}", f"sysctl -w {name}=1")


def reverse_path(facts: Facts) -> Iterator[Finding]:
    """Strict filtering drops what comes by a device that the answer would not leave by (RFC 3704 2.2)."""
    link = facts.end
    if link is None or link.master:
        return
    values = [facts.sysctl(f"{CONF}/{name}/rp_filter") for name in ("all", link.name)]
    if max(values) == STRICT and not leads_out(facts, link):
        name = f"net.ipv4.conf.{link.name}.rp_filter"
        source = facts.ip or "our host"
        why = f"no route to {source} leads out by {link.name}, so what comes from there is dropped"
        yield warning(f"{name} is strict", why, f"sysctl -w {name}=2")


def leads_out(facts: Facts, link: Link) -> bool:
    """Whether the best route to our host is by `link`; without an address of ours, whether any is."""
    if facts.ip is None:
        return any(route.device == link.name for route in facts.routes)
    fitting = [route for route in facts.routes if facts.ip in route.network]
    return bool(fitting) and max(fitting, key=lambda route: route.network.prefixlen).device == link.name


def rules_drop(facts: Facts) -> Iterator[Finding]:
    """Docker sets the policy of FORWARD to drop, a distribution's firewall that of INPUT."""
    link = facts.end
    if link is None:
        return
    device = link.master or link.name
    bridged = bool(link.master) and facts.sysctl("net/bridge/bridge-nf-call-iptables") == "1"
    for chain in facts.chains:
        hooks: tuple[str, ...] = ("forward", "input") if chain.family in ("ip", "inet") else ()
        if chain.family == "bridge" and link.master:
            hooks, device = ("forward",), link.name
        if chain.hook not in hooks or not drops(chain, device):
            continue
        where = f"chain {chain.family} {chain.table} {chain.name}"
        if bridged and chain.hook == "forward" and chain.family == "ip":
            why = f"frames that {link.master} passes on go through iptables too, and {where} drops them"
            command = "sysctl -w net.bridge.bridge-nf-call-iptables=0"
            yield warning("net.bridge.bridge-nf-call-iptables is 1", why, command)
        elif chain.hook == "forward" and facts.sysctl("net/ipv4/ip_forward") == "0" and chain.family != "bridge":
            continue  # nothing is passed on at all
        else:
            yield warning(f"{where} drops what comes by {device}", told(chain), accepting(chain, device))


def told(chain: Chain) -> str:
    if chain.hook == "forward":
        return "our host reaches this machine alone"
    return "this machine does not hear our host"


def accepting(chain: Chain, device: str) -> str:
    at = f"insert rule {chain.family} {chain.table} {chain.name}"
    rules = [f"{at} iifname {device} accept"]
    if chain.hook == "forward":
        rules.append(f"{at} oifname {device} accept")
    return f"nft '{'; '.join(rules)}'"


def drops(chain: Chain, device: str) -> bool:
    """What becomes of a packet that comes by `device`, of which nothing else is known."""
    verdict = first_verdict(chain, chain.rules, device, depth=0)
    return verdict in ("drop", "reject") if verdict else chain.policy == "drop"


def first_verdict(chain: Chain, rules: Sequence[Any], device: str, depth: int) -> str:
    """ "accept", "drop", "reject", "return"; "": none of the rules has one that is sure."""
    for rule in rules:
        verdict = verdict_of(chain, rule, device, depth)
        if verdict:
            return verdict
    return ""


def verdict_of(chain: Chain, rule: list[dict[str, Any]], device: str, depth: int) -> str:
    """ "" too where the rule asks for more than we know, or is about another device."""
    for expression in rule:
        for word, body in expression.items():
            if word == "match":
                if body["left"] != {"meta": {"key": "iifname"}} or not names(body, device):
                    return ""
            elif word in ("accept", "drop", "reject", "return"):
                return word
            elif word in ("jump", "goto") and depth < DEPTH_MAX:
                verdict = first_verdict(chain, chain.called.get(body["target"], ()), device, depth + 1)
                return "" if verdict == "return" else verdict
            elif word not in ("counter", "log", "comment"):
                return ""
    return ""


def names(match: dict[str, Any], device: str) -> bool:
    right = match["right"]
    listed = right.get("set", []) if isinstance(right, dict) else [right]
    hit = any(isinstance(one, str) and fnmatchcase(device, one) for one in listed)  # eth* as nft(8) has it
    return hit if match["op"] in ("==", "in") else not hit


CHECKS = (forwarding, reverse_path, rules_drop)
