"""A toy network: hosts with mailboxes, wires in memory and over socketpairs. Enough to try every promise of a runtime.

A frame is `b"box:text"`. A Host is a NetStack, a Nic an Attachment; both keep what happened to them in lists.
"""

from __future__ import annotations

import socket
from collections import deque


class Box:
    """An endpoint: what was delivered, and who waits for it."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.items, self.waiters = deque(), []

    def __repr__(self):
        return f"<Box {self.host.name}/{self.name}>"


class Timer:
    def __init__(self, when, act, maintenance):
        self.when, self.act, self.maintenance = when, act, maintenance


class Host:
    """A NetStack. `hooks` run in the middle of its machine, as traces do."""

    def __init__(self, name, runtime):
        self.name, self.runtime = name, runtime
        self.boxes = {}
        self.nic = None
        self.outbox, self.dirty = deque(), {}
        self.timers = []
        self.flushes = 0
        self.aborted = []
        self.on_frame = None
        self.on_flush = None
        self.now = 0.0
        runtime.add_stack(self)

    def box(self, name):
        return self.boxes.setdefault(name, Box(self, name))

    # NetStack

    def receive(self, interface, frame, offload):
        name, _, text = bytes(frame).decode().partition(":")
        if self.on_frame is not None:
            self.on_frame(name, text)
        self.deliver(name, text)

    def deliver(self, name, text):
        box = self.box(name)
        box.items.append(text)
        self.dirty[box] = None
        self.runtime.touch(self)

    def advance(self, now):
        self.now = now
        for timer in [timer for timer in self.timers if timer.when <= now]:
            self.timers.remove(timer)  # each for itself: one that fails leaves the others due
            timer.act()

    def next_deadline(self):
        return min((timer.when for timer in self.timers), default=None)

    def pending(self):
        return any(not timer.maintenance for timer in self.timers)

    def flush(self, now):
        self.flushes += 1
        if self.on_flush is not None:
            self.on_flush()
        while self.outbox and self.nic.transmit((self.outbox[0],), None):
            self.outbox.popleft()
        dirty, self.dirty = self.dirty, {}
        for box in dirty:
            for waiter in box.waiters:
                waiter.wake()

    def abort_current(self, error):
        self.aborted.append(error)

    def set_default(self, interface, dns):
        pass

    def close(self, linger=1.0):
        self.runtime.enter()
        try:
            if self.nic is not None:
                self.nic.driver.close()
            self.runtime.remove_stack(self)
        finally:
            self.runtime.leave()

    # what an application calls

    def after(self, delay, act, maintenance=False):
        """Under the gate, or not."""
        when = self.runtime.now() + delay
        self.under_gate(lambda: (self.timers.append(Timer(when, act, maintenance)), self.runtime.touch(self)))

    def under_gate(self, act):
        self.runtime.enter()
        try:
            return act()
        finally:
            self.runtime.leave()

    def send(self, name, text):
        def attempt():
            self.outbox.append(f"{name}:{text}".encode())
            self.runtime.touch(self)

        self.under_gate(attempt)

    def get(self, name, timeout=None):
        """Blocks; None after `timeout`."""
        runtime, box = self.runtime, self.box(name)
        deadline = None if timeout is None else runtime.now() + timeout
        runtime.enter()
        try:
            waiter = None
            while not box.items:
                waiter = waiter or runtime.waiter("get", box)
                box.waiters.append(waiter)
                try:
                    if not runtime.wait(waiter, deadline):
                        return None
                finally:
                    box.waiters.remove(waiter)
            return box.items.popleft()
        finally:
            runtime.leave()

    async def aget(self, name, timeout=None):
        runtime, box = self.runtime, self.box(name)
        deadline = None if timeout is None else runtime.now() + timeout
        runtime.enter()
        try:
            while not box.items:
                waiter = runtime.waiter("get", box)
                box.waiters.append(waiter)
                try:
                    if not await runtime.wait_async(waiter, deadline):
                        return None
                finally:
                    box.waiters.remove(waiter)
            return box.items.popleft()
        finally:
            runtime.leave()


class Nic:
    """An Attachment."""

    if_key, mac, mtu = "NIC", bytes(6), 1500

    def __init__(self, host, driver):
        self.host, self.driver = host, driver
        self.seen, self.errors, self.rooms = [], [], 0
        host.nic = self
        host.runtime.enter()
        try:
            self.port = host.runtime.add(host, self)
            driver.open(None, self.port)
        finally:
            host.runtime.leave()

    def transmit(self, buffers, offload):
        try:
            return self.driver.transmit(buffers, offload)
        except OSError as error:
            self.port.failed(error)
            return True

    def receive(self, frame, offload):
        self.seen.append(bytes(frame))
        self.host.receive(None, frame, offload)

    def writable(self):
        self.rooms += 1
        self.host.runtime.touch(self.host)

    def failed(self, error):
        self.errors.append(error)


class Driver:
    """What all toy drivers do alike."""

    port = None
    closed = False
    receive_error = None

    def open(self, want, port):
        self.port = port
        return want

    def fileno(self):
        return None

    def wants_write(self):
        return False

    def receive(self):
        return None

    def transmit(self, buffers, offload):
        return True

    def advance(self, now):
        pass

    def close(self):
        self.closed = True


class MemoryEnd(Driver):
    """One end of a wire in memory. `delay` puts a frame off, by `call_at`."""

    def __init__(self, room=1000, delay=0.0):
        self.peer = None
        self.inbox, self.late = deque(), deque()
        self.room, self.delay = room, delay

    def receive(self):
        if self.receive_error is not None:
            raise self.receive_error
        if not self.inbox:
            return None
        if len(self.inbox) == self.room:
            self.peer.port.writable()
        return self.inbox.popleft(), None

    def transmit(self, buffers, offload):
        frame = b"".join(buffers)
        if self.delay:
            when = self.port.now() + self.delay
            self.late.append((when, frame))
            self.port.call_at(self.late[0][0])
            return True
        return self.peer.take(frame)

    def take(self, frame):
        if len(self.inbox) >= self.room:
            return False
        self.inbox.append(frame)
        self.port.readable()
        return True

    def advance(self, now):
        while self.late and self.late[0][0] <= now:
            self.peer.take(self.late.popleft()[1])
        if self.late:
            self.port.call_at(self.late[0][0])


def memory_pair(**options):
    one, other = MemoryEnd(**options), MemoryEnd(**options)
    one.peer, other.peer = other, one
    return one, other


class SocketEnd(Driver):
    """A wire with a descriptor: one end of a datagram socketpair."""

    def __init__(self, end):
        self.end = end
        end.setblocking(False)
        self.late = deque()

    def fileno(self):
        return self.end.fileno()

    def wants_write(self):
        return bool(self.late)

    def receive(self):
        if self.receive_error is not None:
            raise self.receive_error
        try:
            return self.end.recv(65536), None
        except BlockingIOError:
            return None

    def transmit(self, buffers, offload):
        frame = b"".join(buffers)
        try:
            self.end.send(frame)
        except BlockingIOError:
            self.late.append(frame)
            self.port.watch()
        return True

    def advance(self, now):
        while self.late:
            try:
                self.end.send(self.late[0])
            except BlockingIOError:
                return
            self.late.popleft()
        self.port.watch()

    def close(self):
        self.closed = True
        self.end.close()


def socket_pair():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return SocketEnd(one), SocketEnd(other)


class PushDriver(Driver):
    """Somebody pushes frames, from any thread and without the gate."""

    def __init__(self):
        self.inbox = deque()

    def push(self, frame):
        self.inbox.append(frame)
        self.port.poke()

    def receive(self):
        return (self.inbox.popleft(), None) if self.inbox else None


def two_hosts(runtime, pair=memory_pair, **options):
    hosts = Host("anna", runtime), Host("bert", runtime)
    for host, driver in zip(hosts, pair(**options), strict=True):
        Nic(host, driver)
    return hosts
