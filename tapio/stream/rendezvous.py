"""Who comes first to a path listens there, whoever comes later connects: one answer even when many come at once.

The directory is locked while a socket is put in place, so that of two who find the same stale file, or want to succeed
the one who has left, one replaces it. Only a socket that nobody answers is ever replaced.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tapio.ioctls import LOCK_EX, LOCK_NB, flock
from tapio.wire import WireError

_LONGEST = 107  # bytes of a path; Linux, unix(7)
_PATIENCE = 5.0  # seconds for another process that is about to listen, or to answer
_BACKLOG = 128
_PASSING = (errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOBUFS)  # what may be otherwise later


def meet(path: str) -> tuple[socket.socket, bool]:
    """(socket, whether it is a listening one: we are first)."""
    _check(path)
    connected = _connect(path)
    if connected is not None:
        return connected, False
    with _locked_directory(path):
        connected = _connect(path)
        if connected is not None:
            return connected, False
        _remove_stale(path)
        return _listen(path), True


def _check(path: str) -> None:
    if not hasattr(socket, "AF_UNIX"):
        raise WireError(errno.EAFNOSUPPORT, f"{path}: this system has no such sockets")
    encoded = os.fsencode(path)
    if not 0 < len(encoded) <= _LONGEST or b"\0" in encoded:
        raise WireError(
            errno.ENAMETOOLONG, f"{path}: a socket's path takes 1 to {_LONGEST} bytes, this has {len(encoded)}"
        )


def connect_to(path: str) -> socket.socket:
    """A connection to whoever listens there."""
    _check(path)
    connected = _connect(path)
    if connected is None:
        message = f"{path}: nobody listens there: start that first, or be the one who does: qemu:{path},listen"
        raise WireError(errno.ECONNREFUSED, message)
    return connected


def listen_at(path: str) -> socket.socket:
    """A listening socket, where nobody else listens."""
    _check(path)
    with _locked_directory(path):
        connected = _connect(path)
        if connected is not None:
            connected.close()
            raise _taken(path)
        _remove_stale(path)
        return _listen(path)


def bind_datagrams(path: str) -> socket.socket:
    """A datagram socket, where nobody else has one."""
    _check(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        with _locked_directory(path):
            try:
                made.connect(path)
                raise _taken(path)
            except (FileNotFoundError, ConnectionRefusedError):
                _remove_stale(path)
            made.bind(path)
    except WireError:
        made.close()
        raise
    except OSError as error:
        made.close()
        raise _explained(path, error) from None
    return made


def _taken(path: str) -> WireError:
    return WireError(errno.EADDRINUSE, f"{path}: somebody is there already: end that program, or choose another path")


def meet_again(path: str) -> tuple[socket.socket, bool] | None:
    """As `meet`, at once: None where another is at it, or is too busy to answer."""
    try:
        connected = _connect(path, 0.0)
        if connected is not None:
            return connected, False
        with _locked_directory(path, 0.0):
            connected = _connect(path, 0.0)
            if connected is not None:
                return connected, False
            _remove_stale(path)
            return _listen(path), True
    except OSError as error:
        if error.errno in _PASSING:
            return None
        raise


def leave(path: str, identity: tuple[int, int]) -> None:
    """Take away the socket that we put there, and no other."""
    try:
        if identity_of(path) == identity:
            os.unlink(path)
    except OSError:
        pass  # it is gone already, or no longer ours to remove


def identity_of(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _connect(path: str, patience: float = _PATIENCE) -> socket.socket | None:
    """A connection; None where nobody listens."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(patience)
    try:
        stream.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        stream.close()
        return None
    except OSError as error:
        stream.close()
        raise _explained(path, error) from None
    return stream


def _explained(path: str, error: OSError) -> WireError:
    code = error.errno or errno.ETIMEDOUT
    if isinstance(error, TimeoutError):
        message = f"{path}: somebody listens there but does not answer: end that program, or choose another path"
    elif code in (errno.EACCES, errno.EPERM):
        message = f"{path}: no permission: choose a path in a directory of your own"
    elif code == errno.EPROTOTYPE:
        message = f"{path}: a socket of another kind is there: choose another path"
    else:
        message = f"{path}: {os.strerror(code)}"
    return WireError(code, message)


@contextmanager
def _locked_directory(path: str, patience: float = _PATIENCE) -> Iterator[None]:
    directory = os.path.dirname(path) or "."
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise WireError(error.errno, f"{path}: there is no directory {directory}: make it first") from None
        raise _explained(path, error) from None
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                flock(fd, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    message = f"{path}: another program keeps {directory} locked: choose another directory"
                    raise WireError(errno.EAGAIN, message) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise WireError(errno.EEXIST, f"{path}: a file that is no socket is there: choose another path")
        os.unlink(path)
    except FileNotFoundError:
        return
    except WireError:
        raise
    except OSError as error:
        raise _explained(path, error) from None


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _explained(path, error) from None
    return listener
