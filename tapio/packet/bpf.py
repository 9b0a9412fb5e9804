"""The kernel's packet filter, written in Python: which frames a packet socket is to hear at all.

Knows a few instructions of the classic BPF machine and the programs that a driver needs. Offsets count from the frame's
first byte; a load beyond the frame's end ends the program with 0, which is to drop it.
Linux, Documentation/networking/filter.rst; include/uapi/linux/filter.h.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Sequence
from struct import Struct
from typing import TypeAlias

SO_ATTACH_FILTER = 26  # also replaces the one that is there, at once
WHOLE = 0x40000  # bytes that are let through; more than any frame has

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # BPF_LD | BPF_ABS
_JUMP_EQUAL, _JUMP_SET, _RETURN = 0x15, 0x45, 0x06  # BPF_JMP | BPF_K
_INSTRUCTION = Struct("=HBBI")  # code, jump if true, jump if false, operand
_PROGRAM = Struct("HP")  # struct sock_fprog: instructions, address of the first

Instruction: TypeAlias = tuple[int, int, int, int]
Program: TypeAlias = Sequence[Instruction]

NOTHING: Program = ((_RETURN, 0, 0, 0),)
EVERYTHING: Program = ((_RETURN, 0, 0, WHOLE),)


def to(mac: bytes) -> Program:
    """What is sent to this address, to a group or to everybody."""
    return (
        (_LOAD_BYTE, 0, 0, 0),
        (_JUMP_SET, 4, 0, 1),  # the group bit
        *_equals(0, mac, skip=1),
        (_RETURN, 0, 0, WHOLE),
        (_RETURN, 0, 0, 0),
    )


def not_from(mac: bytes, program: Program) -> Program:
    """`program`, without what this address has sent."""
    return (*_equals(6, mac, skip=1), (_RETURN, 0, 0, 0), *program)


def _equals(offset: int, mac: bytes, *, skip: int) -> Program:
    """Go on if the address there is `mac`; else skip so many instructions."""
    return (
        (_LOAD_WORD, 0, 0, offset),
        (_JUMP_EQUAL, 0, skip + 2, int.from_bytes(mac[:4], "big")),
        (_LOAD_HALF, 0, 0, offset + 4),
        (_JUMP_EQUAL, 0, skip, int.from_bytes(mac[4:], "big")),
    )


def attach(to_socket: socket.socket, program: Program) -> None:
    """From now on the socket hears only what `program` lets through; what waits there already stays."""
    code = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    filled = _PROGRAM.pack(len(program), ctypes.addressof(memory))
    to_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filled)
