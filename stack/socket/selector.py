"""`selectors` for sockets of ours: one thread waits for many of them, and is told which may go on.

The stdlib's names, exceptions and meaning: level-triggered, as its EpollSelector. A registered socket's endpoint holds
a Watch; its flush marks the Watch ready and wakes who selects; `select` looks at those alone, so that what it costs
grows with what is ready, not with what is registered, and nobody wakes for nothing. Two things differ: a key's `fd` is
-1, for no descriptor is needed, nor made (with those of `fileno()` the stdlib's selectors serve our sockets too); and a
socket that was closed while registered is ready, as PollSelector has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any

from netif.link import Runtime, Waiter
from netif.runtime import default_runtime
from stack.endpoint import Endpoint, Onlooker
from stack.socket.waiting import Waiting


class Watch(Onlooker):
    """One registered socket. It stands in the lists of its endpoint while nothing is ready."""

    __slots__ = ("core", "endpoint", "key", "selector", "socket", "wanted")

    def __init__(self, selector: Selector, socket: Waiting, key: SelectorKey) -> None:
        self.selector = selector
        self.socket = socket
        self.core = socket._core
        self.key = key
        self.wanted = key.events
        self.endpoint: Endpoint | None = None  # whose lists it was put in last

    def wake(self) -> None:
        self.selector._stir(self)

    def events(self) -> int:
        """What would not block now, of what was asked for."""
        wanted, core = self.wanted, self.core
        if core.endpoint is None or self.socket._closed:  # EPOLLHUP: neither connected nor listening; or POLLNVAL
            return wanted
        ready = EVENT_READ if wanted & EVENT_READ and core.readable() else 0
        if wanted & EVENT_WRITE and core.writable():
            ready |= EVENT_WRITE
        return ready

    def enlist(self) -> None:
        """Be woken by the next that happens; one side may still hold it since the other woke it."""
        endpoint = self.endpoint = self.core.endpoint
        assert endpoint is not None
        wanted = self.wanted
        if wanted & EVENT_READ and (endpoint.readers is None or self not in endpoint.readers):
            endpoint.wait_readable(self)
        if wanted & EVENT_WRITE and (endpoint.writers is None or self not in endpoint.writers):
            endpoint.wait_writable(self)

    def withdraw(self) -> None:
        if self.endpoint is not None:
            self.endpoint.forget(self)
            self.endpoint = None


class Keys(Mapping[Any, SelectorKey]):
    """What `get_map` answers: the keys by their sockets."""

    def __init__(self, watches: dict[Any, Watch]) -> None:
        self._watches = watches

    def __len__(self) -> int:
        return len(self._watches)

    def __getitem__(self, fileobj: Any) -> SelectorKey:
        return self._watches[fileobj].key

    def __iter__(self) -> Iterator[Any]:
        return iter(self._watches)


class Selector(BaseSelector):
    """For sockets of any stacks, as long as all of them belong to one runtime."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None  # of what is registered, or was last
        self._watches: dict[Any, Watch] = {}
        self._keys: Keys | None = Keys(self._watches)
        self._ready: dict[Watch, None] = {}  # woken, and not found idle since
        self._sleepers: list[Waiter] = []  # one for each thread in `select`
        self._spare: Waiter | None = None  # of the last that woke, for the next

    def __repr__(self) -> str:
        return f"<Selector of {len(self._watches)} sockets{', closed' if self._keys is None else ''}>"

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Raises ValueError (`events`; a closed socket, one of another runtime or of the kernel), KeyError (it is
        registered already)."""
        socket = self._checked(fileobj, events)
        if fileobj in self._watches:
            raise KeyError(f"{fileobj!r} is already registered")
        runtime = socket._runtime
        if runtime is not self._runtime:
            self._runtime, self._spare = runtime, None
        key = SelectorKey(fileobj, -1, events, data)
        runtime.enter()
        try:
            watch = self._watches[fileobj] = Watch(self, socket, key)
            self._stir(watch)  # `select` finds out whether it is ready now
        finally:
            runtime.leave()
        return key

    def _checked(self, fileobj: Any, events: int) -> Waiting:
        self._check_open()
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        if not isinstance(fileobj, Waiting):
            raise ValueError(
                f"Invalid file object: {fileobj!r} is no socket of a stack of ours: the kernel's need selectors'"
                " DefaultSelector"
            )
        if fileobj._closed:
            raise ValueError(f"Invalid file object: {fileobj!r}")
        if (self._watches or self._sleepers) and fileobj._runtime is not self._runtime:
            raise ValueError(f"{fileobj!r} belongs to another runtime than what is here: use a selector for each")
        return fileobj

    def _check_open(self) -> None:
        if self._keys is None:
            raise ValueError("I/O operation on closed selector")

    def unregister(self, fileobj: Any) -> SelectorKey:
        """A closed socket too. Raises KeyError."""
        watch = self._watches.get(fileobj)
        if watch is None:
            raise KeyError(f"{fileobj!r} is not registered")
        runtime = watch.socket._runtime
        runtime.enter()
        try:
            self._watches.pop(fileobj, None)
            self._ready.pop(watch, None)
            watch.withdraw()
        finally:
            runtime.leave()
        return watch.key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Raises KeyError, ValueError."""
        watch = self._watches.get(fileobj)
        if watch is None:
            raise KeyError(f"{fileobj!r} is not registered")
        key = watch.key
        if events == key.events:
            if data != key.data:
                watch.key = key._replace(data=data)
            return watch.key
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        runtime = watch.socket._runtime
        runtime.enter()
        try:
            watch.withdraw()
            watch.key = key._replace(events=events, data=data)
            watch.wanted = events
            self._stir(watch)
        finally:
            runtime.leave()
        return watch.key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Those that are ready, and for what; [] after `timeout` seconds, or when another thread closes the selector.

        Raises ValueError if it is closed, RuntimeError where nobody may wait: on an asyncio runtime's own thread, in a
        virtual one's program outside of spawned functions, in a hook.
        """
        self._check_open()
        runtime = self._runtime
        if runtime is None:  # time is to pass, or another thread will register something
            runtime = self._runtime = default_runtime()
        runtime.enter()
        try:
            found = self._found() if self._ready else []
            if found or (timeout is not None and timeout <= 0):
                return found
            return self._wait(runtime, timeout)
        finally:
            runtime.leave()

    def _wait(self, runtime: Runtime, timeout: float | None) -> list[tuple[SelectorKey, int]]:
        deadline = None if timeout is None else runtime.now() + timeout
        waiter, self._spare = self._spare, None
        if waiter is None:
            waiter = runtime.waiter("select", self)
        self._sleepers.append(waiter)
        try:
            while True:
                woken = runtime.wait(waiter, deadline)
                found = self._found()
                if found or not woken or self._keys is None:
                    return found
        finally:
            self._sleepers.remove(waiter)
            self._spare = waiter

    def _found(self) -> list[tuple[SelectorKey, int]]:
        ready = self._ready
        found = []
        for watch in list(ready):
            events = watch.events()
            if events:
                found.append((watch.key, events))
            else:
                del ready[watch]
                watch.enlist()
        return found

    def _stir(self, watch: Watch) -> None:
        """It may be ready: whoever selects shall look. The gate is held."""
        self._ready[watch] = None
        for waiter in self._sleepers:
            waiter.wake()

    def close(self) -> None:
        """Forget all; a thread that selects comes back. Idempotent."""
        if self._keys is None:
            return
        self._keys = None
        runtime = self._runtime
        if runtime is None:
            return
        runtime.enter()
        try:
            for watch in self._watches.values():
                watch.withdraw()
            self._watches.clear()
            self._ready.clear()
            for waiter in self._sleepers:
                waiter.wake()
        finally:
            runtime.leave()

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """The keys by their sockets; None once closed, as the stdlib's."""
        return self._keys  # type: ignore[return-value]
