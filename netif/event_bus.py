"""An event loop as esp_event has it: handlers by base and id, events posted to them in order.

Handlers `(arg, base, id, data)` run one at a time, in the order of registration, with the gate free, on the event
thread of whichever runtime posted. An event reaches everybody who is registered when its turn comes; none is lost.
Interfaces with `Netif.bus` post their events here under IP_EVENT. Refuses to know what an event means.
"""

from __future__ import annotations

import logging
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

import attrs

from netif.errors import InvalidArg
from netif.link import Runtime

logger = logging.getLogger(__name__)

IP_EVENT = "IP_EVENT"
ANY_BASE = None
ANY_ID = -1

Handler: TypeAlias = Callable[[Any, Any, Any, Any], object]  # (arg, base, id, data)


@attrs.frozen(eq=False)
class Registration:
    """What `register_instance` returns, for `unregister_instance`."""

    base: Any
    event_id: Any
    handler: Handler
    arg: Any

    def takes(self, base: Any, event_id: Any) -> bool:
        return self.base is ANY_BASE or (self.base == base and self.event_id in (ANY_ID, event_id))


class EventBus:
    """One such loop. `post` needs a runtime; without one it takes the process's default."""

    def __init__(self, runtime: Runtime | None = None) -> None:
        self.runtime = runtime
        self._registered: tuple[Registration, ...] = ()
        self._registering = allocate_lock()
        self._queue: deque[tuple[Any, Any, Any]] = deque()
        self._delivering = allocate_lock()

    def register(self, base: Any, event_id: Any, handler: Handler, arg: Any = None) -> None:
        """Call `handler(arg, base, id, data)` for each such event. Registered already, it gets another `arg`."""
        self._add(Registration(base, event_id, handler, arg), replaces=True)

    def register_instance(self, base: Any, event_id: Any, handler: Handler, arg: Any = None) -> Registration:
        """As `register`, as often as one likes: each is called, and each has an end of its own."""
        registration = Registration(base, event_id, handler, arg)
        self._add(registration, replaces=False)
        return registration

    def unregister(self, base: Any, event_id: Any, handler: Handler) -> None:
        """Call it no longer, not even for events that are under way. Unknown ones are ignored."""
        _check(base, event_id)
        key = (base, event_id, handler)
        with self._registering:
            self._registered = tuple(one for one in self._registered if _key(one) != key)

    def unregister_instance(self, registration: Registration) -> None:
        with self._registering:
            self._registered = tuple(one for one in self._registered if one is not registration)

    def post(self, base: Any, event_id: Any, data: Any = None) -> None:
        """From any thread, with the gate held or free; InvalidArg for ANY_BASE and ANY_ID."""
        if base is ANY_BASE or event_id == ANY_ID:
            raise InvalidArg("EventBus.post: an event has one base and one id; ANY is for handlers")
        runtime = self.runtime
        if runtime is None:
            from netif.runtime import default_runtime

            runtime = default_runtime()
        self.report(runtime, base, event_id, data)

    def report(self, runtime: Runtime, base: Any, event_id: Any, data: Any) -> None:
        """As `post`, from an interface of `runtime`."""
        if self._registered:
            self._queue.append((base, event_id, data))
            runtime.post(self._deliver)

    def close(self) -> None:
        """Forget all handlers, and what is under way."""
        with self._registering:
            self._registered = ()
            self._queue.clear()

    def _add(self, registration: Registration, *, replaces: bool) -> None:
        _check(registration.base, registration.event_id)
        if not callable(registration.handler) or iscoroutinefunction(registration.handler):
            raise InvalidArg(f"EventBus.register: {registration.handler!r} is no plain function (arg, base, id, data)")
        with self._registering:
            known = [_key(one) for one in self._registered]
            if replaces and (key := _key(registration)) in known:
                place = known.index(key)
                self._registered = (*self._registered[:place], registration, *self._registered[place + 1 :])
            else:
                self._registered = (*self._registered, registration)

    def _deliver(self) -> None:
        """All that is queued; if another thread is at it, it takes what is left too."""
        while self._queue and self._delivering.acquire(False):
            try:
                while (event := self._next()) is not None:
                    self._dispatch(*event)
            finally:
                self._delivering.release()

    def _next(self) -> tuple[Any, Any, Any] | None:
        with self._registering:  # another thread may close it just now
            return self._queue.popleft() if self._queue else None

    def _dispatch(self, base: Any, event_id: Any, data: Any) -> None:
        for registration in self._registered:
            if registration.takes(base, event_id) and registration in self._registered:
                try:
                    registration.handler(registration.arg, base, event_id, data)
                except Exception:
                    logger.exception("a handler of %s %s raised", base, event_id)


def _key(registration: Registration) -> tuple[Any, Any, Handler]:
    return registration.base, registration.event_id, registration.handler


def _check(base: Any, event_id: Any) -> None:
    if base is ANY_BASE and event_id != ANY_ID:
        raise InvalidArg(f"EventBus: ANY_BASE with the id {event_id!r}; an id belongs to one base, so take ANY_ID")
