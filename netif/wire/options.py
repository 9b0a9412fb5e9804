"""TCP options: MSS (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), user timeout
(RFC 5482), Fast Open (RFC 7413).

Tolerant: what is unknown, or known with a wrong length, is skipped. Malformed only where the list cannot be walked, its
length byte being missing, under 2 or past the header's end (RFC 9293 3.1, MUST-7).
Which options count in which segment is the handshake's to say.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from netif.wire import Buffer, Malformed

END, NOP, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMP = 0, 1, 2, 3, 4, 5, 8
USER_TIMEOUT, FAST_OPEN = 28, 34
MAX_WINDOW_SCALE = 14  # RFC 7323 2.3: more is taken for 14
MAX_LENGTH = 40

_ALIGNED_TIMESTAMP = Struct("!III")  # NOP NOP 8 10, TSval, TSecr (RFC 7323 appendix A)
_ALIGNED_TIMESTAMP_PREFIX = 0x0101080A
_USUAL_SYN = Struct("!HHIIII")  # MSS; SACK permitted and timestamp; TSval; TSecr; NOP and window scale
_MSS, _PERMITTED_STAMP, _SCALE = 0x0204, 0x0402080A, 0x01030300
_TWO = Struct("!II")


class Options(NamedTuple):
    """What a segment's options say; a tuple, since one is made for every segment that has any."""

    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    timestamp: tuple[int, int] | None = None  # TSval, TSecr
    sack: tuple[tuple[int, int], ...] = ()  # left and right edges, 32 bits
    user_timeout: int | None = None  # seconds
    fast_open: bytes | None = None  # a cookie; empty: asked for one


NO_OPTIONS = Options()
_new = tuple.__new__


def parse(frame: Buffer, start: int, end: int) -> Options:
    if end == start:
        return NO_OPTIONS
    if end - start == 12:
        prefix, tsval, tsecr = _ALIGNED_TIMESTAMP.unpack_from(frame, start)
        if prefix == _ALIGNED_TIMESTAMP_PREFIX:
            return _new(Options, (None, None, False, (tsval, tsecr), (), None, None))  # half the cost of Options(...)
    elif end - start == 20:
        first, mss, second, tsval, tsecr, third = _USUAL_SYN.unpack_from(frame, start)
        if first == _MSS and second == _PERMITTED_STAMP and _SCALE <= third <= _SCALE + MAX_WINDOW_SCALE:
            return _new(Options, (mss, third - _SCALE, True, (tsval, tsecr), (), None, None))
    return _walk(bytes(frame[start:end]))


def _walk(data: bytes) -> Options:
    mss = window_scale = timestamp = user_timeout = fast_open = None
    sack_permitted = False
    sack: tuple[tuple[int, int], ...] = ()
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        if kind == NOP:
            at += 1
            continue
        if kind == END:
            break
        length = data[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            raise Malformed("tcp_option_length")
        if kind == TIMESTAMP and length == 10:
            timestamp = _TWO.unpack_from(data, at + 2)
        elif kind == SACK and length >= 10 and length % 8 == 2:
            sack = tuple(_TWO.iter_unpack(data[at + 2 : at + length]))
        elif kind == MSS and length == 4:
            mss = data[at + 2] << 8 | data[at + 3]
        elif kind == WINDOW_SCALE and length == 3:
            window_scale = min(data[at + 2], MAX_WINDOW_SCALE)
        elif kind == SACK_PERMITTED and length == 2:
            sack_permitted = True
        elif kind == USER_TIMEOUT and length == 4:
            said = data[at + 2] << 8 | data[at + 3]
            user_timeout = (said & 0x7FFF) * (60 if said >> 15 else 1) or None  # RFC 5482 3.3: zero is ignored
        elif kind == FAST_OPEN and (length == 2 or 6 <= length <= 18) and not length & 1:
            fast_open = data[at + 2 : at + length]
        at += length
    return Options(mss, window_scale, sack_permitted, timestamp, sack, user_timeout, fast_open)


def emit_timestamp(tsval: int, tsecr: int) -> bytes:
    """Twelve bytes, aligned: NOP, NOP, timestamp."""
    return _ALIGNED_TIMESTAMP.pack(_ALIGNED_TIMESTAMP_PREFIX, tsval, tsecr)


def emit_sack(blocks: tuple[tuple[int, int], ...]) -> bytes:
    """NOP, NOP, SACK; with a timestamp beside it at most three blocks fit, else four."""
    return b"".join((bytes((NOP, NOP, SACK, 2 + 8 * len(blocks))), *(_TWO.pack(*block) for block in blocks)))


def emit_syn(
    *,
    mss: int | None = None,
    window_scale: int | None = None,
    sack_permitted: bool = False,
    timestamp: tuple[int, int] | None = None,
    user_timeout: int | None = None,
    fast_open: bytes | None = None,
) -> bytes:
    """A SYN's options in Linux' order, each filled up to whole words."""
    if mss is not None and sack_permitted and timestamp is not None and window_scale is not None:
        usual = _USUAL_SYN.pack(_MSS, mss, _PERMITTED_STAMP, *timestamp, _SCALE + window_scale)
        if user_timeout is None and fast_open is None:
            return usual
        return usual + emit_syn(user_timeout=user_timeout, fast_open=fast_open)
    out = b"" if mss is None else bytes((MSS, 4, mss >> 8, mss & 0xFF))
    if timestamp is not None:  # SACK-permitted takes the place of the timestamp's padding
        out += bytes((SACK_PERMITTED, 2) if sack_permitted else (NOP, NOP))
        out += bytes((TIMESTAMP, 10)) + _TWO.pack(*timestamp)
    elif sack_permitted:
        out += bytes((NOP, NOP, SACK_PERMITTED, 2))
    if window_scale is not None:
        out += bytes((NOP, WINDOW_SCALE, 3, window_scale))
    if user_timeout is not None:  # RFC 5482 3.1: seconds, or minutes where they do not fit
        said = user_timeout if user_timeout <= 0x7FFF else 0x8000 | min(user_timeout // 60, 0x7FFF)
        out += bytes((USER_TIMEOUT, 4, said >> 8, said & 0xFF))
    if fast_open is not None:
        out += bytes((FAST_OPEN, 2 + len(fast_open))) + fast_open + bytes((NOP,)) * (-(2 + len(fast_open)) & 3)
    return out


def emit(options: Options) -> bytes:
    """Any options, for whoever builds segments from a description."""
    bare = all(said is None for said in (options.mss, options.window_scale, options.user_timeout, options.fast_open))
    if not bare or options.sack_permitted:
        out = emit_syn(
            mss=options.mss,
            window_scale=options.window_scale,
            sack_permitted=options.sack_permitted,
            timestamp=options.timestamp,
            user_timeout=options.user_timeout,
            fast_open=options.fast_open,
        )
    else:
        out = b"" if options.timestamp is None else emit_timestamp(*options.timestamp)
    return out + emit_sack(options.sack) if options.sack else out
