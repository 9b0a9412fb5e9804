"""Sleeping on descriptors, with a way to be woken.

Knows epoll and eventfd, and where a system has neither, `selectors` and a socketpair. Refuses to know what a
descriptor is for. One thread polls; any thread may `wake` it or change what is watched.
"""

from __future__ import annotations

import os
import select
import selectors
import socket
from typing import Protocol

READ, WRITE = 1, 4  # as epoll has them: EPOLLIN, EPOLLOUT
MAX_EVENTS = 64


class Poller(Protocol):
    """What a runtime with a real clock sleeps on."""

    def watch(self, fd: int, write: bool) -> None:
        """Poll `fd` for reading, and for writing too if `write`; again with another `write` to change it."""

    def forget(self, fd: int) -> None: ...
    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """Wait for events, a wake or the timeout; (fd, mask) of what is ready, among it perhaps its own descriptor."""

    def wake(self) -> None:
        """End the poll that runs, or the next one. From any thread, and from a signal handler."""

    def close(self) -> None: ...


class EpollPoller:
    """Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, READ | select.EPOLLET)  # each wake is an event: it is never read

    def watch(self, fd: int, write: bool) -> None:
        mask = READ | WRITE if write else READ
        try:
            self._epoll.modify(fd, mask)
        except FileNotFoundError:  # new, or closed and opened again under the same number
            self._epoll.register(fd, mask)

    def forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:  # its owner has closed it: the kernel forgot it by itself
            pass

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout, MAX_EVENTS)

    def wake(self) -> None:
        wake_fd = self._wake_fd  # once: another thread may be closing us
        if wake_fd >= 0:
            os.eventfd_write(wake_fd, 1)

    def close(self) -> None:
        self._epoll.close()
        wake_fd, self._wake_fd = self._wake_fd, -1
        if wake_fd >= 0:
            os.close(wake_fd)


class SelectorPoller:
    """Everywhere else."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, selectors.EVENT_READ)

    def watch(self, fd: int, write: bool) -> None:
        self.forget(fd)
        self._selector.register(fd, selectors.EVENT_READ | selectors.EVENT_WRITE if write else selectors.EVENT_READ)
        self.wake()  # a select that runs does not see the change

    def forget(self, fd: int) -> None:
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError, OSError):  # unknown, or closed by its owner
            return
        self.wake()

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        events: list[tuple[int, int]] = []
        for key, mask in self._selector.select(timeout):
            if key.fileobj is self._wake_in:
                self._drain()
            else:
                readable = READ if mask & selectors.EVENT_READ else 0
                events.append((key.fd, readable | (WRITE if mask & selectors.EVENT_WRITE else 0)))
        return events

    def _drain(self) -> None:
        try:
            while self._wake_in.recv(4096):
                pass
        except BlockingIOError:
            pass

    def wake(self) -> None:
        try:
            self._wake_out.send(b"\0")
        except OSError:  # full of wakes already, or closed: nobody sleeps
            pass

    def close(self) -> None:
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()


def hung_up(fd: int) -> bool:
    """The descriptor has come to its end, or to an error."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def make_poller() -> Poller:
    """The best that this system has."""
    if hasattr(select, "epoll") and hasattr(os, "eventfd"):
        return EpollPoller()
    return SelectorPoller()
