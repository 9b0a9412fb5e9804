"""asyncio in virtual time: programs as they stand, on the runtime's clock, replayed exactly."""

from __future__ import annotations

import asyncio
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial

import pytest

from netif.runtime import Deadlock, VirtualRuntime
from netif.runtime.executor import SpawningExecutor
from tests.netif.runtime.children import said_under_any_hash_seed
from tests.netif.runtime.toys import two_hosts


def test_an_hour_passes_at_once_and_exactly(virtual):
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(3600)
        first = loop.time()
        await asyncio.sleep(0.1)
        return first, loop.time(), virtual.now()

    assert virtual.run(main()) == (3600, 3600.1, 3600.1)
    assert virtual.now() == 3600.1


def test_far_away_in_time_a_timer_still_fires_at_its_time(virtual):
    async def main():
        await asyncio.sleep(1e9)  # where a nanosecond is less than a float can tell
        await asyncio.sleep(1e-6)
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == 1e9 + 1e-6


def test_timers_of_one_moment_fire_in_the_order_they_were_set(virtual):
    async def main():
        loop, log = asyncio.get_running_loop(), []
        for n in range(50):
            loop.call_later(1, log.append, n)
        await asyncio.sleep(1)
        return log

    assert virtual.run(main()) == list(range(50))


def test_time_outs_run_out_in_virtual_time(virtual):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Queue().get(), 40)
        done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(n)) for n in (1, 100)], timeout=10)
        assert (len(done), len(pending)) == (1, 1)
        return loop.time()

    assert virtual.run(main()) == 80


def test_tasks_queues_and_events_go_together(virtual):
    async def main():
        queue, ready, log = asyncio.Queue(2), asyncio.Event(), []

        async def produce():
            await ready.wait()
            for n in range(5):
                await queue.put(n)
                await asyncio.sleep(1)
            await queue.put(None)

        async def consume():
            ready.set()
            while (n := await queue.get()) is not None:
                log.append((n, virtual.now()))

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        return log

    assert virtual.run(main()) == [(n, n) for n in range(5)]


def test_awaiting_an_endpoint_and_a_thread_beside_it(virtual):
    anna, bert = two_hosts(virtual, delay=0.25)

    def serve():
        for _ in range(3):
            bert.send("back", bert.get("in"))

    async def main():
        served, answers = virtual.spawn(serve), []
        for n in range(3):
            anna.send("in", str(n))
            answers.append(await anna.aget("back"))
        await served
        return answers, virtual.now()

    assert virtual.run(main()) == (["0", "1", "2"], 1.5)


def test_an_awaited_endpoint_has_a_deadline(virtual):
    anna, _ = two_hosts(virtual)

    async def main():
        assert await anna.aget("never", 500) is None
        return virtual.now()

    assert virtual.run(main()) == 500


def test_a_cancelled_wait_leaves_nothing_behind(virtual):
    anna, bert = two_hosts(virtual)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anna.aget("in", 50)
        bert.send("in", "later")
        return await anna.aget("in"), list(anna.box("in").waiters)

    assert virtual.run(main()) == ("later", [])
    assert virtual.deadlines.earliest() is None


def test_a_function_in_a_thread_blocks_in_virtual_time(virtual):
    anna, bert = two_hosts(virtual)

    def listen():
        return bert.get("in"), virtual.now()

    async def main():
        heard = asyncio.create_task(asyncio.to_thread(listen))
        await asyncio.sleep(7)
        anna.send("in", "hello")
        return await heard

    assert virtual.run(main()) == (("hello"), 7)


def test_what_a_thread_raises_comes_out_of_its_await(virtual):
    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return "on"

    assert virtual.run(main()) == "on"


def test_more_threads_than_workers_take_their_turn(virtual):
    async def main():
        await asyncio.gather(*(asyncio.to_thread(virtual.sleep, 1) for _ in range(70)))
        return virtual.now()

    assert virtual.run(main()) == 3  # 32, 32 and 6


def test_a_worker_has_the_context_of_whoever_gave_it_the_work(virtual):
    who = ContextVar("who")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(SpawningExecutor(virtual, max_workers=1))

        async def ask(name):
            who.set(name)
            return await loop.run_in_executor(None, lambda: (virtual.sleep(1), who.get())[1])

        return await asyncio.gather(ask("anna"), ask("bert"))

    assert virtual.run(main()) == ["anna", "bert"]


def test_the_end_waits_for_threads_as_asyncio_run_does(virtual):
    log = []

    async def main():
        asyncio.get_running_loop().run_in_executor(None, lambda: (virtual.sleep(5), log.append(virtual.now())))

    virtual.run(main())
    assert log == [5]


def test_a_deadlock_names_what_every_task_waits_for_and_where(virtual):
    anna, _ = two_hosts(virtual)

    async def reader():
        await anna.aget("left")

    async def dreamer(event):
        await event.wait()

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(reader(), name="the reader")
            group.create_task(dreamer(asyncio.Event()), name="the dreamer")

    virtual.spawn(lambda: anna.get("right"), "a thread")
    with pytest.raises(Deadlock) as caught:
        virtual.run(main())
    text = str(caught.value)
    assert "the reader waits in get of <Box anna/left> at " in text
    assert "Host.aget (toys.py:" in text
    assert "the dreamer waits in Event.wait at " in text
    assert "a thread waits in get of <Box anna/right> at get (toys.py:" in text
    assert "TaskGroup" in text
    assert len(caught.value.waiters) == 4


def test_a_deadlock_of_the_program_names_the_tasks_of_spawned_loops(virtual):
    async def stuck():
        await asyncio.Event().wait()

    task = virtual.spawn(stuck, "stuck")
    with pytest.raises(Deadlock, match=r"waits in Event.wait at .*stuck \(test_virtual_loop.py:"):
        virtual.run_until(task.done)


def test_a_deadlock_unwinds_the_tasks(virtual):
    log = []

    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            log.append("unwound")

    with pytest.raises(Deadlock):
        virtual.run(main())
    assert log == ["unwound"]
    assert virtual.run(asyncio.sleep(1, "and on")) == "and on"


def test_maintenance_alone_keeps_no_loop_waiting(virtual):
    anna, _ = two_hosts(virtual)
    anna.after(60, lambda: None, maintenance=True)

    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        virtual.run(main())


def test_what_a_spawned_function_raises_comes_out_of_run(virtual):
    def fail():
        virtual.sleep(2)
        raise KeyError("spawned")

    async def main():
        await asyncio.sleep(100)

    virtual.spawn(fail)
    with pytest.raises(KeyError, match="spawned"):
        virtual.run(main())
    assert virtual.now() == 2


def test_coroutines_are_spawned_as_functions_are(virtual):
    anna, bert = two_hosts(virtual)

    async def serve():
        return await bert.aget("in")

    async def ask():
        await asyncio.sleep(1)
        anna.send("in", "hello")
        return "asked"

    served, asked = virtual.spawn(serve), virtual.spawn(ask)
    virtual.run_until(lambda: served.done() and asked.done())
    assert (served.result(), asked.result()) == ("hello", "asked")


def test_a_coroutine_spawned_on_a_loop_is_a_task_of_it(virtual):
    async def main():
        here = asyncio.get_running_loop()

        async def other():
            await asyncio.sleep(1)
            return asyncio.get_running_loop() is here

        return await virtual.spawn(other)

    assert virtual.run(main()) is True


def test_loops_in_spawned_functions_share_the_clock(virtual):
    log = []

    def program(name, seconds):
        async def main():
            for _ in range(3):
                await asyncio.sleep(seconds)
                log.append((name, virtual.now()))
            return name

        return lambda: virtual.run(main())

    tasks = [virtual.spawn(program("slow", 3)), virtual.spawn(program("fast", 2))]
    virtual.run_until(lambda: all(task.done() for task in tasks))
    assert log == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6), ("fast", 6), ("slow", 9)]
    assert [task.result() for task in tasks] == ["slow", "fast"]


def test_a_callback_from_another_thread_wakes_the_loop(virtual):
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def elsewhere():
            virtual.sleep(5)
            loop.call_soon_threadsafe(future.set_result, "told")

        virtual.spawn(elsewhere)
        return await future, loop.time()

    assert virtual.run(main()) == ("told", 5)


def test_a_loop_that_is_never_idle_lets_others_run(virtual):
    log = []

    async def main():
        virtual.spawn(lambda: log.append("ran"))
        for _ in range(10):
            await asyncio.sleep(0)
        return list(log)

    assert virtual.run(main()) == ["ran"]


@pytest.mark.parametrize(
    "call",
    [
        lambda runtime, host: host.get("in"),
        lambda runtime, host: runtime.sleep(1),
        lambda runtime, host: runtime.spawn(lambda: runtime.sleep(1)).result(),
    ],
    ids=["read", "sleep", "result"],
)
@pytest.mark.parametrize("spawned", [False, True])
def test_a_blocking_call_on_a_loop_is_refused(virtual, call, spawned):
    anna, _ = two_hosts(virtual)

    async def main():
        with pytest.raises(RuntimeError, match="event loop: await it"):
            call(virtual, anna)
        return "refused"

    if spawned:
        task = virtual.spawn(lambda: virtual.run(main()))
        virtual.run_until(task.done)
        assert task.result() == "refused"
    else:
        assert virtual.run(main()) == "refused"


def test_a_loop_does_not_run_the_clock_by_other_means(virtual):
    async def main():
        with pytest.raises(RuntimeError, match="already"):
            virtual.run_for(1)
        with pytest.raises(RuntimeError, match="a loop runs here already"):
            virtual.run(asyncio.sleep(1))
        return "refused"

    assert virtual.run(main()) == "refused"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda loop: loop.add_reader(0, print), "the kernel says when 0 is ready"),
        (lambda loop: loop.add_writer(0, print), r"use host.aio, netif.use\(host\), or a real clock"),
        (lambda loop: loop.add_signal_handler(signal.SIGTERM, print), "signals come in real time"),
    ],
    ids=["reader", "writer", "signal"],
)
def test_what_needs_the_kernel_is_refused_in_one_line(virtual, call, says):
    async def main():
        with pytest.raises(NotImplementedError, match=says) as caught:
            call(asyncio.get_running_loop())
        return str(caught.value)

    assert "\n" not in virtual.run(main())


@pytest.mark.parametrize(
    "call",
    [
        lambda loop, sock: loop.create_connection(asyncio.Protocol, "127.0.0.1", 9),
        lambda loop, sock: loop.create_connection(asyncio.Protocol, sock=sock),
        lambda loop, sock: loop.create_server(asyncio.Protocol, "127.0.0.1", 0),
        lambda loop, sock: loop.create_server(asyncio.Protocol, sock=sock),
        lambda loop, sock: loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)),
        lambda loop, sock: loop.sock_connect(sock, ("127.0.0.1", 9)),
        lambda loop, sock: loop.sock_recv(sock, 100),
        lambda loop, sock: loop.sock_sendall(sock, b"hello"),
        lambda loop, sock: asyncio.open_connection("127.0.0.1", 9),
    ],
)
def test_the_kernels_sockets_are_refused(virtual, call):
    async def main():
        with pytest.raises(NotImplementedError, match=r"on a virtual clock: .*use host.aio"):
            await call(asyncio.get_running_loop(), sock)

    with socket.socket() as sock:
        sock.setblocking(False)
        virtual.run(main())


def test_a_process_is_refused(virtual):
    async def main():
        with pytest.raises(NotImplementedError, match="a process runs in real time"):
            await asyncio.create_subprocess_exec("true")

    virtual.run(main())


def test_threads_of_the_kernel_are_refused(virtual):
    async def main():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor() as pool:
            with pytest.raises(ValueError, match="pass None"):
                await loop.run_in_executor(pool, print)
            with pytest.raises(ValueError, match="pass None"):
                loop.set_default_executor(pool)

    virtual.run(main())


def test_debug_mode_works(virtual):
    async def main():
        assert asyncio.get_running_loop().get_debug()
        await asyncio.to_thread(virtual.sleep, 1)
        await asyncio.gather(asyncio.sleep(5), asyncio.sleep(6))
        return virtual.now()

    assert virtual.run(main(), debug=True) == 7


def test_asynchronous_generators_are_closed_in_the_order_they_began(virtual):
    log, kept = [], []

    async def numbers(name):
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(1)
            log.append(name)

    async def main():
        for name in range(20):
            kept.append(numbers(name))
            await anext(kept[-1])

    virtual.run(main())
    assert log == list(range(20))
    assert virtual.now() == 1


def test_any_runner_may_be_given_the_loop(virtual):
    with asyncio.Runner(loop_factory=virtual.new_event_loop) as runner:
        assert runner.run(asyncio.sleep(10, "one")) == "one"
        assert runner.run(asyncio.sleep(10, "two")) == "two"
    assert virtual.now() == 20


def test_closing_the_runtime_cancels_what_its_loops_run(virtual):
    log = []

    async def stuck():
        try:
            await asyncio.Event().wait()
        finally:
            log.append("unwound")

    task = virtual.spawn(stuck)
    virtual.run_for(1)
    virtual.close()
    assert log == ["unwound"]
    with pytest.raises(RuntimeError, match="ended"):
        task.result()


def test_a_closed_runtime_runs_nothing(virtual):
    virtual.close()
    with pytest.raises(RuntimeError, match="closed"):
        virtual.run(asyncio.sleep(1))


SCENE = """
import asyncio, hashlib
from netif.runtime import VirtualRuntime
from tests.netif.runtime.toys import two_hosts

litter = [bytes(16 * size) for _ in range(hash("x") % 97) for size in range(32)]  # memory is laid out differently
runtime = VirtualRuntime(seed="replay")
log = []
dice = runtime.dice("scene")

async def worker(n, host, peer):
    try:
        for turn in range(10):
            await asyncio.sleep(dice.random())
            host.send("in", str(n))
            log.append((runtime.now(), n, await peer.aget("in", 5)))
            await asyncio.to_thread(runtime.sleep, dice.random())
    finally:
        log.append((runtime.now(), n, "ends"))

async def main():
    pairs = [two_hosts(runtime, delay=0.01 * (n + 1)) for n in range(30)]
    asyncio.get_running_loop().call_later(4, task.cancel)
    async with asyncio.TaskGroup() as group:
        for n, (anna, bert) in enumerate(pairs):
            group.create_task(worker(n, anna, bert))

async def scene():
    global task
    task = asyncio.create_task(main())
    done, _ = await asyncio.wait({task, *(asyncio.create_task(asyncio.sleep(1, n)) for n in range(20))})
    log.append([None if each is task else each.result() for each in done])

runtime.run(scene())
runtime.close()
print(len(log), hashlib.sha256(repr(log).encode()).hexdigest())
"""


def test_a_run_is_replayed_whatever_the_hash_seed_and_the_memory():
    assert int(said_under_any_hash_seed(SCENE).split()[0]) > 60


def test_many_runtimes_leave_no_threads(virtual):
    import threading

    before = threading.active_count()
    for _ in range(20):
        runtime = VirtualRuntime()
        runtime.run(asyncio.to_thread(partial(runtime.sleep, 1)))
        runtime.spawn(partial(asyncio.sleep, 1000))
        runtime.run_for(1)
        runtime.close()
    assert threading.active_count() == before
