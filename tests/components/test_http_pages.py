"""Paths, methods and ranges of http_server, without a connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.http_pages import Pages, Unsatisfiable, characters, parse_range, path_of
from components.small_services import PATTERN


def get(target: bytes, method: bytes = b"GET", **headers: bytes):
    fields = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return Pages(lambda: {"name": "<host>"}).answer(method, target, fields)


def body(answer) -> bytes:
    return b"".join(answer.blocks())


@pytest.mark.parametrize(
    ("value", "length", "asked"),
    [
        (b"bytes=0-0", 10, range(1)),
        (b"bytes=0-499", 10, range(10)),  # RFC 9110 14.1.2: the rest, if there is less
        (b"bytes=9-", 10, range(9, 10)),
        (b"bytes=-3", 10, range(7, 10)),
        (b"bytes=-30", 10, range(10)),
        (b"Bytes=2-3", 10, range(2, 4)),
        (b" bytes=2-3 ", 10, range(2, 4)),
        (b"bytes=0-" + b"9" * 900, 10, range(10)),
        (b"bytes=0-" + b"9" * 9000, 10, None),
        (b"bytes=5-4", 10, None),  # RFC 9110 14.1.1: invalid, to be ignored
        (b"bytes=-", 10, None),
        (b"bytes=1-2,4-5", 10, None),  # RFC 9110 14.2: a server may ignore it
        (b"lines=1-2", 10, None),
        (b"bytes=a-b", 10, None),
        (b"bytes=+1-2", 10, None),
        ("bytes=\u0661-".encode(), 10, None),
        (b"", 10, None),
    ],
)
def test_a_range_is_understood_or_ignored(value, length, asked):
    assert parse_range(value, length) == asked


@pytest.mark.parametrize(
    ("value", "length"), [(b"bytes=10-", 10), (b"bytes=10-20", 10), (b"bytes=-0", 10), (b"bytes=0-", 0)]
)
def test_a_range_without_a_byte_in_it_is_told(value, length):  # RFC 9110 15.5.17
    with pytest.raises(Unsatisfiable):
        parse_range(value, length)


@given(st.binary(max_size=30), st.integers(0, 1000))
def test_no_range_header_breaks_the_server(value, length):
    try:
        asked = parse_range(b"bytes=" + value, length)
    except Unsatisfiable:
        asked = range(1)
    assert asked is None or (len(asked) > 0 and 0 <= asked.start <= asked.stop <= max(length, 1))


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 20))
def test_a_part_is_what_the_whole_has_there(start, length):
    part = b"".join(characters(start, start + length))
    assert len(part) == length
    at = start % len(PATTERN)
    assert part == (PATTERN * (2 + length // len(PATTERN)))[at : at + length]


def test_as_many_bytes_as_were_asked_for():
    answer = get(b"/big/1000000")
    assert (answer.status, answer.length, len(body(answer))) == (200, 1_000_000, 1_000_000)
    assert body(answer).startswith(PATTERN)
    assert ("Accept-Ranges", "bytes") in answer.headers


def test_a_quadrillion_bytes_cost_nothing_until_they_are_taken():
    answer = get(b"/big/999999999999999")
    assert answer.length == 999_999_999_999_999
    assert len(next(answer.blocks())) < 1 << 20


def test_a_range_of_them():
    answer = get(b"/big/1000000", range=b"bytes=999990-")
    assert (answer.status, answer.length) == (206, 10)
    assert ("Content-Range", "bytes 999990-999999/1000000") in answer.headers
    assert body(answer) == body(get(b"/big/1000000"))[-10:]


def test_a_range_beyond_the_end():
    answer = get(b"/big/10", range=b"bytes=10-")
    assert answer.status == 416
    assert ("Content-Range", "bytes */10") in answer.headers


def test_a_range_on_a_condition_that_cannot_hold_is_the_whole():
    assert get(b"/big/10", range=b"bytes=5-", if_range=b'"tag"').status == 200


def test_the_first_page_tells_of_the_host_and_escapes_it():
    answer = get(b"/?query")
    assert answer.status == 200
    assert b"&lt;host&gt;" in body(answer)
    assert answer.length == len(body(answer))


@pytest.mark.parametrize(
    "target", [b"/nix", b"/big/", b"/big/-1", b"/big/1e3", "/big/\u0663".encode(), b"/big/" + b"9" * 16, b"*"]
)
def test_there_is_nothing_else(target):
    assert get(target).status == 404


def test_other_methods_are_told_which_there_are():
    answer = get(b"/", method=b"POST")
    assert answer.status == 405
    assert ("Allow", "GET, HEAD") in answer.headers


@pytest.mark.parametrize("target", [b"/big/3", b"/big/3?x=1", b"http://host/big/3", b"http://host:80/big/3?q"])
def test_the_origin_form_and_the_absolute_form_name_the_same(target):  # RFC 9112 3.2.2
    assert path_of(target) == "/big/3"
