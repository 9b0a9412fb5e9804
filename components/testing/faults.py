"""Faults by script, said as a person would: `drop("3rd SYN")`, `delay("2nd data from client", 0.5)`.

A phrase is [Nth | every Nth | first N | all] WHAT [from HOST] [to HOST] [[from|to] port N]. It becomes one rule of
`tapio.script`, which counts; what is added here are hosts by name, and the kinds that rules do not know. A frame is
counted once, where its sender puts it on the wire. Refuses to know hosts but by what `Lookup` answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from components.testing.kinds import KINDS, REPEATED, kind_of
from netif.wire import Malformed, ethernet, ip
from tapio.amounts import seconds
from tapio.filter import look
from tapio.script import DROP, DUPLICATE, PASS, Fate, Rule, Verdict, rule

Lookup: TypeAlias = Callable[[str], tuple[str, bytes] | None]  # name and MAC of the host that is called so
Amount: TypeAlias = float | str

_ORDINAL = re.compile(r"(?:all|(?:every\s+)?\d+(?:st|nd|rd|th)|first\s+\d+)(?=\s)", re.IGNORECASE)
_SIDES = {"from": "src", "to": "dst"}


class UnmetFault(AssertionError):  # noqa: N818 - it is what happened
    """A fault that was asked for met no frame: the test did not test what it says."""


@attrs.frozen
class Phrase:
    """The frames that a fault is for: those of `sender` and to `receiver`, where they are named, that `rule` picks."""

    rule: Rule
    is_repeated: bool  # they have to be
    sender: str | None
    receiver: bytes | None  # its MAC

    def concerns(self, sender: str, frame: bytes, is_repeated: bool) -> bool:
        """Whether the rule is to see the frame, and count it."""
        if self.sender not in (None, sender) or (self.is_repeated and not is_repeated):
            return False
        return self.receiver is None or frame[:6] == self.receiver

    def means(self, sender: str, frame: bytes, is_repeated: bool) -> bool:
        """Whether it would be met, whatever its number."""
        return self.concerns(sender, frame, is_repeated) and self.rule.frames.holds(look(frame))


def read(verb: str, text: str, verdict: Fate | float, find: Lookup, hosts: Sequence[str]) -> Phrase:
    """ValueError or TypeError of one line: it means no frames."""
    if not isinstance(text, str):
        raise TypeError(f"{verb}({text!r}): say in a string which frames, as in {verb}('3rd SYN from client')")
    try:
        return _read(text, verdict, find, hosts)
    except ValueError as error:
        raise ValueError(
            f"{verb}({text!r}): {error}; write [3rd | every 5th | first 3 | all] WHAT [from HOST] [to HOST] [port N]"
            f" where WHAT is one of {', '.join(KINDS)}"
        ) from None


def _read(text: str, verdict: Fate | float, find: Lookup, hosts: Sequence[str]) -> Phrase:
    text = " ".join(text.split())
    ordinal = _ORDINAL.match(text)
    words = text[ordinal.end() if ordinal else 0 :].split()
    kind = kind_of(words[0]) if words else None
    if kind is None:
        raise ValueError(f"{words[0]!r} is no kind of frame" if words else "which frames?")
    terms, sender, receiver = "", None, None
    for side, name in _ends(words[1:]):
        host = find(name) if side and not name.startswith("port ") else None
        if host is not None:
            sender, receiver = (host[0], receiver) if side == "from" else (sender, host[1])
        elif name.startswith("port "):
            terms += f" {_SIDES.get(side, '')} {name}"
        else:
            terms += f" {_SIDES[side]} host {_address(name, hosts)}"
    number = ordinal[0] if ordinal and ordinal[0].lower() != "all" else ""
    frames = " or ".join(one + terms for one in KINDS[kind])
    try:
        picked = rule(verdict, f"{number} {frames}")
    except ValueError:
        raise ValueError(f"{terms.strip() or number!r} makes no sense") from None
    return Phrase(picked, kind == REPEATED, sender, receiver)


def _ends(words: list[str]) -> list[tuple[str, str]]:
    """(from or to or neither, a host or "port N")"""
    found, words = [], words[::-1]  # the next one last
    while words:
        word = words.pop().lower()
        side = word if word in _SIDES else ""
        following = (words.pop() if words else "") if side else word
        if following.lower() == "port":
            following = f"port {words.pop() if words else ''}"
        elif not side:
            raise ValueError(f"{word!r} is none of from, to and port")
        found.append((side, following))
    return found


def _address(name: str, hosts: Sequence[str]) -> str:
    try:
        return ip.format_address(ip.parse_address(name))
    except ValueError:
        here = f"here are {', '.join(hosts)}" if hosts else "there is none yet: make the hosts first"
        raise ValueError(f"there is no host {name!r}: {here}") from None


@attrs.define(eq=False, repr=False)
class Fault:
    """One fault that a test asked for. `count`: how many frames it has met."""

    said: str  # the call, as in "drop('3rd SYN')"
    phrase: Phrase
    harm: Callable[[bytes], bytes] | None = None  # what is done to a frame, where that is not the rule's verdict
    optional: bool = False
    count: int = 0
    is_over: bool = False
    _script: Callable[..., Verdict] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._script = self.phrase.rule.begin()

    def stop(self) -> None:
        """From now on it meets nothing."""
        self.is_over = True

    def verdict(self, sender: str, frame: bytes, is_repeated: bool) -> Verdict:
        if self.is_over or not self.phrase.concerns(sender, frame, is_repeated):
            return None
        said = self._script("out", frame, 0)
        if said is None:
            return None
        self.count += 1
        return self.harm(frame) if self.harm is not None else said

    def __repr__(self) -> str:
        return f"<{self.said}: {self.count} met{', over' if self.is_over else ''}>"


def dropping(text: str, find: Lookup, hosts: Sequence[str]) -> Fault:
    return Fault(f"drop({text!r})", read("drop", text, DROP, find, hosts))


def doubling(text: str, find: Lookup, hosts: Sequence[str]) -> Fault:
    return Fault(f"duplicate({text!r})", read("duplicate", text, DUPLICATE, find, hosts))


def delaying(text: str, by: Amount, find: Lookup, hosts: Sequence[str]) -> Fault:
    phrase = read("delay", text, seconds("delay", by), find, hosts)
    return Fault(f"delay({text!r}, {by!r})", phrase)


def corrupting(text: str, find: Lookup, hosts: Sequence[str]) -> Fault:
    return Fault(f"corrupt({text!r})", read("corrupt", text, PASS, find, hosts), turned)


def turned(frame: bytes) -> bytes:
    """One bit of it is another: in the last byte of an IP packet, which its transport's checksum covers."""
    end = len(frame)
    try:
        if ethernet.parse(frame)[2] == ethernet.IP:
            end = min(end, ethernet.HEADER_LENGTH + ip.parse(frame, ethernet.HEADER_LENGTH)[1])
    except Malformed:
        pass
    return frame[: end - 1] + bytes((frame[end - 1] ^ 1,)) + frame[end:]
