"""The event thread: runs posted handlers in order, one at a time, with the gate free.

Knows the queue of one runtime. Refuses to start before there is something in it, or to wake while it is empty.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock, get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netif.runtime.crank import Crank


JOIN_TIMEOUT = 2.0  # seconds


class EventThread:
    """Started when something is posted, ended by `stop` when the queue is empty; may be started again."""

    def __init__(self, crank: Crank) -> None:
        self._crank = crank
        self._lock = allocate_lock()
        self._lock.acquire()
        self._thread: threading.Thread | None = None
        self._barred = False

    def rouse(self) -> bool:
        """Something was posted; False: there is no thread yet. From anywhere, a finalizer included."""
        if self._thread is None:
            return False
        self._signal()
        return True

    def wanted(self) -> bool:
        """There is something to do, and no thread to do it."""
        return bool(self._crank.posted) and self._thread is None and not self._barred

    def start(self) -> None:
        """Start the thread if it is wanted. Not from a finalizer; one caller at a time."""
        if self.wanted():
            thread = self._thread = threading.Thread(target=self._run, name="netif events", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending and starts no more threads: close() runs what is left
                self._thread = None
                self._barred = True
            else:
                self._signal()

    def stop(self) -> None:
        """Deliver what is queued, then end. From the event thread itself: end when the handler returns."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._signal()
            if thread.ident != get_ident():
                thread.join(JOIN_TIMEOUT)  # a handler may be stuck in something of its own

    def _signal(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:  # signalled already
            pass

    def _run(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            self._lock.acquire()
            self._crank.run_posted()
