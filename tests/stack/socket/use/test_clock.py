"""`netif.use(host, clock=True)`: programs that know nothing of virtual time, in it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import select
import selectors
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest

import netif
from components.lan import Lan
from netif.runtime import Deadlock
from stack import Stack
from stack.socket.use.clock import EPOCH


@pytest.fixture
def lan():
    with Lan(seed=7) as lan:
        yield lan


@pytest.fixture
def host(lan):
    return lan.host("host")


def spawned(host, fn):
    """What `fn` returns as a program of this host, in its time."""
    lan = host.lan

    def program():
        with netif.use(host, clock=True):
            return fn()

    task = host.spawn(program)
    lan.run_until(task.done, 1e6)
    return task.result()


class TestTime:
    def test_the_clocks_are_the_runtimes(self, host):
        def program():
            began = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns(), time.time_ns()
            time.sleep(3600)
            ended = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns(), time.time_ns()
            return [after - before for before, after in zip(began, ended, strict=True)]

        assert spawned(host, program) == [3600, 3600, 3600, 3600 * 10**9, 3600 * 10**9]

    def test_the_date_is_the_same_at_every_run(self, lan, host):
        assert spawned(host, lambda: time.time()) == EPOCH + lan.now()

    def test_a_class_may_keep_a_clock(self, host):
        """The stdlib's are builtins, which are no methods."""

        def program():
            class Keeps:
                now, pause, poller = time.monotonic, time.sleep, select.poll

            began = Keeps().now()
            Keeps().pause(60)
            assert Keeps().poller().poll(1000) == []
            return Keeps().now() - began

        assert spawned(host, program) == 61

    def test_the_programs_own_thread_may_wait(self, lan, host):
        ticks = []

        def other():
            for _ in range(3):
                lan.sleep(1)
                ticks.append(lan.now())

        host.spawn(other)
        with netif.use(host, clock=True):
            time.sleep(2.5)
            assert ticks == [1, 2]
        assert lan.now() == 2.5

    def test_a_lan_sleeps_for_whoever_may_wait(self, lan, host):
        with netif.use(host, clock=True):
            lan.sleep(5)
        assert lan.now() == 5
        with pytest.raises(RuntimeError, match="spawned"):
            lan.sleep(5)

    def test_outside_of_the_scope_time_is_the_stdlibs(self, host):
        names = ["time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"]
        before = {name: getattr(time, name) for name in names}
        with netif.use(host, clock=True):
            inside = time.monotonic()
            elsewhere = []
            with netif.use(None):
                elsewhere.append(time.monotonic())
        assert inside == 0
        assert elsewhere[0] > 0
        assert {name: getattr(time, name) for name in names} == before

    def test_every_name_is_restored(self, host):
        places = (time, threading, queue, select, selectors, threading.Thread, asyncio, asyncio.events)
        before = [dict(vars(place)) for place in places]
        with netif.use(host, clock=True), netif.use(host, clock=True), netif.use(host):
            assert vars(threading)["Lock"] is not before[1]["Lock"]
        assert [dict(vars(place)) for place in places] == before

    def test_a_scope_inside_leaves_time_as_it_was(self, lan, host):
        other = lan.host("other")
        with netif.use(host, clock=True), netif.use(other):
            time.sleep(5)
        assert lan.now() == 5

    def test_modules_that_took_a_name_before_are_listed(self, host):
        import types

        module = types.ModuleType("program")
        module.now, module.Lock, module.pause = time.monotonic, threading.Lock, time.sleep
        before = dict(vars(module))
        with netif.use(host, clock=True, modules=[module]):
            module.pause(7)
            assert module.now() == 7
            module.Lock().acquire(timeout=1)
        assert dict(vars(module)) == before

    def test_a_real_clock_is_refused_in_one_line(self):
        with Stack("real") as stack, pytest.raises(ValueError, match="needs a host on a virtual clock") as it:
            netif.use(stack, clock=True)
        assert "\n" not in str(it.value)


class TestThreads:
    def test_they_take_turns_in_virtual_time(self, host):
        def program():
            log = []

            def run(name, seconds):
                for _ in range(3):
                    time.sleep(seconds)
                    log.append((name, time.monotonic()))

            threads = [threading.Thread(target=run, args=pair) for pair in (("slow", 3), ("fast", 2))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not any(thread.is_alive() for thread in threads)
            return log

        assert spawned(host, program) == [
            ("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6), ("fast", 6), ("slow", 9),
        ]  # fmt: skip

    def test_a_join_may_run_out_of_time(self, host):
        def program():
            thread = threading.Thread(target=time.sleep, args=(10,))
            thread.start()
            thread.join(4)
            return time.monotonic(), thread.is_alive(), thread.join(), time.monotonic()

        assert spawned(host, program) == (4, True, None, 10)

    def test_a_thread_started_by_the_programs_own(self, lan, host):
        with netif.use(host, clock=True):
            thread = threading.Thread(target=time.sleep, args=(10,))
            thread.start()
            thread.join()
        assert lan.now() == 10

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_what_they_raise_goes_to_the_hook(self, host, monkeypatch):
        seen = []
        monkeypatch.setattr(threading, "excepthook", lambda args: seen.append((args.exc_type, args.thread.name)))

        def program():
            thread = threading.Thread(target=lambda: 1 / 0, name="divider")
            thread.start()
            thread.join()
            return "on"

        assert spawned(host, program) == "on"
        assert seen == [(ZeroDivisionError, "divider")]

    def test_a_timer_fires(self, host):
        def program():
            fired = []
            timer = threading.Timer(30, lambda: fired.append(time.monotonic()))
            never = threading.Timer(20, lambda: fired.append("never"))
            timer.start()
            never.start()
            never.cancel()
            timer.join()
            return fired

        assert spawned(host, program) == [30]

    def test_threads_that_never_end_end_with_the_lan(self):
        before = threading.active_count()
        with Lan(seed=7) as lan:
            host = lan.host("host")
            with netif.use(host, clock=True):
                threading.Thread(target=threading.Event().wait, daemon=True).start()
                time.sleep(1)
        assert threading.active_count() == before


class TestWaiting:
    def test_an_event_is_set_or_not(self, host):
        def program():
            event = threading.Event()
            threading.Timer(5, event.set).start()
            return event.wait(3), time.monotonic(), event.wait(3), time.monotonic()

        assert spawned(host, program) == (False, 3, True, 5)

    def test_a_lock_is_waited_for(self, host):
        def program():
            lock, log = threading.Lock(), []

            def hold(name, seconds):
                with lock:
                    log.append((name, time.monotonic()))
                    time.sleep(seconds)

            for name in "abc":
                threading.Thread(target=hold, args=(name, 10)).start()
            time.sleep(1)
            return lock.acquire(timeout=4), time.monotonic(), lock.acquire(), time.monotonic(), log

        ends = spawned(host, program)
        assert ends == (False, 5, True, 30, [("a", 0), ("b", 10), ("c", 20)])

    def test_a_lock_says_what_the_stdlibs_says(self, host):
        def program():
            lock = threading.Lock()
            assert lock.acquire()
            assert lock.locked()
            assert not lock.acquire(False)
            for arguments in ((False, 1), (True, -2), (True, 1e20)):
                with pytest.raises((ValueError, OverflowError)):
                    lock.acquire(*arguments)
            lock.release()
            with pytest.raises(RuntimeError):
                lock.release()

        spawned(host, program)

    def test_conditions_semaphores_barriers_and_their_like(self, host):
        def program():
            condition, semaphore, barrier = threading.Condition(), threading.Semaphore(0), threading.Barrier(2)
            reached = []

            def helper():
                time.sleep(2)
                with condition:
                    condition.notify()
                time.sleep(2)
                semaphore.release()
                time.sleep(2)
                barrier.wait()
                reached.append(time.monotonic())

            threading.Thread(target=helper).start()
            with condition:
                assert condition.wait(10)
            reached.append(time.monotonic())
            assert semaphore.acquire(timeout=10)
            reached.append(time.monotonic())
            barrier.wait(10)
            with condition:
                assert not condition.wait_for(lambda: False, timeout=4)
            reached.append(time.monotonic())
            return sorted(reached)

        assert spawned(host, program) == [2, 4, 6, 10]

    @pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
    def test_queues(self, host, kind):
        def program():
            items = getattr(queue, kind)()
            threading.Timer(5, items.put, ["item"]).start()
            with pytest.raises(queue.Empty):
                items.get(timeout=3)
            return time.monotonic(), items.get(timeout=30), time.monotonic()

        assert spawned(host, program) == (3, "item", 5)

    def test_a_pool_of_threads(self, host):
        def program():
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                futures = [pool.submit(lambda n: (time.sleep(n), n)[1], n) for n in (4, 2, 3)]
                with pytest.raises(TimeoutError):
                    futures[0].result(timeout=1)
                done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
                assert (len(done), time.monotonic()) == (1, 2)
                return [future.result() for future in futures], time.monotonic()

        assert spawned(host, program) == ([4, 2, 3], 5)

    def test_a_deadlock_names_who_waits_for_a_lock(self, lan, host):
        def program():
            with netif.use(host, clock=True):
                threading.Thread(target=threading.Event().wait, name="the helper").start()
                threading.Event().wait()

        task = host.spawn(program)
        with pytest.raises(Deadlock, match="the helper waits in acquire of <locked lock"):
            lan.run_until(task.done)

    def test_what_is_built_on_locks_may_be_older_than_the_scope(self, host):
        event, items, condition = threading.Event(), queue.Queue(), threading.Condition()

        def program():
            threading.Timer(5, event.set).start()
            threading.Timer(10, items.put, ["item"]).start()
            assert event.wait(30)
            assert items.get(timeout=30) == "item"
            with condition:
                assert not condition.wait(20)
            return time.monotonic()

        assert spawned(host, program) == 30

    def test_a_pool_that_is_older_than_the_scope_stays_the_kernels(self, host):
        def program():
            future = pool.submit(lambda: 42)
            while not future.done():  # in real time: the clock stands still
                pass
            return future.result()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert spawned(host, program) == 42

    def test_a_deadlock_says_in_which_line_a_thread_waits(self, host):
        def program():
            threading.Event().wait()

        with pytest.raises(Deadlock, match=r"waits in acquire of <locked lock.*> at program \(test_clock.py:\d+\)"):
            spawned(host, program)

    def test_a_deadlock_of_the_programs_own_thread(self, host):
        with netif.use(host, clock=True), pytest.raises(Deadlock, match="the program waits in acquire"):
            threading.Event().wait()


class TestPolling:
    def test_a_select_is_not_told_that_another_thread_closes_what_it_waits_for(self, host):
        """select(2): on Linux that has no effect on it."""

        def program():
            with socket.create_server(("", 80)) as kept, socket.create_server(("", 81)) as ended:
                threading.Timer(1, ended.close).start()
                assert select.select([kept, ended.fileno()], [ended], [], 5) == ([], [], [])
                with pytest.raises((OSError, ValueError)):
                    select.select([ended], [], [], 5)
            return time.monotonic()

        assert spawned(host, program) == 5

    @pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")
    def test_nor_that_its_epoll_is_closed(self, host):
        def program():
            polling = select.epoll()
            threading.Timer(1, polling.close).start()
            assert polling.poll(5) == []
            with pytest.raises(ValueError, match="closed epoll"):
                polling.poll(5)
            return time.monotonic()

        assert spawned(host, program) == 5

    def test_time_passes_in_a_select_of_nothing(self, host):
        def program():
            assert select.select([], [], [], 5) == ([], [], [])
            with selectors.DefaultSelector() as selector:
                assert selector.select(5) == []
            assert select.poll().poll(5000) == []
            return time.monotonic()

        assert spawned(host, program) == 15

    def test_a_pipe_of_the_kernels_is_seen_as_soon_as_somebody_writes(self, host):
        def program():
            reader, writer = os.pipe()
            try:
                threading.Timer(5, os.write, [writer, b"x"]).start()
                assert select.select([reader], [], [], 3) == ([], [], [])
                assert select.select([reader], [], [], 30) == ([reader], [], [])
                return time.monotonic()
            finally:
                os.close(reader)
                os.close(writer)

        assert spawned(host, program) == 5

    def test_an_asyncio_program_has_a_loop_in_virtual_time(self, host):
        def program():
            asyncio.run(asyncio.sleep(500))
            return time.monotonic()

        assert spawned(host, program) == 500


class TestSockets:
    def test_the_programs_own_thread_may_block_in_a_socket(self, lan, host):
        server = lan.host("server")

        def serve():
            with server.create_server(("", 7)) as listener:
                connection, _ = listener.accept()
                with connection:
                    lan.sleep(60)
                    connection.sendall(connection.recv(100))

        server.spawn(serve)
        lan.run_for(0)
        with netif.use(host, clock=True), socket.create_connection((server.ip, 7)) as client:
            client.sendall(b"hello")
            client.settimeout(10)
            with pytest.raises(TimeoutError):
                client.recv(100)
            client.settimeout(None)
            assert client.recv(100) == b"hello"
            assert 60 <= time.monotonic() < 61

    def test_a_failure_elsewhere_surfaces_in_the_programs_own_call(self, lan, host):
        def fail():
            lan.sleep(3)
            raise KeyError("elsewhere")

        host.spawn(fail)
        with netif.use(host, clock=True), pytest.raises(KeyError, match="elsewhere"):
            time.sleep(10)


class Slow(BaseHTTPRequestHandler):
    """Answers when the number of seconds in its path has passed."""

    def do_GET(self):
        time.sleep(int(self.path[1:]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{time.monotonic():.0f}".encode())

    def log_message(self, *arguments):
        pass


class TestPrograms:
    def test_an_http_server_of_threads_and_its_clients(self, lan, host):
        """Both are the stdlib's: a selector, a thread a request, an event to shut down by."""
        other = lan.host("client")

        def serve():
            with netif.use(host, clock=True), ThreadingHTTPServer(("", 80), Slow) as server:
                threading.Timer(100, server.shutdown).start()
                server.serve_forever()
                return time.monotonic()

        def ask():
            with netif.use(other, clock=True):
                with pytest.raises(TimeoutError):
                    urlopen(f"http://{host.ip}/50", timeout=5)
                with concurrent.futures.ThreadPoolExecutor() as pool:
                    urls = [f"http://{host.ip}/{seconds}" for seconds in (30, 20, 10)]
                    return list(pool.map(lambda url: urlopen(url).read(), urls))

        served = host.spawn(serve)
        lan.run_for(0)
        asked = other.spawn(ask)
        lan.run_until(lambda: served.done() and asked.done())
        assert asked.result() == [b"35", b"25", b"15"]
        assert 100 <= served.result() <= 101
