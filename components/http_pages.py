"""What http_server answers: a page about the host, and any number of bytes at /big/N, whole or a range of them.

Knows paths, methods and byte ranges (RFC 9110 9.3.1, 9.3.2, 14.2), and makes bodies piece by piece; refuses to know
connections and how a message is written (http_server.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TypeAlias

import attrs

from components.small_services import CHARACTERS, PATTERN

BLOCK = 1 << 18  # bytes of a body handed over at once
MOST_DIGITS = 15  # of N
RANGE = re.compile(rb"bytes=(\d{0,1000})-(\d{0,1000})", re.IGNORECASE)

Headers: TypeAlias = tuple[tuple[str, str], ...]
Cut: TypeAlias = Callable[[int, int], Iterator[memoryview]]  # the body's bytes from one position to another


@attrs.frozen
class Answer:
    """One response without its framing: what goes with every one is added where it is written."""

    status: int
    length: int = 0  # bytes of the body
    blocks: Callable[[], Iterator[memoryview]] = lambda: iter(())
    headers: Headers = ()


class Unsatisfiable(ValueError):  # noqa: N818 - the RFC's word
    """No byte of the body is within the range."""


def text(status: int, words: str, *more: tuple[str, str], kind: str = "text/plain; charset=utf-8") -> Answer:
    """A small body, whole."""
    body = words.encode()
    return Answer(status, len(body), lambda: iter((memoryview(body),)), (("Content-Type", kind), *more))


def characters(start: int, stop: int) -> Iterator[memoryview]:
    """RFC 864's pattern from `start` to `stop`, out of one block that is never copied."""
    view = memoryview(CHARACTERS)
    while start < stop:
        at = start % len(PATTERN)
        block = view[at : at + min(BLOCK, stop - start)]
        yield block
        start += len(block)


def parse_range(value: bytes, length: int) -> range | None:
    """The bytes that a Range header asks for; None: not understood, to be ignored (RFC 9110 14.2)."""
    match = RANGE.fullmatch(value.strip())
    if match is None or match.group(1) == match.group(2) == b"":
        return None  # another unit, several ranges, or nonsense
    first, last = match.groups()
    if not first:  # RFC 9110 14.1.2: the last so many
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < start:
            return None
    if start >= length:
        raise Unsatisfiable
    return range(start, stop)


def ranged(length: int, cut: Cut, kind: str, headers: Mapping[bytes, bytes]) -> Answer:
    """The body, or the part of it that is asked for. Without validators no If-Range can hold (RFC 9110 13.1.5)."""
    common = (("Content-Type", kind), ("Accept-Ranges", "bytes"))
    value = headers.get(b"range")
    try:
        asked = parse_range(value, length) if value is not None and b"if-range" not in headers else None
    except Unsatisfiable:
        return text(416, f"there are {length} bytes\n", ("Content-Range", f"bytes */{length}"))
    if asked is None:
        return Answer(200, length, lambda: cut(0, length), common)
    told = ("Content-Range", f"bytes {asked.start}-{asked.stop - 1}/{length}")
    return Answer(206, len(asked), lambda: cut(asked.start, asked.stop), (*common, told))


def path_of(target: bytes) -> str:
    """RFC 9112 3.2: of the origin form or the absolute form, without the query."""
    path = target.decode("ascii", "replace")
    if "://" in path:
        _, _, rest = path.partition("://")
        path = "/" + rest.partition("/")[2]
    return path.partition("?")[0]


class Pages:
    """What there is to be had. `about` gives the lines of the first page: names and values."""

    def __init__(self, about: Callable[[], Mapping[str, object]]) -> None:
        self.about = about

    def answer(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        if method not in (b"GET", b"HEAD"):
            return text(405, "only GET and HEAD are understood here\n", ("Allow", "GET, HEAD"))
        path = path_of(target)
        if path == "/":
            return text(200, self.first_page(), kind="text/html; charset=utf-8")
        size = path.removeprefix("/big/")
        if size != path and size.isdecimal() and size.isascii() and len(size) <= MOST_DIGITS:
            return ranged(int(size), characters, "text/plain; charset=us-ascii", headers)
        return text(404, f"there are / and /big/N, N bytes of at most {MOST_DIGITS} digits\n")

    def first_page(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}<td>{escape(str(value))}\n" for name, value in self.about().items())
        return FIRST_PAGE.format(rows=rows)


FIRST_PAGE = """\
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>netif</title>
<h1>A host in Python</h1>
<table>
{rows}</table>
<p>N bytes are at /big/N, such as <a href="/big/1000000">/big/1000000</a>; ranges of them too.
</html>
"""
