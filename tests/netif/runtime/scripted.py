"""A scheduler under the test's thumb: locks, a poller and a clock for a runtime whose threads run one at a time.

Threads are real, but each stops where it would sleep, and goes on when the test says so: `run` (what it slept for has
come), or `expire` (its time-out has). With `fine`, each stops before every operation on a lock or the poller as well,
so that `explore` can try orders nobody would think of.
"""

from __future__ import annotations

import threading
from math import inf

PATIENCE = 20  # real seconds for a thread to come to its next stop: only a broken test waits so long


class Strand:
    def __init__(self, name):
        self.name = name
        self.go = threading.Semaphore(0)
        self.where = "new"
        self.ready = lambda: True
        self.deadline = None
        self.timeout = None
        self.expired = False
        self.error = None


class Machine:
    def __init__(self, fine=False):
        self.fine = fine
        self.now = 100.0
        self.strands = {}
        self.by_ident = {}
        self.back = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.pollers = []
        self.over = False

    # what the runtime is given

    def clock(self):
        return self.now

    def new_lock(self):
        return ScriptedLock(self)

    def new_poller(self):
        self.pollers.append(ScriptedPoller(self))
        return self.pollers[-1]

    @property
    def poller(self):
        return self.pollers[-1]

    # the threads' side

    def stop(self, where, ready, timeout=None):
        """Called by a thread that may sleep; answers False if its time-out has come."""
        strand = self.by_ident.get(threading.get_ident())
        if self.over:
            return ready()
        if strand is None:
            if threading.current_thread() is threading.main_thread():
                assert ready(), f"the test itself would sleep: {where}"
                return True
            strand = self.adopt(threading.current_thread().name)
        strand.where, strand.ready, strand.timeout = where, ready, timeout
        strand.deadline = None if timeout is None else self.now + timeout
        self.give_back(strand)
        if self.over:
            return ready()
        expired, strand.expired = strand.expired, False
        strand.where = "running"
        return not expired

    def give_back(self, strand):
        with self.lock:
            newcomer = not hasattr(strand, "known")
            strand.known = True
            self.arrived.notify_all()
        if not newcomer:
            self.back.release()
        strand.go.acquire()

    def adopt(self, name):
        strand = Strand(name)
        with self.lock:
            self.strands[name] = strand
            self.by_ident[threading.get_ident()] = strand
        return strand

    # the test's side

    def start(self, name, fn):
        """A thread that stands at its start until it is run."""

        def body():
            strand = self.adopt(name)
            self.stop("start", lambda: True)
            try:
                strand.result = fn()
            except BaseException as error:
                strand.error = error
            strand.where = "ended"
            if not self.over:
                self.back.release()

        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        self.await_stop(name)
        return thread

    def await_stop(self, name):
        """Until a thread that somebody else started stands at its first stop."""
        with self.lock:
            assert self.arrived.wait_for(lambda: hasattr(self.strands.get(name), "known"), PATIENCE), name

    def where(self, name):
        return self.strands[name].where

    def timeout(self, name):
        return self.strands[name].timeout

    def can_run(self, name):
        strand = self.strands[name]
        return strand.where != "ended" and strand.ready()

    def run(self, name):
        """Let it go on to its next stop; what it sleeps for has come."""
        assert self.can_run(name), f"{name} sleeps: {self.where(name)}"
        self.resume(self.strands[name])

    def run_while_it_can(self, *names):
        while any(self.can_run(name) for name in names):
            for name in names:
                if self.can_run(name):
                    self.run(name)

    def expire(self, name):
        """Let its time-out come."""
        strand = self.strands[name]
        assert strand.deadline is not None, f"{name} sleeps without time-out"
        assert not strand.ready(), f"{name} has what it slept for"
        self.now = max(self.now, strand.deadline)
        strand.expired = True
        self.resume(strand)

    def resume(self, strand):
        strand.go.release()
        assert self.back.acquire(timeout=PATIENCE), f"{strand.name} came to no stop"
        if strand.error is not None:
            raise strand.error

    def explore(self, dice, done, limit=20000):
        """Run whoever can, at random; time moves when nobody can, or now and then. Somebody must always be able to."""
        for _ in range(limit):
            if done():
                return
            able = sorted(name for name in self.strands if self.can_run(name))
            asleep = [s for s in self.strands.values() if s.where != "ended" and not s.ready()]
            timed = [s for s in asleep if s.deadline is not None]
            if able and not (timed and dice.random() < 0.02):
                self.run(dice.choice(able))
            elif timed:
                self.expire(min(timed, key=lambda s: (s.deadline, s.name)).name)
            else:
                raise AssertionError("all sleep for ever: " + ", ".join(f"{s.name}: {s.where}" for s in asleep))
        raise AssertionError("no end in sight")

    def end(self):
        """The scheduler steps back: from now on locks and poller work by real time, a little at a time."""
        self.over = True
        for strand in self.strands.values():
            strand.go.release()


class ScriptedLock:
    def __init__(self, machine):
        self.machine = machine
        self.taken = False
        self.guard = threading.Lock()

    def take(self):
        with self.guard:
            if self.taken:
                return False
            self.taken = True
            return True

    def acquire(self, blocking=True, timeout=-1):
        machine = self.machine
        if machine.fine:
            machine.stop("before a lock", lambda: True)
        if not blocking:
            return self.take()
        while not self.take():
            if machine.over:
                threading.Event().wait(0.0005)
                if timeout >= 0:
                    return self.take()
            elif not machine.stop("lock", lambda: not self.taken, None if timeout < 0 else timeout):
                return self.take()
        return True

    def release(self):
        if self.machine.fine:
            self.machine.stop("before a release", lambda: True)
        if not self.taken:
            raise RuntimeError("release of a lock that nobody holds")
        self.taken = False


class ScriptedPoller:
    def __init__(self, machine):
        self.machine = machine
        self.events = {}
        self.woken = False
        self.wakes = 0
        self.polls = 0
        self.polling = 0
        self.watched = {}
        self.closed = False

    def watch(self, fd, write):
        self.watched[fd] = write

    def forget(self, fd):
        self.watched.pop(fd, None)
        self.events.pop(fd, None)

    def poll(self, timeout):
        machine = self.machine
        if machine.fine:
            machine.stop("before the poll", lambda: True)
        self.polls += 1
        self.polling += 1
        assert self.polling == 1, "two threads poll"
        if machine.over:
            threading.Event().wait(0.001)
        elif timeout is None or timeout > 0:
            machine.stop("poll", lambda: bool(self.woken or self.events), None if timeout == inf else timeout)
        self.polling -= 1
        self.woken = False
        return list(self.events.items())

    def wake(self):
        if self.machine.fine:
            self.machine.stop("before a wake", lambda: True)
        self.wakes += 1
        self.woken = True

    def close(self):
        self.closed = True
