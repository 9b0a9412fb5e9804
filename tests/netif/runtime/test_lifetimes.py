"""What a runtime takes from the process it gives back: threads, descriptors, memory, handlers; also in a fork."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import subprocess
import sys
import threading
import tracemalloc

import pytest

from netif.runtime import (
    AsyncioRuntime,
    ThreadedRuntime,
    VirtualRuntime,
    close_default_runtime,
    default_runtime,
)
from netif.runtime.poller import EpollPoller, SelectorPoller
from tests.netif.runtime.children import in_a_child
from tests.netif.runtime.toys import Host, memory_pair, socket_pair, two_hosts


def descriptors():
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture
def nothing_left():
    """Compare what the process holds before and after."""
    gc.collect()
    before = descriptors(), set(threading.enumerate()), signal.getsignal(signal.SIGINT)
    yield
    gc.collect()
    assert (descriptors(), set(threading.enumerate()), signal.getsignal(signal.SIGINT)) == before


def test_threads_and_descriptors_start_with_the_first_stack_and_end_with_the_last(nothing_left):
    fds, threads = descriptors(), threading.active_count()
    runtime = ThreadedRuntime()
    assert (descriptors(), threading.active_count()) == (fds, threads)
    anna, bert = two_hosts(runtime)
    assert threading.active_count() == threads + 1
    assert len(descriptors()) == len(fds) + 2
    anna.close()
    assert threading.active_count() == threads + 1
    bert.close()
    assert (descriptors(), threading.active_count()) == (fds, threads)


def test_the_event_thread_is_not_there_before_an_event_is(nothing_left):
    runtime = ThreadedRuntime()
    anna, _ = two_hosts(runtime)
    before = threading.active_count()
    ran = threading.Event()
    anna.under_gate(lambda: runtime.post(ran.set))
    assert ran.wait(10)
    assert threading.active_count() == before + 1
    runtime.close()


def life_in_a_thread(n, pair):
    runtime = ThreadedRuntime()
    anna, bert = two_hosts(runtime, pair)
    reader = runtime.spawn(lambda: bert.get("in"))
    runtime.spawn(lambda: bert.get("never"))
    runtime.post(lambda: anna.send("in", str(n)))
    runtime.run_until(reader.done, 10)
    assert reader.result() == str(n)
    if n % 2:
        anna.close()
        bert.close()
    runtime.close()


def life_in_virtual_time(n, pair):
    runtime = VirtualRuntime(seed=n)
    anna, bert = two_hosts(runtime, memory_pair)
    reader = runtime.spawn(lambda: bert.get("in"))
    runtime.spawn(lambda: bert.get("never"))
    runtime.post(lambda: anna.send("in", str(n)))
    runtime.run_until(reader.done, 10)
    assert reader.result() == str(n)
    runtime.close()


def life_on_a_loop(n, pair):
    import asyncio

    async def main():
        runtime = AsyncioRuntime()
        anna, bert = two_hosts(runtime, pair)
        reader = runtime.spawn(lambda: bert.get("in"))
        runtime.post(lambda: anna.send("in", str(n)))
        assert await reader == str(n)
        runtime.close()

    asyncio.run(main())


@pytest.mark.parametrize("pair", [memory_pair, socket_pair])
@pytest.mark.parametrize("life", [life_in_a_thread, life_in_virtual_time, life_on_a_loop])
def test_a_hundred_lives_leave_nothing_behind(nothing_left, life, pair):
    for n in range(10):
        life(n, pair)
    gc.collect()
    tracemalloc.start()
    try:
        for n in range(10):
            life(n, pair)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for n in range(100):
            life(n, pair)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 64 * 1024


def test_stacks_that_come_and_go_leave_nothing_in_a_runtime_that_stays(threaded):
    two_hosts(threaded)

    def life(n):
        anna, bert = two_hosts(threaded)
        anna.after(7200, lambda: None)
        anna.send("in", "x")
        anna.close()
        bert.close()

    for n in range(20):
        life(n)
    gc.collect()
    before = len(gc.get_objects())
    for n in range(100):
        life(n)
    gc.collect()
    assert len(gc.get_objects()) - before < 200


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def runtime_of_each_poller(request, nothing_left):
    runtime = ThreadedRuntime(poller=request.param)
    yield runtime
    runtime.close()


def test_both_pollers_do(runtime_of_each_poller):
    runtime = runtime_of_each_poller
    anna, bert = two_hosts(runtime, socket_pair)
    reader = runtime.spawn(lambda: [bert.get("in") for _ in range(50)])

    def write():
        for n in range(50):
            anna.send("in", str(n))
            runtime.sleep(0.0002)

    runtime.spawn(write)
    runtime.run_until(reader.done, 10)
    assert reader.result() == [str(n) for n in range(50)]
    quick = runtime.spawn(lambda: anna.get("never", 0.01))
    runtime.run_until(quick.done, 10)
    anna.under_gate(lambda: runtime.remove(anna.nic))
    anna.nic.driver.close()
    runtime.run_until(lambda: bool(bert.nic.seen), 10)


def test_idle_costs_no_wake_up(nothing_left):
    reading, leading = [], threading.Event()

    class Counting(EpollPoller):
        polls = 0

        def poll(self, timeout):
            self.polls += 1
            if threading.get_ident() in reading:
                leading.set()
            return super().poll(timeout)

    def read():
        reading.append(threading.get_ident())
        return bert.get("in")

    made = []
    runtime = ThreadedRuntime(poller=lambda: made.append(Counting()) or made[0])
    anna, bert = two_hosts(runtime, socket_pair)
    reader = runtime.spawn(read)
    assert leading.wait(10)
    runtime.run_for(0.02)  # for the background thread to fall asleep; it does not poll for that
    polls, cpu = made[0].polls, sum(os.times()[:2])
    runtime.run_for(0.3)
    assert made[0].polls == polls
    assert sum(os.times()[:2]) - cpu <= 0.02
    anna.send("in", "hello")
    runtime.run_until(reader.done, 10)
    runtime.close()


def test_the_default_runtime_is_one_until_it_is_closed(nothing_left):
    one = default_runtime()
    assert default_runtime() is one
    Host("anna", one)
    close_default_runtime()
    assert one.closed
    another = default_runtime()
    assert another is not one
    close_default_runtime()
    close_default_runtime()


def test_closing_a_runtime_ends_calls_of_any_thread(nothing_left):
    runtime = ThreadedRuntime()
    anna, _ = two_hosts(runtime)
    ended = []

    def call():
        try:
            anna.get("never")
        except OSError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    runtime.run_for(0.02)
    runtime.close()
    for thread in threads:
        thread.join(10)
    assert len(ended) == 3
    assert all("closed" in text for text in ended)


def test_a_handler_may_close_its_runtime(nothing_left):
    runtime = ThreadedRuntime()
    two_hosts(runtime)
    closed = threading.Event()
    runtime.post(lambda: (runtime.close(), closed.set()))
    assert closed.wait(10)
    for thread in threading.enumerate():
        if thread.name == "netif events":
            thread.join(10)
    two_hosts(another := ThreadedRuntime())  # only the main thread can put the signal handler back
    another.close()


def test_the_last_stack_may_go_while_a_caller_leads(nothing_left):
    runtime = ThreadedRuntime()
    for turn in range(10):
        hosts = two_hosts(runtime)
        thread = threading.Thread(target=lambda host=hosts[1]: host.get("never", 0.1))
        thread.start()
        runtime.run_for(0.006)
        for host in hosts:
            host.close()
        if turn % 2:  # others come while it still waits
            anna, bert = two_hosts(runtime, socket_pair)
            anna.send("in", "hello")
            runtime.run_until(lambda bert=bert: bool(bert.nic.seen), 5)
            for host in (anna, bert):
                host.close()
        thread.join(10)
        assert not thread.is_alive()
    runtime.close()


def test_a_descriptor_closed_and_opened_again_under_its_number_is_polled_again(runtime_of_each_poller):
    runtime = runtime_of_each_poller
    anna, _ = two_hosts(runtime, socket_pair)
    far, near = socket_pair()
    number = anna.nic.driver.fileno()

    def replace():
        os.dup2(near.fileno(), number)  # as if it had reconnected
        anna.nic.port.watch()

    anna.under_gate(replace)
    far.end.send(b"in:hello")
    runtime.run_until(lambda: bool(anna.nic.seen), 5)
    for end in (far, near):
        end.close()


def test_a_signal_handler_that_raises_in_a_sleeping_call_leaves_the_gate_whole(nothing_left):
    class AlarmError(Exception):
        pass

    def ring(signum, frame):
        raise AlarmError

    runtime = ThreadedRuntime()
    anna, bert = two_hosts(runtime)
    found = signal.signal(signal.SIGALRM, ring)
    try:
        for call in (lambda: anna.get("never", 10), lambda: runtime.sleep(10), lambda: anna.get("never", 10)):
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            with pytest.raises(AlarmError):
                call()
            anna.under_gate(lambda: None)
    finally:
        signal.signal(signal.SIGALRM, found)
    anna.send("in", "hello")
    assert bert.nic.seen == [b"in:hello"]
    runtime.close()


class TestFork:
    @pytest.fixture(params=["threaded", "virtual"])
    def runtime(self, request):
        return request.getfixturevalue(request.param)

    @pytest.fixture
    def default_ctrl_c(self):
        """Whatever came before: a runtime that another thread has closed leaves its handler to the next signal."""
        found = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, found)

    def test_calls_in_a_child_raise_and_the_parent_goes_on(self, runtime):
        anna, bert = two_hosts(runtime)
        anna.send("in", "before")

        def check():
            for call in (lambda: anna.send("in", "x"), lambda: anna.get("in"), lambda: runtime.sleep(0.1)):
                with pytest.raises(OSError, match="parent"):
                    call()
            with pytest.raises((OSError, RuntimeError)):
                Host("late", runtime)
            runtime.post(lambda: None)
            runtime.close()

        in_a_child(check)
        anna.send("in", "after")
        assert list(bert.box("in").items) == ["before", "after"]

    def test_a_child_lets_go_of_the_descriptors(self, threaded):
        anna, bert = two_hosts(threaded, socket_pair)
        numbers = [host.nic.driver.fileno() for host in (anna, bert)]

        def check():
            for number in numbers:
                assert os.readlink(f"/proc/self/fd/{number}") == os.devnull
            assert not any("eventpoll" in os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors_of_now())

        def descriptors_of_now():
            return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]

        in_a_child(check)
        reader = threaded.spawn(lambda: bert.get("in"))
        threaded.spawn(lambda: anna.send("in", "hello"))
        threaded.run_until(reader.done, 10)
        assert reader.result() == "hello"

    def test_a_child_may_have_a_runtime_of_its_own(self, default_ctrl_c, threaded):
        two_hosts(threaded)
        default = default_runtime()
        Host("parents", default)

        def check():
            own = default_runtime()
            assert own is not default
            anna, bert = two_hosts(own, socket_pair)
            reader = own.spawn(lambda: bert.get("in"))
            own.spawn(lambda: anna.send("in", "hello"))
            own.run_until(reader.done, 10)
            assert reader.result() == "hello"
            close_default_runtime()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

        in_a_child(check)
        close_default_runtime()

    def test_a_child_of_a_runtime_in_use(self, threaded):
        anna, bert = two_hosts(threaded, socket_pair)
        threaded.spawn(lambda: bert.get("never"))
        readers = [threaded.spawn(lambda: [bert.get("in") for _ in range(100)])]
        threaded.spawn(lambda: [anna.send("in", str(n)) for n in range(100)])

        def check():
            with pytest.raises(OSError, match="parent"):
                anna.send("in", "x")

        for _ in range(5):
            in_a_child(check)
        threaded.run_until(readers[0].done, 10)


LEFT_OPEN = """
import sys, threading
from netif.runtime import ThreadedRuntime
from tests.netif.runtime.toys import socket_pair, two_hosts
runtime = ThreadedRuntime()
anna, bert = two_hosts(runtime, socket_pair)
runtime.spawn(lambda: bert.get("never"))
close = anna.close
def closing(linger=1.0):
    print("closed", flush=True)
    runtime.post(lambda: None)
    close()
anna.close = closing
runtime.post(lambda: None)
"""


LEFT_BEHIND = """
from netif.runtime import ThreadedRuntime
runtime = ThreadedRuntime()
class Last:
    post = runtime.post
    def __del__(self):
        self.post(lambda: None)
Last.it = Last()
runtime.close()
print("closed")
"""


@pytest.mark.parametrize("program", [LEFT_OPEN, LEFT_BEHIND])
def test_what_is_left_open_is_closed_at_exit(program):
    """Without a word: what a finalizer posts then is too late (Python 3.12 starts no thread any more)."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("closed\n", "", 0)


def test_a_closed_runtime_is_forgotten_by_the_process(nothing_left):
    runtime = ThreadedRuntime()
    two_hosts(runtime)
    runtime.close()
    assert atexit.unregister(runtime.close) is None
