"""How a wire is written: NAME, KIND:NAME,option,option=value, and WRAPPER(WIRE, option=value) to any depth.

Knows parentheses, quotes and commas; which kinds and options there are is `kinds`' affair. Quotes ("..." or '...')
keep commas and parentheses together. Whatever cannot be read is a BadWire of one line that says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import attrs

from netif.value import Value

DEPTH_MAX = 16  # wrappers around one wire
_CALL = re.compile(r"\s*([A-Za-z][\w-]*)\s*\(")
_QUOTES = "\"'"


class BadWire(ValueError):  # noqa: N818 - as Complaint
    """The text names no wire: one line that says what is wrong and how to mend it."""


@attrs.frozen(eq=False, repr=False)
class Call(Value):
    """A wrapper and what stands in its parentheses behind the first comma."""

    name: str
    items: tuple[str, ...]


@attrs.frozen(eq=False, repr=False)
class Parsed(Value):
    """`head` is the wire within all parentheses; the innermost call's first items may be options of it."""

    head: str
    calls: tuple[Call, ...]  # the innermost first


def parse(text: str) -> Parsed:
    """What is written, taken apart."""
    calls: list[Call] = []
    while match := _CALL.match(text):
        if len(calls) == DEPTH_MAX:
            raise BadWire(f"more than {DEPTH_MAX} wrappers around one wire")
        name = match[1]
        first, *items = contents(text, match.end(), name)
        if not first or _is_option(first):
            found = f"begins with {first}" if first else "begins with nothing"
            raise BadWire(f"{name}( {found}: a wire comes first, as in {name}(tap:tap0, ...)")
        calls.append(Call(name, tuple(items)))
        text = first
    return Parsed(text.strip(), tuple(reversed(calls)))


def _is_option(item: str) -> bool:
    return ":" not in item.partition("=")[0] and "=" in item and "(" not in item.partition("=")[0]


def contents(text: str, at: int, name: str) -> list[str]:
    """What stands from `at` to the parenthesis that closes there, and ends the text."""
    items, end = split(text, at)
    if end is None:
        raise BadWire(f"the parenthesis after {name} is never closed: {name}(WIRE, ...)")
    if rest := text[end + 1 :].strip():
        raise BadWire(f"{rest} follows the parenthesis that closes {name}(, at character {end + 2}; nothing may")
    return items


def split(text: str, at: int = 0) -> tuple[list[str], int | None]:
    """The items between commas from `at` on, and where a parenthesis closes that none has opened; None: the end."""
    items: list[str] = []
    begin, depth = at, 0
    while at < len(text):
        sign = text[at]
        if sign in _QUOTES:
            closing = text.find(sign, at + 1)
            if closing < 0:
                raise BadWire(f"the quote at character {at + 1} is never closed: {text[at:]}")
            at = closing
        elif sign == "(":
            depth += 1
        elif sign == ")" and depth:
            depth -= 1
        elif sign == ")":
            break
        elif sign == "," and not depth:
            items.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    if depth:
        raise BadWire(f"a parenthesis is never closed: {text[begin:].strip()}")
    items.append(text[begin:at].strip())
    return items, at if at < len(text) else None


def unquoted(text: str) -> str:
    """Without the quotes around the whole."""
    if len(text) >= 2 and text[0] in _QUOTES and text.find(text[0], 1) == len(text) - 1:
        return text[1:-1]
    return text


def options_of(owner: str, items: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The options by name, each among `known`: name -> how its value is written, "" for a word without one."""
    found: dict[str, str] = {}
    for item in items:
        name, sign, value = item.partition("=")
        name, value = name.strip(), unquoted(value.strip())
        if not item:
            raise BadWire(f"{owner}: nothing stands behind a comma: take it away, or write {spelt(known)}")
        if name not in known:
            raise BadWire(f"{owner}: there is no option {name}; {near(name, known)}{spelt(known) or 'it takes none'}")
        if name in found:
            raise BadWire(f"{owner}: {name} is said twice")
        if known[name] and not value:
            raise BadWire(f"{owner}: {name} wants a value: {name}={known[name]}")
        if sign and not known[name]:
            raise BadWire(f"{owner}: {name} takes no value: write {name} alone")
        found[name] = value
    return found


def spelt(known: Mapping[str, str]) -> str:
    """All that may be said; what is for one direction alone is as it is for both."""
    both = {name: value for name, value in known.items() if name.rpartition(".")[2] == name}
    words = [f"{name}={value}" if value else name for name, value in both.items()]
    return ", ".join(words) + (", and with tx. or rx. before it" if len(both) < len(known) else "")


def near(name: str, known: Iterable[str], ending: str = "") -> str:
    """ "did you mean X? ", or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), 1)
    return f"did you mean {found[0]}{ending}? " if found else ""
